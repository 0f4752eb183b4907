// @ts-check
/**
 * Dragging music out of the page as a MIDI file, into a sequencer or onto the desktop. Chromium takes the file from a
 * `DownloadURL`, which has to be there when the drag begins: it is made as soon as the mouse comes near.
 */

import * as client from "../client.js";
import { fail, say } from "./status.js";

/** @typedef {import("../music/types.js").Project} Project */

/** @param {HTMLElement} element @param {() => {project: Project, name: string}} what name without an ending */
export function dragsOut(element, what) {
  /** @type {{project: Project, url: string} | null} */
  let ready = null;
  const prepare = async () => {
    const { project } = what();
    if (ready?.project === project || !project.notes.length) return;
    try {
      ready = { project, url: await dataUrl(await client.exportAs(project, "midi")) };
      element.dataset.ready = "";
    } catch (error) {
      fail(error);
    }
  };
  element.draggable = true;
  for (const name of ["pointerenter", "focus"]) element.addEventListener(name, () => void prepare());
  element.addEventListener("dragstart", (event) => {
    const { project, name } = what();
    if (!event.dataTransfer || ready?.project !== project) {
      event.preventDefault();
      say(project.notes.length ? "dragSoon" : "nothingToPlay");
      void prepare();
      return;
    }
    event.dataTransfer.effectAllowed = "copy";
    event.dataTransfer.setData("DownloadURL", `audio/midi:${name}.mid:${ready.url}`);
  });
}

/** @param {Blob} blob @returns {Promise<string>} */
function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
