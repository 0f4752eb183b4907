// @ts-check
/** What OpenSheetMusicDisplay has laid out: its notes in another colour, and where its bars stand. */

/** @typedef {import("./engine.js").Osmd} Osmd */

const UNIT_PX = 10; // of a unit of the layout, at zoom 1

/** Give every note and rest from a place on another colour. @param {Osmd} osmd @param {{bar: number, quarters: number}} from index of the bar, and how far into what is printed of it @param {number} to index of the first bar that is not meant @param {string} colour */
export function paint(osmd, from, to, colour) {
  osmd.Sheet.SourceMeasures.forEach((/** @type {any} */ measure, /** @type {number} */ index) => {
    if (index < from.bar || index >= to) return;
    for (const container of measure.VerticalSourceStaffEntryContainers) {
      if (index === from.bar && container.Timestamp.RealValue * 4 < from.quarters - 0.1) continue;
      for (const entry of container.StaffEntries.filter(Boolean)) {
        for (const voice of entry.VoiceEntries) {
          voice.StemColor = colour;
          for (const note of voice.Notes) note.NoteheadColor = colour;
        }
      }
    }
  });
}

/** How long what is printed of a bar is, in quarters: less than its metre says in a pickup. @param {Osmd} osmd @param {number} index */
export function quartersOf(osmd, index) {
  return (osmd.Sheet.SourceMeasures[index]?.Duration.RealValue ?? 0) * 4;
}

/** Where bars stand, in pixels of the drawing, from the top of the upper staff to the bottom of the lower. @param {Osmd} osmd @returns {{left: number, top: number, width: number, height: number}[]} */
export function places(osmd) {
  const scale = UNIT_PX * osmd.zoom;
  return osmd.GraphicSheet.MeasureList.map((/** @type {any[]} */ staves) => {
    const boxes = staves.filter(Boolean).map((staff) => staff.PositionAndShape);
    const [first, last] = [boxes[0], boxes[boxes.length - 1]];
    const { x, y } = first.AbsolutePosition;
    const height = last.AbsolutePosition.y + 4 - y;
    return { left: x * scale, top: y * scale, width: first.Size.width * scale, height: height * scale };
  });
}
