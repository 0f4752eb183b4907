// @ts-check
/** The file that a DAW writes (`pianomuse studio --watch`): opened in a new tab, and offered whenever it was written. */

import * as client from "../client.js";
import { byId, fillIn, make } from "./words.js";

/** @typedef {import("./files.js").Files} Files */

/**
 * Open the file if this tab has no work of its own yet; from now on offer it whenever it was written.
 * @param {Files} files @param {Promise<Record<string, unknown>>} server what it says of itself
 * @returns {Promise<boolean>} whether it was opened
 */
export async function watchFile(files, server) {
  const { watches: name } = await server.catch(() => /** @type {Record<string, unknown>} */ ({}));
  if (typeof name !== "string") return false;
  client.watching().addEventListener("changed", () => offer(files, name));
  if (files.works.isReloaded) return false;
  try {
    await files.take(name, client.watched);
    return true;
  } catch (error) {
    const isFault = error instanceof client.Failure && error.code !== "not_written";
    if (isFault) files.cannotOpen(name, error);
    else show("watchedSoon", name);
    return false;
  }
}

/** @param {Files} files @param {string} name */
function offer(files, name) {
  const open = make("button", { type: "button", "data-text": "watchedOpen" });
  const notice = show("watchedAnew", name, open);
  open.addEventListener("click", () => {
    notice.remove();
    byId("roll").focus({ preventScroll: true });
    files.take(name, client.watched).catch((error) => files.cannotOpen(name, error));
  });
}

/** Show the notice under the bar at the top. @param {string} key of its text @param {string} name of the file @param {...Node} buttons */
function show(key, name, ...buttons) {
  document.getElementById("watched")?.remove();
  const later = make("button", { type: "button", "data-text": "watchedLater" });
  const notice = make("div", { id: "watched", role: "status" }, make("span", { "data-text": key, "data-values": JSON.stringify({ name }) }), ...buttons, later);
  later.addEventListener("click", () => notice.remove());
  fillIn(notice);
  byId("notices").append(notice);
  return notice;
}
