"""The Markov reference is a probability distribution, counts what can be counted by hand, and survives its table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pianomuse.errors import CheckpointError, VocabularyError
from pianomuse.evaluate.markov import METHODS, MarkovModel, held_out_bits, train_markov
from pianomuse.evaluate.markov_engine import MarkovEngine
from pianomuse.evaluate.markov_table import find_savings, load_markov, prune, save_markov
from pianomuse.tokens.prompt import PromptWriter, Wishes
from pianomuse.tokens.tokenizer import PianoTokenizer


def test_witten_bell_has_the_shares_of_the_formula() -> None:
    model = train_markov([np.array([0, 1, 0, 2, 0, 1])], 4, 2, "witten-bell")
    # Unigrams: counts 3, 2, 1 of 6 with 3 kinds; P(1) = (2 + 3/4) / 9. After 0: 1 twice, 2 once, two kinds.
    p1 = (2 + 3 / 4) / 9
    assert model.distribution(np.array([], dtype=int))[1] == pytest.approx(p1)
    assert model.distribution(np.array([0]))[1] == pytest.approx((2 + 2 * p1) / 5)


@pytest.mark.parametrize("method", METHODS)
def test_probabilities_sum_to_one_and_agree_with_bits(method: str, pieces: list[np.ndarray]) -> None:
    model = train_markov(pieces[:-3], 761, 5, method)  # type: ignore[arg-type]
    unseen = pieces[-1][:60]
    bits = model.bits(unseen)
    for at in range(0, 60, 7):
        distribution = model.distribution(unseen[:at])
        assert distribution.sum() == pytest.approx(1, abs=1e-9)
        assert distribution.min() > 0
        assert -np.log2(distribution[unseen[at]]) == pytest.approx(bits[at])


@pytest.mark.parametrize("method", METHODS)
def test_choosing_an_order_sees_what_the_models_give(method: str, pieces: list[np.ndarray]) -> None:
    found = held_out_bits(pieces[:-3], pieces[-3:], 761, 3, method)  # type: ignore[arg-type]
    for order, bits in enumerate(found, start=1):
        model = train_markov(pieces[:-3], 761, order, method)  # type: ignore[arg-type]
        assert np.concatenate([model.bits(piece) for piece in pieces[-3:]]).mean() == pytest.approx(bits)
    assert found[0] > found[1] > 3


def test_n_grams_do_not_reach_over_the_beginning_of_a_piece() -> None:
    apart = train_markov([np.array([0, 1]), np.array([2, 3])], 4, 2, "witten-bell")
    together = train_markov([np.array([0, 1, 2, 3])], 4, 2, "witten-bell")
    assert apart.distribution(np.array([1]))[2] < together.distribution(np.array([1]))[2]


def test_pruning_loses_little_and_still_sums_to_one(
    markov: MarkovModel, pieces: list[np.ndarray], tmp_path: Path
) -> None:
    savings = find_savings(markov, pieces[:-3])
    small = prune(markov, savings, 3000)
    assert sum(len(level.keys) for level in small.levels) <= 3000 < sum(len(level.keys) for level in markov.levels)
    unseen = pieces[-1]
    assert small.bits(unseen).mean() < 1.15 * markov.bits(unseen).mean()
    path = tmp_path / "markov.npz"
    size = save_markov(small, path, {"vocabulary": "x"})
    assert size == path.stat().st_size < 60_000
    again, facts = load_markov(path, "x")
    assert facts["order"] == 4
    assert again.bits(unseen) == pytest.approx(small.bits(unseen), rel=1e-4)
    assert again.distribution(unseen[:30]).sum() == pytest.approx(1, abs=1e-3)


def test_a_damaged_table_is_refused_in_one_sentence(
    markov: MarkovModel, pieces: list[np.ndarray], tmp_path: Path
) -> None:
    path = tmp_path / "markov.npz"
    with pytest.raises(CheckpointError, match="reference-markov"):
        load_markov(path, "x")
    save_markov(prune(markov, find_savings(markov, pieces[:-3]), 2000), path, {"vocabulary": "x"})
    with pytest.raises(VocabularyError):
        load_markov(path, "y")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"nonsense", whole[:-60]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            load_markov(path, "x")


def test_the_engine_passes_over_controls_and_the_bars_after_a_gap(
    markov: MarkovModel, pieces: list[np.ndarray], tokenizer: PianoTokenizer
) -> None:
    engine = MarkovEngine(markov, tokenizer.vocabulary)
    head, bars = pieces[0][1:3].tolist(), pieces[0][3:80]
    writer = PromptWriter(tokenizer.vocabulary)
    plain, state = engine.prefill(pieces[0][:80])
    wishes = Wishes(task="Continue", n_bars=4)
    continued, _ = engine.prefill(writer.continuation(head, bars, wishes))
    filled, _ = engine.prefill(writer.fill(head, bars, head, pieces[1][3:60], Wishes(task="Fill", n_bars=4)))
    assert np.array_equal(plain, continued)
    assert np.array_equal(plain, filled)
    behind, fill = (head, pieces[1][3:60]), Wishes(task="Fill", n_bars=4)
    for order in (
        writer.fill(head, bars, *behind, fill, suffix_first=True),
        writer.fill_around(head, bars[:40], head, bars[40:], *behind, fill),
    ):
        assert np.array_equal(plain, engine.prefill(order)[0])
    token = int(pieces[0][80])
    stepped = engine.step(np.array([token, token]), state.repeat(2))
    assert np.array_equal(stepped[1], engine.prefill(pieces[0][:81])[0])
