"""Style files: what is written is read again, hostile files are refused in one sentence, and a model's own only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.checkpoint.style import Style, load_style, model_fingerprint, require_fitting, save_style
from pianomuse.errors import CheckpointError, RequestError

CONFIG = ModelConfig(vocab_size=61, n_layer=2, n_embd=64, head_size=32)
RNG = np.random.default_rng(0)
WEIGHTS = {name: RNG.standard_normal(shape).astype(np.float32) for name, shape in tensor_shapes(CONFIG).items()}
FINGERPRINT = model_fingerprint(CONFIG, WEIGHTS)
STATE = RNG.standard_normal((2, 2, 32, 32)).astype(np.float32)
HEADER = {"format": "pianomuse-style", "version": "1", "model": FINGERPRINT, "vocabulary": "v", "facts": "{}"}


def test_a_style_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = save_style(tmp_path / "mine.safetensors", Style(STATE, FINGERPRINT, "v", {"pieces": 3, "note": "für mich"}))
    found = load_style(path)
    np.testing.assert_array_equal(found.time_state, STATE)
    assert (found.name, found.model, found.vocabulary) == ("mine", FINGERPRINT, "v")
    assert found.facts == {"pieces": 3, "note": "für mich"}
    require_fitting(found, CONFIG, FINGERPRINT)
    np.testing.assert_array_equal(found.memory(0.5), STATE / 2)
    for strength in (-0.1, 1.6, float("nan")):
        with pytest.raises(RequestError, match=r"choose 0 to 1\.5"):
            found.memory(strength)


def test_a_fingerprint_tells_one_weight_or_another_name_apart() -> None:
    other = {name: value.copy() for name, value in WEIGHTS.items()}
    assert model_fingerprint(CONFIG, dict(reversed(other.items()))) == FINGERPRINT
    other["blocks.1.ln2.bias"][5] += 1e-6
    assert model_fingerprint(CONFIG, other) != FINGERPRINT


def test_a_style_of_another_model_is_refused_with_what_to_do() -> None:
    with pytest.raises(CheckpointError, match=r"other weights.*pianomuse tune"):
        require_fitting(Style(STATE, "0123456789abcdef", "v"), CONFIG, FINGERPRINT)
    with pytest.raises(CheckpointError, match=r"other sizes.*--model"):
        require_fitting(Style(STATE[:1], FINGERPRINT, "v"), CONFIG, FINGERPRINT)


def tensors(*parts: np.ndarray) -> dict[str, np.ndarray]:
    return {f"blocks.{layer}.att.time_state": part for layer, part in enumerate(parts)}


NAN = STATE[0].copy()
NAN[0, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("arrays", "header", "match"),
    [
        (tensors(*STATE), None, "no PianoMuse style"),
        (tensors(*STATE), {**HEADER, "version": "2"}, "version 1"),
        (tensors(*STATE), {k: v for k, v in HEADER.items() if k != "facts"}, "header"),
        (tensors(*STATE), {**HEADER, "facts": "{"}, "cannot be read"),
        (tensors(*STATE), {**HEADER, "facts": "[" * 100_000}, "cannot be read"),
        (tensors(*STATE), {**HEADER, "facts": "[]"}, "no JSON object"),
        ({"blocks.1.att.time_state": STATE[0]}, HEADER, r"blocks\.0\.att"),
        ({**tensors(*STATE), "emb.weight": STATE[0]}, HEADER, r"blocks\.0\.att"),
        (tensors(STATE[0], STATE[1][:1]), HEADER, "heads, size, size"),
        (tensors(STATE[0][0]), HEADER, "heads, size, size"),
        (tensors(STATE[0][:, :5]), HEADER, "heads, size, size"),
        (tensors(STATE[0][:0]), HEADER, "heads, size, size"),
        (tensors(NAN), HEADER, "finite"),
        (tensors(STATE[0].astype(np.float64)), HEADER, "finite float32"),
    ],
)
def test_a_hostile_file_is_one_clear_error(
    tmp_path: Path, arrays: dict[str, np.ndarray], header: dict[str, str] | None, match: str
) -> None:
    path = tmp_path / "bad.safetensors"
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, metadata=header)
    with pytest.raises(CheckpointError, match=match) as caught:
        load_style(path)
    assert "bad.safetensors" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"MThd", b"\xff" * 64, (2**62).to_bytes(8, "little") + b"{}"])
def test_a_file_that_is_no_safetensors_is_one_clear_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="cannot be read as a style file"):
        load_style(path)


def test_a_truncated_file_and_a_missing_one_are_one_clear_error(tmp_path: Path) -> None:
    path = save_style(tmp_path / "mine.safetensors", Style(STATE, FINGERPRINT, "v"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cannot be read as a style file"):
        load_style(path)
    for missing in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match="pianomuse tune"):
            load_style(missing)
