"""What a session tells while ideas are being written, in the order in which it is decided.

Times are ticks of the composer's file; where bars are inserted, ticks as they will be. Bars and beats count from 1.
Ideas are numbered from 1, and idea k of a seed is the same however many are asked for.

Notes are told as the model decides them: pitch, place and length are final, except that a note may end earlier where
the same key is struck again. How loud, how late and which track is settled with the whole idea, in its `Candidate`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pianomuse.generate.ideas import Candidate


@dataclass(frozen=True)
class Listening:
    """The first event: what is heard.

    Args:
        seed: what the ideas are drawn with.
        from_bar: first bar before the ideas that is heard, 1 or more; equal to `to_bar` + 1 where none is.
        to_bar: last one.
        bars_after: bars behind the ideas that are heard.
        is_whole: nothing is left out because the piece is still being read.

    """

    seed: int
    from_bar: int
    to_bar: int
    bars_after: int
    is_whole: bool


@dataclass(frozen=True)
class NoteDecided:
    """A note of an idea.

    Args:
        idea: number of the idea.
        tick: onset.
        duration_ticks: length.
        pitch: MIDI pitch.
        velocity: MIDI velocity, as the model wrote it.
        hand: ``right`` or ``left``, as far as it can be told now; empty where hands are no limit.
        bar: bar it starts in.
        beat: where in that bar, in beats.

    """

    idea: int
    tick: int
    duration_ticks: int
    pitch: int
    velocity: int
    hand: str
    bar: int
    beat: float


@dataclass(frozen=True)
class PedalDecided:
    """The sustain pedal of an idea goes down or up at a tick."""

    idea: int
    tick: int
    is_down: bool


@dataclass(frozen=True)
class BarClosed:
    """No more notes will start in this bar of an idea; it ends at `end_tick`."""

    idea: int
    bar: int
    end_tick: int


@dataclass(frozen=True)
class IdeaFinished:
    """An idea has all its bars.

    Args:
        idea: number of the idea.
        candidate: the idea as the composer gets it.

    """

    idea: int
    candidate: Candidate

    @property
    def reason(self) -> str:
        """What the idea does, in words."""
        return self.candidate.reason

    @property
    def score(self) -> float:
        """The model's own log-probability per note; higher is likelier."""
        return self.candidate.log_prob_per_note


@dataclass(frozen=True)
class IdeaDropped:
    """An idea has the same notes as an earlier one and is taken back; another comes in its place if there is one.

    Args:
        idea: number of the idea.
        same_as: number of the earlier one.

    """

    idea: int
    same_as: int


@dataclass(frozen=True)
class IdeasRanked:
    """The last event: all ideas in order, the one most likely to be wanted first, with the figures behind it."""

    candidates: tuple[Candidate, ...]


Event = Listening | NoteDecided | PedalDecided | BarClosed | IdeaFinished | IdeaDropped | IdeasRanked
