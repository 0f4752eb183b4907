// @ts-check
/** What the mouse does among the notes: each gesture says what the project looks like under way and at its end. */

import { edited, exchange, HIGHEST_PITCH, LOWEST_PITCH } from "../music/project.js";
import { noteBox, visible } from "./draw_notes.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("./view.js").View} View */
/** @typedef {import("./roll.js").Roll} Roll */
/** @typedef {import("../music/types.js").Note} Note */
/** @typedef {import("../music/types.js").Project} Project */
/** @typedef {{x: number, y: number, alt: boolean, shift: boolean}} Point */
/** @typedef {{move: (point: Point) => void, end: () => void, cancel?: () => void}} Gesture */

const EDGE_PX = 6;
const CLICK_PX = 3;

/** The note under a point, the upper one of two, and which part of it. @param {View} view @param {readonly Note[]} notes @param {Point} point @returns {{note: Note, part: "start" | "middle" | "end"} | null} */
export function noteAt(view, notes, { x, y }) {
  for (const note of visible(view, notes).reverse()) {
    const [left, top, width, height] = noteBox(view, note);
    if (x < left - 1 || x > left + width + 1 || y < top || y > top + height) continue;
    const edge = Math.min(EDGE_PX, width / 4);
    const part = x > left + width - edge ? "end" : x < left + edge && width > 12 ? "start" : "middle";
    return { note, part };
  }
  return null;
}

/** Draw a new note, as long as it is dragged. @param {Studio} studio @param {View} view @param {Point} from @param {(pitch: number) => void} hear @returns {Gesture} */
export function drawing(studio, view, from, hear) {
  const { project } = studio;
  const step = from.alt ? 0 : studio.snapTicks;
  const tick = studio.time.snap(view.tick(from.x), step, "down");
  const least = step || Math.round(project.ppq / 8);
  const pitch = Math.min(Math.max(view.pitch(from.y), LOWEST_PITCH), HIGHEST_PITCH);
  const model = lastBefore(project, tick);
  const velocity = model?.velocity ?? 72;
  /** @type {Note} */
  let note = { tick, duration: Math.round(step || project.ppq / 4), pitch, velocity, track: trackFor(project, pitch) };
  studio.show(exchange(project, [], [note]));
  hear(pitch);
  return {
    move(point) {
      const end = studio.time.snap(view.tick(point.x), point.alt ? 0 : step);
      if (Math.abs(point.x - from.x) < CLICK_PX) return;
      note = { ...note, duration: Math.max(end - tick, Math.round(least)) };
      studio.show(exchange(project, [], [note]));
    },
    end() {
      studio.apply("stepDraw", exchange(project, [], [note]), { select: [note] });
    },
    cancel: () => studio.show(null),
  };
}

/** Move notes, or copies of them. @param {Studio} studio @param {View} view @param {Point} from @param {Note} grabbed @param {(pitch: number) => void} hear @returns {Gesture} */
export function moving(studio, view, from, grabbed, hear) {
  const { project } = studio;
  const notes = [...studio.selection];
  const gone = from.alt ? [] : notes;
  const earliest = Math.min(...notes.map((note) => note.tick));
  const [lowest, highest] = extremes(notes);
  let [ticks, semitones] = [0, 0];
  /** @type {Note[]} */
  let result = notes;
  return {
    move(point) {
      const wanted = grabbed.tick + (point.x - from.x) / view.perTick;
      const step = point.alt && !from.alt ? 0 : studio.snapTicks; // Alt from the start copies
      const to = Math.abs(point.x - from.x) < CLICK_PX ? grabbed.tick : studio.time.snap(wanted, step);
      const before = semitones;
      ticks = Math.max(to - grabbed.tick, -earliest);
      semitones = Math.round((from.y - point.y) / view.row);
      semitones = Math.min(Math.max(semitones, LOWEST_PITCH - lowest), HIGHEST_PITCH - highest);
      if (semitones !== before) hear(grabbed.pitch + semitones);
      result = notes.map((note) => edited(note, { tick: note.tick + ticks, pitch: note.pitch + semitones }));
      studio.selection = new Set(result);
      studio.show(exchange(project, gone, result));
    },
    end() {
      studio.show(null);
      if (!ticks && !semitones) studio.select(notes);
      else studio.apply(from.alt ? "stepCopy" : "stepMove", exchange(project, gone, result), { select: result });
    },
    cancel() {
      studio.show(null);
      studio.select(notes);
    },
  };
}

/** Drag the start or the end of notes. @param {Studio} studio @param {View} view @param {Point} from @param {Note} grabbed @param {"start" | "end"} part @returns {Gesture} */
export function resizing(studio, view, from, grabbed, part) {
  const { project } = studio;
  const notes = [...studio.selection];
  const edge = part === "end" ? grabbed.tick + grabbed.duration : grabbed.tick;
  /** @type {Note[]} */
  let result = notes;
  let by = 0;
  return {
    move(point) {
      const step = point.alt ? 0 : studio.snapTicks;
      const wanted = edge + (point.x - from.x) / view.perTick;
      by = Math.abs(point.x - from.x) < CLICK_PX ? 0 : studio.time.snap(wanted, step) - edge;
      result = notes.map((note) => stretched(note, part, by, step || 1));
      studio.selection = new Set(result);
      studio.show(exchange(project, notes, result));
    },
    end() {
      studio.show(null);
      if (by) studio.apply("stepResize", exchange(project, notes, result), { select: result });
      else studio.select(notes);
    },
    cancel() {
      studio.show(null);
      studio.select(notes);
    },
  };
}

/** A note with one end moved; never shorter than the grid allows. @param {Note} note @param {"start" | "end"} part @param {number} by @param {number} least @returns {Note} */
export function stretched(note, part, by, least) {
  const shortest = Math.min(Math.round(least), note.duration);
  if (part === "end") return edited(note, { duration: Math.max(note.duration + by, shortest) });
  const tick = Math.max(Math.min(note.tick + by, note.tick + note.duration - shortest), 0);
  return edited(note, { tick, duration: note.tick + note.duration - tick });
}

/** Select what the band touches. @param {Studio} studio @param {Roll} roll @param {Point} from @param {() => void} onClick a click without a band @returns {Gesture} */
export function banding(studio, roll, from, onClick) {
  const before = from.shift ? studio.selection : new Set();
  if (!from.shift && studio.selection.size) studio.select([]);
  let isBand = false;
  return {
    move(point) {
      const [x, y] = [Math.min(from.x, point.x), Math.min(from.y, point.y)];
      const [width, height] = [Math.abs(point.x - from.x), Math.abs(point.y - from.y)];
      isBand ||= width + height > 2 * CLICK_PX;
      if (!isBand) return;
      roll.band = { x, y, width, height };
      const touched = visible(roll.view, studio.project.notes).filter((note) => {
        const [left, top, w, h] = noteBox(roll.view, note);
        return left < x + width && left + w > x && top < y + height && top + h > y;
      });
      studio.select([.../** @type {Set<Note>} */ (before), ...touched]);
      roll.touch("overlay");
    },
    end() {
      roll.band = null;
      roll.touch("overlay");
      if (!isBand) onClick();
    },
  };
}

/** The track that gets a new note: the one whose notes are nearest in pitch. @param {Project} project @param {number} pitch */
export function trackFor(project, pitch) {
  /** @type {Map<number, number[]>} */
  const sums = new Map();
  for (const note of project.notes) {
    const [sum, n] = sums.get(note.track) ?? [0, 0];
    sums.set(note.track, [sum + note.pitch, n + 1]);
  }
  const means = [...sums].map(([track, [sum, n]]) => ({ track, away: Math.abs(sum / n - pitch) }));
  return means.sort((a, b) => a.away - b.away)[0]?.track ?? 0;
}

/** @param {Project} project @param {number} tick @returns {Note | undefined} */
function lastBefore(project, tick) {
  return project.notes.filter((note) => note.tick <= tick).at(-1) ?? project.notes[0];
}

/** @param {Note[]} notes @returns {[number, number]} */
function extremes(notes) {
  const pitches = notes.map((note) => note.pitch);
  return [Math.min(...pitches), Math.max(...pitches)];
}
