// @ts-check
/** The keyboard. Tab and the arrows belong to an idea only while one is shown and the roll has the focus. */

import { lastTick } from "../music/project.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("../roll/roll.js").Roll} Roll */
/** @typedef {import("../ideas/muse.js").Muse} Muse */
/** @typedef {import("../sound/listening.js").Listening} Listening */
/** @typedef {import("./editing.js").Editing} Editing */
/** @typedef {Record<string, () => void>} Keys */

/**
 * @typedef {object} Parts
 * @property {Studio} studio @property {Roll} roll @property {Muse} muse @property {Listening} listening
 * @property {Editing} editing
 * @property {{undo: () => void, redo: () => void, open: () => void, exportMenu: () => void, help: () => void, chord: () => void, record: () => void, sheet: () => void, loop: () => void, save: () => void}} page
 */

/** @param {Parts} parts */
export function listenToKeys(parts) {
  const everywhere = keysEverywhere(parts);
  const idle = keysOfRoll(parts);
  const withIdea = keysOfIdea(parts);
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const isRoll = target === parts.roll.element || target === document.body;
    const name = nameOf(event);
    const isTyping = target.matches("input, select, textarea");
    const hasIdea = Boolean(parts.studio.ghosts);
    const digit = /^[0-9]$/.test(name) && hasIdea && isRoll ? Number(name) : null;
    const found = digit !== null ? () => parts.muse.choose(digit - 1) : pick(name, { isRoll, isTyping, hasIdea });
    if (!found) return;
    event.preventDefault();
    found();
  });

  /** @param {string} name @param {{isRoll: boolean, isTyping: boolean, hasIdea: boolean}} where @returns {(() => void) | undefined} */
  function pick(name, { isRoll, isTyping, hasIdea }) {
    if (name.startsWith("Ctrl+") && everywhere[name] && !(isTyping && /Ctrl\+[acvxzy]$/i.test(name))) return everywhere[name];
    if (!isRoll) return undefined;
    if (hasIdea && withIdea[name]) return withIdea[name];
    return idle[name] ?? everywhere[name];
  }
}

/** As `Ctrl+Shift+ArrowLeft`; Cmd counts as Ctrl. @param {KeyboardEvent} event */
function nameOf(event) {
  const letter = /^Key[A-Z]$/.test(event.code) && (event.altKey || event.ctrlKey || event.metaKey);
  let key = letter ? event.code.slice(3).toLowerCase() : event.key;
  if (key === " ") key = "Space";
  if (key.length === 1) key = key.toLowerCase();
  const isSign = key.length === 1 && !/[a-z0-9]/.test(key);
  return [
    event.ctrlKey || event.metaKey ? "Ctrl+" : "",
    event.altKey ? "Alt+" : "",
    event.shiftKey && !isSign ? "Shift+" : "",
    key,
  ].join("");
}

/** @param {Parts} parts @returns {Keys} */
function keysEverywhere({ page, editing, studio, roll }) {
  const zoom = (/** @type {number} */ factor) => () => {
    roll.view.zoomTime(factor, roll.view.x(studio.caret));
    roll.touch();
  };
  const zoomKeys = (/** @type {number} */ factor) => () => {
    roll.view.zoomPitch(factor, roll.view.height / 2);
    roll.touch();
  };
  return {
    "Ctrl+z": page.undo,
    "Ctrl+Shift+z": page.redo,
    "Ctrl+y": page.redo,
    "Ctrl+o": page.open,
    "Ctrl+e": page.exportMenu,
    "Ctrl+s": page.save,
    "Ctrl+a": () => studio.select(studio.project.notes),
    "Ctrl+c": () => editing.copy(),
    "Ctrl+x": () => editing.cut(),
    "Ctrl+v": () => editing.paste(),
    "Ctrl+d": () => editing.duplicate(),
    "?": page.help,
    "+": zoom(1.25),
    "=": zoom(1.25),
    "-": zoom(0.8),
    "Alt++": zoomKeys(1.15),
    "Alt+=": zoomKeys(1.15),
    "Alt+-": zoomKeys(0.87),
  };
}

/** @param {Parts} parts @returns {Keys} */
function keysOfIdea({ muse }) {
  return {
    Tab: () => muse.accept("all"),
    ArrowRight: () => muse.accept("bar"),
    "Shift+Tab": () => muse.accept("bar"),
    "Shift+ArrowRight": () => muse.accept("beat"),
    "Ctrl+ArrowRight": () => muse.accept("note"),
    "Alt+r": () => muse.accept("right"),
    "Alt+l": () => muse.accept("left"),
    ArrowDown: () => muse.step(1),
    ArrowUp: () => muse.step(-1),
    "Alt+]": () => muse.step(1),
    "Alt+[": () => muse.step(-1),
    Escape: () => muse.dismiss(),
  };
}

/** @param {Parts} parts @returns {Keys} */
function keysOfRoll({ studio, roll, muse, listening, editing, page }) {
  const caretTo = (/** @type {number} */ tick) => {
    studio.setCaret(tick);
    roll.reveal(studio.caret, studio.caret + 1);
  };
  const barBefore = () => {
    const bar = studio.time.barAt(studio.caret);
    return bar.tick < studio.caret ? bar.tick : studio.time.bar(bar.number - 1).tick;
  };
  const step = () => studio.snapTicks || studio.project.ppq / 4;
  const chooseBars = (/** @type {number} */ by) => {
    const { time, range, caret } = studio;
    const bar = time.barAt(caret);
    if (!range) return studio.setRange({ from: bar.tick, to: bar.end });
    const to = by > 0 ? time.barAt(range.to).end : time.bar(time.barAt(range.to - 1).number).tick;
    studio.setRange({ from: range.from, to });
    roll.reveal(to - 1, to);
    return undefined;
  };
  return {
    Enter: () => void muse.ask(),
    "Alt+\\": () => void muse.ask(),
    Space: () => listening.toggle(),
    "Shift+Space": () => listening.toggle({ alone: true }),
    o: page.loop,
    ArrowLeft: () => caretTo(barBefore()),
    ArrowRight: () => caretTo(studio.time.barAt(studio.caret).end),
    "Ctrl+ArrowLeft": () => caretTo(studio.time.snap(studio.caret - step(), step())),
    "Ctrl+ArrowRight": () => caretTo(studio.time.snap(studio.caret + step(), step())),
    Home: () => caretTo(0),
    End: () => caretTo(studio.time.beatFrom(lastTick(studio.project))),
    "Shift+ArrowLeft": () => chooseBars(-1),
    "Shift+ArrowRight": () => chooseBars(1),
    ArrowUp: () => editing.transpose(1),
    ArrowDown: () => editing.transpose(-1),
    "Shift+ArrowUp": () => editing.transpose(12),
    "Shift+ArrowDown": () => editing.transpose(-12),
    "Ctrl+ArrowUp": () => editing.louder(6),
    "Ctrl+ArrowDown": () => editing.louder(-6),
    "Alt+ArrowLeft": () => editing.move(-1),
    "Alt+ArrowRight": () => editing.move(1),
    "Alt+Shift+ArrowLeft": () => editing.lengthen(-1),
    "Alt+Shift+ArrowRight": () => editing.lengthen(1),
    j: () => editing.nextNote(-1),
    k: () => editing.nextNote(1),
    n: () => {
      if (!muse.playAlong(studio.cursorPitch)) editing.write();
    },
    p: () => editing.pedal(),
    q: () => editing.quantise(),
    h: () => editing.otherHand(),
    c: page.chord,
    r: page.record,
    m: page.sheet,
    1: () => studio.setTool("draw"),
    2: () => studio.setTool("select"),
    Delete: () => editing.remove(),
    Backspace: () => editing.remove(),
    Escape: () => {
      if (muse.isAsking) muse.dismiss();
      else if (listening.isPlaying) listening.stop();
      else if (studio.selection.size) studio.select([]);
      else if (studio.range) studio.setRange(null);
      else roll.element.blur();
    },
  };
}
