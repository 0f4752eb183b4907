"""The plan of a decode: how many bars in which metres, what is already there, and the limits that hold."""

from __future__ import annotations

from dataclasses import dataclass, field

from pianomuse.errors import RequestError
from pianomuse.generate.bar_limits import BarLimits
from pianomuse.generate.given import Given
from pianomuse.generate.grid import Grid
from pianomuse.generate.kept import Kept
from pianomuse.generate.pins import Pin
from pianomuse.tokens.quantise import bar_length
from pianomuse.tokens.vocabulary import MAX_BARS_TO_WRITE, METRES, PITCH_RANGE, Vocabulary


@dataclass(frozen=True)
class RingingNote:
    """A note of the context that sounds at the beginning of the first new bar or later.

    Args:
        pitch: MIDI pitch.
        end_units: where it ends, in grid units (24 per quarter) from the bar line of the first new bar.

    """

    pitch: int
    end_units: int


@dataclass(frozen=True)
class Limits:
    """What holds for every note of an idea, beyond the grammar.

    Args:
        grid: onsets and durations that may be used; by default all.
        lowest_pitch: MIDI pitch, inclusive.
        highest_pitch: MIDI pitch, inclusive.
        max_voices: most notes sounding at once, those that ring in from the context counted; None for no limit.
        n_hands: 2 or 1: the idea is playable by as many hands (see `playable`); 0 for no such limit.
        tempo_bpm: quarter notes per minute, for what hands can do in a given time.
        velocity: exactly this MIDI velocity, brought to the nearest the tokens can say; None leaves it free.
        may_pedal: the sustain pedal may be pressed.
        may_change_tempo: Tempo tokens may be written.
        max_tokens_per_bar: a bar with this many tokens is ended where it stands, and that is counted.

    """

    grid: Grid = field(default_factory=Grid)
    lowest_pitch: int = PITCH_RANGE[0]
    highest_pitch: int = PITCH_RANGE[1]
    max_voices: int | None = None
    n_hands: int = 2
    tempo_bpm: float = 120.0
    velocity: int | None = None
    may_pedal: bool = False
    may_change_tempo: bool = False
    max_tokens_per_bar: int = 512

    def __post_init__(self) -> None:
        """Refuse limits that no music can meet."""
        if not PITCH_RANGE[0] <= self.lowest_pitch <= self.highest_pitch <= PITCH_RANGE[1]:
            raise RequestError(
                f"the pitch range {self.lowest_pitch}-{self.highest_pitch} is not part of the piano's 21-108",
                "plan_range",
                lowest=self.lowest_pitch,
                highest=self.highest_pitch,
            )
        if self.max_voices is not None and self.max_voices < 1:
            raise RequestError(
                f"{self.max_voices} voices at once leaves no note; choose 1 or more",
                "plan_voices",
                voices=self.max_voices,
            )
        if self.n_hands not in (0, 1, 2):
            raise RequestError(
                f"{self.n_hands} hands cannot play; choose 1, 2, or 0 for no limit", "plan_hands", hands=self.n_hands
            )
        if not self.tempo_bpm > 0:
            raise RequestError(
                f"a tempo of {self.tempo_bpm} quarter notes per minute does not move; choose 20 or more",
                "plan_tempo",
                tempo=self.tempo_bpm,
            )
        if self.max_tokens_per_bar < 8:
            raise RequestError(
                f"{self.max_tokens_per_bar} tokens per bar leave no room for a note; choose 8 or more",
                "plan_tokens",
                tokens=self.max_tokens_per_bar,
            )


@dataclass(frozen=True)
class Plan:
    """What ideas are to be written.

    Time inside a plan is in grid units, 24 per quarter, from the bar line of the first new bar.

    Args:
        vocabulary: of the model.
        metres: one per bar to be written, as the tokens spell them; the broken-off bar counted, if there is one.
        first_bar: the composer's own tokens of a broken-off bar, from its Bar token on. The model has already read
            them; they are not part of the idea. Empty: the idea begins with a bar of its own.
        min_position: no onset of the first bar is before this position (grid units from its bar line).
        ringing: notes of earlier bars that still sound; those of ``first_bar`` are found in its tokens.
        pedal_down: the pedal is down at the bar line of the first new bar.
        limits: what holds for every note.
        given: the composer's notes that stay in these bars, under or over which one hand is written.
        bars: what holds in each bar; empty: in all of them the range and the voices of ``limits``.
        kept: the composer's notes whose rhythm or pitches are kept; None keeps neither.
        pins: moments that are fixed, ascending in time.
        beside: what the model reads in each bar behind its metre, before it writes there; empty: nothing.

    """

    vocabulary: Vocabulary
    metres: tuple[tuple[int, int], ...]
    first_bar: tuple[int, ...] = ()
    min_position: int = 0
    ringing: tuple[RingingNote, ...] = ()
    pedal_down: bool = False
    limits: Limits = field(default_factory=Limits)
    bars: tuple[BarLimits, ...] = ()
    kept: Kept | None = None
    pins: tuple[Pin, ...] = ()
    given: Given | None = None
    beside: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        """Refuse plans the tokens cannot say."""
        # One more than the largest request: finishing a broken-off bar comes on top of it.
        if not 1 <= len(self.metres) <= MAX_BARS_TO_WRITE + 1:
            raise RequestError(
                f"{len(self.metres)} bars cannot be written at once; choose 1 to {MAX_BARS_TO_WRITE}",
                "bars_too_many",
                bars=len(self.metres),
                most=MAX_BARS_TO_WRITE,
            )
        for metre in self.metres:
            if metre not in METRES:
                raise RequestError(
                    f"the metre {metre[0]}/{metre[1]} is not among those the tokens can say",
                    "metre_unknown",
                    metre=f"{metre[0]}/{metre[1]}",
                )
        if self.min_position < 0:
            raise RequestError(
                f"the first position is {self.min_position}; it cannot be before the bar line",
                "plan_position",
                position=self.min_position,
            )

    def in_bar(self, bar: int) -> BarLimits:
        """Return what holds in a bar."""
        if self.bars:
            return self.bars[bar]
        limits = self.limits
        return BarLimits(lowest=limits.lowest_pitch, highest=limits.highest_pitch, max_voices=limits.max_voices)

    @property
    def n_bars(self) -> int:
        """Number of bars to be written, the broken-off one counted."""
        return len(self.metres)

    @property
    def bar_starts(self) -> tuple[int, ...]:
        """Bar lines in grid units, the last bar's end included: n_bars + 1 values from 0."""
        starts = [0]
        for numerator, denominator in self.metres:
            starts.append(starts[-1] + bar_length(numerator, denominator))
        return tuple(starts)
