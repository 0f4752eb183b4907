"""A style file: what a model remembers before the first token, tuned on somebody's pieces.

    style.safetensors
      blocks.i.att.time_state   float32 [H, N(value), N(key)], the official name (JL-er/RWKV-PEFT), one for each layer
      header                    format and version, fingerprints of the model and its vocabulary, facts as JSON

It belongs to one model: numbers tuned for other weights mean nothing. Read strictly, like a checkpoint.

Legend: L layers, H heads, N head size.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pianomuse.checkpoint.config import MAX_LAYERS, ModelConfig
from pianomuse.errors import CheckpointError, RequestError
from pianomuse.midi.write import write_atomically

FORMAT = "pianomuse-style"
VERSION = "1"
MAX_STYLE_BYTES = 2**30
MAX_STRENGTH = 1.5
_KEYS = ("format", "version", "model", "vocabulary", "facts")


@dataclass(frozen=True, eq=False)
class Style:
    """A tuned beginning.

    Args:
        time_state: float32 [L, H, N(value), N(key)].
        model: fingerprint of the weights it was tuned on (`model_fingerprint`).
        vocabulary: fingerprint of their vocabulary.
        facts: what it was made from, and bits per note before and after.
        name: what to call it; of a file, its stem.

    """

    time_state: NDArray[np.float32]
    model: str
    vocabulary: str
    facts: Mapping[str, object] = field(default_factory=dict)
    name: str = "style"

    def memory(self, strength: float = 1.0) -> NDArray[np.float32]:
        """Return the state scaled: 0 is no style, 1 the style as tuned.

        Raises:
            RequestError: a strength outside 0 … 1.5.

        """
        if not 0 <= strength <= MAX_STRENGTH:
            raise RequestError(
                f"--style-strength {strength:g}: choose 0 to {MAX_STRENGTH:g}; 1 is the style as tuned",
                "style_strength",
                value=strength,
                most=MAX_STRENGTH,
            )
        return self.time_state * np.float32(strength)


def model_fingerprint(config: ModelConfig, tensors: Mapping[str, NDArray[np.float32]]) -> str:
    """Return 16 hexadecimal digits that other sizes or weights would hardly share; 30 ms for 7M weights."""
    digest = hashlib.blake2b(json.dumps(config.to_json(), sort_keys=True).encode(), digest_size=8)
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name], dtype="<f4").data)
    return digest.hexdigest()


def save_style(path: str | Path, style: Style) -> Path:
    """Write a style file; whole or not at all."""
    tensors = {_name(layer): np.ascontiguousarray(part) for layer, part in enumerate(style.time_state)}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "model": style.model,
        "vocabulary": style.vocabulary,
        "facts": json.dumps(dict(style.facts), ensure_ascii=False),
    }
    return write_atomically(Path(path), save(tensors, metadata=header))


def load_style(path: str | Path, *, called: str = "") -> Style:
    """Read a style file.

    Args:
        path: the file.
        called: what it is called where something is wrong with it; empty: its path.

    Raises:
        CheckpointError: it is missing, damaged, too large, or no style file of this format version.

    """
    path = Path(path)
    shown = called or str(path)
    try:
        if not path.is_file():
            raise CheckpointError(
                f"{shown}: no such style file; make one with `pianomuse tune MY_PIECES --out {shown}`",
                "style_not_there",
                path=shown,
            )
        if path.stat().st_size > MAX_STYLE_BYTES:
            raise CheckpointError(
                f"{shown}: larger than {MAX_STYLE_BYTES} bytes, which no style file is",
                "style_too_large",
                path=shown,
            )
        with safe_open(path, framework="numpy") as file:
            header = dict(file.metadata() or {})
            _check_header(shown, header)
            names = list(file.keys())
            if not 0 < len(names) <= MAX_LAYERS or set(names) != {_name(layer) for layer in range(len(names))}:
                raise CheckpointError(
                    f"{shown}: its tensors are not blocks.0.att.time_state and so on; tune it again",
                    "style_names",
                    path=shown,
                )
            parts = [file.get_tensor(_name(layer)) for layer in range(len(names))]
        facts = json.loads(header["facts"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{shown}: cannot be read as a style file ({error}); tune it again", "style_unreadable", path=shown
        ) from error
    if not isinstance(facts, dict):
        raise CheckpointError(f"{shown}: its facts are no JSON object; tune it again", "style_facts", path=shown)
    return Style(_stacked(shown, parts), header["model"], header["vocabulary"], facts, path.stem)


def require_fitting(style: Style, config: ModelConfig, fingerprint: str) -> None:
    """Refuse a style that was tuned on another model.

    Args:
        style: what was read.
        config: sizes of the model in use.
        fingerprint: its `model_fingerprint`.

    Raises:
        CheckpointError: other sizes, or the same sizes and other weights.

    """
    own = (config.n_layer, config.n_head, config.head_size, config.head_size)
    if style.time_state.shape == own and style.model == fingerprint:
        return
    difference = f"other weights ({style.model}, not {fingerprint})"
    if style.time_state.shape != own:
        difference = f"other sizes ({list(style.time_state.shape)}, not {list(own)})"
    raise CheckpointError(
        f"the style {style.name} was tuned on another model: {difference}; give --model the one it was tuned on, or "
        "tune it again with `pianomuse tune`",
        "style_other_model",
        style=style.name,
    )


def _name(layer: int) -> str:
    return f"blocks.{layer}.att.time_state"


def _check_header(shown: str, header: Mapping[str, str]) -> None:
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise CheckpointError(
            f"{shown}: no PianoMuse style file of format version {VERSION}; make one with `pianomuse tune`",
            "style_not_one",
            path=shown,
            version=VERSION,
        )
    if header.keys() != set(_KEYS):
        raise CheckpointError(
            f"{shown}: its header has other entries than {', '.join(_KEYS)}; tune it again",
            "style_header",
            path=shown,
        )


def _stacked(shown: str, parts: list[NDArray[np.generic]]) -> NDArray[np.float32]:
    shapes = {part.shape for part in parts}
    shape = parts[0].shape
    if len(shapes) != 1 or len(shape) != 3 or shape[1] != shape[2] or 0 in shape:
        raise CheckpointError(
            f"{shown}: its tensors are not all [heads, size, size]; tune it again", "style_shapes", path=shown
        )
    if any(part.dtype != np.float32 for part in parts) or not all(np.isfinite(part).all() for part in parts):
        raise CheckpointError(
            f"{shown}: its tensors are not all finite float32 numbers; tune it again", "style_numbers", path=shown
        )
    return np.stack(parts).astype(np.float32, copy=False)
