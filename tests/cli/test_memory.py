"""`pianomuse memory` tells what training takes and what fits."""

from __future__ import annotations

import json

import pytest

from pianomuse.cli import main
from pianomuse.model.fitting import fitting_presets, largest_rows
from pianomuse.model.memory import estimate_model_memory

FIT_IN_EIGHT_BIT = ["base", "base-deep"]


def test_it_prints_the_estimate_and_what_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--preset", "tiny", "--batch-size", "4", "--seq-len", "512", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    estimate = estimate_model_memory(8, 256, found["vocab_size"], 4, 512)
    assert {name: found[name] for name in estimate} == estimate
    assert found["fits"]
    assert main(["memory", "--preset", "large", "--vocab-size", "65536"]) == 0
    text = capsys.readouterr().out
    assert "does not fit 24 GB" in text
    assert "state tuning" in text


def test_the_largest_number_of_rows_fits_and_one_more_does_not() -> None:
    sizes = (24, 1024, 65536)
    rows = largest_rows(*sizes, 1024, 24.0)
    totals = [estimate_model_memory(*sizes, n, 1024)["total_gb"] for n in (rows, rows + 1)]
    assert totals[0] <= 24.0 < totals[1]
    assert largest_rows(*sizes, 1024, 1.0) == 0


def test_with_the_text_vocabulary_adamw_fits_24_gb_up_to_small_and_state_tuning_up_to_large() -> None:
    found = {
        preset["preset"]: {way["name"]: way["fits"] for way in preset["ways"]}
        for preset in fitting_presets(65536, 1024, 24.0)
    }
    assert found["small"]["full AdamW"]
    for name in ("base", "base-deep", "large", "large-deep"):
        assert not found[name]["full AdamW"]
        assert found[name]["state tuning"]
        assert found[name]["LoRA"]
    assert [name for name, ways in found.items() if ways["8-bit states"] and not ways["full AdamW"]] == FIT_IN_EIGHT_BIT


def test_nonsense_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--preset", "huge"]) == 2
    assert "huge" in capsys.readouterr().err
    assert main(["memory", "--method", "prayer"]) == 2
    assert main(["memory", "--card", "0"]) == 2
