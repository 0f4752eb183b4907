"""`pianomuse prepare` end to end on real files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pianomuse.cli import main
from pianomuse.data.windows import load_dataset


def test_prepare_writes_a_dataset_and_windows(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "midi"
    shutil.copytree(corpus, folder)
    (folder / "broken.mid").write_bytes(b"MThd")
    arguments = ["prepare", str(folder), "--out", str(tmp_path / "out"), "--jobs", "1"]
    assert main([*arguments, "--jsonl", str(tmp_path / "pairs.jsonl"), "--exclude", "lieder", "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    n_lieder = len(list((corpus / "lieder").glob("*.mid")))
    assert result["files"] == len(list(corpus.rglob("*.mid"))) + 1
    assert sum(result["dropped"].values()) == n_lieder + 1
    assert result["pairs"] == len(load_dataset(tmp_path / "pairs.jsonl")) > 80
    assert "broken.mid" in err
    assert "pianomuse train" in err


def test_prepare_says_what_is_wrong_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "not a folder" in err
    assert not (tmp_path / "out").exists()


def test_listed_files_are_left_out_and_a_wrong_list_is_told(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("# shares a tune with a validation piece\nmutopia/bach-bwv120.mid\n", encoding="utf-8")
    arguments = ["prepare", str(corpus), "--jobs", "1", "--exclude", "lieder", "--exclude-list", str(listed), "--json"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["dropped"]["in the list of excluded files"] == 1
    listed.write_text("mutopia/nowhere.mid\n", encoding="utf-8")
    assert main([*arguments, "--out", str(tmp_path / "out2")]) == 2
    assert "nowhere.mid" in capsys.readouterr().err
