// @ts-check
/** Playing on a keyboard: the record button, the menu beside it, and what is said when there is no keyboard. */

import { Keyboards } from "../playing/keyboards.js";
import { LiveSound } from "../playing/live_sound.js";
import { Recorder } from "../playing/recorder.js";
import { byId, make, text } from "./words.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("../roll/roll.js").Roll} Roll */
/** @typedef {import("../ideas/muse.js").Muse} Muse */
/** @typedef {import("../sound/listening.js").Listening} Listening */
/** @typedef {import("../playing/keyboards.js").Played} Played */
/** @typedef {{studio: Studio, roll: Roll, piano: import("../sound/piano.js").Piano, listening: Listening, muse: Muse, say: (key: string, values?: Record<string, unknown>) => void, toRoll: () => void}} Parts */

const STORE = "pianomuse.playing";
const CHECKS = ["metronome", "sound", "ideas"];

/** @param {string} name */
function field(name) {
  return /** @type {HTMLInputElement} */ (byId(`playing-${name}`));
}

/** @param {Parts} parts @returns {{toggle: () => void, show: () => void, keyboards: Keyboards, recorder: Recorder}} `show` in the chosen language */
export function setUpPlaying(parts) {
  const { studio, roll, piano, listening, muse, say, toRoll } = parts;
  const keyboards = new Keyboards();
  const recorder = new Recorder(studio, roll, piano);
  const sound = new LiveSound(piano);
  const menu = /** @type {HTMLDetailsElement} */ (byId("playing-menu"));
  restore();

  const toggle = () => {
    if (recorder.isRecording) return recorder.stop();
    menu.open = false;
    listening.stop();
    if (!studio.ghosts) muse.cancel();
    void keyboards.connect();
    void sound.prepare();
    recorder.countInBars = Number(field("count-in").value);
    recorder.hasMetronome = field("metronome").checked;
    recorder.start();
    say("recording");
    return toRoll();
  };
  keyboards.addEventListener("played", (event) => {
    const played = /** @type {Played} */ (/** @type {CustomEvent} */ (event).detail);
    if (field("sound").checked) sound.play(played);
    press(roll, played);
    if (recorder.isRecording) recorder.hear(played);
    else if (played.kind === "on") muse.playAlong(played.pitch);
  });
  recorder.addEventListener("state", () => {
    document.body.classList.toggle("is-recording", recorder.isRecording);
    byId("record").setAttribute("aria-pressed", `${recorder.isRecording}`);
  });
  recorder.addEventListener("ended", (event) => {
    const { notes } = /** @type {CustomEvent} */ (event).detail;
    say(notes ? "recorded" : "nothingRecorded", { notes });
    roll.reveal(studio.caret, studio.caret + 1);
    if (notes && !studio.ghosts && field("ideas").checked && !document.hidden) void muse.ask();
  });
  const show = () => showKeyboards(keyboards);
  keyboards.addEventListener("state", () => {
    show();
    if (keyboards.state === "ready" && keyboards.devices.length) void sound.prepare();
  });
  byId("record").addEventListener("click", toggle);
  byId("playing-connect").addEventListener("click", () => void keyboards.connect());
  menu.addEventListener("toggle", () => {
    if (menu.open) void keyboards.connect();
  });
  menu.addEventListener("input", () => {
    keyboards.chosen = field("device").value;
    keep();
  });
  interceptWhile(recorder, keyboards, roll);
  keyboards.chosen = field("device").dataset.chosen ?? "";
  void keyboards.connectIfAllowed();
  return { toggle, show, keyboards, recorder };
}

/** While recording, the letters are keys of the piano, and everything else ends the take. @param {Recorder} recorder @param {Keyboards} keyboards @param {Roll} roll */
function interceptWhile(recorder, keyboards, roll) {
  const listen = (/** @type {KeyboardEvent} */ event) => {
    if (!recorder.isRecording || event.ctrlKey || event.metaKey || event.altKey) return;
    const isEnd = event.type === "keydown" && ["Enter", "Escape", " ", "r", "R"].includes(event.key);
    if (!isEnd && !keyboards.type(event)) return;
    event.preventDefault();
    event.stopPropagation();
    if (isEnd) recorder.stop();
  };
  for (const name of /** @type {const} */ (["keydown", "keyup"])) document.addEventListener(name, listen, { capture: true });
  roll.element.addEventListener("pointerdown", () => recorder.stop(), { capture: true });
  window.addEventListener("pagehide", () => recorder.stop(), { capture: true }); // before the work is kept
}

/** Keys that are down, on the strip beside the roll. @param {Roll} roll @param {Played} played */
function press(roll, played) {
  if (played.kind === "pedal") return;
  const pressed = played.kind === "silence" ? new Set() : new Set(roll.pressed);
  if (played.kind === "on") pressed.add(played.pitch);
  if (played.kind === "off") pressed.delete(played.pitch);
  roll.pressed = pressed;
  roll.touch("grid");
}

/** Which keyboards there are, or what to do where there are none. @param {Keyboards} keyboards */
function showKeyboards({ state, devices, chosen }) {
  const select = field("device");
  const all = make("option", { value: "" }, text("everyKeyboard"));
  select.replaceChildren(all, ...devices.map(({ id, name }) => make("option", { value: id }, name)));
  select.value = devices.some(({ id }) => id === chosen) ? chosen : "";
  byId("playing-device-part").hidden = !devices.length;
  const key = state === "ready" ? (devices.length ? "midiReady" : "midiNone") : `midi-${state}`;
  byId("playing-state").textContent = text(key, { names: devices.map(({ name }) => name).join(", ") });
  byId("playing-connect").hidden = !["unasked", "refused", "broken"].includes(state);
  byId("playing-menu").classList.toggle("is-ready", state === "ready" && devices.length > 0);
}

function keep() {
  const checks = Object.fromEntries(CHECKS.map((name) => [name, field(name).checked]));
  const values = { ...checks, "count-in": field("count-in").value, device: field("device").value };
  localStorage.setItem(STORE, JSON.stringify(values));
}

function restore() {
  try {
    const values = JSON.parse(localStorage.getItem(STORE) ?? "{}");
    for (const name of CHECKS) if (typeof values[name] === "boolean") field(name).checked = values[name];
    if (["0", "1", "2"].includes(values["count-in"])) field("count-in").value = values["count-in"];
    if (typeof values.device === "string") field("device").dataset.chosen = values.device;
  } catch {
    localStorage.removeItem(STORE); // written by something else
  }
}
