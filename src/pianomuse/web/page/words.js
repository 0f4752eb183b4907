// @ts-check
/** Texts in the chosen language, and elements that carry them. */

import { TEXTS } from "./texts.js";

/** @typedef {"en" | "zh"} Language */

let language = /** @type {Language} */ ("en");

/** @returns {Language} */
export function currentLanguage() {
  return language;
}

/** The language chosen before, or the browser's. @returns {Language} */
export function preferredLanguage() {
  const chosen = localStorage.getItem("pianomuse.language");
  if (chosen === "en" || chosen === "zh") return chosen;
  return navigator.language.startsWith("zh") ? "zh" : "en";
}

/** @param {Language} chosen */
export function setLanguage(chosen) {
  language = chosen;
  document.documentElement.lang = chosen === "zh" ? "zh-Hans" : "en";
  localStorage.setItem("pianomuse.language", chosen);
  fillIn(document.body);
}

/** @param {string} key @param {Record<string, unknown>} [values] */
export function text(key, values = {}) {
  const found = TEXTS[key];
  if (!found) throw new Error(`no text is called ${key}`);
  return filled(found[language === "zh" ? 1 : 0], values);
}

const PLURALS = /(?<![\d.])1 (note|bar|choice|idea|key|beat|part|track|piece|file)s\b/g;
const SPANS = /([Bb])ars (\d+)(?:–| to )\2\b/g;
const CHINESE_SPANS = /第 (\d+)(?:–| 到 | 至 )\1 小节/g;

/** Put values into words; of one thing there is no plural, and one bar is no span. @param {string} words @param {Record<string, unknown>} values */
export function filled(words, values) {
  const whole = words.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  return whole.replace(PLURALS, "1 $1").replace(SPANS, "$1ar $2").replace(CHINESE_SPANS, "第 $1 小节");
}

/** Put texts into elements with `data-text` (`data-values` in it), `data-title` (tip and spoken name), `data-hint`. @param {ParentNode} root */
export function fillIn(root) {
  for (const element of root.querySelectorAll("[data-text]")) {
    const { text: key = "", values = "{}" } = /** @type {HTMLElement} */ (element).dataset;
    element.textContent = text(key, JSON.parse(values));
  }
  for (const element of root.querySelectorAll("[data-title]")) {
    const words = text(/** @type {HTMLElement} */ (element).dataset.title ?? "");
    element.setAttribute("title", words);
    element.setAttribute("aria-label", words);
  }
  for (const element of root.querySelectorAll("[data-hint]")) {
    element.setAttribute("placeholder", text(/** @type {HTMLElement} */ (element).dataset.hint ?? ""));
  }
}

/**
 * Make an element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Record<string, string>} [attributes] @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}
