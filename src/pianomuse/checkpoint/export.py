"""A checkpoint's weights as one file for other programs: the official .pth layout, or safetensors, in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save

from pianomuse.checkpoint.config import DEEP_EMBED_RANK
from pianomuse.checkpoint.official import write_pth
from pianomuse.checkpoint.store import Checkpoint
from pianomuse.errors import RequestError
from pianomuse.midi.write import write_atomically

FORMATS = ("pth", "safetensors")


def export_weights(checkpoint: Checkpoint, path: Path, file_format: str, *, replace: bool = False) -> list[str]:
    """Write the weights under their official names; whole or not at all.

    Args:
        checkpoint: what to write.
        path: the file.
        file_format: `pth` or `safetensors`.
        replace: whether a file that is there may be replaced.

    Returns:
        What the user of the file should know, a line each.

    Raises:
        RequestError: an unknown format, no such folder, or a file that is there already.
    """
    if file_format not in FORMATS:
        raise RequestError(f"--format {file_format}: choose {', '.join(FORMATS)} or onnx")
    require_free(path, replace=replace)
    if file_format == "pth":
        write_pth(path, checkpoint.tensors)
    else:
        arrays = {name: np.ascontiguousarray(value) for name, value in checkpoint.tensors.items()}
        write_atomically(path, save(arrays))
    notes = [f"The vocabulary (fingerprint {checkpoint.vocabulary_fingerprint}) is not in the file."]
    if checkpoint.is_quantised:
        notes.append("The weights were int8; they are written as float32, as exact as int8 had them.")
    if checkpoint.config.deep_embed_rank == DEEP_EMBED_RANK:
        notes.append("The model has DeepEmbed: the package `rwkv` needs RWKV_DE_VERSION=1 before it is imported.")
    return notes


def require_free(path: Path, *, replace: bool) -> None:
    """Refuse a file that cannot be written, or that is there and is not to be replaced.

    Raises:
        RequestError: see there.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise RequestError(f"--out {path}: give the name of a file in a folder that exists")
    if path.exists() and not replace:
        raise RequestError(f"{path} is there already; replace it with --force, or name another --out")
