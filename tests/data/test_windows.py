"""N → M windows of bars and the items made from them (R3, R5, R6), on real files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pianomuse.data.windows import (
    CopilotDataset,
    Pair,
    collate_fn,
    create_context_completion_pairs,
    load_dataset,
    save_dataset,
)
from pianomuse.errors import DatasetError, VocabularyError
from pianomuse.tokens.tokenizer import PianoTokenizer

TOKENIZER = PianoTokenizer()


@pytest.fixture(scope="module")
def ten_bars(corpus: Path) -> np.ndarray:
    ids = TOKENIZER.tokenize_midi(corpus / "mutopia" / "mussorgsky-promenade.mid")
    return ids[: TOKENIZER.find_bar_indices(ids)[10]]


def n_bars(ids: np.ndarray) -> int:
    return len(TOKENIZER.find_bar_indices(ids))


def test_ten_bars_give_five_pairs(ten_bars: np.ndarray) -> None:
    pairs = create_context_completion_pairs(ten_bars, TOKENIZER, n_context_bars=4, n_completion_bars=2, step=1)
    assert [(n_bars(p.context), n_bars(p.completion)) for p in pairs] == [(4, 2)] * 5
    assert np.array_equal(pairs[-1].completion[-20:], ten_bars[-20:])


def test_the_last_window_runs_to_the_end(ten_bars: np.ndarray) -> None:
    pairs = create_context_completion_pairs(ten_bars, TOKENIZER, n_context_bars=4, n_completion_bars=2, step=3)
    assert [n_bars(p.completion) for p in pairs] == [2, 3]


def test_too_short_pieces_give_none(ten_bars: np.ndarray) -> None:
    assert create_context_completion_pairs(ten_bars, TOKENIZER, n_context_bars=9, n_completion_bars=2) == []


def test_every_context_begins_with_metre_and_tempo_in_force(ten_bars: np.ndarray) -> None:
    metres = []
    for pair in create_context_completion_pairs(ten_bars, TOKENIZER):
        metre, tempo, bar, again = TOKENIZER.names(pair.context[:4])
        assert metre.startswith("TimeSig_")
        assert tempo.startswith("Tempo_")
        assert bar == "Bar_None"
        assert metre == again
        metres.append(metre)
    assert len(set(metres)) > 1, "the Promenade changes metre"


@pytest.mark.parametrize("bad", [{"n_context_bars": 0}, {"n_completion_bars": 0}, {"step": 0}])
def test_windows_of_no_bars_are_refused(ten_bars: np.ndarray, bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        create_context_completion_pairs(ten_bars, TOKENIZER, **bad)


def test_targets_are_shifted_by_one(ten_bars: np.ndarray) -> None:
    pair = create_context_completion_pairs(ten_bars, TOKENIZER)[0]
    item = CopilotDataset([pair], TOKENIZER)[0]
    assert item["ctx_len"] == len(pair.context)
    assert np.array_equal(item["input_ids"][1:], item["target_ids"][:-1])
    assert item["target_ids"][item["ctx_len"] - 1] == pair.completion[0]


@pytest.mark.parametrize("limit", [64, 100, 150, 200, 300])
def test_truncation_cuts_the_far_end_of_the_context_at_a_bar(ten_bars: np.ndarray, limit: int) -> None:
    pair = create_context_completion_pairs(ten_bars, TOKENIZER, 8, 1)[0]
    short = Pair(pair.context, pair.completion[:30])
    item = CopilotDataset([short], TOKENIZER, max_seq_len=limit)[0]
    assert len(item["input_ids"]) <= limit
    context = item["input_ids"][: item["ctx_len"]]
    assert TOKENIZER.names(context[:2])[0].startswith("TimeSig_")
    assert TOKENIZER.names(context[:2])[1].startswith("Tempo_")
    assert np.array_equal(context[2:], short.context[len(short.context) - len(context) + 2 :])
    assert str(TOKENIZER.vocabulary.kinds[context[2]]) in ("Bar", "Position")
    bars = TOKENIZER.find_bar_indices(short.context)
    if (bars >= len(short.context) - (limit - 30 - 1)).any():
        assert str(TOKENIZER.vocabulary.kinds[context[2]]) == "Bar"


def test_a_very_long_completion_leaves_a_quarter_for_context(ten_bars: np.ndarray) -> None:
    pair = create_context_completion_pairs(ten_bars, TOKENIZER, 4, 6)[0]
    item = CopilotDataset([pair], TOKENIZER, max_seq_len=120)[0]
    assert 120 // 4 - 12 <= item["ctx_len"] <= 120 // 4 + 1
    assert len(item["input_ids"]) <= 120
    assert TOKENIZER.vocabulary.kind(int(item["target_ids"][-1])) not in ("Pitch", "Velocity")


def test_collate_pads_on_the_right(ten_bars: np.ndarray) -> None:
    pytest.importorskip("torch")
    pairs = create_context_completion_pairs(ten_bars, TOKENIZER)
    data = CopilotDataset(pairs, TOKENIZER)
    batch = collate_fn([data[0], data[1]])
    lengths = batch["attention_mask"].sum(dim=1).tolist()
    assert lengths == [len(data[0]["input_ids"]), len(data[1]["input_ids"])]
    shorter = int(np.argmin(lengths))
    assert (batch["input_ids"][shorter, lengths[shorter] :] == 0).all()
    assert (batch["target_ids"][shorter, lengths[shorter] :] == -100).all()
    assert batch["ctx_lengths"].tolist() == [data[0]["ctx_len"], data[1]["ctx_len"]]


def test_pairs_survive_json_lines(ten_bars: np.ndarray, tmp_path: Path) -> None:
    pairs = create_context_completion_pairs(ten_bars, TOKENIZER)
    path = tmp_path / "pairs.jsonl"
    assert save_dataset(pairs, path, TOKENIZER) == 5
    again = load_dataset(path)
    assert len(again) == 5
    for before, after in zip(pairs, again, strict=True):
        assert np.array_equal(before.context, after.context)
        assert np.array_equal(before.completion, after.completion)


def test_damaged_pairs_are_named_by_line(ten_bars: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    save_dataset(create_context_completion_pairs(ten_bars, TOKENIZER), path, TOKENIZER)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[2][:-5]]))
    with pytest.raises(DatasetError, match="line 3"):
        load_dataset(path)
    path.write_text("\n".join([lines[0], json.dumps({"context": [1], "completion": [761]})]))
    with pytest.raises(DatasetError, match="line 2"):
        load_dataset(path)
    path.write_text("\n".join([lines[0].replace(TOKENIZER.vocabulary.fingerprint, "0" * 16), *lines[1:]]))
    with pytest.raises(VocabularyError, match="prepare"):
        load_dataset(path)
    with pytest.raises(DatasetError, match="cannot be read"):
        load_dataset(tmp_path / "none.jsonl")
