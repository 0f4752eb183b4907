"""What a web server answers to a download: which version, how long, from where, or why not."""

from __future__ import annotations

import email.utils
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from pianomuse.errors import FetchError

BUSY = (408, 425, 429, 500, 502, 503, 504)


@dataclass
class Said:
    """What the server has said about the file, over all tries."""

    validator: str = ""
    total: int | None = None
    sha256: str = ""


class StoppedError(Exception):
    """A try that ended early and is worth another one; `wait_s` is what the server asked for."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def begin(response: Any, start: int, part: Path, said: Said) -> int:
    """Read the answer's headers; return from where its bytes count."""
    headers: Message = response.headers
    if (encoding := headers.get("Content-Encoding", "identity")) != "identity":
        raise FetchError(f"{response.url}: comes as {encoding}, which cannot be resumed; name another place (--mirror)")
    length = headers.get("Content-Length", "")
    if response.status == 206:
        unit, _, rest = headers.get("Content-Range", "").partition(" ")
        span, _, total = rest.partition("/")
        if unit != "bytes" or span.partition("-")[0] != str(start):
            part.unlink(missing_ok=True)
            raise StoppedError("the server sent another part than it was asked for")
        said.total = int(total) if total.isdecimal() else start + int(length) if length.isdecimal() else None
        return start
    said.total = int(length) if length.isdecimal() else None
    etag = headers.get("ETag", "")
    said.validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
    part.unlink(missing_ok=True)  # from the beginning: another version, or a server without ranges
    return 0


def refused(error: urllib.error.HTTPError, url: str, part: Path, start: int) -> None:
    """Say what a status means: it was whole already, try again, begin again, or give up."""
    with error:
        if error.code == 416:  # there is nothing behind what lies here, or it is another file
            if start and error.headers.get("Content-Range", "") == f"bytes */{start}":
                return
            part.unlink(missing_ok=True)
            raise StoppedError("the server has another version of the file") from error
        if error.code in BUSY:
            wait_s = _retry_after(error.headers.get("Retry-After", "") if error.headers else "")
            raise StoppedError(f"the server is busy (HTTP {error.code})", wait_s) from error
        what = {401: "asks for a login", 403: "refuses it", 404: "does not have it", 410: "no longer has it"}
        raise FetchError(
            f"{url}: the server {what.get(error.code, f'answers {error.code} {error.reason}')} (HTTP {error.code}); "
            "look whether it has moved, and name the new place with --mirror"
        ) from error


def _retry_after(value: str) -> float | None:
    """Read seconds, or a date, of a Retry-After header."""
    if value.isdecimal():
        return float(value)
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, never from https to http; remembers the digest that Hugging Face names beside them."""

    def __init__(self, said: Said) -> None:
        self._said = said

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request for the new address."""
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise FetchError(f"{req.full_url}: sends on to {newurl}, which is not encrypted; name another --mirror")
        digest = headers.get("X-Linked-Etag", "").strip('"').lower()
        if len(digest) == 64 and all(sign in "0123456789abcdef" for sign in digest):
            self._said.sha256 = digest
        return super().redirect_request(req, fp, code, msg, headers, newurl)
