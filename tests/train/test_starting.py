"""What a run starts from: a checkpoint of ours, an official text model, and either of them grown."""

from __future__ import annotations

import json
import tomllib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.checkpoint.layout import from_official, grown_places
from pianomuse.checkpoint.official import write_pth
from pianomuse.checkpoint.quantise import quantise
from pianomuse.checkpoint.store import save_checkpoint
from pianomuse.cli import main
from pianomuse.errors import CheckpointError, ConfigError, VocabularyError
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import weights_of
from pianomuse.train.settings import TrainSettings
from pianomuse.train.starting import Start, starting_model

SETTINGS = TrainSettings(wkv="reference")
OWN = ModelConfig(40, 3, 64)
TEXT = ModelConfig(65_536, 2, 64, decay_rank=16, gate_rank=24)
IDS = torch.arange(24)[None]


def living_weights(config: ModelConfig) -> dict[str, np.ndarray]:
    """Weights in which every tensor matters."""
    model, generator = PianoMuseRWKV(config), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise / parameter.shape[-1] ** 0.5 if parameter.dim() == 2 else 0.3 * noise)
    return weights_of(model)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "run" / "best"
    folder.parent.mkdir()
    return save_checkpoint(folder, OWN, living_weights(OWN), tokenizer_json={"fingerprint": "music"})


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as the official ones are: bfloat16, 65,536 tokens, an unused v0, v1, v2 in the first layer."""
    rng = np.random.default_rng(0)
    tensors = OrderedDict()
    for name, shape in tensor_shapes(TEXT).items():
        scale = 0.02 if name == "emb.weight" else 1.0 if name.endswith(("ln_x.weight", "ln1.weight")) else 0.1
        tensors[name] = torch.from_numpy(scale * rng.standard_normal(shape, np.float32)).bfloat16()
        if name == "blocks.0.att.a2":
            for letter, extra in (("v0", (1, 1, 64)), ("v1", (64, 32)), ("v2", (32, 64))):
                tensors[f"blocks.0.att.{letter}"] = torch.zeros(extra, dtype=torch.bfloat16)
    path = tmp_path_factory.mktemp("text") / "rwkv7-text.pth"
    torch.save(tensors, path)
    return path


def start(init: Path | None, **options: object) -> Start:
    given = {"preset": "debug", "vocab_size": 40, "fingerprint": "music", **options}
    return starting_model(SETTINGS, init=init, **given)  # type: ignore[arg-type]


@torch.no_grad()
def logits(model: PianoMuseRWKV) -> torch.Tensor:
    out = model.eval()(IDS)
    assert isinstance(out, torch.Tensor)
    return out


def test_a_checkpoint_or_the_best_of_a_run_is_taken_as_it_is(own: Path) -> None:
    expected = living_weights(OWN)
    for init in (own, own.parent):
        begun = start(init)
        assert not begun.has_new_rows
        for name, tensor in begun.model.state_dict().items():
            np.testing.assert_array_equal(tensor.numpy(), expected[name], err_msg=name)
    with pytest.raises(VocabularyError, match="prepare the dataset again"):
        start(own, fingerprint="another")


def test_int8_weights_are_made_float32_and_that_is_said(tmp_path: Path) -> None:
    folder = save_checkpoint(
        tmp_path / "small", OWN, quantise(living_weights(OWN)), tokenizer_json={"fingerprint": "music"}
    )
    assert "int8 made float32" in start(folder).said


def test_a_text_model_keeps_its_body_and_gets_a_music_vocabulary(text: Path) -> None:
    begun = start(text, vocab_size=300)
    assert begun.has_new_rows
    assert "new embedding and head for 300 tokens in place of 65536" in begun.said
    assert begun.model.config == ModelConfig(300, 2, 64, decay_rank=16, gate_rank=24)
    own, theirs = begun.model.state_dict(), torch.load(text, weights_only=True)
    for name in set(own) - {"emb.weight", "head.weight"}:
        torch.testing.assert_close(own[name], theirs[name].float(), atol=0, rtol=0, msg=name)
    assert float(own["emb.weight"].std()) == pytest.approx(0.02, rel=0.03)  # the spread of the old rows
    assert float(own["emb.weight"].mean()) == pytest.approx(0, abs=0.001)
    head = own["head.weight"]  # orthogonal, 0.5 * sqrt(V / C), as in a new model
    torch.testing.assert_close(head.T @ head, 0.25 * 300 / 64 * torch.eye(64), atol=1e-4, rtol=1e-4)
    same = start(text, vocab_size=65_536)
    assert not same.has_new_rows
    torch.testing.assert_close(same.model.emb.weight.detach(), theirs["emb.weight"].float(), atol=0, rtol=0)


def test_a_text_model_with_deep_embed_gets_the_mean_of_its_matrices(tmp_path: Path) -> None:
    config = ModelConfig(90, 2, 64, deep_embed_rank=32)
    tensors = living_weights(config)
    model = start(write_pth(tmp_path / "deep.pth", tensors)).model
    for layer in (0, 1):
        rows = model.state_dict()[f"blocks.{layer}.ffn.s_emb.weight"]
        mean = torch.from_numpy(tensors[f"blocks.{layer}.ffn.s_emb.weight"].mean(0))
        torch.testing.assert_close(rows, mean.expand(40, -1))


def test_official_files_of_other_models_are_refused_and_vectors_may_be_flat() -> None:
    tensors = living_weights(OWN)
    flat = {name: value.reshape(-1) if value.shape[:2] == (1, 1) else value for name, value in tensors.items()}
    config, read, extra = from_official({**flat, "note": np.zeros(3, np.float32)})
    assert config == OWN
    assert extra == ["note"]
    assert all(np.array_equal(read[name], value) for name, value in tensors.items())
    with pytest.raises(CheckpointError, match=r"qkv.*x070a"):
        from_official({**tensors, "blocks.0.qkv.k1": np.zeros((64, 32), np.float32)})
    with pytest.raises(CheckpointError, match=r"blocks\.2\.att\.k_k"):
        from_official({name: value for name, value in tensors.items() if name != "blocks.2.att.k_k"})


@pytest.mark.parametrize(("grow", "places"), [("spread", [0, 2, 4]), ("end", [0, 1, 2])])
def test_a_model_grown_in_depth_gives_the_same_logits_and_learns(own: Path, grow: str, places: list[int]) -> None:
    plain, grown = start(own).model, start(own, n_layer=7, grow=grow)
    assert "which at first change nothing" in grown.said
    torch.testing.assert_close(logits(grown.model), logits(plain), atol=0, rtol=0)
    state = grown.model.state_dict()
    for old, new in enumerate(places):
        np.testing.assert_array_equal(
            state[f"blocks.{new}.att.key.weight"].numpy(), plain.state_dict()[f"blocks.{old}.att.key.weight"].numpy()
        )
    new = PianoMuseRWKV(ModelConfig(40, 7, 64)).state_dict()
    for layer in set(range(7)) - set(places):  # initial values for where it stands
        for name in ("att.w0", "att.ln_x.weight", "ffn.x_k", "att.output.weight"):
            torch.testing.assert_close(state[f"blocks.{layer}.{name}"], new[f"blocks.{layer}.{name}"])
    grown.model.train()
    torch.nn.functional.cross_entropy(grown.model(IDS)[0], IDS[0]).backward()
    for layer in set(range(7)) - set(places):
        assert grown.model.get_parameter(f"blocks.{layer}.ffn.value.weight").grad.abs().sum() > 0  # type: ignore[union-attr]


def test_growth_spreads_evenly_keeps_the_first_layer_and_never_shrinks(own: Path) -> None:
    assert grown_places(12, 18, "spread") == [0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16]
    for n_old in (1, 3, 8):
        for n_new in range(n_old, 3 * n_old):
            places = grown_places(n_old, n_new, "spread")
            assert places[0] == 0
            assert places == sorted(set(places))
            assert places[-1] < n_new
    with pytest.raises(ConfigError, match="choose 3 or more"):
        start(own, n_layer=2)


def test_a_width_is_chosen_for_a_new_model_and_stays_with_an_old_one(own: Path) -> None:
    new = starting_model(SETTINGS, preset="debug", init=None, vocab_size=40, fingerprint="music", n_layer=1, n_embd=192)
    assert (new.model.config.n_layer, new.model.config.n_embd, new.model.config.n_head) == (1, 192, 3)
    assert start(own, n_embd=64).model.config == OWN
    with pytest.raises(ConfigError, match="64 wide and stays so"):
        start(own, n_embd=128)
    with pytest.raises(ConfigError, match="not a multiple of 64; choose 128"):
        starting_model(SETTINGS, preset="debug", init=None, vocab_size=40, fingerprint="music", n_embd=100)


def test_deep_embed_and_depth_added_to_a_text_model_change_only_what_the_new_rows_change(text: Path) -> None:
    plain, more = start(text).model, start(text, n_layer=5, has_deep_embed=True).model
    with torch.no_grad():
        more.head.weight.copy_(plain.head.weight)  # new in both, and drawn after more other tensors
    torch.testing.assert_close(logits(more), logits(plain), atol=0, rtol=0)
    assert more.config.deep_embed_rank == 32


def test_train_starts_from_a_text_model_in_stages_and_remembers_them(
    text: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    sets = ["batch_size=2", "max_tokens=128", "validation_examples=1", "stage1_steps=2", "deep_embed=true", "n_layer=3"]
    words = [word for assignment in sets for word in ("--set", assignment)]
    command = ["train", str(dataset), "--out", str(out), "--init", str(text), "--device", "cpu", "--json", *words]
    assert main([*command, "--steps", "2"]) == 2
    assert "stage1_steps" in capsys.readouterr().err
    assert not out.exists()
    assert main([*command, "--steps", "4", "--set", "pause_at=3"]) == 0
    said = capsys.readouterr().err
    for part in ("in place of 65536", "new layers 2 of 0..2", "new DeepEmbed", "Stage 1, 2 steps"):
        assert part in said
    assert tomllib.loads((out / "config.toml").read_text(encoding="utf-8"))["train"]["stages"] == "yes"
    assert main(["train", str(dataset), "--out", str(out), "--resume", "--json", "--set", "pause_at=0"]) == 0
    said, told = (lambda heard: (heard.err, heard.out))(capsys.readouterr())
    assert json.loads(told)["step"] == 4
    assert "new layers" not in said
