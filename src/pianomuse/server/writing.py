"""Addresses that write ideas: JSON Lines, one event a line, until the client has enough."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from fastapi.concurrency import run_in_threadpool

from pianomuse.generate.like import Written
from pianomuse.generate.session import Session
from pianomuse.generate.stream import Stream
from pianomuse.server.faults import Refusal
from pianomuse.server.jobs import Job
from pianomuse.server.project_file import file_of
from pianomuse.server.schema import CompleteWish, FillWish, HarmoniseWish, LikeWish, VaryWish, Wish
from pianomuse.server.state import Held, State
from pianomuse.server.wire import WireEvent

router = APIRouter()


async def completing(wish: CompleteWish, state: Held) -> AsyncIterator[Job]:
    """Write ideas as long as the response lasts."""

    def ask(session: Session) -> Stream:
        return session.stream(at_bar=wish.at_bar, bars=wish.bars, insert=wish.insert, **_options(wish))

    async with _job(state, wish, ask) as job:
        yield job


async def filling(wish: FillWish, state: Held) -> AsyncIterator[Job]:
    """Write ideas as long as the response lasts."""

    def ask(session: Session) -> Stream:
        return session.fill(wish.from_bar, wish.to_bar, **_options(wish))

    async with _job(state, wish, ask) as job:
        yield job


async def varying(wish: VaryWish, state: Held) -> AsyncIterator[Job]:
    """Write ideas as long as the response lasts."""

    def ask(session: Session) -> Stream:
        return session.vary(wish.from_bar, wish.to_bar, **_options(wish) | {"keep": wish.keep})

    async with _job(state, wish, ask) as job:
        yield job


async def harmonising(wish: HarmoniseWish, state: Held) -> AsyncIterator[Job]:
    """Write ideas as long as the response lasts."""

    def ask(session: Session) -> Stream:
        return session.harmonise(wish.from_bar, wish.to_bar, **_options(wish))

    async with _job(state, wish, ask) as job:
        yield job


async def liking(wish: LikeWish, state: Held) -> AsyncIterator[Job]:
    """Write ideas as long as the response lasts."""
    hand = wish.limits.hand if wish.limits is not None and wish.limits.hand is not None else ""
    stays = None if wish.stays is None else frozenset((note.tick, note.pitch) for note in wish.stays)
    idea = Written(wish.start_tick, wish.end_tick, wish.hears_after, hand, stays)

    def ask(session: Session) -> Stream:
        return session.like(idea, same=wish.same, mood=wish.mood, beats=wish.beats, **_options(wish))

    async with _job(state, wish, ask) as job:
        yield job


@router.post("/complete")
async def complete(job: Annotated[Job, Depends(completing)]) -> AsyncIterable[WireEvent]:
    """Go on after a bar. Closing the connection cancels within one token."""
    async for event in job.events():
        yield event


@router.post("/fill")
async def fill(job: Annotated[Job, Depends(filling)]) -> AsyncIterable[WireEvent]:
    """Write bars anew from what stands on both sides. Closing the connection cancels within one token."""
    async for event in job.events():
        yield event


@router.post("/vary")
async def vary(job: Annotated[Job, Depends(varying)]) -> AsyncIterable[WireEvent]:
    """Write bars anew and keep their rhythm or their harmony. Closing the connection cancels within one token."""
    async for event in job.events():
        yield event


@router.post("/harmonise")
async def harmonise(job: Annotated[Job, Depends(harmonising)]) -> AsyncIterable[WireEvent]:
    """Write the hand that is missing. Closing the connection cancels within one token."""
    async for event in job.events():
        yield event


@router.post("/like")
async def like(job: Annotated[Job, Depends(liking)]) -> AsyncIterable[WireEvent]:
    """Write more like an idea that stands in the project. Closing the connection cancels within one token."""
    async for event in job.events():
        yield event


@router.delete("/complete/{id}", status_code=204)
async def cancel(request_id: Annotated[str, Path(alias="id")], state: Held) -> None:
    """Cancel a request for ideas, for clients that cannot close the connection."""
    if not state.jobs.cancel(request_id):
        raise Refusal(404, "not_found", "There is no request of that id: it has ended already.")


@asynccontextmanager
async def _job(state: State, wish: Wish, ask: Callable[[Session], Stream]) -> AsyncIterator[Job]:
    async with state.jobs.place():
        stream, tracks = await run_in_threadpool(_prepare, state, wish, ask)
        job = state.jobs.begin(stream, tracks)
    try:
        yield job
    finally:
        job.cancel()


def _prepare(state: State, wish: Wish, ask: Callable[[Session], Stream]) -> tuple[Stream, Sequence[int]]:
    """Read the project as the model does; return the stream, and the project's track for each of the piece's."""
    file = file_of(wish.project)
    stream = state.sessions.ask(wish.project, file, ask)
    return stream, file.track_numbers(stream.scene.piece)


def _options(wish: Wish) -> dict[str, Any]:
    """Return what is asked for besides the place, as `generate.options.Options` names it."""
    said = wish.model_dump(include={"candidates", "seed", "adventure", "temperature", "top_p"}, exclude_none=True)
    limits = wish.limits.model_dump(exclude_none=True) if wish.limits is not None else {}
    return said | limits
