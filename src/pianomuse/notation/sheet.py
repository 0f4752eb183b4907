"""A page of sheet music: the parts, their staves, and what stands in every bar."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from symusic import Score

from pianomuse.errors import MidiError
from pianomuse.midi.bars import BarGrid, Metre
from pianomuse.notation.layout import StaffBar, lay_bar
from pianomuse.notation.marks import Mark, clefs, dynamics_marks, pedal_marks, tempo_marks
from pianomuse.notation.measures import Measure, measure_at, measures, without_leading_rest
from pianomuse.notation.metre import bar_tree, choose_groups
from pianomuse.notation.rhythm import WrittenNote, written_notes
from pianomuse.notation.spelling import Key, Spelled, key_of, spell
from pianomuse.notation.staves import VOICE
from pianomuse.notation.voices import Chord, split_voices

MAX_HEADS = 300_000
"""On a page: a note that is held has one in each bar, and wherever another one of its voice begins or ends."""
_LOWEST = 12


@dataclass(frozen=True)
class Staff:
    """One staff: per bar its clef (G or F) and what stands in it."""

    clefs: list[str]
    bars: list[StaffBar]


@dataclass(frozen=True)
class Part:
    """One part: a piano with two staves, or a voice with one; its marks stand with its first or last staff."""

    name: str
    staves: list[Staff]


@dataclass(frozen=True)
class Sheet:
    """A whole page; `keys` has one key per bar.

    `n_left_out` notes of the file are not on it: below C0, which MusicXML cannot say, or so close to another strike of
    their key that both fall on one place. `is_end` tells whether the piece ends with its last bar.
    """

    title: str
    measures: list[Measure]
    keys: list[Key]
    parts: list[Part]
    tempos: list[Mark]
    dynamics: list[Mark]
    pedals: list[Mark]
    is_approximate: bool
    n_left_out: int
    is_end: bool = True


def lay_out(score: Score, grid: BarGrid, *, title: str = "", is_played: bool = False) -> Sheet:
    """Lay a piece out as sheet music.

    Args:
        score: one track per staff, as `staves` makes it; in a performance with its onsets already on their rhythm.
        grid: its bars.
        title: over the music.
        is_played: the notes come from a performance: their ends are loose, and the page says that it is approximate.

    Raises:
        MidiError: more is held at once than can be printed.
    """
    bars = measures(grid)
    written = [
        [note for note in written_notes(track, bars, is_played=is_played) if note.pitch >= _LOWEST]
        for track in score.tracks
    ]
    n_left_out = sum(len(track.notes) for track in score.tracks) - sum(len(notes) for notes in written)
    bars = without_leading_rest(bars, min((notes[0].onset for notes in written if notes), default=0))
    voices = [split_voices(notes) for notes in written]
    _require_printable(voices, bars)
    keys = _keys(score, bars, written)
    names = _names(written, voices, bars, keys)
    groups = _groups(bars, written)
    staves = []
    for index, track in enumerate(score.tracks):
        usual = "F" if index + 1 == len(score.tracks) else "G"
        per_bar = _chords_per_bar(voices[index], bars)
        laid = [
            lay_bar(chords, bar, bar_tree(bar.metre, groups.get(bar.metre, ())), key, names[index])
            for chords, bar, key in zip(per_bar, bars, keys, strict=True)
        ]
        staves.append((track.name, Staff(clefs(written[index], bars, usual), laid)))
    parts = [Part(VOICE, [staff]) for name, staff in staves if name == VOICE]
    parts.append(Part("Piano", [staff for name, staff in staves if name != VOICE]))
    everything = sorted(note for notes in written for note in notes)
    tempos, dynamics, pedals = tempo_marks(score, bars), dynamics_marks(everything, bars), pedal_marks(score, bars)
    return Sheet(title, bars, keys, parts, tempos, dynamics, pedals, is_played, n_left_out)


def _require_printable(voices: Sequence[Sequence[Sequence[Chord]]], bars: Sequence[Measure]) -> None:
    """Refuse notes held in such numbers over so many others that nobody could read, or wait for, the page."""
    n_heads = 0
    for chords in (chords for staff in voices for chords in staff):
        borders = sorted({place for chord in chords for place in chord[:2]} | {bar.start for bar in bars})
        for chord in chords:
            n_heads += len(chord.notes) * (bisect_left(borders, chord.end) - bisect_left(borders, chord.onset))
    if n_heads > MAX_HEADS:
        raise MidiError(
            f"The page would have more than {MAX_HEADS:,} noteheads, so many notes are held at once: shorten them.",
            "page_too_full",
            most=MAX_HEADS,
        )


def _keys(score: Score, bars: Sequence[Measure], written: Sequence[Sequence[WrittenNote]]) -> list[Key]:
    """Return the key of each bar: by the file's signatures, in their mode by the notes; without any, by the notes."""
    changes: dict[int, int | None] = {0: None}
    for event in sorted(score.key_signatures, key=lambda event: event.time):
        changes[measure_at(bars, int(event.time) + 1)] = int(event.key)
    firsts = sorted(changes)
    keys: list[Key] = []
    for first, after in zip(firsts, [*firsts[1:], len(bars)], strict=True):
        low, high = bars[first].start, bars[after - 1].end
        notes = [note for staff in written for note in staff if low <= note.onset < high and not note.is_grace]
        sharps = changes[first]
        if not notes:
            key = Key(sharps or 0, is_minor=False)
        else:
            sharps = sharps if sharps is not None or not keys else keys[-1].sharps
            key = key_of([n.pitch for n in notes], [n.end - n.onset for n in notes], sharps)
        if len(firsts) > 1 and sharps is not None:
            key = key._replace(sharps=sharps)  # a signature among others is meant
        keys += [key] * (after - first)
    return keys


def _names(
    written: Sequence[Sequence[WrittenNote]],
    voices: Sequence[Sequence[Sequence[Chord]]],
    bars: Sequence[Measure],
    keys: Sequence[Key],
) -> list[dict[WrittenNote, Spelled]]:
    """Name the notes of all staves together; returns the names for each staff."""
    order = sorted((note, staff) for staff, notes in enumerate(written) for note in notes)
    place_of = {entry: index for index, entry in enumerate(order)}
    next_of = [-1] * len(order)
    for staff, rows in enumerate(voices):
        for row in rows:
            lines = [list(group) for chord in row for group in (*((g,) for g in chord.graces), chord.notes)]
            for here, there in pairwise(lines):
                for note in here:
                    near = min(there, key=lambda other: abs(other.pitch - note.pitch))
                    next_of[place_of[note, staff]] = place_of[near, staff]
    starts = [bar.start for bar in bars]
    key_at = [keys[max(bisect_right(starts, note.onset) - 1, 0)] for note, _ in order]
    named = spell([note for note, _ in order], key_at, next_of)
    found: list[dict[WrittenNote, Spelled]] = [{} for _ in written]
    for (note, staff), name in zip(order, named, strict=True):
        found[staff][note] = name
    return found


def _groups(bars: Sequence[Measure], written: Sequence[Sequence[WrittenNote]]) -> dict[Metre, tuple[int, ...]]:
    """Return how the piece groups the beats of its odd metres."""
    onsets = sorted({note.onset for notes in written for note in notes})
    inside: dict[Metre, list[int]] = {}
    for bar in bars:
        here = onsets[bisect_left(onsets, bar.start) : bisect_left(onsets, bar.end)]
        inside.setdefault(bar.metre, []).extend(onset - bar.start + bar.offset for onset in here)
    return {metre: choose_groups(metre, places) for metre, places in inside.items()}


def _chords_per_bar(rows: Sequence[Sequence[Chord]], bars: Sequence[Measure]) -> list[list[list[Chord]]]:
    """Deal the chords of each voice to all bars in which they sound."""
    starts = [bar.start for bar in bars]
    found: list[list[list[Chord]]] = [[[] for _ in rows] for _ in bars]
    for voice, row in enumerate(rows):
        for chord in row:
            first = max(bisect_right(starts, chord.onset) - 1, 0)
            for index in range(first, bisect_left(starts, chord.end)):
                found[index][voice].append(chord)
    return found
