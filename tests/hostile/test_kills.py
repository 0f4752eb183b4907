"""`kill -9` at random moments: what was finished stays, nothing half is under its final name, the next run works."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pianomuse.server import autosave

ROOT = Path(__file__).resolve().parents[2]
WALTZ = ROOT / "examples" / "waltz-pickup.mid"
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes as Linux shows them")
PATIENCE_S = 20


def start(*words: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pianomuse", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def alive_in_session(session: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if entry.name.isdigit() and int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def test_workers_of_prepare_end_when_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(300):
        shutil.copy(WALTZ, tmp_path / "in" / f"{number}.mid")
    process = start("prepare", tmp_path / "in", "--out", tmp_path / "data", "--jobs", 2)
    until = time.monotonic() + PATIENCE_S
    while len(alive_in_session(process.pid)) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    assert len(alive_in_session(process.pid)) >= 3
    process.kill()
    process.wait()
    while (left := alive_in_session(process.pid)) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("verb", ["export", "convert", "render"])
def test_a_killed_verb_leaves_the_file_before_or_the_new_one(verb: str, tmp_path: Path, model_folder: Path) -> None:
    chance = random.Random(verb)
    target = tmp_path / {"export": "model.safetensors", "convert": "a.musicxml", "render": "a.wav"}[verb]
    source = model_folder if verb == "export" else WALTZ
    out = ["--format", "safetensors", "--out", target] if verb == "export" else [target]
    words = [verb, source, *out, "--force", *(["--sample-rate", 8000] if verb == "render" else [])]
    assert start(*words).wait() == 0
    whole = target.read_bytes()
    for _ in range(2):
        process = start(*words)
        time.sleep(chance.uniform(0.3, 1.5))
        process.kill()
        process.wait()
        assert target.read_bytes() == whole
    target.unlink()
    assert start(*words).wait() == 0
    assert target.read_bytes() == whole


_SAVE_FOR_EVER = """
import itertools, json
from pianomuse.server import autosave
for number in itertools.count(1):
    autosave.keep(json.dumps({"work": "the-open-one", "number": number, "notes": [number] * 400_000}).encode())
    print(number, flush=True)
"""


def test_a_studio_killed_while_it_saves_keeps_the_last_whole_writing(own_config: Path) -> None:
    chance = random.Random("autosave")
    for _ in range(4):
        command = [sys.executable, "-c", _SAVE_FOR_EVER]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "1\n"
            time.sleep(chance.uniform(0.0, 0.3))
            process.kill()
            told = [1, *map(int, process.stdout.read().split())][-1]
        found = autosave.kept("the-open-one")
        assert found is not None
        document = json.loads(found.document)
        assert document["number"] in (told, told + 1), "what was finished, or the writing it was killed behind"
        assert document["notes"] == [document["number"]] * 400_000
    for path in own_config.rglob(".*"):  # what a killed writing left goes once it is a day old
        os.utime(path, (0, 0))
    autosave.keep(b'{"work": "the-open-one", "number": 0}')
    assert list(own_config.rglob(".*")) == []
