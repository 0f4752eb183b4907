"""The run folder of several processes: all read it, the first one writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save

from pianomuse.checkpoint.store import finish_replacing
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.metrics import Values
from pianomuse.train.run_folder import Position, RunFolder, chance_name, optimizer_state

if TYPE_CHECKING:
    from pianomuse.train.processes import DdpProcesses


class SharedFolder(RunFolder):
    """A run folder of whatever kind, for processes that each hold the whole model."""

    def __init__(self, folder: RunFolder, processes: DdpProcesses) -> None:
        """Stand before a folder."""
        super().__init__(folder.path, folder.tokenizer_json, folder.keep)
        self.inner, self.processes, self.is_first = folder, processes, processes.rank == 0

    def write_metrics(self, values: Values) -> None:
        """Append one line to `metrics.jsonl`."""
        if self.is_first:
            self.inner.write_metrics(values)

    def save(self, model: PianoMuseRWKV, optimizer: torch.optim.Optimizer, position: Position) -> Path:
        """Write `checkpoints/step-N` with the random numbers of every process."""
        chances: list[Any] = [None] * self.processes.count
        torch.distributed.all_gather_object(chances, torch.get_rng_state())
        if self.is_first:
            state = {chance_name(rank): chance for rank, chance in enumerate(chances)}
            state |= optimizer_state(model, optimizer)
            self.inner.save_state(model, position, {"train.safetensors": save(state)})
        self.processes.wait()
        return self.step_folder(position.step)

    def save_best(self, model: PianoMuseRWKV, card: Mapping[str, object]) -> Path:
        """Write `best/`, the weights alone."""
        with self.processes.whole(model) as whole:
            if whole is not None:
                self.inner.save_best(whole, card)
        self.processes.wait()
        return self.path / "best"

    def resume(self, model: PianoMuseRWKV, optimizer: torch.optim.Optimizer) -> Position:
        """Put model, optimizer and this process's chance back as they were at the latest checkpoint.

        Raises:
            CheckpointError: there is none, or it does not fit the model.
        """
        if self.is_first:
            finish_replacing(self.path / "best")
        position = self.inner.restore(self.latest(), model, optimizer, rank=self.processes.rank)
        if self.is_first:
            self.metrics.forget_after(position.step)
        self.processes.wait()
        return position
