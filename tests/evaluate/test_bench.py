"""`pianomuse bench`: every benchmark runs, at a small size, and keeps to its document. Speeds are not judged."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from pianomuse.cli import main
from pianomuse.evaluate.bench import NAMES, benchmark
from pianomuse.evaluate.bench.memory import allocated_bytes, kept_bytes, live_peak_bytes, peak_growth_bytes
from pianomuse.evaluate.bench.outcome import Outcome, Row
from pianomuse.evaluate.bench.turns import fastest, take_turns
from pianomuse.evaluate.bench.wkv import autograd_chunks, inputs
from pianomuse.wkv import wkv7

SMALL = {
    "wkv": ["batch_size=1", "steps=32", "heads=1", "loop_steps=16", "seconds=0"],
    "decode": ["n_layer=1", "n_embd=64", "vocab_size=32", "contexts=32", "seconds=0"],
    "train": ["preset=debug", "vocab_size=32", "tokens=64", "lengths=32", "loop_steps=16", "seconds=0"],
    "complete": ["runs=1", "length=6", "bars=1", "candidates=1"],
}
EXPECTED = {
    "wkv": {"wkv/cpu/loop", "wkv/chunked/loop", "wkv/cpu/autograd-chunks", "wkv/chunked/autograd-chunks"},
    "decode": {f"decode/{kind}/batch{n}/rwkv" for kind in ("float32", "int8") for n in (1, 8)}
    | {"prefill/float32/rwkv"},
    "train": {"train/debug/32/loop", "train/debug/32/transformer"},
    "complete": {"complete/command/playing", "complete/composing/playing", "complete/first-note"},
}


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_prints_one_document(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    changes = [word for assignment in SMALL[name] for word in ("--set", assignment)]
    assert main(["bench", name, *changes, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["machine"]["cores"] >= 1
    rows = {row["name"]: row for row in document["results"]}
    assert EXPECTED[name] <= rows.keys()
    for row in rows.values():
        assert set(row) == {"name", "ours", "peer", "ratio", "unit", "ceiling"}
        assert row["ours"] > 0
        assert (row["ratio"] is None) == (row["peer"] is None)


def test_the_operator_keeps_less_than_autograd_through_the_loop(capsys: pytest.CaptureFixture[str]) -> None:
    given = inputs((1, 64, 1, 64))
    kept = {name: kept_bytes(lambda name=name: wkv7(*given, backend=name), given) for name in ("cpu", "reference")}
    assert kept["cpu"] == 64 * 64 * 4 + (64 // 16 + 1) * 64 * 64 * 4  # u of every step, the state every 16 and the last
    assert kept["cpu"] < kept["reference"] / 5


def test_peers_compute_the_same() -> None:
    given = inputs((2, 64, 2, 64))
    for x, z in zip(autograd_chunks(given), wkv7(*given, backend="reference"), strict=True):
        torch.testing.assert_close(x, z, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(find_spec("transformers") is None, reason="needs transformers")
def test_the_transformer_is_as_large_as_ours_and_forgets_what_it_wrote() -> None:
    from pianomuse.checkpoint.config import ModelConfig, parameter_count
    from pianomuse.evaluate.bench.transformer import Transformer

    config = ModelConfig(512, 4, 256)
    peer = Transformer(config)
    size = sum(parameter.numel() for parameter in peer.model.parameters())
    assert abs(size / parameter_count(config) - 1) < 0.02
    write = peer.writer(40)
    write(3)
    write(3)
    assert peer.logits(torch.ones(1, 5, dtype=torch.int64)).shape == (1, 5, 512)


def test_contenders_take_turns_and_the_best_slice_counts() -> None:
    order: list[str] = []
    speeds = {"a": iter([9.0, 1.0, 3.0, 2.0]), "b/1": iter([9.0, 5.0, 4.0, 4.0])}

    def slice_of(name: str):
        def run() -> float:
            order.append(name)
            return next(speeds[name])

        return run

    best = take_turns({name: slice_of(name) for name in speeds}, seconds=0, rounds=3)
    assert order == ["a", "b/1"] * 4  # the first turn warms up
    assert best == {"a": 3.0, "b/1": 5.0}
    assert fastest(best, "b") == 5.0
    assert fastest(best, "c") is None


def test_a_ratio_above_one_is_better_whatever_the_unit() -> None:
    assert Row("x", 20.0, 10.0, "tokens/s").ratio == 2
    assert Row("x", 1.0, 4.0, "s").ratio == 4
    assert Row("x", 1.0, None, "s").ratio is None
    table = "\n".join(Outcome({"processor": "P"}, [Row("wkv/cpu/loop", 20.0, 10.0, "tokens/s", 40.0)]).to_lines())
    assert "2.00 x" in table
    assert "50% of the ceiling" in table


def grow(n_bytes: int, *, is_small: bool = False):
    return lambda: bytearray(0 if is_small else n_bytes)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_growth_of_a_process_is_what_the_work_takes() -> None:
    size = 64 * 2**20
    growth = peak_growth_bytes(grow, size)
    assert growth is not None
    assert 0.6 * size < growth < 1.2 * size  # loading what is loaded once may have reached a little higher before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["everything"], "choose one of wkv, decode, train, complete"),
        (["wkv", "--set", "heads=0"], "heads"),
        (["wkv", "--set", "colour=1"], "colour"),
        (["complete", "--set", "piece=nowhere.mid"], "nowhere.mid"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_settings_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "wkv", "--list-settings"]) == 0
    assert "heads (6)" in capsys.readouterr().out
    assert benchmark("wkv").Settings().size == (8, 1024, 6, 64)


@pytest.mark.skipif(allocated_bytes() is None, reason="the C library does not tell what is allocated")
def test_the_live_peak_counts_tensors_and_arrays_that_are_alive_together() -> None:
    size = 4 * 2**20

    def work() -> None:
        array, tensor = np.ones(size, np.uint8), torch.ones(size // 4)
        del array
        tensor.add_(1)
        torch.ones(size // 8).add_(1)

    work()
    assert live_peak_bytes(work) == pytest.approx(2 * size, rel=0.01)
