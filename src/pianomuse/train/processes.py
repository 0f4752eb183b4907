"""What the processes of a run do together; one process alone is the same with nobody to ask.

All processes draw the same batches. Each computes some of the rows; the gradient is the sum of theirs, divided by the
number of targets of all rows, so that it is the gradient one process would have. Time and Ctrl-C are agreed upon, since
they decide about learning rate and end. The first process writes, prints and keeps the best.

A gradient is computed in pieces, and each piece's backward pass may wait for those of the other processes: all have
equally many (`gradient.py`).
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn

from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.loss import batch_loss
from pianomuse.train.run_folder import RunFolder


class OneProcess:
    """A run in one process."""

    rank, count, is_sharded = 0, 1, False

    def __init__(self, model: PianoMuseRWKV | None = None) -> None:
        """Start with a model right away if there is one."""
        if model is not None:
            self.start(model)

    def start(self, model: PianoMuseRWKV) -> None:
        """Take the model, on its device and with its adapters, before its optimizer is made."""
        self.loss: nn.Module = LossOf(model)

    def adding(self, is_last: bool) -> AbstractContextManager[object]:
        """Return the context of a piece's forward and backward pass; after the last one gradients are summed."""
        return contextlib.nullcontext()

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over the processes."""
        return values

    def agree(self, elapsed_s: float, is_asked_to_stop: bool) -> tuple[float, bool]:
        """Return the latest clock, and whether anybody was asked to stop."""
        return elapsed_s, is_asked_to_stop

    def wait(self) -> None:
        """Wait until all processes are here."""

    def whole(self, model: PianoMuseRWKV) -> AbstractContextManager[PianoMuseRWKV | None]:
        """Return the model as it is written, in the first process; None in the others."""
        return contextlib.nullcontext(model if self.rank == 0 else None)

    def folder(self, folder: RunFolder) -> RunFolder:
        """Return the run folder as this process may use it."""
        return folder


class LossOf(nn.Module):
    """A model whose output is its loss, so that all of its work is one forward pass."""

    def __init__(self, model: PianoMuseRWKV) -> None:
        """Stand before a model."""
        super().__init__()
        self.model = model

    def forward(self, *batch: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
        """Call `batch_loss`."""
        return batch_loss(self.model, *batch, **options)
