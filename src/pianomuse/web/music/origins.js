// @ts-check
/**
 * Who wrote what. A project keeps a list of origins (an idea that was taken, notes that were played or drawn), and a note
 * the number of its own; a note that was changed by hand says so. None of it is in the music: exports do not know it.
 */

/** @typedef {import("./types.js").Project} Project */
/** @typedef {import("./types.js").Note} Note */
/** @typedef {import("./types.js").Origin} Origin */
/** @typedef {import("../ideas/ghosts.js").Ghosts} Ghosts */

/** @type {Record<string, Origin["how"]>} steps whose new notes somebody played or drew */
const STEPS = { stepDraw: "drawn", stepRecord: "played" };

/**
 * Give the new notes of a step their origin.
 * @param {Project} before @param {Project} after @param {string} step key of its text
 * @param {{at: number, by?: Partial<Origin>, ghosts?: Ghosts | null}} also when, by what, and the ideas that stood in the roll
 * @returns {{project: Project, exchanged: Map<Note, Note>}} notes that are other objects now
 */
export function signed(before, after, step, { at, by, ghosts }) {
  const exchanged = new Map();
  const how = step === "stepAccept" ? "suggested" : STEPS[step];
  if (!how) return { project: after, exchanged };
  const origins = [...(after.origins ?? before.origins ?? [])];
  const old = new Set(before.notes);
  const along = how === "played" ? alongOf(ghosts, after.ppq) : () => false;
  const numberOf = (/** @type {Origin["how"]} */ kind) => numbered(origins, { ...by, how: kind, at });
  const notes = after.notes.map((note) => {
    if (old.has(note) || note.origin !== undefined || note.edited || (how === "suggested" && !note.suggested)) return note;
    if (how !== "suggested" && note.suggested) return note;
    const next = { ...note, origin: numberOf(along(note) ? "along" : how) };
    exchanged.set(note, next);
    return next;
  });
  return exchanged.size ? { project: { ...after, notes, origins }, exchanged } : { project: after, exchanged };
}

/** The number of an origin in the list; one of the same step is used again. @param {Origin[]} origins @param {Origin} origin */
function numbered(origins, origin) {
  const known = origins.findIndex((other) => other.at === origin.at && other.how === origin.how);
  return known >= 0 ? known : origins.push(origin) - 1;
}

/** Whether a note was played along the idea that was shown. @param {Ghosts | null | undefined} ghosts @param {number} ppq @returns {(note: Note) => boolean} */
function alongOf(ghosts, ppq) {
  const shown = ghosts?.ideas[ghosts.chosen]?.notes ?? [];
  return (note) => shown.some((ghost) => ghost.pitch === note.pitch && Math.abs(ghost.tick - note.tick) < ppq / 2);
}

/** @typedef {"imported" | "importedEdited" | "played" | "along" | "drawn" | "kept" | "changed" | "unknown"} Kind */
/** @type {Kind[]} */
export const KINDS = ["imported", "importedEdited", "played", "along", "drawn", "kept", "changed", "unknown"];

/** What is known about a note. @param {Project} project @param {Note} note @returns {Kind} */
export function kindOf(project, note) {
  const how = note.origin === undefined ? undefined : project.origins?.[note.origin]?.how;
  if (how === "suggested") return note.edited ? "changed" : "kept";
  if (how) return how;
  if (note.suggested) return "kept"; // of a project from before origins were kept
  if (!project.source) return "unknown";
  return note.edited ? "importedEdited" : "imported";
}

/** How many notes of each kind there are. @param {Project} project @returns {Record<Kind, number>} */
export function counted(project) {
  const counts = /** @type {Record<Kind, number>} */ (Object.fromEntries(KINDS.map((kind) => [kind, 0])));
  for (const note of project.notes) counts[kindOf(project, note)] += 1;
  return counts;
}

/** The ideas that were taken, each with its notes that are still there. @param {Project} project @returns {{origin: Origin, kept: Note[], changed: Note[]}[]} */
export function takenIdeas(project) {
  const rows = (project.origins ?? []).map((origin) => ({ origin, kept: /** @type {Note[]} */ ([]), changed: /** @type {Note[]} */ ([]) }));
  for (const note of project.notes) {
    if (note.origin !== undefined) rows[note.origin]?.[note.edited ? "changed" : "kept"].push(note);
  }
  return rows.filter(({ origin, kept, changed }) => origin.how === "suggested" && kept.length + changed.length > 0);
}
