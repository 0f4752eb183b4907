"""Context gain: does the model use what it has heard, and how far back?

For the four bars in the middle of each work, bits per note are taken twice: after the n true bars before them, and
after n bars of another work of the set (in the same metre where there is one; its own key and texture), in the same
form: BOS, metre, tempo, bars. The gain is the difference: positive, the true context helps. A second number, `far`,
keeps the four nearest true bars in both and exchanges only the bars before those: what bars 5 … n are worth.

Shuffled context as a control is from long-context language modelling (Khandelwal et al. 2018, "Sharp nearby, fuzzy far
away"), where words of the same text are permuted; exchanging whole bars for another work's keeps the music grammatical.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.evaluate.bootstrap import Estimate, ratio
from pianomuse.evaluate.likelihood import BitsOf
from pianomuse.evaluate.works import Work
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import Vocabulary

DISTANCES = (4, 8, 16, 32)
BARS = 4
NEAR = 4


@dataclass(frozen=True)
class ContextGain:
    """What n bars of context are worth, in bits per note.

    Args:
        bits_per_note: after the n true bars.
        gain: less than after n bars of another work.
        far: less than with only the bars more than four bars back exchanged; None for n = 4.

    """

    bits_per_note: Estimate
    gain: Estimate
    far: Estimate | None


@dataclass(frozen=True)
class _Row:
    work_id: str
    n_notes: int
    true: float
    foreign: float
    half_foreign: float | None


def context_gain(
    bits_of: BitsOf,
    works: Sequence[Work],
    tokenizer: PianoTokenizer,
    *,
    distances: Sequence[int] = DISTANCES,
    progress: Callable[[], None] | None = None,
) -> dict[int, ContextGain]:
    """Measure what context is worth, for each distance over the works that are long enough for it.

    Args:
        bits_of: the model.
        works: at least two, or nothing can be exchanged.
        tokenizer: of the works.
        distances: numbers of context bars.
        progress: called after each work and distance.

    """
    result = {}
    for distance in distances:
        rows = []
        for index, work in enumerate(works):
            other = _foreigner(works, index, distance, tokenizer)
            if other is not None and work.music.n_bars >= 2 * distance + BARS:
                rows.append(_measure(bits_of, work, other, distance, tokenizer))
            if progress is not None:
                progress()
        result[distance] = _summary([row for row in rows if row.n_notes])
    return result


def _foreigner(works: Sequence[Work], index: int, n_bars: int, tokenizer: PianoTokenizer) -> Work | None:
    """Return the next work of the set that is another one and long enough, in the same metre if possible."""
    metre = works[index].ids[0]
    others = [works[(index + step) % len(works)] for step in range(1, len(works))]
    fits = [o for o in others if o.work_id != works[index].work_id and o.music.n_bars >= n_bars]
    return next((o for o in fits if o.ids[0] == metre), fits[0] if fits else None)


def _measure(bits_of: BitsOf, work: Work, other: Work, distance: int, tokenizer: PianoTokenizer) -> _Row:
    first = work.music.n_bars // 2
    target = _cut(work, first, first + BARS, tokenizer)
    true = _cut(work, first - distance, first, tokenizer)
    begin = max(other.music.n_bars // 2 - distance // 2, 0)
    begin = min(begin, other.music.n_bars - distance)
    foreign = _cut(other, begin, begin + distance, tokenizer)
    half = None
    if distance > NEAR:
        near = _cut(work, first - NEAR, first, tokenizer)
        far = _cut(other, begin, begin + distance - NEAR, tokenizer)
        half = _bits(bits_of, np.concatenate([far, near]), _head(other, begin, tokenizer), target, tokenizer.vocabulary)
    return _Row(
        work.work_id,
        int((tokenizer.vocabulary.kinds[target] == "Pitch").sum()),
        _bits(bits_of, true, _head(work, first - distance, tokenizer), target, tokenizer.vocabulary),
        _bits(bits_of, foreign, _head(other, begin, tokenizer), target, tokenizer.vocabulary),
        half,
    )


def _bits(
    bits_of: BitsOf, context: NDArray[np.int32], head: list[int], target: NDArray[np.int32], vocabulary: Vocabulary
) -> float:
    ids = np.concatenate([[vocabulary.id("BOS_None")], head, context, target]).astype(np.int32)
    return float(bits_of(ids)[-len(target) :].sum())


def _cut(work: Work, first: int, last: int, tokenizer: PianoTokenizer) -> NDArray[np.int32]:
    bars = [*tokenizer.find_bar_indices(work.ids).tolist(), len(work.ids)]
    return work.ids[bars[first] : bars[last]]


def _head(work: Work, first: int, tokenizer: PianoTokenizer) -> list[int]:
    """Return metre and tempo in force where a bar begins."""
    at = int(tokenizer.find_bar_indices(work.ids)[first])
    return [int(work.ids[at + 1]), tokenizer.extract_metadata_tokens(work.ids, at)[-1]]


def _summary(rows: Sequence[_Row]) -> ContextGain:
    notes, works = [row.n_notes for row in rows], [row.work_id for row in rows]
    halves = [row.half_foreign for row in rows]
    far = None
    if rows and None not in halves:
        far = ratio([(h or 0.0) - row.true for h, row in zip(halves, rows, strict=True)], notes, works)
    return ContextGain(
        ratio([row.true for row in rows], notes, works),
        ratio([row.foreign - row.true for row in rows], notes, works),
        far,
    )
