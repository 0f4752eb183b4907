"""What is kept of bars that are varied: their rhythm, or their harmony beat by beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pianomuse.errors import RequestError
from pianomuse.generate.asked import Beats
from pianomuse.generate.bar_limits import beat_units
from pianomuse.generate.caret import Caret
from pianomuse.generate.compose import Order
from pianomuse.generate.harmony import Chord
from pianomuse.generate.side import Side, SideReader
from pianomuse.midi.bars import Metre
from pianomuse.tokens.quantise import bar_length

_FEWEST_CLASSES = 3
_SHORTEST = 3  # grid units; what sounds for less than a 32nd in a beat does not belong to it


def kept_order(order: Order, keep: str | None, caret: Caret, reader: SideReader) -> Order:
    """Return an order that also keeps the rhythm, the contour or the harmony of the bars that are written over.

    Args:
        order: what is asked besides.
        keep: ``rhythm``, ``contour`` or ``harmony``.
        caret: the bars.
        reader: of the piece.

    Raises:
        RequestError: an unknown word, a harmony said twice, or bars without notes.

    """
    asked = order.asked
    if keep not in ("rhythm", "contour", "harmony"):
        raise RequestError(
            f"--keep {keep or 'is missing'}: choose rhythm, contour or harmony", "keep_unknown", value=keep or ""
        )
    first, last = caret.bar_index + 1, caret.bar_index + caret.n_bars
    if keep != "harmony":
        kept = replace(asked, keep=keep, keep_from=first, said={**asked.said, "keep": keep})
        return replace(order, asked=kept)
    if asked.chords:
        raise RequestError(
            f"--chords {asked.said['chords']} and --keep harmony both say the harmony: leave one out",
            "harmony_kept_and_said",
            chords=asked.said["chords"],
        )
    chords = harmony_of(reader.whole, caret.bar_index, caret.metres)
    said = {**asked.said, "chords": f"as in bars {first} to {last}"}
    return replace(order, asked=replace(asked, chords=chords, is_strict=True, said=said))


def harmony_of(side: Side, first: int, metres: Sequence[Metre]) -> tuple[Beats | None, ...]:
    """Return the harmony of some bars: for every beat the pitch classes that sound in it, and the lowest of them.

    Beats in which fewer than three sound are heard together with the next ones of their bar.

    Args:
        side: the piece.
        first: index of the first bar.
        metres: of the bars, as the file spells them.

    Returns:
        One entry per bar, None where nothing sounds.

    Raises:
        RequestError: nothing sounds in any of them.

    """
    starts = np.concatenate([[0], np.cumsum(side.bar_units)])
    harmony = [_beats(side, int(starts[first + index]), metre) for index, metre in enumerate(metres)]
    if not any(harmony):
        raise RequestError(
            "keep harmony: nothing sounds in these bars; choose others, or `fill` them", "harmony_silent"
        )
    return tuple(harmony)


def _beats(side: Side, start: int, metre: Metre) -> Beats | None:
    unit, length = beat_units(metre), bar_length(*metre)
    n_beats = max(length // unit, 1)
    edges = [start + beat * unit for beat in range(n_beats)] + [start + length]
    spans: list[tuple[int, list[int]]] = []  # first beat, and what sounds
    for beat in range(n_beats):
        sounding = _sounding(side, edges[beat], edges[beat + 1])
        if spans and len({pitch % 12 for pitch in spans[-1][1]}) < _FEWEST_CLASSES:
            spans[-1][1].extend(sounding)
        elif sounding or not spans:
            spans.append((beat, sounding))
    if len(spans) > 1 and len({pitch % 12 for pitch in spans[-1][1]}) < _FEWEST_CLASSES:
        spans[-2][1].extend(spans.pop()[1])
    if not spans[0][1]:
        return None
    chords: list[Chord | None] = [None] * n_beats
    for beat, sounding in spans:
        classes = frozenset(pitch % 12 for pitch in sounding)
        chords[beat] = Chord("as it was", classes, min(sounding) % 12)
    return tuple(chords)


def _sounding(side: Side, start: int, end: int) -> list[int]:
    """Return the pitches struck between two times, or held there long enough to be heard."""
    notes = side.notes
    until = notes.onset + notes.duration
    is_struck = (notes.onset >= start) & (notes.onset < end)
    is_held = np.minimum(until, end) - np.maximum(notes.onset, start) >= _SHORTEST
    return [int(pitch) for pitch in notes.pitch[is_struck | is_held]]
