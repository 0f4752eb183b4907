// @ts-check
/** What the server says, in the chosen language: by its code, with the values that it names. */

import { inWords } from "../page/reasons.js";
import { currentLanguage, filled, text } from "../page/words.js";
import { ABOUT_FILES } from "./files.js";
import { ABOUT_IDEAS } from "./ideas.js";
import { ABOUT_PROGRAMS } from "./programs.js";
import { VALUE_WORDS } from "./value_words.js";
import { ABOUT_WISHES } from "./wishes.js";

/** @typedef {{message: string, code: string, values: Record<string, unknown>}} Said a sentence of the server's, or a part of one */

/** @type {Record<string, [english: string, chinese: string]>} */
const SENTENCES = { ...ABOUT_IDEAS, ...ABOUT_FILES, ...ABOUT_WISHES, ...ABOUT_PROGRAMS };
/** Values that are words of our own, and not the composer's. */
const NAMES_WORDS = new Set(["limit", "other", "others", "hand", "kept", "voice", "ending", "choices", "what", "field", "name"]);

/** Whether a sentence has words in both languages. @param {string} code */
export function isKnown(code) {
  return code in SENTENCES;
}

/** @param {Said | string} sentence a text stands in ideas that were kept before sentences had codes */
export function said(sentence) {
  if (typeof sentence === "string") return inWords(sentence);
  const found = SENTENCES[sentence.code];
  if (!found) return sentence.message;
  const values = Object.entries(sentence.values).map(([name, value]) => [name, valueText(name, value)]);
  return filled(found[currentLanguage() === "zh" ? 1 : 0], Object.fromEntries(values));
}

/** @param {Said[]} sentences one after the other */
export function allSaid(sentences) {
  return sentences.map(said).join(currentLanguage() === "zh" ? "" : " ");
}

/** @param {string} name @param {unknown} value @returns {string} */
function valueText(name, value) {
  if (Array.isArray(value)) return value.map((one) => valueText(name, one)).join(text("listComma"));
  if (value !== null && typeof value === "object") return said(/** @type {Said} */ (value));
  const word = String(value);
  return NAMES_WORDS.has(name) ? wordOf(name === "field" ? lastName(word) : word) : word;
}

/** @param {string} word */
function wordOf(word) {
  return VALUE_WORDS[word]?.[currentLanguage() === "zh" ? 1 : 0] ?? word;
}

/** Of a field's path, such as `project.notes.3.pitch`, the last name. @param {string} path */
function lastName(path) {
  return path.split(".").filter((part) => !/^\d+$/.test(part)).at(-1) ?? path;
}
