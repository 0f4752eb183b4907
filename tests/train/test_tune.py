"""`pianomuse tune` on real scores: what is held out, what is learnt, what is kept, and how it is used."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from symusic import Score

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.checkpoint.store import load_checkpoint, save_checkpoint
from pianomuse.checkpoint.style import load_style
from pianomuse.cli import main
from pianomuse.data.own_pieces import PassageMaker, bars_of, hold_out, passage_batches, read_own_pieces
from pianomuse.data.pieces import TokenPiece
from pianomuse.errors import DatasetError
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import piano_vocabulary
from pianomuse.train.loop import Report
from pianomuse.train.tune import RECIPE, tune

TOKENIZER = PianoTokenizer()
QUICK = replace(RECIPE, precision="float32", n_steps=20, lr=0.1, lr_final=0.1)


@pytest.fixture(scope="module")
def pieces(corpus: Path) -> list[TokenPiece]:
    found, dropped = read_own_pieces(corpus / "lieder")
    assert dropped == {}
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in which the memory matters."""
    vocabulary = piano_vocabulary()
    config = ModelConfig(vocab_size=len(vocabulary), n_layer=2, n_embd=64)
    rng = np.random.default_rng(1)
    tensors = {
        name: rng.normal(0, 1.0 if len(shape) == 1 else 0.125, shape).astype(np.float32)
        for name, shape in tensor_shapes(config).items()
    }
    folder = tmp_path_factory.mktemp("model") / "random"
    return save_checkpoint(folder, config, tensors, tokenizer_json=vocabulary.to_json())


def test_whole_works_are_held_out_where_there_are_enough(pieces: list[TokenPiece]) -> None:
    split = hold_out(pieces)
    held, learnt = ({piece.work_id for piece in part} for part in (split.held_out, split.training))
    assert len(held) == round(len(held | learnt) / 5) > 0
    assert not held & learnt
    assert f"{len(held)} held out" in split.said


def test_of_few_works_the_last_bars_are_held_out_and_of_little_nothing(corpus: Path) -> None:
    pieces, _ = read_own_pieces(corpus)
    long = [piece for piece in pieces if piece.n_bars >= 20]
    assert len(long) == 4
    split = hold_out(long)
    for piece, learnt, held in zip(long, split.training, split.held_out, strict=True):
        assert learnt.n_bars + held.n_bars == piece.n_bars
        assert held.n_bars == piece.n_bars // 5
        for name, view in piece.views.items():
            joined = [learnt.views[name].ids[2:], held.views[name].ids[2:]]
            np.testing.assert_array_equal(np.concatenate(joined), view.ids[view.bars[0] :])
            np.testing.assert_array_equal(held.views[name].cut(0, 2), view.cut(learnt.n_bars, learnt.n_bars + 2))
    nothing = hold_out([bars_of(long[0], 0, 8)])
    assert nothing.held_out == []
    assert "too little" in nothing.said


def test_passages_cover_every_held_out_bar_once(pieces: list[TokenPiece]) -> None:
    batches = passage_batches(pieces[:2], TOKENIZER, max_tokens=300, n_passages=1000)
    bar = TOKENIZER.vocabulary.id("Bar_None")
    n_bars = sum(int((batch["target_ids"] == bar).sum()) for batch in batches)
    assert n_bars == sum(piece.n_bars for piece in pieces[:2])
    assert all(batch["input_ids"].shape[1] <= 300 for batch in batches)


def test_a_batch_of_passages_is_a_function_of_seed_and_number(pieces: list[TokenPiece]) -> None:
    def third(seed: int, first: int) -> np.ndarray:
        batches = PassageMaker(pieces, TOKENIZER, max_tokens=64, rows=4, seed=seed).batches(first)
        return [next(batches)["input_ids"] for _ in range(3 - first)][-1]

    np.testing.assert_array_equal(third(5, 0), third(5, 2))
    assert not np.array_equal(third(5, 0), third(6, 0))


def test_a_style_is_learnt_and_the_best_is_kept(model: Path, pieces: list[TokenPiece]) -> None:
    checkpoint = load_checkpoint(model)
    heard: list[Report] = []
    style, learnt = tune(checkpoint, pieces, QUICK, device="cpu", listener=heard.append)
    assert learnt.before is not None
    assert learnt.after is not None
    assert learnt.after < learnt.before - 0.05
    assert learnt.after == min(report.valid.bits_per_note for report in heard if report.valid is not None)
    assert style.time_state.shape == (2, 1, 64, 64)
    assert style.facts["bits_per_note_after"] == learnt.after
    again, _ = tune(checkpoint, pieces, QUICK, device="cpu")
    np.testing.assert_array_equal(again.time_state, style.time_state)


def test_it_ends_when_it_gets_no_better(model: Path, pieces: list[TokenPiece]) -> None:
    idle = replace(QUICK, lr=0.0, lr_final=0.0, validate_every=2, patience=2)
    style, learnt = tune(load_checkpoint(model), pieces, idle, device="cpu")
    assert learnt.steps == 6  # the first validation is a best, the second and third are none
    assert learnt.after == learnt.before
    assert not style.time_state.any()


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
def test_ctrl_c_keeps_the_best_so_far(model: Path, pieces: list[TokenPiece]) -> None:
    def stop(report: Report) -> None:
        if report.step == 12 and report.valid is None and report.saved is None:
            os.kill(os.getpid(), signal.SIGINT)

    style, learnt = tune(load_checkpoint(model), pieces, QUICK, device="cpu", listener=stop)
    assert learnt.steps == 12
    assert learnt.after is not None
    assert learnt.after < (learnt.before or 0)
    assert np.abs(style.time_state).max() > 0


def test_the_command_writes_a_file_that_complete_and_evaluate_use(
    model: Path, corpus: Path, examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, out = tmp_path / "my pieces", tmp_path / "my style.safetensors"
    mine.mkdir()
    for name in ("mussorgsky-promenade", "bach-bwv120", "bach-invention-10"):
        shutil.copy(corpus / "mutopia" / f"{name}.mid", mine)
    (mine / "broken.mid").write_bytes(b"MThd")
    words = ["tune", str(mine), "--out", str(out), "--model", str(model), "--steps", "2", "--device", "cpu", "--json"]
    assert main(words) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["style"] == str(out)
    assert document["pieces"] == 3
    assert sum(document["dropped"].values()) == 1
    assert "bits per note before" in said.err
    assert load_style(out).facts["seed"] == 0
    kept = out.read_bytes()
    assert main([*words, "--seed", "1"]) == 2  # what is there is never overwritten
    assert "name another file" in capsys.readouterr().err
    assert out.read_bytes() == kept

    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pianomuse.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )  # fmt: skip

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *words]
        return subprocess.run(command, check=False, capture_output=True, text=True, encoding="utf-8")

    asked = ["--bars", "1", "--candidates", "1", "--model", str(model), "--style", str(out), "--json"]
    done = run("complete", str(examples / "finished-phrase.mid"), *asked, "--out", str(tmp_path / "ideas"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["style"] == "my style"
    done = run(*words)
    assert done.returncode == 2
    assert done.stderr == "tune needs PyTorch: pip install 'pianomuse[train]'\n"

    assert main(["evaluate", str(mine), "--model", str(model), "--style", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"].endswith("with style my style")


def test_the_default_model_composes_otherwise_with_a_style_and_other_models_refuse_it(
    model: Path, examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, style = tmp_path / "my pieces", tmp_path / "mine.safetensors"
    mine.mkdir()
    for name in ("cornelius-untreu", "bach-bwv-269"):
        shutil.copy(Path(__file__).parents[1] / "files" / f"{name}.mid", mine)
    assert main(["tune", str(mine), "--out", str(style), "--steps", "3", "--lr", "0.5", "--device", "cpu"]) == 0

    def notes(folder: str, *more: str) -> bytes:
        out = tmp_path / folder
        asked = ["--at-bar", "1", "--bars", "2", "--candidates", "1", "--seed", "7", "--out", str(out)]
        assert main(["complete", str(examples / "finished-phrase.mid"), *asked, *more]) == 0
        score = Score(out / "finished-phrase.completion-1.mid")
        return score.tracks[0].notes.numpy()["pitch"].tobytes()

    plain = notes("plain")
    assert notes("again") == plain
    assert notes("styled", "--style", str(style)) != plain
    assert notes("zero", "--style", str(style), "--style-strength", "0") == plain
    capsys.readouterr()
    words = ["complete", str(examples / "finished-phrase.mid"), "--style", str(style), "--model", str(model)]
    assert main([*words, "--out", str(tmp_path / "no")]) == 2
    assert "mine was tuned on another model" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_mistakes_get_one_line(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        read_own_pieces(tmp_path / "nowhere")
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    assert main(["tune", str(tmp_path), "--out", str(tmp_path / "s"), "--model", str(model)]) == 2
    assert "none of the 1 files" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()
