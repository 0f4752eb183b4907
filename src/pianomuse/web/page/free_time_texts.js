// @ts-check
/** Texts about recordings without a metronome, in English and Chinese. */

/** @type {Record<string, [english: string, chinese: string]>} */
export const FREE_TIME_TEXTS = {
  freeFound: [
    "No metronome: found {metre} at about ♩={tempo}, first downbeat at {first} s.",
    "未跟随节拍器：推测为 {metre} 拍，约 ♩={tempo}，首个强拍在 {first} 秒。",
  ],
  freeFirst: ["First downbeat (s)", "首个强拍（秒）"],
  freeTempo: ["Tempo (♩=)", "速度（♩=）"],
  freeMetre: ["Metre", "拍号"],
  freeAgain: ["Correct", "更正"],
  freeFile: ["Keep the file's bars", "沿用文件的小节"],
  freeFine: ["It is right", "没有问题"],
};
