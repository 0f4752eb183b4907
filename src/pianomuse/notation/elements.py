"""The elements of one voice in one bar: notes, rests, and the marks that stand before them."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree as ET

from pianomuse.notation.layout import Event, Head
from pianomuse.notation.marks import Mark
from pianomuse.notation.measures import UNITS
from pianomuse.notation.values import TYPES, Value, written_value

_ACCIDENTALS = ("triple-flat", "flat-flat", "flat", "natural", "sharp", "double-sharp", "triple-sharp")
_NO_ALTER = 3  # index of natural
_ABOVE = ("tempo", "words")


@dataclass(frozen=True)
class Row:
    """Writes the elements of one voice.

    Args:
        parent: the measure.
        division: length in units of what durations are counted in.
        voice: its number, from 1.
        staff: its number, from 1; 0 where the part has only one.
    """

    parent: ET.Element
    division: int
    voice: int
    staff: int

    def rest(self, event: Event, *, is_whole_bar: bool, is_hidden: bool) -> None:
        """Write a rest; a hidden one keeps a voice's time without being printed."""
        note = ET.SubElement(self.parent, "note")
        if is_hidden:
            note.set("print-object", "no")
        rest = ET.SubElement(note, "rest")
        if is_whole_bar:
            rest.set("measure", "yes")
        _text(note, "duration", event.length // self.division)
        _text(note, "voice", self.voice)
        if not is_whole_bar:
            _value(note, event, None)
        self._staff(note)
        _notations(note, event, None)

    def chord(self, event: Event) -> None:
        """Write the notes of a chord, grace notes first."""
        for head in event.graces:
            self._grace(head)
        for index, head in enumerate(event.heads):
            note = ET.SubElement(self.parent, "note")
            if index:
                ET.SubElement(note, "chord")
            _pitch(note, head)
            _text(note, "duration", event.length // self.division)
            for kind in _ties(head):
                ET.SubElement(note, "tie", type=kind)
            _text(note, "voice", self.voice)
            _value(note, event, head)
            self._staff(note)
            for level, beam in enumerate(event.beams if index == 0 else (), 1):
                _text(note, "beam", beam).set("number", str(level))
            _notations(note, event, head, is_first=index == 0)

    def mark(self, mark: Mark, now: int, beat: int) -> None:
        """Write a mark where `now` is the place reached; `beat` is what a tempo counts."""
        away = (mark.place - now) // self.division
        if mark.kind == "tempo" and not mark.is_printed:
            sound = ET.SubElement(self.parent, "sound", tempo=_decimal(mark.qpm))
            if away:
                _text(sound, "offset", away)
            return
        direction = ET.SubElement(self.parent, "direction", placement="above" if mark.kind in _ABOVE else "below")
        kind = ET.SubElement(direction, "direction-type")
        if mark.kind == "tempo":
            _metronome(kind, mark.qpm, beat)
        elif mark.kind == "pedal":
            ET.SubElement(kind, "pedal", type=mark.text, line="yes")
        elif mark.kind == "dynamics":
            ET.SubElement(ET.SubElement(kind, "dynamics"), mark.text)
        else:
            _text(kind, "words", mark.text)
        if away:
            _text(direction, "offset", away)
        self._staff(direction)
        if mark.kind == "tempo":
            ET.SubElement(direction, "sound", tempo=_decimal(mark.qpm))

    def _grace(self, head: Head) -> None:
        note = ET.SubElement(self.parent, "note")
        ET.SubElement(note, "grace", slash="yes")
        _pitch(note, head)
        _text(note, "voice", self.voice)
        _text(note, "type", "eighth")
        _accidental(note, head)
        self._staff(note)

    def _staff(self, element: ET.Element) -> None:
        if self.staff:
            _text(element, "staff", self.staff)


def _text(parent: ET.Element, tag: str, text: str | int) -> ET.Element:
    element = ET.SubElement(parent, tag)
    element.text = str(text)
    return element


def _pitch(note: ET.Element, head: Head) -> None:
    pitch = ET.SubElement(note, "pitch")
    _text(pitch, "step", head.name.step)
    if head.name.alter:
        _text(pitch, "alter", head.name.alter)
    _text(pitch, "octave", head.name.octave)


def _value(note: ET.Element, event: Event, head: Head | None) -> None:
    """Write the printed value of a note or rest: type, dots, accidental, and what a tuplet makes of it."""
    _text(note, "type", TYPES[event.value.type_index])
    for _ in range(event.value.dots):
        ET.SubElement(note, "dot")
    if head is not None:
        _accidental(note, head)
    if event.tuplet is not None:
        change = ET.SubElement(note, "time-modification")
        _text(change, "actual-notes", event.tuplet.actual)
        _text(change, "normal-notes", event.tuplet.normal)
        if event.value.dots or event.tuplet.normal_type != TYPES[event.value.type_index]:
            _text(change, "normal-type", event.tuplet.normal_type)


def _accidental(note: ET.Element, head: Head) -> None:
    if head.accidental is not None:
        _text(note, "accidental", _ACCIDENTALS[head.accidental + _NO_ALTER])


def _ties(head: Head) -> list[str]:
    return ["stop"] * head.is_tied_from + ["start"] * head.is_tied_on


def _notations(note: ET.Element, event: Event, head: Head | None, *, is_first: bool = True) -> None:
    notations = ET.Element("notations")
    for kind in _ties(head) if head is not None else ():
        ET.SubElement(notations, "tied", type=kind)
    if event.tuplet is not None and is_first:
        for kind in ["start"] * event.is_tuplet_start + ["stop"] * event.is_tuplet_stop:
            ET.SubElement(notations, "tuplet", type=kind, number="1")
    if len(notations):
        note.append(notations)


def _metronome(parent: ET.Element, qpm: float, beat: int) -> None:
    value = written_value(beat, 1) or Value(TYPES.index("quarter"), 0)
    metronome = ET.SubElement(parent, "metronome")
    _text(metronome, "beat-unit", TYPES[value.type_index])
    for _ in range(value.dots):
        ET.SubElement(metronome, "beat-unit-dot")
    _text(metronome, "per-minute", round(qpm * UNITS / beat))


def _decimal(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
