// @ts-check
/** What the mouse does in the lanes, on the ruler, on the keyboard strip and on the mini-map. */

import { edited, exchange, lastTick, pedalEvents, pedalSpans } from "../music/project.js";
import { KEYS_WIDTH } from "./view.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("./view.js").View} View */
/** @typedef {import("./roll.js").Roll} Roll */
/** @typedef {import("../music/types.js").Note} Note */
/** @typedef {import("./gestures.js").Point} Point */
/** @typedef {import("./gestures.js").Gesture} Gesture */

const REACH_PX = 5;

/** Paint loudness: of the selected notes under the mouse, or of all under it where none is selected. @param {Studio} studio @param {View} view @param {Point} from @returns {Gesture} */
export function painting(studio, view, from) {
  const { project } = studio;
  const chosen = studio.selection.size ? [...studio.selection] : project.notes;
  /** @type {Map<Note, Note>} */
  const changed = new Map();
  let last = from;
  const paint = (/** @type {Point} */ to) => {
    const [a, b] = last.x <= to.x ? [last, to] : [to, last];
    const [left, right] = [view.tick(a.x - REACH_PX), view.tick(b.x + REACH_PX)];
    for (const note of chosen) {
      if (note.tick < left || note.tick > right) continue;
      const share = b.x > a.x ? Math.min(Math.max((view.x(note.tick) - a.x) / (b.x - a.x), 0), 1) : 1;
      changed.set(note, edited(note, { velocity: view.velocity(a.y + share * (b.y - a.y)) }));
    }
    last = to;
    if (changed.size) studio.show(exchange(project, changed.keys(), [...changed.values()]));
  };
  paint(from);
  return {
    move: paint,
    end() {
      studio.show(null);
      if (!changed.size) return;
      const select = [...studio.selection].map((note) => changed.get(note) ?? note);
      studio.apply("stepVelocity", exchange(project, changed.keys(), [...changed.values()]), { select });
    },
    cancel: () => studio.show(null),
  };
}

/** Draw a span of pedal; a click on a span takes it away. @param {Studio} studio @param {View} view @param {Point} from @returns {Gesture} */
export function pedalling(studio, view, from) {
  const { project } = studio;
  const spans = pedalSpans(project.pedals, lastTick(project));
  const tick = studio.time.snap(view.tick(from.x), from.alt ? 0 : studio.snapTicks);
  const hit = spans.find((span) => view.tick(from.x) >= span.from && view.tick(from.x) < span.to);
  let end = tick;
  const drawn = () => pedalEvents([...spans, { from: Math.min(tick, end), to: Math.max(tick, end) }]);
  return {
    move(point) {
      end = studio.time.snap(view.tick(point.x), point.alt ? 0 : studio.snapTicks);
      if (end !== tick) studio.show({ ...project, pedals: drawn() });
    },
    end() {
      studio.show(null);
      if (end !== tick) studio.apply("stepPedal", { ...project, pedals: drawn() });
      else if (hit) studio.apply("stepPedal", { ...project, pedals: pedalEvents(spans.filter((span) => span !== hit)) });
    },
    cancel: () => studio.show(null),
  };
}

/** A click sets the caret; a drag chooses bars; Shift+click chooses from the caret. @param {Studio} studio @param {View} view @param {Point} from @returns {Gesture} */
export function choosingBars(studio, view, from) {
  const { time } = studio;
  const first = time.barAt(view.tick(from.x));
  let isDrag = from.shift;
  const choose = (/** @type {number} */ a, /** @type {number} */ b) => {
    const [low, high] = [time.barAt(Math.min(a, b)), time.barAt(Math.max(a, b))];
    studio.setRange({ from: low.tick, to: high.end });
  };
  if (from.shift) choose(studio.range?.from ?? studio.caret, first.tick);
  return {
    move(point) {
      isDrag ||= Math.abs(point.x - from.x) > 2 * REACH_PX;
      if (isDrag && !from.shift) choose(first.tick, view.tick(point.x));
    },
    end() {
      if (isDrag) return;
      studio.setRange(null);
      studio.setCaret(caretFrom(studio, view, from));
    },
  };
}

/** Bar lines attract the caret. @param {Studio} studio @param {View} view @param {Point} point */
export function caretFrom(studio, view, point) {
  const tick = Math.max(view.tick(point.x), 0);
  const line = studio.time.nearestBarLine(tick);
  if (Math.abs(view.x(line) - point.x) < 14) return line;
  return studio.time.snap(tick, point.alt ? 0 : Math.max(studio.snapTicks, 1));
}

/** Hear the keys one slides over. @param {Roll} roll @param {View} view @param {Point} from @param {(pitch: number) => void} hear @returns {Gesture} */
export function touchingKeys(roll, view, from, hear) {
  let pitch = -1;
  const touch = (/** @type {Point} */ point) => {
    if (view.pitch(point.y) === pitch) return;
    pitch = view.pitch(point.y);
    roll.studio.cursorPitch = pitch;
    roll.pressed = new Set([pitch]);
    roll.touch("grid", "overlay");
    hear(pitch);
  };
  const end = () => {
    roll.pressed = new Set();
    roll.touch("grid");
  };
  touch(from);
  return { move: touch, end, cancel: end };
}

/** Move the view to where one points on the mini-map. @param {Roll} roll @param {HTMLCanvasElement} map */
export function listenToMap(roll, map) {
  const move = (/** @type {PointerEvent} */ event) => {
    const share = (event.offsetX - KEYS_WIDTH) / Math.max(map.clientWidth - KEYS_WIDTH, 1);
    const { from, to } = roll.view.span;
    roll.view.left = Math.max(share * roll.mapEnd - (to - from) / 2, 0);
    roll.touch();
  };
  map.addEventListener("pointerdown", (event) => {
    map.setPointerCapture(event.pointerId);
    move(event);
  });
  map.addEventListener("pointermove", (event) => {
    if (event.buttons) move(event);
  });
}
