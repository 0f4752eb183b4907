// @ts-check
/**
 * What the server could not do, in Chinese, by the code of its answer; English is the server's own sentence. What is wrong
 * with the music or the wish exactly, the folder `said` says by the answer's `detail`.
 */

/** @type {Record<string, string>} */
export const FAULTS = {
  request: "这个请求无法完成：请减少要求，或撤销最后的改动再试。",
  invalid: "有一项设置超出范围，请修改。",
  midi: "这个文件无法读取，请换一个文件。",
  model: "模型或风格文件不合适，请换一个或重新学习。",
  storage: "磁盘上无法保存或读取，请腾出空间或先导出。",
  json: "页面发出的请求有误，请刷新页面。",
  too_many: "内容过多，请缩短作品或文字。",
  too_large: "请求过大，请缩短作品。",
  too_long: "作品过长，无法生成音频，请缩短。",
  too_slow: "写作用时过长，请减少小节数或灵感数。",
  busy: "模型或服务器正忙，请稍候再试，或关闭其他标签页。",
  tuning: "正在学习一种风格，请等待或先停止。",
  needs_torch: "学习风格需要 PyTorch：在终端运行 pip install 'pianomuse[train]'。",
  no_style: "没有正在使用的风格，请先学习或载入。",
  sheet_bars: "一次请求的乐谱小节过多，请减少。",
  media_type: "文件类型不对，请选择 MIDI 或 MusicXML 文件。",
  token: "需要访问令牌：请打开终端中显示的完整地址。",
  host: "请通过 127.0.0.1 或 localhost 打开。",
  origin: "请求来自其他网页，请直接打开工作室。",
  not_found: "找不到所请求的内容，请刷新页面。",
  changed: "这首作品已在另一个标签页中改动，将作为副本继续。",
  not_watching: "没有正在监视的文件，请用 pianomuse studio --watch FILE.mid 启动。",
  not_written: "所监视的文件还不存在，请从编曲软件导出。",
  no_page: "工作室的页面没有安装，请重新安装 PianoMuse。",
  method: "页面发出的请求有误，请刷新页面。",
  fault: "PianoMuse 出错，请报告启动工作室的窗口中显示的内容。",
};

/** @param {string} code @param {string} message the server's sentence @param {boolean} isChinese */
export function faultText(code, message, isChinese) {
  if (!isChinese) return message;
  return FAULTS[code] ?? FAULTS.request;
}
