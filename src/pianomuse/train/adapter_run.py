"""A run that trains a part of its model: frozen parameters, LoRA, and a folder that keeps the adapter beside it.

A checkpoint of a LoRA run holds the merged weights, which everything reads as usual, and the adapter alone. Its
periodic checkpoints also hold the matrices underneath: merged weights do not give them back exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from pianomuse.errors import CheckpointError, ConfigError
from pianomuse.model.adapters import adapter_tensors, add_lora, freeze, load_adapter, lora_layers
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.run_folder import RunFolder
from pianomuse.train.settings import TrainSettings

ADAPTER, BASE = "adapter.safetensors", "base.safetensors"


def adapt(model: PianoMuseRWKV, settings: TrainSettings, *, has_new_rows: bool = False) -> list[str]:
    """Add adapters and freeze parameters as the settings say; return what to tell about it.

    Args:
        model: with its starting weights, before its optimizer is made.
        settings: `freeze`, `lora_rank`, `lora_alpha`, `seed`.
        has_new_rows: embedding and head know nothing yet.

    Raises:
        ConfigError: a pattern fits nothing, nothing is left to train, or adapters for a model that knows nothing.
    """
    said = []
    if settings.lora_rank > 0:
        if has_new_rows:
            raise ConfigError("lora_rank: embedding and head are new and would stay so; train once without, then adapt")
        n_trained = add_lora(model, settings.lora_rank, settings.lora_alpha, settings.seed)
        said.append(f"LoRA of rank {settings.lora_rank}: {n_trained:,} numbers are trained, the weights stay.")
    patterns = [pattern.strip() for pattern in settings.freeze.split(",") if pattern.strip()]
    if patterns:
        said.append(f"Frozen: {freeze(model, patterns):,} numbers ({', '.join(patterns)}).")
    return said


def open_run_folder(path: Path, tokenizer_json: Mapping[str, object], settings: TrainSettings) -> RunFolder:
    """Return the folder for a run with these settings."""
    kind = LoraRunFolder if settings.lora_rank > 0 else RunFolder
    return kind(path, tokenizer_json, settings.keep_checkpoints)


class LoraRunFolder(RunFolder):
    """A run folder whose checkpoints also hold `adapter.safetensors`."""

    def write_model(
        self,
        folder: Path,
        model: PianoMuseRWKV,
        *,
        card: Mapping[str, object] | None = None,
        more_files: Mapping[str, bytes | Path] | None = None,
    ) -> Path:
        """Write merged weights and adapter; beside a training state also what lies under the adapter."""
        files: dict[str, bytes | Path] = dict(more_files or {})
        if more_files:
            files[BASE] = save(_base(model))
        files[ADAPTER] = save(
            {name: tensor.cpu().clone() for name, tensor in adapter_tensors(model).items()},
            metadata={"format": "pianomuse-lora", "version": "1", "scale": repr(_scale(model))},
        )
        return super().write_model(folder, model, card=card, more_files=files)

    @torch.no_grad()
    def read_model(self, folder: Path, model: PianoMuseRWKV) -> None:
        """Put matrices and adapter back as they were.

        Raises:
            CheckpointError: one is missing or does not fit.
        """
        super().read_model(folder, model)
        try:
            base = load_file(folder / BASE)
            for name, layer in lora_layers(model).items():
                layer.weight.copy_(base[f"{name}.weight"])
            load_adapter(model, load_file(folder / ADAPTER))
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise CheckpointError(f"{folder}: the adapter is damaged ({error}); use the folder with --init") from error


def _base(model: nn.Module) -> dict[str, torch.Tensor]:
    return {f"{name}.weight": layer.weight.detach().cpu().clone() for name, layer in lora_layers(model).items()}


def _scale(model: nn.Module) -> float:
    return next(iter(lora_layers(model).values())).scale
