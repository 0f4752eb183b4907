"""Streams that are closed or lack characters, folders that are not there: a result or one line, never a fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pianomuse.cli import main

ROOT = Path(__file__).resolve().parents[2]
WALTZ = ROOT / "examples" / "waltz-pickup.mid"
POSIX = pytest.mark.skipif(os.name == "nt", reason="descriptors and folders of POSIX")


@POSIX
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$P vocab | head -n 1", 0),
        ("$P vocab >&-", 0),
        ("$P convert $IN $OUT <&- 2>&-", 0),
        ("mkdir gone; cd gone; rmdir ../gone; $P convert nowhere.mid $OUT", 2),
        ("cd /; LANG=C PYTHONIOENCODING=cp1252 $P convert $IN $OUT", 0),
        ("unset HOME; export TMPDIR=/nowhere NUMBA_CACHE_DIR=/proc/nowhere; $P surprise $IN --model $MODEL", 0),
    ],
)
def test_odd_surroundings(line: str, code: int, tmp_path: Path, model_folder: Path) -> None:
    source = tmp_path / "-Étude\n练习 🎹.mid"
    source.write_bytes(WALTZ.read_bytes())
    names = {"IN": source, "OUT": tmp_path / "é 🎹.musicxml", "MODEL": model_folder}
    shell = f"P() {{ '{sys.executable}' -m pianomuse \"$@\"; }}; set -o pipefail; " + line.replace("$P", "P")
    for name in names:
        shell = shell.replace(f"${name}", f'"${name}"')
    environment = {**os.environ, **{name: str(path) for name, path in names.items()}}
    done = subprocess.run(["bash", "-c", shell], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"fault in PianoMuse" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert names["OUT"].exists() == ("$OUT" in line and code == 0)


def test_a_file_is_not_converted_into_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mid"
    path.write_bytes(WALTZ.read_bytes())
    assert main(["convert", str(path), str(path), "--force"]) == 2
    assert "itself" in capsys.readouterr().err
    assert path.read_bytes() == WALTZ.read_bytes()


@POSIX
@pytest.mark.parametrize("kind", ["pickle", "weights", "folder", "pipe", "nothing"])
@pytest.mark.parametrize("verb", ["complete", "fill"])
def test_what_is_no_style_is_refused_before_anything_is_written(
    kind: str, verb: str, tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "style.safetensors"
    if kind == "pickle":
        path.write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    elif kind == "weights":
        path.write_bytes((model_folder / "model.safetensors").read_bytes())
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    bars = ["--bars", "1"] if verb == "complete" else ["--from-bar", "2", "--to-bar", "2"]
    out = tmp_path / "out"
    words = [verb, str(WALTZ), "--model", str(model_folder), *bars, "--style", str(path), "--out", str(out)]
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert str(path) in told.err
    assert not out.exists()
    assert not Path("pwned").exists()
