// @ts-check
/** The ideas beside the roll, each as a small picture with its reason in words, and *Ideas heard*. */

import { broughtBack } from "../ideas/heard.js";
import { LIKES, whyNot } from "../ideas/likes.js";
import { noteColour } from "../roll/colours.js";
import { excerpt } from "../music/project.js";
import { said } from "../said/said.js";
import { dragsOut } from "./drag_out.js";
import { fileName } from "./files.js";
import { settingsText } from "./settings_text.js";
import { byId, make, text } from "./words.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("../ideas/ghosts.js").Idea} Idea */
/** @typedef {import("../ideas/heard.js").Heard} Heard */
/** @typedef {import("../roll/colours.js").Colours} Colours */
/** @typedef {import("../ideas/muse.js").Muse} Muse */

/** @typedef {{say: (key: string, values?: Record<string, unknown>) => void, reveal: (from: number, to: number) => void}} Also */

/** @type {WeakMap<Idea, import("../music/types.js").Project>} made once, as what was prepared for it is known by it */
const alones = new WeakMap();
const PICTURE = { width: 244, height: 44 };

/** @param {Studio} studio @param {Muse} muse @param {() => Colours} colours @param {Also} also */
export function setUpIdeaList(studio, muse, colours, also) {
  let isWaiting = false;
  const soon = () => {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      showIdeas(studio, muse, colours(), also);
    });
  };
  studio.addEventListener("ghosts", soon);
  muse.addEventListener("asking", soon);
  studio.addEventListener("heard", () => {
    showHeard(studio, muse, colours(), also);
    soon(); // the star of an idea that is shown
  });
  return () => {
    showIdeas(studio, muse, colours(), also);
    showHeard(studio, muse, colours(), also);
  };
}

/** @param {Studio} studio @param {Muse} muse @param {Colours} colours @param {Also} also */
function showIdeas(studio, muse, colours, also) {
  const list = byId("ideas");
  const { ghosts } = studio;
  const had = /** @type {HTMLElement | null} */ (document.activeElement?.closest("#ideas [data-name]"))?.dataset.name;
  byId("no-ideas").hidden = Boolean(ghosts?.ideas.length) || muse.isAsking;
  list.replaceChildren();
  if (!ghosts) return;
  ghosts.ideas.forEach((idea, index) => {
    const isChosen = index === ghosts.chosen;
    const marks = { "data-index": `${index}`, "data-name": `idea ${index}`, "aria-pressed": `${isChosen}` };
    const button = make("button", { class: "idea", type: "button", ...marks });
    button.append(head(idea, index), picture(idea, ghosts.start, ghosts.end, colours), foot(idea));
    button.addEventListener("click", () => muse.choose(index));
    if (idea.isFinished) dragsOut(button, () => ideaAlone(studio, idea, index));
    const card = make("div", { class: "idea-card" }, button);
    card.append(wishes(studio, muse, idea, index, also));
    list.append(card);
  });
  if (had) /** @type {HTMLElement | null} */ (list.querySelector(`[data-name="${had}"]`))?.focus();
}

/** The idea as a piece of its own, from the bar line before it. @param {Studio} studio @param {Idea} idea @param {number} index */
function ideaAlone({ project, ghosts, time }, idea, index) {
  let alone = alones.get(idea);
  if (!alone && ghosts) {
    alone = excerpt(project, { from: time.barAt(ghosts.start).tick, to: ghosts.end }, idea);
    alones.set(idea, alone);
  }
  return { project: alone ?? project, name: `${fileName(project.title)} ${index + 1}` };
}

/** A star, and more like this idea. @param {Studio} studio @param {Muse} muse @param {Idea} idea @param {number} index @param {Also} also */
function wishes(studio, muse, idea, index, also) {
  const row = make("div", { class: "wishes" });
  const entry = studio.heard.find((other) => other.idea.key === idea.key);
  if (entry) row.append(starButton(muse, entry, `star ${index}`));
  const { ghosts } = studio;
  if (!ghosts) return row;
  for (const how of LIKES) {
    const key = whyNot(studio, ghosts, index, how);
    const button = likeButton(how, index + 1, key ? text(key) : "");
    button.dataset.name = `${how} ${index}`;
    button.addEventListener("click", () => (key ? also.say(key) : void muse.like(index, how)));
    row.append(button);
  }
  return row;
}

/** A button that cannot do anything now says why, to eyes, ears and whoever presses it. @param {import("../ideas/likes.js").Like} how @param {number} number of the idea @param {string} reason why not */
function likeButton(how, number, reason) {
  const name = text(`like-${how}`);
  const title = text("likeTitle", { number, how: name });
  const button = make("button", { type: "button", class: "pill", "data-like": how, title }, name);
  if (reason) {
    const words = text("likeNot", { title, reason });
    for (const [key, value] of [["title", words], ["aria-label", words], ["aria-disabled", "true"]]) button.setAttribute(key, value);
  }
  return button;
}

/** @param {Muse} muse @param {Heard} entry @param {string} name */
function starButton(muse, entry, name) {
  const label = { title: text("star"), "aria-label": text("star"), "aria-pressed": `${entry.isStarred}`, "data-name": name };
  const star = make("button", { type: "button", class: "star", ...label }, entry.isStarred ? "★" : "☆");
  star.addEventListener("click", () => muse.star(entry.idea.key));
  return star;
}

/** @param {Idea} idea @param {number} index */
function head(idea, index) {
  const line = make("span", { class: "idea-head" }, make("b", {}, `${index + 1}`));
  line.append(make("span", { class: "reason" }, idea.isFinished ? said(idea.reason) : text("growing")));
  if (idea.isBest) line.append(make("span", { class: "badge" }, text("best")));
  return line;
}

/** @param {Idea} idea */
function foot(idea) {
  const facts = text("ideaFacts", { notes: idea.notes.length, range: said(idea.range) }).replace(/ · $/, "");
  const like = idea.like ? text("ideaLike", { of: idea.like.of, how: text(`like-${idea.like.how}`) }) : "";
  return make("span", { class: "facts" }, [like, facts, idea.ending && said(idea.ending)].filter(Boolean).join(" · "));
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

/** @param {Studio} studio @param {Muse} muse @param {Colours} colours @param {Also} also */
function showHeard(studio, muse, colours, also) {
  const list = byId("heard");
  byId("heard-part").hidden = !studio.heard.length;
  byId("heard-count").textContent = `${studio.heard.length}`;
  list.replaceChildren(...studio.heard.map((entry) => heardRow(studio, muse, entry, colours, also)));
}

/** @param {Studio} studio @param {Muse} muse @param {Heard} entry @param {Colours} colours @param {Also} also */
function heardRow(studio, muse, entry, colours, also) {
  const facts = text("heardEntry", { bar: entry.firstBar, seed: entry.idea.seed });
  const settings = settingsText(entry);
  const back = make("button", { type: "button", class: "heard-idea", title: settings });
  back.append(picture(entry.idea, entry.start, entry.end, colours));
  back.append(make("span", { class: "facts" }, `${facts}${entry.idea.reason ? ` · ${said(entry.idea.reason)}` : ""}`));
  back.append(make("span", { class: "facts settings" }, settings));
  const bringBack = () => {
    studio.setGhosts(broughtBack(entry));
    also.reveal(entry.start, entry.end);
    also.say("broughtBack", { bar: entry.firstBar });
  };
  back.addEventListener("click", bringBack);
  const row = make("div", { class: "wishes" }, starButton(muse, entry, `star ${entry.idea.key}`));
  for (const how of LIKES) {
    const key = whyNot(studio, broughtBack(entry), 0, how);
    const button = likeButton(how, 1, key ? text(key) : "");
    button.addEventListener("click", () => {
      if (key) return also.say(key);
      bringBack();
      return void muse.like(0, how);
    });
    row.append(button);
  }
  return make("li", {}, back, row);
}
