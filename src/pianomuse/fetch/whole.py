"""Fetch a source from its address to a folder that is there as a whole or not at all.

Everything happens in a hidden folder beside the target: what arrives, what is unpacked, what is laid out. The target is
that last folder, renamed. Killed at any moment, the next run goes on from what has arrived.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.checkpoint.official import pth_shapes
from pianomuse.errors import CheckpointError, FetchError, RequestError, StorageError
from pianomuse.fetch.arrange import Layout, arrange, choose
from pianomuse.fetch.download import Arrived, Progress, Say, Wanted, download
from pianomuse.fetch.sources import Source
from pianomuse.fetch.unpack import unpack

RECEIPT = "fetched.json"
VERSION = 1


@dataclass(frozen=True)
class Fetched:
    """What is there now; `was_there` when it had been fetched before."""

    folder: Path
    receipt: dict[str, object]
    was_there: bool = False


def fetch(
    source: Source,
    out: Path,
    *,
    mirror: str = "",
    progress: Callable[[str], Progress] = lambda step: lambda done, total: None,
    say: Say = lambda line: None,
    sleep: Callable[[float], None] = time.sleep,
    timeout_s: float = 30,
) -> Fetched:
    """Fetch a corpus or weights.

    Args:
        source: what; its licence is accepted by whoever calls.
        out: the folder to make.
        mirror: an address to take the file from instead: its own, or that of a folder which holds it.
        progress: given the name of a step ("download", "unpack", "lay out"), returns what is told how far it is.
        say: told what is tried again and why.
        sleep: waits between tries.
        timeout_s: without a byte before a connection counts as lost.

    Raises:
        RequestError: the folder is there and is something else, or the mirror is no web address.
        FetchError: it cannot be had, is not what was published, or another fetch is at it.
        StorageError: there is no room, or it cannot be written.
    """
    url = _address(source, mirror)
    if out.exists():
        return _already(source, out)
    work = out.with_name(f".{out.name}.fetching")
    _make(work)
    _require_room(source, work)
    with _alone(work):
        wanted = Wanted(url, source.max_bytes, source.sha256)
        arrived = download(
            wanted, work / source.file_name, progress=progress("download"), say=say, sleep=sleep, timeout_s=timeout_s
        )
        laid_out = work / "laid out"
        shutil.rmtree(laid_out, ignore_errors=True)
        laid_out.mkdir()
        facts = _corpus(source, arrived, work, progress) if source.is_archive else _weights(arrived)
        receipt = _receipt(source, url, arrived, facts)
        (laid_out / RECEIPT).write_text(json.dumps(receipt, indent=1, ensure_ascii=False), encoding="utf-8")
        if not source.is_archive:
            arrived.path.rename(laid_out / arrived.path.name)
        laid_out.rename(out)
    shutil.rmtree(work, ignore_errors=True)
    return Fetched(out, receipt)


def _address(source: Source, mirror: str) -> str:
    if not mirror:
        return source.url
    if not mirror.startswith(("https://", "http://")):
        raise RequestError(f"--mirror {mirror}: give a web address (https://...)")
    return mirror if mirror.rpartition("/")[2] == source.file_name else f"{mirror.rstrip('/')}/{source.file_name}"


def _already(source: Source, out: Path) -> Fetched:
    """Find what an earlier fetch left."""
    try:
        receipt = json.loads((out / RECEIPT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        receipt = None
    if not isinstance(receipt, dict) or receipt.get("name") != source.name:
        raise RequestError(f"--out {out}: is there already and is not {source.name}; remove it or name another folder")
    return Fetched(out, receipt, was_there=True)


def _make(work: Path) -> None:
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{work.parent}: cannot be written ({error.strerror}); choose another --out") from error


def _require_room(source: Source, work: Path) -> None:
    """Refuse to begin what the disk cannot hold: the download, and what is unpacked and laid out from it."""
    there = sum(path.stat().st_size for path in work.glob(f"*{source.file_name}*"))
    needed = max(source.about_bytes - there, 0) + (5 * source.about_bytes if source.is_archive else 0)
    free = shutil.disk_usage(work).free
    if free < needed:
        raise StorageError(
            f"{work.parent}: {free / 2**20:,.0f} MiB are free and about {needed / 2**20:,.0f} are needed; make room, "
            "or choose a folder on another disk with --out"
        )


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Keep a second fetch of the same folder out; the system lets go of the lock when this process ends."""
    with (work / "lock").open("a+b") as file:
        try:
            _lock(file)
        except OSError:
            raise FetchError(f"{work}: another fetch is writing here; wait until it has ended") from None
        yield


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _corpus(source: Source, arrived: Arrived, work: Path, progress: Callable[[str], Progress]) -> dict[str, object]:
    """Unpack an archive and lay it out."""
    unpacked = work / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir()
    try:
        unpack(
            arrived.path,
            unpacked,
            choose(source.name),
            max_bytes=source.max_unpacked_bytes,
            progress=progress("unpack"),
        )
    except FetchError:
        arrived.path.unlink()  # the next run must not find it again
        raise
    layout: Layout = arrange(source.name, unpacked, work / "laid out", progress("lay out"))
    return {
        "files": dict(layout.files),
        "left_out": dict(layout.left_out),
        "examples": layout.examples,
        "split": layout.split,
    }


def _weights(arrived: Arrived) -> dict[str, object]:
    """Look into a .pth without loading it."""
    try:
        config = ModelConfig.from_tensors(pth_shapes(arrived.path))
    except CheckpointError as error:
        arrived.path.unlink()  # the next run must not find it again
        raise FetchError(f"{error}; what came is not an RWKV-7 file") from error
    return {"files": {"weights": 1}, "weights": arrived.path.name, "n_layer": config.n_layer, "n_embd": config.n_embd}


def _receipt(source: Source, url: str, arrived: Arrived, facts: dict[str, object]) -> dict[str, object]:
    return {
        "format": "pianomuse-fetched",
        "version": VERSION,
        "name": source.name,
        "title": source.title,
        "url": url,
        "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "size_bytes": arrived.size_bytes,
        "sha256": arrived.sha256,
        "checked_by": arrived.checked_by,
        "licence": source.licence,
        "licence_url": source.licence_url,
        "credit": source.credit,
        **facts,
    }
