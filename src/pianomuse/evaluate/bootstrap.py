"""Estimates with intervals: a number over works, and how far chance in the choice of works moves it.

Percentile bootstrap (Efron & Tibshirani 1993): works are drawn again with replacement a thousand times with a fixed
seed, and the middle 95 % of the results is the interval. Works, not pieces or notes, are drawn: movements of one sonata
and versions of one song resemble each other, and intervals over notes would be far too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_RESAMPLES = 1000
COVERAGE = 0.95
_SEED = 20_200


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Args:
        value: over all works.
        low: lower end of the 95 % interval.
        high: upper end.
        n_works: works it is made of.

    """

    value: float
    low: float
    high: float
    n_works: int

    def to_json(self) -> dict[str, float | int | None]:
        """Return the numbers for a JSON document; what is not a number becomes null."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {**{k: None if np.isnan(v) else round(v, 6) for k, v in numbers.items()}, "works": self.n_works}


def ratio(numerators: ArrayLike, denominators: ArrayLike, works: Sequence[str]) -> Estimate:
    """Return Σ numerators / Σ denominators, drawn by work.

    Args:
        numerators: one per item.
        denominators: one per item.
        works: the work each item belongs to.

    """
    table = np.stack([np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)], axis=1)
    names, group = np.unique(np.asarray(works), return_inverse=True)
    sums = np.stack([np.bincount(group, weights=column, minlength=len(names)) for column in table.T], axis=1)
    if len(names) == 0 or sums[:, 1].sum() == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    drawn = _draws(len(names)) @ sums
    values = drawn[:, 0] / np.where(drawn[:, 1] == 0, np.nan, drawn[:, 1])
    tail = (1 - COVERAGE) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    total = sums.sum(axis=0)
    return Estimate(float(total[0] / total[1]), float(low), float(high), len(names))


def mean(values: ArrayLike, works: Sequence[str]) -> Estimate:
    """Return the mean of the values that are numbers, drawn by work."""
    array = np.asarray(values, dtype=np.float64)
    is_number = ~np.isnan(array)
    return ratio(
        array[is_number], np.ones(is_number.sum()), [w for w, good in zip(works, is_number, strict=True) if good]
    )


def relative_difference(ours: ArrayLike, theirs: ArrayLike, works: Sequence[str]) -> Estimate:
    """Return 1 − Σ ours / Σ theirs, drawn by work: by which share ours is smaller."""
    found = ratio(ours, theirs, works)
    return Estimate(1 - found.value, 1 - found.high, 1 - found.low, found.n_works)


def _draws(n_works: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(_SEED)
    drawn: NDArray[np.int64] = rng.multinomial(n_works, np.full(n_works, 1 / n_works), size=N_RESAMPLES)
    return drawn
