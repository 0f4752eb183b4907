"""What `pianomuse doctor` asks the machine: processors, memory, disk, caches, installed files, browser, port, GPUs."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import os
import re
import shutil
import socket
import sys
import tempfile
import webbrowser
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path

from pianomuse.cli.findings import Finding, shown

PACKAGE = Path(__file__).resolve().parents[1]
STUDIO_PORT = 8642
GIB = 2**30
_FOR_DEVELOPERS = ("bench", "dev", "docs", "fuzz")  # extras that no user misses
_NEEDED_MEMORY, _NEEDED_DISK = GIB, GIB  # composing takes 0.4 GB; an environment with PyTorch some more
_AGAIN = "Install PianoMuse again, as README.md says"


def machine() -> Finding:
    """Processors and memory."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = f"{usable} of {os.cpu_count() or 1} processors"
    if (memory := memory_bytes()) is None:
        return Finding("machine", "good", f"{text}; memory is not known")
    text = f"{text}, {memory / GIB:.1f} GiB of memory"
    if memory < _NEEDED_MEMORY:
        return Finding("machine", "note", text, "Composing takes 0.4 GiB; close other programs, ask for fewer ideas")
    return Finding("machine", "good", text)


def memory_bytes() -> int | None:
    """Return the memory of this machine, None where it does not say."""
    if sys.platform == "win32":
        status = (ctypes.c_ulonglong * 8)(64)  # MEMORYSTATUSEX: two 32-bit numbers, then seven of 64 bits
        windll = ctypes.windll.kernel32
        return int(status[1]) if windll.GlobalMemoryStatusEx(ctypes.byref(status)) else None
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def disk() -> Finding:
    """Free space where the user is, and where temporary files go."""
    places = {"here": Path.cwd(), "for temporary files": Path(tempfile.gettempdir())}
    free = {what: shutil.disk_usage(path).free for what, path in places.items()}
    text = ", ".join(f"{n_bytes / GIB:.1f} GiB free {what}" for what, n_bytes in free.items())
    if min(free.values()) < _NEEDED_DISK:
        return Finding("disk", "note", text, "Make room: ideas are small, datasets and runs are not")
    return Finding("disk", "good", text)


def cache() -> Finding:
    """Whether compiled code can be kept; without, every start compiles for some seconds."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    folders = [Path(given)] if given else [PACKAGE / "runtime" / "__pycache__", _user_cache()]
    for folder in folders:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if os.access(existing, os.W_OK):
            return Finding("cache", "good", f"compiled code is kept in {shown(folder)}")
    remedy = "Set NUMBA_CACHE_DIR to a folder that can be written; every start compiles for some seconds without"
    return Finding("cache", "note", f"compiled code cannot be kept in {shown(folders[0])}", remedy)


def _user_cache() -> Path:
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("numba"))


def files() -> Finding:
    """Whether weights, samples and pages are those that were installed: pip keeps their SHA-256."""
    weights = PACKAGE / "weights" / "default" / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else "missing"
    samples = len(list((PACKAGE / "render" / "samples").glob("*.mp3")))
    text = f"weights {digest[:12]}, {samples} samples"
    if digest == "missing" or not samples:
        return Finding("files", "bad", text, _AGAIN)
    listed = [path for path in distribution("pianomuse").files or () if path.parts[0] == "pianomuse" and path.hash]
    if not listed:
        return Finding("files", "good", f"{text}; installed in place, nothing to compare with")
    changed = [str(path) for path in listed if _changed(Path(str(path.locate())), path.hash.value if path.hash else "")]
    if changed:
        said = f"{len(changed)} of {len(listed)} files are not as installed, such as {changed[0]}"
        return Finding("files", "bad", f"{text}; {said}", _AGAIN)
    return Finding("files", "good", f"{text}; {len(listed)} files are as installed")


def _changed(path: Path, expected: str) -> bool:
    if not path.is_file():
        return True
    digest = hashlib.sha256(path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != expected


def extras() -> Finding:
    """Which optional parts are there."""
    own = distribution("pianomuse")
    names = [name for name in own.metadata.get_all("Provides-Extra") or () if name not in _FOR_DEVELOPERS]
    missing = {name: lacking for name in names if (lacking := _lacking(own.requires or [], name))}
    there = [name for name in names if name not in missing]
    text = f"there: {', '.join(there) or 'none'}; not installed: {', '.join(missing) or 'none'}"
    remedy = f"To add one: pip install 'pianomuse[{next(iter(missing))}]'" if missing else ""
    return Finding("extras", "note" if missing else "good", text, remedy)


def _lacking(requirements: list[str], extra: str) -> list[str]:
    """Return the packages of an extra that are not installed; those of other systems do not count."""
    found = []
    for requirement in requirements:
        name, _, condition = requirement.partition(";")
        if not re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", condition) or "platform" in condition:
            continue
        package = re.split(r"[\[<>=!~ (]", name.strip())[0]
        try:
            version(package)
        except PackageNotFoundError:
            found.append(package)
    return found


def browser() -> Finding:
    """What the studio would open in."""
    try:
        return Finding("browser", "good", f"the studio opens in {type(webbrowser.get()).__name__}")
    except webbrowser.Error:
        remedy = "Open the address that `pianomuse studio` prints in any browser"
        return Finding("browser", "note", "no browser that can be opened from here", remedy)


def port() -> Finding:
    """Whether the studio's usual port is free."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", STUDIO_PORT))
        except OSError:
            text = f"port {STUDIO_PORT} is taken, perhaps by a studio that runs; another one would be found"
            return Finding("port", "note", text, "To choose: pianomuse studio --port P")
    return Finding("port", "good", f"port {STUDIO_PORT} is free for the studio")


def accelerators() -> Finding:
    """GPUs and NPUs; only training uses them."""
    if find_spec("torch") is None:
        if shutil.which("nvidia-smi"):
            remedy = "To train on it: pip install 'pianomuse[train]' with a CUDA build of PyTorch"
            return Finding("accelerators", "note", "an NVIDIA driver is there, PyTorch is not", remedy)
        return Finding("accelerators", "good", "none looked for without PyTorch; composing needs none")
    from pianomuse.devices import choose_device

    device = choose_device()
    if device.torch_device.type != "cpu":
        text = f"{device.name or 'Apple GPU'} ({device}); used for training, composing runs on the CPU"
        return Finding("accelerators", "good", text)
    if shutil.which("nvidia-smi"):
        remedy = "Install a build of PyTorch for CUDA: https://pytorch.org/get-started/locally/"
        return Finding("accelerators", "note", "an NVIDIA driver is there, but this PyTorch cannot use it", remedy)
    return Finding("accelerators", "good", "none; composing needs none, training is slow without")
