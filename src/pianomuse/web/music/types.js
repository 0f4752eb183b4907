// @ts-check
/**
 * What a project is made of, as the server sends it. Everything is immutable: an edit makes new arrays, and a note that
 * did not change stays the same object.
 *
 * @typedef {object} Note
 * @property {number} tick onset, in the project's own ticks
 * @property {number} duration length in ticks
 * @property {number} pitch MIDI pitch
 * @property {number} velocity 1 to 127
 * @property {number} track index into `tracks`
 * @property {boolean} [suggested] taken from an idea and not edited since
 * @property {number} [origin] where it came from: index into `origins`; not said of imported notes
 * @property {boolean} [edited] changed by hand since, or a copy
 *
 * @typedef {{tick: number, down: boolean}} Pedal
 * @typedef {{tick: number, bpm: number}} Tempo
 * @typedef {{tick: number, numerator: number, denominator: number}} Metre
 * @typedef {{name: string, program: number, channel: number}} Track
 *
 * @typedef {object} Origin
 * @property {"suggested" | "played" | "along" | "drawn"} how along: played while an idea showed the same notes
 * @property {number} at milliseconds since 1970
 * @property {string} [model] that wrote the idea, and its style
 * @property {number} [seed]
 * @property {number} [number] of the idea among those of its seed
 *
 * @typedef {object} Project
 * @property {string} title
 * @property {number} ppq ticks per quarter note
 * @property {readonly Note[]} notes by onset
 * @property {readonly Pedal[]} pedals by tick
 * @property {readonly Tempo[]} tempos
 * @property {readonly Metre[]} metres
 * @property {readonly Track[]} tracks
 * @property {string | null} key
 * @property {readonly Origin[]} [origins] what was taken from ideas, played or drawn; never sent
 * @property {string | null} source the imported file, for an export that keeps every event
 *
 * @typedef {{from: number, to: number}} Span ticks, `to` not included
 */
export {};
