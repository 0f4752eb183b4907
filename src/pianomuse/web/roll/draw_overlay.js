// @ts-check
/** The upper layer: caret, chosen bars, playhead, rubber band; and the mini-map of the whole piece. */

import { isBlack } from "../music/names.js";
import { KEYS_WIDTH, RULER_HEIGHT } from "./view.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./colours.js").Colours} Colours */
/** @typedef {import("../music/types.js").Note} Note */
/** @typedef {import("../music/types.js").Span} Span */
/** @typedef {CanvasRenderingContext2D} Context */

/**
 * @param {Context} context @param {View} view @param {Colours} colours
 * @param {{caret: number, cursorPitch: number, range: Span | null, loops: boolean, head: number | null,
 *   band: {x: number, y: number, width: number, height: number} | null, hasFocus: boolean}} marks
 */
export function drawOverlay(context, view, colours, marks) {
  context.clearRect(0, 0, view.width, view.height);
  context.save();
  context.beginPath();
  context.rect(KEYS_WIDTH, 0, view.width, view.height);
  context.clip();
  if (marks.range) drawRange(context, view, colours, marks.range, marks.loops);
  drawCaret(context, view, colours, marks);
  if (marks.head !== null) {
    context.fillStyle = colours.head;
    context.fillRect(view.x(marks.head) - 1, RULER_HEIGHT - 8, 2, view.height);
  }
  if (marks.band) {
    const { x, y, width, height } = marks.band;
    context.fillStyle = colours.range;
    context.fillRect(x, y, width, height);
    context.strokeStyle = colours.accent;
    context.strokeRect(x + 0.5, y + 0.5, width, height);
  }
  context.restore();
}

/** @param {Context} context @param {View} view @param {Colours} colours @param {Span} range @param {boolean} loops */
function drawRange(context, view, colours, { from, to }, loops) {
  const [x, width] = [view.x(from), (to - from) * view.perTick];
  context.fillStyle = colours.range;
  context.fillRect(x, RULER_HEIGHT, width, view.height);
  context.fillStyle = colours.accent;
  context.fillRect(x, RULER_HEIGHT - (loops ? 6 : 4), width, loops ? 5 : 3);
}

/** @param {Context} context @param {View} view @param {Colours} colours @param {Parameters<typeof drawOverlay>[3]} marks */
function drawCaret(context, view, colours, { caret, cursorPitch, hasFocus }) {
  const x = Math.round(view.x(caret));
  context.fillStyle = colours.caret;
  context.globalAlpha = hasFocus ? 1 : 0.55;
  context.fillRect(x - 1, RULER_HEIGHT - 6, 2, view.height);
  context.beginPath();
  context.moveTo(x - 6, RULER_HEIGHT - 12);
  context.lineTo(x + 6, RULER_HEIGHT - 12);
  context.lineTo(x, RULER_HEIGHT - 3);
  context.fill();
  const y = view.y(cursorPitch);
  if (hasFocus && y >= RULER_HEIGHT && y < view.notesBottom - view.row) {
    context.strokeStyle = colours.caret;
    context.globalAlpha = 0.5;
    context.strokeRect(x + 1.5, Math.round(y) + 0.5, Math.max(view.row, 8), Math.round(view.row) - 1);
  }
  context.globalAlpha = 1;
}

/**
 * @param {Context} context @param {{width: number, height: number}} size @param {View} view @param {Colours} colours
 * @param {{notes: readonly Note[], ghost: readonly Note[], caret: number, head: number | null, end: number}} music
 */
export function drawMap(context, { width, height }, view, colours, music) {
  context.clearRect(0, 0, width, height);
  context.fillStyle = colours.ruler;
  context.fillRect(0, 0, width, height);
  const scale = (width - KEYS_WIDTH) / music.end;
  const x = (/** @type {number} */ tick) => KEYS_WIDTH + tick * scale;
  const y = (/** @type {number} */ pitch) => 3 + ((108 - pitch) / 88) * (height - 6);
  const draw = (/** @type {readonly Note[]} */ notes) => {
    for (const note of notes) {
      context.fillRect(x(note.tick), y(note.pitch), Math.max(note.duration * scale, 1), isBlack(note.pitch) ? 1.4 : 1.5);
    }
  };
  context.fillStyle = colours.muted;
  draw(music.notes);
  context.fillStyle = colours.ideaEdge;
  draw(music.ghost);
  const { from, to } = view.span;
  context.fillStyle = colours.range;
  context.strokeStyle = colours.accent;
  const box = [x(from), 0.5, Math.min((to - from) * scale, width - x(from)), height - 1];
  context.fillRect(box[0], box[1], box[2], box[3]);
  context.strokeRect(box[0] + 0.5, box[1], Math.max(box[2] - 1, 3), box[3]);
  context.fillStyle = colours.caret;
  context.fillRect(x(music.caret), 0, 1, height);
  if (music.head !== null) {
    context.fillStyle = colours.head;
    context.fillRect(x(music.head), 0, 1.5, height);
  }
}
