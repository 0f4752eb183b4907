"""A small Markov reference counted on the training files of the corpus, and the works to judge on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pianomuse.evaluate.markov import MarkovModel, train_markov
from pianomuse.evaluate.works import WorkSet, load_works
from pianomuse.tokens.tokenizer import PianoTokenizer


@pytest.fixture(scope="session")
def tokenizer() -> PianoTokenizer:
    return PianoTokenizer()


@pytest.fixture(scope="session")
def pieces(corpus: Path, tokenizer: PianoTokenizer) -> list[np.ndarray]:
    begin = tokenizer.vocabulary.id("BOS_None")
    return [np.append(begin, tokenizer.tokenize_midi(path)) for path in sorted(corpus.rglob("*.mid"))]


@pytest.fixture(scope="session")
def markov(pieces: list[np.ndarray]) -> MarkovModel:
    return train_markov(pieces[:-3], 761, 4)


@pytest.fixture(scope="session")
def works(corpus: Path) -> WorkSet:
    return load_works(corpus / "mutopia")
