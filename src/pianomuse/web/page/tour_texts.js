// @ts-check
/** Texts of the tour, in English and Chinese. */

/** @type {Record<string, [english: string, chinese: string]>} */
export const TOUR_TEXTS = {
  tour: ["Show me around (one minute)", "带我看看（一分钟）"],
  tourBack: ["Back", "上一步"],
  tourNext: ["Next", "下一步"],
  tourDone: ["Done", "完成"],
  tourSkip: ["Skip (Esc)", "跳过（Esc）"],
  tourStep: ["{n} of {of}", "{n}/{of}"],
  "tour-roll": ["This is your music. Click, or press ← →, to put the caret where it should go on.", "这是你的音乐。点击或按 ← →，把光标放在要续写的位置。"],
  "tour-ask": ["Enter, or this button, asks for ideas at the caret. They are written while you watch.", "按 Enter 或此按钮，在光标处请求灵感；你会看到它们逐音写出。"],
  "tour-ideas": ["Every idea is a small picture with what it is like. ↑ ↓ or 1–9 show another one.", "每个灵感是一幅小图并附说明。↑ ↓ 或 1–9 切换。"],
  "tour-play": ["Space plays from two bars before into the idea. O loops.", "空格从前两小节播放到灵感。O 循环。"],
  "tour-place": ["Tab takes an idea, → one bar of it, Esc puts it away. Ctrl+Z brings everything back.", "Tab 采纳灵感，→ 采纳一小节，Esc 收起。Ctrl+Z 可恢复一切。"],
  "tour-views": ["Piano roll, sheet music, or both: M.", "钢琴卷帘、乐谱或两者：M。"],
  "tour-help": ["All keys are listed here, and this tour.", "所有快捷键和本导览都在这里。"],
};
