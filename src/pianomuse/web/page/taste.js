// @ts-check
/** What the order of ideas has learnt from those that were taken or starred, and how to forget it. */

import * as client from "../client.js";
import { fail } from "./status.js";
import { byId, text } from "./words.js";

/** @typedef {import("../ideas/muse.js").Muse} Muse */

const NOTICED = 0.1; // a weight that moved less than this is not spoken of

/** @param {Muse} muse @param {(key: string) => void} say @returns {() => void} shows it in the chosen language */
export function setUpTaste(muse, say) {
  /** @type {client.Learnt} */
  let learnt = { choices: 0, moved: {} };
  const show = () => {
    byId("taste-part").hidden = !learnt.choices;
    byId("taste-words").textContent = inWords(learnt);
  };
  const take = (/** @type {client.Learnt} */ news) => {
    learnt = news;
    show();
  };
  muse.addEventListener("learnt", (event) => take(/** @type {CustomEvent} */ (event).detail));
  byId("taste-forget").addEventListener("click", () => {
    client.forgetTaste().then(() => {
      take({ choices: 0, moved: {} });
      say("tasteForgotten");
    }, fail);
  });
  client.taste().then(take, () => {}); // without it the part stays hidden
  return show;
}

/** @param {client.Learnt} learnt */
function inWords({ choices, moved }) {
  const strongest = Object.entries(moved).sort(([, a], [, b]) => Math.abs(b) - Math.abs(a));
  const words = strongest.filter(([, by]) => Math.abs(by) >= NOTICED).map(([name, by]) => text(`taste-${name}${by > 0 ? "+" : "-"}`));
  return text(words.length ? "tasteLearnt" : "tasteNothing", { n: choices, words: words.join(text("listComma")) });
}
