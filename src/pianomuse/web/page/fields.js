// @ts-check
/** The fields beside the roll: what is asked for. They are remembered in this browser. */

import { KEYS } from "../music/names.js";
import { byId, make } from "./words.js";

/** @typedef {import("../ideas/order.js").Settings} Settings */

const STORE = "pianomuse.fields";
const NAMES = ["bars", "candidates", "key", "chords", "range", "hand", "full", "temperature", "top-p", "voices", "seed"].concat(
  ["notes", "scale", "ending", "to"],
);
const CHECKS = ["passing", "strict"];
const FULL = { sparse: "1-5", medium: "5-10", dense: "10-24" }; // notes struck in a bar

/** @param {string} name */
function field(name) {
  return /** @type {HTMLInputElement | HTMLSelectElement} */ (byId(`field-${name}`));
}

/** @param {string} name */
function isOn(name) {
  return /** @type {HTMLInputElement} */ (field(name)).checked;
}

/** @param {string} group */
function checked(group) {
  const found = document.querySelector(`input[name="${group}"]:checked`);
  return /** @type {HTMLInputElement | null} */ (found)?.value ?? "";
}

/** @returns {Settings} */
export function readFields() {
  const full = /** @type {keyof typeof FULL | ""} */ (field("full").value);
  return {
    bars: whole(field("bars").value, 4, 32),
    candidates: whole(field("candidates").value, 4, 16),
    adventure: /** @type {Settings["adventure"]} */ (checked("adventure") || "balanced"),
    key: field("key").value,
    chords: field("chords").value,
    range: field("range").value,
    hand: field("hand").value,
    notesPerBar: field("notes").value || (full ? FULL[full] : ""),
    voices: field("voices").value,
    seed: field("seed").value,
    temperature: field("temperature").value,
    topP: field("top-p").value,
    isInsert: checked("over") === "insert",
    scale: field("scale").value,
    hasPassing: isOn("passing"),
    isStrict: isOn("strict"),
    ending: field("ending").value,
    to: field("to").value,
    verb: /** @type {Settings["verb"]} */ (field("verb").value),
  };
}

/** Fill the list of keys, bring back what was chosen before, and listen. @param {() => void} onChange */
export function setUpFields(onChange) {
  for (const key of KEYS) {
    field("key").append(make("option", { value: key }, key.replace("#", "♯").replace(/^([A-G])b/, "$1♭")));
  }
  restore();
  byId("fields").addEventListener("input", () => {
    localStorage.setItem(STORE, JSON.stringify(snapshot()));
    onChange();
  });
}

function snapshot() {
  const values = Object.fromEntries(NAMES.map((name) => [name, field(name).value]));
  const checks = Object.fromEntries(CHECKS.map((name) => [name, isOn(name)]));
  return { ...values, ...checks, adventure: checked("adventure") };
}

function restore() {
  /** @type {Record<string, any>} */
  let values = {};
  try {
    values = JSON.parse(localStorage.getItem(STORE) ?? "{}");
  } catch {
    localStorage.removeItem(STORE); // written by something else
  }
  for (const name of NAMES) if (typeof values[name] === "string" && name !== "seed") field(name).value = values[name];
  for (const name of CHECKS) /** @type {HTMLInputElement} */ (field(name)).checked = values[name] === true;
  const chosen = document.querySelector(`input[name="adventure"][value="${values.adventure ?? "balanced"}"]`);
  if (chosen) /** @type {HTMLInputElement} */ (chosen).checked = true;
}

/** @param {string} value @param {number} otherwise @param {number} most */
function whole(value, otherwise, most) {
  const number = Math.round(Number(value));
  return number >= 1 ? Math.min(number, most) : otherwise;
}
