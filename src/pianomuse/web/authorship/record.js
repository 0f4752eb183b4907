// @ts-check
/** The *Authorship record*: one page, to be printed or kept, that says what of a piece was written by whom, as far as it is known. */

import { counted, kindOf, KINDS, takenIdeas } from "../music/origins.js";
import { currentLanguage, make, text } from "../page/words.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("../music/origins.js").Kind} Kind */
/** @typedef {import("../music/types.js").Note} Note */

const MOST_ROWS = 24; // ideas listed one by one, so that it stays a page
const STRIP = { width: 680, height: 46 };
/** @type {Record<Kind, string>} */
const COLOURS = {
  imported: "#4a4a4f",
  importedEdited: "#7b7b82",
  played: "#0072b2",
  along: "#56a8dc",
  drawn: "#00875f",
  kept: "#d55e00",
  changed: "#e9a15f",
  unknown: "#b9b9be",
};
const STYLE = `@page { size: A4; margin: 16mm }
body { max-width: 700px; margin: 28px auto; padding: 0 14px; color: #1c1c1e; font: 13px/1.45 system-ui, "Noto Sans SC", sans-serif }
h1 { margin: 0; font-size: 22px } h2 { margin: 18px 0 5px; font-size: 14px } p { margin: 4px 0 }
.facts { color: #626266 } svg { width: 100%; height: auto; margin-top: 12px }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: 3px 8px 3px 0; border-bottom: 1px solid #e2e2dd; text-align: left; vertical-align: top }
th { color: #626266; font-weight: 600 } .n { width: 70px; text-align: right }
i { display: inline-block; width: 10px; height: 10px; margin-right: 7px; border-radius: 2px }
.dot { width: 18px } ul { margin: 4px 0; padding-left: 18px }`;

/** @param {Studio} studio @returns {string} a whole HTML document, with nothing in it that is elsewhere */
export function authorshipRecord(studio) {
  const { project, heard } = studio;
  const page = document.implementation.createHTMLDocument(text("authorshipOf", { title: titleOf(studio) }));
  page.documentElement.lang = currentLanguage() === "zh" ? "zh-Hans" : "en";
  page.head.append(make("style", {}, STYLE));
  page.head.prepend(make("meta", { charset: "utf-8" }));
  const n = project.notes.length;
  page.body.append(
    make("p", { class: "facts" }, text("authorship")),
    make("h1", {}, titleOf(studio)),
    make("p", { class: "facts" }, text("authorshipMade", { when: when(Date.now()), notes: n })),
    make("h2", {}, text("authorshipNotes")),
    countTable(counted(project), n),
    strip(studio),
    make("h2", {}, text("authorshipIdeas")),
    make("p", {}, text("authorshipHeard", { heard: heard.length, taken: takenIdeas(project).length })),
    ideaTable(studio),
    make("h2", {}, text("authorshipWords")),
    make("ul", {}, ...[1, 2, 3, 4].map((number) => make("li", {}, text(`authorshipWords${number}`)))),
  );
  return `<!doctype html>\n${page.documentElement.outerHTML}\n`;
}

/** @param {Studio} studio */
function titleOf({ project }) {
  return project.title || text("untitled");
}

/** @param {number} ms */
function when(ms) {
  return new Date(ms).toLocaleString(currentLanguage() === "zh" ? "zh-CN" : "en-GB", { dateStyle: "medium", timeStyle: "short" });
}

/** @param {Record<Kind, number>} counts @param {number} n */
function countTable(counts, n) {
  const rows = KINDS.filter((kind) => counts[kind]).map((kind) => {
    const dot = make("i", { style: `background:${COLOURS[kind]}` });
    const share = `${Math.round((100 * counts[kind]) / n)} %`;
    const cells = [make("td", { class: "dot" }, dot), make("td", {}, text(`made-${kind}`))];
    return make("tr", { "data-kind": kind }, ...cells, make("td", { class: "n" }, `${counts[kind]}`), make("td", { class: "n" }, share));
  });
  return make("table", {}, make("tbody", {}, ...rows));
}

/** Every bar as a column: how many of its notes are of each kind. @param {Studio} studio */
function strip({ project, time }) {
  /** @type {Map<number, Record<string, number>>} */
  const bars = new Map();
  for (const note of project.notes) {
    const { number } = time.barAt(note.tick);
    const counts = bars.get(number) ?? {};
    const kind = kindOf(project, note);
    bars.set(number, { ...counts, [kind]: (counts[kind] ?? 0) + 1 });
  }
  const last = Math.max(...bars.keys(), 1);
  const width = STRIP.width / last;
  let boxes = "";
  for (const [number, counts] of bars) {
    const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
    let top = 0;
    for (const kind of KINDS.filter((one) => counts[one])) {
      const height = (counts[kind] / all) * STRIP.height;
      const place = `x="${((number - 1) * width).toFixed(2)}" y="${top.toFixed(2)}" width="${Math.max(width - 1, 0.5).toFixed(2)}"`;
      boxes += `<rect ${place} height="${height.toFixed(2)}" fill="${COLOURS[kind]}"/>`;
      top += height;
    }
  }
  const box = make("div", {});
  box.innerHTML = `<svg viewBox="0 0 ${STRIP.width} ${STRIP.height}" role="img" aria-label="${text("authorshipNotes")}">${boxes}</svg>`;
  box.append(make("p", { class: "facts" }, text("authorshipStrip", { bars: last })));
  return box;
}

/** @param {Studio} studio */
function ideaTable({ project, time }) {
  const ideas = takenIdeas(project);
  const head = ["When", "Bars", "Kept", "Changed", "Writer"].map((name) => make("th", {}, text(`authorship${name}`)));
  const rows = ideas.slice(0, MOST_ROWS).map(({ origin, kept, changed }) => {
    const ticks = [...kept, ...changed].map((note) => note.tick);
    const [from, to] = [Math.min(...ticks), Math.max(...ticks)].map((tick) => time.barAt(tick).number);
    const bars = from === to ? `${from}` : `${from}–${to}`;
    const by = text("authorshipBy", { model: origin.model || "?", seed: origin.seed ?? "?", number: origin.number ?? "?" });
    return make("tr", {}, ...[when(origin.at), bars, `${kept.length}`, `${changed.length}`, by].map((cell) => make("td", {}, cell)));
  });
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  const more = ideas.length - rows.length;
  if (!ideas.length) return make("p", { class: "facts" }, text("authorshipNone"));
  return more > 0 ? make("div", {}, table, make("p", { class: "facts" }, text("authorshipMore", { n: more }))) : table;
}
