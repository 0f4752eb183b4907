"""The model a run starts from: new, from a checkpoint of ours, or from an official .pth file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.checkpoint.official import read_pth
from pianomuse.checkpoint.store import load_checkpoint
from pianomuse.errors import VocabularyError
from pianomuse.model.presets import preset_config
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import load_weights
from pianomuse.train.settings import TrainSettings

Weights = Mapping[str, NDArray[np.float32]]


def starting_model(
    settings: TrainSettings,
    *,
    preset: str,
    init: Path | None,
    vocab_size: int,
    fingerprint: str,
) -> tuple[PianoMuseRWKV, str]:
    """Build the model of a run.

    Args:
        settings: dropout, operator backend, seed.
        preset: size of a new model; not used with `init`.
        init: checkpoint folder or official .pth.
        vocab_size: of the dataset's vocabulary.
        fingerprint: of the dataset's vocabulary.

    Returns:
        The model on the CPU, and one line that says where its weights come from.

    Raises:
        VocabularyError: the checkpoint speaks another vocabulary.
        CheckpointError: it cannot be read.
    """
    if init is None:
        config = preset_config(preset, vocab_size)
        return _model(config, settings), f"new weights, preset {preset}"
    if init.suffix == ".pth":
        return _from_official(read_pth(init), settings, vocab_size, str(init))
    checkpoint = load_checkpoint(init)
    if checkpoint.vocabulary_fingerprint != fingerprint:
        raise VocabularyError(
            f"{init} speaks another vocabulary than the dataset; prepare the dataset again with this version of "
            "PianoMuse, or start without --init"
        )
    model = _model(checkpoint.config, settings)
    load_weights(model, checkpoint.tensors)
    return model, f"weights from {init}"


def _model(config: ModelConfig, settings: TrainSettings) -> PianoMuseRWKV:
    return PianoMuseRWKV(
        config,
        dropout=settings.dropout,
        wkv=None if settings.wkv == "auto" else settings.wkv,
        checkpoint_blocks=settings.checkpoint_blocks,
        seed=settings.seed,
    )


def _from_official(
    tensors: dict[str, NDArray[np.float32]], settings: TrainSettings, vocab_size: int, name: str
) -> tuple[PianoMuseRWKV, str]:
    """Keep the body; where the vocabulary is another one, embedding and head are new.

    ln0 normalises the embedding, so new rows need only the spread of the old ones.
    """
    old = ModelConfig.from_tensors({key: value.shape for key, value in tensors.items()})
    model = _model(replace(old, vocab_size=vocab_size), settings)
    own = tensor_shapes(model.config)
    body = {key: value for key, value in tensors.items() if key in own}  # layer 0 may carry unused v0, v1, v2
    said = f"weights from {name}"
    if old.vocab_size != vocab_size:
        spread = float(tensors["emb.weight"].std())
        generator = torch.Generator().manual_seed(settings.seed)
        rows = torch.empty(own["emb.weight"]).normal_(0.0, spread, generator=generator)
        body["emb.weight"] = rows.numpy()
        body["head.weight"] = model.head.weight.detach().numpy().copy()
        said += f", new embedding and head for {vocab_size} tokens in place of {old.vocab_size}"
    load_weights(model, body)
    return model, said
