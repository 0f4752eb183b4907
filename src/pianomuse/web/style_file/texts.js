// @ts-check
/** Texts of *My style*, in English and Chinese. */

/** @type {Record<string, [english: string, chinese: string]>} */
export const STYLE_TEXTS = {
  myStyle: ["My style", "我的风格"],
  styleNone: ["Ideas can begin as if they had just heard your own pieces: five to twenty MIDI files of one kind, about three minutes.",
    "灵感可以像刚听过你的作品一样开始：5 到 20 个同类 MIDI 文件，约三分钟。"],
  styleInUse: ["Ideas begin with {name}.", "灵感以“{name}”开始。"],
  styleLearn: ["Learn from my MIDI files…", "从我的 MIDI 文件学习…"],
  styleLoad: ["Load a style file…", "载入风格文件…"],
  styleSave: ["Keep as a file", "另存为文件"],
  styleOff: ["Switch off", "停用"],
  styleStop: ["Stop learning", "停止学习"],
  styleLearning: ["Learning: {percent} % · at most {minutes} minutes left", "正在学习：{percent} % · 最多还需 {minutes} 分钟"],
  styleReading: ["Reading your pieces…", "正在读取你的作品…"],
  styleDone: ["Learnt from {pieces} pieces.", "已从 {pieces} 首作品学习。"],
  styleLeftOut: ["{n} files could not be used.", "{n} 个文件无法使用。"],
  styleGain: ["Held-out bars: {before} bits per note before, {after} with the style.", "留出小节：每音 {before} 比特，使用风格后 {after}。"],
  styleNoGain: ["It does not help: the model knows such music already, or the pieces differ.", "没有帮助：模型已熟悉这类音乐，或作品差异太大。"],
  styleCancelled: ["Stopped; nothing was changed.", "已停止；没有任何改动。"],
  styleFailed: ["It could not be learnt: {message}", "无法学习：{message}"],
  styleNeeds: ["Learning needs PyTorch, which is not installed here: {command}, then start the studio again. A style file works without it.",
    "学习需要 PyTorch，此处未安装：{command}，然后重新启动工作室。载入风格文件则不需要。"],
  styleNamed: ["style of {n} pieces", "{n} 首作品的风格"],
  styleSmall: ["A style helps a little in the first bars and in an empty roll; behind a few bars of your own music it is no longer heard.",
    "风格在开头几小节和空白卷帘中略有帮助；有几小节你自己的音乐之后便不再起作用。"],
};
