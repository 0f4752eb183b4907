// @ts-check
/** The switch between roll and sheet, or both; remembered in this browser. */

import * as client from "../client.js";
import { byId, text } from "../page/words.js";
import { Sheet } from "./sheet.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {"roll" | "both" | "sheet"} View */

const STORE = "pianomuse.view";
/** @type {View[]} */
const VIEWS = ["roll", "both", "sheet"];
const BARS = { roll: 0, both: 8, sheet: 24 };

/**
 * @param {Studio} studio @param {{fail: (error: unknown) => void, toRoll: () => void, say: (key: string) => void}} also
 * @returns {{sheet: Sheet, next: () => void, showWords: () => void}}
 */
export function setUpSheet(studio, { fail, toRoll, say }) {
  const sheet = new Sheet(studio, byId("sheet"), client.sheetMusic);
  const choose = (/** @type {View} */ view) => {
    document.body.dataset.view = view;
    localStorage.setItem(STORE, view);
    for (const name of VIEWS) byId(`view-${name}`).setAttribute("aria-pressed", `${name === view}`);
    sheet.setShown(view !== "roll", BARS[view]);
  };
  const showWords = () => {
    const { music } = sheet;
    byId("sheet-note").textContent = music?.is_approximate ? text("sheetApproximate") : "";
    const bars = music ? { from: music.first_number, to: music.first_number + music.to_bar - music.from_bar } : {};
    byId("sheet").setAttribute("aria-label", text(music ? "sheetBars" : "sheetTitle", bars));
    byId("sheet").dataset.empty = text("sheetEmpty");
  };
  sheet.addEventListener("printed", showWords);
  sheet.addEventListener("failed", (event) => fail(/** @type {CustomEvent} */ (event).detail));
  for (const name of VIEWS) {
    byId(`view-${name}`).addEventListener("click", () => {
      choose(name);
      toRoll();
    });
  }
  const kept = /** @type {View} */ (localStorage.getItem(STORE) ?? "roll");
  choose(VIEWS.includes(kept) ? kept : "roll");
  const next = () => {
    const view = VIEWS[(VIEWS.indexOf(/** @type {View} */ (document.body.dataset.view)) + 1) % VIEWS.length];
    choose(view);
    say(`view-${view}`);
  };
  return { sheet, next, showWords };
}
