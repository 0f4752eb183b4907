"""MusicXML 4.0 out of a laid-out page, as plain and as compressed file.

Source: W3C, MusicXML 4.0 (https://www.w3.org/2021/06/musicxml40/). Voices are numbered as MuseScore does it: 1–4 on a
part's first staff, 5–8 on its second. Lengths are exact: `divisions` is what the finest of them needs.
"""

from __future__ import annotations

import io
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from math import gcd
from xml.etree import ElementTree as ET

from pianomuse.notation.elements import Row
from pianomuse.notation.layout import Event
from pianomuse.notation.marks import Mark
from pianomuse.notation.measures import UNITS, Measure
from pianomuse.notation.metre import beat_value
from pianomuse.notation.sheet import Part, Sheet
from pianomuse.notation.voices import MAX_VOICES

_DOCTYPE = (
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">'
)
_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles>'
    '<rootfile full-path="score.musicxml" media-type="application/vnd.recordare.musicxml+xml"/>'
    "</rootfiles></container>\n"
)
_CLEF_LINES = {"G": 2, "F": 4}
APPROXIMATE = "Approximate: written down from a performance"


def musicxml(sheet: Sheet) -> bytes:
    """Return a page as a MusicXML document."""
    root = ET.Element("score-partwise", version="4.0")
    if title := "".join(sign for sign in sheet.title if sign.isprintable()):  # XML knows no control characters
        ET.SubElement(ET.SubElement(root, "work"), "work-title").text = title
    identification = ET.SubElement(root, "identification")
    encoding = ET.SubElement(identification, "encoding")
    ET.SubElement(encoding, "software").text = "PianoMuse"
    for element in ("accidental", "beam"):
        ET.SubElement(encoding, "supports", element=element, type="yes")
    if sheet.is_approximate:
        miscellaneous = ET.SubElement(identification, "miscellaneous")
        ET.SubElement(miscellaneous, "miscellaneous-field", name="accuracy").text = APPROXIMATE
    part_list = ET.SubElement(root, "part-list")
    for index, part in enumerate(sheet.parts):
        _score_part(part_list, f"P{index + 1}", part.name)
    writer = _Writer(sheet, _finest(sheet))
    for index, part in enumerate(sheet.parts):
        music = ET.SubElement(root, "part", id=f"P{index + 1}")
        for bar in range(len(sheet.measures)):
            writer.measure(music, part, bar, is_first_part=index == 0)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_DOCTYPE}\n{text}\n'.encode()


def compressed(document: bytes) -> bytes:
    """Return a MusicXML document as a compressed file (.mxl)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (("META-INF/container.xml", _CONTAINER.encode()), ("score.musicxml", document)):
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # no clock: same music, same bytes
    return buffer.getvalue()


def _score_part(part_list: ET.Element, name: str, instrument: str) -> None:
    """List a part with its sound: a piano, also for the voice, as PianoMuse plays it."""
    part = ET.SubElement(part_list, "score-part", id=name)
    ET.SubElement(part, "part-name").text = instrument
    ET.SubElement(ET.SubElement(part, "score-instrument", id=f"{name}-I1"), "instrument-name").text = instrument
    midi = ET.SubElement(part, "midi-instrument", id=f"{name}-I1")
    ET.SubElement(midi, "midi-channel").text = "1"
    ET.SubElement(midi, "midi-program").text = "1"


def _finest(sheet: Sheet) -> int:
    """Return the greatest length of which all lengths and places are multiples."""
    finest = UNITS
    for bar in sheet.measures:
        finest = gcd(finest, bar.length)
    for mark in (*sheet.tempos, *sheet.dynamics, *sheet.pedals):
        finest = gcd(finest, mark.place)
    for part in sheet.parts:
        for staff in part.staves:
            for laid in staff.bars:
                for events in laid.voices.values():
                    for event in events:
                        finest = gcd(finest, event.length, event.start)
    return finest


class _Writer:
    """Writes bars; knows the page and what its durations are counted in."""

    def __init__(self, sheet: Sheet, division: int) -> None:
        self._sheet, self._division = sheet, division

    def measure(self, parent: ET.Element, part: Part, bar: int, *, is_first_part: bool) -> None:
        """Write one bar of one part."""
        place = self._sheet.measures[bar]
        element = ET.SubElement(parent, "measure", number=str(place.number))
        if place.is_pickup:
            element.set("implicit", "yes")
        self._attributes(element, part, bar)
        marks = _marks_of(self._sheet, part, place, is_first_part=is_first_part)
        is_begun = False
        for staff, shown in enumerate(part.staves):
            voices = shown.bars[bar].voices
            own = _marks_per_voice([mark for at, mark in marks if at == staff], voices)
            for voice, events in voices.items():
                if is_begun:
                    backup = ET.SubElement(element, "backup")
                    ET.SubElement(backup, "duration").text = str(place.length // self._division)
                row = Row(element, self._division, voice + 1 + MAX_VOICES * staff, (staff + 1) * (len(part.staves) > 1))
                self._voice(row, events, own[voice], place, is_upper=voice == 0)
                is_begun = True
        if self._sheet.is_end and bar + 1 == len(self._sheet.measures):
            ET.SubElement(ET.SubElement(element, "barline", location="right"), "bar-style").text = "light-heavy"

    def _attributes(self, parent: ET.Element, part: Part, bar: int) -> None:
        """Write what changes at a bar: key, metre, clefs."""
        sheet = self._sheet
        attributes = ET.Element("attributes")
        is_first = bar == 0
        if is_first:
            ET.SubElement(attributes, "divisions").text = str(UNITS // self._division)
        if is_first or sheet.keys[bar].sharps != sheet.keys[bar - 1].sharps:
            key = ET.SubElement(attributes, "key")
            ET.SubElement(key, "fifths").text = str(sheet.keys[bar].sharps)
            ET.SubElement(key, "mode").text = "minor" if sheet.keys[bar].is_minor else "major"
        if is_first or sheet.measures[bar].metre != sheet.measures[bar - 1].metre:
            time = ET.SubElement(attributes, "time")
            ET.SubElement(time, "beats").text = str(sheet.measures[bar].metre[0])
            ET.SubElement(time, "beat-type").text = str(sheet.measures[bar].metre[1])
        if is_first and len(part.staves) > 1:
            ET.SubElement(attributes, "staves").text = str(len(part.staves))
        for number, staff in enumerate(part.staves, 1):
            if is_first or staff.clefs[bar] != staff.clefs[bar - 1]:
                clef = ET.SubElement(attributes, "clef")
                if len(part.staves) > 1:
                    clef.set("number", str(number))
                ET.SubElement(clef, "sign").text = staff.clefs[bar]
                ET.SubElement(clef, "line").text = str(_CLEF_LINES[staff.clefs[bar]])
        if len(attributes):
            parent.append(attributes)

    def _voice(self, row: Row, events: Sequence[Event], marks: Sequence[Mark], bar: Measure, *, is_upper: bool) -> None:
        """Write one voice of a bar, its marks before the notes they stand at."""
        beat = beat_value(bar.metre)
        waiting = list(marks)
        for event in events:
            while waiting and waiting[0].place < event.start + event.length:
                row.mark(waiting.pop(0), event.start, beat)
            if event.is_rest:
                row.rest(event, is_whole_bar=len(events) == 1 and bar.is_whole, is_hidden=not is_upper)
            else:
                row.chord(event)
        for mark in waiting:
            row.mark(mark, bar.end, beat)


def _marks_of(sheet: Sheet, part: Part, bar: Measure, *, is_first_part: bool) -> list[tuple[int, Mark]]:
    """Return the marks of one bar of a part with the index of the staff they stand with, by place."""
    is_piano = part is sheet.parts[-1]
    found: list[tuple[int, Mark]] = []
    if is_first_part:
        if sheet.is_approximate and bar is sheet.measures[0]:
            found.append((0, Mark(bar.start, "words", APPROXIMATE)))
        found += [(0, mark) for mark in _inside(sheet.tempos, bar)]
    if is_piano:
        found += [(0, mark) for mark in _inside(sheet.dynamics, bar)]
        is_last = bar is sheet.measures[-1]
        pedals = _inside(sheet.pedals, bar, with_end=is_last)
        found += [(len(part.staves) - 1, mark) for mark in pedals]
    return sorted(found, key=lambda entry: entry[1].place)


def _marks_per_voice(marks: Sequence[Mark], voices: Mapping[int, Sequence[Event]]) -> dict[int, list[Mark]]:
    """Give the marks of a staff to the voice that has notes or rests where most of them stand.

    All to one: readers pair pedal marks in the order of the file.
    """
    starts = {voice: {event.start for event in events} for voice, events in voices.items()}
    host = max(voices, key=lambda voice: sum(mark.place in starts[voice] for mark in marks))
    return {voice: list(marks) if voice == host else [] for voice in voices}


def _inside(marks: Sequence[Mark], bar: Measure, *, with_end: bool = False) -> Sequence[Mark]:
    """Return the marks of a bar, of all marks of a kind by place; `with_end`: those at the bar line behind it too."""
    bisect = bisect_right if with_end else bisect_left
    first, stop = bisect_left(marks, bar.start, key=_place), bisect(marks, bar.end, key=_place)
    return marks[first:stop]


def _place(mark: Mark) -> int:
    return mark.place
