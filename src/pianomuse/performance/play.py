"""New bars played into a recording: in its tempo as it was shaped, spliced among its own events, which all stay.

Where music follows, the composer's own beats stand and the new notes lie on them. Where nothing follows, the tempo
goes on as it prevailed, and every bar is shaped as the bars before were on the average. How late, how even and how
legato notes are, how loud, and the pedal, the idea has already; chords are spread as the composer spread them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pianomuse.midi.additions import NewNote, NewPedal
from pianomuse.midi.idea import idea_file
from pianomuse.midi.read import Piece, read_midi
from pianomuse.midi.recording import Recording
from pianomuse.midi.splice import insert_span, replace_span
from pianomuse.performance.clock import seconds_of
from pianomuse.performance.strikes import find_strikes

_SHAPE_BARS = 32
_SHAPE_DOUBT = 4.0  # a mean over so many bars counts by a half
_MOST_LEAD_S = 0.05

Floats = NDArray[np.float64]


class Player:
    """Play ideas for one place of a recording.

    Args:
        piece: the recording on its bars.
        from_tick: where new bars begin, on bars.
        to_tick: where they end.
        beat_ticks: of the new bars.
        bar_lines: of the new bars, on bars.
        mspq: tempo of the new bars where nothing follows, microseconds per quarter.
        is_inserted: what follows comes later.

    """

    def __init__(
        self,
        piece: Piece,
        from_tick: int,
        to_tick: int,
        beat_ticks: int,
        bar_lines: Sequence[int],
        mspq: float,
        *,
        is_inserted: bool = False,
    ) -> None:
        """Lay the beats of the new bars in the file's time."""
        if piece.recording is None:
            raise ValueError("not a recording on found bars")
        self._recording = piece.recording
        self._file = read_midi(piece.recording.data)
        self._span = from_tick, to_tick
        self._is_inserted = is_inserted
        onset = self._recording.on_bars(self._file.score.tracks[0].notes.numpy()["time"])
        self._goes_on = is_inserted or not bool((np.round(onset) >= from_tick).any())
        self._lines, self._at = self._beats(beat_ticks, bar_lines, mspq, piece.grid.ticks_per_quarter)
        self._lead = _leads(self._file) * piece.recording.ticks_per_second

    def whole(
        self, notes: Sequence[NewNote], pedals: Sequence[NewPedal], stays: Collection[tuple[int, int]] = ()
    ) -> bytes:
        """Return the composer's file with the new notes; all its own events are as they were."""
        start, stop = self._ends()
        new, moves = self._played(notes, start, stop), self._pedals(pedals, start, stop)
        if self._is_inserted:
            return insert_span(self._file, start, stop - start, new, moves)
        own = _own_notes(self._file, self._recording, stays)
        return replace_span(self._file, start, stop, new, moves, stays=own)

    def alone(self, notes: Sequence[NewNote], pedals: Sequence[NewPedal], text: str) -> bytes:
        """Return a file of the new notes alone, as they are played."""
        start, stop = self._ends()
        new, moves = self._played(notes, start, stop), self._pedals(pedals, start, stop)
        return idea_file(self._file, start, stop, new, moves, text)

    def _beats(
        self, beat: int, bar_lines: Sequence[int], mspq: float, quarter: int
    ) -> tuple[NDArray[np.int64], Floats]:
        """Return ticks on bars of the new beats, and where they are in the file."""
        recording, (start, stop) = self._recording, self._span
        lines, place = [start], [0]
        for line, following in pairwise(bar_lines):
            for number, tick in enumerate(range(line, following, beat)):
                if tick > start:
                    lines.append(tick)
                    place.append(number)
        if not self._goes_on:
            ticks = np.array([*lines, stop])
            return ticks, recording.in_file(ticks)
        if start != bar_lines[0]:
            place[0] = (start - bar_lines[0]) // beat
        shape = _bar_shape(recording, beat, bar_lines[-1] - bar_lines[-2])
        lengths = np.diff([*lines, stop]) / quarter * mspq / 1e6 * recording.ticks_per_second
        lengths = lengths * np.array([shape[number % len(shape)] for number in place])
        return np.array([*lines, stop]), recording.in_file(start) + np.concatenate([[0.0], np.cumsum(lengths)])

    def _ends(self) -> tuple[int, int]:
        start = max(int(np.ceil(self._at[0])), 0)
        return start, max(int(np.ceil(self._at[-1])), start + 1)

    def _tick(self, on_bars: Floats) -> Floats:
        inside = np.interp(on_bars, self._lines, self._at)
        step = (self._at[-1] - self._at[-2]) / (self._lines[-1] - self._lines[-2])
        return np.where(on_bars > self._lines[-1], self._at[-1] + (on_bars - self._lines[-1]) * step, inside)

    def _played(self, notes: Sequence[NewNote], start: int, stop: int) -> list[NewNote]:
        if not notes:
            return []
        onset = self._tick(np.array([note.tick for note in notes], dtype=np.float64))
        end = self._tick(np.array([note.tick + note.duration_ticks for note in notes], dtype=np.float64))
        onset = onset + self._spread(notes, onset)
        on = np.clip(np.round(onset), start, stop - 1).astype(int)
        off = np.maximum(np.round(end), on + 1).astype(int)
        return [
            replace(note, tick=int(a), duration_ticks=int(b - a)) for note, a, b in zip(notes, on, off, strict=True)
        ]

    def _spread(self, notes: Sequence[NewNote], onset: Floats) -> Floats:
        """Return how much later than its chord every note is, as the composer plays bass, middle and top."""
        late = np.zeros(len(notes))
        near = 0.06 * self._recording.ticks_per_second
        order = np.argsort(onset, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(onset[order]) > near) + 1):
            if len(group) > 1:
                pitches = [notes[index].pitch for index in group]
                late[group[int(np.argmax(pitches))]] = self._lead[1]
                late[group[int(np.argmin(pitches))]] = self._lead[0]
        return late

    def _pedals(self, pedals: Sequence[NewPedal], start: int, stop: int) -> list[NewPedal]:
        ticks = np.round(self._tick(np.array([pedal.tick for pedal in pedals], dtype=np.float64)))
        return [
            replace(pedal, tick=int(np.clip(tick, start, stop - 1))) for pedal, tick in zip(pedals, ticks, strict=True)
        ]


def _bar_shape(recording: Recording, beat: int, bar: int) -> Floats:
    """Return how long each beat of a bar is against the bar's mean, over the last bars: float64 [beats], mean 1."""
    n_beats = max(bar // beat, 1)
    duration = np.diff(recording.file_ticks)
    place = recording.grid_ticks[:-1] % bar // beat
    first = np.flatnonzero(place == 0)
    rows = [duration[at : at + n_beats] for at in first if at + n_beats <= len(duration) - 2][-_SHAPE_BARS:]
    if not rows:
        return np.ones(n_beats)
    logs = np.log([row / row.mean() for row in rows])
    mean = np.median(logs, axis=0) * len(rows) / (len(rows) + _SHAPE_DOUBT)
    shape: Floats = np.exp(mean)
    evened: Floats = shape / shape.mean()
    return evened


def _leads(piece: Piece) -> Floats:
    """Return how much later than their chord the composer strikes the bass and the top, in seconds: float64 [2]."""
    onset, end, pitch = seconds_of(piece)
    strikes = find_strikes(onset, end, pitch)
    own = strikes.strike_of
    is_chord = strikes.n_notes[own] > 1
    found = [
        onset[is_chord & (pitch == edge[own])] - strikes.seconds[own][is_chord & (pitch == edge[own])]
        for edge in (strikes.lowest, strikes.highest)
    ]
    means = [float(np.median(late)) if len(late) >= 8 else 0.0 for late in found]
    return np.array([min(max(late, -_MOST_LEAD_S), _MOST_LEAD_S) for late in means])


def _own_notes(file: Piece, recording: Recording, stays: Collection[tuple[int, int]]) -> Collection[tuple[int, int]]:
    """Return, as the file has them, onsets and pitches of notes that stay, given on bars."""
    if not stays:
        return ()
    kept = set(stays)
    notes = file.score.tracks[0].notes.numpy()
    on_bars = np.maximum(np.round(recording.on_bars(notes["time"])), 0).astype(int)
    return {
        (int(tick), int(pitch))
        for tick, bar_tick, pitch in zip(notes["time"], on_bars, notes["pitch"], strict=True)
        if (int(bar_tick), int(pitch)) in kept
    }
