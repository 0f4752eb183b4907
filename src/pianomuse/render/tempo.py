"""Ticks to seconds: the tempo map of a score."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from symusic import Score

DEFAULT_TEMPO_BPM = 120.0  # what a file without a tempo event means (Standard MIDI Files 1.0)


@dataclass(frozen=True)
class TempoStep:
    """From `tick` on, a tick lasts `seconds_per_tick`."""

    tick: int
    seconds: float  # from the start of the file to `tick`
    seconds_per_tick: float


def tempo_steps(score: Score) -> tuple[TempoStep, ...]:
    """Return the tempo map of a score, from tick 0."""
    bpm_at = {0: DEFAULT_TEMPO_BPM}
    for tempo in score.tempos:
        bpm_at[tempo.time] = tempo.qpm
    steps: list[TempoStep] = []
    for tick, bpm in sorted(bpm_at.items()):
        seconds = 0.0
        if steps:
            seconds = steps[-1].seconds + (tick - steps[-1].tick) * steps[-1].seconds_per_tick
        steps.append(TempoStep(tick, seconds, 60.0 / bpm / score.ticks_per_quarter))
    return tuple(steps)


def seconds_at(tempo: Sequence[TempoStep], tick: int) -> float:
    """Return the time of `tick` in seconds from the start of the file."""
    step = tempo[max(bisect_right(tempo, tick, key=lambda step: step.tick) - 1, 0)]
    return step.seconds + (tick - step.tick) * step.seconds_per_tick
