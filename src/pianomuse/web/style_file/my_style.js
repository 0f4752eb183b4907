// @ts-check
/** *My style*: learn it from the composer's own MIDI files, load it, keep it as a file, switch it off. */

import * as client from "../client.js";
import { fail, problemText } from "../page/status.js";
import { byId, make, text } from "../page/words.js";

/** @typedef {{state: string, done: number, minutes_left: number | null, pieces: number, left_out: number, before: number | null, after: number | null, message: string, code: string, detail: string, values: Record<string, unknown>}} Tuning */
/** @typedef {{name: string, missing: string, tuning: Tuning}} Styled */

const LOOK_AGAIN_MS = 600;
const SHOWN_GAIN = 0.0005; // bits per note
const MOST_FILES = 100;

/** @param {() => void} onChange another style is used now, or none @returns {() => void} shows it in the chosen language */
export function setUpStyle(onChange) {
  /** @type {Styled | null} */
  let styled = null;
  let [nAsked, timer] = [0, 0];
  const take = (/** @type {Styled} */ news) => {
    const isOther = styled && styled.name !== news.name;
    styled = news;
    show();
    if (isOther) onChange();
    window.clearTimeout(timer);
    if (news.tuning.state === "learning") timer = window.setTimeout(look, LOOK_AGAIN_MS);
  };
  /** Take an answer, unless something else was asked meanwhile: it may be from before that. @param {Promise<Styled>} answer */
  const hear = async (answer) => {
    const number = (nAsked += 1);
    const news = await answer;
    if (number === nAsked) take(news);
  };
  const look = () => void hear(client.style()).catch(() => {}); // without an answer the part stays as it was
  const failed = (/** @type {unknown} */ error) => {
    fail(error);
    look();
  };
  const show = () => {
    if (!styled) return;
    const { name, missing, tuning } = styled;
    const isLearning = tuning.state === "learning";
    byId("style-part").hidden = false;
    byId("style-words").replaceChildren(...words(styled).map((line) => make("p", {}, line)));
    const bar = /** @type {HTMLProgressElement} */ (byId("style-progress"));
    bar.hidden = !isLearning;
    if (tuning.done) bar.value = tuning.done;
    else bar.removeAttribute("value");
    byId("style-learn").hidden = isLearning || Boolean(missing);
    byId("style-stop").hidden = !isLearning;
    byId("style-load").hidden = isLearning;
    for (const id of ["style-save", "style-off"]) byId(id).hidden = isLearning || !name;
  };
  const onClick = (/** @type {string} */ id, /** @type {() => Promise<void>} */ action) =>
    byId(id).addEventListener("click", () => void action().catch(failed));
  const [pieces, file] = [chooser("style-pieces"), chooser("style-file")];
  onClick("style-learn", async () => pieces.click());
  onClick("style-load", async () => file.click());
  onClick("style-stop", () => hear(client.stopTuning()));
  onClick("style-off", () => hear(client.switchStyleOff()));
  onClick("style-save", async () => save(await client.styleFile(), `${styled?.name || "style"}.safetensors`));
  pieces.addEventListener("change", () => {
    const files = [...(pieces.files ?? [])].slice(0, MOST_FILES);
    pieces.value = "";
    if (files.length) void hear(learn(files)).catch(failed);
  });
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    file.value = "";
    if (chosen) void hear(client.loadStyle(chosen, chosen.name.replace(/\.safetensors$/i, "").slice(0, 60))).catch(failed);
  });
  look();
  return show;
}

/** @param {string} id */
function chooser(id) {
  return /** @type {HTMLInputElement} */ (byId(id));
}

/** @param {File[]} files */
async function learn(files) {
  const sent = await Promise.all(files.map(async (file) => ({ name: file.name.slice(0, 200), data: await base64(file) })));
  return client.tuneStyle({ name: text("styleNamed", { n: files.length }), files: sent });
}

/** @param {Blob} file @returns {Promise<string>} */
function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(String(reader.result).split(",")[1] ?? ""));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}

/** What is to be said, a line each. @param {Styled} styled @returns {string[]} */
function words({ name, missing, tuning }) {
  const { state, pieces, left_out: leftOut, before, after, done } = tuning;
  if (state === "learning") {
    const minutes = Math.max(tuning.minutes_left ?? 0, 0.1).toFixed(1);
    return [done ? text("styleLearning", { percent: Math.round(100 * done), minutes }) : text("styleReading")];
  }
  const lines = [name ? text("styleInUse", { name }) : text("styleNone")];
  if (state === "failed") lines.push(text("styleFailed", { message: problemText(new client.Failure(tuning.code, tuning.message, tuning)) }));
  if (state === "cancelled") lines.push(text("styleCancelled"));
  if (state === "done" && name) {
    lines.push([text("styleDone", { pieces }), leftOut ? text("styleLeftOut", { n: leftOut }) : ""].join(" ").trim());
    if (before !== null && after !== null) {
      const isGain = before - after >= SHOWN_GAIN;
      lines.push(isGain ? text("styleGain", { before: before.toFixed(3), after: after.toFixed(3) }) : text("styleNoGain"));
    }
  }
  lines.push(missing && !name ? text("styleNeeds", { command: missing }) : text("styleSmall"));
  return lines;
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = make("a", { href: url, download: name.replace(/[/\\:*?"<>|]/g, " ") });
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
