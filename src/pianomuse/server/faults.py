"""What a client is told when something cannot be done: `{"error": {"code", "message"}}`, one sentence, no traceback."""

from __future__ import annotations

import logging
import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from pianomuse.coded import Coded, coded
from pianomuse.errors import CheckpointError, MidiError, PianoMuseError, StorageError
from pianomuse.server.said import VALUES, SaidValue, said_values

FAULT = "This is a fault in PianoMuse: report what stands in the window where the studio was started."
_CODES = {MidiError: "midi", CheckpointError: "model", StorageError: "storage"}
_WORDS = {
    404: ("not_found", "There is nothing at this address: see /api/v1/openapi.json for what there is."),
    405: ("method", "This address takes another method: see /api/v1/openapi.json for what there is."),
    400: ("json", "The request body is no JSON: send one JSON object."),
}
DETAIL = "what exactly, for programs; empty where `code` says it"
LOG = logging.getLogger(__name__)


class Told(BaseModel):
    """What went wrong."""

    code: str = Field(description="one word for programs")
    message: str = Field(description="one sentence that says what to do")
    detail: str = Field(default="", description=DETAIL)
    values: dict[str, SaidValue] = Field(default_factory=dict, description=VALUES)


class Refused(BaseModel):
    """The answer of every request that is not done."""

    error: Told


class Refusal(HTTPException):
    """A request that is refused before anything is done.

    Args:
        status: of the answer.
        code: one word for programs.
        message: one sentence that says what to do.

    """

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep the code beside the message."""
        super().__init__(status, message)
        self.code = code


def add_handlers(app: FastAPI) -> None:
    """Let an application answer every error in one form."""
    app.add_exception_handler(PianoMuseError, _said)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _failed)


def answer(status: int, code: str, message: str, said: str = "") -> JSONResponse:
    """Return an error as an answer.

    Args:
        status: of the answer.
        code: one word for programs.
        message: one sentence that says what to do.
        said: the sentence as it was made, with its own code and values.

    """
    told = Told(code=code, message=message, **detail_of(said))
    return JSONResponse({"error": told.model_dump()}, status)


def detail_of(sentence: str) -> dict[str, Any]:
    """Return the fields `detail` and `values` for a sentence."""
    if not isinstance(sentence, Coded):
        return {}
    return {"detail": sentence.code, "values": said_values(sentence.values)}


def code_of(error: PianoMuseError) -> str:
    """Return the word for programs that an error has."""
    return _CODES.get(type(error), "request")


def message_of(error: PianoMuseError) -> str:
    """Return what an error says, with the names that a client uses instead of options of the command line.

    >>> message_of(PianoMuseError("--at-bar 99: the music has bars 1 to 8"))
    'at_bar 99: the music has bars 1 to 8'
    """
    text = " ".join(str(error).split())
    return re.sub(r"(?<!\w)--([a-z][a-z-]*)", lambda option: option[1].replace("-", "_"), text)


async def _said(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PianoMuseError)
    return answer(400, code_of(error), message_of(error), error.sentence)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return answer(400, "json", f"{_WORDS[400][1]}")
    where = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    kind = str(first["type"])
    code = "too_many" if kind in ("too_long", "string_too_long") else "invalid"
    found = _invalid_field(where, f"{where}: {first['msg']}", kind, first.get("ctx", {}))
    return answer(422, code, found, found)


def _invalid_field(field: str, message: str, kind: str, facts: dict[str, Any]) -> Coded:
    """Return what is wrong with a field of a request; kinds and facts are those of Pydantic."""
    match kind:
        case "less_than_equal" | "less_than":
            return coded(message, "field_too_high", field=field, most=facts.get("le", facts.get("lt", "")))
        case "greater_than_equal" | "greater_than":
            return coded(message, "field_too_low", field=field, least=facts.get("ge", facts.get("gt", "")))
        case "too_long" | "string_too_long":
            return coded(message, "field_too_long", field=field, most=facts.get("max_length", ""))
        case "too_short" | "string_too_short" | "missing":
            return coded(message, "field_empty", field=field)
    return coded(message, "field_wrong", field=field)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error, Refusal):
        return answer(error.status_code, error.code, error.detail)
    code, message = _WORDS.get(error.status_code, ("refused", str(error.detail)))
    refused = answer(error.status_code, code, message)
    refused.headers.update(error.headers or {})  # such as the methods that an address does take
    return refused


async def _failed(request: Request, error: Exception) -> JSONResponse:
    LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answer(500, "fault", FAULT)
