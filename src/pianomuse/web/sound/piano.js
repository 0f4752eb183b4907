// @ts-check
/** The sampled piano: loads a key when it is needed first, and plays it. */

const SAMPLED = Array.from({ length: 30 }, (_, index) => 21 + 3 * index);

/** @typedef {import("./voices.js").Voice} Voice */
/** @typedef {{source: AudioBufferSourceNode, gain: GainNode}} Sounding */

export class Piano {
  /** @param {string} folder where the samples are served */
  constructor(folder) {
    this.folder = folder;
    /** @type {AudioContext | null} */
    this._context = null;
    /** @type {Map<string, Promise<AudioBuffer | null>>} */
    this._loading = new Map();
    /** @type {Map<string, AudioBuffer>} */
    this._buffers = new Map();
    this._volume = 0.8;
    /** @type {GainNode | null} */
    this._out = null;
    /** @type {AnalyserNode | null} */
    this.analyser = null;
  }

  /** The context, made and resumed at the first gesture. @returns {AudioContext} */
  get context() {
    if (!this._context) {
      this._context = new AudioContext({ latencyHint: "interactive" });
      this._out = this._context.createGain();
      this._out.gain.value = this._volume;
      this.analyser = this._context.createAnalyser();
      const limiter = this._context.createDynamicsCompressor();
      limiter.threshold.value = -3;
      limiter.ratio.value = 12;
      this._out.connect(limiter).connect(this.analyser).connect(this._context.destination);
    }
    if (this._context.state === "suspended") void this._context.resume();
    return this._context;
  }

  /** @returns {GainNode} */
  get out() {
    void this.context;
    return /** @type {GainNode} */ (this._out);
  }

  /** @param {number} volume 0 to 1 */
  setVolume(volume) {
    this._volume = volume;
    if (this._out) this._out.gain.setTargetAtTime(volume, this.context.currentTime, 0.02);
  }

  /** Load what voices need. @param {readonly Voice[]} voices @returns {Promise<boolean>} whether all of it came */
  async prepare(voices) {
    const names = new Set(voices.map((voice) => sampleName(voice.layer, nearest(voice.pitch))));
    const loaded = await Promise.all([...names].map((name) => this._load(name)));
    return loaded.every((buffer) => buffer !== null);
  }

  /**
   * Strike a key. Sounds nothing while its sample is not there yet.
   * @param {Voice} voice @param {number} at time of the context @param {number} releaseAt
   * @returns {Sounding | null}
   */
  strike(voice, at, releaseAt) {
    const sampled = nearest(voice.pitch);
    const name = sampleName(voice.layer, sampled);
    const buffer = this._buffers.get(name);
    if (!buffer) {
      void this._load(name);
      return null;
    }
    const { context } = this;
    const source = new AudioBufferSourceNode(context, { buffer, playbackRate: 2 ** ((voice.pitch - sampled) / 12) });
    const gain = new GainNode(context, { gain: voice.gain });
    source.connect(gain).connect(this.out);
    source.start(at);
    const sounding = { source, gain };
    this.release(sounding, releaseAt, voice.fade);
    return sounding;
  }

  /** @param {Sounding} sounding @param {number} at @param {number} fade seconds until 60 dB below */
  release({ source, gain }, at, fade) {
    gain.gain.cancelScheduledValues(at);
    gain.gain.setTargetAtTime(0, at, fade / 6.9);
    source.stop(at + fade * 1.2);
  }

  /** Play a key now, for the ear. @param {number} pitch @param {number} [velocity] */
  async hear(pitch, velocity = 72) {
    if (pitch < 21 || pitch > 108) return;
    const layer = velocity >= 67 ? "loud" : "soft";
    const voice = { on: 0, off: 0, fade: 0.3, pitch, layer: /** @type {"soft" | "loud"} */ (layer), gain: 0.14 };
    await this.prepare([voice]);
    const now = this.context.currentTime;
    this.strike(voice, now, now + 0.45);
  }

  /** @param {string} name @returns {Promise<AudioBuffer | null>} */
  _load(name) {
    let loading = this._loading.get(name);
    if (!loading) {
      loading = this._fetch(name);
      this._loading.set(name, loading);
    }
    return loading;
  }

  /** @param {string} name @returns {Promise<AudioBuffer | null>} */
  async _fetch(name) {
    try {
      const response = await fetch(`${this.folder}/${name}.mp3`);
      if (!response.ok) throw new Error(`${response.status}`);
      const buffer = await this.context.decodeAudioData(await response.arrayBuffer());
      this._buffers.set(name, buffer);
      return buffer;
    } catch {
      this._loading.delete(name); // the next stroke tries again
      return null;
    }
  }
}

/** @param {number} pitch */
function nearest(pitch) {
  return SAMPLED[Math.min(Math.max(Math.round((pitch - 21) / 3), 0), SAMPLED.length - 1)];
}

/** @param {string} layer @param {number} pitch */
function sampleName(layer, pitch) {
  return `${layer}-${String(pitch).padStart(3, "0")}`;
}
