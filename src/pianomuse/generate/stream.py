"""Ideas as a stream of events: every note as it is decided, of all ideas side by side, until they are finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import RequestError
from pianomuse.generate.compose import Composition, Scene
from pianomuse.generate.decode import Decoding, check_ideas
from pianomuse.generate.engine import Engine
from pianomuse.generate.finish import Finisher
from pianomuse.generate.ideas import Candidate, Ideas
from pianomuse.generate.joins import Joins
from pianomuse.generate.rules import Rules
from pianomuse.generate.session_events import (
    BarClosed,
    Event,
    IdeaDropped,
    IdeaFinished,
    IdeasRanked,
    Listening,
    NoteDecided,
    PedalDecided,
)
from pianomuse.generate.summary import notices, piece_line, written_line
from pianomuse.generate.writer import DecodedIdea, IdeaWriter
from pianomuse.midi.bars import beat_ticks

_SPARE_IDEAS = 8
"""So many more are drawn at most where ideas are the same as others."""


@dataclass(frozen=True)
class Origin:
    """What writes: names of the model and of its style, and the device."""

    model: str = ""
    style: str = ""
    device: str = "cpu"


Heard = tuple[NDArray[np.float32], Any]
"""The logits behind a request, and the state."""
Rank = Callable[[Scene, list[tuple[Candidate, DecodedIdea]], Joins | None], tuple[Candidate, ...]]


class Stream(Iterator[Event]):
    """Ideas on their way: iterate over the events, or ask for all ideas at once.

    It can be closed at any time, from any thread and between any two tokens, and so can each idea.

    Args:
        engine: the model.
        scene: where the ideas go and what is asked for.
        listen: reads the requests of the scene, until what it is given says that the stream is closed.
        origin: what writes.
        is_whole: nothing is left out because the piece is still being read.
        turn: entered while the model works.
        rank: puts finished ideas in order; without it they stay in the order of their numbers.
        joins: where bars behind the ideas have to follow from them: tells how well they do.

    """

    def __init__(
        self,
        engine: Engine[Any],
        scene: Scene,
        listen: Callable[[Callable[[], bool]], list[Heard]],
        *,
        origin: Origin | None = None,
        is_whole: bool = True,
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
        rank: Rank | None = None,
        joins: Joins | None = None,
    ) -> None:
        """Check what is asked; nothing is read or written yet."""
        check_ideas(scene.order.n_ideas, scene.order.seed)
        self.scene = scene
        self.is_whole = is_whole
        self.origin = origin or Origin()
        self._engine, self._listen, self._turn, self._rank, self._joins = engine, listen, turn, rank, joins
        self._started = time.perf_counter()
        self._first_note_at: float | None = None
        self._finish: Finisher | None = None
        self._writers: dict[int, IdeaWriter] = {}
        self._candidates: dict[int, tuple[int, Candidate]] = {}  # with the number of tokens they were made of
        self._finished: dict[int, DecodedIdea] = {}
        self._is_closed = False
        self._events = self._write()

    @property
    def finisher(self) -> Finisher:
        """Makes candidates of what is written."""
        if self._finish is None:
            self._finish = Finisher(self.scene)
        return self._finish

    def __next__(self) -> Event:
        """Return the next event."""
        if self._is_closed:
            raise StopIteration
        return next(self._events)

    def __enter__(self) -> Stream:
        """Return the stream; it is closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the stream."""
        self.close()

    def close(self) -> None:
        """Write no more. Ideas as far as they are can still be had with `so_far`."""
        self._is_closed = True
        for writer in list(self._writers.values()):
            writer.stop()

    def drop(self, idea: int) -> None:
        """Write no more of one idea; its lane is free from the next token on."""
        self._writer(idea).stop()

    def so_far(self, idea: int) -> Candidate:
        """Return an idea as far as it is written."""
        writer = self._writer(idea)
        n_tokens, candidate = self._candidates.get(idea, (-1, None))
        if candidate is None or n_tokens != len(writer.ids):
            candidate = self.finisher(writer.result(), idea)
            self._candidates[idea] = len(writer.ids), candidate
        return candidate

    def tokens_of(self, idea: int) -> tuple[int, ...]:
        """Return the tokens of an idea as far as it is written."""
        return tuple(self._writer(idea).ids)

    def compose(self) -> Composition:
        """Write all ideas to their end; return those that differ in order, numbered without gaps as they were drawn."""
        ranked = [idea for event in self if isinstance(event, IdeasRanked) for idea in event.candidates]
        numbers = {drawn: number for number, drawn in enumerate(sorted(self._finished), 1)}
        return Composition(self.scene, tuple(replace(idea, number=numbers[idea.number]) for idea in ranked))

    def ideas(self, *, asked_at: float | None = None) -> Ideas:
        """Write all ideas to their end; return them with all that is to be said about them.

        Args:
            asked_at: `time.perf_counter()` from which seconds are counted; None: when the stream was made.

        """
        since = self._started if asked_at is None else asked_at
        composition = self.compose()
        scene, origin = self.scene, self.origin
        after = scene.request.after
        first_note = self._first_note_at
        return Ideas(
            candidates=composition.ideas,
            piece=scene.piece,
            caret=scene.caret,
            seed=scene.order.seed,
            first_downbeat_ticks=scene.order.first_downbeat_ticks,
            context_bars=scene.request.before.n_bars,
            bars_after=after.n_bars if after is not None else 0,
            hands=scene.hands,
            model=origin.model,
            style=origin.style,
            device=origin.device,
            summary=piece_line(scene.piece, composition),
            headline=written_line(composition),
            warnings=tuple(notices(scene.piece, composition, scene.order)),
            seconds=time.perf_counter() - since,
            seconds_to_first_note=None if first_note is None else first_note - since,
            limits=scene.order.asked.said,
            added_hand=scene.request.plan.given.hand if scene.request.plan.given is not None else "",
        )

    def _writer(self, idea: int) -> IdeaWriter:
        if idea not in self._writers:
            raise RequestError(
                f"idea {idea}: there is none of that number yet; there are {sorted(self._writers)}",
                "idea_unknown",
                idea=idea,
            )
        return self._writers[idea]

    def _write(self) -> Iterator[Event]:
        yield self._what_is_heard()
        with self._turn():
            heard = self._listen(lambda: self._is_closed)
        if self._is_closed:
            return
        decoding_since = time.perf_counter()
        order = self.scene.order
        wanted = n_drawn = order.n_ideas
        is_random = order.sampling.temperature > 0
        decodings = self._begin(heard, range(wanted), decoding_since)
        while not self._is_closed:
            going_on = [decoding for decoding in decodings if not decoding.is_over]
            for decoding in going_on:
                with self._turn():
                    drawn = decoding.step()
                for writer in drawn:
                    if not writer.is_stopped and not writer.pending:
                        yield from self._follow(writer)
                    while writer.pending and not writer.is_stopped:
                        writer.take_next()
                        yield from self._follow(writer)
            if not going_on and not self._is_closed:
                missing = min(self._n_missing(wanted), order.n_ideas + _SPARE_IDEAS - n_drawn)
                if missing <= 0 or not is_random:
                    yield self._ranked()
                    return
                decodings = self._begin(heard, range(n_drawn, n_drawn + missing), decoding_since)
                n_drawn += missing

    def _ranked(self) -> IdeasRanked:
        ideas = [(self.so_far(number), self._finished[number]) for number in sorted(self._finished)]
        if self._rank is None:
            return IdeasRanked(tuple(candidate for candidate, _ in ideas))
        with self._turn():
            return IdeasRanked(self._rank(self.scene, ideas, self._joins))

    def _n_missing(self, wanted: int) -> int:
        given_up = sum(writer.is_stopped for writer in self._writers.values())
        return wanted - given_up - len(self._finished)

    def _what_is_heard(self) -> Listening:
        request, caret = self.scene.request, self.scene.caret
        return Listening(
            seed=self.scene.order.seed,
            from_bar=caret.at_bar - request.before.n_bars + 1,
            to_bar=caret.at_bar,
            bars_after=request.after.n_bars if request.after is not None else 0,
            is_whole=self.is_whole,
        )

    def _begin(self, heard: list[Heard], numbers: range, since: float) -> list[Decoding[Any]]:
        """Open the lanes for some ideas; of several characters, ideas take turns."""
        order, requests = self.scene.order, self.scene.requests
        decodings = []
        for place, (request, (logits, state)) in enumerate(zip(requests, heard, strict=True)):
            own = [number for number in numbers if number % len(requests) == place]
            if not own:
                continue
            rules = Rules(request.plan)
            writers = [IdeaWriter(rules, order.seed, number, since) for number in own]
            self._writers.update({writer.number + 1: writer for writer in writers})
            drafts = self._joins if order.sampling.temperature > 0 and request.plan.given is None else None
            decodings.append(Decoding(self._engine, state, logits, writers, order.sampling, drafts=drafts))
        return decodings

    def _follow(self, writer: IdeaWriter) -> Iterator[Event]:
        """Tell what an idea's last token decided."""
        idea, constraints = writer.number + 1, writer.constraints
        kind = constraints.place.kind
        if writer.has_new_note:
            if self._first_note_at is None:
                self._first_note_at = time.perf_counter()
            yield self._note(writer)
        elif kind in ("Pedal", "PedalOff"):
            yield PedalDecided(idea, self.finisher.ruler.tick(constraints.time), kind == "Pedal")
        elif kind == "Bar" and constraints.bar_index > 0:
            yield self._bar_closed(idea, constraints.bar_index - 1)
        elif writer.is_finished:
            yield self._bar_closed(idea, constraints.bar_index)
            yield from self._end(writer)

    def _note(self, writer: IdeaWriter) -> NoteDecided:
        note, hands = writer.notes[-1], writer.constraints.hands()
        ruler, caret = self.finisher.ruler, self.scene.caret
        tick, place = ruler.tick(note.onset), writer.constraints.bar_index
        beat = beat_ticks(caret.metres[place], self.scene.piece.grid.ticks_per_quarter)
        return NoteDecided(
            idea=writer.number + 1,
            tick=tick,
            duration_ticks=max(ruler.tick(note.onset + note.duration) - tick, 1),
            pitch=note.pitch,
            velocity=note.velocity,
            hand=hands[-1] if hands else "",
            bar=caret.bar_index + place + 1,
            beat=1 + (tick - caret.bar_lines[place]) / beat,
        )

    def _bar_closed(self, idea: int, place: int) -> BarClosed:
        caret = self.scene.caret
        return BarClosed(idea, caret.bar_index + place + 1, caret.bar_lines[place + 1])

    def _end(self, writer: IdeaWriter) -> Iterator[Event]:
        """Tell that an idea is finished; of two with the same notes the one of the lower number stays."""
        idea, decoded = writer.number + 1, writer.result()
        notes = _what_sounds(decoded)
        twin = next((number for number, other in self._finished.items() if _what_sounds(other) == notes), None)
        if twin is not None and twin < idea:
            yield IdeaDropped(idea, twin)
            return
        if twin is not None:
            del self._finished[twin]
            yield IdeaDropped(twin, idea)
        self._finished[idea] = decoded
        yield IdeaFinished(idea, self.so_far(idea))


def _what_sounds(idea: DecodedIdea) -> frozenset[tuple[int, int, int]]:
    return frozenset((note.onset, note.duration, note.pitch) for note in idea.notes)
