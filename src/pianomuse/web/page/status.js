// @ts-check
/** The line at the foot of the page, which screen readers speak, and the box for what went wrong. */

import { Failure } from "../client.js";
import { isKnown, said } from "../said/said.js";
import { faultText } from "./fault_texts.js";
import { byId, currentLanguage, text } from "./words.js";

let problem = () => "";

/** @param {string} key @param {Record<string, unknown>} [values] */
export function say(key, values) {
  const words = text(key, values);
  byId("status").textContent = words;
  byId("status").title = words; // where the line is too short for them
}

/** Say what went wrong and what to do. @param {unknown} error */
export function fail(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (error instanceof Failure) return showProblem(() => problemText(error));
  console.error(error); // a fault of this page; its words are for those who mend it
  return showProblem(() => text("broken"));
}

/** A failure in the chosen language. @param {Failure} failure */
export function problemText({ code, message, detail, values }) {
  if (code === "gone") return text("gone");
  return isKnown(detail) ? said({ message, code: detail, values }) : faultText(code, message, currentLanguage() === "zh");
}

/** @param {() => string} words in the chosen language, which may change while they are shown */
export function showProblem(words) {
  problem = words;
  byId("problem-text").textContent = words();
  byId("problem").hidden = false;
}

/** What is wrong, in the language chosen now. */
export function sayProblemAgain() {
  if (!byId("problem").hidden) byId("problem-text").textContent = problem();
}

export function hideProblem() {
  byId("problem").hidden = true;
}
