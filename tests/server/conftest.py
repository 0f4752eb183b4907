"""A server with a tiny random model; tests talk to it in the same process, or over a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pianomuse.api import Muse
from pianomuse.server.app import create_app, guarded
from pianomuse.server.state import State

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def midi() -> Callable[[str], bytes]:
    """Bytes of one of the real files, or of one of the examples, by its name."""
    folders = (ROOT / "tests" / "files", ROOT / "examples")
    return lambda name: next(f / f"{name}.mid" for f in folders if (f / f"{name}.mid").exists()).read_bytes()


@pytest.fixture
def state(muse: Muse) -> State:
    return State(muse)


@pytest.fixture
def client(state: State) -> Iterator[TestClient]:
    app = guarded(create_app(state))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def opened(client: TestClient, midi: Callable[[str], bytes]) -> Callable[[str], dict[str, Any]]:
    """Import a real file as a project."""

    def open_file(name: str) -> dict[str, Any]:
        answer = client.post(f"/api/v1/import?title={name}", content=midi(name), headers={"content-type": "audio/midi"})
        assert answer.status_code == 200, answer.text
        project: dict[str, Any] = answer.json()["project"]
        return project

    return open_file
