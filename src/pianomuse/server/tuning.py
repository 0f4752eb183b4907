"""A style being learnt from somebody's own pieces: started, watched, ended; one at a time."""

from __future__ import annotations

import importlib.util
import json
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Literal

from pydantic import BaseModel, Field

from pianomuse.errors import StorageError, reason_of
from pianomuse.server.faults import DETAIL, FAULT
from pianomuse.server.said import VALUES, SaidValue

LOG = logging.getLogger(__name__)
_ENDS_WITHIN_S = 5
_STYLE = "style.safetensors"


class Progress(BaseModel):
    """How far the learning of a style is."""

    state: Literal["none", "learning", "done", "cancelled", "failed"] = "none"
    done: float = Field(default=0.0, description="share of the work, 0 to 1")
    minutes_left: float | None = Field(default=None, description="at this pace, at most")
    pieces: int = Field(default=0, description="that were learnt from")
    left_out: int = Field(default=0, description="files that could not be used")
    before: float | None = Field(default=None, description="bits per note of held-out bars; null where none were")
    after: float | None = Field(default=None, description="the same with the style")
    message: str = Field(default="", description="why it failed, as a sentence")
    code: str = Field(default="", description="the same in one word, as in the answers of requests that are refused")
    detail: str = Field(default="", description=DETAIL)
    values: dict[str, SaidValue] = Field(default_factory=dict, description=VALUES)


class Tuning:
    """The learning that is under way, or how the last one ended."""

    def __init__(self) -> None:
        """Nothing was asked for yet."""
        self.progress = Progress()
        self._process: subprocess.Popen[str] | None = None
        self._lock = Lock()

    @property
    def is_running(self) -> bool:
        """Whether a style is being learnt."""
        return self.progress.state == "learning"

    def start(self, model: Path, pieces: Sequence[bytes], minutes: float, when_done: Callable[[Path], None]) -> bool:
        """Begin to learn; tell whether that was possible.

        Args:
            model: folder of the checkpoint.
            pieces: MIDI files.
            minutes: it may take at most.
            when_done: called with the style file, in a thread; afterwards it is removed.

        """
        with self._lock:
            if self.is_running:
                return False
            self.progress = Progress(state="learning")
        folder = Path(tempfile.mkdtemp(prefix="pianomuse-style-"))
        try:
            (folder / "pieces").mkdir()
            for number, piece in enumerate(pieces, 1):
                (folder / "pieces" / f"piece-{number:03d}.mid").write_bytes(piece)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            self.progress = Progress()
            said = f"{folder.parent} cannot be written ({error.strerror}): free space there."
            raise StorageError(said, "cannot_write", path=str(folder.parent), why=reason_of(error)) from error
        words = [model, folder / "pieces", folder / _STYLE, f"{minutes:g}"]
        command = [sys.executable, "-m", "pianomuse.server.learn", *map(str, words)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        Thread(target=self._follow, args=(folder, when_done), name="pianomuse-style", daemon=True).start()
        return True

    def cancel(self) -> None:
        """End what is under way, if anything is."""
        with self._lock:
            if self.is_running:
                self.progress = Progress(state="cancelled")
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _follow(self, folder: Path, when_done: Callable[[Path], None]) -> None:
        process, out = self._process, folder / _STYLE
        assert process is not None
        assert process.stdout is not None
        try:
            with process.stdout as lines:
                for line in lines:
                    self._take(json.loads(line))
            code = process.wait()
            if self.progress.done >= 1 and self.is_running and out.is_file():
                when_done(out)
                self._take({"state": "done"})
            elif self.is_running:
                LOG.error("learning a style ended with code %s", code)
                self._take({"state": "failed", "code": "fault", "message": FAULT})
        except Exception:
            LOG.exception("learning a style failed")
            self._take({"state": "failed", "code": "fault", "message": FAULT})
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _take(self, told: dict[str, Any]) -> None:
        news = told.pop("style", {})
        if "error" in told:
            news = {"state": "failed", **told.pop("error")}
        with self._lock:
            if self.is_running:
                self.progress = Progress.model_validate(self.progress.model_dump() | told | news)


def missing() -> str:
    """Return what has to be installed before a style can be learnt here; empty if nothing."""
    needed = ("torch", "accelerate", "datasets")
    is_there = all(importlib.util.find_spec(name) is not None for name in needed)
    return "" if is_there else "pip install 'pianomuse[train]'"
