// @ts-check
/** Playing along an idea: keys that strike its notes take them, as typing along a suggestion does. */

import { accepted, chosenIdea, openNotes } from "../ideas/ghosts.js";

/** @typedef {import("../music/types.js").Project} Project */
/** @typedef {import("../ideas/ghosts.js").Ghosts} Ghosts */
/** @typedef {import("../ideas/ghosts.js").GhostNote} GhostNote */

/** Ghost notes that are still wanted. @param {Ghosts} ghosts */
function wanted(ghosts) {
  return openNotes(ghosts).filter((note) => !ghosts.omitted.has(note.id));
}

/** The ghost note that a key struck at a tick stands for. @param {Ghosts} ghosts @param {number} pitch @param {number} tick @param {number} reach ticks it may be early or late @returns {GhostNote | null} */
export function noteStruck(ghosts, pitch, tick, reach) {
  const away = (/** @type {GhostNote} */ note) => Math.abs(note.tick - tick);
  const near = wanted(ghosts).filter((note) => note.pitch === pitch && away(note) <= reach);
  return near.sort((a, b) => away(a) - away(b))[0] ?? null;
}

/** The one of the next ghost notes, or of those struck with it, that has a pitch. @param {Ghosts} ghosts @param {number} pitch @param {number} reach ticks @returns {GhostNote | null} */
export function nextOf(ghosts, pitch, reach) {
  const open = wanted(ghosts);
  return open.find((note) => note.pitch === pitch && note.tick <= open[0].tick + reach) ?? null;
}

/** Ghosts without notes that were played. @param {Ghosts} ghosts @param {ReadonlySet<string>} ids @returns {Ghosts} */
export function withoutPlayed(ghosts, ids) {
  return { ...ghosts, taken: new Set([...ghosts.taken, ...ids]) };
}

/**
 * Advance an idea to the last note that was played of it; what was not played of it before stays away.
 * @param {Project} project @param {Ghosts} ghosts @param {ReadonlySet<string>} ids of notes that were played
 * @returns {{project: Project, ghosts: Ghosts | null}} the project without the notes played, which are the composer's own
 */
export function advanced(project, ghosts, ids) {
  if (!ids.size) return { project, ghosts };
  const played = (chosenIdea(ghosts)?.notes ?? []).filter((note) => ids.has(note.id));
  const front = Math.max(...played.map((note) => note.tick));
  const missed = wanted(ghosts).filter((note) => note.tick < front && !ids.has(note.id));
  const omitted = new Set([...ghosts.omitted, ...missed.map((note) => note.id)]);
  const rest = { ...withoutPlayed(ghosts, ids), omitted };
  return accepted(project, rest, { upTo: wanted(rest).length ? front : ghosts.end });
}
