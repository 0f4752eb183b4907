"""`pianomuse complete` and `fill` from outside: what is printed where, which files appear, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import mido
import numpy as np
import pytest
from PIL import Image

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.checkpoint.store import save_checkpoint
from pianomuse.cli import ideas as cli_ideas
from pianomuse.cli import main
from pianomuse.tokens.vocabulary import piano_vocabulary

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that like to end bars."""
    vocabulary = piano_vocabulary()
    config = ModelConfig(vocab_size=len(vocabulary), n_layer=1, n_embd=64)
    rng = np.random.default_rng(2)
    tensors = {
        name: rng.normal(0, 1.0 if len(shape) == 1 else 0.2, shape).astype(np.float32)
        for name, shape in tensor_shapes(config).items()
    }
    tensors["ln_out.weight"][0], tensors["ln_out.bias"][0] = 0.0, 8.0
    tensors["head.weight"][:, 0] = 0.0
    tensors["head.weight"][[vocabulary.id("Bar_None"), vocabulary.id("EOS_None")], 0] = 0.6
    return save_checkpoint(
        tmp_path_factory.mktemp("models") / "random", config, tensors, tokenizer_json=vocabulary.to_json()
    )


@pytest.fixture
def folder(tmp_path: Path, examples: Path) -> Path:
    """A composer's folder with three pieces."""
    for name in ("finished-phrase", "gap-of-four-bars", "broken-off-on-beat-3"):
        shutil.copy(examples / f"{name}.mid", tmp_path)
    return tmp_path


@pytest.fixture
def run(model: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str | Path) -> tuple[int, str, str]:
        code = main([*map(str, words), "--model", str(model)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_files_of_a_call_stand_beside_the_piece(run: Run, folder: Path) -> None:
    before = (folder / "finished-phrase.mid").read_bytes()
    code, out, err = run("complete", folder / "finished-phrase.mid", "--bars", "2", "--candidates", "2", "--seed", "1")
    assert code == 0
    assert out == ""
    ideas = folder / "finished-phrase ideas"
    assert names_in(ideas) == {
        "finished-phrase.completion-1.mid", "finished-phrase.completion-2.mid",
        "finished-phrase.with-completion-1.mid", "finished-phrase.with-completion-2.mid",
        "finished-phrase.ideas.png", "ideas.html",
    }  # fmt: skip
    assert names_in(folder) == {
        "finished-phrase.mid", "finished-phrase ideas", "gap-of-four-bars.mid", "broken-off-on-beat-3.mid"
    }  # fmt: skip
    assert (folder / "finished-phrase.mid").read_bytes() == before
    with Image.open(ideas / "finished-phrase.ideas.png") as picture:
        assert picture.width >= 1600
    assert "http" not in LinkFinder.links(ideas / "ideas.html")
    assert err.splitlines()[0].startswith("finished-phrase.mid · 8 bars · 2/4 · ♩=64 · F major · two hands · even")
    assert any(line.startswith("Wrote 2 ideas for bars 9–10 (heard bars 1–8)") for line in err.splitlines())
    assert err.splitlines()[-1].startswith("Listen: ")
    assert err.splitlines()[-1].endswith("These again: --seed 1")


class LinkFinder(HTMLParser):
    """What a page asks for from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value[:5] for name, value in attrs if name in ("src", "srcset", "href") and value]

    @classmethod
    def links(cls, path: Path) -> str:
        finder = cls()
        finder.feed(path.read_text("utf-8"))
        assert finder.found
        return " ".join(finder.found)


def test_every_idea_has_a_line_with_words_and_no_probability(run: Run, folder: Path) -> None:
    _, _, err = run("complete", folder / "finished-phrase.mid", "--bars", "2", "--candidates", "3", "--seed", "4")
    lines = [line for line in err.splitlines() if line[:2].strip().isdigit()]
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    for line in lines:
        assert " note" in line
        assert "ends " in line
        assert "–" in line
    assert "prob" not in err
    assert "%" not in err


def test_json_is_one_document_on_stdout(run: Run, folder: Path) -> None:
    piece = folder / "broken-off-on-beat-3.mid"
    code, out, err = run("complete", piece, "--bars", "1", "--candidates", "2", "--seed", "7", "--json")
    assert code == 0
    document = json.loads(out)
    assert list(document) == [
        "input", "model", "style", "device", "seed", "context_bars", "bars", "at_bar", "starts_at", "grid",
        "limits",
        "candidates", "picture", "page", "seconds", "seconds_to_first_note", "warnings",
    ]  # fmt: skip
    assert document["input"] == str(piece)
    assert (document["seed"], document["bars"], document["at_bar"], document["context_bars"]) == (7, 1, 6, 6)
    assert document["starts_at"] == {"bar": 6, "beat": 3}
    assert document["device"] == "cpu"
    assert 0 < document["seconds_to_first_note"] <= document["seconds"]
    for idea in document["candidates"]:
        assert {"midi", "with_completion", "notes", "reason", "log_prob_per_note", "seconds"} <= set(idea)
        file = mido.MidiFile(idea["midi"])
        assert sum(m.type == "note_on" and m.velocity > 0 for track in file.tracks for m in track) == idea["notes"]
        assert len(mido.MidiFile(idea["with_completion"]).tracks) == len(mido.MidiFile(piece).tracks)
    assert Path(document["picture"]).is_file()
    assert Path(document["page"]).is_file()
    assert "Wrote 2 ideas" in err


def test_numbers_go_on_and_nothing_is_written_over(run: Run, folder: Path) -> None:
    ideas = folder / "finished-phrase ideas"
    asked = ("complete", folder / "finished-phrase.mid", "--bars", "1", "--candidates", "2")
    run(*asked, "--seed", "1")
    first = {name: (ideas / name).read_bytes() for name in names_in(ideas)}
    _, out, _ = run(*asked, "--seed", "2", "--json")
    for name, content in first.items():
        assert (ideas / name).read_bytes() == content
    added = names_in(ideas) - set(first)
    assert {"finished-phrase.completion-3.mid", "finished-phrase.with-completion-4.mid"} <= added
    assert len(added) == len(first)
    document = json.loads(out)
    assert Path(document["page"]).name in added
    assert Path(document["picture"]).name in added


def test_a_failure_on_the_way_leaves_nothing_behind(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_others: object) -> str:
        raise OSError(28, "No space left on device", "ideas.html")

    before = names_in(folder)
    monkeypatch.setattr(cli_ideas, "ideas_page", fail)
    code, out, err = run("complete", folder / "finished-phrase.mid", "--bars", "1", "--candidates", "1")
    assert code == 2
    assert out == ""
    assert "No space left" in err.splitlines()[-1]
    assert names_in(folder) == before


def test_out_and_audio(run: Run, folder: Path, tmp_path: Path) -> None:
    out_folder = tmp_path / "deep" / "here"
    _, out, _ = run(
        "complete", folder / "finished-phrase.mid", "--bars", "1", "--candidates", "1", "--out", out_folder,
        "--audio", "--json",
    )  # fmt: skip
    (idea,) = json.loads(out)["candidates"]
    assert Path(idea["audio"]).parent == out_folder
    assert Path(idea["audio"]).read_bytes()[:4] == b"RIFF"
    assert Path(idea["midi"]).parent == out_folder


def test_fill_writes_between_two_passages(run: Run, folder: Path) -> None:
    piece = folder / "gap-of-four-bars.mid"
    code, out, err = run(
        "fill", piece, "--from-bar", "9", "--to-bar", "12", "--candidates", "2", "--seed", "3", "--json"
    )
    assert code == 0
    document = json.loads(out)
    assert (document["at_bar"], document["bars"], document["starts_at"]) == (8, 4, {"bar": 9, "beat": 1})
    assert "Wrote 2 ideas for bars 9–12 (heard bars 1–8 and 13–20)" in err
    old = {(m.type, m.time, str(m)) for track in mido.MidiFile(piece).tracks for m in track if m.type == "set_tempo"}
    new = mido.MidiFile(document["candidates"][0]["with_completion"])
    assert {(m.type, m.time, str(m)) for track in new.tracks for m in track if m.type == "set_tempo"} == old


def test_options_reach_the_ideas(run: Run, folder: Path) -> None:
    piece = folder / "broken-off-on-beat-3.mid"
    few = ("--bars", "1", "--candidates", "1", "--seed", "2", "--json")
    asked = ("--finish-bar", "no", "--tracks", "LH", "--feel", "straight", "--context-bars", "3", "--top-k", "5")
    document = json.loads(run("complete", piece, *few, *asked)[1])
    assert document["starts_at"] == {"bar": 7, "beat": 1}
    assert document["context_bars"] == 3
    old, new = mido.MidiFile(piece), mido.MidiFile(document["candidates"][0]["with_completion"])
    n_notes = [[sum(m.type == "note_on" and m.velocity > 0 for m in t) for t in file.tracks] for file in (old, new)]
    assert [after - before for before, after in zip(*n_notes, strict=True)] == [
        0,
        0,
        document["candidates"][0]["notes"],
    ]
    document = json.loads(run("complete", piece, *few, "--at-bar", "2", "--insert")[1])
    assert "Inserted 1 bar: what was bar 3 is now bar 4." in document["warnings"]
    document = json.loads(run("complete", piece, *few, "--first-downbeat", "2", "--keep-rit")[1])
    assert any("pickup" in warning for warning in document["warnings"])


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["complete", "missing.mid"], "missing.mid"),
        (["complete", "finished-phrase.mid", "--bars", "40"], "40 bars"),
        (["complete", "finished-phrase.mid", "--candidates", "0"], "0 ideas"),
        (["complete", "finished-phrase.mid", "--candidates", "17"], "17 ideas"),
        (["complete", "finished-phrase.mid", "--at-bar", "900"], "--at-bar 900"),
        (["complete", "finished-phrase.mid", "--temperature", "-1"], "temperature"),
        (["complete", "finished-phrase.mid", "--tracks", "9"], "--tracks 9"),
        (["complete", "finished-phrase.mid", "--seed", "-4"], "--seed -4"),
        (["complete", "finished-phrase.mid", "--context-bars", "0"], "--context-bars"),
        (["complete", "finished-phrase.mid", "--device", "cuda"], "--device"),
        (["complete", "finished-phrase.mid", "--adventure", "wild"], "wild"),
        (["fill", "finished-phrase.mid", "--from-bar", "3", "--to-bar", "99"], "--to-bar 99"),
        (["fill", "finished-phrase.mid", "--from-bar", "3"], "--to-bar"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], what: str
) -> None:
    monkeypatch.chdir(folder)
    before = names_in(folder)
    code, out, err = run(*words)
    assert code == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert what in err
    assert names_in(folder) == before


def test_a_model_that_is_not_there_is_said(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["complete", str(folder / "finished-phrase.mid"), "--model", str(tmp_path / "none")]) == 2
    assert "--model" in capsys.readouterr().err
