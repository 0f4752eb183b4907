// @ts-check
/** What was assumed about a recording without a metronome, and three fields to correct it. */

import { byId, fillIn, make } from "./words.js";

const METRES = ["4/4", "3/4", "2/4", "6/8", "3/8", "12/8", "9/8"]; // those that can be found

/**
 * @typedef {{bars: "file" | "found", metre?: string, tempo_bpm?: number, first_downbeat_s?: number}} Grid whose bars count
 * @typedef {{grid?: string, tempo?: string, metre?: string, first_downbeat?: string}} Told what is said on import
 */

/**
 * Show the notice under the bar at the top; nothing where the file's own bars count.
 * @param {Grid | undefined} grid @param {(told: Told) => void} [again] imports the file again with what is said
 */
export function showFreeTime(grid, again = () => {}) {
  document.getElementById("free-time")?.remove();
  if (grid?.bars !== "found") return;
  const found = { metre: grid.metre, tempo: Math.round(grid.tempo_bpm ?? 0), first: (grid.first_downbeat_s ?? 0).toFixed(2) };
  const first = field("0.01", "0", found.first);
  const tempo = field("1", "25", String(found.tempo));
  const metre = make("select", {}, ...METRES.map((name) => make("option", {}, name)));
  metre.value = found.metre ?? "";
  const form = make(
    "form",
    { id: "free-time", role: "status" },
    make("span", { "data-text": "freeFound", "data-values": JSON.stringify(found) }),
    make("label", {}, make("span", { "data-text": "freeFirst" }), " ", first),
    make("label", {}, make("span", { "data-text": "freeTempo" }), " ", tempo),
    make("label", {}, make("span", { "data-text": "freeMetre" }), " ", metre),
    make("button", { type: "submit", "data-text": "freeAgain" }),
    button("freeFile", () => again({ grid: "file" })),
    button("freeFine", () => form.remove()),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    /** @type {Told} */
    const told = {};
    if (first.value !== found.first) told.first_downbeat = `${first.value}s`;
    if (tempo.value !== String(found.tempo)) told.tempo = tempo.value;
    if (metre.value !== found.metre) told.metre = metre.value;
    if (Object.keys(told).length) again(told);
    else form.remove();
  });
  fillIn(form);
  byId("notices").append(form);
}

/** @param {string} step @param {string} min @param {string} value */
function field(step, min, value) {
  return make("input", { type: "number", step, min, value, required: "" });
}

/** @param {string} key @param {() => void} does */
function button(key, does) {
  const made = make("button", { type: "button", "data-text": key });
  made.addEventListener("click", does);
  return made;
}
