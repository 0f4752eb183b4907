// @ts-check
/**
 * What the server could not do, in Chinese, by the code of its answer. English is the server's own sentence. Where that names
 * what is wrong with the music or the wish, it stands behind the Chinese one.
 */

/** @type {Record<string, {chinese: string, hasDetail?: boolean}>} */
export const FAULTS = {
  request: { chinese: "这个请求无法完成,请按提示修改", hasDetail: true },
  invalid: { chinese: "有一项设置超出范围,请修改", hasDetail: true },
  midi: { chinese: "这个 MIDI 文件无法读取,请换一个文件", hasDetail: true },
  model: { chinese: "模型或风格文件不合适,请换一个或重新学习", hasDetail: true },
  storage: { chinese: "磁盘上无法保存或读取,请腾出空间或先导出", hasDetail: true },
  json: { chinese: "页面发出的请求有误,请刷新页面。" },
  too_many: { chinese: "内容过多,请缩短作品或文字", hasDetail: true },
  too_large: { chinese: "请求过大,请缩短作品。" },
  too_long: { chinese: "作品过长,无法生成音频,请缩短。" },
  too_slow: { chinese: "写作用时过长,请减少小节数或灵感数。" },
  busy: { chinese: "模型或服务器正忙,请稍候再试,或关闭其他标签页。" },
  tuning: { chinese: "正在学习一种风格,请等待或先停止。" },
  needs_torch: { chinese: "学习风格需要 PyTorch:在终端运行 pip install 'pianomuse[train]'。" },
  no_style: { chinese: "没有正在使用的风格,请先学习或载入。" },
  sheet_bars: { chinese: "一次请求的乐谱小节过多。" },
  media_type: { chinese: "文件类型不对。" },
  token: { chinese: "需要访问令牌:请打开终端中显示的完整地址。" },
  host: { chinese: "请通过 127.0.0.1 或 localhost 打开。" },
  origin: { chinese: "请求来自其他网页,请直接打开工作室。" },
  not_found: { chinese: "找不到所请求的内容。" },
  changed: { chinese: "这首作品已在另一个标签页中改动,将作为副本继续。" },
  not_watching: { chinese: "没有正在监视的文件。" },
  not_written: { chinese: "所监视的文件还不存在:请从编曲软件导出。" },
  fault: { chinese: "PianoMuse 出错,请报告启动工作室的窗口中显示的内容。" },
};

/** @param {string} code @param {string} message the server's sentence @param {boolean} isChinese */
export function faultText(code, message, isChinese) {
  const found = FAULTS[code];
  if (!isChinese || !found) return message;
  return found.hasDetail && message ? `${found.chinese}:${message}` : found.chinese;
}
