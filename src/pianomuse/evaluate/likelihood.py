"""Likelihood: how many bits a model needs for works it has not seen.

    bits per note = −Σ log2 p(token) / number of notes,  bits per bar = the same / number of bars

over every token of the music: bar lines, metres, positions, pitches, velocities, lengths, pedal and tempo changes. The
full softmax over all tokens counts, without grammar mask, so probability given to tokens that cannot come is lost.
Every piece is read from its first bar to its last as one sequence; BOS, first metre and first tempo are given. Dividing
by notes makes the number independent of the vocabulary, though not of what a vocabulary can say at all (velocity in 32
steps, time in 24ths of a quarter).

Split by what is predicted: `onset` (bar lines, metres, positions), `pitch`, `duration`, `velocity`, `other` (pedal,
tempo). The parts add up to the whole. Music theory and perplexity papers report per-token perplexity, which cannot be
compared between vocabularies; hence bits per note.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pianomuse.evaluate.bootstrap import Estimate, ratio
from pianomuse.evaluate.works import Work
from pianomuse.tokens.vocabulary import Vocabulary

Floats = NDArray[np.float64]
BitsOf = Callable[[NDArray[np.int32]], Floats]
"""Return −log2 p of every token of a sequence but the first: int32 [T] → float64 [T − 1]."""

MAX_TOKENS = 32_768
PARTS = ("onset", "pitch", "duration", "velocity", "other")
FROM_BARS = (1, 5, 9, 17, 33, 65, 129, 257, 401)
MIN_WORKS = 10
_PART_OF = {"Bar": 0, "TimeSig": 0, "Position": 0, "Pitch": 1, "Duration": 2, "Velocity": 3}
_GIVEN = 3  # BOS, metre, tempo


@dataclass(frozen=True, eq=False)
class WorkBits:
    """The bits of one work.

    Args:
        work: which.
        bits: float64 [T], of each token of its music.
        part: int64 [T], index into PARTS.
        bar: int64 [T], the bar each token belongs to, from 1.
        is_note: bool [T], the token is a Pitch.

    """

    work: Work
    bits: Floats
    part: NDArray[np.int64]
    bar: NDArray[np.int64]
    is_note: NDArray[np.bool_]


def measure_likelihood(
    bits_of: BitsOf, works: Sequence[Work], vocabulary: Vocabulary, *, progress: Callable[[int], None] | None = None
) -> list[WorkBits]:
    """Read every work once.

    Args:
        bits_of: the model.
        works: what it reads.
        vocabulary: of the works.
        progress: called with the number of tokens read after each work.

    """
    part_of = np.array([_PART_OF.get(str(kind), 4) for kind in vocabulary.kinds])
    begin = vocabulary.id("BOS_None")
    found = []
    for work in works:
        ids = np.concatenate([[begin], work.ids])[:MAX_TOKENS].astype(np.int32)
        kinds = vocabulary.kinds[ids[_GIVEN:]]
        bar = np.cumsum(kinds == "Bar")
        found.append(WorkBits(work, bits_of(ids)[_GIVEN - 1 :], part_of[ids[_GIVEN:]], bar, kinds == "Pitch"))
        if progress is not None:
            progress(len(ids))
    return found


def engine_bits(prefill_all: Callable[[NDArray[np.int32]], tuple[NDArray[np.float32], object]]) -> BitsOf:
    """Make the bits of a sequence out of an engine's logits after every token; computed in float64."""

    def bits_of(ids: NDArray[np.int32]) -> Floats:
        logits = prefill_all(ids[:-1])[0].astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        chosen = logits[np.arange(len(logits)), ids[1:]]
        bits: Floats = (np.log(np.exp(logits).sum(axis=1)) - chosen) / np.log(2)
        return bits

    return bits_of


def bits_per_note(found: Sequence[WorkBits]) -> Estimate:
    """Return bits per note over all works."""
    return ratio([w.bits.sum() for w in found], [w.is_note.sum() for w in found], _works(found))


def bits_per_bar(found: Sequence[WorkBits]) -> Estimate:
    """Return bits per bar over all works."""
    return ratio([w.bits.sum() for w in found], [w.bar[-1] for w in found], _works(found))


def by_part(found: Sequence[WorkBits]) -> dict[str, Estimate]:
    """Return bits per note spent on onsets, pitches, lengths, velocities and the rest; they add up to the whole."""
    notes = [w.is_note.sum() for w in found]
    return {
        name: ratio([w.bits[w.part == index].sum() for w in found], notes, _works(found))
        for index, name in enumerate(PARTS)
    }


def by_bar(found: Sequence[WorkBits]) -> dict[int, Estimate]:
    """Return bits per note from bar 1, 5, 9, 17, 33 … on, each up to the next; places without notes are left out."""
    return _by_bar(found, [1.0] * len(found))


def by_bar_against_own(found: Sequence[WorkBits]) -> dict[int, Estimate]:
    """Return, from bar 1, 5, 9 … on, bits against what the same works need on the whole: 1 is as everywhere in them.

    Long works are other works than short ones; this compares each work with itself.
    """
    return _by_bar(found, [w.bits.sum() / max(w.is_note.sum(), 1) for w in found])


def _by_bar(found: Sequence[WorkBits], usual: Sequence[float]) -> dict[int, Estimate]:
    """Return bits against notes times the usual bits of each note, over the works that have notes there."""
    result = {}
    for first, last in pairwise([*FROM_BARS, np.iinfo(np.int64).max]):
        rows = []
        for work, own in zip(found, usual, strict=True):
            inside = (work.bar >= first) & (work.bar < last)
            if work.is_note[inside].any():
                rows.append((work.bits[inside].sum(), work.is_note[inside].sum() * own, work.work.work_id))
        if rows:
            bits, expected, works = zip(*rows, strict=True)
            result[int(first)] = ratio(bits, expected, works)
    return result


def rises(against_own: Mapping[int, Estimate]) -> list[int]:
    """Return the places of `by_bar_against_own` whose interval lies wholly above that of the lowest place before them.

    More music heard must not make the next bars harder; these are the bars from which on it does. Places that fewer
    than ten works reach say nothing.
    """
    found: list[int] = []
    lowest: Estimate | None = None
    for first, estimate in against_own.items():
        if estimate.n_works < MIN_WORKS:
            continue
        if lowest is not None and estimate.low > lowest.high:
            found.append(first)
        if lowest is None or estimate.value < lowest.value:
            lowest = estimate
    return found


def by_source(found: Sequence[WorkBits]) -> dict[str, Estimate]:
    """Return bits per note of each sub-folder."""
    sources = sorted({w.work.source for w in found})
    return {source: bits_per_note([w for w in found if w.work.source == source]) for source in sources}


def _works(found: Sequence[WorkBits]) -> list[str]:
    return [w.work.work_id for w in found]
