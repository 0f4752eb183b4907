"""Download one file: resumed where it stopped, checked, and under its name only when it is whole.

What has arrived lies beside the target as `.NAME.part`, and `.NAME.part.json` says which version of the file it belongs
to, so a download that was killed goes on from there. The server is asked for the rest of that very version (`Range`
with `If-Range`, RFC 9110); if it has another one, or does not do ranges, everything comes again.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pianomuse.errors import FetchError, StorageError
from pianomuse.fetch.answers import Redirects, Said, StoppedError, begin, refused

BLOCK_BYTES = 256 * 1024
MAX_IDLE_TRIES = 6
MAX_TRIES = 200
LONGEST_WAIT_S = 600

Progress = Callable[[int, int | None], None]
"""Called with bytes arrived and bytes in all, None while the server has not said."""
Say = Callable[[str], None]
"""Called with one line when something did not go as it should and is tried again."""


@dataclass(frozen=True)
class Wanted:
    """A file to download.

    Args:
        url: where it is.
        max_bytes: more than this is not it.
        sha256: what it must have; empty where nobody published one.

    """

    url: str
    max_bytes: int
    sha256: str = ""


@dataclass(frozen=True)
class Arrived:
    """A file that is there and whole; `checked_by` is "publisher", "server" or "" for nobody."""

    path: Path
    size_bytes: int
    sha256: str
    checked_by: str


def download(
    wanted: Wanted,
    target: Path,
    *,
    progress: Progress = lambda done, total: None,
    say: Say = lambda line: None,
    sleep: Callable[[float], None] = time.sleep,
    timeout_s: float = 30,
) -> Arrived:
    """Download a file to `target`, or find it there whole.

    Args:
        wanted: which file.
        target: where; its folder exists.
        progress: told how far it is.
        say: told what is tried again and why.
        sleep: waits between tries.
        timeout_s: without a byte before a connection counts as lost.

    Raises:
        FetchError: it cannot be had, or is not what was published; what has arrived is kept to go on from, except
            where it is wrong.
        StorageError: it cannot be written.
    """
    part, note = _beside(target, "part"), _beside(target, "part.json")
    if target.exists():  # it got its name when it was whole; a disk may have lost it since
        try:
            return _checked(wanted, target, target, "")
        except FetchError as error:
            say(f"{error} Fetching it again.")
            target.unlink()
    said = _remembered(part, note, wanted.url)
    was_resumed = part.exists() and part.stat().st_size > 0
    _until_whole(wanted, part, note, said, (progress, say, sleep, timeout_s))
    try:
        arrived = _checked(wanted, part, target, said.sha256)
    except FetchError as error:
        part.unlink(missing_ok=True)
        note.unlink(missing_ok=True)
        if not was_resumed:
            raise
        say(f"{error} Trying once more from the beginning.")
        return download(wanted, target, progress=progress, say=say, sleep=sleep, timeout_s=timeout_s)
    part.replace(target)
    note.unlink(missing_ok=True)
    return arrived


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _until_whole(
    wanted: Wanted, part: Path, note: Path, said: Said, how: tuple[Progress, Say, Callable[[float], None], float]
) -> None:
    """Try until the file is whole, as long as tries bring something."""
    progress, say, sleep, timeout_s = how
    idle, furthest = 0, _size(part)
    for _ in range(MAX_TRIES):
        try:
            _try_once(wanted, part, note, said, progress, timeout_s)
            return
        except StoppedError as stopped:
            idle = 0 if _size(part) > furthest else idle + 1
            furthest = max(furthest, _size(part))
            if idle >= MAX_IDLE_TRIES:
                raise FetchError(
                    f"{wanted.url}: {stopped}, {idle} times in a row; check the connection and run the same command "
                    "again (it goes on from where it stopped), or name another place with --mirror"
                ) from stopped
            wait_s = 2.0**idle if stopped.wait_s is None else stopped.wait_s
            if wait_s > LONGEST_WAIT_S:
                raise FetchError(
                    f"{wanted.url}: the server asks to wait {wait_s:.0f} s; run the same command again after that"
                ) from stopped
            say(f"{stopped}; trying again in {wait_s:.0f} s")
            sleep(wait_s)
    raise FetchError(f"{wanted.url}: not whole after {MAX_TRIES} tries; try again later, or use --mirror")


def _try_once(wanted: Wanted, part: Path, note: Path, said: Said, progress: Progress, timeout_s: float) -> None:
    """Ask for what is missing and write down what comes; returns when the file is whole."""
    start = _size(part)
    headers = {"User-Agent": "PianoMuse (corpus download)", "Accept-Encoding": "identity"}
    if start and said.validator:
        headers |= {"Range": f"bytes={start}-", "If-Range": said.validator}
    request = urllib.request.Request(wanted.url, headers=headers)
    opener = urllib.request.build_opener(Redirects(said))
    try:
        with opener.open(request, timeout=timeout_s) as response:
            start = begin(response, start, part, said)
            _note_down(note, wanted.url, said.validator)
            _take(response, wanted, part, start, said, progress)
    except urllib.error.HTTPError as error:
        refused(error, wanted.url, part, start)
    except (ssl.SSLCertVerificationError, ValueError) as error:
        raise FetchError(f"{wanted.url}: {error}; check the address and this machine's certificates") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise FetchError(f"{wanted.url}: {reason}; check this machine's certificates and clock") from error
        raise StoppedError(f"the connection failed ({reason})") from error


def _take(response: Any, wanted: Wanted, part: Path, start: int, said: Said, progress: Progress) -> None:
    """Append what comes; the file may not grow past what was said or allowed."""
    limit = min(wanted.max_bytes, said.total if said.total is not None else wanted.max_bytes)
    if said.total is not None and said.total > wanted.max_bytes:
        raise FetchError(f"{wanted.url}: {said.total:,} bytes, more than the {wanted.max_bytes:,} it can have")
    done = start
    progress(done, said.total)
    with _opened(part) as file:
        while block := response.read1(BLOCK_BYTES):
            done += len(block)
            if done > limit:
                raise FetchError(f"{wanted.url}: more than {limit:,} bytes came; name another place with --mirror")
            _write(file, block)
            progress(done, said.total)
        _write(file, b"", is_last=True)
    if said.total is not None and done < said.total:
        raise StoppedError(f"cut off after {done:,} of {said.total:,} bytes")


def _note_down(note: Path, url: str, validator: str) -> None:
    try:
        note.write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"{note}: cannot be written ({error.strerror}); make room, or choose another --out"
        ) from error


def _opened(part: Path) -> IO[bytes]:
    try:
        return part.open("ab")
    except OSError as error:
        raise StorageError(f"{part}: cannot be written ({error.strerror}); choose another --out") from error


def _write(file: IO[bytes], block: bytes, *, is_last: bool = False) -> None:
    try:
        file.write(block)
        file.flush()  # what has arrived outlives this process
        if is_last:
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(
            f"{file.name}: cannot be written ({error.strerror}); make room and run the same command again, "
            "it goes on from where it stopped"
        ) from error


def _checked(wanted: Wanted, path: Path, target: Path, server_sha256: str) -> Arrived:
    """Compare a whole file with what was published or said."""
    digest = sha256_of(path)
    expected, by = (wanted.sha256, "publisher") if wanted.sha256 else (server_sha256, "server")
    if expected and digest != expected:
        raise FetchError(
            f"{target.name}: the file that came is not the one that was published (its SHA-256 is {digest}, it should "
            f"be {expected}); run the command again, or name another place with --mirror."
        )
    return Arrived(target, path.stat().st_size, digest, by if expected else "")


def _remembered(part: Path, note: Path, url: str) -> Said:
    """Return what a killed download knew; one of another address, or without a version, begins anew."""
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["url"] == url and isinstance(known["validator"], str) and known["validator"]:
            return Said(validator=known["validator"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    part.unlink(missing_ok=True)
    return Said()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")
