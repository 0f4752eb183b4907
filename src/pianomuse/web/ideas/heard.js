// @ts-check
/** *Ideas heard*: every finished idea is kept with the project, with bar, settings and seed. */

import { noGhosts } from "./ghosts.js";

/** @typedef {import("./ghosts.js").Ghosts} Ghosts */
/** @typedef {import("./ghosts.js").Idea} Idea */

/**
 * @typedef {object} Heard
 * @property {Idea} idea
 * @property {number} firstBar
 * @property {number} start
 * @property {number} end
 * @property {boolean} isInsert
 * @property {readonly {tick: number, pitch: number}[]} [stays] notes of the other hand, if only one was written
 * @property {string} [hand] the one that was written, empty: both
 * @property {string} [what] which verb wrote it
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

/** Ideas as they are known last: in order, and with the reason that goes with it. @param {Heard[]} heard @param {Map<string, Idea>} known @returns {Heard[]} */
export function updated(heard, known) {
  return heard.map((entry) => {
    const idea = known.get(entry.idea.key);
    return idea?.isFinished && idea !== entry.idea ? { ...entry, idea } : entry;
  });
}

/** The idea as a ghost again. @param {Heard} entry @returns {Ghosts} */
export function broughtBack({ idea, start, end, isInsert, stays }) {
  return { ...noGhosts(start, end, isInsert, stays), ideas: [idea] };
}
