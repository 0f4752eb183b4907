"""A session knows a piece: what was read of it stays known, and ideas begin at once wherever the caret stands.

    session = muse.session("sketch.mid")
    for event in session.stream(at_bar=17, bars=2, candidates=4):
        ...
    session.edit("sketch.mid")  # after a change: only what changed is read again

`compose` is a session opened for one question. Every verb is a method of it, so the module is longer than most.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any, Unpack

from pianomuse.errors import RequestError
from pianomuse.generate.caret import Caret, caret_at, find_caret, last_bar_with_music, span_caret
from pianomuse.generate.compose import Composition, Order, Scene, set_scene
from pianomuse.generate.engine import Engine
from pianomuse.generate.ghost import Ghost
from pianomuse.generate.hand import bar_of_hand
from pianomuse.generate.ideas import Ideas
from pianomuse.generate.joins import joins_of
from pianomuse.generate.like import Liked, Mood, Same, Written, check_words
from pianomuse.generate.options import Options, order_of
from pianomuse.generate.original import kept_order
from pianomuse.generate.prompt import DEFAULT_CONTEXT_BARS, MAX_CONTEXT_TOKENS, Request
from pianomuse.generate.ranking import Ranker
from pianomuse.generate.read_ahead import ReadAhead, Turns, bars_within, first_difference
from pianomuse.generate.side import SideReader
from pianomuse.generate.states import DEFAULT_BUDGET_MB, StateCache
from pianomuse.generate.stream import Heard, Origin, Stream
from pianomuse.generate.under import MISSING
from pianomuse.midi.read import Piece, read_midi
from pianomuse.tokens.prompt import PromptWriter
from pianomuse.tokens.tokenizer import PianoTokenizer

READ_AT_ONCE_TOKENS = 2048
"""So much of a piece is read before an answer; what is farther from the caret is left out until it has been read."""

Source = str | Path | bytes | Piece


class Session:
    """One piece, heard by one model.

    Every call may come from another thread than the last; two calls at the same time wait for each other in the model,
    token by token.

    Args:
        engine: the model.
        tokenizer: its tokenizer.
        piece: the composer's file.
        first_downbeat_ticks: as `piece` was read with.
        read: reads the piece again after an edit, as it was read; None: with `first_downbeat_ticks`.
        budget_mb: mebibytes for what is remembered of the piece.
        reads_ahead: read the piece in the background; otherwise a request waits until all before it has been read.
        origin: what writes.
        ranker: puts ideas in order.

    """

    def __init__(
        self,
        engine: Engine[Any],
        tokenizer: PianoTokenizer,
        piece: Piece,
        *,
        first_downbeat_ticks: int | None = None,
        read: Callable[[Source], Piece] | None = None,
        budget_mb: float = DEFAULT_BUDGET_MB,
        reads_ahead: bool = True,
        origin: Origin | None = None,
        ranker: Ranker | None = None,
    ) -> None:
        """Begin to read, in the background, if that is wanted."""
        self.engine, self.tokenizer = engine, tokenizer
        self.piece = piece
        self.origin = origin or Origin()
        self.ranker = ranker
        self.cache = StateCache(engine, budget_mb)
        self.n_tokens_read = 0
        """Tokens read to answer requests, in the background not counted."""
        self._first_downbeat_ticks = first_downbeat_ticks
        self._read = read or (lambda source: _read_file(source, first_downbeat_ticks))
        self._reader = SideReader(piece, tokenizer)
        self._lock = RLock()  # piece and reader change together
        self._turns = Turns()
        self._ahead = ReadAhead(self.cache, self._turns)
        self._reads_ahead = reads_ahead and self.cache.budget_bytes > 0
        self._last_bar_index = piece.grid.n_bars
        self._stop = weakref.finalize(self, self._ahead.stop)
        self._read_ahead(piece.grid.n_bars)

    @property
    def progress(self) -> float:
        """How much of what is to be read in the background is read, 0 … 1."""
        return self._ahead.progress

    @property
    def n_tokens_read_ahead(self) -> int:
        """Tokens read in the background."""
        return self._ahead.n_tokens_read

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the background has read what it was to read; tell whether it has."""
        return self._ahead.wait(timeout_s)

    def close(self) -> None:
        """Stop reading in the background, for good."""
        self._reads_ahead = False
        self._stop()

    def edit(self, source: Source) -> int | None:
        """Take the piece as it is now; in the background, what changed is read as far as the caret last stood.

        Args:
            source: a MIDI file: its path, its bytes, or what `read_midi` returned.

        Returns:
            The first bar, from 1, that the model hears differently; None if there is none.

        Raises:
            MidiError: the file cannot be read; the session keeps the piece as it was.

        """
        piece = self._read(source)
        reader = SideReader(piece, self.tokenizer)
        now = reader.whole
        with self._lock:
            bar = first_difference(self._reader.whole, now)
            self.piece, self._reader = piece, reader
            if bar is not None:
                self._read_ahead(max(self._last_bar_index, bar))
        return bar

    def stream(
        self,
        *,
        at_bar: int | None = None,
        bars: int = 4,
        finish_bar: bool = True,
        insert: bool | None = None,
        after: Ghost | None = None,
        whole_piece: bool = False,
        **options: Unpack[Options],
    ) -> Stream:
        """Go on after a bar, without looking ahead.

        Args:
            at_bar: last bar kept, from 1; 0 writes before bar 1; None: where the music stops.
            bars: whole bars to write, 1 … 32.
            finish_bar: without `at_bar`, first finish a half-finished bar.
            insert: what follows comes later instead of being replaced; None: only with `at_bar` 0.
            after: go on where what was accepted of an idea ends, instead of after a bar.
            whole_piece: wait until everything before the caret has been read; otherwise, while the piece is new, only
                the bars around the caret are heard, and `Listening.is_whole` tells.
            **options: see `Options`.

        Raises:
            PianoMuseError: something that cannot be done; one sentence says what.

        """
        order = self._order(options, is_fill=False)
        pushes = at_bar == 0 if insert is None else insert
        with self._lock:
            if after is not None:
                caret = caret_at(self.piece, after.front_tick, bars=bars, insert=after.is_inserted)
            else:
                at_bar = at_bar if at_bar is not None else bar_of_hand(self.piece, order.asked.hand)
                caret = find_caret(self.piece, at_bar=at_bar, bars=bars, finish_bar=finish_bar, insert=pushes)
            return self.ask(caret, order, whole_piece=whole_piece)

    def fill(self, from_bar: int, to_bar: int, *, whole_piece: bool = False, **options: Unpack[Options]) -> Stream:
        """Write bars from_bar … to_bar, both included, from what stands on both sides; see `stream`."""
        order = self._order(options, is_fill=True)
        with self._lock:
            return self.ask(span_caret(self.piece, from_bar, to_bar), order, whole_piece=whole_piece)

    def harmonise(
        self,
        from_bar: int | None = None,
        to_bar: int | None = None,
        *,
        whole_piece: bool = False,
        **options: Unpack[Options],
    ) -> Stream:
        """Write the hand that is missing in some bars, by default all; see `Muse.harmonise` and `stream`."""
        order = self._order(options, is_fill=False)
        order = replace(order, adds_hand=order.asked.hand or MISSING)
        with self._lock:
            last = last_bar_with_music(self.piece) if to_bar is None else to_bar
            caret = span_caret(self.piece, 1 if from_bar is None else from_bar, last)
            return self.ask(caret, order, whole_piece=whole_piece)

    def vary(self, from_bar: int, to_bar: int, *, whole_piece: bool = False, **options: Unpack[Options]) -> Stream:
        """Write bars from_bar … to_bar anew and `keep` something of them; see `Muse.vary` and `stream`."""
        keep = options.pop("keep", None)
        with self._lock:
            caret = span_caret(self.piece, from_bar, to_bar)
            order = kept_order(self._order(options, is_fill=True), keep, caret, self._reader)
            return self.ask(caret, order, whole_piece=whole_piece)

    def like(
        self,
        ideas: Ideas | Stream | Written,
        idea: int = 1,
        *,
        same: Same | None = None,
        mood: Mood | None = None,
        beats: int = 2,
        whole_piece: bool = False,
        **options: Unpack[Options],
    ) -> Stream:
        """Write more like one idea of this session, or one that stands in its piece; see `Muse.like` and `stream`."""
        kept, wanted = check_words(same, mood)
        liked = Liked(self.piece, ideas, idea, self._first_downbeat_ticks)
        piece, caret = liked.start(beats) if kept == "start" else liked.whole()
        other = Session(
            self.engine, self.tokenizer, piece,
            first_downbeat_ticks=liked.first_downbeat_ticks, budget_mb=0, reads_ahead=False,
            origin=self.origin, ranker=self.ranker,
        )  # fmt: skip
        other.cache, other._turns = self.cache, self._turns  # what was read before the idea stays read
        order = replace(self._order(liked.in_mood(options, wanted, kept), is_fill=liked.is_fill), is_like=True)
        order = replace(order, own=liked.own if liked.hand else None)
        if kept in ("rhythm", "harmony"):
            order = kept_order(order, kept, caret, other._reader)
        return other.ask(caret, order, whole_piece=whole_piece)

    def ghost(self, stream: Stream, idea: int) -> Ghost:
        """Return an idea of a stream of this session, to take it in part."""
        if stream.scene.piece.recording is not None:
            raise RequestError(
                "an idea for a recording without a metronome is taken whole: save it with_completion", "recording_whole"
            )
        if stream.scene.request.plan.given is not None:
            raise RequestError(
                "one hand under the other is taken whole: save the idea, or `edit` the session with it", "hand_whole"
            )
        return Ghost(stream, idea, self)

    def ask(self, caret: Caret, order: Order, *, whole_piece: bool = False) -> Stream:
        """Return the stream of ideas for a caret and an order."""
        scene = set_scene(self.piece, self.tokenizer, caret, order, self._reader)
        self._last_bar_index = caret.bar_index
        is_whole = whole_piece or not self._reads_ahead or self._n_unread(scene.request) <= READ_AT_ONCE_TOKENS
        if not is_whole:
            near = bars_within(scene.request.before, READ_AT_ONCE_TOKENS)
            scene = set_scene(self.piece, self.tokenizer, caret, replace(order, context_bars=near), self._reader)
            if self.progress == 1.0:
                self._read_ahead(caret.bar_index)
        has_to_join = order.is_fill or scene.caret.is_inserted
        return Stream(
            self.engine,
            scene,
            lambda is_closed: self._listen(scene, is_closed),
            origin=self.origin,
            is_whole=is_whole,
            turn=self._turns.answer,
            rank=self.ranker,
            joins=joins_of(self.engine, scene.request.plan, self._reader, scene.caret) if has_to_join else None,
        )

    def _order(self, options: Options, *, is_fill: bool) -> Order:
        note = ", ".join(
            f"{what} {name}" for what, name in (("model", self.origin.model), ("style", self.origin.style)) if name
        )
        return order_of(options, is_fill=is_fill, note=note, first_downbeat_ticks=self._first_downbeat_ticks)

    def _n_unread(self, request: Request) -> int:
        return len(request.ids) - self.cache.n_known(request.ids, request.lines)

    def _listen(self, scene: Scene, is_closed: Callable[[], bool]) -> list[Heard]:
        heard: list[Heard] = []
        for request in scene.requests:
            for n_tokens, logits, state in self.cache.reading(request.ids, request.lines):
                self.n_tokens_read += n_tokens
                last = logits, state
                if is_closed():
                    return heard
            heard.append(last)
        return heard

    def _read_ahead(self, n_bars: int) -> None:
        """Begin to read the first bars of the piece in the background."""
        if not self._reads_ahead:
            return
        side = self._reader.first_bars(n_bars, DEFAULT_CONTEXT_BARS, MAX_CONTEXT_TOKENS)
        if side.n_bars:
            ids = PromptWriter(self.tokenizer.vocabulary).prefix(side.head, side.bars)
            self._ahead.read(ids, side.lines + 1 + len(side.head))


def compose(engine: Engine[Any], tokenizer: PianoTokenizer, piece: Piece, caret: Caret, order: Order) -> Composition:
    """Write ideas at a caret: a session opened for one question.

    Args:
        engine: the model.
        tokenizer: its tokenizer.
        piece: the composer's file.
        caret: where the ideas go.
        order: how many, how bold, where to.

    Raises:
        RequestError: tracks that are not there, numbers out of range.
        MidiError: a metre the tokens cannot say.

    """
    session = Session(engine, tokenizer, piece, budget_mb=0, reads_ahead=False)
    return session.ask(caret, order, whole_piece=True).compose()


def _read_file(source: Source, first_downbeat_ticks: int | None) -> Piece:
    """Read a file, unless it is read already."""
    return source if isinstance(source, Piece) else read_midi(source, first_downbeat_ticks=first_downbeat_ticks)
