"""What the studio keeps on disk, one file for each work, guarded against two tabs that write the same one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, Field

from pianomuse.server import autosave
from pianomuse.server.autosave import ChangedMeanwhileError, Kept
from pianomuse.server.faults import Refusal
from pianomuse.server.state import Held

_OBJECT: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {"schema": {"type": "object"}}}}}
_OBJECT_OR_NULL: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"type": ["object", "null"]}}}}
}
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}

router = APIRouter()


class Work(BaseModel):
    """A piece that was worked on."""

    work: str
    title: str
    notes: int
    saved_at: int = Field(description="milliseconds since 1970")


@router.get("/session", responses=_OBJECT_OR_NULL)
def get_session(state: Held) -> Response:
    """Return what was kept last, null if nothing was; its `ETag` tells this writing from others."""
    with state.slot:
        return _answer(autosave.kept() or Kept(b"null", ""))


@router.put("/session", status_code=204, openapi_extra=_BODY)
async def put_session(request: Request, state: Held) -> Response:
    """Keep a JSON object on disk; one with a `work` beside the other works, one without in a slot of its own."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "media_type", "Send a JSON object as Content-Type: application/json.")
    document = await request.body()

    def keep() -> str:
        with state.slot:
            return autosave.keep(document, request.headers.get("if-match"))

    try:
        tag = await run_in_threadpool(keep)
    except ChangedMeanwhileError as error:
        raise Refusal(412, "changed", str(error)) from error
    return Response(status_code=204, headers={"etag": tag})


@router.get("/works")
def list_works(state: Held) -> list[Work]:
    """List the works on disk, the one written last first."""
    with state.slot:
        return [Work(**work) for work in autosave.works()]


@router.get("/works/{work}", responses=_OBJECT)
def get_work(work: str, state: Held) -> Response:
    """Return one of them."""
    with state.slot:
        found = autosave.kept(work)
    if found is None:
        raise Refusal(404, "not_found", "There is no work of that name: GET /api/v1/works lists them.")
    return _answer(found)


def _answer(found: Kept) -> Response:
    headers = {"etag": found.tag} if found.tag else {}
    return Response(found.document, media_type="application/json", headers=headers)
