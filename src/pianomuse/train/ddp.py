"""DDP: every process holds the whole model, and a run folder that all read and the first one writes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from pianomuse.checkpoint.store import finish_replacing
from pianomuse.devices import Device, sum_dtype
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.metrics import Values
from pianomuse.train.processes import LossOf, OneProcess
from pianomuse.train.run_folder import Position, RunFolder
from pianomuse.train.training_state import chance_name, optimizer_state


class DdpProcesses(OneProcess):
    """Each process holds the whole model; gradients are summed while the last piece goes backward."""

    def __init__(self, device: Device, accelerator: Any) -> None:
        """Take what `join_processes` returned."""
        self.device, self.accelerator = device.torch_device, accelerator
        self.rank, self.count = accelerator.process_index, accelerator.num_processes

    def start(self, model: PianoMuseRWKV) -> None:
        """Let Accelerate wrap the model in DDP."""
        self.loss = self.accelerator.prepare_model(LossOf(model))

    def adding(self, is_last: bool) -> AbstractContextManager[object]:
        """Keep gradients to this process until the last piece."""
        if is_last:
            return contextlib.nullcontext()
        context: AbstractContextManager[object] = self.accelerator.no_sync(self.loss)
        return context

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over the processes."""
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    def agree(self, elapsed_s: float, is_asked_to_stop: bool) -> tuple[float, bool]:
        """Return the latest clock, and whether anybody was asked to stop."""
        said = torch.tensor([elapsed_s, float(is_asked_to_stop)], dtype=sum_dtype(self.device), device=self.device)
        torch.distributed.all_reduce(said, torch.distributed.ReduceOp.MAX)
        latest_s, is_asked = said.tolist()
        return latest_s, is_asked > 0

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.accelerator.wait_for_everyone()

    def folder(self, folder: RunFolder) -> RunFolder:
        """Return a folder that only the first process writes to."""
        return SharedFolder(folder, self)


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
