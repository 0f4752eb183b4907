"""A server with a tiny random model; tests talk to it in the same process, or over a real socket."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pianomuse.api import Muse, load
from pianomuse.server.app import create_app, guarded
from pianomuse.server.state import State

ROOT = Path(__file__).resolve().parents[2]


def _api_conftest() -> Any:
    spec = importlib.util.spec_from_file_location("api_conftest", ROOT / "tests" / "api" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["api_conftest"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = _api_conftest().random_checkpoint(tmp_path_factory.mktemp("model") / "random")
    return folder


@pytest.fixture(scope="session")
def muse(model_folder: Path) -> Muse:
    return load(model_folder, threads=1)


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
