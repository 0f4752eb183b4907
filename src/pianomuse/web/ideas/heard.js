// @ts-check
/** *Ideas heard*: every finished idea is kept with the project, with bar, settings and seed. */

import { noGhosts } from "./ghosts.js";

/** @typedef {import("./ghosts.js").Ghosts} Ghosts */
/** @typedef {import("./ghosts.js").Idea} Idea */
/** @typedef {import("./order.js").Place} Place */

/**
 * @typedef {object} Heard
 * @property {Idea} idea
 * @property {number} firstBar
 * @property {number} start
 * @property {number} end
 * @property {boolean} isInsert
 * @property {Record<string, unknown>} settings what was asked for
 * @property {boolean} isStarred
 */

const MOST = 200; // of those without a star

/** @param {Heard[]} heard @param {Heard} entry @returns {Heard[]} newest first */
export function kept(heard, entry) {
  const others = heard.filter((other) => other.idea.key !== entry.idea.key);
  let n = 0;
  return [entry, ...others].filter(({ isStarred }) => isStarred || ++n <= MOST);
}

/** @param {Heard[]} heard @param {string} key @returns {Heard[]} */
export function starred(heard, key) {
  return heard.map((entry) => (entry.idea.key === key ? { ...entry, isStarred: !entry.isStarred } : entry));
}

/** The idea as a ghost again. @param {Heard} entry @returns {Ghosts} */
export function broughtBack({ idea, start, end, isInsert }) {
  return { ...noGhosts(start, end, isInsert), ideas: [idea] };
}
