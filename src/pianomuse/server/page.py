"""The page of the studio and the samples of its piano, as files."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from starlette.requests import Request

from pianomuse.server.faults import Refusal

_PACKAGE = Path(__file__).parents[1]
WEB = _PACKAGE / "web"
SAMPLES = _PACKAGE / "render" / "samples"
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".mp3": "audio/mpeg", ".wasm": "application/wasm"}
_ASK_AGAIN = "no-cache"  # kept, but asked for by its ETag each time, so that a new version counts at once
_A_DAY = "public, max-age=86400"

router = APIRouter(include_in_schema=False)


@router.get("/")
async def index(request: Request) -> Response:
    """Return the page."""
    return _file(request, WEB, "index.html", _ASK_AGAIN)


@router.get("/favicon.ico")
async def icon(request: Request) -> Response:
    """Return the page's icon, or nothing: browsers ask for it unasked."""
    return _file(request, WEB, "favicon.ico", _A_DAY) if (WEB / "favicon.ico").is_file() else Response(status_code=204)


@router.get("/static/samples/{name}")
async def sample(request: Request, name: str) -> Response:
    """Return a sample of the piano, such as `loud-060.mp3`, or its licence."""
    return _file(request, SAMPLES, name, _A_DAY)


@router.get("/static/{path:path}")
async def static(request: Request, path: str) -> Response:
    """Return a file of the page."""
    return _file(request, WEB, path, _ASK_AGAIN)


def _file(request: Request, folder: Path, name: str, cache: str) -> Response:
    """Return a file of a folder, or 304 where the browser has it.

    Raises:
        Refusal: there is none of that name.

    """
    path = (folder / name).resolve() if "\0" not in name else folder
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        if name == "index.html":
            raise Refusal(404, "no_page", "The page of the studio is not installed: install PianoMuse again.")
        raise Refusal(404, "not_found", f"There is no file {name[:100]} in the studio.")
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    status = path.stat()
    tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    headers = {"cache-control": cache, "etag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type=kind, headers=headers)
