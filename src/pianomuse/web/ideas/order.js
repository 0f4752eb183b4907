// @ts-check
/** What is asked of the server: where the caret stands or which bars are chosen, and what the fields say. */

import { lastTick } from "../music/project.js";

/** @typedef {import("../studio.js").Studio} Studio */

/**
 * @typedef {object} Settings the fields beside the roll
 * @property {number} bars @property {number} candidates @property {"calm" | "balanced" | "bold"} adventure
 * @property {string} key @property {string} chords @property {string} range @property {string} hand
 * @property {string} notesPerBar @property {string} voices @property {string} seed
 * @property {string} temperature @property {string} topP @property {boolean} isInsert
 */

/** @typedef {{what: "complete" | "fill", from: number, body: Record<string, unknown>}} Order `from`: tick the ideas begin at, as far as it is known */
/** @typedef {{start: number, end: number}} Place */

/** @param {Studio} studio @param {Settings} settings @returns {Order} */
export function orderOf(studio, settings) {
  const { project, time, caret, range } = studio;
  const shared = { candidates: settings.candidates, ...boldness(settings), limits: limitsOf(settings) };
  if (range) {
    const [first, last] = [time.barAt(range.from), time.barAt(Math.max(range.to - 1, range.from))];
    return fill(first.number, last.number, first.tick, shared);
  }
  const bar = time.barAt(caret);
  const stop = time.beatFrom(lastTick(project));
  const isAtEnd = caret >= lastTick(project) && caret <= time.barLineFrom(stop);
  if (isAtEnd) return complete(null, settings, stop, shared);
  const first = caret > bar.tick ? bar.number + 1 : bar.number;
  const empty = emptyBars(studio, first, settings.bars);
  if (empty && !settings.isInsert) return fill(first, first + empty - 1, time.bar(first).tick, shared);
  return complete(first - 1, settings, time.bar(first).tick, shared);
}

/** Whether music stands where the ideas would be written. @param {Studio} studio @param {Settings} settings */
export function standsInTheWay(studio, settings) {
  const { time, caret, range, project } = studio;
  const bar = time.barAt(caret);
  const from = range?.from ?? (caret > bar.tick ? bar.end : bar.tick);
  const to = range?.to ?? time.bar(time.barAt(from).number + settings.bars).tick;
  return project.notes.some((note) => note.tick >= from && note.tick < to);
}

/** @param {number} first @param {number} last @param {number} from @param {object} shared @returns {Order} */
function fill(first, last, from, shared) {
  return { what: "fill", from, body: { from_bar: first, to_bar: last, ...shared } };
}

/** @param {number | null} atBar @param {Settings} settings @param {number} from @param {object} shared @returns {Order} */
function complete(atBar, { bars, isInsert }, from, shared) {
  const insert = atBar === null ? null : isInsert || atBar === 0;
  return { what: "complete", from, body: { at_bar: atBar, bars, insert, ...shared } };
}

/** How many bars from here are empty, if music follows; 0 otherwise. @param {Studio} studio @param {number} first @param {number} most */
function emptyBars({ project, time }, first, most) {
  const from = time.bar(first).tick;
  const next = project.notes.find((note) => note.tick >= from);
  if (!next) return 0;
  return Math.min(time.barAt(next.tick).number - first, most);
}

/** @param {Settings} settings */
function boldness({ adventure, temperature, topP, seed }) {
  return { adventure, temperature: numberOf(temperature), top_p: numberOf(topP), seed: numberOf(seed) };
}

/** @param {Settings} settings @returns {Record<string, unknown> | null} */
function limitsOf({ key, chords, range, hand, notesPerBar, voices }) {
  const all = { key, chords, range: range.replace("–", "-"), hand, notes_per_bar: notesPerBar, voices };
  const said = Object.entries(all).filter(([, value]) => value.trim() !== "");
  return said.length ? Object.fromEntries(said) : null;
}

/** @param {string} text @returns {number | null} */
function numberOf(text) {
  const number = Number(text);
  return text.trim() === "" || !Number.isFinite(number) ? null : number;
}
