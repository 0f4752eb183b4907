"""*My style*: learnt from the composer's own files or loaded, used by ideas until it is switched off."""

from __future__ import annotations

import base64
import binascii
import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, Field

from pianomuse.api import Muse, model_folder
from pianomuse.checkpoint.style import load_style
from pianomuse.errors import PianoMuseError, RequestError
from pianomuse.midi.write import write_atomically
from pianomuse.reading import read_bounded
from pianomuse.server import bounds
from pianomuse.server.autosave import slot_path
from pianomuse.server.faults import Refusal, Refused
from pianomuse.server.schema import Name, Strict
from pianomuse.server.state import Held, State
from pianomuse.server.tuning import Progress, missing

KIND = "application/octet-stream"
_BINARY = {KIND: {"schema": {"type": "string", "format": "binary"}}}
_NEEDS_TORCH: dict[int | str, dict[str, Any]] = {501: {"model": Refused, "description": "What learns is not installed"}}
LOG = logging.getLogger(__name__)

router = APIRouter(prefix="/style")


class OwnFile(Strict):
    """One of the composer's MIDI files."""

    name: Name = ""
    data: str = Field(max_length=bounds.SOURCE_CHARS, description="the file in base64")


class TuneWish(Strict):
    """Learn a style."""

    name: Annotated[str, Field(min_length=1, max_length=60)] = "my style"
    files: list[OwnFile] = Field(min_length=1, max_length=bounds.STYLE_FILES)
    minutes: float = Field(default=3.0, gt=0, le=bounds.STYLE_MINUTES, description="it may take at most")


class Styled(BaseModel):
    """Which style ideas begin with, and what can be done about it."""

    name: str = Field(description="empty without one")
    missing: str = Field(description="what to install before a style can be learnt here; empty if nothing")
    tuning: Progress


@router.get("")
def style(state: Held) -> Styled:
    """Say which style is used, and how far the learning of one is."""
    return _said(state)


@router.delete("")
def switch_off(state: Held) -> Styled:
    """Use no style any more; its file here is removed."""
    state.use(state.muse.without_style())
    for path in (_file(), _name_file()):
        path.unlink(missing_ok=True)
    return _said(state)


@router.get("/file", response_class=Response, responses={200: {"content": _BINARY}})
def style_file(state: Held) -> Response:
    """Return the style that is used as a file, for this program elsewhere or later."""
    if state.muse.style is None or not _file().is_file():
        raise Refusal(404, "no_style", "No style is in use that was learnt or loaded here: learn or load one first.")
    return Response(_file().read_bytes(), media_type=KIND)


@router.put("/file", openapi_extra={"requestBody": {"required": True, "content": _BINARY}})
async def load(request: Request, state: Held, name: Name = "my style") -> Styled:
    """Use a style file that `pianomuse tune` or this page wrote."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != KIND:
        raise Refusal(415, "media_type", f"Send a style file as Content-Type: {KIND}.")
    data = await request.body()

    def use() -> Styled:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "style.safetensors"
            path.write_bytes(data)
            _use(state, path, name)
        return _said(state)

    return await run_in_threadpool(use)


@router.post("/tune", status_code=202, responses=_NEEDS_TORCH)
def tune(wish: TuneWish, state: Held) -> Styled:
    """Begin to learn a style from MIDI files; it is used as soon as it is learnt. `GET /style` tells how far it is."""
    if needed := missing():
        raise Refusal(501, "needs_torch", f"A style is learnt with PyTorch, which is not installed: {needed}")
    try:
        files = [base64.b64decode(file.data, validate=True) for file in wish.files]
    except (binascii.Error, ValueError) as error:
        raise RequestError(
            "files: one of them is no base64; send each MIDI file in base64", "files_no_base64"
        ) from error
    folder = model_folder(None if state.muse.name == "default" else state.muse.name)

    def use(path: Path) -> None:
        _use(state, path, wish.name)

    if not state.tuning.start(folder, files, wish.minutes, use):
        raise Refusal(409, "tuning", "A style is being learnt already: wait for it, or stop it.")
    return _said(state)


@router.delete("/tune")
def stop(state: Held) -> Styled:
    """Stop learning; the style that was used before stays."""
    state.tuning.cancel()
    return _said(state)


def restore(state: State) -> None:
    """Use the style that was in use when the server stopped; where it no longer fits the model, say so and go on."""
    if state.muse.style is not None or not _file().is_file():
        return
    try:
        _use(state, _file(), _remembered_name())
    except (PianoMuseError, OSError) as error:
        LOG.warning("the style of last time is not used: %s", error)


def _remembered_name() -> str:
    text = read_bounded(_name_file(), 1000).decode("utf-8", "replace") if _name_file().is_file() else ""
    return " ".join(text.split())[:60] or "my style"


def _use(state: State, path: Path, name: str) -> None:
    data = path.read_bytes()
    styled: Muse = state.muse.with_style(replace(load_style(path, called="the style file"), name=name))
    state.use(styled)
    write_atomically(_file(), data)
    write_atomically(_name_file(), name.encode())


def _file() -> Path:
    return slot_path().parent / "my-style.safetensors"


def _name_file() -> Path:
    return slot_path().parent / "my-style.txt"


def _said(state: State) -> Styled:
    in_use = state.muse.style
    return Styled(name=in_use.name if in_use is not None else "", missing=missing(), tuning=state.tuning.progress)
