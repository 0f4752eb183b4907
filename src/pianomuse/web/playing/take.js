// @ts-check
/** What is played while recording, as notes and pedal in ticks. */

import { exchange, lastTick, pedalEvents, pedalSpans } from "../music/project.js";

/** @typedef {import("../music/types.js").Project} Project */
/** @typedef {import("../music/types.js").Note} Note */
/** @typedef {import("../music/types.js").Span} Span */

export class Take {
  /** @param {(pitch: number) => number} trackOf track of a new note */
  constructor(trackOf) {
    this.trackOf = trackOf;
    /** @type {Note[]} */
    this._notes = [];
    /** @type {Map<number, {tick: number, velocity: number}>} keys that are down */
    this._down = new Map();
    /** @type {Span[]} */
    this._spans = [];
    /** @type {number | null} tick at which the pedal went down */
    this._pedalFrom = null;
  }

  /** Whether a key was struck. */
  get hasNotes() {
    return this._notes.length + this._down.size > 0;
  }

  /** @param {number} pitch @param {number} velocity @param {number} tick */
  strike(pitch, velocity, tick) {
    this.release(pitch, tick);
    this._down.set(pitch, { tick, velocity });
  }

  /** @param {number} pitch @param {number} tick */
  release(pitch, tick) {
    const key = this._down.get(pitch);
    if (!key) return;
    this._down.delete(pitch);
    this._notes.push(this._note(pitch, key, tick));
  }

  /** @param {boolean} isDown @param {number} tick */
  pedal(isDown, tick) {
    if (isDown) this._pedalFrom ??= tick;
    else if (this._pedalFrom !== null) {
      if (tick > this._pedalFrom) this._spans.push({ from: this._pedalFrom, to: tick });
      this._pedalFrom = null;
    }
  }

  /** Every key and the pedal come up. @param {number} tick */
  silence(tick) {
    for (const pitch of [...this._down.keys()]) this.release(pitch, tick);
    this.pedal(false, tick);
  }

  /** Notes as far as they are at a tick. @param {number} tick @returns {Note[]} */
  notes(tick) {
    return [...this._notes, ...[...this._down].map(([pitch, key]) => this._note(pitch, key, tick))];
  }

  /** A project with the take in it, as far as it is at a tick. @param {Project} project @param {number} tick @returns {Project} */
  in(project, tick) {
    const down = this._pedalFrom !== null && tick > this._pedalFrom ? [{ from: this._pedalFrom, to: tick }] : [];
    const spans = [...this._spans, ...down];
    const music = exchange(project, [], this.notes(tick));
    if (!spans.length) return music;
    return { ...music, pedals: pedalEvents([...pedalSpans(project.pedals, lastTick(project)), ...spans]) };
  }

  /** @param {number} pitch @param {{tick: number, velocity: number}} key @param {number} tick @returns {Note} */
  _note(pitch, key, tick) {
    const duration = Math.max(Math.round(tick - key.tick), 1);
    return { tick: key.tick, duration, pitch, velocity: key.velocity, track: this.trackOf(pitch) };
  }
}
