// @ts-check
/** What is heard at Space, Shift+Space and O: the music, with the idea, or the idea alone. */

import { chosenIdea, openNotes, withGhost } from "../ideas/ghosts.js";
import { lastTick } from "../music/project.js";
import { TimeMap } from "../music/time.js";
import { Player } from "./player.js";
import { voicesOf } from "./voices.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("../roll/roll.js").Roll} Roll */

const REFRESH_MS = 40;

export class Listening extends EventTarget {
  /** @param {Studio} studio @param {Roll} roll @param {import("./piano.js").Piano} piano */
  constructor(studio, roll, piano) {
    super();
    this.studio = studio;
    this.roll = roll;
    this.piano = piano;
    this.player = new Player(piano);
    this.leadInBars = 2;
    this.hasMetronome = false;
    this._alone = false;
    this._refreshing = 0;
    this._leftBefore = 0; // where the view goes back to
    this.player.onEnd = () => this._ended();
    for (const name of ["project", "ghosts"]) studio.addEventListener(name, () => this._refreshSoon());
    studio.addEventListener("opened", () => this.stop());
  }

  get isPlaying() {
    return this.player.isPlaying;
  }

  /** Play, or stop and return to the caret. @param {{alone?: boolean}} [how] only the new notes */
  toggle({ alone = false } = {}) {
    if (this.isPlaying) this.stop();
    else this.play({ alone });
  }

  /** @param {{alone?: boolean, from?: number}} [how] */
  play({ alone = false, from } = {}) {
    this._alone = alone && chosenIdea(this.studio.ghosts) !== null;
    const span = this._span(from);
    if (span.to <= span.from) {
      this.dispatchEvent(new Event("nothing"));
      return;
    }
    const time = this._time();
    const stretch = { from: time.seconds(span.from), to: time.seconds(span.to) };
    const clicks = this.hasMetronome ? clicksOf(time, span.from, span.to) : [];
    this._leftBefore = this.roll.view.left;
    this.roll.reveal(span.from, Math.min(span.to, this.studio.ghosts?.end ?? span.from + 1));
    void this.player.play(this._voices(), { ...stretch, clicks });
    this._follow();
    this.dispatchEvent(new Event("state"));
  }

  stop() {
    if (!this.isPlaying) return;
    this.player.stop();
    this._ended();
  }

  /** @param {boolean} loops */
  setLoops(loops) {
    this.player.loops = loops;
    this.roll.loops = loops;
    this.roll.touch("overlay");
    this.dispatchEvent(new Event("state"));
  }

  /** From where to where; the idea with a lead-in, the chosen bars, or from the caret on. @param {number} [from] */
  _span(from) {
    const { studio } = this;
    const { ghosts, range, caret } = studio;
    const time = this._time();
    const end = time.beatFrom(lastTick(this._music()));
    if (from !== undefined) return { from, to: end };
    if (ghosts?.ideas.length) {
      const bar = time.barAt(ghosts.front).number;
      const early = this._alone ? ghosts.front : time.bar(bar - this.leadInBars).tick;
      return { from: Math.min(early, ghosts.front), to: ghosts.end };
    }
    if (range) return range;
    if (caret < end) return { from: caret, to: end };
    return { from: time.bar(Math.max(time.barAt(caret).number - Math.max(this.leadInBars, 1), 1)).tick, to: end };
  }

  /** The project with what is chosen in it. */
  _music() {
    return withGhost(this.studio.project, this.studio.ghosts);
  }

  _time() {
    return this.studio.ghosts?.isInsert ? new TimeMap(this._music()) : this.studio.time;
  }

  _voices() {
    const { ghosts } = this.studio;
    if (!this._alone || !ghosts) return voicesOf(this._music(), this._time());
    const pedals = (chosenIdea(ghosts)?.pedals ?? []).filter((pedal) => pedal.tick >= ghosts.front);
    return voicesOf({ notes: openNotes(ghosts).filter((note) => !ghosts.omitted.has(note.id)), pedals }, this._time());
  }

  /** Ideas grow note by note; what is played is made anew a few times a second. */
  _refreshSoon() {
    if (!this.isPlaying || this._refreshing) return;
    this._refreshing = window.setTimeout(() => {
      this._refreshing = 0;
      this._refresh();
    }, REFRESH_MS);
  }

  /** What is played has changed: an idea grew, or another one was chosen. */
  _refresh() {
    if (!this.isPlaying || this.studio.preview) return;
    const time = this._time();
    const { ghosts } = this.studio;
    const to = ghosts?.ideas.length ? Math.max(time.seconds(ghosts.end), this.player.from) : this.player.to;
    this.player.exchange(this._voices(), to);
  }

  _follow() {
    const step = () => {
      if (!this.isPlaying) return;
      this.roll.setHead(this._time().tick(this.player.position));
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  _ended() {
    this.roll.setHead(null);
    this.roll.view.left = this._leftBefore;
    this.roll.touch();
    this.dispatchEvent(new Event("state"));
  }
}

/** The beats of a stretch, in seconds. @param {TimeMap} time @param {number} from @param {number} to */
export function clicksOf(time, from, to) {
  const clicks = [];
  for (const bar of time.bars(from, to)) {
    for (let tick = bar.tick; tick < bar.end; tick += bar.beatTicks) {
      if (tick >= from && tick < to) clicks.push({ at: time.seconds(tick), isDownbeat: tick === bar.tick });
    }
  }
  return clicks;
}
