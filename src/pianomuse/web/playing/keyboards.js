// @ts-check
/** MIDI keyboards, as the browser offers them, and the letters of the computer's own keyboard. */

/** @typedef {{kind: "on", pitch: number, velocity: number, at: number}} Strike `at`: milliseconds of the page's clock */
/** @typedef {{kind: "off", pitch: number, at: number}} Release */
/** @typedef {{kind: "pedal", down: boolean, at: number}} PedalMove */
/** @typedef {{kind: "silence", at: number}} Silence every key and the pedal come up */
/** @typedef {Strike | Release | PedalMove | Silence} Played */
/** @typedef {"unasked" | "asking" | "ready" | "refused" | "broken" | "unsupported" | "insecure"} State */

const LOWEST = 21;
const HIGHEST = 108;
const SUSTAIN = 64;
const ALL_OFF = [120, 123];
const TYPED_VELOCITY = 76;
/** Keys of a computer, by their place on it, as semitones above C. @type {Record<string, number>} */
const TYPED = {
  KeyA: 0, KeyW: 1, KeyS: 2, KeyE: 3, KeyD: 4, KeyF: 5, KeyT: 6, KeyG: 7, KeyY: 8, KeyH: 9, KeyU: 10, KeyJ: 11,
  KeyK: 12, KeyO: 13, KeyL: 14, KeyP: 15, Semicolon: 16,
};

/** Events: `state` when devices come and go, `played` with what was played in `detail`. */
export class Keyboards extends EventTarget {
  constructor() {
    super();
    this.state = /** @type {State} */ ("unasked");
    /** @type {{id: string, name: string}[]} */
    this.devices = [];
    this.chosen = ""; // id of a device; empty: all of them
    this.octave = 60; // lowest C of the computer's keys
    /** @type {MIDIAccess | null} */
    this._access = null;
    /** @type {Map<string, number>} keys of the computer that are down, and what they struck */
    this._typed = new Map();
  }

  /** Ask the browser for MIDI keyboards. */
  async connect() {
    if (this._access || this.state === "asking") return;
    if (!window.isSecureContext) return this._become("insecure");
    if (!("requestMIDIAccess" in navigator)) return this._become("unsupported");
    this._become("asking");
    try {
      this._access = await navigator.requestMIDIAccess({ sysex: false });
    } catch (error) {
      const name = error instanceof Error || error instanceof DOMException ? error.name : "";
      return this._become(name === "NotAllowedError" || name === "SecurityError" ? "refused" : "broken");
    }
    this._access.onstatechange = () => this._look();
    return this._look();
  }

  /** Connect without a question, if the browser was allowed to before. */
  async connectIfAllowed() {
    try {
      const answer = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("midi") });
      if (answer.state === "granted") await this.connect();
    } catch {
      // this browser has no such question; connecting waits for the first click
    }
  }

  /** A key of the computer went down or up. @param {KeyboardEvent} event @returns {boolean} whether it is one that plays */
  type(event) {
    if (event.type === "keydown" && (event.code === "KeyZ" || event.code === "KeyX")) {
      this.octave = Math.min(Math.max(this.octave + (event.code === "KeyZ" ? -12 : 12), 24), 84);
      return true;
    }
    const step = TYPED[event.code];
    if (step === undefined) return false;
    const at = event.timeStamp;
    if (event.type === "keydown" && !event.repeat) {
      this._typed.set(event.code, this.octave + step);
      this._tell({ kind: "on", pitch: this.octave + step, velocity: TYPED_VELOCITY, at });
    } else if (event.type === "keyup") {
      const pitch = this._typed.get(event.code);
      this._typed.delete(event.code);
      if (pitch !== undefined) this._tell({ kind: "off", pitch, at });
    }
    return true;
  }

  /** Devices came or went. */
  _look() {
    const inputs = [...(this._access?.inputs.values() ?? [])].filter((input) => input.state !== "disconnected");
    for (const input of inputs) input.onmidimessage = (event) => this._hear(event, input.id);
    const gone = this.devices.some(({ id }) => !inputs.some((input) => input.id === id));
    this.devices = inputs.map(({ id, name, manufacturer }) => ({ id, name: name || manufacturer || id }));
    if (gone) this._tell({ kind: "silence", at: performance.now() });
    this._become("ready");
  }

  /** @param {MIDIMessageEvent} event @param {string} id of the device */
  _hear(event, id) {
    if (this.chosen && this.devices.some((device) => device.id === this.chosen) && id !== this.chosen) return;
    const played = event.data && playedOf(event.data, event.timeStamp || performance.now());
    if (played) this._tell(played);
  }

  /** @param {State} state */
  _become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  /** @param {Played} played */
  _tell(played) {
    this.dispatchEvent(new CustomEvent("played", { detail: played }));
  }
}

/** What a MIDI message says, null where it is nothing a piano knows. @param {Uint8Array} data @param {number} at @returns {Played | null} */
export function playedOf([status, first, second], at) {
  const kind = status & 0xf0;
  const isKey = first >= LOWEST && first <= HIGHEST;
  if (kind === 0x90 && second > 0) return isKey ? { kind: "on", pitch: first, velocity: second, at } : null;
  if (kind === 0x80 || kind === 0x90) return isKey ? { kind: "off", pitch: first, at } : null;
  if (kind === 0xb0 && first === SUSTAIN) return { kind: "pedal", down: second >= 64, at };
  if (kind === 0xb0 && ALL_OFF.includes(first)) return { kind: "silence", at };
  return null;
}
