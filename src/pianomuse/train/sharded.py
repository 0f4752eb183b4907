"""FSDP2: every process holds a share of each parameter, of its gradient and of AdamW's state.

The parameters of one block at a time are gathered for its work and let go after it. Through `fully_shard` itself, since
Accelerate takes DDP in place of FSDP on a CPU without a word. Checkpoints hold two things: shards, which resume on any
number of processes, and plain weights gathered in the first process, which everything else reads.
"""

from __future__ import annotations

import contextlib
import copy
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, Shard

from pianomuse.devices import Device
from pianomuse.model.layers import Block
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.ddp import DdpProcesses, SharedFolder
from pianomuse.train.processes import LossOf
from pianomuse.train.run_folder import SHARDS, Position, RunFolder, read_position, reading_state
from pianomuse.train.shards import save_shards
from pianomuse.train.training_state import like, restore_chance, restore_optimizer


class FsdpProcesses(DdpProcesses):
    """Each process holds a share of the model."""

    is_sharded = True

    def __init__(self, device: Device, accelerator: Any) -> None:
        """Take what `join_processes` returned."""
        super().__init__(device, accelerator)
        self.mesh = init_device_mesh(self.device.type, (self.count,))

    def start(self, model: PianoMuseRWKV) -> None:
        """Share the parameters of every block, and of what is around them."""
        self.plain = copy.deepcopy(model).to("meta")
        for module in model.blocks:
            block = cast(Block, module)
            if model.config.deep_embed_rank and hasattr(block, "ln0"):
                self._share(block.ln0)  # DeepEmbed looks at it from outside of the block
            self._share(block)
        self.loss = LossOf(model)
        self._share(self.loss)

    def adding(self, is_last: bool) -> AbstractContextManager[object]:
        """Sum the gradients of every piece right away: nobody has room for all of them."""
        return contextlib.nullcontext()

    def folder(self, folder: RunFolder) -> RunFolder:
        """Return a folder that gathers what it writes."""
        return ShardedFolder(folder, self)

    def settle(self) -> None:
        """Let go of what a validation gathered and nothing has let go of yet."""
        cast(FSDPModule, self.loss).reshard()

    @contextmanager
    def whole(self, model: PianoMuseRWKV) -> Iterator[PianoMuseRWKV | None]:
        """Gather the model on the CPU of the first process."""
        self.settle()
        weights = {}
        for name, parameter in model.named_parameters():
            whole = cast(DTensor, parameter.detach()).full_tensor()
            if self.rank == 0:
                weights[name] = whole.cpu()
        if self.rank == 0:
            self.plain.load_state_dict(weights, assign=True)
        yield self.plain if self.rank == 0 else None
        self.plain.to("meta")

    def _share(self, module: nn.Module) -> None:
        fully_shard(module, mesh=self.mesh, shard_placement_fn=self._placement)

    def _placement(self, parameter: nn.Parameter) -> Shard | None:
        """Cut along the first dimension that comes out even; most vectors of RWKV-7 are [1, 1, C]."""
        even = (at for at, size in enumerate(parameter.shape) if size % self.count == 0)
        return next(map(Shard, even), None)


class ShardedFolder(SharedFolder):
    """A run folder for processes that each hold a share of the model."""

    processes: FsdpProcesses

    def save(self, model: PianoMuseRWKV, optimizer: torch.optim.Optimizer, position: Position) -> Path:
        """Write `checkpoints/step-N`: shards from every process, the weights from the first."""
        folder = self.step_folder(position.step)
        aside = folder.with_name(f".{folder.name}.shards")
        if self.is_first:
            shutil.rmtree(aside, ignore_errors=True)
        self.processes.wait()
        self.processes.settle()
        save_shards(aside, model, optimizer, self.processes.rank)
        with self.processes.whole(model) as whole:
            if whole is not None:
                self.inner.save_state(whole, position, {SHARDS: aside})
        self.processes.wait()
        return folder

    def resume(self, model: PianoMuseRWKV, optimizer: torch.optim.Optimizer) -> Position:
        """Go on from shards, or from a checkpoint of processes that each held the whole model.

        Raises:
            CheckpointError: there is none, or it does not fit the model.
        """
        folder = self.latest()
        if (folder / SHARDS).is_dir():
            return super().resume(model, optimizer)
        whole = self.processes.plain.to_empty(device="cpu")
        with reading_state(folder), torch.no_grad():
            self.inner.read_model(folder, whole)
            for parameter, value in zip(model.parameters(), whole.parameters(), strict=True):
                parameter.copy_(like(value, parameter))
            state = load_file(folder / "train.safetensors")
            restore_optimizer(model, optimizer, state)
            restore_chance(state, self.processes.rank)
            position = read_position(folder)
        self.processes.plain.to("meta")
        if self.is_first:
            self.metrics.forget_after(position.step)
        self.processes.wait()
        return position
