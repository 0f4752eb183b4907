"""A training state whose parts lie with several processes, on disk: `torch.distributed.checkpoint`.

Each process writes what it holds. Read back by any number of processes, one included: each reads what it will hold.
Names are those of `train.safetensors`, and `weight.NAME` for the parameters themselves. The index that PyTorch writes
beside the shards is a pickle: resume only runs whose folder you trust.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from pianomuse.errors import CheckpointError
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.training_state import MOMENTS, chance_name, restore_chance


def save_shards(path: Path, model: PianoMuseRWKV, optimizer: torch.optim.Optimizer, rank: int) -> None:
    """Write the shards; all processes call this together."""
    state = {chance_name(rank): torch.get_rng_state()}
    for name, parameter in model.named_parameters():
        state[f"weight.{name}"] = parameter.detach()
        for key, value in optimizer.state.get(parameter, {}).items():
            state[f"{key}.{name}"] = value
    save(state, checkpoint_id=path)


def load_shards(path: Path, model: PianoMuseRWKV, optimizer: torch.optim.Optimizer, rank: int) -> None:
    """Put weights, optimizer and chance back, whether they are shared among processes now or not.

    Raises:
        CheckpointError: the shards do not fit the model.
    """
    names = FileSystemReader(path).read_metadata().state_dict_metadata.keys()
    state = {chance_name(rank): torch.get_rng_state()} if chance_name(rank) in names else {}
    for name, parameter in model.named_parameters():
        state[f"weight.{name}"] = parameter.detach()
        if f"step.{name}" in names:
            moments: dict[str, Tensor] = {key: torch.zeros_like(parameter.detach()) for key in MOMENTS}
            optimizer.state[parameter] = {"step": torch.zeros(()), **moments}
            state |= {f"{key}.{name}": value for key, value in optimizer.state[parameter].items()}
    with warnings.catch_warnings():  # about there being one process
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        try:
            load(state, checkpoint_id=path)
        except CheckpointException as error:
            raise CheckpointError(f"{path}: the shards do not fit this model; use it with --init") from error
    restore_chance(state, rank)
