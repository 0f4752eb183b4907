"""Cut lengths into note values: what can be written as one note, where ties fall, what is a triplet.

A length is cut where it would hide the beat: a note may cross the middle of a stretch only if both its ends lie on
quarters of that stretch (eighth, quarter, eighth; dotted quarter and eighth), a rest only if it fills the stretch.

Stretches with places that halving cannot reach become tuplets. Of all ways to lay tuplets over a bar the one with the
fewest notes and ties is taken, and of equals the one with the shortest brackets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pianomuse.notation.measures import UNITS
from pianomuse.notation.metre import FINEST, Span

TYPES = ("breve", "whole", "half", "quarter", "eighth", "16th", "32nd", "64th", "128th", "256th")
_LONGEST = 8 * UNITS
_TUPLETS = (3, 5, 7, 9, 11, 13)
_MOST_HALVINGS = 3  # of a tuplet's own value
_COST_PER_TUPLET = 0.01
_COST_PER_QUARTER = 0.2  # of bracket


class Value(NamedTuple):
    """A note value: an index into `TYPES` and dots."""

    type_index: int
    dots: int


@dataclass(frozen=True)
class Tuplet:
    """`actual` equal values in the time of `normal` over a stretch; times in units from the beginning of the bar."""

    span: Span
    actual: int
    normal: int

    @property
    def normal_type(self) -> str:
        """Name of the value that is counted."""
        value = written_value(self.span.length // self.normal, 0)
        return TYPES[value.type_index] if value else ""


class Cut(NamedTuple):
    """A stretch of one note or rest that is written as one value."""

    start: int
    end: int
    value: Value
    tuplet: Tuplet | None
    segment: int


def written_value(length: int, most_dots: int = 2) -> Value | None:
    """Return the value a length is written as, None where no single note is that long.

    >>> written_value(UNITS * 3 // 2)
    Value(type_index=3, dots=1)
    """
    for index in range(len(TYPES)):
        plain = _LONGEST >> index
        if plain <= length:
            dots = {plain: 0, plain * 3 // 2: 1, plain * 7 // 4: 2}.get(length, 3)
            return Value(index, dots) if dots <= most_dots else None
    return None


def cut_voice(segments: Sequence[tuple[int, int, bool]], tree: Span) -> list[Cut]:
    """Cut the notes and rests of one voice in one bar into values.

    Args:
        segments: (start, end, is_rest), end to end, in units from the beginning of the whole bar.
        tree: the whole bar; segments may begin later (a pickup) or end earlier.
    """
    low, high = segments[0][0], segments[-1][1]
    points = [start for start, _, _ in segments[1:]]
    tuplets = _Tuplets(segments, points, low, high).choose(tree)[1]
    cuts: list[Cut] = []
    for index, (start, end, is_rest) in enumerate(segments):
        place = start
        for tuplet in [*(t for t in tuplets if t.span.start < end and t.span.end > start), None]:
            upto = end if tuplet is None else max(tuplet.span.start, place)
            cuts += _plain(place, upto, tree, is_rest, index)
            place = upto
            if tuplet is not None:
                upto = min(end, tuplet.span.end)
                cuts += _in_tuplet(place, upto, tuplet, is_rest, index)
                place = upto
    return _with_sixes(cuts)


def _plain(start: int, end: int, tree: Span, is_rest: bool, index: int) -> list[Cut]:
    if end <= start:
        return []
    return [Cut(a, b, _value(b - a), None, index) for a, b in split(start, end, tree, is_rest=is_rest)]


def _in_tuplet(start: int, end: int, tuplet: Tuplet, is_rest: bool, index: int) -> list[Cut]:
    actual, normal = tuplet.actual, tuplet.normal
    pieces = split(start, end, tuplet.span, actual, normal, is_rest=is_rest)
    return [Cut(a, b, _value((b - a) * actual // normal), tuplet, index) for a, b in pieces]


def _value(length: int) -> Value:
    value = written_value(length)
    assert value is not None, f"no note value is {length} units long: a place between the divisions of a beat"
    return value


def split(
    start: int, end: int, span: Span, actual: int = 1, normal: int = 1, *, is_rest: bool = False
) -> list[tuple[int, int]]:
    """Split a length inside a span into lengths that can be written as one value each.

    Args:
        start: where it begins.
        end: where it ends.
        span: holds both.
        actual: values in a tuplet, which are written longer than they last: by actual / normal.
        normal: what they stand for.
        is_rest: rests do not cross the parts of a span.
    """
    parts = span.parts
    if (start, end) == (span.start, span.end) and _is_written(end - start, actual, normal, 1):
        return [(start, end)]
    borders = [part.start for part in parts[1:] if start < part.start < end]
    if not borders:
        inside = next((part for part in parts if part.start <= start and end <= part.end), None)
        return [(start, end)] if inside is None else split(start, end, inside, actual, normal, is_rest=is_rest)
    if _may_cross(start, end, span, is_rest) and _is_written(end - start, actual, normal, _dots(start, span)):
        return [(start, end)]
    is_on_border = any(part.start == start for part in parts)
    border = borders[-1] if is_on_border else borders[0]
    left = split(start, border, span, actual, normal, is_rest=is_rest)
    return left + split(border, end, span, actual, normal, is_rest=is_rest)


def _dots(start: int, span: Span) -> int:
    return 2 if start == span.start and len(span.parts) == 2 else 1


def _is_written(length: int, actual: int, normal: int, most_dots: int) -> bool:
    return length * actual % normal == 0 and written_value(length * actual // normal, most_dots) is not None


def _may_cross(start: int, end: int, span: Span, is_rest: bool) -> bool:
    """Tell whether one value may cross the parts of a span from `start` to `end`."""
    parts = span.parts
    is_even = all(part.length == parts[0].length for part in parts)
    if is_rest:  # two of three parts, from the first on: a quarter rest on the first beat of 6/8
        return len(parts) == 3 and is_even and not parts[0].own_parts and _is_low(span) and start == span.start
    edges = {part.start for part in parts} | {span.end}
    if {start, end} <= edges and is_even:
        return True
    if not is_even:
        return False
    if len(parts) == 2:
        if len(parts[0].parts) == 3:
            return False
        a, b = (start - span.start) * 8 // span.length, (end - span.start) * 8 // span.length
        is_exact = (start - span.start) * 8 % span.length == 0 and (end - span.start) * 8 % span.length == 0
        return is_exact and ((a % 2 == 0 and b % 2 == 0) or (a, b) == (0, 7))
    step = parts[0].length // 2
    n_crossed = sum(start < part.end and end > part.start for part in parts)
    is_on_halves = (start - span.start) % step == 0 and (end - span.start) % step == 0
    return n_crossed == 2 and is_on_halves and len(parts[0].parts) != 3


def _is_low(span: Span) -> bool:
    """Tell whether a span of three parts is a beat and not a bar of three quarters."""
    return span.length < 3 * UNITS


class _Tuplets:
    """Finds the tuplets of one voice in one bar."""

    def __init__(self, segments: Sequence[tuple[int, int, bool]], points: list[int], low: int, high: int) -> None:
        self._segments, self._points, self._low, self._high = segments, points, low, high

    def choose(self, span: Span) -> tuple[float, list[Tuplet]]:
        """Return the cheapest tuplets inside a span and their cost: notes and ties written, brackets."""
        inside = [point for point in self._points if span.start < point < span.end]
        if all((point - span.start) % FINEST == 0 for point in inside):
            return self._n_written(span), []
        is_whole = self._low <= span.start and span.end <= self._high
        options = [self._as_tuplet(span, n, inside) for n in _TUPLETS] if is_whole else []
        for parts in _ways(span):
            chosen = [self.choose(part) for part in parts]
            options.append((sum(cost for cost, _ in chosen), [t for _, found in chosen for t in found]))
        possible = [option for option in options if option is not None]
        return min(possible, key=lambda option: option[0], default=(float("inf"), []))

    def _as_tuplet(self, span: Span, n: int, inside: list[int]) -> tuple[float, list[Tuplet]] | None:
        steps = n << _MOST_HALVINGS
        if span.length % steps or any((point - span.start) % (span.length // steps) for point in inside):
            return None
        normal = next((m for m in range(n - 1, 1, -1) if _is_plain(span.length, m)), 0)
        if not normal:
            return None
        unit = span.length // n
        parts = tuple(Span(span.start + index * unit, unit) for index in range(n))
        tuplet = Tuplet(Span(span.start, span.length, parts), n, normal)
        quarters = span.length / UNITS
        bracket = _COST_PER_QUARTER * (quarters if quarters <= 1 else quarters**1.5)
        n_cuts = sum(
            len(split(max(a, span.start), min(b, span.end), tuplet.span, n, normal, is_rest=is_rest))
            for a, b, is_rest in self._segments
            if a < span.end and b > span.start
        )
        return n_cuts + bracket + _COST_PER_TUPLET, [tuplet]

    def _n_written(self, span: Span) -> float:
        low, high = max(span.start, self._low), min(span.end, self._high)
        return sum(
            len(split(max(a, low), min(b, high), span, is_rest=is_rest))
            for a, b, is_rest in self._segments
            if a < high and b > low
        )


def _is_plain(length: int, n: int) -> bool:
    value = written_value(length // n, 0) if length % n == 0 else None
    return value is not None


def _ways(span: Span) -> list[tuple[Span, ...]]:
    """Return how a span may be divided: into its parts, of three also into two and one."""
    parts = span.parts
    if not parts:
        return []
    ways = [parts]
    if len(parts) == 3:
        first, middle, last = parts
        ways.append((Span(first.start, first.length + middle.length, (first, middle)), last))
        ways.append((first, Span(middle.start, middle.length + last.length, (middle, last))))
    return ways


def _with_sixes(cuts: list[Cut]) -> list[Cut]:
    """Call a triplet of six equal notes a sextuplet."""
    renamed: dict[Tuplet, Tuplet] = {}
    for tuplet in {cut.tuplet for cut in cuts if cut.tuplet is not None and cut.tuplet.actual == 3}:
        own = [cut for cut in cuts if cut.tuplet is tuplet or cut.tuplet == tuplet]
        if len(own) == 6 and len({cut.end - cut.start for cut in own}) == 1 and tuplet.normal == 2:
            renamed[tuplet] = Tuplet(tuplet.span, 6, 4)
    return [cut._replace(tuplet=renamed.get(cut.tuplet, cut.tuplet)) if cut.tuplet else cut for cut in cuts]
