"""More like one idea: its start, rhythm or harmony stays, the rest is written anew, calmer or bolder if wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from pianomuse.errors import RequestError
from pianomuse.generate.caret import Caret, rest_of, ticks_caret
from pianomuse.generate.hand import notes_of_hand, places_of
from pianomuse.generate.ideas import Candidate, Ideas
from pianomuse.generate.options import Options
from pianomuse.generate.stream import Stream
from pianomuse.midi.bars import beat_ticks
from pianomuse.midi.read import Piece, read_midi
from pianomuse.midi.splice import replace_span

Same = Literal["start", "rhythm", "harmony"]
Mood = Literal["calmer", "bolder"]
SAME, MOODS = ("start", "rhythm", "harmony"), ("calmer", "bolder")


@dataclass(frozen=True)
class Written:
    """An idea that stands in a piece already: the notes that start between two ticks.

    Args:
        start_tick: where it starts.
        end_tick: the bar line behind it.
        is_fill: the bars behind are to be heard too.
        hand: the one whose idea it is, ``left`` or ``right``; the other one's notes stay. Empty: both.
        stays: those notes, onset in ticks and pitch; None: a rule tells the hands apart.

    """

    start_tick: int
    end_tick: int
    is_fill: bool = False
    hand: str = ""
    stays: frozenset[tuple[int, int]] | None = None


class Liked:
    """An idea in its place.

    Args:
        piece: the one it is written for or, with `Written`, the one it stands in.
        ideas: where it comes from.
        number: the idea's; `Written` is a single one.
        first_downbeat_ticks: as `piece` was read with.

    Raises:
        RequestError: there is no such idea.

    """

    def __init__(
        self, piece: Piece, ideas: Ideas | Stream | Written, number: int, first_downbeat_ticks: int | None
    ) -> None:
        """Find the idea."""
        self.first_downbeat_ticks = first_downbeat_ticks
        if isinstance(ideas, Written):
            self.caret, self.is_fill = ticks_caret(piece, ideas.start_tick, ideas.end_tick), ideas.is_fill
            self.hand, self._piece = ideas.hand, piece
            self.own = self._own_but(ideas.stays)
            self.n_notes = len(self.own)
            return
        candidate = self._among(ideas, number)
        self.own = frozenset((note.tick, note.pitch) for note in candidate.notes)
        self.n_notes = len(candidate.notes)
        whole = read_midi(candidate.on_bars, first_downbeat_ticks=self.first_downbeat_ticks)
        self._piece = replace(whole, recording=piece.recording)

    def _among(self, ideas: Ideas | Stream, number: int) -> Candidate:
        if isinstance(ideas, Stream):
            scene = ideas.scene
            candidate, self.caret, self.is_fill = ideas.so_far(number), scene.caret, scene.order.is_fill
            self.first_downbeat_ticks = scene.order.first_downbeat_ticks
            given = scene.request.plan.given
            self.hand = given.hand if given is not None else scene.order.asked.hand
        else:
            found = [idea for idea in ideas if idea.number == number]
            if not found:
                raise RequestError(
                    f"idea {number}: there are {', '.join(str(idea.number) for idea in ideas)}",
                    "idea_unknown",
                    idea=number,
                )
            candidate, self.caret, self.is_fill = found[0], ideas.caret, ideas.bars_after > 0
            self.first_downbeat_ticks = ideas.first_downbeat_ticks
            self.hand = ideas.added_hand or ideas.limits.get("hand", "")
        return candidate

    def start(self, beats: int) -> tuple[Piece, Caret]:
        """Return the composer's piece with the first beats of the idea, and the caret behind them.

        Of one hand they have to be whole bars, as one hand is written from a bar line on.

        Raises:
            RequestError: fewer than one beat, nothing is left to write, or one hand in the middle of a bar.

        """
        piece, caret = self.whole()
        if piece.recording is not None:
            raise RequestError(
                "like: of a recording without a metronome, rhythm or harmony can stay, the start cannot",
                "like_recording_start",
            )
        quarter, lines = piece.grid.ticks_per_quarter, caret.bar_lines
        ends = [
            tick
            for start, end, metre in zip(lines, lines[1:], caret.metres, strict=False)
            for tick in range(start, end, beat_ticks(metre, quarter))
            if tick > caret.tick
        ]
        if not 1 <= beats <= len(ends):
            raise RequestError(
                f"like: {beats} beats of the start; choose 1 to {len(ends)}", "like_beats", beats=beats, most=len(ends)
            )
        front = ends[beats - 1]
        if self.hand and front not in lines[:-1]:
            said = (
                f"like: of one hand, whole bars can be the start, and {beats} beats are none; leave some to be written"
            )
            raise RequestError(said, "like_hand_start", beats=beats)
        stays = self._of_the_other(front, caret.end_tick)
        data = replace_span(piece, front, caret.end_tick, (), (), stays=stays)
        begun = read_midi(data, first_downbeat_ticks=self.first_downbeat_ticks)
        return begun, rest_of(begun, caret, front)

    def _of_the_other(self, from_tick: int, to_tick: int) -> frozenset[tuple[int, int]]:
        """Return what the hand plays that stays: onset in ticks and pitch."""
        if not self.hand:
            return frozenset()
        there = places_of(self._piece)
        return frozenset(place for place in there if from_tick <= place[0] < to_tick) - self.own

    def _own_but(self, stays: frozenset[tuple[int, int]] | None) -> frozenset[tuple[int, int]]:
        """Return the notes of an idea that stands in the piece."""
        there = places_of(self._piece)
        inside = frozenset(place for place in there if self.caret.tick <= place[0] < self.caret.end_tick)
        if not self.hand:
            return inside
        if stays is not None:
            return inside - stays
        is_own = notes_of_hand(self._piece, self.hand)
        return inside & {place for place, own in zip(there, is_own, strict=True) if own}

    def whole(self) -> tuple[Piece, Caret]:
        """Return the composer's piece with the idea in it, and the caret over it."""
        return self._piece, rest_of(self._piece, self.caret, self.caret.tick)

    def in_mood(self, options: Options, mood: str, same: str) -> Options:
        """Return options for the same hand that make ideas calmer or bolder, as far as they say nothing else.

        Calmer is drawn more carefully, with at most as many notes a bar as this idea has on average; bolder more
        freely, with at least as many. A kept rhythm has its number of notes already.
        """
        changed = options.copy()
        if self.hand and changed.get("hand") is None:
            changed["hand"] = "left" if self.hand == "left" else "right"
        if not mood:
            return changed
        if changed.get("adventure") is None:
            changed["adventure"] = "calm" if mood == "calmer" else "bold"
        n_bars = max(self.caret.n_bars - self.caret.finishes_bar, 1)
        usual = self.n_notes / n_bars
        if changed.get("notes_per_bar") is None and same != "rhythm":
            changed["notes_per_bar"] = f"0-{max(int(usual), 1)}" if mood == "calmer" else f"{math.ceil(usual)}-"
        return changed


def check_words(same: str | None, mood: str | None) -> tuple[str, str]:
    """Return what is to be the same and the mood, empty where they are not said.

    Raises:
        RequestError: unknown words, or none.

    """
    for name, word, known in (("same", same, SAME), ("mood", mood, MOODS)):
        if word is not None and word not in known:
            raise RequestError(
                f"like: {name} {word}: choose {', '.join(known)}",
                "like_unknown",
                name=name,
                value=word,
                choices=list(known),
            )
    if same is None and mood is None:
        raise RequestError(
            "like: say what stays the `same` (start, rhythm, harmony), or a `mood` (calmer, bolder)", "like_what"
        )
    return same or "", mood or ""
