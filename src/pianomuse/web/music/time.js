// @ts-check
/** Ticks to bars, beats and seconds. Bars count from 1; past the last event its metre and tempo go on. */

/** @typedef {import("./types.js").Project} Project */

/**
 * @typedef {object} Bar
 * @property {number} number from 1
 * @property {number} tick where it starts
 * @property {number} end where the next one starts
 * @property {number} beatTicks length of a beat: a dotted one in 6/8, 9/8, 12/8
 * @property {number} numerator
 * @property {number} denominator
 */

/** @typedef {Bar & {until: number}} Section bars of one metre; `number` and `tick` of the first one */

const DEFAULT_BPM = 120; // what a file without a tempo means

export class TimeMap {
  /** @param {Pick<Project, "ppq" | "tempos" | "metres">} project */
  constructor(project) {
    this.ppq = project.ppq;
    /** @type {Section[]} */
    this.sections = sectionsOf(project);
    /** @type {{tick: number, seconds: number, perTick: number}[]} */
    this.steps = tempoSteps(project);
  }

  /** @param {number} tick @returns {Section} */
  sectionAt(tick) {
    let found = this.sections[0];
    for (const section of this.sections) if (section.tick <= tick) found = section;
    return found;
  }

  /** The bar that holds a tick. @param {number} tick @returns {Bar} */
  barAt(tick) {
    const section = this.sectionAt(Math.max(tick, 0));
    const length = section.end - section.tick;
    const index = Math.floor((Math.max(tick, 0) - section.tick) / length);
    return barOf(section, index);
  }

  /** @param {number} number from 1 @returns {Bar} */
  bar(number) {
    let found = this.sections[0];
    for (const section of this.sections) if (section.number <= number) found = section;
    return barOf(found, Math.max(number, 1) - found.number);
  }

  /** Bars that touch a stretch of ticks. @param {number} from @param {number} to @returns {Bar[]} */
  bars(from, to) {
    const bars = [];
    for (let bar = this.barAt(from); bar.tick < to; bar = this.barAt(bar.end)) bars.push(bar);
    return bars;
  }

  /** The bar line at or after a tick. @param {number} tick */
  barLineFrom(tick) {
    const bar = this.barAt(tick);
    return bar.tick >= tick ? bar.tick : bar.end;
  }

  /** The nearest bar line. @param {number} tick */
  nearestBarLine(tick) {
    const bar = this.barAt(tick);
    return tick - bar.tick < bar.end - tick ? bar.tick : bar.end;
  }

  /** The first beat after a tick; a bar line at the latest. @param {number} tick */
  nextBeat(tick) {
    const bar = this.barAt(tick);
    const beat = Math.floor((tick - bar.tick) / bar.beatTicks) + 1;
    return Math.min(bar.tick + beat * bar.beatTicks, bar.end);
  }

  /** The beat at or after a tick. @param {number} tick */
  beatFrom(tick) {
    const bar = this.barAt(tick);
    return (tick - bar.tick) % bar.beatTicks === 0 ? tick : this.nextBeat(tick);
  }

  /** Where in its bar, as musicians say it. @param {number} tick @returns {{bar: number, beat: number}} */
  place(tick) {
    const bar = this.barAt(tick);
    return { bar: bar.number, beat: Math.floor((tick - bar.tick) / bar.beatTicks) + 1 };
  }

  /** Seconds from the start of the piece. @param {number} tick */
  seconds(tick) {
    let found = this.steps[0];
    for (const step of this.steps) if (step.tick <= tick) found = step;
    return found.seconds + (tick - found.tick) * found.perTick;
  }

  /** The tick at a time; not rounded. @param {number} seconds */
  tick(seconds) {
    let found = this.steps[0];
    for (const step of this.steps) if (step.seconds <= seconds) found = step;
    return found.tick + (seconds - found.seconds) / found.perTick;
  }

  /** Tempo in force, in quarter notes a minute. @param {number} tick */
  bpm(tick) {
    let found = this.steps[0];
    for (const step of this.steps) if (step.tick <= tick) found = step;
    return 60 / found.perTick / this.ppq;
  }

  /**
   * The nearest place of the grid, counted from the bar line.
   * @param {number} tick @param {number} step ticks; 0 is no grid @param {"near" | "down"} [way]
   */
  snap(tick, step, way = "near") {
    if (!step) return Math.max(Math.round(tick), 0);
    const bar = this.barAt(tick);
    const steps = (tick - bar.tick) / step;
    const snapped = bar.tick + (way === "down" ? Math.floor(steps) : Math.round(steps)) * step;
    return Math.max(Math.round(Math.min(snapped, bar.end)), 0);
  }
}

/** @param {Section} section @param {number} index @returns {Bar} */
function barOf(section, index) {
  const length = section.end - section.tick;
  const tick = section.tick + index * length;
  const { beatTicks, numerator, denominator } = section;
  return {
    number: section.number + index,
    tick,
    end: Math.min(tick + length, section.until),
    beatTicks,
    numerator,
    denominator,
  };
}

/** @param {Pick<Project, "ppq" | "metres">} project @returns {Section[]} */
function sectionsOf({ ppq, metres }) {
  const first = { tick: 0, numerator: 4, denominator: 4 };
  const events = [...metres].sort((a, b) => a.tick - b.tick);
  if (!events.length || events[0].tick > 0) events.unshift(first);
  /** @type {Section[]} */
  const sections = [];
  let number = 1;
  events.forEach(({ tick, numerator, denominator }, index) => {
    const unit = (4 * ppq) / denominator;
    const length = numerator * unit;
    const until = index + 1 < events.length ? events[index + 1].tick : Infinity;
    if (until <= tick) return;
    const isCompound = denominator >= 8 && numerator > 3 && numerator % 3 === 0;
    const beatTicks = isCompound ? 3 * unit : unit;
    sections.push({ number, tick, end: tick + length, until, beatTicks, numerator, denominator });
    number += Math.ceil((until - tick) / length);
  });
  return sections;
}

/** @param {Pick<Project, "ppq" | "tempos">} project */
function tempoSteps({ ppq, tempos }) {
  const events = [{ tick: 0, bpm: DEFAULT_BPM }, ...[...tempos].sort((a, b) => a.tick - b.tick)];
  /** @type {{tick: number, seconds: number, perTick: number}[]} */
  const steps = [];
  for (const { tick, bpm } of events) {
    const last = steps.at(-1);
    if (last && last.tick === tick) steps.pop();
    const before = steps.at(-1);
    const seconds = before ? before.seconds + (tick - before.tick) * before.perTick : 0;
    steps.push({ tick, seconds, perTick: 60 / bpm / ppq });
  }
  return steps;
}
