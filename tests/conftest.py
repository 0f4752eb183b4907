"""What tests share: where the real files are, and one dataset prepared from them."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what tests choose out of the developer's own taste; return the folder."""
    monkeypatch.setenv("PIANOMUSE_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Folder of seventeen real scores with a manifest."""
    return ROOT / "tests" / "corpus"


@pytest.fixture(scope="session")
def examples() -> Path:
    """Folder of the six openings that ship with the project."""
    return ROOT / "examples"


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """Prepare the corpus once."""
    from pianomuse.data.prepare import process_midi_directory

    folder = tmp_path_factory.mktemp("data") / "corpus"
    process_midi_directory(corpus, folder, jobs=1)
    return folder
