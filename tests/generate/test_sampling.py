import numpy as np
import pytest

from pianomuse.errors import CheckpointError, RequestError
from pianomuse.generate.sampling import SamplingSettings, distribution, fold, idea_generator, sample

LOGITS = np.array([2.0, 1.0, 0.5, 0.0, -1.0, -3.0, 4.0, 0.5], dtype=np.float32)
ALLOWED = np.array([1, 1, 1, 1, 1, 1, 0, 1], dtype=bool)
ALL = SamplingSettings(temperature=1.0, top_p=1.0)


def softmax(scores):
    weights = np.exp(np.asarray(scores, dtype=np.float64))
    return weights / weights.sum()


def test_tokens_are_drawn_as_often_as_the_tempered_softmax_over_the_allowed_says():
    rng = idea_generator(1, 0)
    settings = SamplingSettings(temperature=0.7, top_p=1.0)
    n = 20_000
    counts = np.bincount([sample(LOGITS, ALLOWED, settings, rng).id for _ in range(n)], minlength=8)
    expected = softmax(np.where(ALLOWED, LOGITS / 0.7, -np.inf))
    assert counts[6] == 0
    assert np.abs(counts / n - expected).max() < 0.012  # 3.5 standard errors of the likeliest


def test_both_log_probabilities_are_those_of_their_distributions():
    settings = SamplingSettings(temperature=0.7, top_p=1.0)
    model, drawn_from = softmax(LOGITS), softmax(np.where(ALLOWED, LOGITS / 0.7, -np.inf))
    seen = set()
    rng = idea_generator(2, 0)
    for _ in range(300):
        draw = sample(LOGITS, ALLOWED, settings, rng)
        seen.add(draw.id)
        assert draw.log_prob == pytest.approx(np.log(model[draw.id]), abs=1e-6)
        assert draw.sampling_log_prob == pytest.approx(np.log(drawn_from[draw.id]), abs=1e-6)
    assert len(seen) >= 5


def test_top_k_keeps_the_k_likeliest():
    order, probabilities = distribution(LOGITS.astype(np.float64), SamplingSettings(1.0, 1.0, top_k=3))
    assert order.tolist() == [6, 0, 1]
    np.testing.assert_allclose(probabilities, softmax(LOGITS[[6, 0, 1]]))


def test_top_p_keeps_the_fewest_tokens_that_reach_the_sum():
    probabilities = np.sort(softmax(LOGITS))[::-1]
    for top_p in (0.01, 0.5, 0.8, 0.9, 0.99):
        kept = len(distribution(LOGITS.astype(np.float64), SamplingSettings(1.0, top_p))[0])
        assert probabilities[:kept].sum() >= top_p
        assert kept == 1 or probabilities[: kept - 1].sum() < top_p


def test_equally_likely_tokens_keep_their_order():
    order, _ = distribution(np.zeros(100), SamplingSettings(1.0, 1.0, top_k=4))
    assert order.tolist() == [0, 1, 2, 3]


def test_temperature_zero_takes_the_likeliest_allowed_token_and_no_chance():
    rng = idea_generator(3, 0)
    before = rng.bit_generator.state
    draw = sample(LOGITS, ALLOWED, SamplingSettings(temperature=0.0), rng)
    assert (draw.id, draw.sampling_log_prob) == (0, 0.0)
    assert rng.bit_generator.state == before


def test_what_is_not_allowed_is_never_drawn_whatever_the_logits():
    rng = np.random.default_rng(4)
    for trial in range(500):
        logits = rng.normal(0, 10.0 ** rng.integers(-2, 4), 761).astype(np.float32)
        allowed = rng.random(761) < rng.choice([0.002, 0.05, 0.9])
        allowed[rng.integers(761)] = True
        settings = SamplingSettings(rng.choice([0.05, 0.9, 10.0]), rng.choice([0.001, 0.95, 1.0]), trial % 3)
        draw = sample(logits, allowed, settings, rng)
        assert allowed[draw.id]
        assert np.isfinite(draw.log_prob)
        assert draw.sampling_log_prob <= 1e-12


def test_an_ideas_generator_depends_on_seed_and_number_alone():
    assert idea_generator(7, 3).random() == np.random.default_rng([7, 3]).random()
    assert len({idea_generator(seed, k).random() for seed in range(5) for k in range(5)}) == 25


def test_folding_moves_probability_and_keeps_the_sum():
    sources = np.array([1, 2, 4])
    folded = softmax(fold(LOGITS, sources, 2))
    before = softmax(LOGITS)
    assert folded[2] == pytest.approx(before[[1, 2, 4]].sum(), rel=1e-6)
    assert folded[1] == folded[4] == 0
    np.testing.assert_allclose(folded[[0, 3, 5, 6, 7]], before[[0, 3, 5, 6, 7]], rtol=1e-6)


def test_damaged_weights_are_named_instead_of_sampled():
    for broken in (np.nan, np.inf):
        logits = LOGITS.copy()
        logits[0] = broken
        with pytest.raises(CheckpointError, match="not finite"):
            sample(logits, ALLOWED, ALL, idea_generator(1, 0))


@pytest.mark.parametrize(
    "wrong", [{"temperature": -0.1}, {"temperature": 11}, {"top_p": 0}, {"top_p": 1.1}, {"top_k": -1}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(RequestError, match="choose"):
        SamplingSettings(**wrong)
    with pytest.raises(RequestError):
        SamplingSettings(temperature=float("nan"))
