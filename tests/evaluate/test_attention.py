"""The attention reference: one truth in every way of reading, causal, of matching size, trained by the same loop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pianomuse.checkpoint.config import parameter_count
from pianomuse.errors import CheckpointError
from pianomuse.evaluate.attention import AttentionConfig, AttentionModel, load_attention, matched_config, save_attention
from pianomuse.evaluate.attention_engine import AttentionEngine
from pianomuse.evaluate.attention_run import train_best_of
from pianomuse.evaluate.tasks import CONTINUATION, find_place, write_ideas
from pianomuse.evaluate.works import WorkSet
from pianomuse.model.presets import preset_config
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.train.command import SECTIONS, override_sections

SMALL = AttentionConfig(vocab_size=761, n_layer=2, n_embd=64, dim_ffn=96, ctx_len=256, head_size=32)


@pytest.fixture(scope="module")
def engine(tokenizer: PianoTokenizer) -> AttentionEngine:
    model = AttentionModel(SMALL, seed=3)
    with torch.no_grad():
        for parameter in model.parameters():  # larger than initial values, so that attention matters
            parameter.mul_(4)
    return AttentionEngine(model, tokenizer)


@pytest.fixture(scope="module")
def ids(corpus: Path, tokenizer: PianoTokenizer) -> np.ndarray:
    music = tokenizer.tokenize_midi(corpus / "mutopia" / "mussorgsky-promenade.mid")
    return np.append(tokenizer.vocabulary.id("BOS_None"), music).astype(np.int32)


def by_hand(model: AttentionModel, ids: np.ndarray) -> np.ndarray:
    """Compute the last logits with every formula written out, in float64."""
    p = {name: tensor.detach().double().numpy() for name, tensor in model.state_dict().items()}
    n, half = model.config.head_size, model.config.head_size // 2
    x = p["emb.weight"][ids]

    def norm(v: np.ndarray, name: str) -> np.ndarray:
        return v / np.sqrt((v**2).mean(-1, keepdims=True) + 1e-5) * p[name]

    def turn(v: np.ndarray) -> np.ndarray:
        angle = np.arange(len(v))[:, None] * 10_000.0 ** (-np.arange(half) / half)
        whole = (v[:, :half] + 1j * v[:, half:]) * np.exp(1j * angle)
        return np.concatenate([whole.real, whole.imag], axis=1)

    for layer in range(model.config.n_layer):
        b = f"blocks.{layer}."
        h = norm(x, b + "norm_att.weight")
        q, k, v = (h @ p[f"{b}{part}.weight"].T for part in ("query", "key", "value"))
        heard = []
        for head in range(model.config.n_head):
            own = slice(head * n, head * n + n)
            scores = turn(q[:, own]) @ turn(k[:, own]).T / np.sqrt(n)
            scores[np.triu_indices(len(ids), 1)] = -np.inf
            share = np.exp(scores - scores.max(1, keepdims=True))
            heard.append(share / share.sum(1, keepdims=True) @ v[:, own])
        x = x + np.concatenate(heard, axis=1) @ p[b + "output.weight"].T
        h = norm(x, b + "norm_ffn.weight")
        gate = h @ p[b + "gate.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ p[b + "up.weight"].T)) @ p[b + "down.weight"].T
    return norm(x, "norm_out.weight")[-1] @ p["head.weight"].T


def test_the_model_is_what_its_formulas_say(engine: AttentionEngine, ids: np.ndarray) -> None:
    logits, _ = engine.prefill(ids[:40])
    np.testing.assert_allclose(logits, by_hand(engine.model, ids[:40]), rtol=1e-3, atol=1e-3)


def test_reading_at_once_in_pieces_and_step_by_step_agree(engine: AttentionEngine, ids: np.ndarray) -> None:
    whole, _ = engine.prefill_all(ids[:100])
    _, state = engine.prefill(ids[:60])
    pieces, state_2 = engine.prefill(ids[60:80], state)
    np.testing.assert_allclose(pieces, whole[79], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(engine.prefill(ids[:80])[0], whole[79], rtol=1e-4, atol=1e-4)
    lanes = state_2.repeat(3)
    for at in range(80, 100):
        other = int(ids[at] + 1) % 761 if at == 80 else int(ids[at])
        logits = engine.step(np.array([ids[at], other, ids[at]]), lanes)
    np.testing.assert_allclose(logits[0], whole[99], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(logits[0], logits[2])
    assert np.abs(logits[0] - logits[1]).max() > 1e-3
    taken = lanes.take([1, 0])
    again = engine.step(ids[100:101].repeat(2), taken)
    assert taken.batch == 2
    np.testing.assert_allclose(again[1], engine.prefill_all(ids[:101])[0][100], rtol=1e-4, atol=1e-4)


def test_long_music_is_read_in_windows_that_see_half_a_window_and_no_future(
    engine: AttentionEngine, ids: np.ndarray
) -> None:
    assert len(ids) > 5 * SMALL.ctx_len
    whole, _ = engine.prefill_all(ids)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(whole[:200], engine.prefill_all(ids[:200])[0], rtol=1e-4, atol=1e-4)
    changed = ids.copy()
    changed[700] = changed[701]
    after, _ = engine.prefill_all(changed)
    np.testing.assert_allclose(after[:700], whole[:700], rtol=1e-4, atol=1e-4)
    assert np.abs(after[700:760] - whole[700:760]).max() > 1e-3
    np.testing.assert_allclose(after[700 + SMALL.ctx_len :], whole[700 + SMALL.ctx_len :], rtol=1e-4, atol=1e-4)


def test_stepping_beyond_a_window_forgets_the_oldest(engine: AttentionEngine, ids: np.ndarray) -> None:
    _, state = engine.prefill(ids[:190])
    for token in ids[190:400]:
        logits = engine.step(np.array([token]), state)
    assert state.held == SMALL.ctx_len
    assert state.length == 400
    assert np.isfinite(logits).all()


def test_sizes_match_the_model_it_is_compared_with() -> None:
    for preset in ("tiny", "small-piano"):
        twin = preset_config(preset, 761)
        config = matched_config(
            parameter_count(twin), vocab_size=761, n_layer=twin.n_layer, n_embd=twin.n_embd, ctx_len=2048
        )
        assert config.n_parameters == pytest.approx(parameter_count(twin), rel=0.01)
    assert sum(p.numel() for p in AttentionModel(SMALL).parameters()) == SMALL.n_parameters


def test_it_composes_through_the_same_way_as_the_model(
    engine: AttentionEngine, works: WorkSet, tokenizer: PianoTokenizer
) -> None:
    place = next(place for place in (find_place(work, CONTINUATION) for work in works.works) if place is not None)
    ideas = write_ideas(engine, tokenizer, place, CONTINUATION, n_ideas=2, seed=1)
    assert [idea.fault for idea in ideas] == ["", ""]


def test_the_best_of_three_rates_is_trained_to_the_end(
    dataset: Path, tmp_path: Path, tokenizer: PianoTokenizer
) -> None:
    quick = "preset=debug n_steps=20 batch_size=2 max_tokens=128 validation_examples=2 warmup_steps=1 precision=float32"
    sections = override_sections({name: kind() for name, kind in SECTIONS.items()}, [*quick.split(), "eps=1e-8"])
    heard: list[tuple[str, int]] = []
    best = train_best_of(
        dataset, tmp_path, sections, (1e-6, 3e-3), listener=lambda name, report: heard.append((name, report.step))
    )
    assert best.name == "lr-0.003"
    steps = {name: max(step for who, step in heard if who == name) for name in ("lr 1e-06", "lr 0.003")}
    assert steps == {"lr 1e-06": 2, "lr 0.003": 20}
    assert json.loads((tmp_path / "trials.json").read_text())["chosen"] == 0.003
    model = load_attention(best, tokenizer.vocabulary.fingerprint)
    assert model.config.ctx_len == 128
    losses = [json.loads(line).get("loss") for line in (best / "metrics.jsonl").read_text().splitlines()]
    assert [loss for loss in losses if loss is not None][-1] < np.log(761) - 0.5


def test_a_damaged_or_foreign_checkpoint_is_refused_in_one_sentence(tmp_path: Path) -> None:
    folder = save_attention(tmp_path / "a", AttentionModel(SMALL), tokenizer_json={"fingerprint": "abc"})
    assert load_attention(folder, "abc").config == SMALL
    with pytest.raises(CheckpointError, match="another vocabulary"):
        load_attention(folder, "xyz")
    with pytest.raises(CheckpointError, match="train_attention"):
        load_attention(tmp_path / "none", "abc")
    header = json.loads((folder / "config.json").read_text())
    for change in ({"n_layer": 3}, {"n_embd": "64"}, {"head_size": 7}):
        (folder / "config.json").write_text(json.dumps({**header, "model": {**header["model"], **change}}))
        with pytest.raises(CheckpointError):
            load_attention(folder, "abc")
