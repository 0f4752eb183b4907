"""Distributions: does a set of completions spread as real music does?

After Yang & Lerch 2018 (MGEval). For each feature (pianomuse.measure.features) take the Euclidean distances between all
pairs of real passages (within) and between real and new passages (across), smooth both sets of distances to densities
(Gaussian kernels, Scott's bandwidth), and compare the densities: overlap area, 1 for equal ones and 0 for ones apart,
and Kullback–Leibler divergence of `within` from `across` in bits. Overlap of these features was found to follow
listeners better than perplexity for piano (arXiv 2511.07268).

How ours differs from MGEval's code. Both densities are evaluated on one common grid (MGEval's divergence takes two
grids with different limits and compares values that do not belong together). A completion is never paired with its own
true continuation, which shares its context: pairs across are of different pieces like pairs within. Passages that lack
a feature (too few notes) are left out of it and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.measure.features import FEATURES, features
from pianomuse.measure.passage import Passage

Floats = NDArray[np.float64]
_GRID_POINTS = 512
_MAX_SAMPLES = 4000  # distances that a density is made of at most; evenly spaced ones of the sorted distances are kept
_FLOOR = 1e-12


@dataclass(frozen=True)
class Overlap:
    """How one feature's distances compare.

    Args:
        overlap_area: 0 … 1.
        divergence_bits: Kullback–Leibler divergence, 0 or more.
        n_left_out: passages without this feature.

    """

    overlap_area: float
    divergence_bits: float
    n_left_out: int


def compare_sets(
    real: Sequence[Passage], new: Sequence[Passage], *, groups: tuple[Sequence[int], Sequence[int]] | None = None
) -> dict[str, Overlap]:
    """Compare a set of new passages with a set of real ones, feature by feature.

    Args:
        real: passages of real music.
        new: what is judged.
        groups: for each real and each new passage the number of its piece; passages of one piece are not paired.
            Default: all are of different pieces.

    """
    if not real or not new:
        return {}
    numbers = groups or (range(len(real)), range(-len(new), 0))
    tables = [[features(music) for music in members] for members in (real, new)]
    return {name: _compare_feature(name, tables, numbers) for name in FEATURES}


def _compare_feature(
    name: str, tables: list[list[dict[str, Floats]]], numbers: tuple[Sequence[int], Sequence[int]]
) -> Overlap:
    values, pieces, n_left_out = [], [], 0
    for rows, group in zip(tables, numbers, strict=True):
        column = np.array([row[name] for row in rows])
        has_it = ~np.isnan(column).any(axis=1)
        values.append(column[has_it])
        pieces.append(np.asarray(group, dtype=np.int64)[has_it])
        n_left_out += int((~has_it).sum())
    within = _distances(values[0], values[0])[np.triu(pieces[0][:, None] != pieces[0][None, :], 1)]
    across = _distances(values[0], values[1])[pieces[0][:, None] != pieces[1][None, :]]
    area, divergence = compare_distances(within, across)
    return Overlap(area, divergence, n_left_out)


def mean_overlap(found: dict[str, Overlap]) -> float:
    """Return the overlap area averaged over the features that have one; NaN without any."""
    areas = [overlap.overlap_area for overlap in found.values() if not np.isnan(overlap.overlap_area)]
    return float(np.mean(areas)) if areas else float("nan")


def mean_divergence(found: dict[str, Overlap]) -> float:
    """Return the divergence in bits averaged over the features that have a finite one; NaN without any."""
    bits = [overlap.divergence_bits for overlap in found.values() if np.isfinite(overlap.divergence_bits)]
    return float(np.mean(bits)) if bits else float("nan")


def compare_distances(within: Floats, across: Floats) -> tuple[float, float]:
    """Return overlap area and divergence in bits of two samples, float64 [n] and [m]; NaN for fewer than two values."""
    if min(len(within), len(across)) < 2:
        return float("nan"), float("nan")
    widths = [_bandwidth(sample) for sample in (within, across)]
    if min(widths) == 0:  # all distances of one sample are equal
        is_same = widths[0] == widths[1] and bool(np.isclose(within[0], across[0]))
        return (1.0, 0.0) if is_same else (0.0, float("inf"))
    reach = 4 * max(widths)
    low, high = min(within.min(), across.min()) - reach, max(within.max(), across.max()) + reach
    points = np.linspace(low, high, _GRID_POINTS)
    step = points[1] - points[0]
    first, second = (_density(s, w, points) for s, w in zip((within, across), widths, strict=True))
    first, second = (density / (density.sum() * step) for density in (first, second))
    area = float(np.minimum(first, second).sum() * step)
    ratio = np.log2((first + _FLOOR) / (second + _FLOOR))
    return area, max(float((first * ratio).sum() * step), 0.0)


def _distances(first: Floats, second: Floats) -> Floats:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None, :] - 2 * first @ second.T
    distances: Floats = np.sqrt(np.maximum(squares, 0.0))
    return distances


def _bandwidth(sample: Floats) -> float:
    """Return Scott's bandwidth, standard deviation · n^(−1/5)."""
    deviation = float(sample.std(ddof=1))
    return deviation * len(sample) ** -0.2 if deviation > _FLOOR else 0.0


def _density(sample: Floats, width: float, points: Floats) -> Floats:
    if len(sample) > _MAX_SAMPLES:
        places = np.linspace(0, len(sample) - 1, _MAX_SAMPLES).round().astype(np.int64)
        sample = np.sort(sample)[places]
    density: Floats = np.exp(-0.5 * ((points[:, None] - sample[None, :]) / width) ** 2).sum(axis=1)
    return density
