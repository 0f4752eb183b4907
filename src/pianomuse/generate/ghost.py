"""An idea over the composer's music that can be taken in part: a note, a beat, a bar, a hand, or by playing along."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import replace
from typing import Literal, Protocol

from pianomuse.errors import RequestError
from pianomuse.generate.ideas import Candidate
from pianomuse.generate.join import PlacedNote
from pianomuse.generate.stream import Stream
from pianomuse.generate.tracks import assign_hands, hands_of_music
from pianomuse.midi.additions import NewNote
from pianomuse.midi.bars import beat_ticks
from pianomuse.midi.read import Piece, read_midi
from pianomuse.midi.splice import insert_span, replace_span

Hand = Literal["right", "left"]
_Key = tuple[int, int]  # pitch, and the how manyth note of that pitch in the idea


class Home(Protocol):
    """Where the composer's piece lives."""

    @property
    def piece(self) -> Piece:
        """The piece as it is now."""
        ...

    def edit(self, source: Piece, /) -> int | None:
        """Take the piece as it is now."""
        ...


class Ghost:
    """What of an idea is not yet the composer's; it may still be growing.

    Everything that is accepted goes into the composer's file as it was when the idea was asked for, so that taking an
    idea in ten steps gives the same file as taking it at once.

    Args:
        stream: where the idea comes from.
        idea: its number.
        home: receives the piece with what is accepted.

    """

    def __init__(self, stream: Stream, idea: int, home: Home) -> None:
        """Nothing is accepted yet."""
        self.idea = idea
        self._home, self._piece = home, stream.scene.piece
        self._stream, self._scene = stream, stream.scene
        self._accepted: dict[_Key, NewNote] = {}
        self._taken_hands: set[Hand] = set()
        self._front = self._scene.caret.tick
        self._lines = _beat_lines(stream)

    @property
    def front_tick(self) -> int:
        """Everything before it is the composer's; in ticks."""
        return self._front

    @property
    def is_inserted(self) -> bool:
        """What follows comes later, by as many bars as are accepted."""
        return self._scene.caret.is_inserted

    @property
    def is_current(self) -> bool:
        """Nothing but this idea has changed the piece since it was asked for."""
        return self._home.piece is self._piece

    @property
    def candidate(self) -> Candidate:
        """The whole idea, as far as it is written."""
        return self._stream.so_far(self.idea)

    @property
    def notes(self) -> tuple[NewNote, ...]:
        """The notes that are not accepted yet, by onset, then pitch."""
        return tuple(note for key, note in _keyed(self.candidate.notes) if key not in self._accepted)

    def matches(self, pitch: int, tick: int | None = None) -> bool:
        """Tell whether a note that is played or typed is the next one of the ghost.

        Args:
            pitch: MIDI pitch.
            tick: when it was played; None asks only whether the next strike has that pitch.

        """
        return self._next(pitch, tick) is not None

    def advance(self, pitch: int, tick: int | None = None, velocity: int | None = None) -> Piece | None:
        """Take the next note as it was played, if it is the ghost's; else return None and change nothing.

        Args:
            pitch: MIDI pitch.
            tick: when it was played; None: as the ghost has it.
            velocity: how loud; None: as the ghost has it.

        """
        self._check_home()
        found = self._next(pitch, tick)
        if found is None:
            return None
        (key, note), caret = found, self._scene.caret
        onset = note.tick if tick is None else min(max(tick, caret.tick), caret.end_tick - 1)
        length = max(note.tick + note.duration_ticks - onset, 1)
        self._accepted[key] = replace(note, tick=onset, duration_ticks=length, velocity=velocity or note.velocity)
        left = self.notes
        self._front = max(self._front, left[0].tick if left else caret.end_tick)
        return self._written()

    def accept(
        self, *, notes: int | None = None, beats: int | None = None, bars: int | None = None, hand: Hand | None = None
    ) -> Piece:
        """Take the next notes, beats or bars, or all of one hand; without any of these, all that is left.

        Returns:
            The composer's piece with everything accepted so far.

        Raises:
            RequestError: more than one of them is given, nothing is left, or the piece has been changed since.

        """
        self._check_home()
        asked = {name: n for name, n in (("notes", notes), ("beats", beats), ("bars", bars)) if n is not None}
        if len(asked) + (hand is not None) > 1 or any(n < 1 for n in asked.values()):
            raise RequestError("accept: give one of notes, beats, bars (1 or more each) or hand", "accept_what")
        caret, left = self._scene.caret, self.notes
        if self._front >= caret.end_tick and not left:
            raise RequestError(
                f"accept: all of idea {self.idea} is accepted; ask for more", "accepted_all", idea=self.idea
            )
        if hand is not None:
            self._take_hand(hand)
            return self._written()
        if notes is not None:
            front = left[notes].tick if notes < len(left) else caret.end_tick
            taken = left[:notes]
        else:
            lines = self._lines if beats is not None else caret.bar_lines
            ahead = bisect_right(lines, self._front) + (beats or bars or len(lines)) - 1
            front = lines[min(ahead, len(lines) - 1)]
            taken = tuple(note for note in left if note.tick < front)
        self._take(taken)
        self._front = max(self._front, front)
        return self._written()

    def _next(self, pitch: int, tick: int | None) -> tuple[_Key, NewNote] | None:
        """Return the ghost's note of this pitch, if it belongs to its next strike and the time is right."""
        left = [(key, note) for key, note in _keyed(self.candidate.notes) if key not in self._accepted]
        quarter = self._scene.piece.grid.ticks_per_quarter
        for key, note in left:
            is_struck_next = note.tick <= left[0][1].tick + quarter // 8
            if note.pitch == pitch and is_struck_next and (tick is None or abs(note.tick - tick) <= quarter // 4):
                return key, note
        return None

    def _take(self, notes: tuple[NewNote, ...]) -> None:
        keys = {note: key for key, note in _keyed(self.candidate.notes)}
        self._accepted.update({keys[note]: note for note in notes})

    def _take_hand(self, hand: Hand) -> None:
        notes, scene = (
            self.candidate.notes,
            self._scene,
        )  # all of them: who plays a note hangs on what is played with it
        placed = [PlacedNote(0, 0, n.tick, n.tick + n.duration_ticks, n.pitch, n.velocity) for n in notes]
        is_right = assign_hands(placed, scene.piece, scene.caret)
        own = {note for note, right in zip(notes, is_right, strict=True) if bool(right) == (hand == "right")}
        self._take(tuple(note for note in self.notes if note in own))
        self._taken_hands.add(hand)
        if not self.notes:
            self._front = scene.caret.end_tick

    def _written(self) -> Piece:
        """Put everything accepted into the composer's file as it was, and hand that over."""
        scene, caret = self._scene, self._scene.caret
        accepted = sorted(self._accepted.values(), key=lambda note: (note.tick, note.pitch))
        end = max([self._front, *(note.tick + 1 for note in accepted)])
        if self._taken_hands:
            end = caret.end_tick
        notes = tuple(_ending_by(note, caret.end_tick) for note in accepted)
        stays = self._other_hand() if self._taken_hands and not caret.is_inserted else frozenset()
        pedals = () if stays else tuple(pedal for pedal in self.candidate.pedals if pedal.tick < end)
        mspq = self._stream.finisher.written_mspq
        if caret.is_inserted:
            end = next(line for line in caret.bar_lines if line >= end)
            data = insert_span(scene.piece, caret.tick, end - caret.tick, notes, pedals, tempo_mspq=mspq)
        else:
            data = replace_span(scene.piece, caret.tick, end, notes, pedals, tempo_mspq=mspq, stays=stays)
        self._piece = read_midi(data, first_downbeat_ticks=scene.order.first_downbeat_ticks)
        self._home.edit(self._piece)
        return self._piece

    def _check_home(self) -> None:
        if not self.is_current:
            raise RequestError(
                f"idea {self.idea} was written for the piece as it was before; ask for ideas again",
                "idea_outdated",
                idea=self.idea,
            )

    def _other_hand(self) -> frozenset[tuple[int, int]]:
        """Return onset and pitch of the composer's notes under the idea that nothing has taken the place of."""
        caret = self._scene.caret
        played = hands_of_music(self._scene.piece, caret.tick, caret.end_tick)
        return frozenset(
            place for place, hand in played.items() if hand not in self._taken_hands and place[0] >= self._front
        )


def _keyed(notes: tuple[NewNote, ...]) -> list[tuple[_Key, NewNote]]:
    """Return the notes by onset, then pitch, each with a key that stays while the idea grows."""
    seen: Counter[int] = Counter()
    keyed = []
    for note in sorted(notes, key=lambda note: (note.tick, note.pitch)):
        keyed.append(((note.pitch, seen[note.pitch]), note))
        seen[note.pitch] += 1
    return keyed


def _ending_by(note: NewNote, end_tick: int) -> NewNote:
    return replace(note, duration_ticks=max(min(note.duration_ticks, end_tick - note.tick), 1))


def _beat_lines(stream: Stream) -> tuple[int, ...]:
    """Return the beats and bar lines of the new bars, in ticks."""
    caret, quarter = stream.scene.caret, stream.scene.piece.grid.ticks_per_quarter
    lines = {
        tick
        for start, end, metre in zip(caret.bar_lines, caret.bar_lines[1:], caret.metres, strict=False)
        for tick in (*range(start, end, beat_ticks(metre, quarter)), end)
    }
    return tuple(sorted(lines))
