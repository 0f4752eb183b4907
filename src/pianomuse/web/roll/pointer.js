// @ts-check
/** Mouse, pen and wheel on the roll: which gesture begins where. */

import { openNotes } from "../ideas/ghosts.js";
import { exchange } from "../music/project.js";
import { banding, drawing, moving, noteAt, resizing } from "./gestures.js";
import { caretFrom, choosingBars, painting, pedalling, touchingKeys } from "./lanes.js";

/** @typedef {import("./roll.js").Roll} Roll */
/** @typedef {import("./gestures.js").Gesture} Gesture */
/** @typedef {import("./gestures.js").Point} Point */
/** @typedef {import("../ideas/ghosts.js").GhostNote} GhostNote */

const WHEEL_ZOOM = 0.0018;

/** @param {Roll} roll @param {{hear: (pitch: number) => void, toggle: (id: string) => void}} also `toggle` a ghost note */
export function listenToPointer(roll, also) {
  const { element } = roll;
  /** @type {Gesture | null} */
  let gesture = null;
  const pointOf = (/** @type {PointerEvent | MouseEvent} */ event) => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, alt: event.altKey, shift: event.shiftKey };
  };
  element.addEventListener("pointerdown", (event) => {
    element.focus({ preventScroll: true });
    if (event.button === 2) return;
    element.setPointerCapture(event.pointerId);
    gesture = begin(roll, pointOf(event), also);
    event.preventDefault();
  });
  element.addEventListener("pointermove", (event) => {
    if (gesture) gesture.move(pointOf(event));
    else element.style.cursor = cursorAt(roll, pointOf(event));
  });
  element.addEventListener("pointerup", () => {
    const ended = gesture;
    gesture = null;
    ended?.end();
  });
  element.addEventListener("pointercancel", () => {
    gesture?.cancel?.();
    gesture = null;
  });
  element.addEventListener("contextmenu", (event) => {
    event.preventDefault();
    const found = noteAt(roll.view, roll.studio.shown.notes, pointOf(event));
    if (found) remove(roll, found.note);
  });
  element.addEventListener("wheel", (event) => onWheel(roll, event, pointOf(event)), { passive: false });
}

/** @param {Roll} roll @param {Point} point @param {{hear: (pitch: number) => void, toggle: (id: string) => void}} also @returns {Gesture | null} */
function begin(roll, point, also) {
  const { studio, view } = roll;
  switch (view.region(point.x, point.y)) {
    case "ruler":
      return choosingBars(studio, view, point);
    case "keys":
      return touchingKeys(roll, view, point, also.hear);
    case "velocity":
      return painting(studio, view, point);
    case "pedal":
      return pedalling(studio, view, point);
    case "notes":
      return amongNotes(roll, point, also);
    default:
      return null;
  }
}

/** @param {Roll} roll @param {Point} point @param {{hear: (pitch: number) => void, toggle: (id: string) => void}} also @returns {Gesture | null} */
function amongNotes(roll, point, also) {
  const { studio, view } = roll;
  const ghost = noteAt(view, openNotes(studio.ghosts), point);
  if (ghost) {
    also.toggle(/** @type {GhostNote} */ (ghost.note).id);
    return null;
  }
  if (studio.shown !== studio.project) studio.setGhosts(null);
  const found = noteAt(view, studio.project.notes, point);
  studio.cursorPitch = view.pitch(point.y);
  if (!found) {
    if (studio.tool === "draw") return drawing(studio, view, point, also.hear);
    return banding(studio, roll, point, () => studio.setCaret(caretFrom(studio, view, point)));
  }
  const { note, part } = found;
  if (point.shift) {
    const selection = new Set(studio.selection);
    if (!selection.delete(note)) selection.add(note);
    studio.select(selection);
    return null;
  }
  if (!studio.selection.has(note)) studio.select([note]);
  also.hear(note.pitch);
  return part === "middle" || point.alt
    ? moving(studio, view, point, note, also.hear)
    : resizing(studio, view, point, note, part);
}

/** @param {Roll} roll @param {import("../music/types.js").Note} note */
function remove(roll, note) {
  const { studio } = roll;
  if (studio.project.notes.includes(note)) studio.apply("stepDelete", exchange(studio.project, [note], []));
}

/** @param {Roll} roll @param {Point} point */
function cursorAt(roll, point) {
  const { studio, view } = roll;
  const region = view.region(point.x, point.y);
  if (region === "keys" || region === "ruler") return "pointer";
  if (region === "velocity") return "ns-resize";
  if (region === "pedal") return "ew-resize";
  if (region !== "notes") return "default";
  if (noteAt(view, openNotes(studio.ghosts), point)) return "pointer";
  const found = noteAt(view, studio.shown.notes, point);
  if (found) return found.part === "middle" ? (point.alt ? "copy" : "move") : "ew-resize";
  return studio.tool === "draw" ? "crosshair" : "default";
}

/** @param {Roll} roll @param {WheelEvent} event @param {Point} point */
function onWheel(roll, event, point) {
  event.preventDefault();
  const { view } = roll;
  const scale = event.deltaMode === 1 ? 24 : 1;
  const [dx, dy] = [event.deltaX * scale, event.deltaY * scale];
  if (event.ctrlKey || event.metaKey) {
    const factor = Math.exp(-dy * WHEEL_ZOOM);
    if (event.shiftKey || event.altKey) view.zoomPitch(factor, point.y);
    else view.zoomTime(factor, point.x);
  } else if (event.shiftKey) view.scroll((dx + dy) / view.perTick, 0);
  else view.scroll(dx / view.perTick, -dy / view.row);
  roll.touch();
}
