// @ts-check
/** Notes, their loudness and the pedal: of the music, and of the idea that stands in it as a ghost. */

import { noteColour } from "./colours.js";
import { KEYS_WIDTH, PEDAL_HEIGHT, RULER_HEIGHT, VELOCITY_HEIGHT } from "./view.js";
import { pedalSpans } from "../music/project.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./colours.js").Colours} Colours */
/** @typedef {import("../music/types.js").Note} Note */
/** @typedef {import("../music/types.js").Pedal} Pedal */
/** @typedef {import("../ideas/ghosts.js").GhostNote} GhostNote */
/** @typedef {CanvasRenderingContext2D} Context */

const ROUND_FROM_PX = 7; // shorter notes are plain rectangles
const STEM = 3; // width of a loudness stem

/** Where a note lies. @param {View} view @param {Note} note @returns {[number, number, number, number]} x, y, width, height */
export function noteBox(view, note) {
  const x = view.x(note.tick);
  const y = Math.round(view.y(note.pitch)) + 1;
  return [x, y, Math.max(note.duration * view.perTick - 1, 3), Math.max(Math.round(view.row) - 2, 2)];
}

/**
 * @param {Context} context @param {View} view @param {Colours} colours
 * @param {{notes: readonly Note[], pedals: readonly Pedal[], selection: ReadonlySet<Note>, dimmed: ReadonlySet<Note>,
 *   hands: ReadonlyMap<number, string>, marks: boolean}} music
 */
export function drawNotes(context, view, colours, music) {
  context.clearRect(0, 0, view.width, view.height);
  const seen = visible(view, music.notes);
  clipTo(context, view, RULER_HEIGHT, view.notesBottom, () => {
    for (const note of seen) {
      context.globalAlpha = music.dimmed.has(note) ? 0.22 : 1;
      context.fillStyle = noteColour(colours, music.hands.get(note.track) ?? "", note.velocity);
      const [x, y, width, height] = noteBox(view, note);
      fillBox(context, x, y, width, height);
      if (note.suggested && music.marks && width > 8) {
        context.fillStyle = colours.paper;
        context.globalAlpha *= 0.75;
        context.fillRect(x + 3, y + height / 2 - 1, 3, 2);
      }
    }
    context.globalAlpha = 1;
    drawSelected(context, view, colours, seen, music.selection);
  });
  drawStems(context, view, colours, seen, music);
  drawPedal(context, view, colours.pedal, music.pedals, 1);
}

/**
 * @param {Context} context @param {View} view @param {Colours} colours
 * @param {{notes: readonly GhostNote[], pedals: readonly Pedal[], omitted: ReadonlySet<string>, from: number, to: number}} ghost
 */
export function drawGhosts(context, view, colours, ghost) {
  context.clearRect(0, 0, view.width, view.height);
  drawIdeaRegion(context, view, colours, ghost.from, ghost.to);
  const seen = /** @type {GhostNote[]} */ (visible(view, ghost.notes));
  clipTo(context, view, RULER_HEIGHT, view.notesBottom, () => {
    for (const note of seen) {
      const isOut = ghost.omitted.has(note.id);
      const [x, y, width, height] = noteBox(view, note);
      context.strokeStyle = context.fillStyle = noteColour(colours, note.hand, Math.max(note.velocity, 56));
      context.globalAlpha = isOut ? 0.06 : 0.42;
      fillBox(context, x, y, width, height);
      context.globalAlpha = isOut ? 0.45 : 0.9;
      context.setLineDash(isOut ? [2, 3] : []);
      context.lineWidth = 1.25;
      strokeBox(context, x + 0.6, y + 0.6, width - 1.2, height - 1.2);
    }
  });
  context.setLineDash([]);
  clipTo(context, view, view.notesBottom, view.height, () => {
    context.globalAlpha = 0.5;
    for (const note of seen) {
      if (ghost.omitted.has(note.id)) continue;
      context.fillStyle = noteColour(colours, note.hand, Math.max(note.velocity, 56));
      const y = view.velocityY(note.velocity);
      context.fillRect(Math.round(view.x(note.tick)), y, STEM, view.notesBottom + VELOCITY_HEIGHT - y);
    }
  });
  context.globalAlpha = 1;
  drawPedal(context, view, colours.pedal, ghost.pedals, 0.45);
}

/** Notes that are seen, by a plain look at each: 20,000 take less than a millisecond. @template {Note} T @param {View} view @param {readonly T[]} notes @returns {T[]} */
export function visible(view, notes) {
  const { from, to } = view.span;
  const seen = [];
  for (const note of notes) {
    if (note.tick > to) break;
    if (note.tick + note.duration >= from) seen.push(note);
  }
  return seen;
}

/** @param {Context} context @param {View} view @param {number} top @param {number} bottom @param {() => void} draw */
function clipTo(context, view, top, bottom, draw) {
  context.save();
  context.beginPath();
  context.rect(KEYS_WIDTH, top, view.width - KEYS_WIDTH, bottom - top);
  context.clip();
  draw();
  context.restore();
}

/** @param {Context} context @param {number} x @param {number} y @param {number} width @param {number} height */
function fillBox(context, x, y, width, height) {
  if (width < ROUND_FROM_PX) {
    context.fillRect(x, y, width, height);
    return;
  }
  context.beginPath();
  context.roundRect(x, y, width, height, 2.5);
  context.fill();
}

/** @param {Context} context @param {number} x @param {number} y @param {number} width @param {number} height */
function strokeBox(context, x, y, width, height) {
  context.beginPath();
  context.roundRect(x, y, Math.max(width, 2), height, 2.5);
  context.stroke();
}

/** @param {Context} context @param {View} view @param {Colours} colours @param {Note[]} seen @param {ReadonlySet<Note>} selection */
function drawSelected(context, view, colours, seen, selection) {
  if (!selection.size) return;
  context.strokeStyle = colours.selected;
  context.lineWidth = 2;
  for (const note of seen) {
    if (!selection.has(note)) continue;
    const [x, y, width, height] = noteBox(view, note);
    strokeBox(context, x, y, width, height);
  }
}

/** @param {Context} context @param {View} view @param {Colours} colours @param {Note[]} seen @param {Parameters<typeof drawNotes>[3]} music */
function drawStems(context, view, colours, seen, { selection, dimmed, hands }) {
  clipTo(context, view, view.notesBottom, view.height, () => {
    for (const note of seen) {
      if (selection.size) context.globalAlpha = selection.has(note) ? 1 : 0.3;
      else context.globalAlpha = dimmed.has(note) ? 0.22 : 0.9;
      context.fillStyle = noteColour(colours, hands.get(note.track) ?? "", note.velocity);
      const y = view.velocityY(note.velocity);
      context.fillRect(Math.round(view.x(note.tick)), y, STEM, view.notesBottom + VELOCITY_HEIGHT - y);
    }
  });
  context.globalAlpha = 1;
}

/** @param {Context} context @param {View} view @param {string} colour @param {readonly Pedal[]} pedals @param {number} alpha */
function drawPedal(context, view, colour, pedals, alpha) {
  const y = view.notesBottom + VELOCITY_HEIGHT + 6;
  clipTo(context, view, view.notesBottom, view.height, () => {
    context.fillStyle = colour;
    context.globalAlpha = alpha;
    for (const { from, to } of pedalSpans(pedals, view.span.to)) {
      fillBox(context, view.x(from), y, Math.max((to - from) * view.perTick - 2, 2), PEDAL_HEIGHT - 11);
    }
    context.globalAlpha = 1;
  });
}

/** @param {Context} context @param {View} view @param {Colours} colours @param {number} from @param {number} to */
function drawIdeaRegion(context, view, colours, from, to) {
  if (to <= from) return;
  clipTo(context, view, RULER_HEIGHT, view.height, () => {
    context.fillStyle = colours.idea;
    context.fillRect(view.x(from), RULER_HEIGHT, (to - from) * view.perTick, view.height);
    context.fillStyle = colours.ideaEdge;
    context.globalAlpha = 0.65;
    context.fillRect(Math.round(view.x(from)), RULER_HEIGHT, 1, view.height);
    context.fillRect(Math.round(view.x(to)), RULER_HEIGHT, 1, view.height);
    context.globalAlpha = 1;
  });
}
