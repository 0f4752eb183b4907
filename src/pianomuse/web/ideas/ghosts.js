// @ts-check
/**
 * Ideas that stand in the roll as ghost notes: immutable values and what may be done with them.
 *
 * What was accepted is music; what is left stays a ghost. `front` is how far an idea has been accepted, `clearedTo` how
 * far the old music has been taken away for it.
 */

import { cleared, pushed, sorted } from "../music/project.js";

/** @typedef {import("../music/types.js").Project} Project */
/** @typedef {import("../music/types.js").Note} Note */
/** @typedef {import("../music/types.js").Pedal} Pedal */

/** @typedef {Note & {id: string, hand: string}} GhostNote */
/** @typedef {import("../said/said.js").Said} Said */

/**
 * @typedef {object} Idea
 * @property {string} key of its own among all ideas
 * @property {string} request id the server gave the request
 * @property {number} number of the idea in its request
 * @property {number} seed
 * @property {readonly GhostNote[]} notes
 * @property {readonly Pedal[]} pedals
 * @property {boolean} isFinished
 * @property {boolean} isBest the one most likely to be wanted, of its request
 * @property {Said | string} reason empty until it is known; text alone in ideas that an earlier version kept
 * @property {Said | string} range
 * @property {Said | string} ending
 * @property {unknown} figures
 * @property {import("./growing.js").Likeness | null} [like] the one it was asked to be like
 */

/**
 * @typedef {object} Ghosts
 * @property {readonly Idea[]} ideas
 * @property {object} origin what they began as; the same as long as ideas grow and are taken, another one after undo to older ones
 * @property {number} chosen index; -1 is the music as it was
 * @property {number} start first tick of the ideas
 * @property {number} end
 * @property {number} front
 * @property {number} clearedTo
 * @property {boolean} isInsert the music behind comes later
 * @property {ReadonlySet<string>} stays notes among the ideas that are not replaced, as the server names them: the other hand
 * @property {boolean} isPushed that has been done
 * @property {ReadonlySet<string>} omitted ids of ghost notes left out
 * @property {ReadonlySet<string>} taken ids of ghost notes accepted
 */

/**
 * @param {number} start @param {number} end @param {boolean} isInsert
 * @param {readonly {tick: number, pitch: number}[]} [stays] notes that are not replaced; if there are any, the pedal stays too
 * @returns {Ghosts}
 */
export function noGhosts(start, end, isInsert, stays = []) {
  return {
    ideas: [],
    origin: {},
    chosen: 0,
    start,
    end,
    front: start,
    clearedTo: start,
    isInsert,
    stays: new Set(stays.map(place)),
    isPushed: false,
    omitted: new Set(),
    taken: new Set(),
  };
}

/** @param {Ghosts | null} ghosts @returns {Idea | null} */
export function chosenIdea(ghosts) {
  return ghosts?.ideas[ghosts.chosen] ?? null;
}

/** Choose an idea; what was left out of another one does not carry over. @param {Ghosts} ghosts @param {number} index @returns {Ghosts} */
export function choose(ghosts, index) {
  return { ...ghosts, chosen: index };
}

/** Ghost notes that are still to be taken, left-out ones too. @param {Ghosts | null} ghosts @returns {GhostNote[]} */
export function openNotes(ghosts) {
  const idea = chosenIdea(ghosts);
  if (!ghosts || !idea) return [];
  return idea.notes.filter((note) => !ghosts.taken.has(note.id));
}

/** Leave a ghost note out, or take it back in. @param {Ghosts} ghosts @param {string} id @returns {Ghosts} */
export function toggled(ghosts, id) {
  const omitted = new Set(ghosts.omitted);
  if (!omitted.delete(id)) omitted.add(id);
  return { ...ghosts, omitted };
}

/**
 * Take notes of the chosen idea into the music.
 * @param {Project} project @param {Ghosts} ghosts
 * @param {{upTo: number, hand?: string, only?: string}} part notes that start before a tick, of one hand, or a single one
 * @returns {{project: Project, ghosts: Ghosts | null, taken: GhostNote[]}}
 */
export function accepted(project, ghosts, { upTo, hand, only }) {
  const idea = chosenIdea(ghosts);
  if (!idea) return { project, ghosts, taken: [] };
  const wanted = (/** @type {GhostNote} */ note) =>
    !ghosts.omitted.has(note.id) && note.tick < upTo && (!hand || note.hand === hand) && (!only || note.id === only);
  const taken = openNotes(ghosts).filter(wanted);
  const to = only ? upTo : Math.min(upTo, ghosts.end);
  const base = ghosts.isInsert && !ghosts.isPushed ? pushed(project, ghosts.start, ghosts.end - ghosts.start) : project;
  const room = ghosts.isInsert ? base : withoutOld(base, ghosts, to);
  const pedals = hand || only ? room.pedals : pedalsWith(room.pedals, idea.pedals, ghosts, to);
  const music = taken.map(({ id, hand: _, ...note }) => ({ ...note, suggested: true }));
  const next = {
    ...ghosts,
    front: hand || only ? ghosts.front : to,
    clearedTo: Math.max(ghosts.clearedTo, to),
    isPushed: true,
    taken: new Set([...ghosts.taken, ...taken.map((note) => note.id)]),
  };
  const isUsedUp = next.front >= ghosts.end || !openNotes(next).some((note) => !next.omitted.has(note.id));
  return {
    project: { ...room, notes: sorted([...room.notes, ...music]), pedals },
    ghosts: isUsedUp ? null : next,
    taken,
  };
}

/** The music as it would be with the rest of an idea in it. @param {Project} project @param {Ghosts | null} ghosts @returns {Project} */
export function withGhost(project, ghosts) {
  return ghosts && chosenIdea(ghosts) ? accepted(project, ghosts, { upTo: ghosts.end }).project : project;
}

/** The music behind an idea that is put in between, where it would be. @param {Project} project @param {Ghosts | null} ghosts @returns {Project} */
export function withRoom(project, ghosts) {
  if (!ghosts?.isInsert || ghosts.isPushed || !chosenIdea(ghosts)) return project;
  return pushed(project, ghosts.start, ghosts.end - ghosts.start);
}

/** Old notes an idea would replace. @param {Project} project @param {Ghosts | null} ghosts @returns {Set<Note>} */
export function replacedNotes(project, ghosts) {
  if (!ghosts || ghosts.isInsert || !chosenIdea(ghosts)) return new Set();
  const isInside = (/** @type {Note} */ note) => note.tick >= ghosts.clearedTo && note.tick < ghosts.end;
  return new Set(project.notes.filter((note) => isInside(note) && !ghosts.stays.has(place(note))));
}

/** @param {Project} project @param {Ghosts} ghosts @param {number} to @returns {Project} */
function withoutOld(project, ghosts, to) {
  const without = cleared(project, { from: ghosts.clearedTo, to });
  if (!ghosts.stays.size) return without;
  const staying = project.notes.filter(
    (note) => note.tick >= ghosts.clearedTo && note.tick < to && ghosts.stays.has(place(note)),
  );
  return { ...project, notes: sorted([...without.notes, ...staying]) };
}

/** @param {{tick: number, pitch: number}} note */
function place({ tick, pitch }) {
  return `${tick}/${pitch}`;
}

/** The place that stands in `stays`. @param {string} key */
export function placeOfKey(key) {
  const [tick, pitch] = key.split("/").map(Number);
  return { tick, pitch };
}

/** The idea's pedal up to a tick; one that is still down there comes up. @param {readonly Pedal[]} old @param {readonly Pedal[]} added @param {Ghosts} ghosts @param {number} to @returns {Pedal[]} */
function pedalsWith(old, added, { front, end }, to) {
  const part = added.filter((pedal) => pedal.tick >= front && (pedal.tick < to || to >= end));
  const isDown = part.at(-1)?.down ?? false;
  const up = isDown ? [{ tick: to, down: false }] : [];
  const at = (/** @type {Pedal} */ pedal) => pedal.tick;
  return [...old, ...part, ...up].sort((a, b) => at(a) - at(b) || Number(a.down) - Number(b.down));
}
