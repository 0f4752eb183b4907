"""Which notes of a staff form a voice: one voice where nothing overlaps, a second one for what is held or comes in.

A voice is drawn as one row of chords and rests. Notes of one onset and one length are a chord. What overlaps goes to
another voice, the higher notes to the upper one, each voice moving as little as it can (a beam search, note by note).
A voice may take a note that overlaps its others at a price: the chord is then cut and tied, which says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pianomuse.notation.measures import UNITS
from pianomuse.notation.rhythm import WrittenNote

MAX_VOICES = 4
"""Per staff; as many as MuseScore has."""
_BEAM = 24
_COST_OF_VOICE = (0.0, 0.6, 4.0, 8.0)  # per chord in the voice
_COST_OF_CUT = 5.0
_COST_OF_CROSSING = 1.5
_COST_OF_LEAP = 0.04  # per semitone
_COST_OF_REST = 0.25  # per quarter between two notes of a voice, at most two quarters
_COST_OF_SAME_KEY = 1000.0


class Chord(NamedTuple):
    """Notes that start and end together; `graces` lead into it."""

    onset: int
    end: int
    notes: tuple[WrittenNote, ...]
    graces: tuple[WrittenNote, ...]

    @property
    def top(self) -> int:
        """Its highest pitch."""
        return self.notes[-1].pitch

    @property
    def bottom(self) -> int:
        """Its lowest pitch."""
        return self.notes[0].pitch


@dataclass(frozen=True)
class _State:
    """What the voices hold at some chord: indices of the chords of each that may still sound, newest last."""

    cost: float
    voices: tuple[tuple[int, ...], ...]
    choice: int = 0
    before: _State | None = None


def split_voices(notes: Sequence[WrittenNote]) -> list[list[Chord]]:
    """Deal the notes of one staff to voices, the upper one first: at most `MAX_VOICES` rows of chords by onset.

    Args:
        notes: of the staff, by onset; grace notes before the note they lead into.
    """
    voices: list[list[Chord]] = [[] for _ in range(MAX_VOICES)]
    for cluster in _clusters(_chords(notes)):
        for chord, voice in zip(cluster, _deal(cluster), strict=True):
            voices[voice].append(chord)
    return voices


def _chords(notes: Sequence[WrittenNote]) -> list[Chord]:
    """Gather notes of one onset and one end, the higher chord of an onset first."""
    found: dict[tuple[int, int], list[WrittenNote]] = {}
    graces: dict[int, list[WrittenNote]] = {}
    for note in notes:
        if note.is_grace:
            graces.setdefault(note.onset, []).append(note)
        else:
            found.setdefault((note.onset, note.end), []).append(note)
    chords = [
        Chord(onset, end, tuple(sorted(group, key=lambda note: note.pitch)), ())
        for (onset, end), group in found.items()
    ]
    chords.sort(key=lambda chord: (chord.onset, -chord.top))
    for onset, before in graces.items():
        here = [i for i, chord in enumerate(chords) if chord.onset == onset]
        led_to = min(here, key=lambda i: min(abs(note.pitch - before[-1].pitch) for note in chords[i].notes))
        chords[led_to] = chords[led_to]._replace(graces=tuple(before))
    return chords


def _clusters(chords: Sequence[Chord]) -> list[list[Chord]]:
    """Cut where nothing sounds on: in a cluster, every chord overlaps one before it."""
    clusters: list[list[Chord]] = []
    end = -1
    for chord in chords:
        if chord.onset >= end:
            clusters.append([])
        clusters[-1].append(chord)
        end = max(end, chord.end)
    return clusters


def _deal(cluster: Sequence[Chord]) -> list[int]:
    """Return the voice of each chord of a cluster."""
    if len(cluster) == 1:
        return [0]
    states = [_State(0.0, ((),) * MAX_VOICES)]
    for index, chord in enumerate(cluster):
        grown: dict[tuple[tuple[int, ...], ...], _State] = {}
        for state in states:
            rows = [[cluster[held] for held in row] for row in state.voices]
            for voice in range(MAX_VOICES):
                cost = state.cost + _cost(chord, voice, rows)
                voices = list(state.voices)
                sounding = tuple(held for held in voices[voice] if cluster[held].end > chord.onset)
                voices[voice] = (*(sounding or voices[voice][-1:]), index)
                key = tuple(voices)
                if key not in grown or cost < grown[key].cost:
                    grown[key] = _State(cost, key, voice, state)
        states = sorted(grown.values(), key=lambda state: state.cost)[:_BEAM]
    choices = []
    last: _State | None = states[0]
    while last is not None and last.before is not None:
        choices.append(last.choice)
        last = last.before
    return choices[::-1]


def _cost(chord: Chord, voice: int, voices: Sequence[Sequence[Chord]]) -> float:
    """Return what it costs to write a chord in a voice."""
    cost = _COST_OF_VOICE[voice]
    own = voices[voice]
    for held in own:
        if held.end > chord.onset:
            cost += _COST_OF_CUT
            if {note.pitch for note in held.notes} & {note.pitch for note in chord.notes}:
                cost += _COST_OF_SAME_KEY
    if own:
        last = own[-1]
        cost += _COST_OF_LEAP * abs(chord.top - last.top if voice == 0 else chord.bottom - last.bottom)
        cost += _COST_OF_REST * min(max(chord.onset - last.end, 0) / UNITS, 2.0)
    for other, row in enumerate(voices):
        for held in row if other != voice else ():
            if held.end > chord.onset:
                is_crossed = chord.top > held.bottom if voice > other else chord.bottom < held.top
                cost += _COST_OF_CROSSING * is_crossed
    return cost
