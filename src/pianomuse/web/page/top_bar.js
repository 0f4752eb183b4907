// @ts-check
/** The bar above the roll: files, undo, playing, tempo, metre, grid, tools. */

import { withMetre, withTempo } from "../music/project.js";
import { SNAPS } from "../studio.js";
import { byId, make, text } from "./words.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("../sound/listening.js").Listening} Listening */
/** @typedef {import("../sound/piano.js").Piano} Piano */

/** @param {string} id @returns {HTMLInputElement} */
function input(id) {
  return /** @type {HTMLInputElement} */ (byId(id));
}

/** @param {Studio} studio @param {Listening} listening @param {Piano} piano @param {() => void} toRoll */
export function setUpTopBar(studio, listening, piano, toRoll) {
  setUpSnap(studio, toRoll);
  setUpTime(studio, toRoll);
  byId("play").addEventListener("click", () => {
    listening.toggle();
    toRoll();
  });
  byId("to-start").addEventListener("click", () => {
    listening.stop();
    studio.setCaret(0);
    toRoll();
  });
  byId("metronome").addEventListener("click", () => {
    listening.hasMetronome = !listening.hasMetronome;
    byId("metronome").setAttribute("aria-pressed", `${listening.hasMetronome}`);
    toRoll();
  });
  input("lead-in").addEventListener("change", () => {
    listening.leadInBars = Number(input("lead-in").value);
    toRoll();
  });
  const volume = input("volume");
  volume.value = localStorage.getItem("pianomuse.volume") ?? "80";
  const setVolume = () => piano.setVolume((Number(volume.value) / 100) ** 2 * 1.6);
  volume.addEventListener("input", () => {
    localStorage.setItem("pianomuse.volume", volume.value);
    setVolume();
  });
  setVolume();
  listening.addEventListener("state", () => {
    byId("play").classList.toggle("is-on", listening.isPlaying);
    byId("loop").setAttribute("aria-pressed", `${listening.player.loops}`);
  });
  for (const tool of /** @type {const} */ (["select", "draw"])) {
    byId(`tool-${tool}`).addEventListener("click", () => {
      studio.setTool(tool);
      toRoll();
    });
  }
  studio.addEventListener("tool", () => {
    for (const tool of ["select", "draw"]) byId(`tool-${tool}`).setAttribute("aria-pressed", `${studio.tool === tool}`);
  });
}

/** @param {Studio} studio @param {() => void} toRoll */
function setUpSnap(studio, toRoll) {
  const select = input("snap");
  fillSnap();
  select.value = String(studio.snap);
  select.addEventListener("change", () => {
    studio.setSnap(Number(select.value));
    toRoll();
  });
}

/** The lengths of the grid in the chosen language. */
export function fillSnap() {
  const select = input("snap");
  const { value } = select;
  select.replaceChildren(
    ...SNAPS.map((snap) => {
      const isTriplet = [6, 12, 24].includes(Math.round(1 / snap));
      const name = isTriplet ? `1/${Math.round(2 / (3 * snap))} ${text("triplet")}` : `1/${1 / snap}`;
      return make("option", { value: String(snap) }, snap ? name : text("snapOff"));
    }),
  );
  if (value) select.value = value;
}

/** @param {Studio} studio @param {() => void} toRoll */
function setUpTime(studio, toRoll) {
  const [tempo, metre] = [input("tempo"), input("metre")];
  const show = () => {
    if (document.activeElement !== tempo) tempo.value = String(Math.round(studio.time.bpm(studio.caret)));
    const { numerator, denominator } = studio.time.barAt(studio.caret);
    if (document.activeElement !== metre) metre.value = `${numerator}/${denominator}`;
  };
  for (const name of ["caret", "project"]) studio.addEventListener(name, show);
  tempo.addEventListener("change", () => {
    const bpm = Number(tempo.value);
    const isNew = bpm >= 20 && bpm <= 400 && bpm !== Math.round(studio.time.bpm(studio.caret));
    toRoll();
    if (isNew) studio.apply("stepTempo", withTempo(studio.project, studio.caret, bpm));
    show();
  });
  metre.addEventListener("change", () => {
    const [, numerator, denominator] = /^\s*(\d{1,2})\s*\/\s*(1|2|4|8|16)\s*$/.exec(metre.value) ?? [];
    toRoll();
    if (Number(numerator) > 0) {
      studio.apply("stepMetre", withMetre(studio.project, studio.caret, Number(numerator), Number(denominator)));
    }
    show();
  });
}
