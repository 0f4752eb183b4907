// @ts-check
/** What the keyboard does to notes. */

import { edited, exchange, lastTick, moved, pedalEvents, pedalSpans } from "../music/project.js";
import { pitchName } from "../music/names.js";
import { stretched, trackFor } from "../roll/gestures.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("../music/types.js").Note} Note */
/** @typedef {(key: string, values?: Record<string, unknown>) => void} Say */

export class Editing {
  /** @param {Studio} studio @param {Say} say @param {(pitch: number) => void} hear */
  constructor(studio, say, hear) {
    this.studio = studio;
    this.say = say;
    this.hear = hear;
    /** @type {Note[]} */
    this.clipboard = [];
  }

  /** @returns {Note[]} */
  get selected() {
    return [...this.studio.selection];
  }

  /** @param {string} step @param {Note[] | null} changed what becomes of the selected notes */
  _change(step, changed) {
    if (!changed) {
      this.say("outOfPiano");
      return;
    }
    this.studio.apply(step, exchange(this.studio.project, this.selected, changed), { select: changed });
  }

  /** @param {number} semitones */
  transpose(semitones) {
    const { studio } = this;
    if (!studio.selection.size) {
      studio.cursorPitch = Math.min(Math.max(studio.cursorPitch + semitones, 21), 108);
      studio.dispatchEvent(new Event("caret"));
      this.hear(studio.cursorPitch);
      return;
    }
    this._change("stepTranspose", moved(this.selected, 0, semitones));
    this.hear(this.selected[0].pitch);
  }

  /** @param {number} steps of the grid */
  move(steps) {
    if (!this.studio.selection.size) return;
    const changed = moved(this.selected, steps * this._step(), 0);
    if (changed) this._change("stepMove", changed);
  }

  /** @param {number} steps */
  lengthen(steps) {
    const step = this._step();
    this._change("stepResize", this.selected.map((note) => stretched(note, "end", steps * step, step)));
  }

  /** @param {number} by */
  louder(by) {
    const changed = (/** @type {Note} */ note) => Math.min(Math.max(note.velocity + by, 1), 127);
    if (this.studio.selection.size) {
      this._change("stepVelocity", this.selected.map((note) => edited(note, { velocity: changed(note) })));
    }
  }

  /** A note at the caret, which moves on behind it. */
  write() {
    const { studio } = this;
    const { project, cursorPitch: pitch, caret: tick } = studio;
    const velocity = project.notes.filter((note) => note.tick <= tick).at(-1)?.velocity ?? 72;
    const note = { tick, duration: Math.round(this._step()), pitch, velocity, track: trackFor(project, pitch) };
    studio.apply("stepDraw", exchange(project, [], [note]), { select: [], caret: tick + note.duration });
    this.hear(pitch);
  }

  remove() {
    const { studio } = this;
    if (studio.selection.size) studio.apply("stepDelete", exchange(studio.project, studio.selection, []));
  }

  copy() {
    if (!this.studio.selection.size) return;
    this.clipboard = this.selected;
    this.say("copied", { n: this.clipboard.length });
  }

  cut() {
    const { studio } = this;
    if (!studio.selection.size) return;
    this.clipboard = this.selected;
    studio.apply("stepCut", exchange(studio.project, studio.selection, []));
  }

  paste() {
    this._insert("stepPaste", this.clipboard, this.studio.caret);
  }

  /** The selected notes again, behind themselves. */
  duplicate() {
    const { studio, selected } = this;
    if (!selected.length) return;
    const from = Math.min(...selected.map((note) => note.tick));
    const to = Math.max(...selected.map((note) => note.tick + note.duration));
    const length = studio.time.beatFrom(to) - from;
    this._insert("stepCopy", selected, from + length);
  }

  /** Onsets onto the grid, lengths to at least one step of it. */
  quantise() {
    const { studio } = this;
    const notes = studio.selection.size ? this.selected : [...studio.project.notes];
    const step = this._step();
    const changed = notes.map((note) => {
      const tick = studio.time.snap(note.tick, step);
      const duration = Math.max(Math.round(note.duration / step) * step, step);
      return tick === note.tick && duration === note.duration ? note : edited(note, { tick, duration });
    });
    if (changed.every((note, index) => note === notes[index])) return;
    studio.apply("stepQuantise", exchange(studio.project, notes, changed), { select: studio.selection.size ? changed : [] });
  }

  /** Give the selected notes to the other of two tracks. */
  otherHand() {
    const { studio } = this;
    const { project } = studio;
    if (!studio.selection.size) return;
    const [first, second] = [...new Set(project.notes.map((note) => note.track)), 0, 1].slice(0, 2);
    const other = first === second ? 1 - first : second;
    const tracks = [...project.tracks];
    while (tracks.length <= other) tracks.push({ name: "Piano", program: 0, channel: 0 });
    const changed = this.selected.map((note) => edited(note, { track: note.track === first ? other : first }));
    studio.apply("stepHand", { ...exchange(project, this.selected, changed), tracks }, { select: changed });
  }

  /** Pedal down over the chosen bars, or the bar of the caret; up if it is down there. */
  pedal() {
    const { studio } = this;
    const { project, time } = studio;
    const bar = time.barAt(studio.caret);
    const { from, to } = studio.range ?? { from: bar.tick, to: bar.end };
    const spans = pedalSpans(project.pedals, lastTick(project));
    const outside = spans.filter((span) => span.to <= from || span.from >= to);
    const added = outside.length === spans.length ? [{ from, to }] : [];
    studio.apply("stepPedal", { ...project, pedals: pedalEvents([...outside, ...added]) });
  }

  /** Select the next or the previous note. @param {number} by */
  nextNote(by) {
    const { studio } = this;
    const { notes } = studio.project;
    if (!notes.length) return;
    const last = this.selected[0];
    const here = last ? notes.indexOf(last) : notes.findIndex((note) => note.tick >= studio.caret) - (by > 0 ? 1 : 0);
    const note = notes[Math.min(Math.max(here + by, 0), notes.length - 1)];
    studio.select([note]);
    this.hear(note.pitch);
    const { bar, beat } = studio.time.place(note.tick);
    this.say("selectedOne", { pitch: pitchName(note.pitch), bar, beat, velocity: note.velocity });
  }

  /** @param {string} step @param {Note[]} notes @param {number} tick where the first of them goes */
  _insert(step, notes, tick) {
    if (!notes.length) return;
    const { studio } = this;
    const from = Math.min(...notes.map((note) => note.tick));
    const added = notes.map((note) => edited(note, { tick: note.tick - from + tick }));
    studio.apply(step, exchange(studio.project, [], added), { select: added });
  }

  /** The grid, or a sixteenth where it is off. */
  _step() {
    return this.studio.snapTicks || this.studio.project.ppq / 4;
  }
}
