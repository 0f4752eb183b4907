// @ts-check
/** Talks to the server. Everything that fails becomes a `Failure` whose text says what to do. */

/** @typedef {import("./music/types.js").Project} Project */
/** @typedef {import("./ideas/growing.js").StreamEvent} StreamEvent */

const BASE = "api/v1";

export class Failure extends Error {
  /**
   * @param {string} code @param {string} message as the server says it; empty where it did not answer
   * @param {{detail?: string, values?: Record<string, unknown>}} [exactly] the same for translation
   */
  constructor(code, message, { detail = "", values = {} } = {}) {
    super(message);
    this.code = code;
    this.detail = detail;
    this.values = values;
  }
}

/** @param {string} path @param {RequestInit} [init] @returns {Promise<Response>} */
async function request(path, init) {
  let response;
  try {
    response = await fetch(`${BASE}${path}`, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure("gone", "");
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  throw new Failure(answer?.error?.code ?? "refused", answer?.error?.message ?? `${response.status}`, answer?.error);
}

/** @param {unknown} body @param {string} [method] @returns {RequestInit} */
function json(body, method = "POST") {
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

/** The project as the server knows it, without marks of our own. @param {Project} project @returns {Project} */
export function plain({ origins, ...project }) {
  const notes = project.notes.map(({ tick, duration, pitch, velocity, track }) => {
    return { tick: Math.round(tick), duration: Math.max(Math.round(duration), 1), pitch, velocity, track };
  });
  return { ...project, notes };
}

/** @returns {Promise<{model: string, device: string, limits: Record<string, number>, licences: unknown[]}>} */
export async function info() {
  return (await request("/info")).json();
}

/** @returns {Promise<{name: string, title: string, bars: number}[]>} */
export async function examples() {
  return (await request("/examples")).json();
}

/** @param {string} name @returns {Promise<Project>} */
export async function example(name) {
  return (await request(`/examples/${encodeURIComponent(name)}`)).json();
}

/**
 * @param {Blob} midi @param {import("./page/free_time.js").Told} [told] about its bars
 * @returns {Promise<{project: Project, warnings: import("./said/said.js").Said[], grid: import("./page/free_time.js").Grid}>}
 */
export async function importMidi(midi, told = {}) {
  return (await request(`/import?${new URLSearchParams(told)}`, { method: "POST", headers: { "Content-Type": "audio/midi" }, body: midi })).json();
}

/** The file that is watched. @type {(told?: import("./page/free_time.js").Told) => ReturnType<typeof importMidi>} */
export async function watched(told = {}) {
  return (await request(`/watch/project?${new URLSearchParams(told)}`)).json();
}

/** Tells of `changed` whenever that file was written. */
export function watching() {
  return new EventSource(`${BASE}/watch`);
}

/** @param {Project} project @param {"midi" | "musicxml" | "wav"} format @returns {Promise<Blob>} */
export async function exportAs(project, format) {
  return (await request(`/export/${format}`, json(plain(project)))).blob();
}

/** @typedef {import("./style_file/my_style.js").Styled} Styled */

/** Which style ideas begin with. @returns {Promise<Styled>} */
export async function style() {
  return (await request("/style")).json();
}

/** @param {{name: string, files: {name: string, data: string}[]}} wish @returns {Promise<Styled>} */
export async function tuneStyle(wish) {
  return (await request("/style/tune", json(wish))).json();
}

/** @returns {Promise<Styled>} */
export async function stopTuning() {
  return (await request("/style/tune", { method: "DELETE" })).json();
}

/** @returns {Promise<Styled>} */
export async function switchStyleOff() {
  return (await request("/style", { method: "DELETE" })).json();
}

/** @param {Blob} file @param {string} name @returns {Promise<Styled>} */
export async function loadStyle(file, name) {
  const init = { method: "PUT", headers: { "Content-Type": "application/octet-stream" }, body: file };
  return (await request(`/style/file?name=${encodeURIComponent(name)}`, init)).json();
}

/** @returns {Promise<Blob>} */
export async function styleFile() {
  return (await request("/style/file")).blob();
}

/** Some bars as sheet music. @type {import("./sheet/sheet.js").Ask} */
export async function sheetMusic(project, { first, last }, signal) {
  const body = { project: plain(project), from_bar: first, to_bar: last };
  return (await request("/sheet", { ...json(body), signal })).json();
}

/** What is kept on disk: a work or, without a name, what was written last; `tag` tells this writing from others. @param {string} [work] @returns {Promise<{document: any, tag: string | null}>} */
export async function saved(work) {
  const response = await request(work ? `/works/${work}` : "/session");
  return { document: await response.json(), tag: response.headers.get("ETag") };
}

/** @returns {Promise<{work: string, title: string, notes: number, saved_at: number}[]>} newest first */
export async function works() {
  return (await request("/works")).json();
}

/** @param {unknown} document @param {string | null} tag of the writing it follows @returns {Promise<string | null>} the new tag */
export async function save(document, tag) {
  const init = json(document, "PUT");
  const headers = { ...init.headers, ...(tag ? { "If-Match": tag } : {}) };
  return (await request("/session", { ...init, headers })).headers.get("ETag");
}

/** @typedef {{choices: number, moved: Record<string, number>}} Learnt */

/** @param {unknown} choice @returns {Promise<Learnt>} */
export async function prefer(choice) {
  return (await request("/prefer", json(choice))).json();
}

/** What choices taught the order of ideas. @returns {Promise<Learnt>} */
export async function taste() {
  return (await request("/taste")).json();
}

export async function forgetTaste() {
  await request("/taste", { method: "DELETE" });
}

/**
 * Ask for ideas; every line of the answer is an event.
 * @param {import("./ideas/order.js").Verb} what @param {object} body @param {AbortSignal} signal aborting ends the work on the server
 * @returns {AsyncGenerator<StreamEvent>}
 */
export async function* ideas(what, body, signal) {
  const response = await request(`/${what}`, { ...json(body), signal });
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (signal.aborted) throw error;
      throw new Failure("gone", "");
    });
    rest += decoder.decode(value, { stream: !done });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim()) yield JSON.parse(line);
    if (done) break;
  }
  if (rest.trim()) yield JSON.parse(rest);
}
