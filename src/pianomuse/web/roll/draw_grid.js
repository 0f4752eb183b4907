// @ts-check
/** The lowest layer: rows of keys, bar and beat lines, ruler, keyboard strip, frames of the lanes. */

import { isBlack } from "../music/names.js";
import { KEYS_WIDTH, PEDAL_HEIGHT, RULER_HEIGHT, VELOCITY_HEIGHT } from "./view.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./colours.js").Colours} Colours */
/** @typedef {import("../music/time.js").TimeMap} TimeMap */
/** @typedef {CanvasRenderingContext2D} Context */

const FONT = '12px Inter, "Segoe UI", system-ui, sans-serif';
const LEAST_STEP_PX = 9; // grid lines nearer to each other are left out
const LEAST_BEAT_PX = 14;
const LEAST_NUMBER_PX = 34;

/**
 * @param {Context} context @param {View} view @param {Colours} colours @param {TimeMap} time
 * @param {{snapTicks: number, words: {velocity: string, pedal: string}, pressed: ReadonlySet<number>, chords: ReadonlyMap<number, string>}} also
 */
export function drawGrid(context, view, colours, time, also) {
  context.clearRect(0, 0, view.width, view.height);
  drawRows(context, view, colours);
  drawLanes(context, view, colours);
  drawLines(context, view, colours, time, also.snapTicks);
  drawRuler(context, view, colours, time, also.chords);
  drawKeys(context, view, colours, also.pressed);
  drawCorners(context, view, colours, also.words);
}

/** @param {Context} context @param {View} view @param {Colours} colours */
function drawRows(context, view, colours) {
  context.fillStyle = colours.paper;
  context.fillRect(KEYS_WIDTH, RULER_HEIGHT, view.width, view.notesHeight);
  for (let pitch = view.pitch(view.notesBottom); pitch <= view.pitch(RULER_HEIGHT); pitch += 1) {
    const [y, below] = edges(view, pitch);
    if (isBlack(pitch)) {
      context.fillStyle = colours.paperBlack;
      context.fillRect(KEYS_WIDTH, y, view.width, below - y);
    }
    if (pitch % 12 === 0 || pitch % 12 === 5) {
      context.fillStyle = pitch % 12 === 0 ? colours.octaveLine : colours.beatLine;
      if (below <= view.notesBottom) context.fillRect(KEYS_WIDTH, below - 1, view.width, 1);
    }
  }
}

/** Rows cut off at the edges of the notes. @param {View} view @param {number} pitch */
function edges(view, pitch) {
  const y = Math.max(Math.round(view.y(pitch)), RULER_HEIGHT);
  return [y, Math.min(Math.round(view.y(pitch - 1)), view.notesBottom)];
}

/** @param {Context} context @param {View} view @param {Colours} colours */
function drawLanes(context, view, colours) {
  context.fillStyle = colours.lane;
  context.fillRect(KEYS_WIDTH, view.notesBottom, view.width, VELOCITY_HEIGHT + PEDAL_HEIGHT);
}

/** @param {Context} context @param {View} view @param {Colours} colours @param {TimeMap} time @param {number} step */
function drawLines(context, view, colours, time, step) {
  const { from, to } = view.span;
  for (const bar of time.bars(from, to)) {
    if (step && step * view.perTick >= LEAST_STEP_PX) {
      drawVerticals(context, view, colours.stepLine, bar.tick, bar.end, step);
    }
    if (bar.beatTicks * view.perTick >= LEAST_BEAT_PX) {
      drawVerticals(context, view, colours.beatLine, bar.tick, bar.end, bar.beatTicks);
    }
    if ((bar.end - bar.tick) * view.perTick >= LEAST_BEAT_PX || bar.number % 4 === 1) {
      drawVerticals(context, view, colours.barLine, bar.tick, bar.tick + 1, 1);
    }
  }
  context.fillStyle = colours.octaveLine;
  context.fillRect(0, view.notesBottom, view.width, 1);
  context.fillRect(0, view.notesBottom + VELOCITY_HEIGHT, view.width, 1);
}

/** @param {Context} context @param {View} view @param {string} colour @param {number} from @param {number} to @param {number} step */
function drawVerticals(context, view, colour, from, to, step) {
  context.fillStyle = colour;
  for (let tick = from; tick < to; tick += step) {
    const x = Math.round(view.x(tick));
    if (x >= KEYS_WIDTH && x <= view.width) context.fillRect(x, RULER_HEIGHT, 1, view.height - RULER_HEIGHT);
  }
}

/** @param {Context} context @param {View} view @param {Colours} colours @param {TimeMap} time @param {ReadonlyMap<number, string>} chords */
function drawRuler(context, view, colours, time, chords) {
  context.fillStyle = colours.ruler;
  context.fillRect(0, 0, view.width, RULER_HEIGHT);
  context.font = FONT;
  context.textBaseline = "middle";
  const { from, to } = view.span;
  let lastX = -Infinity;
  let metre = "";
  for (const bar of time.bars(from, to)) {
    const x = Math.round(view.x(bar.tick));
    const now = `${bar.numerator}/${bar.denominator}`;
    if (x >= KEYS_WIDTH) {
      context.fillStyle = colours.barLine;
      context.fillRect(x, RULER_HEIGHT - 9, 1, 9);
      if (x - lastX >= LEAST_NUMBER_PX) {
        context.fillStyle = colours.text;
        context.fillText(String(bar.number), x + 5, RULER_HEIGHT / 2);
        if (chords.has(bar.number)) drawChord(context, colours, bar, x, view.x(bar.end), chords);
        else if (now !== metre && (bar.end - bar.tick) * view.perTick > 64) {
          context.fillStyle = colours.muted;
          context.fillText(now, x + 13 + 7 * String(bar.number).length, RULER_HEIGHT / 2);
        }
        lastX = x;
      }
    }
    metre = now;
  }
  context.fillStyle = colours.octaveLine;
  context.fillRect(0, RULER_HEIGHT - 1, view.width, 1);
}

/** The chord wanted in a bar, behind its number. @param {Context} context @param {Colours} colours @param {{number: number}} bar @param {number} x @param {number} end @param {ReadonlyMap<number, string>} chords */
function drawChord(context, colours, { number }, x, end, chords) {
  const from = x + 13 + 7 * String(number).length;
  context.save();
  context.beginPath();
  context.rect(from, 0, Math.max(end - from - 2, 0), RULER_HEIGHT);
  context.clip();
  context.font = `600 ${FONT}`;
  context.fillStyle = colours.accent;
  context.fillText(chords.get(number) ?? "", from, RULER_HEIGHT / 2);
  context.restore();
}

/** @param {Context} context @param {View} view @param {Colours} colours @param {ReadonlySet<number>} pressed */
function drawKeys(context, view, colours, pressed) {
  context.save();
  context.beginPath();
  context.rect(0, RULER_HEIGHT, KEYS_WIDTH, view.notesHeight);
  context.clip();
  context.fillStyle = colours.whiteKey;
  context.fillRect(0, RULER_HEIGHT, KEYS_WIDTH, view.notesHeight);
  context.font = '11px Inter, "Segoe UI", system-ui, sans-serif';
  context.textBaseline = "middle";
  for (let pitch = view.pitch(view.notesBottom) - 1; pitch <= view.pitch(RULER_HEIGHT) + 1; pitch += 1) {
    const [y, below] = [Math.round(view.y(pitch)), Math.round(view.y(pitch - 1))];
    const black = isBlack(pitch);
    if (black || pressed.has(pitch)) {
      context.fillStyle = pressed.has(pitch) ? colours.accent : colours.blackKey;
      context.fillRect(0, y, black ? KEYS_WIDTH * 0.6 : KEYS_WIDTH - 1, below - y);
    }
    context.fillStyle = colours.keyEdge;
    if (pitch % 12 === 0 || pitch % 12 === 5) context.fillRect(0, below - 1, KEYS_WIDTH, 1);
    else if (black) context.fillRect(KEYS_WIDTH * 0.6, Math.round((y + below) / 2), KEYS_WIDTH * 0.4, 1);
    if (pitch % 12 === 0) {
      context.fillStyle = "#55555a";
      context.fillText(`C${pitch / 12 - 1}`, KEYS_WIDTH - 22, (y + below) / 2);
    }
  }
  context.restore();
  context.fillStyle = colours.octaveLine;
  context.fillRect(KEYS_WIDTH - 1, 0, 1, view.height);
}

/** @param {Context} context @param {View} view @param {Colours} colours @param {{velocity: string, pedal: string}} words */
function drawCorners(context, view, colours, words) {
  context.fillStyle = colours.ruler;
  context.fillRect(0, view.notesBottom + 1, KEYS_WIDTH - 1, VELOCITY_HEIGHT - 1);
  context.fillRect(0, view.notesBottom + VELOCITY_HEIGHT + 1, KEYS_WIDTH - 1, PEDAL_HEIGHT);
  context.fillStyle = colours.muted;
  context.font = '11px Inter, "Segoe UI", system-ui, sans-serif';
  context.textBaseline = "middle";
  context.fillText(words.velocity, 7, view.notesBottom + VELOCITY_HEIGHT / 2);
  context.fillText(words.pedal, 7, view.notesBottom + VELOCITY_HEIGHT + PEDAL_HEIGHT / 2 + 1);
}
