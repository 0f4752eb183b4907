// @ts-check
/** Edits of a project. Every function returns a new one and leaves the old one as it is. */

/** @typedef {import("./types.js").Project} Project */
/** @typedef {import("./types.js").Note} Note */
/** @typedef {import("./types.js").Pedal} Pedal */
/** @typedef {import("./types.js").Span} Span */

export const LOWEST_PITCH = 21;
export const HIGHEST_PITCH = 108;

/** @param {string} title @returns {Project} */
export function emptyProject(title) {
  return {
    title,
    ppq: 480,
    notes: [],
    pedals: [],
    tempos: [{ tick: 0, bpm: 96 }],
    metres: [{ tick: 0, numerator: 4, denominator: 4 }],
    tracks: [{ name: "Piano", program: 0, channel: 0 }],
    key: null,
    source: null,
  };
}

/** @param {Iterable<Note>} notes @returns {Note[]} */
export function sorted(notes) {
  return [...notes].sort((a, b) => a.tick - b.tick || a.pitch - b.pitch || a.track - b.track);
}

/** Take notes away and put others in. @param {Project} project @param {Iterable<Note>} gone @param {Note[]} come @returns {Project} */
export function exchange(project, gone, come) {
  const away = new Set(gone);
  const kept = away.size ? project.notes.filter((note) => !away.has(note)) : project.notes;
  return { ...project, notes: sorted([...kept, ...come]) };
}

/** The same note, changed by hand: no longer as it was suggested. @param {Note} note @param {Partial<Note>} change @returns {Note} */
export function edited(note, change) {
  const { suggested, ...rest } = note;
  return { ...rest, ...change, edited: true };
}

/** Move in time and pitch, all together or, where one would leave the piano, not at all. @param {Note[]} notes @param {number} ticks @param {number} semitones @returns {Note[] | null} */
export function moved(notes, ticks, semitones) {
  const later = Math.max(ticks, -Math.min(...notes.map((note) => note.tick)));
  const fits = notes.every((n) => n.pitch + semitones >= LOWEST_PITCH && n.pitch + semitones <= HIGHEST_PITCH);
  if (!fits || !(later || semitones)) return null;
  return notes.map((note) => edited(note, { tick: note.tick + later, pitch: note.pitch + semitones }));
}

/** Where the last note ends; 0 for an empty project. @param {Project} project */
export function lastTick(project) {
  let last = 0;
  for (const { tick, duration } of project.notes) last = Math.max(last, tick + duration);
  return last;
}

/** Leave a stretch of the music out. @param {Project} project @param {Span} span @returns {Project} */
export function cleared(project, { from, to }) {
  if (to <= from) return project;
  const outside = (/** @type {{tick: number}} */ event) => event.tick < from || event.tick >= to;
  return { ...project, notes: project.notes.filter(outside), pedals: project.pedals.filter(outside) };
}

/** A stretch of the music with other notes in it, as a piece of its own that begins at a bar line. @param {Project} project @param {Span} span @param {Pick<Project, "notes" | "pedals">} music @returns {Project} */
export function excerpt(project, { from, to }, { notes, pedals }) {
  /** @template {{tick: number}} T @param {T} event @returns {T} */
  const early = (event) => ({ ...event, tick: Math.max(event.tick - from, 0) });
  /** What holds at the start, and what changes inside. @template {{tick: number}} T @param {readonly T[]} events @returns {T[]} */
  const inside = (events) => {
    const before = events.filter(({ tick }) => tick <= from).slice(-1);
    return [...before, ...events.filter(({ tick }) => tick > from && tick < to)].map(early);
  };
  const { tempos, metres } = project;
  const own = { notes: notes.map(early), pedals: pedals.map(early), tempos: inside(tempos), metres: inside(metres) };
  return { ...project, ...own, source: null };
}

/** Push everything from a tick on later. @param {Project} project @param {number} tick @param {number} by @returns {Project} */
export function pushed(project, tick, by) {
  /** @template {{tick: number}} T @param {T} event @returns {T} */
  const push = (event) => (event.tick >= tick ? { ...event, tick: event.tick + by } : event);
  /** At the very beginning, tempo and metre of the start stay where they are. @template {{tick: number}} T @param {T} event @returns {T} */
  const pushLater = (event) => (event.tick > 0 ? push(event) : event);
  return {
    ...project,
    notes: project.notes.map(push),
    pedals: project.pedals.map(push),
    tempos: project.tempos.map(pushLater),
    metres: project.metres.map(pushLater),
  };
}

/** Spans in which the pedal is down. @param {readonly Pedal[]} pedals @param {number} end where a pedal that never comes up ends @returns {Span[]} */
export function pedalSpans(pedals, end) {
  const spans = [];
  let from = -1;
  for (const { tick, down } of pedals) {
    if (down && from < 0) from = tick;
    if (!down && from >= 0) {
      if (tick > from) spans.push({ from, to: tick });
      from = -1;
    }
  }
  if (from >= 0) spans.push({ from, to: Math.max(end, from + 1) });
  return spans;
}

/** Pedal events of spans, joined where they overlap. @param {Span[]} spans @returns {Pedal[]} */
export function pedalEvents(spans) {
  /** @type {Span[]} */
  const joined = [];
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (last && span.from < last.to) joined[joined.length - 1] = { from: last.from, to: Math.max(last.to, span.to) };
    else joined.push(span);
  }
  return joined.flatMap(({ from, to }) => [{ tick: from, down: true }, { tick: to, down: false }]);
}

/**
 * Which hand plays each track: of two tracks with notes, the higher one is the right hand; otherwise it is not known.
 * @param {Project} project @returns {Map<number, "right" | "left">}
 */
export function handsOfTracks(project) {
  /** @type {Map<number, {sum: number, n: number}>} */
  const means = new Map();
  for (const { track, pitch } of project.notes) {
    const mean = means.get(track) ?? { sum: 0, n: 0 };
    means.set(track, { sum: mean.sum + pitch, n: mean.n + 1 });
  }
  if (means.size !== 2) return new Map();
  const [first, second] = [...means].sort(([, a], [, b]) => b.sum / b.n - a.sum / a.n);
  return new Map([[first[0], "right"], [second[0], "left"]]);
}

/** Set the tempo from the event in force at a tick. @param {Project} project @param {number} tick @param {number} bpm @returns {Project} */
export function withTempo(project, tick, bpm) {
  return { ...project, tempos: withEvent(project.tempos, tick, { bpm }) };
}

/** Set the metre from the event in force at a tick. @param {Project} project @param {number} tick @param {number} numerator @param {number} denominator @returns {Project} */
export function withMetre(project, tick, numerator, denominator) {
  return { ...project, metres: withEvent(project.metres, tick, { numerator, denominator }) };
}

/** @template {{tick: number}} T @param {readonly T[]} events @param {number} tick @param {Omit<T, "tick">} change @returns {T[]} */
function withEvent(events, tick, change) {
  const place = events.filter((event) => event.tick <= tick).reduce((last, event) => Math.max(last, event.tick), 0);
  const others = events.filter((event) => event.tick !== place);
  const changed = /** @type {T} */ ({ ...change, tick: place });
  return [...others, changed].sort((a, b) => a.tick - b.tick);
}
