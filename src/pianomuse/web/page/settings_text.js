// @ts-check
/** What was asked for an idea, in one line of words. */

import { text } from "./words.js";

/** @typedef {import("../ideas/heard.js").Heard} Heard */

/** Limits, and the text that names each. @type {[name: string, key: string][]} */
const NAMES = [
  ["key", "key"], ["scale", "scale"], ["chords", "chords"], ["range", "range"], ["notes_per_bar", "notesPerBar"],
  ["voices", "voices"], ["to", "to"],
];

/** @param {Heard} entry @returns {string} */
export function settingsText({ settings, what, idea }) {
  const limits = /** @type {Record<string, unknown>} */ (settings.limits ?? {});
  const { adventure, bars, from_bar: first, to_bar: last, temperature, top_p: topP } = settings;
  const verb = what === "vary" ? `keep-${settings.keep}` : what === "harmonise" ? "keep-harmonise" : "";
  const said = [
    idea.like && text("ideaLike", { of: idea.like.of, how: text(`like-${idea.like.how}`) }),
    first ? text("settingsBars", { from: first, to: last }) : bars ? text("nBars", { bars }) : "",
    verb && text(verb),
    limits.keep && text(`keep-${limits.keep}`),
    adventure && text(String(adventure)),
    temperature != null && `${text("temperature")} ${temperature}`,
    topP != null && `${text("topP")} ${topP}`,
    settings.insert && text("insert"),
    limits.hand && text(limits.hand === "right" ? "handsRight" : "handsLeft"),
    ...NAMES.filter(([name]) => limits[name]).map(([name, key]) => `${text(key)} ${limits[name]}`),
    limits.chromatic && text("passing"),
    limits.chords_strict && text("strict"),
    limits.ending && text("settingsEnding", { ending: text(`ending-${limits.ending}`) }),
  ];
  return said.filter(Boolean).join(" · ");
}
