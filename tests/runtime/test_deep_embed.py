"""DeepEmbed in the engine: the numbers of its definition, and the same to the last bit however it is fed."""

import numpy as np
import pytest

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.checkpoint.quantise import quantise_rows
from pianomuse.errors import CheckpointError
from pianomuse.runtime.engine import CpuEngine
from pianomuse.runtime.packing import MATRICES
from pianomuse.runtime.state import State

CONFIG = ModelConfig(211, 2, 64, dim_ffn=200, value_rank=24, gate_rank=96, deep_embed_rank=32)
IDS = np.random.default_rng(3).integers(0, CONFIG.vocab_size, 150)


@pytest.fixture(scope="module")
def weights(make_weights):
    return make_weights(CONFIG)


@pytest.fixture(scope="module", params=["float32", "int8"])
def engine(request, weights) -> CpuEngine:
    return CpuEngine(CONFIG, weights, precision=request.param, threads=1)


def rounded(weights):
    """The weights as an int8 engine has them: the matrices rounded, row by row of what is multiplied."""
    out = dict(weights)
    for name, value in weights.items():
        if name == "head.weight" or name.split(".", 2)[-1] in MATRICES:
            codes, scale = quantise_rows(value if name.endswith(".weight") else value.T)
            matrix = codes * scale[:, None]
            out[name] = matrix if name.endswith(".weight") else matrix.T
    return out


def test_prefill_and_steps_give_the_logits_of_the_definition(engine, weights, definition):
    truth = definition(CONFIG, rounded(weights) if engine.precision == "int8" else weights)
    expected = truth.read(IDS[:60])
    assert expected.std() > 1
    logits, state = engine.prefill_all(IDS[:40])
    np.testing.assert_allclose(logits, expected[:40], atol=1e-4)
    for token, row in zip(IDS[40:60], expected[40:], strict=True):
        np.testing.assert_allclose(engine.step(np.array([token]), state)[0], row, atol=1e-4)
    np.testing.assert_allclose(state.shift[:, :, 0], truth.shift, atol=1e-4)


def test_at_once_in_pieces_step_by_step_and_in_company_are_the_same_to_the_last_bit(engine, weights):
    logits, state = engine.prefill_all(IDS)
    stepped = State.empty(CONFIG)
    rows = [engine.step(IDS[t : t + 1], stepped)[0] for t in range(len(IDS))]
    np.testing.assert_array_equal(np.stack(rows), logits)
    np.testing.assert_array_equal(stepped.wkv, state.wkv)
    carried, pieces = None, []
    for piece in np.split(IDS, [1, 17, 129]):
        out, carried = engine.prefill_all(piece, carried)
        pieces.append(out)
    np.testing.assert_array_equal(np.concatenate(pieces), logits)
    team = CpuEngine(CONFIG, weights, precision=engine.precision, threads=3)
    np.testing.assert_array_equal(team.prefill_all(IDS)[0], logits)
    lanes, alone = state.repeat(5), state.copy()
    together = team.step(IDS[:5], lanes)
    for lane in range(5):
        np.testing.assert_array_equal(engine.step(IDS[lane : lane + 1], alone.copy())[0], together[lane])


def test_every_token_has_a_gate_of_its_own(engine, weights):
    """Without the tokens' matrices the logits are others: the gate is not switched off by chance."""
    same = dict(weights)
    for name, value in weights.items():
        if name.endswith("s_emb.weight"):
            same[name] = np.broadcast_to(value[:1], value.shape).copy()
    other = CpuEngine(CONFIG, same, precision=engine.precision, threads=1)
    assert np.abs(other.prefill(IDS[:9])[0] - engine.prefill(IDS[:9])[0]).max() > 0.1


def test_a_rank_that_the_package_does_not_run_either_is_refused(make_weights):
    config = ModelConfig(20, 1, 64, deep_embed_rank=16)
    with pytest.raises(CheckpointError, match="rank of 32"):
        CpuEngine(config, make_weights(config))
