// @ts-check
/**
 * Keeps the work of this tab, in the browser and on disk. Every work has a name; two tabs with the same one do not
 * overwrite each other: the one that comes second goes on as a copy.
 */

import * as client from "../client.js";

/** @typedef {import("./files.js").Saved} Saved */
/** @typedef {"saved" | "savedHere" | "offline"} Where */

const STORE = "pianomuse.work.";
const OLD_STORE = "pianomuse.session"; // before works had names
const TAB = "pianomuse.work";
const SENT = "pianomuse.sent"; // when the writing was made that this tab has sent last
const KEPT_HERE = 4;

/** Event: `copied` when another tab has changed this work too. */
export class Works extends EventTarget {
  constructor() {
    super();
    this.name = sessionStorage.getItem(TAB) ?? "";
    this.isReloaded = this.name !== "";
    /** @type {Map<string, string | null>} of the writings on disk that ours follow, by work */
    this._tags = new Map();
    this._sentBefore = sessionStorage.getItem(SENT); // by the page that was here before a reload
    /** @type {Promise<unknown>} one writing after the other */
    this._writing = Promise.resolve();
    if (!this.name) this.begin();
  }

  /** Another work from now on. @param {string} [name] @param {string | null} [tag] */
  begin(name = newName(), tag = null) {
    this.name = name;
    this._tags.set(name, tag);
    sessionStorage.setItem(TAB, name);
  }

  /** The work of this tab or, in a new one, the one that was kept last; here or on disk, whichever is newer. @returns {Promise<{saved: Saved, isOnDisk: boolean} | null>} */
  async last() {
    const own = (this.isReloaded && (await onDisk(this.name))) || { document: null, tag: null };
    const here = readHere(STORE + this.name);
    if (own.document || (this.isReloaded && here)) return this._newer(here, own);
    const last = (await onDisk()) ?? { document: null, tag: null };
    return this._newer(newestHere(), last);
  }

  /** @param {string} name @returns {Promise<Saved | null>} */
  async open(name) {
    const { document, tag } = await client.saved(name);
    this.begin(name, tag);
    return document;
  }

  /** Other works on disk. @returns {Promise<{work: string, title: string, notes: number, saved_at: number}[]>} */
  async others() {
    return (await client.works()).filter(({ work, notes }) => work !== this.name && notes > 0);
  }

  /** @param {Saved} saved @returns {boolean} whether there was room in the browser */
  keepHere(saved) {
    const document = JSON.stringify({ ...saved, work: this.name });
    const others = keysHere().filter((key) => key !== STORE + this.name);
    for (const key of others.slice(KEPT_HERE - 1)) localStorage.removeItem(key);
    for (const away of [[], others]) {
      for (const key of away) localStorage.removeItem(key); // the disk keeps them
      try {
        localStorage.setItem(STORE + this.name, document);
        return true;
      } catch {
        localStorage.removeItem(STORE + this.name);
      }
    }
    return false;
  }

  /** @param {Saved} saved @returns {Promise<Where>} */
  keep(saved) {
    const isHere = this.keepHere(saved);
    const name = this.name;
    const written = this._writing.then(async () => {
      try {
        await this._write(saved, name);
        return /** @type {Where} */ ("saved");
      } catch (error) {
        if (error instanceof client.Failure && error.code === "changed") return this._goOn(saved, name);
        return /** @type {Where} */ (isHere ? "savedHere" : "offline");
      }
    });
    this._writing = written.catch(() => {});
    return written;
  }

  /** @param {Saved} saved @param {string} name */
  async _write(saved, name) {
    sessionStorage.setItem(SENT, `${saved.savedAt}`);
    this._tags.set(name, await client.save({ ...saved, work: name }, this._tags.get(name) ?? null));
  }

  /** The work was changed since it was read: by this tab, if its last writing arrived after a reload. @param {Saved} saved @param {string} name @returns {Promise<Where>} */
  async _goOn(saved, name) {
    const there = await onDisk(name);
    if (!there || `${there.document?.savedAt}` !== this._sentBefore) return this._copy(saved, name);
    this._tags.set(name, there.tag);
    await this._write(saved, name);
    return "saved";
  }

  /** Another tab has changed the same work: what is here goes on under a name of its own. @param {Saved} saved @param {string} name @returns {Promise<Where>} */
  async _copy(saved, name) {
    const copy = newName();
    if (name === this.name) {
      this.begin(copy);
      this.keepHere(saved);
    }
    await this._write(saved, copy);
    this.dispatchEvent(new Event("copied"));
    return "saved";
  }

  /** @param {(Saved & {work?: string}) | null} here @param {{document: any, tag: string | null}} disk */
  _newer(here, { document, tag }) {
    const there = /** @type {(Saved & {work?: string}) | null} */ (document?.project ? document : null);
    const isOnDisk = Boolean(there && !(here && here.savedAt > there.savedAt));
    const saved = isOnDisk ? there : here;
    if (!saved) return null;
    const isSameWork = there?.work === saved.work;
    this.begin(saved.work ?? newName(), saved.work && isSameWork ? tag : null);
    return { saved, isOnDisk };
  }
}

/** @param {string} [name] */
async function onDisk(name) {
  return client.saved(name).catch(() => null);
}

/** Keys of the works in this browser, the one kept last first. */
function keysHere() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(STORE));
  const savedAt = (/** @type {string} */ key) => readHere(key)?.savedAt ?? 0;
  return keys.map((key) => ({ key, at: savedAt(key) })).sort((a, b) => b.at - a.at).map(({ key }) => key);
}

/** @returns {(Saved & {work?: string}) | null} */
function newestHere() {
  const [newest] = keysHere();
  return (newest && readHere(newest)) || readHere(OLD_STORE);
}

/** @param {string} key @returns {(Saved & {work?: string}) | null} */
function readHere(key) {
  try {
    const saved = JSON.parse(localStorage.getItem(key) ?? "null");
    return saved?.project?.notes ? saved : null;
  } catch {
    return null;
  }
}

function newName() {
  return [...crypto.getRandomValues(new Uint8Array(10))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
