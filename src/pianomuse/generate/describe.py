"""What an idea is like, in words a composer uses: what it does, its range, how it ends. Never a probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.caret import Caret
from pianomuse.generate.join import PlacedNote
from pianomuse.generate.key import HeardKey
from pianomuse.generate.plan import Plan
from pianomuse.generate.side import Side
from pianomuse.tokens.vocabulary import GRID

_NEAR_BARS = 8
_SAME_BAR = 0.9  # share of notes (F1) from which a bar repeats another
_FEWEST_TO_REPEAT = 4
_OCTAVE = 12
_FULLER, _SPARSER = 1.6, 0.55
_CLOSE = 0.8  # cosine of pitch classes and of rhythm from which an idea stays close
_FOREIGN_SHARE = 0.25
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

    reason: str
    range: str
    ending: str


def describe_idea(notes: Sequence[PlacedNote], plan: Plan, caret: Caret, before: Side, key: HeardKey) -> Description:
    """Describe an idea against the bars before it."""
    if not notes:
        return Description("rests", "no notes", "ends on a rest")
    pitches = [note.pitch for note in notes]
    return Description(
        reason=_reason(notes, plan, caret, before, key),
        range=f"{key.pitch_name(min(pitches))}–{key.pitch_name(max(pitches))}",
        ending=_ending(notes, key),
    )


def chord_name(pitches: Sequence[int], key: HeardKey) -> tuple[str, int, bool]:
    """Name what sounds together, lowest first: the name, its root as a pitch class, and whether it is a plain triad.

    One note, and two that make no third, are named by the lowest.

    >>> chord_name([45, 60, 64], HeardKey(21, is_guess=False))
    ('Am', 9, True)
    """
    bass = min(pitches) % 12
    classes = {pitch % 12 for pitch in pitches}
    third = {(pitch - bass) % 12 for pitch in classes} - {0}
    if len(classes) == 2 and third <= {3, 4}:
        return key.pitch_class_name(bass) + ("m" if 3 in third else ""), bass, True
    found: list[tuple[int, str, int, bool]] = []
    for rank, (suffix, template) in enumerate(_CHORDS):
        for root in sorted(classes, key=lambda pitch: pitch != bass):
            relative = {(pitch - root) % 12 for pitch in classes}
            if len(classes) >= 3 and relative <= template:
                cost = 10 * len(template - relative) + 5 * (root != bass) + rank
                found.append((cost, key.pitch_class_name(root) + suffix, root, rank < 2))
    if not found:
        return key.pitch_class_name(bass), bass, len(classes) == 1
    _, name, root, is_triad = min(found)
    return name if root == bass else f"{name}/{key.pitch_class_name(bass)}", root, is_triad and root == bass


def _reason(notes: Sequence[PlacedNote], plan: Plan, caret: Caret, before: Side, key: HeardKey) -> str:
    if len(before.notes.onset) == 0:
        return "a beginning"
    bar_of = np.searchsorted(plan.bar_starts, [note.units for note in notes], side="right") - 1
    repeated = _repeated_bar(notes, bar_of, plan, caret, before)
    if repeated is not None:
        return f"repeats bar {repeated}"
    leap = _leap(notes, before)
    if leap is not None:
        return f"bold leap in bar {caret.bar_index + 1 + int(bar_of[leap])}"
    foreign = _foreign_bar(notes, bar_of, key)
    if foreign is not None and not key.is_guess:
        return f"leaves the key in bar {caret.bar_index + 1 + foreign}"
    fullness = _fullness(notes, plan, before)
    if fullness >= _FULLER:
        return "fuller"
    if fullness <= _SPARSER:
        return "sparser"
    near = _near(before)
    pitch = np.array([note.pitch for note in notes])
    recent = before.notes.pitch[near]
    if pitch.max() >= recent.max() + 7:
        return "reaches higher"
    if pitch.min() <= recent.min() - 7:
        return "goes lower"
    lengths = np.array([note.length_units for note in notes])
    harmony = _cosine(_classes(pitch, lengths), _classes(recent, before.notes.duration[near]))
    positions = np.array([note.units for note in notes]) - np.array(plan.bar_starts)[bar_of]
    rhythm = _cosine(_rhythm(positions), _rhythm(np.round(before.positions[-int(near.sum()) :]).astype(np.int64)))
    return "stays close" if min(harmony, rhythm) >= _CLOSE else "bolder"


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
    heard, _ = _widest(before.notes.onset[near], before.notes.pitch[near])
    width, index = _widest(np.array([note.units for note in notes]), np.array([note.pitch for note in notes]))
    return index if width > max(_OCTAVE, heard + 2) else None


def _widest(onset: NDArray[np.int64], pitch: NDArray[np.int64]) -> tuple[int, int]:
    """Return the widest step of the top line in semitones and the index of the note it leads to."""
    order = np.lexsort((-pitch, onset))
    tops = order[np.concatenate([[True], np.diff(onset[order]) > 0])]
    if len(tops) < 2:
        return 0, 0
    steps = np.abs(np.diff(pitch[tops]))
    return int(steps.max()), int(tops[int(steps.argmax()) + 1])


def _foreign_bar(notes: Sequence[PlacedNote], bar_of: NDArray[np.intp], key: HeardKey) -> int | None:
    """Return the first bar in which a quarter of the notes are not of the scale."""
    scale = _MINOR_SCALE if key.is_minor else _MAJOR_SCALE
    is_foreign = np.array([(note.pitch - key.tonic) % 12 not in scale for note in notes])
    for bar in np.unique(bar_of):
        own = is_foreign[bar_of == bar]
        if len(own) >= _FEWEST_TO_REPEAT and own.mean() >= _FOREIGN_SHARE:
            return int(bar)
    return None


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


def _ending(notes: Sequence[PlacedNote], key: HeardKey) -> str:
    """Say whether the last harmony is the tonic chord over its root, and name it."""
    last = max(note.units for note in notes)
    beat = last - last % GRID
    sounding = [n.pitch for n in notes if n.units >= beat or n.units + n.length_units > beat + 2]
    name, root, is_plain = chord_name(sounding, key)
    is_closed = is_plain and root == key.tonic
    return f"ends {'closed' if is_closed else 'open'} (on {name})"
