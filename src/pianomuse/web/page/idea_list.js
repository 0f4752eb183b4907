// @ts-check
/** The ideas beside the roll, each as a small picture with its reason in words, and *Ideas heard*. */

import { broughtBack, starred } from "../ideas/heard.js";
import { noteColour } from "../roll/colours.js";
import { inWords } from "./reasons.js";
import { byId, make, text } from "./words.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("../ideas/ghosts.js").Idea} Idea */
/** @typedef {import("../ideas/heard.js").Heard} Heard */
/** @typedef {import("../roll/colours.js").Colours} Colours */
/** @typedef {import("../ideas/muse.js").Muse} Muse */

const PICTURE = { width: 244, height: 44 };

/** @param {Studio} studio @param {Muse} muse @param {() => Colours} colours @param {{say: (key: string, values?: Record<string, unknown>) => void, reveal: (from: number, to: number) => void}} also */
export function setUpIdeaList(studio, muse, colours, also) {
  let isWaiting = false;
  const soon = () => {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      showIdeas(studio, muse, colours());
    });
  };
  studio.addEventListener("ghosts", soon);
  muse.addEventListener("asking", soon);
  studio.addEventListener("heard", () => showHeard(studio, colours(), also));
  return () => {
    showIdeas(studio, muse, colours());
    showHeard(studio, colours(), also);
  };
}

/** @param {Studio} studio @param {Muse} muse @param {Colours} colours */
function showIdeas(studio, muse, colours) {
  const list = byId("ideas");
  const { ghosts } = studio;
  const had = /** @type {HTMLElement | null} */ (document.activeElement)?.closest("#ideas [data-index]");
  byId("no-ideas").hidden = Boolean(ghosts?.ideas.length) || muse.isAsking;
  list.replaceChildren();
  if (!ghosts) return;
  ghosts.ideas.forEach((idea, index) => {
    const isChosen = index === ghosts.chosen;
    const button = make("button", { class: "idea", type: "button", "data-index": `${index}`, "aria-pressed": `${isChosen}` });
    button.append(head(idea, index), picture(idea, ghosts.start, ghosts.end, colours), foot(idea));
    button.addEventListener("click", () => muse.choose(index));
    list.append(button);
  });
  if (had) /** @type {HTMLElement | null} */ (list.querySelector(`[data-index="${/** @type {HTMLElement} */ (had).dataset.index}"]`))?.focus();
}

/** @param {Idea} idea @param {number} index */
function head(idea, index) {
  const line = make("span", { class: "idea-head" }, make("b", {}, `${index + 1}`));
  line.append(make("span", { class: "reason" }, idea.isFinished ? inWords(idea.reason) : text("growing")));
  if (idea.isBest) line.append(make("span", { class: "badge" }, text("best")));
  return line;
}

/** @param {Idea} idea */
function foot(idea) {
  const facts = text("ideaFacts", { notes: idea.notes.length, range: inWords(idea.range) }).replace(/ · $/, "");
  return make("span", { class: "facts" }, idea.ending ? `${facts} · ${inWords(idea.ending)}` : facts);
}

/** @param {Idea} idea @param {number} start @param {number} end @param {Colours} colours */
function picture(idea, start, end, colours) {
  const canvas = make("canvas", { "aria-hidden": "true", class: "picture" });
  canvas.width = PICTURE.width * devicePixelRatio;
  canvas.height = PICTURE.height * devicePixelRatio;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(devicePixelRatio, devicePixelRatio);
  const pitches = idea.notes.map((note) => note.pitch);
  const [lowest, highest] = [Math.min(...pitches, 60) - 2, Math.max(...pitches, 64) + 2];
  const row = PICTURE.height / (highest - lowest + 1);
  for (const note of idea.notes) {
    context.fillStyle = noteColour(colours, note.hand, Math.max(note.velocity, 50));
    const x = ((note.tick - start) / (end - start)) * PICTURE.width;
    const width = (note.duration / (end - start)) * PICTURE.width;
    context.fillRect(x, (highest - note.pitch) * row, Math.max(width - 0.6, 1.5), Math.max(row - 0.4, 2));
  }
  return canvas;
}

/** @param {Studio} studio @param {Colours} colours @param {{say: (key: string, values?: Record<string, unknown>) => void, reveal: (from: number, to: number) => void}} also */
function showHeard(studio, colours, also) {
  const list = byId("heard");
  byId("heard-part").hidden = !studio.heard.length;
  byId("heard-count").textContent = `${studio.heard.length}`;
  list.replaceChildren(...studio.heard.map((entry) => heardRow(studio, entry, colours, also)));
}

/** @param {Studio} studio @param {Heard} entry @param {Colours} colours @param {{say: (key: string, values?: Record<string, unknown>) => void, reveal: (from: number, to: number) => void}} also */
function heardRow(studio, entry, colours, also) {
  const facts = text("heardEntry", { bar: entry.firstBar, seed: entry.idea.seed });
  const back = make("button", { type: "button", class: "heard-idea", title: settingsText(entry) });
  back.append(picture(entry.idea, entry.start, entry.end, colours));
  back.append(make("span", { class: "facts" }, `${facts}${entry.idea.reason ? ` · ${inWords(entry.idea.reason)}` : ""}`));
  back.addEventListener("click", () => {
    studio.setGhosts(broughtBack(entry));
    also.reveal(entry.start, entry.end);
    also.say("broughtBack", { bar: entry.firstBar });
  });
  const label = { title: text("star"), "aria-label": text("star"), "aria-pressed": `${entry.isStarred}` };
  const star = make("button", { type: "button", class: "star", ...label }, entry.isStarred ? "★" : "☆");
  star.addEventListener("click", () => studio.setHeard(starred(studio.heard, entry.idea.key)));
  return make("li", {}, back, star);
}

/** What was asked for, in one line. @param {Heard} entry */
function settingsText({ settings }) {
  const limits = /** @type {Record<string, unknown>} */ (settings.limits ?? {});
  const said = { bars: settings.bars, adventure: settings.adventure, ...limits };
  return Object.entries(said).filter(([, value]) => value != null).map(([name, value]) => `${name} ${value}`).join(" · ");
}
