// @ts-check
/** The faint mark on notes that were suggested and not changed since; it can be hidden, and that is remembered. */

import { byId } from "../page/words.js";

/** @typedef {import("../roll/roll.js").Roll} Roll */

const STORE = "pianomuse.marks";

/** @param {Roll} roll */
export function setUpMarks(roll) {
  const box = /** @type {HTMLInputElement} */ (byId("marks"));
  box.checked = localStorage.getItem(STORE) !== "hidden";
  const show = () => {
    roll.marks = box.checked;
    roll.touch("notes");
  };
  box.addEventListener("change", () => {
    localStorage.setItem(STORE, box.checked ? "shown" : "hidden");
    show();
  });
  show();
}
