// @ts-check
/** The first screen, and the list of keys. */

import * as client from "../client.js";
import { KEY_GROUPS } from "./key_texts.js";
import { fail } from "./status.js";
import { isTourOffered, noteTourOffered } from "./tour.js";
import { byId, currentLanguage, make, text } from "./words.js";

/** @typedef {import("./files.js").Files} Files */
/** @typedef {import("./files.js").Saved} Saved */

const TOURED = "finished-phrase";
const WORKS = 4; // so many others are offered

/** @param {string} id @returns {HTMLDialogElement} */
function dialog(id) {
  return /** @type {HTMLDialogElement} */ (byId(id));
}

/** @param {Files} files @param {{chooseFile: () => void, done: () => void, tour: () => void}} also */
export async function showWelcome(files, also) {
  const welcome = dialog("welcome");
  const offer = byId("welcome-tour");
  offer.hidden = !isTourOffered();
  offer.onclick = () => void files.openExample(TOURED).then(() => {
    close();
    also.tour();
  });
  const close = () => {
    noteTourOffered();
    welcome.close();
    also.done();
  };
  const list = byId("openings");
  const empty = card(text("welcomeEmpty"), text("welcomeEmptyFacts"), "plus", () => {
    files.openEmpty();
    close();
  });
  const open = card(text("welcomeOpen"), text("welcomeOpenFacts"), "file", () => {
    close();
    also.chooseFile();
  });
  const cards = [empty, open]; // all are shown together: the dialog does not grow under the pointer
  try {
    for (const { work, title, saved_at: at } of (await files.works.others()).slice(0, WORKS)) {
      const when = new Date(at).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
      const name = text("welcomeGoOn", { title: title || text("untitled") });
      cards.push(card(name, when, "work", () => void files.openWork(work).then(close), work));
    }
    for (const { name, title, bars } of await client.examples()) {
      const facts = text("nBars", { bars });
      cards.push(card(title, facts, "note", () => void files.openExample(name).then(close), name));
    }
  } catch (error) {
    fail(error);
  }
  list.replaceChildren(...cards);
  if (!welcome.open) welcome.showModal();
}

/** @param {string} title @param {string} facts @param {string} kind @param {() => void} onClick @param {string} [name] */
function card(title, facts, kind, onClick, name = kind) {
  const button = make("button", { type: "button", class: `opening ${kind}`, "data-name": name });
  button.append(make("b", {}, title), make("span", { class: "facts" }, facts));
  button.addEventListener("click", onClick);
  return button;
}

export function showKeys() {
  const column = currentLanguage() === "zh" ? 1 : 0;
  const groups = KEY_GROUPS.map(({ title, rows }) => {
    const list = make("dl");
    for (const [keys, ...does] of rows) {
      list.append(make("dt", {}, typeof keys === "string" ? keys : keys[column]), make("dd", {}, does[column]));
    }
    return make("section", {}, make("h3", {}, title[column]), list);
  });
  byId("key-groups").replaceChildren(...groups);
  dialog("keys").showModal();
}
