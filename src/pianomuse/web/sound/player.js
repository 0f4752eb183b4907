// @ts-check
/**
 * Plays voices from a place in the music, ahead of time by a little, once or round and round. What is played may be
 * exchanged at any moment: it goes on at the same place.
 */

const AHEAD_S = 0.15;
const TIMER_MS = 25;
const START_S = 0.06;

/** @typedef {import("./piano.js").Piano} Piano */
/** @typedef {import("./piano.js").Sounding} Sounding */
/** @typedef {import("./voices.js").Voice} Voice */
/** @typedef {{voice: Voice, at: number, until: number, sounding: Sounding}} Struck */

export class Player {
  /** @param {Piano} piano */
  constructor(piano) {
    this.piano = piano;
    this.isPlaying = false;
    this.loops = false;
    this.from = 0; // seconds of the music
    this.to = 0;
    /** @type {(() => void) | null} called when the end is reached */
    this.onEnd = null;
    /** @type {readonly Voice[]} */
    this._voices = [];
    /** @type {readonly {at: number, isDownbeat: boolean}[]} */
    this._clicks = [];
    this._zero = 0; // time of the context at which second 0 of the music is (of the present round)
    this._done = 0; // seconds of the music that are scheduled
    /** @type {Struck[]} */
    this._struck = [];
    this._timer = 0;
    this._hasBegun = false; // before, the samples are loaded
  }

  /** Where it is in the music, in seconds. */
  get position() {
    if (!this._hasBegun) return this.from;
    const position = this.piano.context.currentTime - this._zero;
    if (this.loops && this.to > this.from && position < this.from) return position + (this.to - this.from);
    return Math.max(position, this.from);
  }

  /** Where in the music the speakers were at a time of the page's clock, in seconds; they are silent while the audio clock stands still. @param {number} milliseconds */
  heardAt(milliseconds) {
    if (!this._hasBegun) return this.from;
    const { context } = this.piano;
    const { contextTime = 0, performanceTime = 0 } = context.getOutputTimestamp?.() ?? {};
    const [then, at] = performanceTime > 0 ? [contextTime, performanceTime] : [context.currentTime, performance.now()];
    return Math.min(then + (milliseconds - at) / 1000, context.currentTime) - this._zero;
  }

  /** @param {readonly Voice[]} voices @param {{from: number, to: number, clicks?: readonly {at: number, isDownbeat: boolean}[]}} stretch */
  async play(voices, { from, to, clicks = [] }) {
    this.stop();
    const { context } = this.piano;
    const soon = voices.filter((voice) => voice.off > from && voice.on < from + 4);
    const rest = voices.filter((voice) => voice.on >= from + 4 && voice.on < to);
    this.isPlaying = true;
    this._hasBegun = false;
    Object.assign(this, { from, to, _voices: voices, _clicks: clicks });
    const ticket = (this._ticket = Symbol("play"));
    await Promise.race([this.piano.prepare(soon), new Promise((resolve) => setTimeout(resolve, 4000))]);
    if (this._ticket !== ticket || !this.isPlaying) return;
    void this.piano.prepare(rest);
    this._hasBegun = true;
    this._zero = context.currentTime + START_S - from;
    this._done = from;
    this._timer = window.setInterval(() => this._schedule(), TIMER_MS);
    this._schedule();
  }

  /** Go on at the same place with other music. @param {readonly Voice[]} voices @param {number} to */
  exchange(voices, to) {
    if (!this.isPlaying) return;
    void this.piano.prepare(voices.filter((voice) => voice.on < to && voice.off > this.from));
    const now = this.piano.context.currentTime;
    const stay = new Set(voices.map(nameOf));
    this._struck = this._struck.filter((struck) => {
      if (struck.at <= now && stay.has(nameOf(struck.voice))) return true;
      this.piano.release(struck.sounding, Math.max(now, struck.at <= now ? now : struck.at), struck.at <= now ? 0.12 : 0.001);
      if (struck.at > now) struck.sounding.gain.gain.setValueAtTime(0, now);
      return false;
    });
    this._voices = voices;
    this.to = to;
    if (!this._hasBegun) return;
    this._done = Math.max(now - this._zero, this.from);
    this._schedule();
  }

  stop() {
    window.clearInterval(this._timer);
    this._ticket = null;
    if (!this.isPlaying) return;
    this.isPlaying = false;
    const now = this.piano.context.currentTime;
    for (const struck of this._struck) this.piano.release(struck.sounding, now, 0.15);
    this._struck = [];
  }

  /** @type {symbol | null} */
  _ticket = null;

  _schedule() {
    const { context } = this.piano;
    const horizon = context.currentTime + AHEAD_S - this._zero;
    this._struck = this._struck.filter((struck) => struck.until > context.currentTime);
    this._upTo(Math.min(horizon, this.to));
    if (horizon < this.to) return;
    if (this.loops && this.to - this.from > 0.2) {
      this._zero += this.to - this.from;
      this._done = this.from;
      this._upTo(Math.min(context.currentTime + AHEAD_S - this._zero, this.to));
    } else if (context.currentTime - this._zero >= this.to) {
      window.clearInterval(this._timer);
      this.isPlaying = false;
      this._struck = [];
      this.onEnd?.();
    }
  }

  /** Schedule what starts before a second of the music. @param {number} second */
  _upTo(second) {
    if (second <= this._done) return;
    const { context } = this.piano;
    for (const voice of this._voices) {
      if (voice.on >= second) break;
      if (voice.on < this._done) continue;
      const at = Math.max(this._zero + voice.on, context.currentTime);
      const off = this.loops ? Math.min(voice.off, Math.max(this.to, voice.on + 0.05)) : voice.off;
      const until = Math.max(this._zero + off, at + 0.02);
      const sounding = this.piano.strike(voice, at, until);
      if (sounding) this._struck.push({ voice, at, until: until + voice.fade * 1.2, sounding });
    }
    for (const click of this._clicks) {
      if (click.at >= this._done && click.at < second) this._click(this._zero + click.at, click.isDownbeat);
    }
    this._done = second;
  }

  /** @param {number} at @param {boolean} isDownbeat */
  _click(at, isDownbeat) {
    const { context, out } = this.piano;
    const tone = new OscillatorNode(context, { frequency: isDownbeat ? 1760 : 1320 });
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(isDownbeat ? 0.22 : 0.13, at);
    gain.gain.exponentialRampToValueAtTime(0.0005, at + 0.05);
    tone.connect(gain).connect(out);
    tone.start(at);
    tone.stop(at + 0.06);
  }
}

/** @param {Voice} voice */
function nameOf(voice) {
  return `${voice.on.toFixed(4)}/${voice.pitch}/${voice.gain.toFixed(4)}`;
}
