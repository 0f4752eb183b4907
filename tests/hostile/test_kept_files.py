"""What the program keeps of its own: damaged, it keeps nothing from working and is never written over."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pianomuse.api import Muse
from pianomuse.cli import main
from pianomuse.errors import CheckpointError
from pianomuse.generate.taste import START, Taste, load_taste, taste_path
from pianomuse.measure.known_works import load_known_works
from pianomuse.server import autosave
from pianomuse.server.app import create_app
from pianomuse.server.state import State

Put = Callable[[Path], object]
POSIX = pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")


def data(text: str | bytes) -> Put:
    return lambda path: path.write_bytes(text if isinstance(text, bytes) else text.encode())


def weights(**changed: object) -> Put:
    return data(json.dumps({"format": 1, "choices": 3, "weights": {**START, **changed}}))


DAMAGED: dict[str, Put] = {
    "empty": data(""),
    "cut off": data('{"format": 1, "choi'),
    "no text": data(b"\xff\xfe\0{"),
    "zeros": data(bytes(4096)),
    "a list": data("[]"),
    "nested without end": data("[" * 100_000),
    "huge": lambda path: (path.touch(), os.truncate(path, 2**34)),
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo if hasattr(os, "mkfifo") else Path.mkdir,
}
NO_TASTE: dict[str, Put] = {
    **DAMAGED,
    "another version": data(json.dumps({"format": 99, "choices": 1, "weights": START})),
    "no weights": data('{"format": 1, "choices": 1}'),
    "a weight of text": weights(near="x"),
    "a weight that is no number": weights(near=float("nan")),
    "a weight without bound": weights(near=1e300),
    "choices without bound": data('{"format": 1, "choices": 1e999, "weights": {}}'),
}


def aside(path: Path) -> list[Path]:
    return [other for other in path.parent.iterdir() if ".damaged" in other.name]


@POSIX
@pytest.mark.parametrize("name", NO_TASTE)
def test_a_damaged_taste_is_set_aside_and_said_once(
    name: str, own_config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own_config.mkdir()
    NO_TASTE[name](taste_path())
    before = taste_path().lstat()
    assert load_taste() == Taste()
    (kept,) = aside(taste_path())
    assert os.path.samestat(kept.lstat(), before)
    assert [record.getMessage().count(kept.name) for record in caplog.records] == [1]
    assert main(["taste"]) == 0
    Taste(START, 2).save()
    assert load_taste().n_choices == 2
    assert os.path.samestat(kept.lstat(), before)
    assert len(caplog.records) == 1


@POSIX
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_piece_is_set_aside_and_the_one_before_it_opens(
    name: str, own_config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    autosave.keep(b'{"work": "the-one-before", "project": {"title": "a"}}')
    path = own_config / "works" / "the-last-one.json"
    DAMAGED[name](path)
    before = path.lstat()
    os.utime(path, (before.st_atime + 100, before.st_mtime + 100), follow_symlinks=False)
    assert [work["work"] for work in autosave.works()] == ["the-one-before"]
    found = autosave.kept()
    assert found is not None
    assert json.loads(found.document)["work"] == "the-one-before"
    (kept,) = aside(path)
    assert os.path.samestat(kept.lstat(), before)
    assert len(caplog.records) == 1
    DAMAGED[name](path)  # and again, met by writing
    autosave.keep(b'{"work": "the-last-one"}')
    assert len(aside(path)) == 2
    assert autosave.kept("the-last-one") is not None


@POSIX
@pytest.mark.parametrize("name", DAMAGED)
def test_the_studio_starts_whatever_it_kept(
    name: str, own_config: Path, muse: Muse, caplog: pytest.LogCaptureFixture
) -> None:
    own_config.mkdir()
    for file in ("studio.json", "taste.json", "my-style.safetensors", "my-style.txt"):
        DAMAGED[name](own_config / file)
    caplog.set_level(logging.CRITICAL)
    with TestClient(create_app(State(muse)), raise_server_exceptions=False) as client:
        for address in ("session", "works", "taste", "style"):
            assert client.get(f"/api/v1/{address}").status_code == 200, address
        assert client.get("/api/v1/session").json() is None
        assert client.put("/api/v1/session", json={"a": 1}).status_code == 204
        assert client.get("/api/v1/session").json() == {"a": 1}
    assert {path.name for path in aside(own_config / "x")} == {"studio.json.damaged", "taste.json.damaged"}


def archive(**arrays: object) -> Put:
    def put(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)

    return put


HEADER = json.dumps({"format": 1, "run_steps": 11, "window": 5, "names": ["a"]})
TEXT = np.frombuffer(HEADER.encode(), dtype=np.uint8)
NO_INDEX: dict[str, Put] = {
    **{name: put for name, put in DAMAGED.items() if name != "a pipe" or os.name != "nt"},
    "a pickle": data(b"\x80\x04cos\nsystem\n."),
    "objects": archive(header=np.array([{}], dtype=object), differences=np.zeros(1), works=np.zeros(1)),
    "differences that are no numbers": archive(header=TEXT, differences=np.array([np.nan]), works=np.zeros(1, "u2")),
    "a work too many": archive(header=TEXT, differences=np.ones(1, np.uint16), works=np.full(1, 7, np.uint16)),
    "parts of other lengths": archive(header=TEXT, differences=np.ones(2, np.uint16), works=np.zeros(1, np.uint16)),
    "a header nested without end": archive(header=np.full(100_000, ord("["), np.uint8), differences=[], works=[]),
}  # fmt: skip


@POSIX
@pytest.mark.parametrize("name", NO_INDEX)
def test_a_damaged_index_of_known_works_is_one_sentence(name: str, tmp_path: Path) -> None:
    path = tmp_path / "works.npz"
    NO_INDEX[name](path)
    with pytest.raises(CheckpointError, match="install"):
        load_known_works(path)
