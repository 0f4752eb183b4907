"""Planted motifs: how well is one bar remembered after 1, 2, 4 … 64 bars of other music?

A bar of another work (the motif: six to thirty-two notes, brought into the piece's key and loudness) is put in the
place of one bar of a piece. `d` bars later it comes again: its beginning, about half of its notes, is given, and the
bits of its remaining notes are counted (positions, pitches and lengths; bar lines, loudness and pedal are not). The
same is counted twice more: with *another* bar of that other work planted there, in the same key and texture, and with
the piece's *own* bar left in place. What stands around it, what is given and what is counted never change.

    gain = bits after the other bar − bits after the motif,  per remaining note
    recalled = gain / bits after the other bar;  0: nothing is remembered, 1: every note is certain

The gain over another bar is the strict number: that strange music in that key may come is known in both. All distances
are measured at the same place of the same works, those long enough for the longest, so the numbers form a curve.

After induction by repeated random tokens (Olsson et al. 2022, "In-context learning and induction heads") and
associative recall (Arora et al. 2023, "Zoology"), where random symbols come again in random text; ours is music in
music, so that knowing the style does not help and memory must stand out against what music makes likely anyway. A
Markov model gains exactly nothing; a model with a window gains nothing beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.evaluate.bootstrap import Estimate, ratio, relative_difference
from pianomuse.evaluate.likelihood import BitsOf
from pianomuse.evaluate.works import Work
from pianomuse.measure.passage import Passage
from pianomuse.midi.keys import key_scores
from pianomuse.tokens.augment import Augmenter, Shift
from pianomuse.tokens.tokenizer import PianoTokenizer

MOTIF_DISTANCES = (1, 2, 4, 8, 16, 32, 64)
LEAD_BARS = 4
"""Bars that are heard before the planted one."""
TAIL_BARS = 4
"""Bars at the end of a work that are not used: they close."""
N_NOTES = (6, 32)
_MIN_PART = 3  # notes that are given at least, and that are left to be recalled at least
_MIN_ONSETS, _MIN_PITCHES = 3, 4
_KEY_BARS = 16
_OF_NOTES = ("Bar", "TimeSig", "Position", "Pitch", "Velocity", "Duration")
_COUNTED = ("Position", "Pitch", "Duration")

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class MotifRecall:
    """What is remembered of a motif at one distance; bits per remaining note.

    Args:
        planted: bits after the motif itself.
        other: bits after another bar of the same source.
        own: bits after the piece's own bar.
        gain: `other` less `planted`.
        recalled: `gain` as a share of `other`.

    """

    planted: Estimate
    other: Estimate
    own: Estimate
    gain: Estimate
    recalled: Estimate


@dataclass(frozen=True)
class Motif:
    """A bar to be planted, and another one of the same source.

    Args:
        ids: int32 [T], ``Bar TimeSig Position Pitch …``.
        n_given: tokens of it that are given when it comes again.
        other: int32, the other bar.

    """

    ids: Ids
    n_given: int
    other: Ids


def motif_recall(
    readers: Mapping[str, BitsOf],
    works: Sequence[Work],
    tokenizer: PianoTokenizer,
    *,
    distances: Sequence[int] = MOTIF_DISTANCES,
    progress: Callable[[], None] | None = None,
) -> dict[str, dict[int, MotifRecall]]:
    """Measure for every reader and distance what is remembered of a planted motif.

    Args:
        readers: the models by name.
        works: at least two; those too short for the longest distance only lend motifs.
        tokenizer: of the works.
        distances: bars from the planted bar to its return.
        progress: called after each work.

    """
    rows: dict[str, dict[int, list[tuple[float, float, float]]]] = {
        name: {distance: [] for distance in distances} for name in readers
    }
    n_notes, names = [], []
    for index, work in enumerate(works):
        place = return_place(work, max(distances))
        motif = _motif_for(works, index, place, distances, tokenizer) if place is not None else None
        if place is not None and motif is not None:
            counted = np.isin(tokenizer.vocabulary.kinds[motif.ids[motif.n_given :]], _COUNTED)
            n_notes.append(int((tokenizer.vocabulary.kinds[motif.ids[motif.n_given :]] == "Pitch").sum()))
            names.append(work.work_id)
            for distance in distances:
                texts = list(planted_texts(work, motif, place, distance, tokenizer))
                for name, bits_of in readers.items():
                    bits = [float(bits_of(text)[-len(counted) :][counted].sum()) for text in texts]
                    rows[name][distance].append((bits[0], bits[1], bits[2]))
        if progress is not None:
            progress()
    return {name: {d: _summary(found, n_notes, names) for d, found in table.items()} for name, table in rows.items()}


def return_place(work: Work, longest: int) -> int | None:
    """Return the bar (index from 0) at which motifs come again in a work; None if it is too short."""
    n_bars = work.music.n_bars
    earliest, latest = longest + LEAD_BARS, n_bars - TAIL_BARS - 1
    return min(max(n_bars // 2, earliest), latest) if earliest <= latest else None


def planted_texts(work: Work, motif: Motif, place: int, distance: int, tokenizer: PianoTokenizer) -> Iterator[Ids]:
    """Yield the three texts to read: with the motif, with the other bar, and with the piece's own bar left in place.

    Each ends with the whole motif at `place`.
    """
    bars = [*tokenizer.find_bar_indices(work.ids).tolist(), len(work.ids)]
    first, planted = place - distance - LEAD_BARS, place - distance
    at = bars[first]
    head = [int(work.ids[at + 1]), tokenizer.extract_metadata_tokens(work.ids, at)[-1]]
    begin = np.array([tokenizer.vocabulary.id("BOS_None"), *head], dtype=np.int32)
    before, own = work.ids[at : bars[planted]], work.ids[bars[planted] : bars[planted + 1]]
    between = work.ids[bars[planted + 1] : bars[place]]
    for bar in (motif.ids, motif.other, own):
        yield np.concatenate([begin, before, bar, between, motif.ids])


def _motif_for(
    works: Sequence[Work], index: int, place: int, distances: Sequence[int], tokenizer: PianoTokenizer
) -> Motif | None:
    """Take the motif of the next other work that has a suitable bar in the metre of all bars that are exchanged."""
    work = works[index]
    bars = tokenizer.find_bar_indices(work.ids)
    metres = {int(work.ids[bars[place - distance] + 1]) for distance in (0, *distances)}
    if len(metres) > 1:
        return None
    near = work.music.bars(place - _KEY_BARS if place > _KEY_BARS else 0, place)
    velocity = _usual_velocity(work.ids[bars[max(place - LEAD_BARS, 0)] : bars[place]], tokenizer)
    if near.n_notes == 0 or velocity is None:
        return None
    for step in range(1, len(works)):
        source = works[(index + step) % len(works)]
        if source.work_id != work.work_id:
            found = _motif_of(source, next(iter(metres)), near, velocity, tokenizer)
            if found is not None:
                return found
    return None


def _motif_of(source: Work, metre: int, near: Passage, velocity: int, tokenizer: PianoTokenizer) -> Motif | None:
    """Take the suitable bar nearest to the middle of a work, and the next one that differs from it."""
    bars = [*tokenizer.find_bar_indices(source.ids).tolist(), len(source.ids)]
    middle = source.music.n_bars // 2
    order = sorted(range(source.music.n_bars), key=lambda bar: abs(bar - middle))
    found: list[Ids] = []
    for bar in order:
        ids = source.ids[bars[bar] : bars[bar + 1]]
        if int(ids[1]) != metre:
            continue
        ids = _notes_only(ids, velocity, tokenizer)
        if _is_suitable(ids, tokenizer) and all(_likeness(ids, one, tokenizer) <= 0.5 for one in found):
            found.append(ids)
        if len(found) == 2:
            return _in_key(found, source.music, near, tokenizer)
    return None


def _in_key(found: list[Ids], source: Passage, near: Passage, tokenizer: PianoTokenizer) -> Motif | None:
    """Transpose both bars so that the keys of source and piece, as guessed from the notes, have one tonic."""
    tonics = [int(key_scores(music.pitch, music.duration).argmax()) % 12 for music in (source, near)]
    augmenter = Augmenter(tokenizer.vocabulary)
    low, high = augmenter.semitone_range(np.concatenate(found), limit=12)
    up = (tonics[1] - tonics[0]) % 12
    fitting = [shift for shift in sorted((up, up - 12), key=abs) if low <= shift <= high]
    if not fitting:
        return None
    motif, other = (augmenter.apply(ids, Shift(fitting[0])) for ids in found)
    return Motif(motif, _n_given(motif, tokenizer), other)


def _notes_only(ids: Ids, velocity: int, tokenizer: PianoTokenizer) -> Ids:
    """Return a bar without pedal and tempo, all notes in one loudness."""
    kinds = tokenizer.vocabulary.kinds
    ids = ids[np.isin(kinds[ids], _OF_NOTES)]
    is_bare = (kinds[ids] == "Position") & (np.append(kinds[ids[1:]], "end") != "Pitch")
    ids = ids[~is_bare].copy()
    ids[kinds[ids] == "Velocity"] = velocity
    return ids


def _usual_velocity(ids: Ids, tokenizer: PianoTokenizer) -> int | None:
    found = ids[tokenizer.vocabulary.kinds[ids] == "Velocity"]
    return int(np.bincount(found).argmax()) if len(found) else None


def _is_suitable(ids: Ids, tokenizer: PianoTokenizer) -> bool:
    kinds = tokenizer.vocabulary.kinds[ids]
    n_notes, n_onsets = int((kinds == "Pitch").sum()), int((kinds == "Position").sum())
    n_pitches = len(np.unique(ids[kinds == "Pitch"]))
    is_rich = N_NOTES[0] <= n_notes <= N_NOTES[1] and n_onsets >= _MIN_ONSETS and n_pitches >= _MIN_PITCHES
    return is_rich and _n_given(ids, tokenizer) > 0


def _n_given(ids: Ids, tokenizer: PianoTokenizer) -> int:
    """Return how many tokens of a bar are its beginning: up to the onset that comes next to half of the notes.

    0 where no onset leaves enough notes on both sides.
    """
    kinds = tokenizer.vocabulary.kinds[ids]
    n_before = np.cumsum(kinds == "Pitch")
    total = int(n_before[-1])
    cuts = [int(cut) for cut in np.flatnonzero(kinds == "Position")]
    cuts = [cut for cut in cuts if _MIN_PART <= n_before[cut] <= total - _MIN_PART]
    return min(cuts, key=lambda cut: abs(2 * int(n_before[cut]) - total), default=0)


def _likeness(first: Ids, second: Ids, tokenizer: PianoTokenizer) -> float:
    """Return the share of notes (position and pitch) that two bars have in common, of the smaller one."""
    notes = [_placed_pitches(ids, tokenizer) for ids in (first, second)]
    return len(notes[0] & notes[1]) / max(min(map(len, notes)), 1)


def _placed_pitches(ids: Ids, tokenizer: PianoTokenizer) -> set[tuple[int, int]]:
    found, position = set(), -1
    for token, kind in zip(ids.tolist(), tokenizer.vocabulary.kinds[ids].tolist(), strict=True):
        if kind == "Position":
            position = token
        elif kind == "Pitch":
            found.add((position, token))
    return found


def _summary(rows: Sequence[tuple[float, float, float]], n_notes: list[int], works: list[str]) -> MotifRecall:
    planted, other, own = (np.array([row[column] for row in rows]) for column in range(3))
    return MotifRecall(
        ratio(planted, n_notes, works),
        ratio(other, n_notes, works),
        ratio(own, n_notes, works),
        ratio(other - planted, n_notes, works),
        relative_difference(planted, other, works),
    )
