"""Hostile checkpoints: one sentence, whatever is wrong, and nothing that is in them is run or believed."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pianomuse.checkpoint.quantise import quantise
from pianomuse.checkpoint.store import load_checkpoint
from pianomuse.errors import CheckpointError

Break = Callable[[Path], object]
Tensors = dict[str, np.ndarray[Any, Any]]
W = "model.safetensors"


def weights(change: Callable[[Tensors], object]) -> Break:
    """Change the tensors: in place, or to what is returned."""

    def apply(folder: Path) -> None:
        tensors = dict(load_file(folder / W))
        changed = change(tensors)
        save_file(changed if isinstance(changed, dict) else tensors, folder / W)

    return apply


def put(name: str, value: object, *place: int) -> Break:
    return weights(lambda tensors: tensors[name].__setitem__(place, value))


def sizes(**changed: object) -> Break:
    """Change the sizes that config.json tells."""

    def apply(folder: Path) -> None:
        document = json.loads((folder / "config.json").read_text())
        document["model"].update(changed)
        (folder / "config.json").write_text(json.dumps(document))

    return apply


def config(text: str | bytes) -> Break:
    return lambda folder: (folder / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())


def raw(data: bytes) -> Break:
    return lambda folder: (folder / W).write_bytes(data)


def claimed(dtype: str, shape: list[int], n_bytes: int, there: int) -> Break:
    """Write a header that promises a tensor, and so many bytes of it."""
    header = json.dumps({"emb.weight": {"dtype": dtype, "shape": shape, "data_offsets": [0, n_bytes]}}).encode()
    return raw(struct.pack("<Q", len(header)) + header + bytes(there))


def in_eight_bits(change: Callable[[Tensors], object]) -> Break:
    def changed(tensors: Tensors) -> Tensors:
        small: Tensors = quantise(tensors)
        change(small)
        return small

    return weights(changed)


def as_pipe(name: str) -> Break:
    def apply(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return apply


BROKEN: dict[str, Break] = {
    "not a number": put("head.weight", np.nan, 3, 3),
    "infinite": put("blocks.0.att.w0", np.inf, 0, 0, 0),
    "a tensor missing": weights(lambda t: t.pop("emb.weight")),
    "a tensor too many": weights(lambda t: t.update(evil=np.zeros(3, np.float32))),
    "another shape": weights(lambda t: t.update({"emb.weight": t["emb.weight"].T.copy()})),
    "half precision": weights(lambda t: t.update({"emb.weight": t["emb.weight"].astype(np.float16)})),
    "double precision": weights(lambda t: {name: value.astype(np.float64) for name, value in t.items()}),
    "int8 without scales": in_eight_bits(lambda t: t.pop("head.weight.scale")),
    "int8 with scales that are no numbers": in_eight_bits(lambda t: t["head.weight.scale"].fill(np.nan)),
    "int8 with scales of another shape": in_eight_bits(
        lambda t: t.update({"head.weight.scale": np.zeros(3, np.float32)})
    ),
    "scales of nothing": weights(lambda t: t.update({"head.bias.scale": np.zeros(3, np.float32)})),
    "cut off": lambda folder: os.truncate(folder / W, 1000),
    "seven bytes": raw(bytes(7)),
    "empty": raw(b""),
    "a pickle": raw(b"cos\nsystem\n(S'touch pwned'\ntR."),
    "a header of terabytes": raw(struct.pack("<Q", 2**42) + b"{}"),
    "a tensor of terabytes": claimed("F32", [2**40], 2**42, 0),
    "bfloat16": claimed("BF16", [2], 4, 4),
    "eight-bit floats": claimed("F8_E4M3", [4], 4, 4),
    "an unknown type": claimed("F3", [4], 4, 4),
    "no layers": sizes(n_layer=0),
    "a negative width": sizes(n_embd=-64),
    "a width without bound": sizes(n_embd=10**400),
    "a vocabulary of 10^15": sizes(vocab_size=10**15),
    "a size as text": sizes(n_layer="2"),
    "a size as truth": sizes(n_layer=True),
    "a size as fraction": sizes(n_layer=2.0),
    "no head": sizes(head_size=0),
    "an unknown size": sizes(temperature=1),
    "config.json a list": config("[]"),
    "config.json no text": config(b"\xff\xfe{"),
    "config.json nested without end": config("[" * 100_000),
    "another version": config('{"format": "pianomuse-checkpoint", "version": 99}'),
    "no sizes": config('{"format": "pianomuse-checkpoint", "version": 1, "model": null}'),
    "no vocabulary": lambda folder: (folder / "tokenizer.json").unlink(),
    "another vocabulary": lambda folder: (folder / "tokenizer.json").write_text('{"fingerprint": "abc"}'),
    "weights as a folder": lambda folder: ((folder / W).unlink(), (folder / W).mkdir()),
    "weights as a pipe": as_pipe(W),
    "config.json as a pipe": as_pipe("config.json"),
}


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_checkpoint_gets_one_sentence(name: str, model_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(model_folder, folder)
    BROKEN[name](folder)
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder)
    assert str(folder) in str(error.value) or "config.json" in str(error.value) or "weights:" in str(error.value)
    assert len(str(error.value)) < 800
    assert not Path("pwned").exists()
