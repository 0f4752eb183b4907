"""What a composer asks for, and the scene it is asked in: tempo, key, tracks, and the requests the model reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from pianomuse.errors import RequestError
from pianomuse.generate.asked import Asked
from pianomuse.generate.caret import Caret
from pianomuse.generate.hand import write_one_hand
from pianomuse.generate.ideas import Candidate
from pianomuse.generate.key import HeardKey, heard_key, told_key
from pianomuse.generate.prompt import DEFAULT_CONTEXT_BARS, Request, write_request
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.generate.side import SideReader
from pianomuse.generate.tempo import IdeaTempo, idea_tempo
from pianomuse.generate.tracks import Routing, choose_tracks
from pianomuse.generate.under import write_hand_request
from pianomuse.midi.read import Piece
from pianomuse.tokens.tokenizer import PianoTokenizer

MAX_CANDIDATES = 16
_LITTLE_BARS, _LITTLE_NOTES = 2, 1
_CHARACTERS = (0, 2, -2)
"""Where little was heard, ideas are asked to be as full as that, fuller, and sparser in turn (bins of density)."""


@dataclass(frozen=True)
class Order:
    """What a composer asks for, apart from where.

    Args:
        n_ideas: 1 … 16.
        seed: 0 or more; idea k of a seed is the same whatever `n_ideas` is.
        sampling: how boldly tokens are drawn.
        is_fill: hear the bars behind the new ones too.
        adds_hand: the notes there stay, and this hand is added, ``left``, ``right`` or `under.MISSING`; empty: none.
        is_like: the notes there are another idea's, not the composer's.
        own: onset in ticks and pitch of those notes, where they are of one hand; None: not known.
        keep_ritardando: go on in the tempo a ritardando ends in.
        tracks: numbers or names of the tracks that receive new notes; empty chooses.
        has_feel: give new notes the lateness and legato of the context.
        context_bars: bars before the caret that are heard at most.
        first_downbeat_ticks: as `piece` was read with.
        note: what stands in an idea's file besides seed and settings, such as the model's name.
        asked: limits that hold besides those that were heard.

    """

    n_ideas: int = 4
    seed: int = 0
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    is_fill: bool = False
    adds_hand: str = ""
    is_like: bool = False
    own: frozenset[tuple[int, int]] | None = None
    keep_ritardando: bool = False
    tracks: tuple[str, ...] = ()
    has_feel: bool = True
    context_bars: int = DEFAULT_CONTEXT_BARS
    first_downbeat_ticks: int | None = None
    note: str = ""
    asked: Asked = field(default_factory=Asked)

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if not 1 <= self.n_ideas <= MAX_CANDIDATES:
            raise RequestError(
                f"{self.n_ideas} ideas cannot be written at once; choose 1 to {MAX_CANDIDATES}",
                "ideas_too_many",
                ideas=self.n_ideas,
                most=MAX_CANDIDATES,
            )
        if self.seed < 0:
            raise RequestError(f"--seed {self.seed}: choose 0 or more", "seed_negative", seed=self.seed)


@dataclass(frozen=True)
class Scene:
    """Everything about one place that does not depend on what the model writes there.

    Args:
        piece: the composer's file.
        caret: where the ideas go.
        order: what is asked for.
        tempo: what the ideas are written in.
        key: at the caret.
        routing: which tracks receive notes.
        requests: what the model is asked: one request, or where little was heard one for each character.

    """

    piece: Piece
    caret: Caret
    order: Order
    tempo: IdeaTempo
    key: HeardKey
    routing: Routing
    requests: tuple[Request, ...]

    @property
    def request(self) -> Request:
        """What the model is asked; of several characters the first."""
        return self.requests[0]

    @property
    def hands(self) -> str:
        """Who plays where the ideas are; empty where nothing was heard."""
        if self.request.plan.given is not None:
            return "two hands"
        return self.request.heard.hands if self.request.heard is not None else ""


@dataclass(frozen=True)
class Composition:
    """The ideas for one place.

    Args:
        scene: where they are and what was heard there.
        ideas: all different.

    """

    scene: Scene
    ideas: tuple[Candidate, ...]


def is_little(request: Request) -> bool:
    """Tell whether little was heard: fewer than two bars with notes, or a single note."""
    notes = request.before.notes
    is_short = len(np.unique(notes.bar_index)) < _LITTLE_BARS or len(notes.onset) <= _LITTLE_NOTES
    return is_short and request.after is None and request.plan.given is None


def set_scene(
    piece: Piece, tokenizer: PianoTokenizer, caret: Caret, order: Order, reader: SideReader | None = None
) -> Scene:
    """Find out what the model is to be asked at a caret.

    Args:
        piece: the composer's file.
        tokenizer: the model's.
        caret: where the ideas go.
        order: how many, how bold, where to.
        reader: of the piece, if there is one already.

    Raises:
        RequestError: tracks that are not there, numbers out of range.
        MidiError: a metre the tokens cannot say.

    """
    routing = choose_tracks(piece, caret, order.tracks)
    tempo = idea_tempo(piece, caret, keep_ritardando=order.keep_ritardando or bool(order.adds_hand))
    key = told_key(order.asked) or heard_key(piece, caret.end_tick if order.adds_hand else caret.tick)
    reader = reader or SideReader(piece, tokenizer)

    def ask(density_shift: int) -> Request:
        if order.adds_hand:
            near = order.context_bars
            return write_hand_request(
                piece,
                tokenizer,
                caret,
                tempo,
                key,
                order.adds_hand,
                context_bars=near,
                reader=reader,
                asked=order.asked,
            )
        write = partial(write_one_hand, known=order.own) if order.asked.hand else write_request
        return write(
            piece,
            tokenizer,
            caret,
            tempo,
            key,
            is_fill=order.is_fill,
            context_bars=order.context_bars,
            density_shift=density_shift,
            reader=reader,
            asked=order.asked,
        )

    first = ask(0)
    requests = (first, *map(ask, _CHARACTERS[1:])) if is_little(first) else (first,)
    return Scene(piece, caret, order, tempo, key, routing, requests)
