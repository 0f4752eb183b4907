"""Read MusicXML back as a player would: notes with their place and length, bars, nothing of the writer's code."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree import ElementTree as ET

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_QUARTERS = {
    name: Fraction(4 << 1, 1 << index)
    for index, name in enumerate(
        ("breve", "whole", "half", "quarter", "eighth", "16th", "32nd", "64th", "128th", "256th")
    )
}

Heard = tuple[str, int, int, Fraction, Fraction]
"""Part, staff, pitch, onset and duration in quarters; ties are one note, a grace note lasts 0."""


@dataclass
class ReadBack:
    """What a document says."""

    notes: list[Heard] = field(default_factory=list)
    names: list[tuple[Fraction, str]] = field(default_factory=list)  # of notes struck, as C#4, by onset
    accidentals: list[tuple[Fraction, str]] = field(default_factory=list)
    bars: list[tuple[str, Fraction]] = field(default_factory=list)  # number, length
    metres: dict[str, tuple[int, int]] = field(default_factory=dict)  # bar number -> new metre
    fifths: dict[str, int] = field(default_factory=dict)
    values: list[tuple[Fraction, str, str]] = field(default_factory=list)  # onset, value printed, "n" or "r"
    beams: list[tuple[Fraction, tuple[str, ...]]] = field(default_factory=list)
    pedals: list[tuple[Fraction, str]] = field(default_factory=list)
    metronomes: list[tuple[Fraction, str, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_back(document: bytes) -> ReadBack:
    """Walk a document and check on the way what every reader relies on; what is wrong is in `faults`."""
    root = ET.fromstring(document)
    found = ReadBack()
    for part in root.findall("part"):
        _Part(part.get("id", ""), found).read(part)
    if len({tuple(_lengths(part)) for part in root.findall("part")}) > 1:
        found.faults.append("parts have different bars")
    found.notes.sort()
    found.names.sort()
    return found


def _lengths(part: ET.Element) -> list[str]:
    return [measure.get("number", "") for measure in part.findall("measure")]


class _Part:
    def __init__(self, name: str, found: ReadBack) -> None:
        self.name, self.found = name, found
        self.divisions = 1
        self.bar_start = Fraction(0)
        self.open_ties: dict[tuple[str, int], tuple[Fraction, Fraction]] = {}
        self.tuplets: dict[str, Fraction] = {}

    def read(self, part: ET.Element) -> None:
        for measure in part.findall("measure"):
            self._measure(measure)
        if self.open_ties:
            self.found.faults.append(f"ties without an end: {self.open_ties}")

    def _measure(self, measure: ET.Element) -> None:
        number = measure.get("number", "")
        now = furthest = last = Fraction(0)
        in_voice: defaultdict[str, Fraction] = defaultdict(Fraction)
        for element in measure:
            length = Fraction(int(element.findtext("duration", "0")), self.divisions)
            if element.tag == "attributes":
                self._attributes(element, number)
            elif element.tag == "backup":
                now -= length
            elif element.tag == "forward":
                now += length
            elif element.tag == "direction":
                self._direction(element, now)
            elif element.tag == "note":
                is_chord = element.find("chord") is not None
                at = last if is_chord else now
                self._note(element, self.bar_start + at, length)
                if not is_chord:
                    last, now = now, now + length
                    in_voice[element.findtext("voice", "")] += length
            furthest = max(furthest, now)
        if any(total != furthest for total in in_voice.values()):
            self.found.faults.append(f"bar {number}: voices of {dict(in_voice)}")
        if self.name == "P1":
            self.found.bars.append((number, furthest))
        if self.tuplets:
            self.found.faults.append(f"bar {number}: tuplet without an end")
        self.bar_start += furthest

    def _attributes(self, element: ET.Element, number: str) -> None:
        self.divisions = int(element.findtext("divisions", str(self.divisions)))
        if (time := element.find("time")) is not None:
            self.found.metres[number] = int(time.findtext("beats", "")), int(time.findtext("beat-type", ""))
        if (key := element.find("key")) is not None:
            self.found.fifths[number] = int(key.findtext("fifths", ""))

    def _direction(self, element: ET.Element, now: Fraction) -> None:
        at = self.bar_start + now + Fraction(int(element.findtext("offset", "0")), self.divisions)
        if (pedal := element.find("direction-type/pedal")) is not None:
            self.found.pedals.append((at, pedal.get("type", "")))
        if (metronome := element.find("direction-type/metronome")) is not None:
            unit = metronome.findtext("beat-unit", "") + "." * len(metronome.findall("beat-unit-dot"))
            self.found.metronomes.append((at, unit, int(metronome.findtext("per-minute", "0"))))

    def _note(self, note: ET.Element, at: Fraction, length: Fraction) -> None:
        staff, voice = int(note.findtext("staff", "1")), note.findtext("voice", "")
        if note.find("grace") is None:
            self._check_value(note, length)
            self._tuplet(note)
        if note.find("chord") is None and (beams := tuple(beam.text or "" for beam in note.findall("beam"))):
            self.found.beams.append((at, beams))
        if note.find("rest") is not None:
            return
        step, octave = note.findtext("pitch/step", ""), int(note.findtext("pitch/octave", ""))
        alter = int(note.findtext("pitch/alter", "0"))
        pitch = (octave + 1) * 12 + _SEMITONES[step] + alter
        ties = {tie.get("type") for tie in note.findall("tie")}
        if {tied.get("type") for tied in note.findall("notations/tied")} != ties:
            self.found.faults.append(f"{at}: sound and print of a tie differ")
        onset = at
        if "stop" in ties:
            onset, end = self.open_ties.pop((voice, pitch), (Fraction(-1), Fraction(-1)))
            if end != at:
                self.found.faults.append(f"{at}: a tie from nowhere to {pitch}")
        else:
            sign = "#" * alter if alter > 0 else "b" * -alter
            self.found.names.append((at, f"{step}{sign}{octave}"))
            if (accidental := note.findtext("accidental")) is not None:
                self.found.accidentals.append((at, accidental))
        if "start" in ties:
            if (voice, pitch) in self.open_ties:
                self.found.faults.append(f"{at}: two ties from {pitch}")
            self.open_ties[voice, pitch] = onset, at + length
        else:
            self.found.notes.append((self.name, staff, pitch, onset, at + length - onset))

    def _check_value(self, note: ET.Element, length: Fraction) -> None:
        """Compare the printed value with the length."""
        rest = note.find("rest")
        kind = note.findtext("type")
        dots = len(note.findall("dot"))
        if kind is None:
            if rest is None or rest.get("measure") != "yes":
                self.found.faults.append("a note without a type")
            return
        printed = _QUARTERS[kind] * (2 - Fraction(1, 2**dots))
        if (change := note.find("time-modification")) is not None:
            printed *= Fraction(int(change.findtext("normal-notes", "")), int(change.findtext("actual-notes", "")))
        if printed != length:
            self.found.faults.append(f"a {kind} with {dots} dots that lasts {length}")
        if note.find("chord") is None:
            self.found.values.append((length, kind + "." * dots, "n" if rest is None else "r"))

    def _tuplet(self, note: ET.Element) -> None:
        """Count what stands in a tuplet: its values must fill whole numbers of the value that is counted."""
        kinds = [tuplet.get("type") for tuplet in note.findall("notations/tuplet")]
        voice = note.findtext("voice", "")
        if note.find("chord") is not None:
            return
        if "start" in kinds:
            if voice in self.tuplets:
                self.found.faults.append("a tuplet in a tuplet")
            self.tuplets[voice] = Fraction(0)
        is_inside = note.find("time-modification") is not None
        if is_inside != (voice in self.tuplets):
            self.found.faults.append("a tuplet's edges and its notes differ")
        if "stop" in kinds:
            self.tuplets.pop(voice, None)
