// @ts-check
/**
 * Notes and pedal to what sounds: when every string is struck, when its damper falls and how loud it is. The same rules
 * as the piano that writes WAV files (`pianomuse/render/piano.py`).
 */

import { pedalSpans } from "../music/project.js";

/** @typedef {import("../music/types.js").Project} Project */
/** @typedef {import("../music/types.js").Note} Note */
/** @typedef {import("../music/time.js").TimeMap} TimeMap */

/**
 * @typedef {object} Voice
 * @property {number} on seconds
 * @property {number} off when the damper falls, or the key is struck again
 * @property {number} fade seconds from there until 60 dB below
 * @property {number} pitch
 * @property {"soft" | "loud"} layer
 * @property {number} gain
 */

const LOUD_FROM_VELOCITY = 67;
const UNDAMPED_FROM_PITCH = 90; // grand pianos have no dampers above
const UNDAMPED_S = 2.4;
const RESTRIKE_S = 0.06;
const DYNAMIC_RANGE_DB = 50;
const MASTER_GAIN = 0.45;

/** Amplitude of a velocity: the square law of Dannenberg, "The Interpretation of MIDI Velocity" (2006), with 50 dB. @param {number} velocity */
export function velocityGain(velocity) {
  const root = 10 ** (DYNAMIC_RANGE_DB / 40);
  const offset = 127 / (126 * root) - 1 / 126;
  return MASTER_GAIN * (((1 - offset) * velocity) / 127 + offset) ** 2;
}

/** @param {number} velocity @returns {"soft" | "loud"} */
export function layerOf(velocity) {
  return velocity >= LOUD_FROM_VELOCITY ? "loud" : "soft";
}

/** Seconds a damper takes. @param {number} pitch */
export function fadeOf(pitch) {
  if (pitch <= 60) return 0.5 - (0.2 * Math.max(pitch - 21, 0)) / 39;
  return 0.3 - (0.15 * Math.min(pitch - 60, 30)) / 30;
}

/**
 * @param {Pick<Project, "notes" | "pedals">} music @param {TimeMap} time
 * @returns {Voice[]} by onset
 */
export function voicesOf({ notes, pedals }, time) {
  const last = notes.length ? time.seconds(Math.max(...notes.map((note) => note.tick + note.duration))) : 0;
  const spans = pedalSpans(pedals, Infinity).map(({ from, to }) => ({
    down: time.seconds(from),
    up: Number.isFinite(to) ? time.seconds(to) : last,
  }));
  /** @type {Map<number, number>} */
  const nextStroke = new Map();
  /** @type {Voice[]} */
  const voices = [];
  let span = spans.length - 1;
  const byRelease = new Map();
  for (const note of [...notes].sort((a, b) => b.tick + b.duration - a.tick - a.duration)) {
    const keyUp = time.seconds(note.tick + note.duration);
    while (span >= 0 && spans[span].down > keyUp) span -= 1;
    byRelease.set(note, span >= 0 && spans[span].up > keyUp ? spans[span].up : keyUp);
  }
  for (const note of [...notes].sort((a, b) => b.tick - a.tick)) {
    if (note.pitch < 21 || note.pitch > 108) continue;
    const on = time.seconds(note.tick);
    let off = byRelease.get(note);
    let fade = fadeOf(note.pitch);
    if (note.pitch >= UNDAMPED_FROM_PITCH) off = Math.max(off, on + UNDAMPED_S);
    const struckAgain = nextStroke.get(note.pitch) ?? Infinity;
    if (struckAgain < off) [off, fade] = [struckAgain, RESTRIKE_S];
    nextStroke.set(note.pitch, on);
    const { pitch, velocity } = note;
    voices.push({ on, off, fade, pitch, layer: layerOf(velocity), gain: velocityGain(velocity) });
  }
  return voices.reverse();
}
