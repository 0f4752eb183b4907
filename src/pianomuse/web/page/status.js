// @ts-check
/** The line at the foot of the page, which screen readers speak, and the box for what went wrong. */

import { Failure } from "../client.js";
import { faultText } from "./fault_texts.js";
import { byId, currentLanguage, text } from "./words.js";

/** @param {string} key @param {Record<string, unknown>} [values] */
export function say(key, values) {
  byId("status").textContent = text(key, values);
}

/** Say what went wrong and what to do. @param {unknown} error */
export function fail(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (error instanceof Failure) showProblem(problemText(error));
  else showProblem(text("broken", { message: error instanceof Error ? error.message : String(error) }));
}

/** A failure in the chosen language. @param {Failure} failure */
export function problemText({ code, message }) {
  return code === "gone" ? text("gone") : faultText(code, message, currentLanguage() === "zh");
}

/** @param {string} message */
export function showProblem(message) {
  byId("problem-text").textContent = message;
  byId("problem").hidden = false;
}

export function hideProblem() {
  byId("problem").hidden = true;
}
