"""Addresses that answer at once: what is there, import and export, the watched file."""

from __future__ import annotations

import io
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import soundfile
from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from pianomuse.errors import RequestError, reason_of
from pianomuse.midi.read import Piece
from pianomuse.notation.musicxml import musicxml
from pianomuse.performance.grid import read_on_bars
from pianomuse.render.piano import SAMPLE_RATE, score_sound
from pianomuse.render.sheet import sheet_of
from pianomuse.render.tempo import seconds_at, tempo_steps
from pianomuse.server import bounds
from pianomuse.server.examples import example, examples
from pianomuse.server.faults import Refusal
from pianomuse.server.project import project_of, within_bounds
from pianomuse.server.project_file import NO_NOTES, file_of
from pianomuse.server.said import Said, said
from pianomuse.server.schema import Project
from pianomuse.server.state import Held
from pianomuse.server.watch import changes

MIDI, MUSICXML, WAV = "audio/midi", "application/vnd.recordare.musicxml+xml", "audio/wav"
IMPORTED = (
    MIDI, "audio/mid", "audio/x-midi", "application/octet-stream", MUSICXML, "application/vnd.recordare.musicxml",
    "application/xml", "text/xml",
)  # fmt: skip
LICENCES = (
    "PianoMuse: MIT licence, the PianoMuse developers.",
    "Piano samples: adapted from Salamander Grand Piano V3 by Alexander Holm, CC BY 3.0 "
    "(https://creativecommons.org/licenses/by/3.0/); shortened, resampled, levelled and re-encoded.",
    "Sheet music in the page: OpenSheetMusicDisplay, BSD 3-Clause, with VexFlow, JSZip, loglevel and others, MIT; "
    "static/vendor/NOTICES.txt has their texts.",
    "Default model: trained on public domain, CC0, CC BY and MIT licensed scores; NOTICE names every collection.",
    "Examples: Mutopia Project, public domain; OpenScore Lieder Corpus, CC0 1.0.",
)

router = APIRouter()


class Health(BaseModel):
    """The server is there."""

    ok: bool
    version: str


class Info(BaseModel):
    """What the server is."""

    model: str
    style: str = Field(description="empty without one")
    device: str
    limits: dict[str, int] = Field(description="the most a request may ask for; bytes and seconds say so")
    streams: int = Field(description="requests for ideas that are being written now")
    watches: str | None = Field(description="name of the file that is watched")
    licences: list[str]


class Example(BaseModel):
    """An opening to try."""

    name: str
    title: str
    bars: int


class Bars(BaseModel):
    """Whose bars a project has; of those that were found in a recording without a metronome, which."""

    bars: Literal["file", "found"]
    metre: str | None = None
    tempo_bpm: float | None = None
    first_downbeat_s: float | None = None


class Imported(BaseModel):
    """A file as a project."""

    project: Project
    warnings: list[Said] = Field(description="what was left out or assumed, as sentences")
    grid: Bars


class Told(BaseModel):
    """What is said about the bars of a file that is imported."""

    grid: Literal["auto", "file"] = "auto"
    first_downbeat: str | None = Field(default=None, max_length=20)
    tempo: float | None = None
    metre: str | None = Field(default=None, max_length=10)


def _binary(kind: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}}}}}


def _body(kind: str, schema: dict[str, str]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema}}}}


@router.get("/health")
async def health() -> Health:
    """Say that the server is there."""
    return Health(ok=True, version=version("pianomuse"))


@router.get("/info")
async def info(state: Held) -> Info:
    """Say what the server is and how much it can be asked for."""
    muse = state.muse
    return Info(
        model=muse.name,
        style=muse.style.name if muse.style is not None else "",
        device=muse.device,
        limits=bounds.as_told() | {"streams": state.jobs.most},
        streams=state.jobs.n_running,
        watches=state.watched.name if state.watched is not None else None,
        licences=list(LICENCES),
    )


@router.get("/examples")
def list_examples() -> list[Example]:
    """List the openings to try."""
    return [Example(name=name, title=title, bars=bars) for name, title, bars in examples()]


@router.get("/examples/{name}")
def open_example(name: str) -> Project:
    """Open one of them."""
    data = example(name)
    if not data:
        raise Refusal(404, "not_found", "There is no example of that name: GET /api/v1/examples lists them.")
    return project_of(data, next(title for known, title, _ in examples() if known == name))[0]


@router.post("/import", openapi_extra=_body(MIDI, {"type": "string", "format": "binary"}))
async def import_midi(
    request: Request,
    state: Held,
    told: Annotated[Told, Depends()],
    title: Annotated[str, Query(max_length=bounds.TEXT)] = "",
) -> Imported:
    """Read a standard MIDI file, or sheet music in MusicXML, as a project; `title` is what it is called.

    Of a recording without a metronome, bars are found in the notes; `grid=file` keeps the file's. `tempo` (quarters a
    minute, roughly), `metre` (`3/4`) and `first_downbeat` (`0.52s`, or quarter notes of the file) correct them.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in IMPORTED:
        raise Refusal(415, "media_type", f"Send a MIDI file as Content-Type: {MIDI}, or sheet music as {MUSICXML}.")
    data = await request.body()

    def read() -> Imported:
        with state.converting():
            return _imported(data, title, told)

    return await run_in_threadpool(read)


@router.post("/export/midi", response_class=Response, responses=_binary(MIDI))
def export_midi(project: Project, state: Held) -> Response:
    """Write the project as MIDI; what was imported and not changed comes back event by event."""
    with state.converting():
        return _download(file_of(project).data, MIDI, project.title, "mid")


@router.post("/export/musicxml", response_class=Response, responses=_binary(MUSICXML))
def export_musicxml(project: Project, state: Held) -> Response:
    """Write the project as sheet music."""
    with state.converting():
        sheet = sheet_of(_piece(project), project.title)
        return _download(musicxml(sheet), MUSICXML, project.title, "musicxml")


@router.post("/export/wav", response_class=Response, responses=_binary(WAV))
def export_wav(project: Project, state: Held) -> Response:
    """Play the project on the sampled piano: 16 bit, stereo, 44.1 kHz."""
    with state.converting():
        score = _piece(project).score
        seconds = seconds_at(tempo_steps(score), max(note.time + note.duration for note in score.tracks[0].notes))
        if seconds > bounds.WAV_SECONDS:
            most = bounds.WAV_SECONDS // 60
            raise Refusal(413, "too_long", f"The piece lasts {seconds / 60:.0f} minutes, more than {most}: shorten it.")
        buffer = io.BytesIO()
        soundfile.write(buffer, score_sound(score), SAMPLE_RATE, format="WAV", subtype="PCM_16")
        return _download(buffer.getvalue(), WAV, project.title, "wav")


@router.get("/watch", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def watch(state: Held) -> StreamingResponse:
    """Tell by server-sent events `changed` when the watched file was written."""
    return StreamingResponse(changes(_watched(state), state.is_stopping), media_type="text/event-stream")


@router.get("/watch/project")
def watched_project(state: Held, told: Annotated[Told, Depends()]) -> Imported:
    """Read the watched file as a project; its bars are corrected as those of a file that is imported."""
    path = _watched(state)
    with state.converting():
        try:
            data = path.read_bytes() if path.stat().st_size <= bounds.REQUEST_BYTES else b""
        except FileNotFoundError as error:
            raise Refusal(404, "not_written", f"{path.name} is not there yet: export it from your DAW.") from error
        except OSError as error:
            raise RequestError(
                f"{path.name} cannot be read ({error.strerror}): export it again.",
                "watched_unreadable",
                file=path.name,
                why=reason_of(error),
            ) from error
        return _imported(data, path.stem, told)


def _imported(data: bytes, title: str, told: Told) -> Imported:
    piece = read_on_bars(data, **told.model_dump()).piece
    found, project = piece.recording, within_bounds(piece, title)
    bars = Bars(bars="file")
    if found is not None:
        bars = Bars(
            bars="found",
            metre=f"{found.metre[0]}/{found.metre[1]}",
            tempo_bpm=round(found.tempo_bpm, 1),
            first_downbeat_s=round(found.first_downbeat_s, 3),
        )
    return Imported.model_construct(project=project, warnings=[said(warning) for warning in piece.warnings], grid=bars)


def _piece(project: Project) -> Piece:
    if not project.notes:
        raise RequestError(NO_NOTES)
    return file_of(project).read()


def _watched(state: Held) -> Path:
    if state.watched is None:
        raise Refusal(404, "not_watching", "No file is watched: start the studio with --watch FILE.mid.")
    return state.watched


def _download(data: bytes | str, kind: str, title: str, suffix: str) -> Response:
    name = quote(f"{title.strip() or 'piece'}.{suffix}", safe="")
    return Response(data, media_type=kind, headers={"content-disposition": f"attachment; filename*=UTF-8''{name}"})
