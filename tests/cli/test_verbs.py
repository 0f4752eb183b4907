"""The verbs beside `complete` and `fill`, from outside."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mido
import pytest

from pianomuse.cli import main


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def n_notes(path: Path | str) -> int:
    return sum(m.type == "note_on" and m.velocity > 0 for track in mido.MidiFile(path).tracks for m in track)


def test_harmonise_writes_files_and_says_what_stays(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, examples: Path
) -> None:
    piece = shutil.copy(examples / "right-hand.mid", tmp_path)
    words = ("harmonise", piece, "--from-bar", "2", "--to-bar", "3", "--candidates", "1", "--seed", "3", "--json")
    code, out, err = run(capsys, *words)
    assert code == 0
    found = json.loads(out)
    idea = found["candidates"][0]
    assert n_notes(idea["with_completion"]) == n_notes(piece) + idea["notes"] == n_notes(piece) + n_notes(idea["midi"])
    assert "for the left hand of bars 2–3" in err
    assert "in bars 2–3 stay as they are." in err


def test_harmonise_refuses_two_hands_in_one_line(capsys: pytest.CaptureFixture[str], examples: Path) -> None:
    code, out, err = run(capsys, "harmonise", examples / "finished-phrase.mid")
    assert (code, out) == (2, "")
    assert err.startswith("bars 1 to 8: two hands play there already")
    assert err.count("\n") == 1


def test_vary_keeps_a_rhythm_and_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path, examples: Path) -> None:
    piece = shutil.copy(examples / "finished-phrase.mid", tmp_path)
    words = ("vary", piece, "--from-bar", "3", "--to-bar", "4", "--keep", "rhythm", "--candidates", "1", "--json")
    code, out, err = run(capsys, *words)
    assert code == 0
    found = json.loads(out)
    assert n_notes(found["candidates"][0]["with_completion"]) == n_notes(piece)
    assert found["limits"]["keep"] == "rhythm"
    assert "Kept: the rhythm of bars 3–4." in err


def test_vary_asks_what_to_keep(capsys: pytest.CaptureFixture[str], examples: Path) -> None:
    code, _, err = run(capsys, "vary", examples / "finished-phrase.mid", "--from-bar", "3", "--to-bar", "4")
    assert code == 2
    assert "--keep" in err


def test_an_ending_and_a_target_are_reported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, examples: Path
) -> None:
    piece = shutil.copy(examples / "finished-phrase.mid", tmp_path)
    words = ("complete", piece, "--bars", "2", "--candidates", "1", "--json")
    code, out, err = run(capsys, *words, "--ending", "final", "--to", "bar 9: Dm, melody A4")
    assert code == 0
    found = json.loads(out)
    assert found["limits"] == {"ending": "final", "to": "bar 9: Dm, melody A4"}
    assert found["candidates"][0]["ending"].startswith("ends closed (on F")
    assert "a guess" not in err
    code, _, err = run(capsys, *words, "--to", "bar 30: Dm")
    assert (code, err.count("\n")) == (2, 1)
    assert "bar 30 is not among the new bars 9 to 10" in err
