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
 * @property {string} scale @property {boolean} hasPassing @property {boolean} isStrict @property {string} ending
 * @property {string} to @property {"" | "rhythm" | "contour" | "pitches" | "harmony" | "harmonise"} verb what becomes of chosen bars
 */

/** @typedef {{firstBar: number, start: number, end: number, isInsert: boolean, stays: {tick: number, pitch: number}[], hand: string}} Place `hand`: the one that is written, empty: both */
/** @typedef {import("../music/types.js").Project} Project */
/** @typedef {"complete" | "fill" | "vary" | "harmonise" | "like"} Verb */
/**
 * @typedef {object} Order
 * @property {Verb} what
 * @property {number} from tick the ideas begin at, as far as it is known
 * @property {Record<string, unknown>} body
 * @property {Project} [project] the music that is sent, if it is not the one that stands in the roll
 * @property {{firstBar: number, hand?: string, stays?: {tick: number, pitch: number}[], notes?: readonly import("./ghosts.js").GhostNote[], pedals?: readonly import("../music/types.js").Pedal[]}} [begun] what ideas like another one keep
 * @property {import("./growing.js").Likeness} [like]
 * @property {string} [hears] the verb whose ideas these are like
 */

/** @param {Studio} studio @param {Settings} settings @returns {Order} */
export function orderOf(studio, settings) {
  const { project, time, caret, range } = studio;
  const shared = { candidates: settings.candidates, ...boldness(settings), limits: limitsOf(settings) };
  /** With the chords that stand over the ruler. @template {Record<string, unknown>} T @param {T} said @param {number} first @param {number} n */
  const chorded = (said, first, n) => ({ ...said, limits: withChords(shared.limits, studio.chords, first, n) });
  if (range) {
    const [first, last] = [time.barAt(range.from), time.barAt(Math.max(range.to - 1, range.from))];
    const said = chorded(shared, first.number, last.number - first.number + 1);
    return overChosen(settings.verb, first.number, last.number, first.tick, said);
  }
  const bar = time.barAt(caret);
  const stop = musicEnd(project, time);
  const last = lastTick(project);
  const isAtEnd = caret >= Math.min(stop, last) && caret <= time.barLineFrom(time.beatFrom(last));
  if (isAtEnd) {
    const open = time.barAt(stop);
    const finishes = stop > open.tick; // its chord, if there is one, is the first of the list
    const first = finishes && !studio.chords.get(open.number) ? open.number + 1 : open.number;
    const n = settings.bars + (finishes && first === open.number ? 1 : 0);
    return complete(null, settings, stop, chorded(shared, first, n));
  }
  const first = caret > bar.tick ? bar.number + 1 : bar.number;
  const empty = emptyBars(studio, first, settings.bars);
  if (empty && !settings.isInsert) {
    return fill(first, first + empty - 1, time.bar(first).tick, chorded(shared, first, empty));
  }
  return complete(first - 1, settings, time.bar(first).tick, chorded(shared, first, settings.bars));
}

/** Where the music stops, rounded up to the next beat, as the server sees it: a little overlap or a last note held long do not move it. @param {Project} project @param {Studio["time"]} time */
function musicEnd({ notes, ppq }, time) {
  let [stop, onset] = [0, -1];
  for (const note of notes) {
    const { tick, end } = time.barAt(note.tick);
    stop = Math.max(stop, note.duration > end - tick ? end : note.tick + note.duration);
    onset = Math.max(onset, note.tick);
  }
  const overlap = Math.floor((ppq + 3) / 4) - 1;
  return notes.length ? Math.max(time.beatFrom(Math.max(stop - overlap, 0)), time.beatFrom(onset + 1)) : 0;
}

/** What becomes of chosen bars. @param {Settings["verb"]} verb @param {number} first @param {number} last @param {number} from @param {Record<string, unknown>} said @returns {Order} */
function overChosen(verb, first, last, from, said) {
  if (!verb) return fill(first, last, from, said);
  if (verb === "pitches") {
    const limits = { .../** @type {object} */ (said.limits ?? {}), keep: verb };
    return fill(first, last, from, { ...said, limits });
  }
  const { body } = fill(first, last, from, said);
  if (verb === "harmonise") return { what: "harmonise", from, body };
  return { what: "vary", from, body: { ...body, keep: verb } };
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

/** @param {Pick<Settings, "adventure" | "temperature" | "topP" | "seed">} settings */
export function boldness({ adventure, temperature, topP, seed }) {
  return { adventure, temperature: numberOf(temperature), top_p: numberOf(topP), seed: numberOf(seed) };
}

/** @param {Settings} settings @returns {Record<string, unknown> | null} */
function limitsOf({ key, scale, chords, range, hand, notesPerBar, voices, ending, to, hasPassing, isStrict }) {
  const words = { key, scale, chords, range: range.replace("–", "-"), hand, notes_per_bar: notesPerBar, voices, ending, to };
  /** @type {[string, unknown][]} */
  const said = Object.entries(words).filter(([, value]) => value.trim() !== "");
  if (hasPassing && (key || scale)) said.push(["chromatic", "passing"]);
  if (isStrict) said.push(["chords_strict", true]);
  const asked = Object.fromEntries(said);
  if (!asked.chords) delete asked.chords_strict;
  return said.length ? asked : null;
}

/** Limits with the chords that stand over the bars to be written; those say more than the field does. @param {Record<string, unknown> | null} limits @param {ReadonlyMap<number, string>} chords by number of the bar @param {number} first @param {number} n */
function withChords(limits, chords, first, n) {
  const bars = Array.from({ length: n }, (_, index) => chords.get(first + index) ?? "");
  return bars.some(Boolean) ? { ...limits, chords: bars.map((chord) => chord || "free").join(" | ") } : limits;
}

/** @param {string} text @returns {number | null} */
function numberOf(text) {
  const number = Number(text);
  return text.trim() === "" || !Number.isFinite(number) ? null : number;
}

/** Where the ideas of a request stand; beside others they begin where those do. @param {Order} order @param {import("./growing.js").StreamEvent} event @param {import("./ghosts.js").Ghosts | null} beside @returns {Place} */
export function placeOf(order, event, beside) {
  const isInsert = beside?.isInsert ?? Boolean(order.body.insert);
  const start = order.begun ? order.from : event.start_tick;
  const firstBar = order.begun?.firstBar ?? event.first_bar;
  const [hand, stays] = [order.begun?.hand || event.adds_hand || "", order.begun?.stays ?? event.stays ?? []];
  return { firstBar, start, end: event.end_tick, isInsert, stays, hand };
}
