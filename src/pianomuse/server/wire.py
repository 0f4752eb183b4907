"""What a stream of ideas tells a client: one of these objects a line.

Times are ticks of the project; where bars are inserted, ticks as they will be. Bars and beats count from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from pianomuse.generate.compose import Composition
from pianomuse.generate.ideas import Candidate
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
from pianomuse.generate.stream import Stream
from pianomuse.generate.summary import notices, written_line
from pianomuse.server.faults import DETAIL
from pianomuse.server.said import VALUES, Said, SaidValue, said
from pianomuse.server.schema import IdeaFigures, Place, ProjectNote, ProjectPedal


class StartEvent(BaseModel):
    """The first line: where the ideas go and what is heard."""

    event: Literal["start"] = "start"
    id: str = Field(description="for DELETE /api/v1/complete/{id}")
    seed: int
    first_bar: int = Field(description="bar in which the ideas start")
    start_tick: int
    end_tick: int = Field(description="bar line behind the last new bar")
    from_bar: int = Field(description="first bar before the ideas that is heard")
    to_bar: int = Field(description="last one; below `from_bar` where nothing is heard")
    bars_after: int = Field(description="bars behind the ideas that are heard")
    adds_hand: str = Field(
        description="right or left where only that hand is written and the other one stays; else empty"
    )
    stays: list[Place] = Field(
        description="the other hand's notes between `start_tick` and `end_tick`; others there make room. "
        "If there are any, the pedal stays too"
    )
    is_whole: bool = Field(description="false: the piece is still being read, and only bars near the ideas are heard")


class NoteEvent(BaseModel):
    """A note is decided; how loud and how late it is, is settled when its idea is finished."""

    event: Literal["note"] = "note"
    idea: int
    tick: int
    duration: int = Field(description="ticks")
    pitch: int
    velocity: int
    hand: str = Field(description="right, left, or empty where it cannot be told yet")
    bar: int
    beat: float


class PedalEvent(BaseModel):
    """The sustain pedal of an idea goes down or up."""

    event: Literal["pedal"] = "pedal"
    idea: int
    tick: int
    down: bool


class BarEvent(BaseModel):
    """No more notes will start in this bar of an idea."""

    event: Literal["bar"] = "bar"
    idea: int
    bar: int
    end_tick: int


class FinishedEvent(BaseModel):
    """An idea has all its bars; its notes are final."""

    event: Literal["finished"] = "finished"
    idea: int
    reason: Said = Field(description="what it does, in words")
    range: Said = Field(description="lowest and highest note, in words")
    ending: Said = Field(description="how it ends, in words")
    notes: list[ProjectNote]
    pedals: list[ProjectPedal]
    figures: IdeaFigures | None = Field(description="null until all ideas are ranked")


class DroppedEvent(BaseModel):
    """An idea had the same notes as another and is taken back."""

    event: Literal["dropped"] = "dropped"
    idea: int
    same_as: int


class RankedEvent(BaseModel):
    """All ideas in order."""

    event: Literal["ranked"] = "ranked"
    ideas: list[int] = Field(description="numbers, the one most likely to be wanted first")
    reasons: dict[int, Said] = Field(description="what each does, in words; names a work that one resembles")
    figures: dict[int, IdeaFigures] = Field(description="for POST /api/v1/prefer")


class DoneEvent(BaseModel):
    """The last line of a stream that went well."""

    event: Literal["done"] = "done"
    seconds: float
    summary: Said = Field(description="what was written and heard, in one line")
    warnings: list[Said] = Field(description="what the composer should know, as sentences")


class ErrorEvent(BaseModel):
    """The last line of a stream that did not; the message says what to do."""

    event: Literal["error"] = "error"
    code: str = Field(description="one word for programs, as in the answers of requests that are refused")
    message: str
    detail: str = Field(default="", description=DETAIL)
    values: dict[str, SaidValue] = Field(default_factory=dict, description=VALUES)


WireEvent = (
    StartEvent | NoteEvent | PedalEvent | BarEvent | FinishedEvent | DroppedEvent | RankedEvent | DoneEvent | ErrorEvent
)


def spoken(event: Event, stream: Stream, request_id: str, tracks: Sequence[int]) -> WireEvent:
    """Return what an event of a stream is on the wire.

    Args:
        event: of the stream.
        stream: which it belongs to.
        request_id: of the request.
        tracks: for each track of the piece the index of the project's track.

    """
    match event:
        case Listening():
            return _start(event, stream, request_id)
        case NoteDecided():
            return NoteEvent(
                idea=event.idea,
                tick=event.tick,
                duration=event.duration_ticks,
                pitch=event.pitch,
                velocity=event.velocity,
                hand=event.hand,
                bar=event.bar,
                beat=round(event.beat, 4),
            )
        case PedalDecided():
            return PedalEvent(idea=event.idea, tick=event.tick, down=event.is_down)
        case BarClosed():
            return BarEvent(idea=event.idea, bar=event.bar, end_tick=event.end_tick)
        case IdeaFinished():
            return _finished(event.candidate, tracks)
        case IdeaDropped():
            return DroppedEvent(idea=event.idea, same_as=event.same_as)
        case IdeasRanked():
            return _ranked(event.candidates)


def done(stream: Stream, candidates: Sequence[Candidate], seconds: float) -> DoneEvent:
    """Return the last line of a stream."""
    scene = stream.scene
    composition = Composition(scene, tuple(candidates))
    return DoneEvent(
        seconds=round(seconds, 3),
        summary=said(written_line(composition)),
        warnings=[said(notice) for notice in notices(scene.piece, composition, scene.order)],
    )


def figures_of(candidate: Candidate) -> IdeaFigures | None:
    """Return an idea's figures, None before it is ranked."""
    figures = candidate.figures
    if figures is None:
        return None
    return IdeaFigures.model_construct(**vars(figures), ending=candidate.ending)


def _start(event: Listening, stream: Stream, request_id: str) -> StartEvent:
    caret, given = stream.scene.caret, stream.scene.request.plan.given
    return StartEvent(
        id=request_id,
        seed=event.seed,
        first_bar=caret.bar_index + 1,
        start_tick=caret.tick,
        end_tick=caret.end_tick,
        from_bar=event.from_bar,
        to_bar=event.to_bar,
        bars_after=event.bars_after,
        adds_hand=given.hand if given is not None else "",
        stays=[Place(tick=tick, pitch=pitch) for tick, pitch in sorted(given.stays)] if given is not None else [],
        is_whole=event.is_whole,
    )


def _finished(candidate: Candidate, tracks: Sequence[int]) -> FinishedEvent:
    return FinishedEvent(
        idea=candidate.number,
        reason=said(candidate.reason),
        range=said(candidate.range),
        ending=said(candidate.ending),
        notes=[
            ProjectNote(
                tick=note.tick,
                duration=note.duration_ticks,
                pitch=note.pitch,
                velocity=note.velocity,
                track=tracks[note.track],
            )
            for note in candidate.notes
        ],
        pedals=_pedals(candidate),
        figures=figures_of(candidate),
    )


def _pedals(candidate: Candidate) -> list[ProjectPedal]:
    """Return an idea's pedal once, though it may be written to several channels."""
    moves = dict.fromkeys((pedal.tick, pedal.value >= 64) for pedal in candidate.pedals)
    return [ProjectPedal(tick=tick, down=is_down) for tick, is_down in moves]


def _ranked(candidates: Sequence[Candidate]) -> RankedEvent:
    figures = {candidate.number: figures_of(candidate) for candidate in candidates}
    return RankedEvent(
        ideas=[candidate.number for candidate in candidates],
        reasons={candidate.number: said(candidate.reason) for candidate in candidates},
        figures={number: found for number, found in figures.items() if found is not None},
    )
