// @ts-check
/** Undo and redo in named steps. A state is any immutable value. */

const MOST_STEPS = 500;

/** @template T */
export class History {
  constructor() {
    /** @type {{name: string, before: T, after: T}[]} */
    this.done = [];
    /** @type {{name: string, before: T, after: T}[]} */
    this.undone = [];
  }

  /** @param {string} name key of the step's text @param {T} before @param {T} after */
  add(name, before, after) {
    this.done.push({ name, before, after });
    if (this.done.length > MOST_STEPS) this.done.shift();
    this.undone = [];
  }

  /** @returns {{name: string, state: T} | null} */
  undo() {
    const step = this.done.pop();
    if (!step) return null;
    this.undone.push(step);
    return { name: step.name, state: step.before };
  }

  /** @returns {{name: string, state: T} | null} */
  redo() {
    const step = this.undone.pop();
    if (!step) return null;
    this.done.push(step);
    return { name: step.name, state: step.after };
  }

  clear() {
    this.done = [];
    this.undone = [];
  }
}
