"""`metrics.jsonl`: one JSON object a line, in the order of the steps; the same numbers for TensorBoard."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pianomuse.errors import StorageError
from pianomuse.midi.write import write_atomically

Values = Mapping[str, float | int | None]


class Metrics:
    """The metrics of a run folder; the file is made with its first line."""

    def __init__(self, folder: Path) -> None:
        """Remember the place; nothing is written yet."""
        self.path = folder / "metrics.jsonl"
        self._board: Any = None

    def open_board(self, step: int) -> bool:
        """Write everything to `tensorboard/` too, if TensorBoard is installed; say whether it is.

        Args:
            step: where the run goes on; TensorBoard forgets what it was told of later steps.
        """
        if importlib.util.find_spec("tensorboard") is None:
            return False
        from torch.utils.tensorboard import SummaryWriter

        folder = self.path.parent / "tensorboard"
        self._board = SummaryWriter(str(folder), purge_step=step + 1)
        return True

    def write(self, values: Values) -> None:
        """Append one line.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(values) + "\n")
            self._show(values)
        except OSError as error:
            raise StorageError(
                f"{self.path}: cannot be written ({error.strerror}); checkpoints are whole; make room, then --resume"
            ) from error

    def forget_after(self, step: int) -> None:
        """Drop the lines that a resumed run will write again, and one that was cut off in the middle."""
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
            kept = [line for line in lines if _step_of(line) <= step]
            write_atomically(self.path, "".join(line + "\n" for line in kept).encode())

    def _show(self, values: Values) -> None:
        if self._board is not None:
            for name, value in values.items():
                if name != "step" and value is not None:
                    self._board.add_scalar(name, value, values["step"])
            self._board.flush()


def _step_of(line: str) -> float:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return float("inf")
