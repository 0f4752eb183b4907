"""Where and how a run was started: `environment.json`, one entry for every start."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pianomuse.midi.write import write_atomically

PACKAGES = (
    "pianomuse",
    "torch",
    "numpy",
    "numba",
    "miditok",
    "symusic",
    "safetensors",
    "datasets",
    "accelerate",
    "torchao",
)


def note_start(run: Path, *, step: int, device: str, gpu: str | None, threads: int) -> None:
    """Add this start to `environment.json` of a run folder.

    Args:
        run: the run folder.
        step: at which the run goes on, 0 at its beginning.
        device: and precision.
        gpu: its name, if there is one.
        threads: that compute.
    """
    path = run / "environment.json"
    try:
        before = list(json.loads(path.read_text(encoding="utf-8"))["starts"]) if step > 0 else []
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        before = []  # a run of an earlier version
    now = {"step": step, **describe(), "device": device, "gpu": gpu, "threads": threads}
    document = json.dumps({"starts": [*before, now]}, indent=1, ensure_ascii=False)
    write_atomically(path, document.encode())


def describe() -> dict[str, Any]:
    """Return date, command line, machine and versions."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": n_cores(),
        "packages": dict(_versions()),
    }


def processor() -> str:
    """Return the processor's name."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text("utf-8").splitlines() if listing.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _versions() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue
