"""From a composer's file and a caret to finished ideas: ask the model, decode, join, route, describe."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pianomuse.errors import RequestError
from pianomuse.generate.caret import Caret
from pianomuse.generate.decode import MAX_IDEAS, DecodedIdea, decode
from pianomuse.generate.describe import describe_idea
from pianomuse.generate.engine import Engine, StateT
from pianomuse.generate.feel import give_dynamics, give_timing, measure_dynamics, measure_timing
from pianomuse.generate.ideas import Candidate
from pianomuse.generate.join import Ruler, join_pedal, keep_clear, place_notes
from pianomuse.generate.key import HeardKey, heard_key
from pianomuse.generate.prompt import DEFAULT_CONTEXT_BARS, Request, write_request
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.generate.tempo import IdeaTempo, idea_tempo
from pianomuse.generate.tracks import Routing, assign_tracks, choose_tracks
from pianomuse.midi.additions import NewNote, NewPedal
from pianomuse.midi.idea import idea_file
from pianomuse.midi.read import Piece, read_midi
from pianomuse.midi.splice import insert_span, replace_span
from pianomuse.tokens.tokenizer import PianoTokenizer

MAX_CANDIDATES = 16
_SPARE_IDEAS = 8
_LITTLE_BARS, _LITTLE_NOTES = 2, 1
_CHARACTERS = (0, 2, -2)
"""Where little was heard, ideas are asked to be as full as that, fuller, and sparser in turn (bins of density)."""
_TIMING_STREAM = 1  # tells an idea's generator for timing from the one for tokens


@dataclass(frozen=True)
class Order:
    """What a composer asks for, apart from where.

    Args:
        n_ideas: 1 … 16.
        seed: 0 or more; idea k of a seed is the same whatever `n_ideas` is.
        sampling: how boldly tokens are drawn.
        is_fill: hear the bars behind the new ones too.
        suffix_first: in a fill, hear them first (docs/decisions/0006-fill-order.md).
        keep_ritardando: go on in the tempo a ritardando ends in.
        tracks: numbers or names of the tracks that receive new notes; empty chooses.
        has_feel: give new notes the lateness and legato of the context.
        context_bars: bars before the caret that are heard at most.
        first_downbeat_ticks: as `piece` was read with.
        note: what stands in an idea's file besides seed and settings, such as the model's name.

    """

    n_ideas: int = 4
    seed: int = 0
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    is_fill: bool = False
    suffix_first: bool = True
    keep_ritardando: bool = False
    tracks: tuple[str, ...] = ()
    has_feel: bool = True
    context_bars: int = DEFAULT_CONTEXT_BARS
    first_downbeat_ticks: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if not 1 <= self.n_ideas <= MAX_CANDIDATES:
            raise RequestError(f"{self.n_ideas} ideas cannot be written at once; choose 1 to {MAX_CANDIDATES}")
        if self.seed < 0:
            raise RequestError(f"--seed {self.seed}: choose 0 or more")


@dataclass(frozen=True)
class Composition:
    """Ideas for one place, and what was heard there.

    Args:
        caret: where they are.
        tempo: what they are written in.
        key: at the caret.
        request: what the model was asked; of several characters the first.
        routing: which tracks received notes.
        ideas: all different.
        seconds: for everything.
        seconds_to_first_note: from the start until the first note of any idea was known; None without notes.

    """

    caret: Caret
    tempo: IdeaTempo
    key: HeardKey
    request: Request
    routing: Routing
    ideas: tuple[Candidate, ...]
    seconds: float
    seconds_to_first_note: float | None


def is_little(request: Request) -> bool:
    """Tell whether little was heard: fewer than two bars with notes, or a single note."""
    notes = request.before.notes
    is_short = len(np.unique(notes.bar_index)) < _LITTLE_BARS or len(notes.onset) <= _LITTLE_NOTES
    return is_short and request.after is None


def compose(
    engine: Engine[StateT],
    tokenizer: PianoTokenizer,
    piece: Piece,
    caret: Caret,
    order: Order,
    *,
    on_token: Callable[[int, int], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Composition:
    """Write ideas at the caret.

    Args:
        engine: the model.
        tokenizer: its tokenizer.
        piece: the composer's file.
        caret: where the ideas go.
        order: how many, how bold, where to.
        on_token: called with an idea's index and every token as it is decided.
        is_cancelled: asked before every step of the model.

    Raises:
        RequestError: tracks that are not there, numbers out of range.
        MidiError: a metre the tokens cannot say.

    """
    started = time.perf_counter()
    routing = choose_tracks(piece, caret, order.tracks)
    tempo = idea_tempo(piece, caret, keep_ritardando=order.keep_ritardando)
    key = heard_key(piece, caret.tick)
    requests = _requests(piece, tokenizer, caret, tempo, key, order)
    heard = [(request.plan, *engine.prefill(request.ids)) for request in requests]
    begun = time.perf_counter()

    def draw(n_ideas: int) -> list[DecodedIdea]:
        drawn = [
            decode(
                engine,
                state,
                logits,
                plan,
                n_ideas,
                order.seed,
                order.sampling,
                on_token=on_token,
                is_cancelled=is_cancelled,
            )
            for plan, logits, state in heard
        ]
        return [drawn[index % len(drawn)][index] for index in range(n_ideas)]

    drawn = draw(order.n_ideas)
    to_first_note = [idea.seconds_to_first_note for idea in drawn if idea.seconds_to_first_note is not None]
    chosen = _different(drawn, order.n_ideas)
    if len(chosen) < order.n_ideas and order.sampling.temperature > 0:
        chosen = _different(draw(min(order.n_ideas + _SPARE_IDEAS, MAX_IDEAS)), order.n_ideas)
    finish = _Finisher(piece, caret, tempo, key, requests[0], routing, order)
    ideas = tuple(finish(idea, number) for number, idea in enumerate(chosen, 1))
    return Composition(
        caret=caret,
        tempo=tempo,
        key=key,
        request=requests[0],
        routing=routing,
        ideas=ideas,
        seconds=time.perf_counter() - started,
        seconds_to_first_note=begun - started + min(to_first_note) if to_first_note else None,
    )


def _requests(
    piece: Piece, tokenizer: PianoTokenizer, caret: Caret, tempo: IdeaTempo, key: HeardKey, order: Order
) -> list[Request]:
    """Return what the model is asked: one request, or where little was heard one for each character."""

    def ask(density_shift: int) -> Request:
        return write_request(
            piece,
            tokenizer,
            caret,
            tempo,
            key,
            is_fill=order.is_fill,
            suffix_first=order.suffix_first,
            context_bars=order.context_bars,
            density_shift=density_shift,
        )

    first = ask(0)
    return [first, *map(ask, _CHARACTERS[1:])] if is_little(first) else [first]


def _different(ideas: Sequence[DecodedIdea], n_wanted: int) -> list[DecodedIdea]:
    """Return the first of all ideas with the same notes, as many as wanted; the order stays."""
    found: dict[frozenset[tuple[int, int, int]], DecodedIdea] = {}
    for idea in ideas:
        found.setdefault(frozenset((n.onset, n.duration, n.pitch) for n in idea.notes), idea)
    return list(found.values())[:n_wanted]


class _Finisher:
    """Turn decoded ideas into files; what all ideas of a caret share is measured once."""

    def __init__(
        self,
        piece: Piece,
        caret: Caret,
        tempo: IdeaTempo,
        key: HeardKey,
        request: Request,
        routing: Routing,
        order: Order,
    ) -> None:
        """Measure what the ideas share."""
        self.piece, self.caret, self.tempo, self.key = piece, caret, tempo, key
        self.request, self.routing, self.order = request, routing, order
        self.ruler = Ruler(caret, request.plan, piece.grid.ticks_per_quarter)
        self.dynamics = measure_dynamics(piece, caret, both_sides=request.after is not None)
        self.timing = measure_timing(piece, caret) if order.has_feel else None

    def __call__(self, idea: DecodedIdea, number: int) -> Candidate:
        plan = self.request.plan
        written = give_dynamics(place_notes(idea.notes, self.ruler), self.dynamics)
        rng = np.random.default_rng([self.order.seed, number, _TIMING_STREAM])
        played = give_timing(written, self.timing, rng) if self.timing is not None else written
        music = keep_clear(played, self.piece, self.caret)
        pedals = join_pedal(idea.ids.tolist(), music, plan, self.ruler, self.piece, self.caret)
        tracks = assign_tracks(music, self.piece, self.caret, self.routing)
        notes = tuple(
            NewNote(note.tick, note.end_tick - note.tick, note.pitch, note.velocity, track)
            for note, track in zip(music, tracks, strict=True)
        )
        midi, whole = self._files(notes, pedals, number)
        words = describe_idea(music, plan, self.caret, self.request.before, self.key)
        return Candidate(
            number=number,
            notes=notes,
            pedals=tuple(pedals),
            reason=words.reason,
            range=words.range,
            ending=words.ending,
            log_prob_per_note=idea.log_prob_per_note,
            seconds=idea.seconds,
            midi=midi,
            with_completion=whole,
        )

    def _files(self, notes: tuple[NewNote, ...], pedals: list[NewPedal], number: int) -> tuple[bytes, bytes]:
        """Return the file of the new bars and the composer's file with them."""
        piece, caret = self.piece, self.caret
        mspq = self.tempo.mspq if self.tempo.is_written else None
        if caret.is_inserted:
            length = caret.end_tick - caret.tick
            whole = insert_span(piece, caret.tick, length, notes, pedals, tempo_mspq=mspq)
            model = read_midi(whole, first_downbeat_ticks=self.order.first_downbeat_ticks)
        else:
            whole = replace_span(piece, caret.tick, caret.end_tick, notes, pedals, tempo_mspq=mspq)
            model = piece
        if self.tempo.ritardando_from is not None:
            score = model.score.copy()
            score.tempos = [t for t in score.tempos if not self.tempo.ritardando_from <= t.time < caret.tick]
            model = replace(model, score=score)
        text = self._text(number)
        return idea_file(model, caret.bar_tick, caret.end_tick, notes, pedals, text, tempo_mspq=mspq), whole

    def _text(self, number: int) -> str:
        sampling, caret = self.order.sampling, self.caret
        parts = [
            f"PianoMuse idea {number}",
            f"seed {self.order.seed}",
            f"bars {caret.bar_index + 1}-{caret.bar_index + caret.n_bars}",
            f"temperature {sampling.temperature:g}, top-p {sampling.top_p:g}, top-k {sampling.top_k}",
            self.order.note,
        ]
        return " · ".join(part for part in parts if part)
