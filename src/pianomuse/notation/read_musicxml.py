"""Read sheet music (MusicXML) as a MIDI file: what is written, in the order in which it is heard.

One track a staff, with the name and the sound of its part; ties joined; repeats, endings and jumps played out; a bar as
long as what stands in it. Grace notes are short strokes on the beat of the note they lead to.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from pathlib import Path
from xml.etree import ElementTree as ET

from pianomuse.coded import Coded, coded
from pianomuse.errors import MidiError
from pianomuse.midi.bars import MAX_BARS, Metre
from pianomuse.midi.events import (
    KEY_SIGNATURE,
    TEMPO,
    TIME_SIGNATURE,
    TRACK_NAME,
    Event,
    chunk_bytes,
    file_bytes,
    meta,
)
from pianomuse.midi.read import MAX_NOTES, Piece, read_midi
from pianomuse.notation.play_order import Signs, play_order
from pianomuse.notation.written_bars import PartReader, Sounding, WrittenBar
from pianomuse.notation.xml_file import open_musicxml

SUFFIXES = (".musicxml", ".xml", ".mxl")
MAX_PARTS = 60
_Row = list[Fraction | int]
"""A note: onset, end, pitch, velocity, staff."""
_Waiting = defaultdict[tuple[int, Fraction | int], dict[int, deque[_Row]]]
"""Notes that a tie leads on from, by pitch and end, then by staff."""
_COARSEST, _FINEST = 480, 32_767  # ticks per quarter
_SHORTEST = Fraction(1, 16)  # of a quarter: into whole numbers of this a bar's length is rounded


@dataclass(frozen=True)
class SheetMusic:
    """A read file: standard MIDI bytes, how many bars are written and heard, and what there is to say about it."""

    midi: bytes
    n_written: int
    n_heard: int
    warnings: tuple[Coded, ...]


def is_sheet_music(path: str | Path) -> bool:
    """Tell by a file's name whether it is MusicXML."""
    return Path(path).suffix.lower() in SUFFIXES


def read_piece(source: Path | str | bytes, *, first_downbeat_ticks: int | None = None) -> Piece:
    """Read a piece from a MIDI file, or from sheet music where its name, or the beginning of its bytes, says so.

    Raises:
        MidiError: not readable; one sentence says what, where and what to do.
    """
    is_sheet = (
        source.lstrip()[:1] == b"<" or source[:2] == b"PK" if isinstance(source, bytes) else is_sheet_music(source)
    )
    if not is_sheet:
        return read_midi(source, first_downbeat_ticks=first_downbeat_ticks)
    path = None if isinstance(source, bytes) else Path(source)
    sheet = read_musicxml(source if isinstance(source, bytes) else Path(source))
    read = read_midi(sheet.midi, first_downbeat_ticks=first_downbeat_ticks)
    warnings = (*sheet.warnings, *read.warnings)
    return Piece(path, read.data, read.score, read.track_of_note, read.tracks, read.grid, warnings)


def read_musicxml(source: Path | bytes) -> SheetMusic:
    """Read a MusicXML file (.musicxml, .xml, .mxl).

    Raises:
        MidiError: not readable as sheet music.
    """
    root, name = open_musicxml(source)
    parts = root.findall("part")
    if not 1 <= len(parts) <= MAX_PARTS:
        raise MidiError(
            f"{name} has {len(parts)} parts: give a score with 1 to {MAX_PARTS}.",
            "score_parts",
            file=name,
            parts=len(parts),
            most=MAX_PARTS,
        )
    readers = [PartReader(name) for _ in parts]
    measures = [part.findall("measure") for part in parts]
    n_bars = max(map(len, measures))
    if not n_bars:
        raise MidiError(f"{name} has no bars: export it again.", "score_no_bars", file=name)
    if n_bars > MAX_BARS:
        said = f"{name} has more than {MAX_BARS:,} bars: give a shorter piece."
        raise MidiError(said, "score_bars_too_many", file=name, most=MAX_BARS)
    written = [[reader.read(bar) for bar in bars] for reader, bars in zip(readers, measures, strict=True)]
    for bars in written:
        bars += [WrittenBar() for _ in range(n_bars - len(bars))]
    order = play_order([_together([bars[i].signs for bars in written]) for i in range(n_bars)])
    lengths = [_length([bars[i] for bars in written]) for i in range(n_bars)]
    if sum(len(bars[i].notes) for bars in written for i in order) > MAX_NOTES:
        raise MidiError(
            f"{name} has more than {MAX_NOTES:,} notes: give a shorter piece.",
            "score_notes_too_many",
            file=name,
            most=MAX_NOTES,
        )
    warnings = _warnings(order, n_bars, [reader.left_out for reader in readers])
    if not any(bar.notes for bars in written for bar in bars):
        raise MidiError(f"{name} has no notes: give a score with at least one.", "score_no_notes", file=name)
    midi, more = _Writer(root, parts, written, order, lengths).file()
    return SheetMusic(midi, n_bars, len(order), (*warnings, *more))


def _together(signs: Sequence[Signs]) -> Signs:
    """Return the signs of all parts at one bar; files may write them in one part only."""
    first, *others = signs
    for other in others:
        for name, value in vars(other).items():
            if not getattr(first, name):
                setattr(first, name, value)
    return first


def _length(bars: Sequence[WrittenBar]) -> tuple[Fraction, Metre]:
    """Return the length of a bar, and its metre: as written, or the one that its length makes."""
    metre = next((bar.metre for bar in bars if bar.metre is not None), None)
    whole = Fraction(4 * metre[0], metre[1]) if metre is not None else Fraction(0)
    length = max(bar.length for bar in bars) or whole or Fraction(4)
    if metre is not None and length == whole:
        return length, metre
    steps = max(round(length / _SHORTEST), 1)
    denominator = next(d for d in (4, 8, 16, 32, 64) if steps * d % 64 == 0)
    if (numerator := steps * denominator // 64) > 255:
        return steps * _SHORTEST, metre or (4, 4)
    return steps * _SHORTEST, (numerator, denominator)


def _warnings(order: Sequence[int], n_bars: int, left_out: Iterable[Counter[Coded]]) -> list[Coded]:
    found = []
    if list(order) != list(range(n_bars)):
        said = f"Repeats and jumps are played out: {n_bars} written bars are {len(order)} heard."
        found.append(coded(said, "repeats_played", written=n_bars, heard=len(order)))
        if missing := n_bars - len(set(order)):
            said = f"Bars that no pass through the repeats reaches: {missing}."
            found.append(coded(said, "bars_not_reached", n=missing))
    total: Counter[Coded] = Counter()
    for counts in left_out:
        total.update(counts)
    for what, count in total.items():
        found.append(coded(f"Not read: {count} {what}.", "signs_not_read", n=count, what=what))
    return found


class _Writer:
    """Turns bars in the order they are heard into the chunks of a MIDI file."""

    def __init__(
        self,
        root: ET.Element,
        parts: Sequence[ET.Element],
        written: Sequence[Sequence[WrittenBar]],
        order: Sequence[int],
        lengths: Sequence[tuple[Fraction, Metre]],
    ) -> None:
        self._names = {part.get("id", ""): part for part in root.iterfind("part-list/score-part")}
        self._parts, self._written, self._order, self._lengths = parts, written, order, lengths
        starts, now = [], Fraction(0)
        for index in order:
            starts.append(now)
            now += lengths[index][0]
        self._starts, self._end = starts, now
        places = {f for bars in written for bar in bars for n in bar.notes for f in (n.onset, n.duration)}
        exact = _common({place.denominator for place in (*places, *(length for length, _ in lengths))})
        self._quarter = exact * -(-_COARSEST // exact) if exact <= _FINEST else 10_080
        self._is_exact = exact <= _FINEST

    def file(self) -> tuple[bytes, list[Coded]]:
        """Return the MIDI file and what there is to say."""
        chunks = [chunk_bytes(self._conductor(), self._tick(self._end))]
        channel = 0
        n_open = 0
        for part, bars in zip(self._parts, self._written, strict=True):
            channel += channel == 9  # drums
            name, program = self._sound_of(part)
            staves = sorted({note.staff for bar in bars for note in bar.notes}) or [1]
            joined, open_ties = self._joined(bars)
            n_open += open_ties
            for number, staff in enumerate(staves):
                title = name if len(staves) != 2 else f"{name}, {('right hand', 'left hand')[number]}"
                events = self._track([note for note in joined if note[4] == staff], channel % 16)
                if number == len(staves) - 1:
                    events += self._pedals(bars, channel % 16)
                head = [(0, meta(TRACK_NAME, title.encode())), (0, bytes((0xC0 | channel % 16, program)))]
                chunks.append(chunk_bytes([*head, *sorted(events, key=_in_order)], self._tick(self._end)))
            channel += 1
        said = [] if self._is_exact else [coded("Rhythms finer than MIDI can say are rounded.", "rhythms_rounded")]
        if n_open:
            said.append(coded(f"Ties without a note to go on to: {n_open}.", "ties_open", n=n_open))
        return file_bytes(chunks, self._quarter), said

    def _tick(self, quarters: Fraction) -> int:
        return round(quarters * self._quarter)

    def _sound_of(self, part: ET.Element) -> tuple[str, int]:
        """Return the name of a part, and its MIDI program: a piano's where it does not say."""
        listed = self._names.get(part.get("id", ""))
        if listed is None:
            return "Piano", 0
        name = " ".join((listed.findtext("part-name") or "Piano").split())[:60]
        text = (listed.findtext("midi-instrument/midi-program") or "1").strip()
        program = int(text) - 1 if re.fullmatch(r"[0-9]{1,3}", text) and 1 <= int(text) <= 128 else 0
        return name or "Piano", program

    def _joined(self, bars: Sequence[WrittenBar]) -> tuple[list[tuple[Fraction, Fraction, int, int, int]], int]:
        """Return the notes of a part as onset, end, pitch, velocity, staff; tied ones as one; and ties left open."""
        found: list[_Row] = []
        waiting: _Waiting = defaultdict(dict)
        for start, index in zip(self._starts, self._order, strict=True):
            for note in sorted(bars[index].notes, key=lambda note: note.onset):
                onset = start + note.onset
                row = _continued(waiting, onset, note) if note.is_tied_from else None
                if row is None:
                    row = [onset, onset, note.pitch, note.velocity, note.staff]
                    found.append(row)
                row[1] = onset + note.duration
                if note.is_tied_on:
                    waiting[note.pitch, row[1]].setdefault(int(row[4]), deque()).append(row)
        rows = [(Fraction(a), Fraction(b), int(p), int(v), int(s)) for a, b, p, v, s in found]
        return rows, sum(len(rows) for staves in waiting.values() for rows in staves.values())

    def _track(self, notes: Iterable[tuple[Fraction, Fraction, int, int, int]], channel: int) -> list[Event]:
        events: list[Event] = []
        for onset, end, pitch, velocity, _ in notes:
            on, off = self._tick(onset), max(self._tick(end), self._tick(onset) + 1)
            events.append((on, bytes((0x90 | channel, pitch, velocity))))
            events.append((off, bytes((0x80 | channel, pitch, 0))))
        return events

    def _pedals(self, bars: Sequence[WrittenBar], channel: int) -> list[Event]:
        return [
            (self._tick(start + at) + is_down, bytes((0xB0 | channel, 64, 127 * is_down)))
            for start, index in zip(self._starts, self._order, strict=True)
            for at, is_down in bars[index].pedals
        ]

    def _conductor(self) -> list[Event]:
        """Return metres, keys and tempos as they are heard."""
        rows: list[Event] = []
        metre: Metre | None = None
        key: tuple[int, int] | None = None
        qpm = 0.0
        for start, index in zip(self._starts, self._order, strict=True):
            tick = self._tick(start)
            if (here := self._lengths[index][1]) != metre:
                metre = here
                rows.append((tick, meta(TIME_SIGNATURE, bytes((metre[0], metre[1].bit_length() - 1, 24, 8)))))
            new_key = next((bars[index].key for bars in self._written if bars[index].key is not None), None)
            if new_key is not None and new_key != key and -7 <= new_key[0] <= 7:
                key = new_key
                rows.append((tick, meta(KEY_SIGNATURE, bytes((key[0] % 256, key[1])))))
            for at, new in sorted(tempo for bars in self._written for tempo in bars[index].tempos):
                if new != qpm:
                    qpm = new
                    rows.append((self._tick(start + at), meta(TEMPO, round(60e6 / new).to_bytes(3, "big"))))
        return sorted(rows, key=lambda row: row[0])


def _common(denominators: Iterable[int]) -> int:
    """Return what all of them divide, or one that is too fine already."""
    found = 1
    for denominator in denominators:
        if (found := lcm(found, denominator)) > _FINEST:
            break
    return found


def _continued(waiting: _Waiting, onset: Fraction, note: Sounding) -> _Row | None:
    """Take the note that a tie comes from out of those that wait: one that ends here, on its own staff if there is."""
    staves = waiting.get((note.pitch, onset))
    if not staves:
        return None
    staff = note.staff if note.staff in staves else next(iter(staves))
    row = staves[staff].popleft()
    if not staves[staff]:
        del staves[staff]
    return row


def _in_order(event: Event) -> tuple[int, int]:
    """Notes end before others begin."""
    return event[0], 0 if event[1][0] & 0xF0 == 0x80 else 1
