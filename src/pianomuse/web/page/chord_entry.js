// @ts-check
/** Chords over the ruler: written bar by bar, and asked for wherever ideas are written in those bars. */

import { RULER_HEIGHT } from "../roll/view.js";
import { byId } from "./words.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("../roll/roll.js").Roll} Roll */

const LEAST_PX = 64;

/** @param {Studio} studio @param {Roll} roll @param {() => void} toRoll */
export function setUpChordEntry(studio, roll, toRoll) {
  const entry = /** @type {HTMLInputElement} */ (byId("chord-entry"));
  let bar = 0;
  const keep = () => {
    const chord = entry.value.trim().replace(/\|/g, " ");
    if (!entry.hidden && chord !== (studio.chords.get(bar) ?? "")) studio.setChord(bar, chord);
  };
  const close = () => {
    entry.hidden = true;
    toRoll();
  };
  const open = (/** @type {number} */ number) => {
    bar = number;
    const { tick, end } = studio.time.bar(bar);
    roll.reveal(tick, end);
    entry.value = studio.chords.get(bar) ?? "";
    entry.style.left = `${roll.view.x(tick)}px`;
    entry.style.width = `${Math.max((end - tick) * roll.view.perTick, LEAST_PX)}px`;
    entry.hidden = false;
    entry.focus();
    entry.select();
  };
  entry.addEventListener("keydown", (event) => {
    if (!["Enter", "Tab", "Escape"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") return close();
    keep();
    return entry.value.trim() ? open(event.shiftKey ? Math.max(bar - 1, 1) : bar + 1) : close();
  });
  entry.addEventListener("blur", () => {
    keep();
    entry.hidden = true;
  });
  roll.element.addEventListener("dblclick", (event) => {
    const y = event.clientY - roll.element.getBoundingClientRect().top;
    if (y < RULER_HEIGHT) open(studio.time.barAt(roll.view.tick(event.offsetX)).number);
  });
  return { open };
}
