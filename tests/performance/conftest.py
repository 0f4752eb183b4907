"""A model with random weights; see tests/api/conftest.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pianomuse.api import Muse, load


@pytest.fixture(scope="session")
def muse(tmp_path_factory: pytest.TempPathFactory) -> Muse:
    path = Path(__file__).resolve().parents[1] / "api" / "conftest.py"
    spec = importlib.util.spec_from_file_location("api_conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return load(module.random_checkpoint(tmp_path_factory.mktemp("model") / "random"), threads=1)
