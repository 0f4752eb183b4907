"""The memory arithmetic against real training steps."""

from __future__ import annotations

import pytest

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.errors import ConfigError
from pianomuse.evaluate.bench.memory import allocated_bytes
from pianomuse.evaluate.bench.training_memory import Case
from pianomuse.model.memory import GIGABYTE, LOGITS_AT_ONCE, estimate_model_memory
from pianomuse.model.presets import PRESETS
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.head_loss import CHUNK_NUMBERS

CASES = {
    "all": Case(2, 64, 761, 2, 256),
    "plain": Case(2, 64, 761, 2, 256, fuse="no"),
    "bfloat16": Case(4, 128, 761, 2, 256, "bfloat16"),
    "plain-bfloat16": Case(3, 128, 761, 2, 256, "bfloat16", fuse="no"),
    "checkpoint": Case(3, 128, 761, 2, 256, checkpoint_blocks=True),
    "checkpoint-bfloat16": Case(4, 128, 761, 2, 256, "bfloat16", checkpoint_blocks=True),
    "large-vocabulary": Case(2, 64, 65536, 2, 64),
    "large-vocabulary-bfloat16": Case(2, 64, 32768, 2, 64, "bfloat16", checkpoint_blocks=True),
    "completion": Case(2, 64, 16384, 2, 256, completion=20),
    "accumulate": Case(3, 128, 4096, 2, 128, accumulate=2),
    "micro-rows": Case(3, 128, 761, 4, 128, "bfloat16", micro_rows=2, checkpoint_blocks=True),
    "weights-are-most": Case(4, 192, 761, 1, 16),
    "lora": Case(3, 128, 761, 2, 256, method="lora"),
    "lora-checkpoint": Case(3, 128, 761, 2, 256, "bfloat16", method="lora", checkpoint_blocks=True, fuse="no"),
    "state": Case(3, 128, 761, 2, 256, method="state"),
    "state-checkpoint": Case(3, 128, 761, 2, 256, "bfloat16", method="state", checkpoint_blocks=True),
    "eight-bit": Case(4, 192, 761, 1, 16, optimizer="adamw8bit"),
    "eight-bit-accumulate": Case(3, 128, 4096, 2, 64, "bfloat16", accumulate=2, optimizer="adamw8bit"),
    "eight-bit-lora": Case(3, 128, 761, 1, 64, method="lora", optimizer="adamw8bit"),
    "deep-embed": Case(3, 128, 761, 2, 512, deep_embed=True),
}


@pytest.mark.skipif(allocated_bytes() is None, reason="the C library does not tell what is allocated")
@pytest.mark.parametrize("name", CASES)
def test_the_estimate_is_within_a_tenth_of_what_is_alive_at_the_highest_point_of_a_step(name: str) -> None:
    measured = CASES[name].measured_bytes()
    assert measured is not None
    assert CASES[name].estimated_bytes() == pytest.approx(measured, rel=0.1)


def test_parameters_gradients_and_adamw_take_sixteen_bytes_a_parameter() -> None:
    model = PianoMuseRWKV(ModelConfig(100, 2, 64))
    estimate = estimate_model_memory(2, 64, 100, 1, 1)
    n = sum(p.numel() for p in model.parameters())
    assert estimate["model_params"] == n
    states = estimate["parameters_gb"] + estimate["gradients_gb"] + estimate["optimizer_gb"]
    assert states * GIGABYTE == pytest.approx(16 * n)
    assert estimate["total_gb"] == pytest.approx(states, rel=0.1)


def test_the_parts_come_together_only_under_accumulation() -> None:
    names = ("parameters_gb", "gradients_gb", "optimizer_gb", "activations_gb")
    for accumulate in (1, 2):
        estimate = estimate_model_memory(12, 384, 761, 8, 1024, accumulate=accumulate)
        together = sum(estimate[name] for name in names)
        assert estimate["total_gb"] == pytest.approx(together) if accumulate > 1 else estimate["total_gb"] < together


def test_every_saving_saves() -> None:
    sizes = (24, 1024, 65536, 8, 1024)
    plain = estimate_model_memory(*sizes)
    assert estimate_model_memory(*sizes, checkpoint_blocks=True)["activations_gb"] < 0.2 * plain["activations_gb"]
    assert estimate_model_memory(*sizes, micro_rows=1)["total_gb"] < plain["total_gb"]
    eight_bit = estimate_model_memory(*sizes, optimizer="adamw8bit")
    assert eight_bit["optimizer_gb"] == pytest.approx(plain["optimizer_gb"] / 4, rel=0.02)
    narrow = estimate_model_memory(*sizes, optimizer="adamw8bit", param_dtype="bfloat16")
    assert narrow["parameters_gb"] == pytest.approx(plain["parameters_gb"] / 2)
    for method in ("lora", "state"):
        assert estimate_model_memory(*sizes, method=method)["gradients_gb"] < 0.1 * plain["gradients_gb"]


def test_the_arithmetic_and_the_loss_agree_about_the_logits_at_once() -> None:
    assert LOGITS_AT_ONCE == CHUNK_NUMBERS


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"precision": "float8"}, "precision"),
        ({"batch_size": 0}, "batch_size"),
        ({"method": "prayer"}, "full, lora, state"),
        ({"optimizer": "sgd"}, "adamw8bit"),
        ({"completion": 0}, "completion"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, object], match: str) -> None:
    sizes: dict[str, object] = {"n_layer": 2, "n_embd": 64, "vocab_size": 100, "batch_size": 1, "seq_len": 1}
    with pytest.raises(ConfigError, match=match):
        estimate_model_memory(**{**sizes, **change})  # type: ignore[arg-type]


def test_the_purpose_of_a_preset_tells_its_real_size() -> None:
    for name, preset in PRESETS.items():
        if name == "debug":
            continue
        n = estimate_model_memory(preset.n_layer, preset.n_embd, 761, 1, 1)["model_params"]
        said = preset.purpose.split(" ")[0]
        assert said == (f"{n / 1e9:.1f}B" if n > 1e9 else f"{n / 1e6:.0f}M"), name
    assert 60e6 < estimate_model_memory(24, 512, 761, 1, 1)["model_params"] < 100e6
