// @ts-check
/** Texts about the file that is watched, in English and Chinese. */

/** @type {Record<string, [english: string, chinese: string]>} */
export const WATCHED_TEXTS = {
  watchedAnew: ["{name} was written.", "{name} 已写入。"],
  watchedSoon: ["Waiting for {name}: export it from your DAW, and it can be opened here.", "正在等待 {name}：从编曲软件导出后即可在此打开。"],
  watchedOpen: ["Open it", "打开"],
  watchedLater: ["Not now", "暂不"],
};
