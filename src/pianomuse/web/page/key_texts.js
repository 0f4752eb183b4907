// @ts-check
/** The list of keys, as the help shows it: what to press, and what it does in English and Chinese. */

/** @type {{title: [string, string], rows: [keys: string | [string, string], english: string, chinese: string][]}[]} */
export const KEY_GROUPS = [
  {
    title: ["Ideas", "灵感"],
    rows: [
      ["Enter", "ideas at the caret, or for the chosen bars; again: more", "在光标处或所选小节请求灵感；再按：更多"],
      ["Tab", "take the whole idea", "采纳整个灵感"],
      ["→", "take the next bar", "采纳下一小节"],
      ["Shift + →", "take the next beat", "采纳下一拍"],
      ["Ctrl + →", "take the next note", "采纳下一个音"],
      ["Alt + R / L", "take the right / left hand", "采纳右手 / 左手"],
      [["click a ghost", "点击半透明音符"], "leave that note out", "排除该音"],
      [["↓ ↑ or 1–9", "↓ ↑ 或 1–9"], "another idea; 0 your original", "切换灵感；0 为原曲"],
      ["Esc", "put them away", "收起"],
    ],
  },
  {
    title: ["Listening", "试听"],
    rows: [
      [["Space", "空格"], "play with a lead-in, stop and return", "带前奏播放；停止并返回"],
      [["Shift + Space", "Shift + 空格"], "the new notes alone", "仅新音符"],
      ["R", "record from the caret; the same key ends it", "从光标处录音；再按结束"],
      ["O", "loop; ideas change at the same beat", "循环；灵感在同一拍切换"],
    ],
  },
  {
    title: ["Moving about", "移动"],
    rows: [
      ["← →", "caret by bar; with Ctrl by the grid", "光标按小节移动；Ctrl 按网格"],
      ["Home End", "start, end", "开头、结尾"],
      ["Shift + ← →", "choose bars", "选择小节"],
      ["J K", "previous, next note", "上一个、下一个音"],
      ["+ −", "zoom; with Alt the keys", "缩放；Alt 缩放琴键"],
      ["M", "roll, roll and sheet music, sheet music", "卷帘、卷帘与乐谱、乐谱"],
      [["Ctrl / Shift + wheel", "Ctrl / Shift + 滚轮"], "zoom / sideways", "缩放 / 横向滚动"],
    ],
  },
  {
    title: ["Writing", "编辑"],
    rows: [
      ["1 2", "draw, select", "绘制、选择"],
      ["N", "a note at the caret", "在光标处写一个音"],
      ["↑ ↓", "transpose, or the pitch for N; with Shift an octave", "移调，或 N 的音高；Shift 为八度"],
      ["Alt + ← →", "move; with Shift the length", "移动；加 Shift 改时值"],
      ["Ctrl + ↑ ↓", "louder, softer", "更强、更弱"],
      ["P", "pedal over the chosen bars", "所选小节的踏板"],
      ["Q H", "quantise, other hand", "量化、换手"],
      [["C, or two clicks on the ruler", "C，或双击标尺"], "chords for the ideas, over the bars", "在小节上方写灵感的和弦"],
      ["Ctrl + A C X V D", "all, copy, cut, paste, duplicate", "全选、复制、剪切、粘贴、重复"],
      ["Ctrl + Z / Y", "undo, redo", "撤销、重做"],
      ["Ctrl + O / E", "open, export", "打开、导出"],
    ],
  },
];
