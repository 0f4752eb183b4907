// @ts-check
/**
 * The bars around the caret as sheet music, the idea's in grey. The server writes them down, as it does for the export;
 * they are printed anew a moment after the last change. Nothing is asked for while the sheet is not shown.
 */

import { withGhost } from "../ideas/ghosts.js";
import { engine, options, tighten } from "./engine.js";
import { paint, places, quartersOf } from "./printed.js";
import { barsAround } from "./window.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("../music/types.js").Project} Project */
/** @typedef {import("./window.js").Bars} Bars */
/** @typedef {{musicxml: string, from_bar: number, to_bar: number, first_number: number, is_approximate: boolean}} SheetMusic */
/** @typedef {(project: Project, bars: Bars, signal: AbortSignal) => Promise<SheetMusic>} Ask */

const AFTER_MS = 180;
const ZOOM = 0.7;
const COLOURS = { light: { ink: "#1c1c1e", ghost: "#9a9a9e" }, dark: { ink: "#ececee", ghost: "#77787e" } };

/** Events: `printed` when other bars are there, `failed` with what went wrong as its detail. */
export class Sheet extends EventTarget {
  /** @param {Studio} studio @param {HTMLElement} element scrolls @param {Ask} ask */
  constructor(studio, element, ask) {
    super();
    this.studio = studio;
    this.element = element;
    this.paper = element.appendChild(document.createElement("div"));
    this.paper.className = "paper";
    this.here = element.appendChild(document.createElement("div"));
    this.here.className = "here";
    this._ask = ask;
    this._timer = 0;
    this._asking = new AbortController();
    this.isShown = false;
    this.isDark = false;
    this.mostBars = 8;
    /** @type {Bars | null} */
    this.bars = null;
    /** @type {SheetMusic | null} */
    this.music = null;
    /** @type {any} */
    this.osmd = null;
    for (const name of ["project", "ghosts", "caret"]) studio.addEventListener(name, () => this._changed(name));
    new ResizeObserver(() => this.isShown && this._soon()).observe(element);
    element.addEventListener("click", (event) => this._click(event));
  }

  /** @param {boolean} isShown @param {number} mostBars */
  setShown(isShown, mostBars) {
    this.isShown = isShown;
    this.mostBars = mostBars;
    if (isShown) this._soon(0);
    else this._stop();
  }

  /** @param {boolean} isDark */
  setDark(isDark) {
    this.isDark = isDark;
    if (this.isShown) this._soon(0);
  }

  /** @param {string} what */
  _changed(what) {
    if (!this.isShown || this.studio.preview) return;
    const isSame = what === "caret" && this.bars && barsAround(this.studio, this.mostBars, this.bars) === this.bars;
    if (isSame) this._showPlace();
    else this._soon();
  }

  /** @param {number} [after] */
  _soon(after = AFTER_MS) {
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => void this._print(), after);
  }

  _stop() {
    window.clearTimeout(this._timer);
    this._asking.abort();
  }

  async _print() {
    this._asking.abort();
    const asking = (this._asking = new AbortController());
    const { studio } = this;
    const { ghosts } = studio;
    this.bars = barsAround(studio, this.mostBars, this.bars);
    const music = withGhost(studio.project, ghosts);
    this.element.classList.toggle("is-empty", !music.notes.length);
    try {
      const [library, answer] = await Promise.all([engine(), this._ask(music, this.bars, asking.signal)]);
      if (asking.signal.aborted) return;
      await this._draw(library, answer);
      this.music = answer;
      this._showPlace();
      this.dispatchEvent(new Event("printed"));
    } catch (error) {
      if (!asking.signal.aborted) this.dispatchEvent(new CustomEvent("failed", { detail: error }));
    }
  }

  /** @param {Awaited<ReturnType<typeof engine>>} library @param {SheetMusic} answer */
  async _draw(library, answer) {
    const colours = COLOURS[this.isDark ? "dark" : "light"];
    const paper = document.createElement("div");
    paper.className = "paper";
    paper.style.width = `${this.element.clientWidth}px`;
    const osmd = new library.OpenSheetMusicDisplay(paper, options(colours.ink));
    osmd.zoom = ZOOM;
    tighten(osmd);
    await osmd.load(answer.musicxml);
    this._paintIdea(osmd, answer, colours.ghost);
    this.paper.replaceWith(paper); // it needs a width to be laid out
    this.paper = paper;
    osmd.render();
    this.osmd = osmd;
  }

  /** @param {any} osmd @param {SheetMusic} answer @param {string} colour */
  _paintIdea(osmd, answer, colour) {
    const { ghosts, time, project } = this.studio;
    if (!ghosts?.ideas.length || ghosts.chosen < 0) return;
    const first = time.barAt(ghosts.front);
    const index = first.number - answer.from_bar;
    const missing = (first.end - first.tick) / project.ppq - quartersOf(osmd, index); // of a pickup
    const quarters = (ghosts.front - first.tick) / project.ppq - Math.max(missing, 0);
    const end = time.barAt(Math.max(ghosts.end - 1, ghosts.front)).number + 1 - answer.from_bar;
    paint(osmd, { bar: index, quarters }, end, colour);
  }

  /** Mark the bar of the caret, and scroll to it or to the idea. */
  _showPlace() {
    const { studio, music, osmd } = this;
    if (!music || !osmd) return;
    const tick = studio.ghosts ? studio.ghosts.front : studio.caret;
    const place = places(osmd)[studio.time.barAt(tick).number - music.from_bar];
    this.here.hidden = !place;
    if (!place) return;
    const { left, top, width, height } = place;
    Object.assign(this.here.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop || top + height > scrollTop + clientHeight) this.element.scrollTo({ top: Math.max(top - 30, 0) });
  }

  /** The caret to the bar that was clicked. @param {MouseEvent} event */
  _click(event) {
    if (!this.music || !this.osmd) return;
    const box = this.element.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top + this.element.scrollTop];
    const near = 24; // pixels above and below the staves
    const index = places(this.osmd).findIndex(
      ({ left, top, width, height }) => x >= left && x < left + width && y > top - near && y < top + height + near,
    );
    if (index >= 0) this.studio.setCaret(this.studio.time.bar(this.music.from_bar + index).tick);
  }
}
