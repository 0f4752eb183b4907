"""A checkpoint: a folder with weights, their configuration and the vocabulary they speak.

    FOLDER/
      model.safetensors   tensors under the official RWKV-7 names
      config.json         format version, sizes, fingerprint of the vocabulary
      tokenizer.json      the vocabulary
      card.json           optional: data, licences, results

The folder appears whole or not at all, and is read strictly: a name too many or too few, or another shape, is an
error. Matrices may be stored as int8 with one float32 scale for each row (`quantise`), 8 + 32 / columns bits a weight.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.checkpoint.quantise import Tensors, dequantise, is_quantised
from pianomuse.errors import CheckpointError, StorageError

FORMAT = "pianomuse-checkpoint"
VERSION = 1
MAX_WEIGHTS_BYTES = 64 * 2**30
MAX_JSON_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Checkpoint:
    """A model as read from disk."""

    config: ModelConfig
    tensors: dict[str, NDArray[np.float32]]
    vocabulary_fingerprint: str
    tokenizer_json: dict[str, object]
    card: dict[str, object]
    is_quantised: bool = False
    """Whether the file holds int8 matrices; `tensors` are float32 all the same."""


def save_checkpoint(
    folder: str | Path,
    config: ModelConfig,
    tensors: Tensors,
    *,
    tokenizer_json: Mapping[str, object],
    card: Mapping[str, object] | None = None,
    more_files: Mapping[str, bytes | Path] | None = None,
) -> Path:
    """Write a checkpoint folder; one that is there is replaced only when the new one is complete.

    Args:
        folder: where.
        config: sizes of the model.
        tensors: float32 arrays under the official names, or what `quantise` returned.
        tokenizer_json: the vocabulary as `Vocabulary.to_json` gives it, with its `fingerprint`.
        card: what to tell about the model: data, licences, results.
        more_files: further files of the folder (a training state): name -> content; a Path is moved there.

    Raises:
        CheckpointError: the tensors do not fit the configuration, or the vocabulary has no fingerprint.
        StorageError: the disk is full or the folder cannot be written; what was there before stays.
    """
    folder = Path(folder)
    _require_fitting(config, dequantise(tensors), str(folder))
    header = {
        "format": FORMAT,
        "version": VERSION,
        "model": config.to_json(),
        "weights": "int8" if is_quantised(tensors) else "float32",
        "vocabulary": _fingerprint(tokenizer_json, str(folder)),
    }
    documents = {"config.json": header, "tokenizer.json": tokenizer_json}
    if card is not None:
        documents["card.json"] = card
    aside = _beside(folder, "partial")
    try:
        finish_replacing(folder)
        _write_aside(aside, tensors, documents, more_files or {})
        _put_in_place(aside, folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        finish_replacing(folder)
        reason = getattr(error, "strerror", None) or error
        raise StorageError(
            f"{folder}: cannot be written ({reason}); checkpoints that were there before are whole; make room, go on"
        ) from error
    return folder


def finish_replacing(folder: Path) -> None:
    """Put a checkpoint in its place where a crash came between its removal and the arrival of the next."""
    old, aside = _beside(folder, "old"), _beside(folder, "partial")
    if not folder.exists() and old.exists():  # the old one leaves only when the new one is whole
        (aside if aside.exists() else old).rename(folder)


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Read a checkpoint folder, int8 weights made float32 again.

    Raises:
        CheckpointError: a file is missing, damaged, too large, of another format version, or does not fit.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such checkpoint folder; give one that holds model.safetensors")
    header = _read_json(folder / "config.json")
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise CheckpointError(
            f"{folder}: not a PianoMuse checkpoint of format version {VERSION}; "
            "read it with the version of PianoMuse that wrote it"
        )
    sizes = header.get("model")
    if not isinstance(sizes, dict):
        raise CheckpointError(f"{folder}/config.json: the sizes under `model` are missing; use an intact checkpoint")
    config = ModelConfig.from_json(sizes)
    tokenizer_json = _read_json(folder / "tokenizer.json")
    fingerprint = _fingerprint(tokenizer_json, str(folder))
    if header.get("vocabulary") != fingerprint:
        raise CheckpointError(f"{folder}: config.json and tokenizer.json speak different vocabularies; copy it again")
    stored = _read_weights(folder / "model.safetensors")
    tensors = dequantise(stored)
    _require_fitting(config, tensors, str(folder))
    if broken := sorted(name for name, value in tensors.items() if not np.isfinite(value).all()):
        raise CheckpointError(f"{folder}: {broken[0]} holds numbers that are not finite; use an earlier checkpoint")
    card = _read_json(folder / "card.json") if (folder / "card.json").exists() else {}
    return Checkpoint(config, tensors, fingerprint, tokenizer_json, card, is_quantised(stored))


def _require_fitting(config: ModelConfig, tensors: Mapping[str, NDArray[np.float32]], where: str) -> None:
    wanted = tensor_shapes(config)
    missing = sorted(wanted.keys() - tensors.keys())
    extra = sorted(tensors.keys() - wanted.keys())
    wrong = [name for name, shape in wanted.items() if name in tensors and tensors[name].shape != shape]
    if missing or extra or wrong:
        raise CheckpointError(
            f"{where}: the weights do not fit config.json "
            f"(missing: {missing[:3]}, unknown: {extra[:3]}, other shape: {wrong[:3]}); use an intact checkpoint"
        )


def _fingerprint(tokenizer_json: Mapping[str, object], where: str) -> str:
    fingerprint = tokenizer_json.get("fingerprint")
    if not isinstance(fingerprint, str) or not fingerprint:
        raise CheckpointError(f"{where}: tokenizer.json carries no vocabulary fingerprint; use an intact checkpoint")
    return fingerprint


def _read_weights(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        _require_file(path)
        size_bytes = path.stat().st_size
        if size_bytes > MAX_WEIGHTS_BYTES:
            raise CheckpointError(f"{path}: {size_bytes} bytes is more than the limit of {MAX_WEIGHTS_BYTES}")
        return dict(load_file(path))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:  # last: odd dtypes
        raise CheckpointError(f"{path}: cannot be read as safetensors ({error}); copy the checkpoint again") from error


def _read_json(path: Path) -> dict[str, object]:
    try:
        _require_file(path)
        if path.stat().st_size > MAX_JSON_BYTES:
            raise CheckpointError(f"{path}: larger than {MAX_JSON_BYTES} bytes; use an intact checkpoint")
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error}); use an intact checkpoint") from error
    if not isinstance(document, dict):
        raise CheckpointError(f"{path}: no JSON object; use an intact checkpoint")
    return document


def _require_file(path: Path) -> None:
    if path.exists() and not path.is_file():  # reading a pipe or a device may never end
        raise CheckpointError(f"{path}: is no file; use an intact checkpoint")


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}")


def _write_aside(
    aside: Path, tensors: Tensors, documents: Mapping[str, Mapping[str, object]], more_files: Mapping[str, bytes | Path]
) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name, document in documents.items():
        (aside / name).write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    weights = aside / "model.safetensors"
    save_file(arrays, weights, metadata={"format": FORMAT, "version": str(VERSION)})
    shutil.copymode(aside / "config.json", weights)  # safetensors makes it readable by its owner alone
    for name, content in more_files.items():
        if isinstance(content, Path):
            content.rename(aside / name)
        else:
            (aside / name).write_bytes(content)


def _put_in_place(aside: Path, folder: Path) -> None:
    """Make `aside` the folder; the old one leaves only when the new one is whole and on the disk."""
    for path in aside.rglob("*"):
        _to_disk(path)
    _to_disk(aside)
    old = _beside(folder, "old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    aside.rename(folder)
    _to_disk(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _to_disk(path: Path) -> None:
    """Wait until a file, or where the system can do that the entries of a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
