"""`pianomuse evaluate` and `pianomuse mirex` from the command line, with the model that ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pianomuse.cli import main
from pianomuse.evaluate.judge import MARKOV_TABLE
from pianomuse.evaluate.markov_table import load_markov
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import piano_vocabulary


def test_evaluate_prints_one_document_with_the_promised_names(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = corpus / "mutopia"
    asked = ["--measures", "likelihood,mirex", "--pieces", "2", "--json"]
    assert main(["evaluate", str(folder), *asked]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["files"] == 2
    assert document["tasks_left_out"] == ["mirex"]  # one of the two is not in 4/4: said, and the rest is measured
    assert {"bars", "notes", "tokens", "bits_per_bar", "parts", "from_bar"} <= document.keys()
    assert 0 < document["bits_per_note"] < document["references"]["markov"]["bits_per_note"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["no-such-folder"], "not a folder"),
        ([".", "--measures", "beauty"], "choose from all"),
        ([".", "--candidates", "99"], "choose 1 to 16"),
        (["tests/corpus/mutopia", "--pieces", "2", "--measures", "mirex"], "fewer than two of 2 works have a place"),
        (["examples", "--pieces", "2", "--attention", "no-such-folder"], "scripts/train_attention.py"),
    ],
)
def test_a_wrong_request_is_one_line(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    assert main(["evaluate", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert what in err
    assert err.count("\n") == 1


def test_the_markov_table_that_ships_is_small_good_and_sums_to_one(corpus: Path) -> None:
    vocabulary = piano_vocabulary()
    model, facts = load_markov(MARKOV_TABLE, vocabulary.fingerprint)
    assert MARKOV_TABLE.stat().st_size <= 10_000_000
    assert facts["bits_per_note_unpruned"] <= facts["bits_per_note"] < 1.1 * facts["bits_per_note_unpruned"]
    ids = PianoTokenizer().tokenize_midi(corpus / "mutopia" / "bach-bwv691.mid")
    assert model.distribution(ids[:40]).sum() == pytest.approx(1, abs=1e-3)
    assert model.bits(ids).mean() < 4


def test_mirex_writes_the_public_format(tmp_path: Path) -> None:
    prompt = [{"start": 16 + 8 * n, "pitch": 60 + 2 * (n % 4), "duration": 8} for n in range(8)]
    (tmp_path / "in.json").write_text(json.dumps({"prompt": prompt}), encoding="utf-8")
    assert main(["mirex", str(tmp_path / "in.json"), str(tmp_path / "out.json"), "--seed", "1"]) == 0
    document = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert list(document) == ["generation"]
    assert all(80 <= note["start"] <= 271 for note in document["generation"])
    (tmp_path / "bad.json").write_text("{}", encoding="utf-8")
    assert main(["mirex", str(tmp_path / "bad.json"), str(tmp_path / "out2.json")]) == 2
    assert not (tmp_path / "out2.json").exists()
