"""What the bars before the caret sound like: voices, hands, density, range, pedal. An idea keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.playable import count_unplayable
from pianomuse.tokens.notes import TokenNotes, density_bin, n_voices
from pianomuse.tokens.vocabulary import GRID, N_VOICES

TEXTURE_BARS = 4
"""Voices, hands and density are those of this many bars next to the caret."""
_HANDS_BARS = 16
_ONE_LINE_SHARE = 0.05
_UNPLAYABLE_SHARE = 0.03
_RIGHT_HAND_FROM = 57  # MIDI; one hand that plays above this on average is called the right one

Hands = Literal["two hands", "right hand alone", "left hand alone"]


@dataclass(frozen=True)
class Heard:
    """The texture next to the caret.

    Args:
        n_notes: in all bars heard.
        n_voices: most notes sounding at once in the last four bars, 1 … 8.
        density: bin of notes per quarter in the last four bars.
        hands: who plays.
        is_playable: two hands can play what was heard.
        lowest: lowest MIDI pitch of the last 16 bars, of the last four where the tracks tell one hand.
        highest: highest MIDI pitch of the same bars.
        mean_pitch: of the last four bars.
        was_always_one_line: one note at a time in all bars heard.

    """

    n_notes: int
    n_voices: int
    density: int
    hands: Hands
    is_playable: bool
    lowest: int
    highest: int
    mean_pitch: float
    was_always_one_line: bool

    @property
    def is_one_line(self) -> bool:
        """One note at a time."""
        return self.n_voices == 1


def listen(
    notes: TokenNotes,
    bar_units: NDArray[np.int64],
    roles: frozenset[str],
    tempo_bpm: float,
    *,
    is_after: bool = False,
) -> Heard | None:
    """Describe the bars next to the caret, None if they hold no note.

    Args:
        notes: of the bars before the caret (or after it), in grid units.
        bar_units: lengths of those bars in grid units, int64 [n_bars].
        roles: roles of the tracks that play in the four bars next to the caret.
        tempo_bpm: quarter notes per minute.
        is_after: the bars stand after the caret, so the first of them are next to it.

    """
    if len(notes.onset) == 0:
        return None
    starts = np.concatenate([[0], np.cumsum(bar_units)])
    near = _bars_near(notes, TEXTURE_BARS, is_after)
    wide = _bars_near(notes, _HANDS_BARS, is_after)
    texture, around = _only(notes, near), _only(notes, wide)
    quarters = float(starts[near.stop] - starts[near.start]) / GRID
    voices = 1 if _is_one_line(texture) else n_voices(texture)
    is_told = len(roles) == 1 and roles <= {"right", "left"}
    alone = texture if is_told else around
    return Heard(
        n_notes=len(notes.onset),
        n_voices=voices,
        density=density_bin(len(texture.onset), quarters),
        hands=who_plays(alone, roles, tempo_bpm),
        is_playable=count_unplayable(_rows(around), 2, tempo_bpm) <= _UNPLAYABLE_SHARE * len(around.onset),
        lowest=int(alone.pitch.min()),
        highest=int(alone.pitch.max()),
        mean_pitch=float(texture.pitch.mean()),
        was_always_one_line=_is_one_line(notes),
    )


def both_sides(before: Heard | None, after: Heard | None) -> Heard | None:
    """Join what was heard on both sides of a gap: the fuller of the two."""
    if before is None or after is None:
        return before or after
    return Heard(
        n_notes=before.n_notes + after.n_notes,
        n_voices=max(before.n_voices, after.n_voices),
        density=(before.density + after.density) // 2,
        hands=before.hands if before.hands == after.hands else "two hands",
        is_playable=before.is_playable and after.is_playable,
        lowest=min(before.lowest, after.lowest),
        highest=max(before.highest, after.highest),
        mean_pitch=(before.mean_pitch + after.mean_pitch) / 2,
        was_always_one_line=before.was_always_one_line and after.was_always_one_line,
    )


def most_voices(heard: Heard | None) -> int | None:
    """Return how many notes an idea may sound at once; None where that is no limit."""
    return heard.n_voices if heard is not None and heard.n_voices < N_VOICES else None


def _bars_near(notes: TokenNotes, n_bars: int, is_after: bool) -> range:
    """Return the bars next to the caret, counted from the nearest one with notes."""
    if is_after:
        first = int(notes.bar_index.min())
        return range(first, min(first + n_bars, int(notes.bar_index.max()) + 1))
    last = int(notes.bar_index.max()) + 1
    return range(max(last - n_bars, 0), last)


def _only(notes: TokenNotes, bars: range) -> TokenNotes:
    chosen = (notes.bar_index >= bars.start) & (notes.bar_index < bars.stop)
    return TokenNotes(
        notes.onset[chosen],
        notes.duration[chosen],
        notes.pitch[chosen],
        notes.velocity[chosen],
        notes.bar_index[chosen],
        notes.total_units,
    )


def _is_one_line(notes: TokenNotes) -> bool:
    """Tell whether notes come one at a time; one in twenty may overlap the next by more than a 32nd."""
    order = np.argsort(notes.onset, kind="stable")
    onset, end = notes.onset[order], (notes.onset + np.maximum(notes.duration - 2, 1))[order]
    return bool((end[:-1] > onset[1:]).sum() <= _ONE_LINE_SHARE * len(onset))


def who_plays(notes: TokenNotes, roles: frozenset[str], tempo_bpm: float) -> Hands:
    """Tell who plays: one hand if it can play the notes and no other track plays too, the one its track names."""
    n_unplayable = 0 if _is_one_line(notes) else count_unplayable(_rows(notes), 1, tempo_bpm)
    if len(roles) > 1 or n_unplayable > _UNPLAYABLE_SHARE * len(notes.onset):
        return "two hands"
    is_right = "left" not in roles and ("right" in roles or notes.pitch.mean() >= _RIGHT_HAND_FROM)
    return "right hand alone" if is_right else "left hand alone"


def _rows(notes: TokenNotes) -> list[tuple[int, int, int]]:
    return list(zip(notes.onset.tolist(), (notes.onset + notes.duration).tolist(), notes.pitch.tolist(), strict=True))
