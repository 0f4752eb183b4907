"""More like one idea: its start, rhythm or harmony stays, the rest is written anew, calmer or bolder if wanted."""

from __future__ import annotations

import math
from typing import Literal

from pianomuse.errors import RequestError
from pianomuse.generate.caret import Caret, rest_of
from pianomuse.generate.ideas import Candidate, Ideas
from pianomuse.generate.options import Options
from pianomuse.generate.stream import Stream
from pianomuse.midi.bars import beat_ticks
from pianomuse.midi.read import Piece, read_midi
from pianomuse.midi.splice import replace_span

Same = Literal["start", "rhythm", "harmony"]
Mood = Literal["calmer", "bolder"]
SAME, MOODS = ("start", "rhythm", "harmony"), ("calmer", "bolder")


class Liked:
    """An idea in its place.

    Args:
        ideas: where it comes from.
        number: the idea's.

    Raises:
        RequestError: there is no such idea, or it is one hand that was added.

    """

    def __init__(self, ideas: Ideas | Stream, number: int) -> None:
        """Find the idea."""
        if isinstance(ideas, Stream):
            scene = ideas.scene
            candidate, self.caret = ideas.so_far(number), scene.caret
            self.is_fill, first_downbeat = scene.order.is_fill, scene.order.first_downbeat_ticks
            is_hand = bool(scene.order.adds_hand or scene.order.asked.hand)
        else:
            found = [idea for idea in ideas if idea.number == number]
            if not found:
                raise RequestError(f"idea {number}: there are {', '.join(str(idea.number) for idea in ideas)}")
            candidate, self.caret = found[0], ideas.caret
            self.is_fill, first_downbeat = ideas.bars_after > 0, ideas.first_downbeat_ticks
            is_hand = bool(ideas.added_hand or ideas.limits.get("hand"))
        if is_hand:
            raise RequestError("like: an idea of one hand has no likes yet; ask for that hand again")
        self.candidate: Candidate = candidate
        self.first_downbeat_ticks = first_downbeat

    def start(self, beats: int) -> tuple[Piece, Caret]:
        """Return the composer's piece with the first beats of the idea, and the caret behind them.

        Raises:
            RequestError: fewer than one beat, or nothing is left to write.

        """
        piece, caret = self.whole()
        quarter, lines = piece.grid.ticks_per_quarter, caret.bar_lines
        ends = [
            tick
            for start, end, metre in zip(lines, lines[1:], caret.metres, strict=False)
            for tick in range(start, end, beat_ticks(metre, quarter))
            if tick > caret.tick
        ]
        if not 1 <= beats <= len(ends):
            raise RequestError(f"like: {beats} beats of the start; choose 1 to {len(ends)}")
        front = ends[beats - 1]
        data = replace_span(piece, front, caret.end_tick, (), ())
        begun = read_midi(data, first_downbeat_ticks=self.first_downbeat_ticks)
        return begun, rest_of(begun, caret, front)

    def whole(self) -> tuple[Piece, Caret]:
        """Return the composer's piece with the idea in it, and the caret over it."""
        piece = read_midi(self.candidate.with_completion, first_downbeat_ticks=self.first_downbeat_ticks)
        return piece, rest_of(piece, self.caret, self.caret.tick)

    def in_mood(self, options: Options, mood: str, same: str) -> Options:
        """Return options that make ideas calmer or bolder than this one, as far as they say nothing else.

        Calmer is drawn more carefully, with at most as many notes a bar as this idea has on average; bolder more
        freely, with at least as many. A kept rhythm has its number of notes already.
        """
        changed = options.copy()
        if not mood:
            return changed
        if changed.get("adventure") is None:
            changed["adventure"] = "calm" if mood == "calmer" else "bold"
        n_bars = max(self.caret.n_bars - self.caret.finishes_bar, 1)
        usual = len(self.candidate.notes) / n_bars
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
            raise RequestError(f"like: {name} {word}: choose {', '.join(known)}")
    if same is None and mood is None:
        raise RequestError("like: say what stays the `same` (start, rhythm, harmony), or a `mood` (calmer, bolder)")
    return same or "", mood or ""
