// @ts-check
/** What an event of the server's stream does to the ideas in the roll. */

import { sorted } from "../music/project.js";

/** @typedef {import("./ghosts.js").Ghosts} Ghosts */
/** @typedef {import("./ghosts.js").Idea} Idea */
/** @typedef {import("./ghosts.js").GhostNote} GhostNote */
/** @typedef {import("../music/types.js").Note} Note */
/** @typedef {import("../music/types.js").Pedal} Pedal */
/** @typedef {{of: number, how: string}} Likeness which idea it is like, and in what */
/** @typedef {{id: string, seed: number, begun: {notes: readonly GhostNote[], pedals: readonly Pedal[]}, like: Likeness | null}} Request `begun`: what its ideas begin with */
/** @typedef {Record<string, any> & {event: string}} StreamEvent a line of the stream, see docs of the HTTP interface */

/** @param {Ghosts} ghosts @param {Request} request @param {StreamEvent} event @returns {Ghosts} */
export function grown(ghosts, request, event) {
  switch (event.event) {
    case "note":
      return changed(ghosts, request, event.idea, (idea) => ({ notes: [...idea.notes, noteOf(idea, event)] }));
    case "pedal":
      return changed(ghosts, request, event.idea, (idea) => ({
        pedals: [...idea.pedals, { tick: event.tick, down: event.down }],
      }));
    case "finished":
      return changed(ghosts, request, event.idea, (idea) => finished(idea, event, request));
    case "dropped":
      return without(ghosts, keyOf(request, event.idea));
    case "ranked":
      return ranked(ghosts, request, event);
    default:
      return ghosts;
  }
}

/** @param {{id: string}} request @param {number} number */
function keyOf(request, number) {
  return `${request.id}/${number}`;
}

/** @param {Ghosts} ghosts @param {Request} request @param {number} number @param {(idea: Idea) => Partial<Idea>} change @returns {Ghosts} */
function changed(ghosts, request, number, change) {
  const key = keyOf(request, number);
  const known = ghosts.ideas.find((idea) => idea.key === key);
  const idea = known ?? newIdea(key, request, number);
  const next = { ...idea, ...change(idea) };
  if (known) return { ...ghosts, ideas: ghosts.ideas.map((other) => (other === known ? next : other)) };
  const place = ghosts.ideas.findIndex((other) => other.request === request.id && other.number > number);
  const ideas = [...ghosts.ideas];
  ideas.splice(place < 0 ? ideas.length : place, 0, next);
  const moves = place >= 0 && place <= ghosts.chosen && ghosts.chosen >= 0 && ghosts.ideas.length > 0;
  return { ...ghosts, ideas, chosen: moves && hasBeenShown(ghosts) ? ghosts.chosen + 1 : ghosts.chosen };
}

/** @param {Ghosts} ghosts */
function hasBeenShown(ghosts) {
  return (ghosts.ideas[ghosts.chosen]?.notes.length ?? 0) > 0;
}

/** @param {string} key @param {Request} request @param {number} number @returns {Idea} */
function newIdea(key, request, number) {
  const words = { reason: "", range: "", ending: "", figures: null, like: request.like };
  const idea = { key, request: request.id, number, seed: request.seed, isFinished: false, isBest: false, ...words };
  return { ...idea, notes: named(key, request.begun.notes), pedals: request.begun.pedals };
}

/** @param {Idea} idea @param {StreamEvent} event @returns {GhostNote} */
function noteOf(idea, event) {
  const { tick, duration, pitch, velocity } = event;
  const nth = idea.notes.filter((note) => note.pitch === pitch).length;
  return { tick, duration, pitch, velocity, track: 0, hand: event.hand ?? "", id: `${idea.key}/${pitch}.${nth}` };
}

/** The notes as the composer gets them: the nth of each pitch is the nth that was told. @param {Idea} idea @param {StreamEvent} event @param {Request} request @returns {Partial<Idea>} */
function finished(idea, event, { begun }) {
  const told = new Map(idea.notes.map((note) => [note.id, note.hand]));
  const all = named(idea.key, sorted([...begun.notes, ...event.notes]));
  const notes = all.map((note) => ({ ...note, hand: note.hand || told.get(note.id) || "" }));
  const { reason = "", range = "", ending = "", figures = null } = event;
  return { notes, pedals: [...begun.pedals, ...event.pedals], isFinished: true, reason, range, ending, figures };
}

/** Notes in order, each with a name in its idea. @param {string} key @param {readonly (Note & {hand?: string})[]} notes @returns {GhostNote[]} */
function named(key, notes) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  return notes.map((note) => {
    const nth = counts.get(note.pitch) ?? 0;
    counts.set(note.pitch, nth + 1);
    return { ...note, hand: note.hand ?? "", id: `${key}/${note.pitch}.${nth}` };
  });
}

/** @param {Ghosts} ghosts @param {string} key @returns {Ghosts} */
function without(ghosts, key) {
  const place = ghosts.ideas.findIndex((idea) => idea.key === key);
  if (place < 0) return ghosts;
  const ideas = ghosts.ideas.filter((idea) => idea.key !== key);
  const chosen = place < ghosts.chosen ? ghosts.chosen - 1 : Math.min(ghosts.chosen, ideas.length - 1);
  return { ...ghosts, ideas, chosen: Math.max(chosen, ghosts.chosen < 0 ? -1 : 0) };
}

/** @param {Ghosts} ghosts @param {{id: string}} request @param {StreamEvent} event @returns {Ghosts} */
function ranked(ghosts, request, event) {
  const best = event.ideas[0];
  const reasons = event.reasons ?? {};
  const ideas = ghosts.ideas.map((idea) => {
    if (idea.request !== request.id) return idea;
    const { number, reason, figures } = idea;
    return {
      ...idea,
      isBest: number === best,
      reason: reasons[number] ?? reason,
      figures: event.figures?.[number] ?? figures,
    };
  });
  return { ...ghosts, ideas };
}
