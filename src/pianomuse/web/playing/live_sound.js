// @ts-check
/** What is heard of the keys that are down: struck at once, released with the key or, after it, with the pedal. */

import { fadeOf, layerOf, velocityGain } from "../sound/voices.js";

/** @typedef {import("../sound/piano.js").Piano} Piano */
/** @typedef {import("../sound/piano.js").Sounding} Sounding */
/** @typedef {import("./keyboards.js").Played} Played */

const LONGEST_S = 12;

export class LiveSound {
  /** @param {Piano} piano */
  constructor(piano) {
    this.piano = piano;
    /** @type {Map<number, Sounding>} */
    this._down = new Map();
    /** @type {{pitch: number, sounding: Sounding}[]} released, and held by the pedal */
    this._held = [];
    this._isPedalDown = false;
    this._isReady = false;
  }

  /** Load the whole piano, the middle of it first: a key that is struck cannot wait. */
  async prepare() {
    if (this._isReady) return;
    this._isReady = true;
    const pitches = Array.from({ length: 30 }, (_, index) => 21 + 3 * index);
    pitches.sort((a, b) => Math.abs(a - 62) - Math.abs(b - 62));
    for (let from = 0; from < pitches.length; from += 6) {
      await this.piano.prepare(pitches.slice(from, from + 6).flatMap((pitch) => [voice(pitch, 50), voice(pitch, 90)]));
    }
  }

  /** @param {Played} played */
  play(played) {
    const now = this.piano.context.currentTime;
    if (played.kind === "on") {
      this._release(played.pitch, now, 0.06);
      const sounding = this.piano.strike(voice(played.pitch, played.velocity), now, now + LONGEST_S);
      if (sounding) this._down.set(played.pitch, sounding);
    } else if (played.kind === "off") {
      const sounding = this._down.get(played.pitch);
      if (sounding && this._isPedalDown) {
        this._down.delete(played.pitch);
        this._held.push({ pitch: played.pitch, sounding });
      } else this._release(played.pitch, now, fadeOf(played.pitch));
    } else {
      this._isPedalDown = played.kind === "pedal" && played.down;
      if (!this._isPedalDown) this._lift(now);
      if (played.kind === "silence") for (const pitch of [...this._down.keys()]) this._release(pitch, now, 0.2);
    }
  }

  /** @param {number} pitch @param {number} now @param {number} fade */
  _release(pitch, now, fade) {
    const sounding = this._down.get(pitch);
    this._down.delete(pitch);
    if (sounding) this.piano.release(sounding, now, fade);
  }

  /** The pedal comes up. @param {number} now */
  _lift(now) {
    for (const { pitch, sounding } of this._held) this.piano.release(sounding, now, fadeOf(pitch));
    this._held = [];
  }
}

/** @param {number} pitch @param {number} velocity */
function voice(pitch, velocity) {
  return { on: 0, off: 0, fade: fadeOf(pitch), pitch, layer: layerOf(velocity), gain: velocityGain(velocity) };
}
