// @ts-check
/** Records what is played: a count-in, the metronome and the music that is there already; shown live, one step to undo. */

import { TimeMap } from "../music/time.js";
import { trackFor } from "../roll/gestures.js";
import { clicksOf } from "../sound/listening.js";
import { Player } from "../sound/player.js";
import { voicesOf } from "../sound/voices.js";
import { advanced, noteStruck, withoutPlayed } from "./following.js";
import { Take } from "./take.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("../roll/roll.js").Roll} Roll */
/** @typedef {import("../ideas/ghosts.js").Ghosts} Ghosts */
/** @typedef {import("../music/types.js").Project} Project */
/** @typedef {import("./keyboards.js").Played} Played */

const LONGEST_S = 600;
const SHOW_EVERY_MS = 40;

/** Events: `state` when recording begins or ends, `ended` with the number of notes in `detail`. */
export class Recorder extends EventTarget {
  /** @param {Studio} studio @param {Roll} roll @param {import("../sound/piano.js").Piano} piano */
  constructor(studio, roll, piano) {
    super();
    this.studio = studio;
    this.roll = roll;
    this.player = new Player(piano);
    this.countInBars = 1;
    this.hasMetronome = true;
    this.isRecording = false;
    this.from = 0; // tick at which the take begins
    this._time = studio.time;
    this._take = new Take(() => 0);
    /** @type {Project} the music as it is while recording, without the take */
    this._base = studio.project;
    /** @type {Ghosts | null} as they were when the take began */
    this._ghosts = null;
    /** @type {Set<string>} ghost notes that were played */
    this._played = new Set();
    this._shownAt = 0;
    this.player.onEnd = () => this.stop();
    studio.addEventListener("opened", () => this._drop());
  }

  /** Tick that is heard now. */
  get tick() {
    return this._time.tick(this.player.heardAt(performance.now()));
  }

  start() {
    if (this.isRecording) return;
    const { studio } = this;
    this._ghosts = studio.ghosts;
    this._base = studio.shown;
    this._time = studio.ghosts?.isInsert ? new TimeMap(this._base) : studio.time;
    this._take = new Take((pitch) => trackFor(this._base, pitch));
    this._played = new Set();
    this.from = studio.ghosts ? studio.ghosts.front : studio.caret;
    this.isRecording = true;
    studio.select([]);
    this._begin();
    this.dispatchEvent(new Event("state"));
    this._follow();
  }

  /** Keep what was played, as one step. */
  stop() {
    if (!this.isRecording) return;
    const tick = Math.max(this._tickOf(performance.now()), this.from);
    this._drop();
    const { studio } = this;
    const take = this._take;
    if (!take.hasNotes) {
      this.dispatchEvent(new CustomEvent("ended", { detail: { notes: 0 } }));
      return;
    }
    take.silence(tick);
    const open = this._ghosts && studio.ghosts && { ...studio.ghosts, taken: this._ghosts.taken };
    const stays = open && advanced(studio.project, open, this._played);
    studio.ghosts = this._ghosts; // undo brings back what was there when the take began
    const notes = take.notes(tick);
    const end = Math.max(...notes.map((note) => note.tick + note.duration));
    const struck = Math.max(...notes.map((note) => note.tick));
    const caret = stays?.ghosts?.front ?? this._time.beatFrom(Math.max(end - this._slack(end), struck + 1));
    studio.apply("stepRecord", take.in(stays?.project ?? studio.project, tick), { ghosts: stays?.ghosts ?? null, caret });
    this.dispatchEvent(new CustomEvent("ended", { detail: { notes: notes.length } }));
  }

  /** @param {Played} played */
  hear(played) {
    if (!this.isRecording) return;
    const tick = this._tickOf(played.at);
    const isEarly = tick < this.from;
    if (played.kind === "on") {
      if (tick < this.from - this._reach(this.from)) return; // the count-in
      const at = Math.max(tick, this.from);
      this._take.strike(played.pitch, played.velocity, at);
      this._along(played.pitch, at);
    } else if (played.kind === "off") this._take.release(played.pitch, Math.max(tick, this.from));
    else if (played.kind === "pedal") this._take.pedal(played.down, isEarly ? this.from : tick);
    else this._take.silence(Math.max(tick, this.from));
  }

  /** A key that strikes a note of the idea takes it along; any other one inside it puts the idea away. @param {number} pitch @param {number} tick */
  _along(pitch, tick) {
    const { studio } = this;
    const { ghosts } = studio;
    if (!ghosts) return;
    const reach = this._reach(tick);
    const note = noteStruck(ghosts, pitch, tick, reach);
    if (note) {
      this._played.add(note.id);
      studio.setGhosts(withoutPlayed(ghosts, new Set([note.id])));
    } else if (tick >= ghosts.start - reach && tick < ghosts.end) studio.setGhosts(null);
  }

  /** Half a beat: how early or late a note may be. @param {number} tick */
  _reach(tick) {
    return this._time.barAt(tick).beatTicks / 2;
  }

  /** A key that came up a little after the beat did not mean the next one. @param {number} tick */
  _slack(tick) {
    return this._time.barAt(tick).beatTicks / 4;
  }

  /** @param {number} at milliseconds of the page's clock */
  _tickOf(at) {
    return Math.round(this._time.tick(this.player.heardAt(at)));
  }

  /** Play the count-in, the metronome and what stands behind the caret. */
  _begin() {
    const time = this._time;
    const bar = time.barAt(this.from);
    const [beat, length] = [bar.beatTicks, bar.end - bar.tick];
    const start = time.seconds(this.from);
    const perTick = 60 / time.bpm(this.from) / this._base.ppq;
    const clicks = [];
    for (let tick = -this.countInBars * length; tick < 0; tick += beat) {
      const isDownbeat = Math.abs(tick + this.from - bar.tick) % length === 0;
      clicks.push({ at: start + tick * perTick, isDownbeat });
    }
    if (this.hasMetronome) clicks.push(...clicksOf(time, this.from, time.tick(start + LONGEST_S)));
    const voices = voicesOf(this._base, time).filter((voice) => voice.on >= start - 1e-6);
    const from = start - this.countInBars * length * perTick;
    void this.player.play(voices, { from, to: start + LONGEST_S, clicks });
    this.roll.reveal(this.from, this.from + 2 * length);
  }

  _follow() {
    const step = () => {
      if (!this.isRecording) return;
      const { tick } = this;
      this.roll.setHead(tick);
      if (this._take.hasNotes && performance.now() - this._shownAt > SHOW_EVERY_MS) {
        const began = performance.now();
        this.studio.show(this._take.in(this._base, Math.max(tick, this.from)));
        this._shownAt = performance.now() + 2 * (performance.now() - began); // a long piece is shown less often
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  /** Stop, and keep nothing. */
  _drop() {
    if (!this.isRecording) return;
    this.isRecording = false;
    this.player.stop();
    this.roll.setHead(null);
    if (this.studio.preview) this.studio.show(null);
    this.dispatchEvent(new Event("state"));
  }
}
