// @ts-check
/** Asks for ideas, lets them grow in the roll, and takes them into the music. */

import * as client from "../client.js";
import { accepted, choose, chosenIdea, noGhosts, openNotes, toggled } from "./ghosts.js";
import { grown } from "./growing.js";
import { nextOf } from "../playing/following.js";
import { kept, updated } from "./heard.js";
import { begunBefore, likeOrder, whyNot } from "./likes.js";
import { orderOf, placeOf } from "./order.js";

/** @typedef {import("../studio.js").Studio} Studio */
/** @typedef {import("./ghosts.js").Ghosts} Ghosts */
/** @typedef {import("./ghosts.js").Idea} Idea */
/** @typedef {import("./growing.js").StreamEvent} StreamEvent */
/** @typedef {import("./order.js").Settings} Settings */
/** @typedef {import("./order.js").Order} Order */
/** @typedef {import("./growing.js").Request} Request */
/** @typedef {import("./order.js").Place} Place */
/** @typedef {import("../said/said.js").Said} Said */
/** @typedef {{say: (key: string, values?: Record<string, unknown>) => void, fail: (error: unknown) => void, said: (sentence: Said | string) => string}} Voice */

const PATIENCE_MS = 2500;

/**
 * Events: `asking` when a request begins or ends, `placed` where the ideas stand, `warned`, and `learnt` when a choice moved
 * the order of later ideas.
 */
export class Muse extends EventTarget {
  /** @param {Studio} studio @param {() => Settings} settings @param {Voice} voice */
  constructor(studio, settings, voice) {
    super();
    this.studio = studio;
    this.settings = settings;
    this.voice = voice;
    /** @type {Order | null} the last one, for four more */
    this.order = null;
    /** @type {AbortController | null} */
    this._asking = null;
    /** @type {Map<string, Idea>} ideas as they are known last */
    this._known = new Map();
    /** @type {(() => void) | null} what is to be done as soon as the idea is finished */
    this._waiting = null;
    /** @type {object | null} origin of the ghosts that the request writes into, as soon as they are in the roll */
    this._into = null;
    this.warnings = /** @type {Said[]} */ ([]);
    /** @type {Set<string>} keys of ideas that were told to be liked */
    this._preferred = new Set();
    studio.addEventListener("ghosts", () => this._watch());
    for (const name of ["project", "caret"]) studio.addEventListener(name, () => this._outrun());
  }

  get isAsking() {
    return this._asking !== null;
  }

  /** Ask for ideas, or for more of them while some are shown. */
  async ask() {
    const { studio } = this;
    const more = studio.ghosts;
    const order = more && this.order && !more.taken.size ? this.order : orderOf(studio, this.settings());
    if (more && more.taken.size) studio.setGhosts(null);
    const adds = Boolean(more && !more.taken.size && this.order);
    if (adds) order.body = { ...order.body, seed: null, candidates: this.settings().candidates };
    this.order = order;
    await this._run(order, adds);
  }

  /** Ask for more like an idea: with its start, rhythm or harmony, calmer or bolder. @param {number} index @param {import("./likes.js").Like} how */
  async like(index, how) {
    const { ghosts } = this.studio;
    if (!ghosts?.ideas[index] || whyNot(this.studio, ghosts, index, how)) return;
    await this._run(likeOrder(this.studio, ghosts, index, how, this.settings()), !ghosts.taken.size);
  }

  /** @param {Order} order @param {boolean} adds to the ideas that are shown */
  async _run(order, adds) {
    this.cancel();
    const asking = new AbortController();
    this._asking = asking;
    this._into = (adds && this.studio.ghosts?.origin) || null;
    this.dispatchEvent(new Event("asking"));
    this.voice.say("thinking");
    const patience = setTimeout(() => this.isAsking && !this.studio.ghosts?.ideas.length && this.voice.say("thinkingLong"), PATIENCE_MS);
    try {
      await this._follow(order, asking, adds);
    } catch (error) {
      if (!asking.signal.aborted) {
        this.voice.fail(error);
        this.voice.say("notWritten");
      }
    } finally {
      clearTimeout(patience);
      if (this._asking === asking) this._asking = null;
      this.dispatchEvent(new Event("asking"));
    }
  }

  /** Stop writing. */
  cancel() {
    this._asking?.abort();
    this._asking = null;
    this._waiting = null;
    this.dispatchEvent(new Event("asking"));
  }

  /** Put the ideas away. */
  dismiss() {
    this.cancel();
    if (this.studio.ghosts) {
      this.studio.setGhosts(null);
      this.voice.say("putAway");
    }
  }

  /** @param {number} index from 0; -1 is the music as it was */
  choose(index) {
    const { ghosts } = this.studio;
    if (!ghosts || index >= ghosts.ideas.length) return;
    this.studio.setGhosts(choose(ghosts, index));
    this.tell();
  }

  /** @param {number} by */
  step(by) {
    const { ghosts } = this.studio;
    if (!ghosts?.ideas.length) return;
    const n = ghosts.ideas.length;
    this.choose((Math.max(ghosts.chosen, by > 0 ? -1 : 0) + by + n) % n);
  }

  /** Say which idea is shown. */
  tell() {
    const { ghosts, time } = this.studio;
    const idea = chosenIdea(ghosts);
    if (!ghosts || !idea) {
      if (ghosts) this.voice.say("original");
      return;
    }
    const [from, to] = [time.barAt(ghosts.front).number, time.barAt(ghosts.end - 1).number];
    const values = { number: ghosts.chosen + 1, of: ghosts.ideas.length, notes: openNotes(ghosts).length, from, to };
    this.voice.say(idea.reason ? "ideaWithReason" : "idea", { ...values, reason: this.voice.said(idea.reason) });
  }

  /** Leave a ghost note out, or take it back in. @param {string} id */
  toggle(id) {
    const { ghosts } = this.studio;
    if (!ghosts) return;
    const next = toggled(ghosts, id);
    this.studio.setGhosts(next);
    this.voice.say(next.omitted.has(id) ? "leftOut" : "takenIn");
  }

  /** Take the idea, or a part: all, the next bar, beat or note, one hand. @param {"all" | "bar" | "beat" | "note" | "right" | "left"} part */
  accept(part) {
    const { ghosts } = this.studio;
    const idea = chosenIdea(ghosts);
    if (!ghosts || !idea) return;
    if (!idea.isFinished && this.isAsking) {
      this._waiting = () => this.accept(part);
      this.voice.say("takenSoon");
      return;
    }
    this._take(ghosts, idea, part);
  }

  /** A key that strikes the idea's next note takes it. @param {number} pitch @returns {boolean} whether it did */
  playAlong(pitch) {
    const { ghosts, project } = this.studio;
    const idea = chosenIdea(ghosts);
    const note = ghosts && idea?.isFinished ? nextOf(ghosts, pitch, project.ppq / 8) : null;
    if (ghosts && idea && note) this._take(ghosts, idea, "note", note);
    return note !== null;
  }

  /** @param {Ghosts} ghosts @param {Idea} idea @param {"all" | "bar" | "beat" | "note" | "right" | "left"} part @param {import("./ghosts.js").GhostNote} [note] */
  _take(ghosts, idea, part, note) {
    const { studio } = this;
    const next = note ?? openNotes(ghosts).find((open) => !ghosts.omitted.has(open.id));
    const bar = studio.time.barAt(ghosts.front);
    const upTo = {
      all: ghosts.end,
      right: ghosts.end,
      left: ghosts.end,
      bar: bar.end,
      beat: studio.time.nextBeat(ghosts.front),
      note: (next?.tick ?? ghosts.front) + 1,
    }[part];
    const hand = part === "right" || part === "left" ? part : undefined;
    const { project, ghosts: rest, taken } = accepted(studio.project, ghosts, {
      upTo,
      hand,
      only: part === "note" ? next?.id : undefined,
    });
    if (hand && !taken.length) {
      this.voice.say("noSuchHand");
      return;
    }
    const caret = rest ? rest.front : ghosts.end;
    const isFirst = !ghosts.taken.size;
    const by = { model: studio.model, seed: idea.seed, number: idea.number };
    studio.apply("stepAccept", project, { ghosts: rest, caret, by });
    this.dispatchEvent(new CustomEvent("placed", { detail: { start: caret, end: rest ? rest.end : caret + 1 } }));
    const values = { number: ghosts.chosen + 1, notes: taken.length, bar: studio.time.barAt(ghosts.front).number };
    this.voice.say(rest ? "acceptedPart" : "acceptedAll", values);
    if (isFirst) this._prefer(idea, ghosts.ideas);
  }

  /** An idea that is kept is one that was liked. @param {string} key */
  star(key) {
    const { heard } = this.studio;
    const entry = heard.find(({ idea }) => idea.key === key);
    if (!entry) return;
    this.studio.setHeard(heard.map((other) => (other === entry ? { ...entry, isStarred: !entry.isStarred } : other)));
    const beside = heard.filter((other) => other.idea.request === entry.idea.request).map(({ idea }) => idea);
    if (!entry.isStarred) this._prefer(entry.idea, beside);
  }

  /** Tell the server what was liked; ideas are put in order by that. @param {Idea} chosen @param {readonly Idea[]} among */
  _prefer(chosen, among) {
    const figures = (/** @type {Idea} */ { figures, ending }) => ({ .../** @type {object} */ (figures), ending: typeof ending === "string" ? ending : ending.message });
    const others = among.filter((idea) => idea.key !== chosen.key && idea.figures).map(figures);
    if (!chosen.figures || !others.length || this._preferred.has(chosen.key)) return;
    this._preferred.add(chosen.key);
    client.prefer({ chosen: figures(chosen), among: others }).then(
      (learnt) => this.dispatchEvent(new CustomEvent("learnt", { detail: learnt })),
      () => this._preferred.delete(chosen.key), // the music does not depend on it
    );
  }

  /** @param {Order} order @param {AbortController} asking @param {boolean} adds */
  async _follow(order, asking, adds) {
    const body = { project: client.plain(order.project ?? this.studio.project), ...order.body };
    /** @type {Request} */
    let request = { id: "", seed: 0, begun: { notes: [], pedals: [] }, like: order.like ?? null };
    /** @type {Place} */
    let place = { firstBar: 0, start: 0, end: 0, isInsert: Boolean(order.body.insert), stays: [], hand: "" };
    for await (const event of client.ideas(order.what, body, asking.signal)) {
      if (asking.signal.aborted) return;
      if (event.event === "error") throw new client.Failure(event.code ?? "refused", event.message, { detail: event.detail, values: event.values });
      if (event.event === "start") {
        request = { ...request, id: event.id, seed: event.seed, begun: begunBefore(order, event.start_tick) };
        place = placeOf(order, event, adds ? this.studio.ghosts : null);
        if (!adds || !this.studio.ghosts) {
          const ghosts = noGhosts(place.start, place.end, place.isInsert, place.stays);
          this._into = ghosts.origin;
          this.studio.setGhosts(ghosts);
        }
        this.dispatchEvent(new CustomEvent("placed", { detail: place }));
      } else if (event.event === "done") {
        this.warnings = event.warnings ?? [];
        this.dispatchEvent(new Event("warned"));
        this.tell();
      } else this._grow(request, event, place, order);
    }
  }

  /** @param {Request} request @param {StreamEvent} event @param {Place} place @param {Order} order */
  _grow(request, event, place, order) {
    const { studio } = this;
    if (!studio.ghosts) return;
    const before = studio.ghosts.ideas;
    studio.setGhosts(grown(studio.ghosts, request, event));
    for (const idea of studio.ghosts?.ideas ?? []) this._known.set(idea.key, idea);
    if (event.event === "ranked") studio.setHeard(updated(studio.heard, this._known));
    if (event.event === "finished") {
      const idea = studio.ghosts?.ideas.find((other) => other.request === request.id && other.number === event.idea);
      const entry = { ...place, what: order.hears ?? order.what, settings: order.body, isStarred: false };
      if (idea) studio.setHeard(kept(studio.heard, { idea, ...entry }));
      const waiting = this._waiting;
      if (waiting && chosenIdea(studio.ghosts)?.isFinished) {
        this._waiting = null;
        waiting();
      }
    }
    if (!before.length && studio.ghosts?.ideas.length) this.tell();
  }

  /** Without its ghosts a request writes no more; ideas that undo brought back are as they are known last. */
  _watch() {
    const { ghosts } = this.studio;
    if (this._asking && this._into && ghosts?.origin !== this._into) this.cancel();
    if (!ghosts) return;
    for (const idea of ghosts.ideas) {
      const latest = this._known.get(idea.key);
      if (latest && latest !== idea && latest.isFinished && !idea.isFinished) {
        this.studio.ghosts = { ...ghosts, ideas: ghosts.ideas.map((other) => this._known.get(other.key) ?? other) };
        return;
      }
    }
  }

  /** The music or the caret changed before the first event: the ideas would stand in the wrong place. */
  _outrun() {
    if (this._asking && !this._into && !this.studio.preview) this.cancel();
  }
}
