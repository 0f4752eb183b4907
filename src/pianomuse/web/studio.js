// @ts-check
/**
 * The state of the page: the project, what is selected, the caret, the ideas. One object; who shows it listens.
 *
 * Events: `project`, `selection`, `caret`, `range`, `ghosts`, `tool`, `heard`, `chords`, `opened`.
 */

import { History } from "./music/history.js";
import { signed } from "./music/origins.js";
import { emptyProject, lastTick } from "./music/project.js";
import { TimeMap } from "./music/time.js";
import { withRoom } from "./ideas/ghosts.js";

/** @typedef {import("./music/types.js").Project} Project */
/** @typedef {import("./music/types.js").Note} Note */
/** @typedef {import("./music/types.js").Span} Span */
/** @typedef {import("./ideas/ghosts.js").Ghosts} Ghosts */
/** @typedef {import("./ideas/heard.js").Heard} Heard */
/** @typedef {{project: Project, ghosts: Ghosts | null, caret: number}} State what undo brings back */

/** Lengths of the grid, as shares of a whole note; 0 is none. */
export const SNAPS = [0, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 6, 1 / 12, 1 / 24];

export class Studio extends EventTarget {
  constructor() {
    super();
    /** @type {Project} */
    this.project = emptyProject("");
    this.time = new TimeMap(this.project);
    /** @type {History<State>} */
    this.history = new History();
    /** @type {ReadonlySet<Note>} */
    this.selection = new Set();
    this.caret = 0;
    this.cursorPitch = 60;
    this.model = ""; // that writes ideas, and its style
    /** @type {Span | null} */
    this.range = null;
    /** @type {Ghosts | null} */
    this.ghosts = null;
    /** @type {Project | null} */
    this.preview = null;
    /** @type {Heard[]} */
    this.heard = [];
    /** @type {ReadonlyMap<number, string>} chords wanted over the ruler, by number of the bar */
    this.chords = new Map();
    this.tool = /** @type {"select" | "draw"} */ ("select");
    this.snap = 1 / 16;
    /** @type {{project: Project, ghosts: Ghosts, shown: Project} | null} */
    this._room = null;
  }

  /** Length of the grid in ticks. */
  get snapTicks() {
    return this.snap * 4 * this.project.ppq;
  }

  /** What the roll shows: an edit under way, or room for an idea that is put in between. @returns {Project} */
  get shown() {
    if (this.preview) return this.preview;
    if (!this.ghosts?.isInsert) return this.project;
    if (this._room?.project !== this.project || this._room.ghosts !== this.ghosts) {
      this._room = { project: this.project, ghosts: this.ghosts, shown: withRoom(this.project, this.ghosts) };
    }
    return this._room.shown;
  }

  /** Open other music. @param {Project} project @param {Heard[]} [heard] @param {number} [caret] @param {ReadonlyMap<number, string>} [chords] */
  open(project, heard = [], caret, chords = new Map()) {
    this.history.clear();
    this.ghosts = null;
    this.range = null;
    this.preview = null;
    this.selection = new Set();
    this.heard = heard;
    this.chords = chords;
    this._take(project);
    this.caret = caret ?? this.time.beatFrom(lastTick(project));
    this._tell("opened", "project", "selection", "caret", "range", "ghosts", "heard", "chords");
  }

  /**
   * Do a step that can be undone.
   * @param {string} name key of its text
   * @param {Project} music
   * @param {{select?: Iterable<Note>, ghosts?: Ghosts | null, caret?: number, by?: Partial<import("./music/types.js").Origin>}} [also]
   *   `ghosts` where the step is about them, `by` what wrote its notes
   */
  apply(name, music, also = {}) {
    const before = this._state();
    const now = { at: Date.now(), by: also.by, ghosts: this.ghosts };
    const { project, exchanged } = signed(this.project, music, name, now);
    const stays = this.ghosts && firstChange(this.project, project) >= this.ghosts.end;
    this._take(project);
    this.preview = null;
    if (also.ghosts !== undefined) this.ghosts = also.ghosts;
    else if (!stays) this.ghosts = null;
    if (also.caret !== undefined) this.caret = also.caret;
    const alive = new Set(project.notes);
    const selected = [...(also.select ?? this.selection)].map((note) => exchanged.get(note) ?? note);
    this.selection = new Set(selected.filter((note) => alive.has(note)));
    this.history.add(name, before, this._state());
    this._tell("project", "selection", "caret", "ghosts");
  }

  /** @returns {string | null} name of the step */
  undo() {
    return this._restore(this.history.undo());
  }

  /** @returns {string | null} name of the step */
  redo() {
    return this._restore(this.history.redo());
  }

  /** Show an edit that is not done yet. @param {Project | null} project */
  show(project) {
    this.preview = project;
    this._tell("project");
  }

  /** Move the caret; the ideas are put away. @param {number} tick */
  setCaret(tick) {
    this.caret = Math.max(0, Math.round(tick));
    if (this.ghosts) this.setGhosts(null);
    this._tell("caret");
  }

  /** @param {Iterable<Note>} notes */
  select(notes) {
    this.selection = new Set(notes);
    this._tell("selection");
  }

  /** @param {Span | null} range */
  setRange(range) {
    this.range = range && range.to > range.from ? range : null;
    this._tell("range");
  }

  /** @param {Ghosts | null} ghosts */
  setGhosts(ghosts) {
    this.ghosts = ghosts;
    this._tell("ghosts");
  }

  /** @param {"select" | "draw"} tool */
  setTool(tool) {
    this.tool = tool;
    this._tell("tool");
  }

  /** @param {number} snap */
  setSnap(snap) {
    this.snap = snap;
    this._tell("tool");
  }

  /** Wish for a chord, or for none. @param {number} bar @param {string} chord */
  setChord(bar, chord) {
    const chords = new Map(this.chords);
    if (chord) chords.set(bar, chord);
    else chords.delete(bar);
    this.chords = chords;
    this._tell("chords");
  }

  /** @param {Heard[]} heard */
  setHeard(heard) {
    this.heard = heard;
    this._tell("heard");
  }

  /** @param {{name: string, state: State} | null} step @returns {string | null} */
  _restore(step) {
    if (!step) return null;
    this._take(step.state.project);
    this.ghosts = step.state.ghosts;
    this.caret = step.state.caret;
    this.preview = null;
    const alive = new Set(this.project.notes);
    this.selection = new Set([...this.selection].filter((note) => alive.has(note)));
    this._tell("project", "selection", "caret", "ghosts");
    return step.name;
  }

  /** @param {Project} project */
  _take(project) {
    const { ppq, tempos, metres } = this.project;
    const isSameTime = project.ppq === ppq && project.tempos === tempos && project.metres === metres;
    this.project = project;
    if (!isSameTime) this.time = new TimeMap(project);
  }

  /** @returns {State} */
  _state() {
    return { project: this.project, ghosts: this.ghosts, caret: this.caret };
  }

  /** @param {...string} names */
  _tell(...names) {
    for (const name of names) this.dispatchEvent(new Event(name));
  }
}

/** The first tick at which two projects differ; infinite if they are the same. @param {Project} before @param {Project} after */
function firstChange(before, after) {
  let first = Infinity;
  for (const name of /** @type {const} */ (["notes", "pedals", "tempos", "metres"])) {
    if (before[name] === after[name]) continue;
    /** @type {(readonly {tick: number}[])[]} */
    const [olds, news] = [before[name], after[name]];
    first = Math.min(first, firstOutside(olds, new Set(news)), firstOutside(news, new Set(olds)));
  }
  return first;
}

/** @param {readonly {tick: number}[]} events @param {Set<{tick: number}>} known */
function firstOutside(events, known) {
  return events.reduce((first, event) => (known.has(event) ? first : Math.min(first, event.tick)), Infinity);
}
