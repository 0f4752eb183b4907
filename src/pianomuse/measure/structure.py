"""Structure: how much bars resemble earlier ones, and whether music is stuck in a loop.

- `self_similarity`: likeness of bars `lag` apart, as a curve over lags. Real music has peaks at 2, 4 and 8 bars and
  falls off; a model without memory is flat, one that loops is high everywhere. After the fitness scape plots in Wu &
  Yang 2020 ("The Jazz Transformer on the front line"), where audio-like features are compared; ours compares notes: F1
  of pitches and sixteenths of the bar, so it knows exact repetition and not variation.
- `longest_loop`: most bars that one exact repetition covers: a block of bars with notes, repeated at once, note for
  note (sixteenths and pitches). `A A` is 2, `A B A B A B` is 6, music without an immediate repetition is 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from pianomuse.measure.agreement import in_sixteenths
from pianomuse.measure.passage import Passage

LAGS = (1, 2, 3, 4, 6, 8, 12, 16)

_Bar = Counter[tuple[int, int]]


def self_similarity(music: Passage, lags: Sequence[int] = LAGS, *, from_bar: int = 0) -> dict[int, float]:
    """Return the mean likeness (note F1, 0 … 1) of bars with notes that stand `lag` bars apart; NaN without any.

    Args:
        music: whole bars.
        lags: distances in bars.
        from_bar: only pairs whose later bar has this index or a higher one.

    """
    bars = _bars(music)
    found: dict[int, float] = {}
    for lag in lags:
        later = range(max(lag, from_bar), len(bars))
        pairs = [_likeness(bars[at - lag], bars[at]) for at in later if bars[at - lag] and bars[at]]
        found[lag] = float(np.mean(pairs)) if pairs else float("nan")
    return found


def longest_loop(music: Passage) -> int:
    """Return how many bars the longest exact immediate repetition covers; 0 if there is none."""
    bars = _bars(music)
    longest = 0
    for period in range(1, len(bars) // 2 + 1):
        run = n_with_notes = 0
        for place in range(len(bars) - period):
            if bars[place] == bars[place + period]:
                run += 1
                n_with_notes += bool(bars[place])
            else:
                run = n_with_notes = 0
            if run >= period and n_with_notes:
                longest = max(longest, run + period)
    return longest


def _bars(music: Passage) -> list[_Bar]:
    """Return the notes of every bar as sixteenths from its bar line and pitches."""
    bars: list[_Bar] = [Counter() for _ in range(music.n_bars)]
    index = music.bar_index
    places = in_sixteenths(music.onset - music.bar_starts[index])
    for bar, place, pitch in zip(index.tolist(), places.tolist(), music.pitch.tolist(), strict=True):
        bars[bar][place, pitch] += 1
    return bars


def _likeness(first: _Bar, second: _Bar) -> float:
    return 2 * (first & second).total() / (first.total() + second.total())
