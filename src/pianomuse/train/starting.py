"""The model a run starts from: new, from a checkpoint of ours, or from an official .pth file; grown where asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pianomuse.checkpoint.config import DEEP_EMBED_RANK, ModelConfig
from pianomuse.checkpoint.layout import from_official, grown_places, moved
from pianomuse.checkpoint.official import read_pth
from pianomuse.checkpoint.store import load_checkpoint
from pianomuse.errors import ConfigError, VocabularyError
from pianomuse.model.presets import preset_config
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import load_weights, weights_of
from pianomuse.train.settings import TrainSettings

Weights = Mapping[str, NDArray[np.float32]]
WEIGHTS = Path(__file__).parent.parent / "weights"


@dataclass(frozen=True)
class Start:
    """The model of a run on the CPU, and where it comes from."""

    model: PianoMuseRWKV
    said: str  # one line
    has_new_rows: bool  # embedding and head are new, the body is not


def starting_model(
    settings: TrainSettings,
    *,
    preset: str,
    init: Path | None,
    vocab_size: int,
    fingerprint: str,
    n_layer: int | None = None,
    n_embd: int | None = None,
    grow: str = "spread",
    has_deep_embed: bool = False,
) -> Start:
    """Build the model of a run.

    Args:
        settings: dropout, operator backend, seed.
        preset: size of a new model; not used with `init`.
        init: checkpoint folder, run folder (its best), official .pth, or `default`, the weights that ship.
        vocab_size: of the dataset's vocabulary.
        fingerprint: of the dataset's vocabulary.
        n_layer: another depth than the preset's; with `init`, layers are added that at first change nothing.
        n_embd: another width than the preset's; of `init` it cannot change.
        grow: where the added layers go, `spread` or `end`.
        has_deep_embed: with RWKV-8's DeepEmbed; added to `init` it at first changes nothing.

    Raises:
        VocabularyError: the checkpoint speaks another vocabulary.
        CheckpointError: it cannot be read.
        ConfigError: `n_layer` is less than what is there, or `n_embd` is not what is there.
    """
    if init is None:
        config = preset_config(preset, vocab_size, n_layer=n_layer, n_embd=n_embd, has_deep_embed=has_deep_embed)
        return Start(_model(config, settings), f"new weights, preset {preset}", has_new_rows=False)
    old, tensors, notes = _read(init, fingerprint)
    if n_embd not in (None, old.n_embd):
        raise ConfigError(f"n_embd = {n_embd}: {init} is {old.n_embd} wide and stays so; leave n_embd out, or --init")
    places = grown_places(old.n_layer, n_layer or old.n_layer, grow)
    config = replace(
        old,
        vocab_size=vocab_size,
        n_layer=n_layer or old.n_layer,
        deep_embed_rank=old.deep_embed_rank or (DEEP_EMBED_RANK if has_deep_embed else 0),
    )
    model = _model(config, settings)
    kept = moved(tensors, places)
    has_new_rows = old.vocab_size != vocab_size
    if has_new_rows:
        kept.update(_new_rows(tensors, places, model, settings.seed))
        notes.append(f"new embedding and head for {vocab_size} tokens in place of {old.vocab_size}")
    if config.n_layer > old.n_layer:
        new = sorted(set(range(config.n_layer)) - set(places))
        notes.append(f"new layers {', '.join(map(str, new))} of 0..{config.n_layer - 1}, which at first change nothing")
    if config.deep_embed_rank > old.deep_embed_rank:
        notes.append("new DeepEmbed, which at first changes nothing")
    load_weights(model, {**weights_of(model), **kept})
    return Start(model, ", ".join((f"weights from {init}", *notes)), has_new_rows)


def bundled_or(init: Path) -> Path:
    """Return the folder of the weights that ship under this name, such as `default`; else the path as it is."""
    bundled = WEIGHTS / init
    return bundled if not init.exists() and len(init.parts) == 1 and (bundled / "config.json").exists() else init


def _model(config: ModelConfig, settings: TrainSettings) -> PianoMuseRWKV:
    return PianoMuseRWKV(
        config,
        dropout=settings.dropout,
        wkv=None if settings.wkv == "auto" else settings.wkv,
        checkpoint_blocks=settings.checkpoint_blocks,
        seed=settings.seed,
    )


def _read(init: Path, fingerprint: str) -> tuple[ModelConfig, Weights, list[str]]:
    """Return sizes and tensors of what a run starts from, and what there is to say about them."""
    if init.suffix == ".pth":
        config, tensors, extra = from_official(read_pth(init))
        return config, tensors, [f"without {', '.join(extra[:3])}, which RWKV-7 does not know"] if extra else []
    init = bundled_or(init)
    is_run = not (init / "config.json").exists() and (init / "best" / "config.json").exists()
    checkpoint = load_checkpoint(init / "best" if is_run else init)
    if checkpoint.vocabulary_fingerprint != fingerprint:
        raise VocabularyError(
            f"{init} speaks another vocabulary than the dataset; prepare the dataset again with this version of "
            "PianoMuse, or start without --init"
        )
    return checkpoint.config, checkpoint.tensors, ["int8 made float32"] if checkpoint.is_quantised else []


def _new_rows(tensors: Weights, places: list[int], model: PianoMuseRWKV, seed: int) -> dict[str, NDArray[np.float32]]:
    """Return the tensors that have a row for every token.

    ln0 normalises the embedding, so new rows need only the spread of the old ones. The head is orthogonal, as in a
    new model. A token's matrix of DeepEmbed begins as the mean of those that the text had.
    """
    config, generator = model.config, torch.Generator().manual_seed(seed)
    spread = float(tensors["emb.weight"].std())
    rows = {
        "emb.weight": torch.empty(config.vocab_size, config.n_embd).normal_(0.0, spread, generator=generator).numpy(),
        "head.weight": model.head.weight.detach().numpy().copy(),
    }
    for old, new in enumerate(places):
        matrices = tensors.get(f"blocks.{old}.ffn.s_emb.weight")
        if matrices is not None:
            mean = matrices.mean(axis=0, keepdims=True)
            rows[f"blocks.{new}.ffn.s_emb.weight"] = np.repeat(mean, config.vocab_size, axis=0)
    return rows
