"""How a bar is divided: halves, beats, eighths; where beams end.

A metre is a tree. 4/4 is two halves of two quarters, 6/8 two dotted quarters of three eighths, 7/8 groups of two and
three as the music is heard to group them. Below the metre's own note value everything is halved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from pianomuse.midi.bars import Metre
from pianomuse.notation.measures import UNITS

FINEST = UNITS // 64


@dataclass(frozen=True)
class Span:
    """A stretch of a bar; times in units from the beginning of the whole bar."""

    start: int
    length: int
    own_parts: tuple[Span, ...] = ()

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + self.length

    @property
    def parts(self) -> tuple[Span, ...]:
        """What it is divided into: its own parts, else halves; nothing below the finest value."""
        if self.own_parts or self.length <= FINEST:
            return self.own_parts
        half = self.length // 2
        return Span(self.start, half), Span(self.start + half, half)


def is_compound(metre: Metre) -> bool:
    """Tell whether a metre's beat has three parts: 6/8, 9/8, 12/8, also 6/4."""
    return metre[0] > 3 and metre[0] % 3 == 0 and metre[1] >= 4


def beat_value(metre: Metre) -> int:
    """Return the length of the beat a conductor would give: a dotted quarter in 6/8."""
    unit = 4 * UNITS // metre[1]
    return unit * 3 if is_compound(metre) else unit


@lru_cache(maxsize=256)
def bar_tree(metre: Metre, groups: tuple[int, ...] = ()) -> Span:
    """Return the whole bar of a metre.

    Args:
        metre: numerator and denominator.
        groups: how many of the metre's note values each part has; () chooses.
    """
    n, unit = metre[0], 4 * UNITS // metre[1]
    if is_compound(metre):
        beats = tuple(_row(index * 3 * unit, 3, unit) for index in range(n // 3))
        return _grouped(beats, _usual_groups(len(beats)))
    units = tuple(Span(index * unit, unit) for index in range(n))
    return _grouped(units, groups or _usual_groups(n))


def possible_groups(metre: Metre) -> list[tuple[int, ...]]:
    """Return the ways a metre of 5, 7 or more odd parts may be grouped, the usual one first; [] for plain metres.

    >>> possible_groups((5, 8))
    [(3, 2), (2, 3)]
    """
    usual = _usual_groups(metre[0])
    if is_compound(metre) or len(set(usual)) < 2:
        return []
    turned = {usual[index:] + usual[:index] for index in range(len(usual))}
    return [usual, *sorted(turned - {usual}, reverse=True)]


def choose_groups(metre: Metre, onsets: Sequence[int]) -> tuple[int, ...]:
    """Return the grouping of a metre whose group beginnings are struck most often.

    Args:
        metre: numerator and denominator.
        onsets: where notes start, in units from their bar line, once per strike.
    """
    unit = 4 * UNITS // metre[1]
    ways = possible_groups(metre)
    if not ways:
        return ()

    def n_struck(groups: tuple[int, ...]) -> int:
        borders = {place * unit for place in accumulate(groups)}
        return sum(onset in borders for onset in onsets)

    return max(ways, key=n_struck)  # the first of equals: the usual one


def beam_spans(tree: Span, metre: Metre) -> tuple[list[Span], list[Span]]:
    """Return the stretches that beams of plain eighths may span, and those that finer beams may span.

    Eighths go together by the half bar in 4/4 and 2/2, by the bar in 3/4, 2/4 and 3/8, by the beat in 6/8,
    9/8 and 12/8 and by the group in 5/8 and 7/8; finer values by the beat.
    """
    if is_compound(metre) and metre[1] >= 8:
        fine = _cut_to(tree, max(beat_value(metre), UNITS))
        return fine, fine
    fine = _cut_to(tree, UNITS)
    if metre[1] > 8 or is_compound(metre):
        return fine, fine
    if tree.length <= 3 * UNITS:
        coarse = [tree] if metre[1] <= 4 or metre[0] <= 4 else list(tree.parts)
    else:
        coarse = _cut_to(tree, 2 * UNITS)
    if metre[1] == 8:
        fine = coarse
    return coarse, fine


def _cut_to(span: Span, length: int) -> list[Span]:
    if span.length <= length:
        return [span]
    return [piece for part in span.parts for piece in _cut_to(part, length)]


def _usual_groups(n: int) -> tuple[int, ...]:
    """Return how n equal parts are grouped: (n,) for up to three."""
    if n <= 3:
        return (n,)
    if n % 4 == 0:
        return (2,) * (n // 2) if n == 4 else (4,) * (n // 4)
    if n % 3 == 0:
        return (3,) * (n // 3)
    if n == 5:
        return 3, 2
    if n % 2 == 0:
        return (2,) * (n // 2)
    return (*(2,) * ((n - 3) // 2), 3)


def _grouped(parts: tuple[Span, ...], groups: tuple[int, ...]) -> Span:
    """Gather parts into a span of groups, groups of four as two and two."""
    if len(groups) == 1 and len(parts) <= 3:
        return _gather(parts)
    gathered = []
    first = 0
    for size in groups:
        own = parts[first : first + size]
        gathered.append(_grouped(own, (2, 2)) if size == 4 else _gather(own))
        first += size
    return _gather(tuple(gathered))


def _gather(parts: tuple[Span, ...]) -> Span:
    if len(parts) == 1:
        return parts[0]
    return Span(parts[0].start, sum(part.length for part in parts), parts)


def _row(start: int, n: int, unit: int) -> Span:
    return Span(start, n * unit, tuple(Span(start + index * unit, unit) for index in range(n)))
