"""*My style* over HTTP: learnt in a process of its own, loaded, used, switched off, and there again after a restart."""

from __future__ import annotations

import base64
import json
import pickle
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pianomuse.api import Muse, load
from pianomuse.checkpoint.style import Style, save_style
from pianomuse.server import styles
from pianomuse.server.app import create_app, guarded
from pianomuse.server.state import State

KIND = {"Content-Type": "application/octet-stream"}
Midi = Callable[[str], bytes]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIANOMUSE_CONFIG", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def state(model_folder: Path) -> State:
    """A server whose model says where it lies, as one of the command line does."""
    return State(load(model_folder, threads=1))


def until(client: TestClient, *ends: str, seconds: float = 100.0) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while (said := client.get("/api/v1/style").json())["tuning"]["state"] not in ends:
        assert time.monotonic() < end, said
        time.sleep(0.05)
    return said


def wish(midi: Midi, minutes: float = 0.05) -> dict[str, Any]:
    files = [
        {"name": name, "data": base64.b64encode(midi(name)).decode()} for name in ("cornelius-untreu", "right-hand")
    ]
    return {"name": "mine", "files": files, "minutes": minutes}


def first_notes(client: TestClient, midi: Midi) -> list[tuple[int, int]]:
    project = client.post("/api/v1/import", content=midi("right-hand"), headers={"Content-Type": "audio/midi"}).json()
    body = {"project": project["project"], "at_bar": 0, "bars": 1, "candidates": 1, "seed": 3}
    lines = client.post("/api/v1/complete", json=body).text.splitlines()
    finished = next(event for event in map(json.loads, lines) if event["event"] == "finished")
    return [(note["tick"], note["pitch"]) for note in finished["notes"]]


def test_a_style_is_learnt_used_switched_off_and_loaded_again(
    client: TestClient, midi: Midi, muse: Muse, model_folder: Path, home: Path
) -> None:
    plain = first_notes(client, midi)
    answer = client.post("/api/v1/style/tune", json=wish(midi))
    assert (answer.status_code, answer.json()["tuning"]["state"]) == (202, "learning")
    assert client.post("/api/v1/style/tune", json=wish(midi)).json()["error"]["code"] == "tuning"
    said = until(client, "done", "failed")
    assert (said["name"], said["tuning"]["state"], said["tuning"]["pieces"]) == ("mine", "done", 2), said
    assert client.get("/api/v1/info").json()["style"] == "mine"
    file = client.get("/api/v1/style/file").content
    restarted = State(load(model_folder, threads=1))
    with TestClient(guarded(create_app(restarted)), base_url="http://127.0.0.1"):
        assert restarted.muse.style is not None
        assert restarted.muse.style.name == "mine"
    assert client.delete("/api/v1/style").json()["name"] == ""
    assert first_notes(client, midi) == plain
    assert not list(home.glob("my-style*"))
    assert client.get("/api/v1/style/file").json()["error"]["code"] == "no_style"
    loaded = client.put("/api/v1/style/file?name=again", content=file, headers=KIND)
    assert loaded.json()["name"] == "again", loaded.text


def test_learning_can_be_stopped_and_what_was_used_stays(client: TestClient, midi: Midi) -> None:
    client.post("/api/v1/style/tune", json=wish(midi, minutes=9))
    assert client.delete("/api/v1/style/tune").json()["tuning"]["state"] == "cancelled"
    assert client.get("/api/v1/style").json()["name"] == ""
    assert client.delete("/api/v1/style/tune").status_code == 200


def test_files_that_are_no_music_fail_with_a_sentence_and_leave_nothing(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bad = {"name": "x", "files": [{"data": base64.b64encode(b"no music").decode()}]}
    client.post("/api/v1/style/tune", json=bad)
    said = until(client, "failed", "done")
    assert "your pieces" in said["tuning"]["message"]
    assert "/tmp" not in said["tuning"]["message"]
    end = time.monotonic() + 60
    while left := list(tmp_path.glob("pianomuse-style-*")):
        assert time.monotonic() < end, left
        time.sleep(0.01)


def _style_of(muse: Muse, **changed: Any) -> Style:
    assert muse._fingerprint is not None
    size = muse.engine.config
    state = np.full((size.n_layer, size.n_head, size.head_size, size.head_size), 0.01, dtype=np.float32)
    return replace(Style(state, muse._fingerprint(), "v"), **changed)


def test_a_hostile_style_is_one_sentence_and_the_one_in_use_stays(
    client: TestClient, state: State, home: Path, model_folder: Path, tmp_path: Path
) -> None:
    muse = state.muse
    good = save_style(tmp_path / "good.safetensors", _style_of(muse)).read_bytes()
    assert client.put("/api/v1/style/file?name=mine", content=good, headers=KIND).json()["name"] == "mine"
    kept = {path.name: path.read_bytes() for path in home.iterdir()}
    nan, wide = _style_of(muse).time_state.copy(), np.zeros((2, 1, 5, 5), dtype=np.float32)
    nan[0, 0, 0, 0] = np.nan
    others = [_style_of(muse, time_state=nan), _style_of(muse, time_state=wide), _style_of(muse, model="0" * 16)]
    hostile = [save_style(tmp_path / "bad.safetensors", style).read_bytes() for style in others]
    hostile += [
        b"",
        b"MThd",
        good[:-9],
        good[:40],
        (2**62).to_bytes(8, "little") + b"{}",
        pickle.dumps(print),
        b"{" * 9999,
    ]
    hostile += [(model_folder / "model.safetensors").read_bytes()]
    rng = np.random.default_rng(1)
    for _ in range(20):
        broken = bytearray(good)
        broken[int(rng.integers(400))] ^= 1 << int(rng.integers(8))
        hostile.append(bytes(broken))
    n_refused = 0
    for data in hostile:
        answer = client.put("/api/v1/style/file?name=bad", content=data, headers=KIND)
        if answer.status_code == 200:  # a bit of the header that means nothing, such as a name among the facts
            client.put("/api/v1/style/file?name=mine", content=good, headers=KIND)
            continue
        n_refused += 1
        error = answer.json()["error"]
        assert answer.status_code in (400, 422), answer.text
        assert error["message"].endswith(("tune it again", "`pianomuse tune`", "again with `pianomuse tune`")), error
        assert str(tempfile.gettempdir()) not in answer.text
        assert client.get("/api/v1/style").json()["name"] == "mine"
        assert {path.name: path.read_bytes() for path in home.iterdir()} == kept
    assert n_refused > 11


def test_what_cannot_be_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch, midi: Midi) -> None:
    def code(answer: Any) -> str:
        return str(answer.json()["error"]["code"])

    assert code(client.put("/api/v1/style/file", content=b"{}")) == "media_type"
    assert code(client.put("/api/v1/style/file", content=b"no style", headers=KIND)) == "model"
    assert code(client.post("/api/v1/style/tune", json=wish(midi, minutes=11))) == "invalid"
    assert code(client.post("/api/v1/style/tune", json={"files": [{"data": "%%"}]})) == "request"
    monkeypatch.setattr(styles, "missing", lambda: "pip install 'pianomuse[train]'")
    refused = client.post("/api/v1/style/tune", json=wish(midi))
    assert (refused.status_code, code(refused)) == (501, "needs_torch")
    assert "pip install" in refused.json()["error"]["message"]
