// @ts-check
/** What part of the music is seen, and where on the canvas everything lies. CSS pixels. */

export const KEYS_WIDTH = 54;
export const RULER_HEIGHT = 30;
export const VELOCITY_HEIGHT = 72;
export const PEDAL_HEIGHT = 20;

const LANES_HEIGHT = VELOCITY_HEIGHT + PEDAL_HEIGHT;
const LOWEST = 21;
const HIGHEST = 108;
const ROWS = [8, 30]; // height of a key
const QUARTER = [4, 480]; // width of a quarter note

/** @typedef {"ruler" | "keys" | "notes" | "velocity" | "pedal" | "corner"} Region */

export class View {
  constructor() {
    this.width = 800;
    this.height = 600;
    this.left = 0; // tick at the left edge of the notes
    this.top = 84.5; // pitch at the upper edge
    this.row = 13;
    this.quarter = 44;
    this.ppq = 480;
  }

  get notesBottom() {
    return this.height - LANES_HEIGHT;
  }

  get notesHeight() {
    return Math.max(this.notesBottom - RULER_HEIGHT, 1);
  }

  get perTick() {
    return this.quarter / this.ppq;
  }

  /** First tick and the one behind the last that are seen. */
  get span() {
    return { from: this.left, to: this.tick(this.width) };
  }

  /** @param {number} tick */
  x(tick) {
    return KEYS_WIDTH + (tick - this.left) * this.perTick;
  }

  /** @param {number} x */
  tick(x) {
    return this.left + (x - KEYS_WIDTH) / this.perTick;
  }

  /** Upper edge of a key's row. @param {number} pitch */
  y(pitch) {
    return RULER_HEIGHT + (this.top - pitch - 0.5) * this.row;
  }

  /** @param {number} y */
  pitch(y) {
    return Math.round(this.top - (y - RULER_HEIGHT) / this.row);
  }

  /** @param {number} velocity */
  velocityY(velocity) {
    return this.notesBottom + VELOCITY_HEIGHT - 4 - (velocity / 127) * (VELOCITY_HEIGHT - 12);
  }

  /** @param {number} y */
  velocity(y) {
    const share = (this.notesBottom + VELOCITY_HEIGHT - 4 - y) / (VELOCITY_HEIGHT - 12);
    return Math.min(Math.max(Math.round(share * 127), 1), 127);
  }

  /** @param {number} x @param {number} y @returns {Region} */
  region(x, y) {
    if (y < RULER_HEIGHT) return x < KEYS_WIDTH ? "corner" : "ruler";
    if (y >= this.notesBottom) {
      if (x < KEYS_WIDTH) return "corner";
      return y < this.notesBottom + VELOCITY_HEIGHT ? "velocity" : "pedal";
    }
    return x < KEYS_WIDTH ? "keys" : "notes";
  }

  /** @param {number} width @param {number} height */
  resize(width, height) {
    this.width = width;
    this.height = height;
    this._keepInside();
  }

  /** @param {number} ticks @param {number} semitones */
  scroll(ticks, semitones) {
    this.left += ticks;
    this.top += semitones;
    this._keepInside();
  }

  /** Wider or narrower around a place that stays where it is. @param {number} factor @param {number} x */
  zoomTime(factor, x) {
    const tick = this.tick(x);
    this.quarter = clamp(this.quarter * factor, QUARTER);
    this.left = tick - (x - KEYS_WIDTH) / this.perTick;
    this._keepInside();
  }

  /** Higher or lower rows around a place that stays where it is. @param {number} factor @param {number} y */
  zoomPitch(factor, y) {
    const pitch = this.top - (y - RULER_HEIGHT) / this.row;
    this.row = clamp(this.row * factor, ROWS);
    this.top = pitch + (y - RULER_HEIGHT) / this.row;
    this._keepInside();
  }

  /** Bring a stretch into sight, if it is not; a margin stays on its left. @param {number} from @param {number} to @returns {boolean} whether the view moved */
  reveal(from, to) {
    const { from: left, to: right } = this.span;
    const room = right - left;
    if (from >= left && to <= right) return false;
    const before = this.left;
    this.left = to - from > room * 0.8 ? from - room * 0.1 : to - room * 0.88;
    if (from < this.left) this.left = from - room * 0.12;
    this._keepInside();
    return this.left !== before;
  }

  /** Show the pitches of notes in the middle. @param {number} lowest @param {number} highest */
  centre(lowest, highest) {
    this.top = (lowest + highest) / 2 + this.notesHeight / this.row / 2;
    this._keepInside();
  }

  _keepInside() {
    this.left = Math.max(this.left, 0);
    const rows = this.notesHeight / this.row;
    const [highest, lowest] = [HIGHEST + 1.5, LOWEST - 1.5];
    this.top = rows > highest - lowest ? highest : Math.min(Math.max(this.top, lowest + rows), highest);
  }
}

/** @param {number} value @param {number[]} limits */
function clamp(value, [least, most]) {
  return Math.min(Math.max(value, least), most);
}
