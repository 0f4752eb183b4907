// @ts-check
/** A short tour of the page: seven places, by mouse or keyboard, skipped with Esc. It is offered once, and in the help. */

import { byId, text } from "./words.js";

const STORE = "pianomuse.tour";
/** @type {[key: string, place: string][]} */
const STEPS = [
  ["tour-roll", "roll-box"], ["tour-ask", "ask"], ["tour-ideas", "ideas-title"], ["tour-play", "play"],
  ["tour-place", "place"], ["tour-views", "views"], ["tour-help", "help"],
];
const GAP = 12;

/** Whether the first screen offers it. */
export function isTourOffered() {
  return localStorage.getItem(STORE) === null;
}

/** It was offered; the help has it from now on. */
export function noteTourOffered() {
  localStorage.setItem(STORE, "offered");
}

/** @param {() => void} toRoll @returns {() => void} begins it */
export function setUpTour(toRoll) {
  const box = /** @type {HTMLDialogElement} */ (byId("tour"));
  let step = 0;
  const show = (/** @type {number} */ to) => {
    mark(step, false);
    if (to < 0) return;
    if (to >= STEPS.length) return box.close();
    step = to;
    const [key, place] = STEPS[step];
    byId("tour-text").textContent = text(key);
    byId("tour-step").textContent = text("tourStep", { n: step + 1, of: STEPS.length });
    byId("tour-next").textContent = text(step + 1 < STEPS.length ? "tourNext" : "tourDone");
    /** @type {HTMLButtonElement} */ (byId("tour-back")).disabled = step === 0;
    mark(step, true);
    stand(box, byId(place).getBoundingClientRect());
    byId("tour-next").focus();
  };
  byId("tour-next").addEventListener("click", () => show(step + 1));
  byId("tour-back").addEventListener("click", () => step > 0 && show(step - 1));
  byId("tour-skip").addEventListener("click", () => box.close());
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") show(step + 1);
    if (event.key === "ArrowLeft" && step > 0) show(step - 1);
  });
  box.addEventListener("close", () => {
    mark(step, false);
    noteTourOffered();
    toRoll();
  });
  return () => {
    step = 0;
    box.showModal();
    show(0);
  };
}

/** @param {number} step @param {boolean} isHere */
function mark(step, isHere) {
  byId(STEPS[step][1]).classList.toggle("toured", isHere);
}

/** Beside a place, inside the window. @param {HTMLElement} box @param {DOMRect} place */
function stand(box, place) {
  const { width, height } = box.getBoundingClientRect();
  const below = place.bottom + GAP + height < window.innerHeight;
  const above = place.top - GAP - height > 0;
  const top = below ? place.bottom + GAP : above ? place.top - GAP - height : place.top + 2 * GAP;
  const left = Math.min(Math.max(place.left, GAP), window.innerWidth - width - GAP);
  Object.assign(box.style, { left: `${left}px`, top: `${top}px` });
}
