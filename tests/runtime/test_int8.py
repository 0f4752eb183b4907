"""Weights of 8 bits cost next to nothing in likelihood."""

import numpy as np

from pianomuse.runtime.engine import CpuEngine


def log_softmax(logits: np.ndarray) -> np.ndarray:
    top = logits - logits.max(-1, keepdims=True)
    return top - np.log(np.exp(top).sum(-1, keepdims=True))


def test_int8_costs_at_most_half_a_percent_of_likelihood(config, tensors):
    """Expected bits per token under the float32 model, so that the model itself is the truth both are measured by."""
    ids = np.random.default_rng(5).integers(0, config.vocab_size, 400)
    exact = log_softmax(CpuEngine(config, tensors).prefill_all(ids)[0].astype(np.float64))
    rough = log_softmax(CpuEngine(config, tensors, precision="int8").prefill_all(ids)[0].astype(np.float64))
    assert np.abs(exact - rough).max() > 1e-4  # they do differ
    entropy = -(np.exp(exact) * exact).sum(-1).mean()
    cross_entropy = -(np.exp(exact) * rough).sum(-1).mean()
    assert entropy > 1
    assert cross_entropy / entropy - 1 < 0.005


def test_int8_weights_take_a_quarter_of_the_memory(config, tensors):
    sizes = {p: CpuEngine(config, tensors, precision=p)._model.weights.nbytes for p in ("float32", "int8")}
    assert sizes["int8"] * 4 == sizes["float32"]
