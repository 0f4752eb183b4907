"""What an idea is like, in words a composer uses: what it does, its range, how it ends. Never a probability.

Measured on 189 works: of their own next four bars 67 % are said to repeat a bar or to stay close, of four bars of
another work 3 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pianomuse.coded import Coded, coded
from pianomuse.generate.caret import Caret
from pianomuse.generate.join import PlacedNote
from pianomuse.generate.key import HeardKey
from pianomuse.generate.plan import Plan
from pianomuse.generate.side import Side
from pianomuse.tokens.vocabulary import GRID

_NEAR_BARS = 8
_SAME_BAR = 0.9  # share of notes (F1) from which a bar repeats another
_FEWEST_TO_REPEAT = 4
_OCTAVE, _WIDER = 12, 5  # semitones; a leap is bold from more than both an octave and a fourth more than heard
_FULLER, _SPARSER = 1.6, 0.55
_MOSTLY, _NOW_AND_THEN = 0.7, 0.25  # share of strikes that are chords
_STEP = 2  # semitones; lines mostly go by steps
_CLOSE = 0.75  # cosine of pitch classes and of rhythm from which an idea stays close
_FOREIGN_SHARE, _MORE_FOREIGN = 0.25, 0.1
_MAJOR_SCALE, _MINOR_SCALE = {0, 2, 4, 5, 7, 9, 11}, {0, 2, 3, 5, 7, 8, 9, 10, 11}

_CHORDS: tuple[tuple[str, frozenset[int]], ...] = (
    ("", frozenset({0, 4, 7})),
    ("m", frozenset({0, 3, 7})),
    ("7", frozenset({0, 4, 7, 10})),
    ("m7", frozenset({0, 3, 7, 10})),
    ("maj7", frozenset({0, 4, 7, 11})),
    ("dim", frozenset({0, 3, 6})),
    ("m7♭5", frozenset({0, 3, 6, 10})),
    ("dim7", frozenset({0, 3, 6, 9})),
    ("aug", frozenset({0, 4, 8})),
    ("sus4", frozenset({0, 5, 7})),
    ("7sus4", frozenset({0, 5, 7, 10})),
    ("sus2", frozenset({0, 2, 7})),
    ("6", frozenset({0, 4, 7, 9})),
)


@dataclass(frozen=True)
class Description:
    """An idea in words.

    Args:
        reason: what it does, such as ``stays close`` or ``repeats bar 3``.
        range: lowest and highest note, such as ``A2–E6``.
        ending: such as ``ends open (on E7)``.

    """

    reason: Coded
    range: Coded
    ending: Coded


_SILENCE = Description(
    coded("rests", "rests"), coded("no notes", "no_notes"), coded("ends on a rest", "ends_on_a_rest")
)


def describe_idea(notes: Sequence[PlacedNote], plan: Plan, caret: Caret, before: Side, key: HeardKey) -> Description:
    """Describe an idea against the bars before it."""
    if not notes:
        return _SILENCE
    pitches = [note.pitch for note in notes]
    return Description(
        reason=_reason(notes, plan, caret, before, key),
        range=_range(pitches, key),
        ending=_ending(notes, key),
    )


def describe_hand(notes: Sequence[PlacedNote], given: Sequence[PlacedNote], key: HeardKey) -> Description:
    """Describe one hand that was written under or over given notes; it ends together with them."""
    if not notes:
        return _SILENCE
    pitches = [note.pitch for note in notes]
    strikes: dict[int, list[int]] = {}
    for note in notes:
        strikes.setdefault(note.units, []).append(note.pitch)
    n_chords = sum(len(struck) > 1 for struck in strikes.values())
    lowest = [min(struck) for struck in strikes.values()]
    steps = [abs(b - a) for a, b in pairwise(lowest)]
    if n_chords >= _MOSTLY * len(strikes):
        reason = coded("chords", "chords")
    elif n_chords >= _NOW_AND_THEN * len(strikes):
        reason = coded("bass and chords", "bass_and_chords")
    else:
        is_broken = steps and float(np.median(steps)) > _STEP
        reason = coded("broken chords", "broken_chords") if is_broken else coded("a line", "a_line")
    return Description(
        reason=reason,
        range=_range(pitches, key),
        ending=_ending([*notes, *given], key),
    )


def chord_name(pitches: Sequence[int], key: HeardKey) -> str:
    """Name what sounds together; one note, and two that make no third, are named by the lowest.

    >>> chord_name([45, 60, 64], HeardKey(21, is_guess=False))
    'Am'
    """
    bass = min(pitches) % 12
    classes = {pitch % 12 for pitch in pitches}
    above = {(pitch - bass) % 12 for pitch in classes} - {0}
    if len(classes) == 2 and above <= {3, 4}:
        return key.pitch_class_name(bass) + ("m" if 3 in above else "")
    found: list[tuple[int, str]] = []
    for rank, (suffix, template) in enumerate(_CHORDS):
        for root in sorted(classes):
            relative = {(pitch - root) % 12 for pitch in classes}
            if len(classes) >= 3 and relative <= template:
                slash = "" if root == bass else f"/{key.pitch_class_name(bass)}"
                cost = 10 * len(template - relative) + 5 * (root != bass) + rank
                found.append((cost, f"{key.pitch_class_name(root)}{suffix}{slash}"))
    return min(found)[1] if found else key.pitch_class_name(bass)


def _reason(notes: Sequence[PlacedNote], plan: Plan, caret: Caret, before: Side, key: HeardKey) -> Coded:
    if len(before.notes.onset) == 0:
        return coded("a beginning", "a_beginning")
    bar_of = np.searchsorted(plan.bar_starts, [note.units for note in notes], side="right") - 1
    repeated = _repeated_bar(notes, bar_of, plan, caret, before)
    if repeated is not None:
        return coded(f"repeats bar {repeated}", "repeats_bar", bar=repeated)
    leap = _leap(notes, before)
    if leap is not None:
        bar = caret.bar_index + 1 + int(bar_of[leap])
        return coded(f"bold leap in bar {bar}", "bold_leap", bar=bar)
    foreign = None if key.is_guess else _foreign_bar(notes, bar_of, key, before)
    if foreign is not None:
        bar = caret.bar_index + 1 + foreign
        return coded(f"leaves the key in bar {bar}", "leaves_the_key", bar=bar)
    fullness = _fullness(notes, plan, before)
    if fullness >= _FULLER:
        return coded("fuller", "fuller")
    if fullness <= _SPARSER:
        return coded("sparser", "sparser")
    near = _near(before)
    pitch = np.array([note.pitch for note in notes])
    recent = before.notes.pitch[near]
    if pitch.max() >= recent.max() + 7:
        return coded("reaches higher", "reaches_higher")
    if pitch.min() <= recent.min() - 7:
        return coded("goes lower", "goes_lower")
    lengths = np.array([note.length_units for note in notes])
    harmony = _cosine(_classes(pitch, lengths), _classes(recent, before.notes.duration[near]))
    positions = np.array([note.units for note in notes]) - np.array(plan.bar_starts)[bar_of]
    rhythm = _cosine(_rhythm(positions), _rhythm(np.round(before.positions[-int(near.sum()) :]).astype(np.int64)))
    is_close = min(harmony, rhythm) >= _CLOSE
    return coded("stays close", "stays_close") if is_close else coded("bolder", "bolder")


def _near(before: Side) -> NDArray[np.bool_]:
    """Return which notes lie in the last eight bars that have any."""
    bar_index = before.notes.bar_index
    return np.asarray(bar_index > int(bar_index.max()) - _NEAR_BARS)


def _repeated_bar(
    notes: Sequence[PlacedNote], bar_of: NDArray[np.intp], plan: Plan, caret: Caret, before: Side
) -> int | None:
    """Return the number of the bar that the idea plays again, if half of its bars or more are earlier bars."""
    starts = np.concatenate([[0], np.cumsum(before.bar_units)])
    old: dict[int, set[tuple[int, int]]] = {}
    for onset, pitch, bar in zip(before.notes.onset, before.notes.pitch, before.notes.bar_index, strict=True):
        old.setdefault(int(bar), set()).add((int(onset - starts[bar]), int(pitch)))
    found: list[int] = []
    n_full = 0
    for bar in range(caret.finishes_bar, plan.n_bars):
        own = {(n.units - plan.bar_starts[bar], n.pitch) for n, b in zip(notes, bar_of, strict=True) if b == bar}
        n_full += 1
        if len(own) < _FEWEST_TO_REPEAT:
            continue
        alike = [index for index, there in old.items() if 2 * len(own & there) >= _SAME_BAR * (len(own) + len(there))]
        if alike:
            found.append(alike[-1])
    first_heard = caret.at_bar - before.n_bars
    return first_heard + found[0] + 1 if found and 2 * len(found) >= n_full else None


def _leap(notes: Sequence[PlacedNote], before: Side) -> int | None:
    """Return the index of the note after the widest leap of the top line, if that is wider than any heard."""
    near = _near(before)
    heard, _ = _widest(before.notes.onset[near], before.notes.duration[near], before.notes.pitch[near])
    columns = np.array([(note.units, note.length_units, note.pitch) for note in notes]).T
    width, index = _widest(columns[0], columns[1], columns[2])
    return index if width > max(_OCTAVE, heard + _WIDER) else None


def _widest(onset: NDArray[np.int64], duration: NDArray[np.int64], pitch: NDArray[np.int64]) -> tuple[int, int]:
    """Return the widest step of the top line in semitones and the index of the note it leads to.

    The top line is the notes above which nothing sounds: an accompaniment under a held melody is no part of it.
    """
    widest, found = 0, 0
    top, until = -1, -1
    for index in np.lexsort((-pitch, onset)):
        if onset[index] < until and pitch[index] <= top:
            continue
        step = abs(int(pitch[index]) - top)
        if top >= 0 and step > widest:
            widest, found = step, int(index)
        top, until = int(pitch[index]), int(onset[index] + max(duration[index], 1))
    return widest, found


def _foreign_bar(notes: Sequence[PlacedNote], bar_of: NDArray[np.intp], key: HeardKey, before: Side) -> int | None:
    """Return the first bar that leaves the scale more than any of the last bars did, with a quarter of its notes."""
    scale = sorted(_MINOR_SCALE if key.is_minor else _MAJOR_SCALE)
    near = _near(before)
    shares = _foreign_shares(before.notes.pitch[near], before.notes.bar_index[near], key.tonic, scale)
    usual = max(shares.values(), default=0.0) + _MORE_FOREIGN
    new = _foreign_shares(np.array([note.pitch for note in notes]), bar_of, key.tonic, scale)
    return next((bar for bar, share in new.items() if share >= max(usual, _FOREIGN_SHARE)), None)


def _foreign_shares(
    pitch: NDArray[np.int64], bars: NDArray[np.integer], tonic: int, scale: list[int]
) -> dict[int, float]:
    """Return the share of notes outside a scale of every bar that has four notes or more."""
    is_foreign = ~np.isin((pitch - tonic) % 12, scale)
    counted = [int(bar) for bar in np.unique(bars) if (bars == bar).sum() >= _FEWEST_TO_REPEAT]
    return {bar: float(is_foreign[bars == bar].mean()) for bar in counted}


def _fullness(notes: Sequence[PlacedNote], plan: Plan, before: Side) -> float:
    """Return how many notes a quarter has, compared with the last bars."""
    near = _near(before)
    bars = np.unique(before.notes.bar_index[near])
    heard = float(near.sum()) / max(float(before.bar_units[bars].sum()), 1.0)
    return len(notes) / max(plan.bar_starts[-1] - plan.min_position, 1) / max(heard, 1e-9)


def _classes(pitch: NDArray[np.int64], weight: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.bincount(pitch % 12, weights=weight.astype(np.float64), minlength=12).astype(np.float64)


def _rhythm(positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how often each sixteenth of a bar is struck; longer bars fold onto two wholes."""
    return np.bincount((positions // (GRID // 4)) % 32, minlength=32).astype(np.float64)


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9))


def _range(pitches: Sequence[int], key: HeardKey) -> Coded:
    lowest, highest = key.pitch_name(min(pitches)), key.pitch_name(max(pitches))
    return coded(f"{lowest}–{highest}", "range", lowest=lowest, highest=highest)


def _ending(notes: Sequence[PlacedNote], key: HeardKey) -> Coded:
    """Name the last harmony, and say whether it is the tonic chord, or part of it, over its root."""
    last = max(note.units for note in notes)
    beat = last - last % GRID
    sounding = [n.pitch for n in notes if n.units >= beat or n.units + n.length_units > beat + 2]
    tonic_chord = {0, 3 if key.is_minor else 4, 7}
    is_closed = min(sounding) % 12 == key.tonic and {(p - key.tonic) % 12 for p in sounding} <= tonic_chord
    chord = chord_name(sounding, key)
    if is_closed:
        return coded(f"ends closed (on {chord})", "ends_closed", chord=chord)
    return coded(f"ends open (on {chord})", "ends_open", chord=chord)
