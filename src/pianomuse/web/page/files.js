// @ts-check
/** Opening, exporting and keeping the work. */

import { authorshipRecord } from "../authorship/record.js";
import * as client from "../client.js";
import { emptyProject, lastTick } from "../music/project.js";
import { allSaid } from "../said/said.js";
import { showFreeTime } from "./free_time.js";
import { fail, hideProblem, problemText, say, showProblem } from "./status.js";
import { byId, text } from "./words.js";
import { Works } from "./works.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("../music/types.js").Project} Project */
/** @typedef {import("../ideas/heard.js").Heard} Heard */
/** @typedef {import("./free_time.js").Told} Told */
/** @typedef {{project: Project, heard: Heard[], caret: number, chords?: [number, string][], savedAt: number}} Saved */

const SAVE_AFTER_MS = 400;
const OPENED = /\.(midi?|musicxml|xml|mxl)$/i;
const ENDINGS = { midi: "mid", musicxml: "musicxml", wav: "wav", authorship: "authorship.html" };

export class Files {
  /** @param {Studio} studio */
  constructor(studio) {
    this.studio = studio;
    this.works = new Works();
    this.works.addEventListener("copied", () => showProblem(() => text("workCopied", { title: studio.project.title })));
    this._timer = 0;
    this._isReady = false;
    this._kept = ""; // key of the text that says where; none as long as a change is not kept
    this._nChanges = 0;
    for (const name of ["project", "heard", "chords"]) {
      studio.addEventListener(name, () => {
        if (!studio.preview && this._isReady) this._saveSoon();
      });
    }
    window.addEventListener("pagehide", () => {
      if (this._isReady) this.works.keepHere(this._saved());
    });
    this._acceptDrops();
  }

  /** @param {File} file @param {Told} [told] about its bars */
  async open(file, told) {
    const name = file.name;
    if (!OPENED.test(name) && !/midi/.test(file.type)) {
      showProblem(() => text("notMidi", { name }));
      return;
    }
    await this.take(name, (about) => client.importMidi(file, about), told).catch((error) => this.cannotOpen(name, error));
  }

  /**
   * Open what is read, and again with what is said about its bars.
   * @param {string} name @param {(told: Told) => ReturnType<typeof client.importMidi>} read @param {Told} [told]
   */
  async take(name, read, told = {}) {
    const { project, warnings, grid } = await read(told);
    this._begin();
    this.show({ ...project, title: project.title || name.replace(OPENED, "") });
    showFreeTime(grid, (again) => {
      const all = again.grid === "file" ? again : { ...told, ...again };
      this.take(name, read, all).catch((error) => this.cannotOpen(name, error));
    });
    const others = grid.bars === "found" ? warnings.slice(1) : warnings; // the first is what the notice says
    if (others.length) showProblem(() => allSaid(others));
  }

  /** @param {string} name @param {unknown} error */
  cannotOpen(name, error) {
    const isRefused = error instanceof client.Failure && error.code !== "gone";
    if (isRefused) showProblem(() => text("badFile", { name, message: problemText(error) }));
    else fail(error);
  }

  /** @param {string} name */
  async openExample(name) {
    try {
      const project = await client.example(name);
      this._begin();
      this.show(project);
    } catch (error) {
      fail(error);
    }
  }

  openEmpty() {
    this._begin();
    this.show(emptyProject(text("untitled")));
  }

  /** @param {Project} project @param {Heard[]} [heard] @param {number} [caret] @param {[number, string][]} [chords] */
  show(project, heard, caret, chords) {
    this._isReady = true;
    hideProblem();
    showFreeTime(undefined);
    this.studio.open(project, heard, caret, new Map(chords));
    byId("title").textContent = project.title || text("untitled");
    byId("title").title = project.title;
    document.title = `${project.title || text("untitled")} – PianoMuse`;
    const bars = project.notes.length ? this.studio.time.barAt(Math.max(lastTick(project) - 1, 0)).number : 0;
    say("opened", { title: project.title, bars, notes: project.notes.length });
    this._saveSoon();
  }

  /** @param {keyof typeof ENDINGS} format */
  async export(format) {
    const { project } = this.studio;
    const name = `${fileName(project.title)}.${ENDINGS[format]}`;
    say("exporting");
    try {
      const record = () => new Blob([authorshipRecord(this.studio)], { type: "text/html" });
      const file = format === "authorship" ? record() : await client.exportAs(project, format);
      const url = URL.createObjectURL(file);
      const link = document.createElement("a");
      link.href = url;
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
      say("exported", { name });
    } catch (error) {
      fail(error);
    }
  }

  /** Go on with what was kept last; tell whether there is anything. @returns {Promise<boolean>} */
  async goOn() {
    const last = await this.works.last();
    if (last) this._bringBack(last.saved, last.isOnDisk);
    return last !== null;
  }

  /** Go on with another work. @param {string} name */
  async openWork(name) {
    try {
      if (this._isReady) await this.save();
      const saved = await this.works.open(name);
      if (saved) this._bringBack(saved, true);
    } catch (error) {
      fail(error);
    }
  }

  /** @param {Saved} saved @param {boolean} isOnDisk as it is: nothing needs to be written */
  _bringBack({ project, heard, caret, chords }, isOnDisk) {
    this.show(project, heard, caret, chords);
    if (!isOnDisk) return;
    window.clearTimeout(this._timer);
    this._kept = "saved";
    this.showKept();
  }

  /** Other music is about to be opened: what is open is kept, and a new work begins. */
  _begin() {
    if (this._isReady) void this.save();
    this.works.begin();
  }

  /** Keep the work now. */
  async save() {
    window.clearTimeout(this._timer);
    const upTo = this._nChanges;
    const where = await this.works.keep(this._saved());
    if (upTo !== this._nChanges) return; // it does not hold for what was changed meanwhile
    this._kept = where;
    this.showKept();
  }

  /** Where the work was kept last, at the foot of the page. */
  showKept() {
    byId("kept").textContent = this._kept && text(this._kept);
  }

  _saveSoon() {
    this._nChanges += 1;
    this._kept = "";
    this.showKept();
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => void this.save(), SAVE_AFTER_MS);
  }

  /** @returns {Saved} */
  _saved() {
    const { project, heard, caret, chords } = this.studio;
    return { project, heard, caret, chords: [...chords], savedAt: Date.now() };
  }

  _acceptDrops() {
    const shade = byId("drop");
    const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      shade.hidden = false;
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) shade.hidden = true;
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      shade.hidden = true;
      const file = event.dataTransfer?.files[0];
      if (file) void this.open(file);
    });
  }
}

/** A title as a name for a file. @param {string} title */
export function fileName(title) {
  return (title || text("untitled")).replace(/[/\\:*?"<>|]/g, " ").trim();
}
