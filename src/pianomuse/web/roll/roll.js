// @ts-check
/**
 * The piano roll: four canvases on top of each other (grid, notes, ghosts, overlay) and a mini-map. Each is drawn anew
 * only when something on it changed, so that playing touches only the overlay.
 */

import { chosenIdea, openNotes, replacedNotes } from "../ideas/ghosts.js";
import { handsOfTracks, lastTick } from "../music/project.js";
import { DARK, LIGHT } from "./colours.js";
import { drawGrid } from "./draw_grid.js";
import { drawGhosts, drawNotes } from "./draw_notes.js";
import { drawMap, drawOverlay } from "./draw_overlay.js";
import { View } from "./view.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {"grid" | "notes" | "ghosts" | "overlay" | "map"} Layer */

/** @type {Layer[]} */
const LAYERS = ["grid", "notes", "ghosts", "overlay"];

export class Roll {
  /** @param {Studio} studio @param {HTMLElement} element the roll @param {HTMLCanvasElement} map */
  constructor(studio, element, map) {
    this.studio = studio;
    this.element = element;
    this.view = new View();
    this.colours = LIGHT;
    this.words = { velocity: "", pedal: "" };
    /** @type {number | null} */
    this.head = null;
    this._mapHead = 0; // as it was drawn last
    this.loops = false;
    this.marks = true;
    this.waitsFrom = /** @type {{from: number, to: number} | null} */ (null);
    /** @type {{x: number, y: number, width: number, height: number} | null} */
    this.band = null;
    /** @type {ReadonlySet<number>} */
    this.pressed = new Set();
    /** Milliseconds the last drawing of each layer took. @type {Record<string, number>} */
    this.drawMs = {};
    /** @type {Set<Layer>} */
    this._stale = new Set();
    this._hands = handsOfTracks(studio.project);
    /** @type {Record<string, HTMLCanvasElement>} */
    this._canvases = { map };
    for (const layer of LAYERS) {
      const canvas = document.createElement("canvas");
      canvas.setAttribute("aria-hidden", "true");
      element.append(canvas);
      this._canvases[layer] = canvas;
    }
    this._listen();
  }

  /** @param {boolean} isDark */
  setDark(isDark) {
    this.colours = isDark ? DARK : LIGHT;
    this.touch();
  }

  /** Draw layers anew with the next frame; all of them by default. @param {...Layer} layers */
  touch(...layers) {
    const isIdle = this._stale.size === 0;
    for (const layer of layers.length ? layers : [...LAYERS, /** @type {Layer} */ ("map")]) this._stale.add(layer);
    if (isIdle && this._stale.size) requestAnimationFrame(() => this.draw());
  }

  /** Draw what is stale. */
  draw() {
    const stale = [...this._stale];
    this._stale.clear();
    for (const layer of stale) {
      const began = performance.now();
      this._draw(layer);
      this.drawMs[layer] = performance.now() - began;
    }
  }

  /** Show the whole height of the music, and the place where one works. */
  showMusic() {
    const { notes } = this.studio.project;
    const pitches = notes.length ? notes.map((note) => note.pitch) : [48, 76];
    const [lowest, highest] = pitches.reduce(([a, b], pitch) => [Math.min(a, pitch), Math.max(b, pitch)], [127, 0]);
    this.view.row = Math.min(Math.max(this.view.notesHeight / (highest - lowest + 9), 9), 16);
    this.view.left = 0;
    this.view.centre(lowest, highest);
    const bar = this.studio.time.barAt(this.studio.caret);
    this.view.reveal(this.studio.caret, this.studio.caret + 4 * (bar.end - bar.tick));
    this.touch();
  }

  /** Bring a stretch into sight. @param {number} from @param {number} to */
  reveal(from, to) {
    if (this.view.reveal(from, to)) this.touch();
  }

  /** @param {number | null} tick */
  setHead(tick) {
    if (tick !== null && this.head !== null) {
      const { from, to } = this.view.span;
      const isJump = tick < from || tick > to;
      if (isJump) this.view.left = Math.max(tick - (to - from) * 0.08, 0);
      this.head = tick;
      if (isJump) this.touch();
      else this.touch("overlay", ...this._mapIfMoved(tick));
      return;
    }
    this.head = tick;
    this.touch("overlay", "map");
  }

  /** The mini-map has all the notes: it is drawn again only when the head is a pixel farther on it. @param {number} tick @returns {Layer[]} */
  _mapIfMoved(tick) {
    if (Math.abs(tick - this._mapHead) < this.mapEnd / this.view.width) return [];
    this._mapHead = tick;
    return ["map"];
  }

  /** Last tick of the mini-map. */
  get mapEnd() {
    const { project, ghosts } = this.studio;
    const end = Math.max(lastTick(project), ghosts?.end ?? 0, this.studio.caret);
    return Math.max(this.studio.time.barLineFrom(end), 16 * 4 * project.ppq);
  }

  _listen() {
    const { studio } = this;
    studio.addEventListener("project", () => {
      this.view.ppq = studio.project.ppq;
      if (!studio.preview) this._hands = handsOfTracks(studio.project);
      this.touch();
    });
    studio.addEventListener("opened", () => this.showMusic());
    studio.addEventListener("selection", () => this.touch("notes"));
    studio.addEventListener("caret", () => this.touch("overlay", "map"));
    studio.addEventListener("range", () => this.touch("overlay"));
    studio.addEventListener("ghosts", () => this.touch("notes", "ghosts", "map"));
    for (const name of ["tool", "chords"]) studio.addEventListener(name, () => this.touch("grid"));
    for (const name of ["focus", "blur"]) this.element.addEventListener(name, () => this.touch("overlay"));
    new ResizeObserver(() => this._resize()).observe(this.element);
  }

  _resize() {
    const { clientWidth, clientHeight } = this.element;
    if (!clientWidth || !clientHeight) return;
    const isFirst = this._canvases.grid.width === 300;
    this.view.resize(clientWidth, clientHeight);
    for (const canvas of Object.values(this._canvases)) {
      const [width, height] = [canvas.clientWidth, canvas.clientHeight];
      canvas.width = Math.round(width * devicePixelRatio);
      canvas.height = Math.round(height * devicePixelRatio);
    }
    if (isFirst) this.showMusic();
    this.touch();
    this.draw();
  }

  /** @param {Layer} layer */
  _draw(layer) {
    const canvas = this._canvases[layer];
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    const { studio, view, colours } = this;
    if (layer === "grid") {
      const { snapTicks, time, chords } = studio;
      drawGrid(context, view, colours, time, { snapTicks, words: this.words, pressed: this.pressed, chords });
    } else if (layer === "notes") this._drawNotes(context);
    else if (layer === "ghosts") this._drawGhosts(context);
    else if (layer === "overlay") {
      const { caret, cursorPitch, range } = studio;
      const hasFocus = document.activeElement === this.element;
      const { loops, head, band } = this;
      drawOverlay(context, view, colours, { caret, cursorPitch, range, loops, head, band, hasFocus });
    } else {
      const size = { width: canvas.clientWidth, height: canvas.clientHeight };
      const [ghost, notes] = [openNotes(studio.ghosts), studio.shown.notes];
      drawMap(context, size, view, colours, { notes, ghost, caret: studio.caret, head: this.head, end: this.mapEnd });
    }
  }

  /** @param {CanvasRenderingContext2D} context */
  _drawNotes(context) {
    const { studio } = this;
    const { notes, pedals } = studio.shown;
    const dimmed = replacedNotes(studio.shown, studio.ghosts);
    const { selection } = studio;
    drawNotes(context, this.view, this.colours, { notes, pedals, selection, dimmed, hands: this._hands, marks: this.marks });
  }

  /** @param {CanvasRenderingContext2D} context */
  _drawGhosts(context) {
    const { ghosts } = this.studio;
    const notes = openNotes(ghosts);
    const pedals = (chosenIdea(ghosts)?.pedals ?? []).filter((pedal) => pedal.tick >= (ghosts?.front ?? 0));
    const { from, to } = ghosts ? { from: ghosts.front, to: ghosts.end } : (this.waitsFrom ?? { from: 0, to: 0 });
    drawGhosts(context, this.view, this.colours, { notes, pedals, omitted: ghosts?.omitted ?? new Set(), from, to });
  }
}
