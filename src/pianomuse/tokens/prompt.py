"""The order in which the model reads a request: one layout for training and for composing.

Everything asked stands in one block right before the new bars, so that the music before it is read the same way
whatever is asked, and one cached state per bar serves every verb. ``head`` is ``[TimeSig, Tempo]``.

    continue      BOS head prefix                                        C | new bars EOS
    fill (PSM)    BOS head prefix  Suffix head suffix  Middle            C | missing bars EOS
    fill (SPM)    BOS Suffix head suffix  Prefix head prefix  Middle     C | missing bars EOS
    fill (around) BOS head far  Suffix head suffix  Prefix head near  Middle  C | missing bars EOS
    given         BOS head prefix                                        C | new bars, each heard beside a given one EOS

    C = Task [Dynamics] [Key] [Hand] [Voices] [Density] [Ending] Bars

Where one hand or a tune is given, every new bar is ``Bar TimeSig Given … Middle …``: what is given in it, then what is
written with it. So what must fit together is never more than a bar apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.tokens.vocabulary import MAX_BARS_TO_WRITE, Vocabulary

MAX_SUFFIX_BARS = 8
"""Bars after the gap that are read at most."""
NEAR_BARS = 4
"""Bars before a gap that are read behind those after it (docs/decisions/0006-fill-order.md)."""
_BAR_HEAD = 2  # every bar begins with Bar TimeSig


@dataclass(frozen=True)
class Wishes:
    """What is asked of the new bars; None leaves it to the model.

    Args:
        task: Continue, Fill, Hand, Melody or Accompany.
        n_bars: bars to write, 1 … 32, a broken-off first bar included.
        is_expressive: the music's velocities mean something; False for written scores with one velocity.
        key: ``C`` … ``B``, ``Cm`` … ``Bm``, or ``Unknown``.
        hand: Both, Right or Left.
        n_voices: most notes sounding at once, 1 … 8.
        density: bin of notes per quarter, 0 … 7 (pianomuse.tokens.notes.density_bin).
        ending: Open, Half, Close or Final.

    """

    task: str
    n_bars: int
    is_expressive: bool | None = None
    key: str | None = None
    hand: str | None = None
    n_voices: int | None = None
    density: int | None = None
    ending: str | None = None


class PromptWriter:
    """Write requests as ids."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._id = vocabulary.id
        self._begin = vocabulary.id("BOS_None")
        self._bar = vocabulary.id("Bar_None")

    def controls(self, wishes: Wishes) -> list[int]:
        """Return the block of control tokens; n_bars above 32 are asked for as 32."""
        dynamics = None if wishes.is_expressive is None else ("Known" if wishes.is_expressive else "Unknown")
        named = (
            ("Task", wishes.task),
            ("Dynamics", dynamics),
            ("Key", wishes.key),
            ("Hand", wishes.hand),
            ("Voices", wishes.n_voices),
            ("Density", wishes.density),
            ("Ending", wishes.ending),
            ("Bars", min(wishes.n_bars, MAX_BARS_TO_WRITE)),
        )
        return [self._id(f"{kind}_{value}") for kind, value in named if value is not None]

    def prefix(self, head: Sequence[int], bars: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return ``BOS head bars``: what continuation and PSM fill share."""
        return _join([self._begin], head, bars)

    def continuation(self, head: Sequence[int], bars: NDArray[np.int32], wishes: Wishes) -> NDArray[np.int32]:
        """Return the request to go on after some bars."""
        return _join([self._begin], head, bars, self.controls(wishes))

    def fill(
        self,
        head: Sequence[int],
        bars: NDArray[np.int32],
        suffix_head: Sequence[int],
        suffix: NDArray[np.int32],
        wishes: Wishes,
        *,
        suffix_first: bool = False,
    ) -> NDArray[np.int32]:
        """Return the request to fill the gap between ``bars`` and ``suffix``."""
        after = _join([self._id("Fill_Suffix")], suffix_head, suffix)
        middle = _join([self._id("Fill_Middle")], self.controls(wishes))
        if suffix_first:
            return _join([self._begin], after, [self._id("Fill_Prefix")], head, bars, middle)
        return _join([self._begin], head, bars, after, middle)

    def fill_around(
        self,
        head: Sequence[int],
        far: NDArray[np.int32],
        near_head: Sequence[int],
        near: NDArray[np.int32],
        suffix_head: Sequence[int],
        suffix: NDArray[np.int32],
        wishes: Wishes,
    ) -> NDArray[np.int32]:
        """Return the request to fill the gap between ``near`` and ``suffix``; ``far`` stands before ``near``.

        Without ``far`` it is the request with the suffix first.
        """
        if len(far) == 0:
            return self.fill(near_head, near, suffix_head, suffix, wishes, suffix_first=True)
        after = _join([self._id("Fill_Suffix")], suffix_head, suffix, [self._id("Fill_Prefix")], near_head, near)
        return _join([self._begin], head, far, after, [self._id("Fill_Middle")], self.controls(wishes))

    def beside(self, bars: NDArray[np.int32]) -> tuple[tuple[int, ...], ...]:
        """Return what is read in each new bar behind its metre: ``Given``, what is given in the bar, ``Middle``."""
        given, middle = self._id("Fill_Given"), self._id("Fill_Middle")
        return tuple((given, *bar[_BAR_HEAD:].tolist(), middle) for bar in self._each(bars))

    def interleave(self, bars: NDArray[np.int32], beside: Sequence[Sequence[int]]) -> NDArray[np.int32]:
        """Return new bars with what is read in each of them, as many as there are bars."""
        pairs = zip(self._each(bars), beside, strict=True)
        return _join(*(part for bar, heard in pairs for part in (bar[:_BAR_HEAD], heard, bar[_BAR_HEAD:])))

    def is_beside(self, ids: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Tell which tokens of interleaved bars were given: bool [T], the tokens around them included."""
        given, middle = ids == self._id("Fill_Given"), ids == self._id("Fill_Middle")
        inside = np.cumsum(given) > np.cumsum(middle)
        found: NDArray[np.bool_] = inside | middle
        return found

    def _each(self, bars: NDArray[np.int32]) -> list[NDArray[np.int32]]:
        lines = np.flatnonzero(bars == self._bar)
        return [bars[first:last] for first, last in zip(lines, [*lines[1:], len(bars)], strict=True)]


def _join(*parts: Sequence[int] | NDArray[np.int32]) -> NDArray[np.int32]:
    return np.concatenate([np.asarray(part, dtype=np.int32) for part in parts])
