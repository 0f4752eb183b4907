// @ts-check
/** Puts the page together. */

import { setUpMarks } from "./authorship/marks.js";
import * as client from "./client.js";
import { Muse } from "./ideas/muse.js";
import { standsInTheWay } from "./ideas/order.js";
import { Editing } from "./page/editing.js";
import { readFields, setUpFields } from "./page/fields.js";
import { Files, fileName } from "./page/files.js";
import { setUpIdeaList } from "./page/idea_list.js";
import { listenToKeys } from "./page/keys.js";
import { setUpChordEntry } from "./page/chord_entry.js";
import { setUpPlaying } from "./page/playing.js";
import { setUpTaste } from "./page/taste.js";
import { dragsOut } from "./page/drag_out.js";
import { fail, hideProblem, say, sayProblemAgain, showProblem } from "./page/status.js";
import { setUpTour } from "./page/tour.js";
import { fillSnap, setUpTopBar } from "./page/top_bar.js";
import { watchFile } from "./page/watched.js";
import { showKeys, showWelcome } from "./page/welcome.js";
import { byId, currentLanguage, preferredLanguage, setLanguage, text } from "./page/words.js";
import { listenToMap } from "./roll/lanes.js";
import { listenToPointer } from "./roll/pointer.js";
import { Roll } from "./roll/roll.js";
import { allSaid, said } from "./said/said.js";
import { setUpSheet } from "./sheet/switch.js";
import { Listening } from "./sound/listening.js";
import { Piano } from "./sound/piano.js";
import { setUpStyle } from "./style_file/my_style.js";
import { Studio } from "./studio.js";

const studio = new Studio();
const map = /** @type {HTMLCanvasElement} */ (byId("map"));
const roll = new Roll(studio, byId("roll"), map);
const piano = new Piano("static/samples");
const listening = new Listening(studio, roll, piano);
const muse = new Muse(studio, readFields, { say, fail, said });
const files = new Files(studio);
const hear = (/** @type {number} */ pitch) => void piano.hear(pitch);
const editing = new Editing(studio, say, hear);
const toRoll = () => roll.element.focus({ preventScroll: true });
const fileChooser = /** @type {HTMLInputElement} */ (byId("file"));
const { sheet, ...sheetMusic } = setUpSheet(studio, { fail, toRoll, say });
const exportMenu = /** @type {HTMLDetailsElement} */ (byId("export-menu"));
const darkQuery = window.matchMedia("(prefers-color-scheme: dark)");

const page = {
  undo: () => tellStep("undone", "nothingToUndo", studio.undo()),
  redo: () => tellStep("redone", "nothingToRedo", studio.redo()),
  open: () => fileChooser.click(),
  exportMenu: () => {
    exportMenu.open = true;
    exportMenu.querySelector("button")?.focus();
  },
  help: showKeys,
  record: () => playing.toggle(),
  sheet: sheetMusic.next,
  chord: () => chordEntry.open(studio.time.barAt(studio.caret).number),
  save: () => void files.save(),
  loop: () => {
    listening.setLoops(!listening.player.loops);
    say(listening.player.loops ? "loopOn" : "loopOff");
  },
};

/** @param {string} done @param {string} nothing @param {string | null} step */
function tellStep(done, nothing, step) {
  if (step) say(done, { step: text(step) });
  else say(nothing);
}

/** @param {string} id @param {() => void} action */
function onClick(id, action) {
  byId(id).addEventListener("click", action);
}

function welcome() {
  void showWelcome(files, { chooseFile: page.open, done: toRoll, tour });
}

/** Light or dark: as chosen, or as the system says. */
function showTheme() {
  const chosen = localStorage.getItem("pianomuse.theme");
  const isDark = chosen ? chosen === "dark" : darkQuery.matches;
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  roll.setDark(isDark);
  sheet.setDark(isDark);
  showLists();
}

/** What the button under the fields does now. */
function showAsk() {
  const { range, time, ghosts } = studio;
  const bars = range ? { from: time.barAt(range.from).number, to: time.barAt(range.to - 1).number } : null;
  const { verb } = readFields();
  const overBars = verb === "harmonise" ? "harmoniseBars" : verb ? "varyBars" : "fillBars";
  const key = muse.isAsking ? "cancel" : ghosts && !ghosts.taken.size ? "suggestMore" : bars ? overBars : "suggest";
  byId("ask-text").textContent = text(key, bars ?? {});
  byId("ask-key").textContent = muse.isAsking ? "Esc" : "Enter";
  byId("ask").classList.toggle("is-busy", muse.isAsking);
  byId("verb-part").hidden = !range;
  byId("over-part").hidden = Boolean(range) || !standsInTheWay(studio, readFields());
  byId("chip").hidden = !ghosts?.ideas.length;
  if (ghosts?.ideas.length) {
    byId("chip-idea").textContent = ghosts.chosen < 0 ? text("originalCard") : `${ghosts.chosen + 1} / ${ghosts.ideas.length}`;
  }
  /** @type {HTMLButtonElement} */ (byId("undo")).disabled = !studio.history.done.length;
  /** @type {HTMLButtonElement} */ (byId("redo")).disabled = !studio.history.undone.length;
}

let serverIs = /** @type {Promise<Record<string, unknown>> | null} */ (null);

/** Which model answers, at the foot of the page. */
function showModel() {
  serverIs ??= client.info();
  serverIs.then(
    ({ model, style, device }) => {
      studio.model = style ? `${model} + ${style}` : `${model}`;
      byId("model").textContent = text("model", { model: studio.model, device });
    },
    () => (byId("model").textContent = text("offline")),
  );
}

function showPlace() {
  byId("place").textContent = text("place", studio.time.place(studio.caret));
}

/** Everything that carries words. */
function showWords() {
  setLanguage(currentLanguage());
  roll.words = { velocity: text("velocity"), pedal: text("pedal") };
  fillSnap();
  files.showKept();
  sheetMusic.showWords();
  showPlace();
  showModel();
  roll.touch();
  showAsk();
  showLists();
  showTaste();
  showStyle();
  sayProblemAgain();
  playing.show();
}

const tour = setUpTour(toRoll);
onClick("keys-tour", () => {
  /** @type {HTMLDialogElement} */ (byId("keys")).close();
  tour();
});
const showStyle = setUpStyle(() => {
  serverIs = null;
  showModel();
});
const showTaste = setUpTaste(muse, say);
const playing = setUpPlaying({ studio, roll, piano, listening, muse, say, toRoll });
const chordEntry = setUpChordEntry(studio, roll, toRoll);
const showLists = setUpIdeaList(studio, muse, () => roll.colours, { say, reveal: (from, to) => roll.reveal(from, to) });
setUpFields(showAsk);
setUpMarks(roll);
setUpTopBar(studio, listening, piano, toRoll);
listenToPointer(roll, { hear, toggle: (id) => muse.toggle(id) });
listenToMap(roll, map);
listenToKeys({ studio, roll, muse, listening, editing, page });

for (const name of ["project", "caret", "range", "ghosts"]) studio.addEventListener(name, showAsk);
muse.addEventListener("asking", showAsk);
muse.addEventListener("placed", (event) => {
  const { start, end } = /** @type {CustomEvent} */ (event).detail;
  roll.reveal(start, end);
});
muse.addEventListener("warned", () => {
  const { warnings } = muse;
  if (warnings.length) showProblem(() => allSaid(warnings));
});
studio.addEventListener("selection", () => {
  if (studio.selection.size) say("selected", { n: studio.selection.size });
});
studio.addEventListener("range", () => {
  const { range, time } = studio;
  if (range) say("chosenBars", { from: time.barAt(range.from).number, to: time.barAt(range.to - 1).number });
});
studio.addEventListener("caret", showPlace);
listening.addEventListener("nothing", () => say("nothingToPlay"));

onClick("ask", () => {
  if (muse.isAsking) muse.cancel();
  else void muse.ask();
  toRoll();
});
onClick("drag-midi", () => void files.export("midi"));
dragsOut(byId("drag-midi"), () => ({ project: studio.project, name: fileName(studio.project.title) }));
onClick("open", page.open);
onClick("examples", welcome);
onClick("undo", page.undo);
onClick("redo", page.redo);
onClick("loop", page.loop);
onClick("help", page.help);
onClick("problem-close", hideProblem);
onClick("theme", () => {
  const isDark = document.documentElement.dataset.theme === "dark";
  localStorage.setItem("pianomuse.theme", isDark ? "light" : "dark");
  showTheme();
});
onClick("language", () => {
  setLanguage(currentLanguage() === "en" ? "zh" : "en");
  showWords();
  if (studio.ghosts) muse.tell();
  else say("ready");
});
fileChooser.addEventListener("change", () => {
  const file = fileChooser.files?.[0];
  if (file) void files.open(file).then(toRoll);
  fileChooser.value = "";
});
for (const format of /** @type {const} */ (["midi", "musicxml", "wav", "authorship"])) {
  onClick(`export-${format}`, () => {
    exportMenu.open = false;
    void files.export(format);
    toRoll();
  });
}
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && dialog.id !== "welcome") dialog.close();
  });
  dialog.querySelector(".close")?.addEventListener("click", () => dialog.close());
}
darkQuery.addEventListener("change", showTheme);
window.addEventListener("error", (event) => fail(event.error ?? event.message));
window.addEventListener("unhandledrejection", (event) => fail(event.reason));

/** What tests and scripts may look at. */
Object.assign(window, { pianomuse: { studio, roll, muse, listening, piano, playing, sheet, files } });

setLanguage(preferredLanguage());
showWords();
showTheme();
say("ready");
if ((await watchFile(files, client.info())) || (await files.goOn())) toRoll();
else welcome();
