"""Named model sizes."""

from __future__ import annotations

from dataclasses import dataclass

from pianomuse.checkpoint.config import DEEP_EMBED_RANK, ModelConfig
from pianomuse.errors import ConfigError

HEAD_SIZE = ModelConfig.head_size
"""Channels of a head: every width is a multiple of it."""


@dataclass(frozen=True)
class Preset:
    """Depth, width and what they are for."""

    n_layer: int
    n_embd: int
    purpose: str


PRESETS: dict[str, Preset] = {
    "debug": Preset(2, 64, "tests and first steps: seconds on any machine"),
    "tiny": Preset(8, 256, "7M parameters: hours on a CPU"),
    "small-piano": Preset(12, 384, "24M parameters, deep and narrow: a night on a CPU, minutes on a GPU"),
    "medium-piano": Preset(24, 512, "84M parameters, deep and narrow: for a GPU"),
    "small": Preset(24, 1024, "321M parameters (454M with the text vocabulary): one GPU of 24 GB"),
    "base": Preset(24, 2048, "1.3B parameters (1.5B with the text vocabulary)"),
    "base-deep": Preset(32, 2048, "1.7B parameters (2B with the text vocabulary)"),
    "large": Preset(32, 2560, "2.6B parameters (3B with the text vocabulary)"),
    "large-deep": Preset(40, 2560, "3.3B parameters (3.6B with the text vocabulary)"),
}


def preset_config(
    name: str,
    vocab_size: int,
    *,
    n_layer: int | None = None,
    n_embd: int | None = None,
    has_deep_embed: bool = False,
) -> ModelConfig:
    """Return the sizes of a preset for a vocabulary.

    Args:
        name: of the preset.
        vocab_size: tokens in the vocabulary.
        n_layer: another depth than the preset's.
        n_embd: another width.
        has_deep_embed: with RWKV-8's DeepEmbed.

    Raises:
        ConfigError: there is no such preset, or the width is no multiple of a head's.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is unknown; choose one of {', '.join(PRESETS)}")
    preset = PRESETS[name]
    if n_embd is not None and n_embd % HEAD_SIZE:
        raise ConfigError(
            f"n_embd = {n_embd} is not a multiple of {HEAD_SIZE}; choose {n_embd // HEAD_SIZE * HEAD_SIZE + HEAD_SIZE}"
        )
    return ModelConfig(
        vocab_size=vocab_size,
        n_layer=preset.n_layer if n_layer is None else n_layer,
        n_embd=preset.n_embd if n_embd is None else n_embd,
        deep_embed_rank=DEEP_EMBED_RANK if has_deep_embed else 0,
    )
