// @ts-check
/** Which bars are printed: those around the caret or the idea. They stay as long as that is among them. */

import { lastTick } from "../music/project.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {{first: number, last: number}} Bars numbers of bars, both included */

const BEFORE = 2;

/** @param {Studio} studio @param {number} most @param {Bars | null} shown @returns {Bars} */
export function barsAround(studio, most, shown) {
  const { time, caret, ghosts, project } = studio;
  const from = time.barAt(ghosts ? ghosts.start : caret).number;
  const to = ghosts ? time.barAt(Math.max(ghosts.end - 1, ghosts.start)).number : from;
  const isThere = shown && shown.last - shown.first + 1 === most && shown.first <= from && to <= shown.last;
  if (isThere) return shown;
  const room = Math.max(most - (to - from + 1), 0);
  const end = Math.max(time.barAt(Math.max(lastTick(project) - 1, 0)).number, to);
  const first = Math.max(Math.min(from - Math.min(BEFORE, room), end - most + 1), 1);
  return { first, last: first + most - 1 };
}
