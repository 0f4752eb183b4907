"""What stands in the bars of a MusicXML part: notes, time, keys, tempos, loudness, pedal, and signs of repetition.

All times are fractions of a quarter note from the beginning of their bar.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree import ElementTree as ET

from pianomuse.coded import Coded, coded
from pianomuse.errors import MidiError
from pianomuse.midi.bars import Metre
from pianomuse.notation.play_order import MAX_TIMES, Signs

MAX_QUARTERS = 4096  # of a bar or a note
_FINEST = 10**12  # parts of a quarter
_MOST_STAVES = 16  # of a part
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_LEVELS = {"pppp": 12, "ppp": 20, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 124, "ffff": 127}
_UNITS = {name: Fraction(8, 1 << n) for n, name in enumerate(("breve", "whole", "half", "quarter", "eighth", "16th"))}
_GRACE = Fraction(1, 8)
_CUE_NOTES, _UNPITCHED = coded("cue notes", "cue_notes"), coded("notes without pitch", "notes_without_pitch")
_ORNAMENTS = coded("ornament signs, whose notes are not written out", "ornament_signs")
_BEYOND_MIDI = coded("notes beyond MIDI", "notes_beyond_midi")


@dataclass(frozen=True)
class Sounding:
    """A note as it is printed; ties are still apart. Times in quarters, pitch as MIDI counts."""

    onset: Fraction
    duration: Fraction
    pitch: int
    velocity: int
    staff: int
    is_tied_from: bool
    is_tied_on: bool


@dataclass
class WrittenBar:
    """One bar of one part.

    `length` is that of what stands in it, `metre` is in force (None: free); tempos, pedals (True: down) and velocities
    are by place; key is sharps (flats below 0) and 1 for minor, None where no key signature stands.
    """

    length: Fraction = Fraction(0)
    metre: Metre | None = None
    is_pickup: bool = False
    notes: list[Sounding] = field(default_factory=list)
    tempos: list[tuple[Fraction, float]] = field(default_factory=list)
    pedals: list[tuple[Fraction, bool]] = field(default_factory=list)
    key: tuple[int, int] | None = None
    signs: Signs = field(default_factory=Signs)


@dataclass
class _State:
    """What holds from bar to bar within a part."""

    divisions: Fraction = Fraction(1)
    metre: Metre | None = (4, 4)
    transpose: dict[int, int] = field(default_factory=dict)  # by staff, 0: all
    velocity: int = 80


class PartReader:
    """Reads the bars of a part one after the other; `left_out` counts what is not read, by what it is."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._state = _State()
        self.left_out: Counter[Coded] = Counter()

    def read(self, measure: ET.Element) -> WrittenBar:
        """Read one bar.

        Raises:
            MidiError: durations or pitches that make no sense.
        """
        bar = WrittenBar(is_pickup=measure.get("implicit") == "yes")
        number = " ".join(measure.get("number", "?")[:12].split())
        where = coded(f"{self._name}, bar {number}", "in_bar", file=self._name, bar=number)
        now = last = Fraction(0)
        for element in measure:
            if element.tag == "note":
                is_grace, is_chord = element.find("grace") is not None, element.find("chord") is not None
                length = Fraction(0) if is_grace else self._length(element, where)
                at = last if is_chord else now
                self._note(bar, element, at, _GRACE if is_grace else length, where)
                if not is_chord and not is_grace:
                    last, now = now, now + length
                elif is_grace and not is_chord:
                    last = now
            elif element.tag in ("backup", "forward"):
                length = self._length(element, where)
                now = max(now - length, Fraction(0)) if element.tag == "backup" else now + length
            elif element.tag == "attributes":
                self._attributes(bar, element)
            elif element.tag in ("direction", "sound"):
                self._direction(bar, element, now)
            elif element.tag == "barline":
                _barline(bar.signs, element)
            bar.length = max(bar.length, now)
            if now.denominator > _FINEST:
                said = f"{where} divides quarters finer than any music does: export it again."
                raise MidiError(said, "score_too_fine", where=where)
        bar.metre = self._state.metre
        if bar.length > MAX_QUARTERS:
            raise MidiError(
                f"{where} lasts {float(bar.length):g} quarters: export it again.",
                "score_bar_too_long",
                where=where,
                quarters=float(bar.length),
            )
        return bar

    def _length(self, element: ET.Element, where: str) -> Fraction:
        length = _fraction(element.findtext("duration") or "0") / self._state.divisions
        if not 0 <= length <= MAX_QUARTERS:
            raise MidiError(
                f"{where} has a duration without meaning ({element.findtext('duration', '')[:20]!r}).",
                "score_duration",
                where=where,
                value=element.findtext("duration", "")[:20],
            )
        return length

    def _note(self, bar: WrittenBar, note: ET.Element, at: Fraction, length: Fraction, where: str) -> None:
        if note.find("rest") is not None:
            return
        if note.find("cue") is not None or note.find("unpitched") is not None:
            self.left_out[_CUE_NOTES if note.find("cue") is not None else _UNPITCHED] += 1
            return
        for mark in note.iterfind("notations/ornaments/*"):
            if mark.tag != "accidental-mark":
                self.left_out[_ORNAMENTS] += 1
        staff = min(max(_integer(note.findtext("staff"), 1), 1), _MOST_STAVES)
        pitch = _pitch(note, where) + self._state.transpose.get(staff, self._state.transpose.get(0, 0))
        if not 0 <= pitch <= 127:
            self.left_out[_BEYOND_MIDI] += 1
            return
        ties = {tie.get("type") for tie in note.findall("tie")}
        velocity = _velocity(note.get("dynamics"), self._state.velocity)
        if length > 0:
            bar.notes.append(Sounding(at, length, pitch, velocity, staff, "stop" in ties, "start" in ties))

    def _attributes(self, bar: WrittenBar, element: ET.Element) -> None:
        if (divisions := element.findtext("divisions")) is not None:
            self._state.divisions = _fraction(divisions)
            if not 0 < self._state.divisions <= 100_000:
                raise MidiError(
                    f"{self._name} counts in {divisions[:20]!r} divisions of a quarter: export it again.",
                    "score_divisions",
                    file=self._name,
                    value=divisions[:20],
                )
        if (time := element.find("time")) is not None:
            self._state.metre = _metre(time)
        if (fifths := element.findtext("key/fifths")) is not None:
            bar.key = _integer(fifths, 0), int((element.findtext("key/mode") or "").strip() == "minor")
        for transpose in element.findall("transpose"):
            steps = _integer(transpose.findtext("chromatic"), 0) + 12 * _integer(transpose.findtext("octave-change"), 0)
            self._state.transpose[_integer(transpose.get("number"), 0)] = steps

    def _direction(self, bar: WrittenBar, element: ET.Element, now: Fraction) -> None:
        sound = element if element.tag == "sound" else element.find("sound")
        offset = _integer(element.findtext("offset"), 0) / self._state.divisions
        at = min(max(now + offset, Fraction(0)), Fraction(MAX_QUARTERS))
        for kind in element.findall("direction-type"):
            for mark in kind:
                if mark.tag == "dynamics":
                    self._state.velocity = next(
                        (_LEVELS[x.tag] for x in mark if x.tag in _LEVELS), self._state.velocity
                    )
                elif mark.tag == "pedal":
                    _pedal(bar, mark.get("type", ""), at)
                elif mark.tag == "metronome" and (qpm := _metronome(mark)) and sound is None:
                    bar.tempos.append((at, qpm))
                elif mark.tag in ("segno", "coda"):
                    setattr(bar.signs, mark.tag, mark.get("id") or mark.tag)
                elif mark.tag == "words" and sound is None:
                    _words(bar.signs, mark.text or "")
        if sound is not None:
            self._sound(bar, sound, at)

    def _sound(self, bar: WrittenBar, sound: ET.Element, at: Fraction) -> None:
        qpm = _number(sound.get("tempo"))
        if 4 <= qpm <= 1000:
            bar.tempos.append((at, qpm))
        self._state.velocity = _velocity(sound.get("dynamics"), self._state.velocity)
        if (pedal := sound.get("damper-pedal")) is not None:
            _pedal(bar, "stop" if pedal in ("no", "0") else "start", at)
        signs = bar.signs
        signs.is_da_capo |= sound.get("dacapo") == "yes"
        signs.is_fine |= sound.get("fine") is not None
        signs.segno = sound.get("segno") or signs.segno
        signs.coda = sound.get("coda") or signs.coda
        signs.dal_segno = sound.get("dalsegno") or signs.dal_segno
        signs.to_coda = sound.get("tocoda") or signs.to_coda


def _barline(signs: Signs, element: ET.Element) -> None:
    for mark in element:
        if mark.tag == "repeat" and mark.get("direction") == "forward":
            signs.is_repeat_start = True
        elif mark.tag == "repeat":
            signs.repeat_times = min(max(_integer(mark.get("times"), 2), 2), MAX_TIMES)
        elif mark.tag == "ending" and mark.get("type") == "start":
            numbers = {min(int(number), MAX_TIMES) for number in re.findall(r"\d{1,3}", mark.get("number", "1"))}
            signs.endings = frozenset(numbers - {0} or {1})
        elif mark.tag == "ending":
            signs.is_ending_end = True
        elif mark.tag in ("segno", "coda"):
            setattr(signs, mark.tag, mark.get("id") or mark.tag)


def _words(signs: Signs, text: str) -> None:
    """Understand the jumps of files that print them without saying what they do."""
    plain = re.sub(r"[^a-z ]", "", text.lower()).strip()
    if re.match(r"(dc\b|da capo)", plain):
        signs.is_da_capo = True
    elif re.match(r"(ds\b|dal segno)", plain):
        signs.dal_segno = signs.dal_segno or "segno"
    elif plain == "fine":
        signs.is_fine = True
    elif re.match(r"to coda", plain):
        signs.to_coda = signs.to_coda or "coda"


def _pedal(bar: WrittenBar, kind: str, at: Fraction) -> None:
    if kind in ("stop", "change", "discontinue"):
        bar.pedals.append((at, False))
    if kind in ("start", "sostenuto", "change", "resume"):
        bar.pedals.append((at, True))


def _metre(time: ET.Element) -> Metre | None:
    """Return a time signature; several that stand together are added up; None: free, or one that makes no sense."""
    total, finest = Fraction(0), 1
    for beats, kind in zip(time.findall("beats"), time.findall("beat-type"), strict=False):
        numbers = re.fullmatch(r"\d{1,3}( *\+ *\d{1,3})*", (beats.text or "").strip())
        unit = _integer(kind.text, 0)
        if numbers is None or unit not in (1, 2, 4, 8, 16, 32, 64):
            return None
        total += Fraction(sum(map(int, re.findall(r"\d+", numbers[0]))), unit)
        finest = max(finest, unit)
    numerator = total * finest
    return (int(numerator), finest) if 1 <= numerator <= 255 else None


def _pitch(note: ET.Element, where: str) -> int:
    step = (note.findtext("pitch/step") or "").strip()
    octave, alter = note.findtext("pitch/octave"), _number(note.findtext("pitch/alter") or "0")
    if step not in _SEMITONES or octave is None or abs(alter) > 4:
        raise MidiError(f"{where} has a note without a pitch: export it again.", "score_no_pitch", where=where)
    return (_integer(octave, -9) + 1) * 12 + _SEMITONES[step] + round(alter)


def _metronome(mark: ET.Element) -> float:
    """Return quarters a minute of a printed tempo, 0 where it does not say."""
    unit = _UNITS.get((mark.findtext("beat-unit") or "").strip())
    found = re.search(r"\d+(\.\d+)?", mark.findtext("per-minute") or "")
    if unit is None or found is None:
        return 0.0
    qpm = float(found[0]) * float(unit * (2 - Fraction(1, 2 ** len(mark.findall("beat-unit-dot")))))
    return qpm if 4 <= qpm <= 1000 else 0.0


def _velocity(dynamics: str | None, otherwise: int) -> int:
    """Turn a share of forte, in percent, into a velocity."""
    percent = _number(dynamics)
    return min(max(round(percent * 0.9), 1), 127) if percent > 0 else otherwise


def _fraction(text: str) -> Fraction:
    """Return a decimal number, -1 where there is none; `1e99999999`, which Fraction takes, would never end."""
    plain = text.strip()
    return Fraction(plain) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,6})?", plain) else Fraction(-1)


def _number(text: str | None) -> float:
    try:
        value = float((text or "").strip())
    except ValueError:
        return 0.0
    return value if abs(value) < 1e9 else 0.0


def _integer(text: str | None, otherwise: int) -> int:
    try:
        value = int((text or "").strip())
    except ValueError:
        return otherwise
    return value if abs(value) < 10**9 else otherwise
