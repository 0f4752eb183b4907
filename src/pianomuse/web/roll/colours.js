// @ts-check
/**
 * Colours of the roll in light and dark: those of the pictures and the page of ideas (`pianomuse/render/theme.py`). Right
 * hand blue, left hand vermilion; loudness is lightness, and soft is always nearer to the paper.
 */

/** @typedef {[number, number, number]} Colour */
/** @typedef {{soft: Colour, middle: Colour, loud: Colour}} Ramp */

/**
 * @typedef {object} Colours
 * @property {string} paper @property {string} paperBlack @property {string} idea @property {string} ideaEdge
 * @property {string} barLine @property {string} beatLine @property {string} stepLine @property {string} octaveLine
 * @property {string} text @property {string} muted @property {string} accent @property {string} head
 * @property {string} whiteKey @property {string} blackKey @property {string} keyEdge @property {string} pedal
 * @property {string} ruler @property {string} lane @property {string} selected @property {string} range @property {string} caret
 * @property {Record<string, string[]>} ramps a colour for every eighth of the loudness, by hand
 */

const LEVELS = 12;
const SOFT = 24;
const LOUD = 112; // the ends of a ramp; most piano music lies between

/** @param {Ramp} ramp */
function levels({ soft, middle, loud }) {
  return Array.from({ length: LEVELS }, (_, level) => {
    const share = level / (LEVELS - 1);
    const [a, b, at] = share < 0.5 ? [soft, middle, 2 * share] : [middle, loud, 2 * share - 1];
    return `rgb(${a.map((value, channel) => Math.round(value + (b[channel] - value) * at)).join(" ")})`;
  });
}

/** @param {Colours} colours @param {string} hand @param {number} velocity */
export function noteColour(colours, hand, velocity) {
  const share = Math.min(Math.max((velocity - SOFT) / (LOUD - SOFT), 0), 1);
  return (colours.ramps[hand] ?? colours.ramps[""])[Math.round(share * (LEVELS - 1))];
}

/** @type {Colours} */
export const LIGHT = {
  paper: "#fbfbf9",
  paperBlack: "#f2f2ee",
  idea: "rgb(255 232 160 / 0.30)",
  ideaEdge: "#be8400",
  barLine: "#b4b4ae",
  beatLine: "#e0e0da",
  stepLine: "#edede8",
  octaveLine: "#d2d2cc",
  text: "#1c1c1e",
  muted: "#68686c",
  accent: "#8a5f00",
  head: "#c2185b",
  whiteKey: "#ffffff",
  blackKey: "#3c3c42",
  keyEdge: "#d8d8d2",
  pedal: "#8d9199",
  ruler: "#f4f4f1",
  lane: "#f6f6f3",
  selected: "#1c1c1e",
  range: "rgb(138 95 0 / 0.11)",
  caret: "#1c1c1e",
  ramps: {
    right: levels({ soft: [158, 205, 238], middle: [0, 114, 178], loud: [0, 46, 84] }),
    left: levels({ soft: [246, 196, 160], middle: [213, 94, 0], loud: [104, 38, 0] }),
    "": levels({ soft: [168, 214, 197], middle: [0, 135, 100], loud: [0, 56, 44] }),
  },
};

/** @type {Colours} */
export const DARK = {
  paper: "#232428",
  paperBlack: "#1e1f22",
  idea: "rgb(240 185 60 / 0.10)",
  ideaEdge: "#f0b93c",
  barLine: "#5b5c62",
  beatLine: "#35363b",
  stepLine: "#2b2c30",
  octaveLine: "#44454a",
  text: "#ececee",
  muted: "#a0a0a5",
  accent: "#f0b93c",
  head: "#ff6f9f",
  whiteKey: "#d6d6d8",
  blackKey: "#28282c",
  keyEdge: "#9a9a9e",
  pedal: "#8c9096",
  ruler: "#1c1d20",
  lane: "#1f2023",
  selected: "#ffffff",
  range: "rgb(240 185 60 / 0.14)",
  caret: "#ececee",
  ramps: {
    right: levels({ soft: [24, 84, 130], middle: [62, 158, 222], loud: [186, 226, 255] }),
    left: levels({ soft: [128, 60, 12], middle: [232, 122, 40], loud: [255, 208, 170] }),
    "": levels({ soft: [14, 92, 72], middle: [46, 174, 136], loud: [182, 240, 220] }),
  },
};
