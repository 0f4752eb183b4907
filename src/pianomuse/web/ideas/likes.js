// @ts-check
/** More like an idea: its start, rhythm or harmony stays, or the new ones are calmer or bolder than it. */

import { placeOfKey, withGhost } from "./ghosts.js";
import { boldness } from "./order.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("./ghosts.js").Ghosts} Ghosts */
/** @typedef {import("./order.js").Order} Order */
/** @typedef {import("./order.js").Settings} Settings */
/** @typedef {"start" | "rhythm" | "harmony" | "calmer" | "bolder"} Like */

/** @type {readonly Like[]} */
export const LIKES = ["start", "rhythm", "harmony", "calmer", "bolder"];

const MOODS = ["calmer", "bolder"];
/** Limits that say what the idea itself says already. @type {Record<string, string[]>} */
const SAID_BY_IDEA = { start: [], rhythm: ["notes_per_bar"], harmony: ["chords", "chords_strict", "key", "scale", "chromatic"] };
const ALWAYS = ["keep", "keep_from"];

/** Why there can be nothing like an idea in this way, as the key of a text; empty where there can. @param {Studio} studio @param {Ghosts} ghosts @param {number} index @param {Like} how */
export function whyNot({ heard, time }, ghosts, index, how) {
  const idea = ghosts.ideas[index];
  if (!idea.isFinished) return "likeSoon";
  if (!idea.notes.some((note) => note.tick >= ghosts.front)) return "likeNothing";
  const bar = time.barAt(ghosts.front);
  if (!handOf(heard, ghosts, idea)) return "";
  if (ghosts.front > bar.tick) return "likeHandInBar"; // one hand is written from a bar line on
  return how === "start" && bar.end >= ghosts.end ? "likeHandOneBar" : "";
}

/** The hand an idea was written for; empty: both. @param {readonly import("./heard.js").Heard[]} heard @param {Ghosts} ghosts @param {import("./ghosts.js").Idea} idea */
function handOf(heard, ghosts, idea) {
  const entry = heard.find((other) => other.idea.key === idea.key);
  const limits = /** @type {Record<string, unknown>} */ (entry?.settings.limits ?? {});
  return String(entry?.hand || limits.hand || (ghosts.stays.size ? idea.notes[0]?.hand : "") || "");
}

/**
 * The idea stands in the music that is sent, as if it had been taken; its limits are asked for again.
 * @param {Studio} studio @param {Ghosts} ghosts @param {number} index @param {Like} how @param {Settings} settings
 * @returns {Order}
 */
export function likeOrder(studio, ghosts, index, how, settings) {
  const idea = ghosts.ideas[index];
  const entry = studio.heard.find((other) => other.idea.key === idea.key);
  const firstBar = entry?.firstBar ?? studio.time.barAt(ghosts.start).number;
  const hears = entry?.what ?? "complete";
  const isMood = MOODS.includes(how);
  const hand = handOf(studio.heard, ghosts, idea);
  const stays = [...ghosts.stays].map(placeOfKey);
  return {
    what: "like",
    hears,
    from: ghosts.front,
    project: withGhost(studio.project, { ...ghosts, chosen: index, omitted: new Set() }),
    begun: { ...(how === "start" ? { notes: idea.notes, pedals: idea.pedals } : {}), firstBar, hand, stays },
    like: { of: index + 1, how },
    body: {
      start_tick: ghosts.front,
      end_tick: ghosts.end,
      same: isMood ? null : how,
      mood: isMood ? how : null,
      ...(hand && how === "start" ? { beats: beatsOfBar(studio, ghosts.front) } : {}),
      ...(hand ? { stays } : {}),
      hears_after: hears !== "complete" || ghosts.isInsert,
      candidates: settings.candidates,
      ...boldness({ ...settings, seed: "" }),
      ...(isMood ? { adventure: null } : {}),
      limits: limitsLike(entry?.settings.limits, how, hand),
    },
  };
}

/** @param {Studio} studio @param {number} tick at a bar line */
function beatsOfBar({ time }, tick) {
  const { end } = time.barAt(tick);
  let n = 0;
  for (let at = tick; at < end; at = time.nextBeat(at)) n += 1;
  return n;
}

/** @param {unknown} limits @param {Like} how @param {string} hand */
function limitsLike(limits, how, hand) {
  const said = new Set([...(SAID_BY_IDEA[how] ?? []), ...ALWAYS]);
  const entries = Object.entries({ ...(limits ?? {}), ...(hand ? { hand } : {}) }).filter(([name]) => !said.has(name));
  return entries.length ? Object.fromEntries(entries) : null;
}

/** What new ideas begin with: the kept start of another one. @param {Order} order @param {number} tick */
export function begunBefore(order, tick) {
  const isBefore = (/** @type {{tick: number}} */ event) => event.tick < tick;
  const { notes = [], pedals = [] } = order.begun ?? {};
  return { notes: notes.filter(isBefore), pedals: pedals.filter(isBefore) };
}
