"""What tests share: where the real files are, one dataset prepared from them, and a model with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pianomuse.api import Muse, load
from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.checkpoint.store import save_checkpoint
from pianomuse.tokens.vocabulary import piano_vocabulary

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


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that writes bars of sensible length."""
    return random_checkpoint(tmp_path_factory.mktemp("model") / "random")


@pytest.fixture(scope="session")
def muse(model_folder: Path) -> Muse:
    return load(model_folder, threads=1)


def random_checkpoint(folder: Path) -> Path:
    """Random weights whose output layer has a taste: bars end after some notes, notes are short, pedals are rare."""
    vocabulary = piano_vocabulary()
    config = ModelConfig(vocab_size=len(vocabulary), n_layer=2, n_embd=64)
    rng = np.random.default_rng(1)
    tensors = {}
    for name, shape in tensor_shapes(config).items():
        scale = 1.0 if len(shape) == 1 else (6.0 if name == "head.weight" else 1.0) / 8
        tensors[name] = rng.normal(0, scale, shape).astype(np.float32)
    taste = np.zeros(len(vocabulary), dtype=np.float32)
    taste[[vocabulary.id("Bar_None"), vocabulary.id("EOS_None")]] = 4.0
    taste[vocabulary.ids_of("Duration")] = -0.05 * np.arange(288)
    taste[[vocabulary.id("Pedal_0"), vocabulary.id("PedalOff_0")]] = 2.0
    constant = np.zeros(64, dtype=np.float32)
    constant[0] = 8.0
    tensors["ln_out.bias"] = constant
    tensors["ln_out.weight"][0] = 0.0
    tensors["head.weight"][:, 0] = taste / constant[0]
    return save_checkpoint(folder, config, tensors, tokenizer_json=vocabulary.to_json())
