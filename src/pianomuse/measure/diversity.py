"""Diversity: how much several ideas for one place differ.

Mean of 1 − note F1 (pianomuse.measure.agreement) over all pairs: 0, all the same; 1, no note in common. A music
generator that always says the same scores 0, and so does one that ignores everything but one loop; noise scores 1, so
the number means something only beside the truth of other measures. Exact duplicates are counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from pianomuse.measure.agreement import note_f1
from pianomuse.measure.passage import Passage


def diversity(candidates: Sequence[Passage]) -> float:
    """Return the mean of 1 − F1 over all pairs, 0 … 1; NaN for fewer than two candidates."""
    pairs = [1 - note_f1(first, second) for first, second in combinations(candidates, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def duplicate_share(candidates: Sequence[Passage]) -> float:
    """Return the share of candidates that repeat an earlier one note for note (onset, pitch and length)."""
    if not candidates:
        return float("nan")
    seen = {(c.onset.tobytes(), c.pitch.tobytes(), c.duration.tobytes()) for c in candidates}
    return 1 - len(seen) / len(candidates)
