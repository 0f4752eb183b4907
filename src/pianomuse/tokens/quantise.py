"""Bring a Score onto what the tokens can say, and report what that changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic import Note, Pedal, Score, Tempo, TimeSignature, Track

from pianomuse.errors import MidiError
from pianomuse.tokens.vocabulary import GRID, MAX_DURATION, METRES, PITCH_RANGE, tempo_bins, velocity_bins


@dataclass(frozen=True)
class QuantiseReport:
    """What was lost on the way to the grid; counts of notes."""

    outside_piano: int
    clipped_durations: int
    duplicates: int


def quantise(score: Score, n_bars: int | None = None) -> tuple[Score, QuantiseReport]:
    """Return a copy of a one-part Score on the grid, and what that changed.

    Onsets and note ends are rounded to 24ths of a quarter each by itself, so that legato stays legato; a note lasts
    at least one grid unit. Velocities and tempos go to the nearest bin, a tempo whose bin is already in force is
    left out, n/2 becomes 2n/4, and a metre change inside a bar waits for the next bar line, as in MidiTok.

    Args:
        score: any ticks per quarter; the notes of all its tracks are read as one piano part.
        n_bars: pedals are released and tempos left out past this many bars; default: as many as the notes need.

    Raises:
        MidiError: a metre that the tokens cannot say.

    """
    scale = GRID / score.ticks_per_quarter
    notes, report = _notes(score, scale)
    out = Score(GRID)
    out.time_signatures = _metres(score, scale)
    end = bar_lines(out, int((notes["time"] + notes["duration"]).max(initial=1)), n_bars)[-1]
    out.tempos = _tempos(score, scale, end)
    track = Track(name="Piano")
    track.notes = Note.from_numpy(**notes)
    track.pedals = _pedals(score, scale, end)
    out.tracks = [track]
    return out, report


def bar_lines(score: Score, end: int, n_bars: int | None = None) -> NDArray[np.int64]:
    """Return the bar lines of a quantised Score in grid units: int64 [n_bars + 1].

    Args:
        score: a Score at 24 ticks per quarter whose metre changes stand on bar lines.
        end: the last bar reaches at least to here, in grid units, unless ``n_bars`` says how many there are.
        n_bars: number of bars.

    """
    lines = [0]
    changes = list(score.time_signatures)
    index = 0
    while (len(lines) <= n_bars) if n_bars is not None else (lines[-1] < end):
        while index + 1 < len(changes) and changes[index + 1].time <= lines[-1]:
            index += 1
        lines.append(lines[-1] + bar_length(changes[index].numerator, changes[index].denominator))
    return np.array(lines, dtype=np.int64)


def bar_length(numerator: int, denominator: int) -> int:
    """Return the length of a bar in grid units.

    >>> bar_length(6, 8)
    72
    """
    return numerator * 4 * GRID // denominator


def _notes(score: Score, scale: float) -> tuple[dict[str, NDArray[np.int32]], QuantiseReport]:
    columns = [track.notes.numpy() for track in score.tracks]
    keys = ("time", "duration", "pitch", "velocity")
    raw = {key: np.concatenate([c[key] for c in columns] or [np.zeros(0)]) for key in keys}
    on_piano = (raw["pitch"] >= PITCH_RANGE[0]) & (raw["pitch"] <= PITCH_RANGE[1])
    raw = {key: values[on_piano] for key, values in raw.items()}
    onset = np.floor(raw["time"] * scale + 0.5).astype(np.int64)
    end = np.floor((raw["time"] + raw["duration"]) * scale + 0.5).astype(np.int64)
    duration = np.maximum(end - onset, 1)
    clipped = int((duration > MAX_DURATION).sum())
    duration = np.minimum(duration, MAX_DURATION)
    velocity = spoken_velocity(raw["velocity"])
    # Unisons on one onset become one note: the longest, then the loudest.
    order = np.lexsort((-velocity, -duration, raw["pitch"], onset))
    onset, duration, velocity = onset[order], duration[order], velocity[order]
    pitch = raw["pitch"][order].astype(np.int64)
    first = np.ones(len(onset), dtype=bool)
    first[1:] = (onset[1:] != onset[:-1]) | (pitch[1:] != pitch[:-1])
    report = QuantiseReport(int((~on_piano).sum()), clipped, int((~first).sum()))
    kept = {"time": onset, "duration": duration, "pitch": pitch, "velocity": velocity}
    types = {"time": np.int32, "duration": np.int32, "pitch": np.int8, "velocity": np.int8}
    return {key: values[first].astype(types[key]) for key, values in kept.items()}, report


def spoken_velocity(velocity: NDArray[Any]) -> NDArray[np.int32]:
    """Return the velocities that the tokens can say which are nearest to these, [n] each."""
    bins = velocity_bins()
    nearest: NDArray[np.int32] = bins[np.abs(bins[None, :] - velocity[:, None]).argmin(axis=1)]
    return nearest


def spoken_metre(numerator: int, denominator: int) -> tuple[int, int] | None:
    """Return the metre the tokens use for this one: itself, 2n/4 for n/2, 4n/4 for n/1, or None.

    >>> spoken_metre(2, 2)
    (4, 4)
    """
    while denominator in (1, 2):
        numerator, denominator = numerator * 2, denominator * 2
    return (numerator, denominator) if (numerator, denominator) in METRES else None


def _metres(score: Score, scale: float) -> list[TimeSignature]:
    found = [(int(s.time * scale + 0.5), s.numerator, s.denominator) for s in score.time_signatures]
    if not found or found[0][0] > 0:
        found.insert(0, (0, 4, 4))
    metres: list[TimeSignature] = []
    for time, numerator, denominator in found:
        spoken = spoken_metre(numerator, denominator)
        if spoken is None:
            raise MidiError(
                f"the metre {numerator}/{denominator} is not among those PianoMuse knows "
                "(n/2 to 4, n/4 to 8, n/8 and n/16 to 12); write these bars in one of them",
                "metre_unknown",
                metre=f"{numerator}/{denominator}",
            )
        if metres:
            last = metres[-1]
            length = bar_length(last.numerator, last.denominator)
            time = last.time + -(-max(time - last.time, 0) // length) * length
            if time == last.time:
                metres.pop()
        if not metres or (metres[-1].numerator, metres[-1].denominator) != spoken:
            metres.append(TimeSignature(time, *spoken))
    return metres


def _tempos(score: Score, scale: float, end: int) -> list[Tempo]:
    bins = tempo_bins()
    tempos: list[Tempo] = []
    for tempo in score.tempos:
        time = int(tempo.time * scale + 0.5)
        nearest = float(bins[np.abs(np.log(bins / max(tempo.qpm, 1e-3))).argmin()])
        if not tempos and time > 0:
            tempos.append(Tempo(0, float(bins[np.abs(bins - 120).argmin()])))
        if tempos and tempos[-1].time == time:
            tempos.pop()
        if time < end and not (tempos and abs(tempos[-1].qpm - nearest) < 0.1):
            tempos.append(Tempo(time, nearest))
    return tempos or [Tempo(0, float(bins[np.abs(bins - 120).argmin()]))]


def _pedals(score: Score, scale: float, end: int) -> list[Pedal]:
    spans = sorted(
        (int(p.time * scale + 0.5), int((p.time + p.duration) * scale + 0.5)) for t in score.tracks for p in t.pedals
    )
    pedals: list[Pedal] = []
    for start, stop in spans:
        stop = min(stop, end - 1)  # an event on the last bar line would open a bar of its own
        if pedals and start < pedals[-1].time + pedals[-1].duration:
            start = pedals[-1].time + pedals[-1].duration
        if stop > start:
            pedals.append(Pedal(start, stop - start))
    return pedals
