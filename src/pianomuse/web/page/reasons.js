// @ts-check
/** What ideas are like, in the chosen language: the server says it in English. */

import { currentLanguage } from "./words.js";

/** @type {[english: RegExp, chinese: string][]} */
const CHINESE = [
  [/^stays close$/, "贴近原曲"],
  [/^bolder$/, "更大胆"],
  [/^fuller$/, "更丰满"],
  [/^sparser$/, "更疏朗"],
  [/^reaches higher$/, "走向高音"],
  [/^goes lower$/, "走向低音"],
  [/^rests$/, "休止"],
  [/^a beginning$/, "一个开头"],
  [/^chords$/, "和弦"],
  [/^bass and chords$/, "低音与和弦"],
  [/^broken chords$/, "分解和弦"],
  [/^a line$/, "一条旋律线"],
  [/^repeats bar (\d+)$/, "重复第 $1 小节"],
  [/^bold leap in bar (\d+)$/, "第 $1 小节有大跳"],
  [/^leaves the key in bar (\d+)$/, "第 $1 小节离调"],
  [/^resembles (.+)$/, "与 $1 相似"],
  [/^no notes$/, "无音符"],
  [/^ends on a rest$/, "以休止结束"],
  [/^ends closed \(on (.+)\)$/, "收束（$1）"],
  [/^ends open \(on (.+)\)$/, "开放结尾（$1）"],
];

/** @param {string} english */
export function inWords(english) {
  if (currentLanguage() !== "zh") return english;
  const found = CHINESE.find(([pattern]) => pattern.test(english));
  return found ? english.replace(found[0], found[1]) : english;
}
