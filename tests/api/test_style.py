"""Composing with a style: from Python, without torch's help, and only with the model it was tuned on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pianomuse.api import Muse, load
from pianomuse.checkpoint.store import load_checkpoint, save_checkpoint
from pianomuse.checkpoint.style import Style, load_style, model_fingerprint, save_style
from pianomuse.errors import CheckpointError, RequestError

Real = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of the other tests, with a memory that lasts."""
    found = load_checkpoint(model_folder)
    slow = {name: np.full_like(v, -8) if name.endswith("att.w0") else v for name, v in found.tensors.items()}
    slow |= {name: np.zeros_like(value) for name, value in slow.items() if name.endswith("att.w1")}
    out = tmp_path_factory.mktemp("model") / "slow"
    return save_checkpoint(out, found.config, slow, tokenizer_json=found.tokenizer_json)


@pytest.fixture(scope="module")
def muse(folder: Path) -> Muse:
    return load(folder, threads=1)


@pytest.fixture(scope="module")
def style(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkpoint = load_checkpoint(folder)
    memory = 2000 * np.random.default_rng(1).standard_normal((2, 1, 64, 64)).astype(np.float32)
    made = Style(memory, model_fingerprint(checkpoint.config, checkpoint.tensors), checkpoint.vocabulary_fingerprint)
    return save_style(tmp_path_factory.mktemp("style") / "mine.safetensors", made)


def test_ideas_begin_with_the_style(muse: Muse, style: Path, real: Real) -> None:
    def ideas(player: Muse, **options: object) -> list[tuple[object, ...]]:
        found = player.complete(real("finished-phrase"), bars=2, candidates=2, seed=1, **options)  # type: ignore[arg-type]
        return [idea.notes for idea in found]

    plain, styled = ideas(muse), ideas(muse, style=style)
    assert plain != styled
    assert ideas(muse.with_style(style)) == styled == ideas(muse, style=load_style(style))
    assert ideas(muse) == plain
    with_style = muse.complete(real("finished-phrase"), bars=2, candidates=1, seed=1, style=style)
    assert with_style.style == "mine"
    assert b"style mine" in with_style[0].midi


def test_strength_zero_is_no_style(muse: Muse, style: Path, real: Real) -> None:
    options = {"bars": 2, "candidates": 1, "seed": 3}
    plain = muse.complete(real("finished-phrase"), **options)  # type: ignore[arg-type]
    nothing = muse.complete(real("finished-phrase"), style=style, style_strength=0, **options)  # type: ignore[arg-type]
    assert nothing[0].notes == plain[0].notes
    assert muse.fill(real("gap-of-four-bars"), 5, 6, candidates=1, seed=3, style=style).style == "mine"
    with pytest.raises(RequestError, match="name the style too"):
        muse.complete(real("finished-phrase"), style_strength=0.5, **options)  # type: ignore[arg-type]


def test_a_style_for_other_weights_is_refused(muse: Muse, style: Path) -> None:
    found = load_style(style)
    other = Style(found.time_state, "0" * 16, found.vocabulary, name="theirs")
    with pytest.raises(CheckpointError, match=r"theirs was tuned on another model.*pianomuse tune"):
        muse.with_style(other)
    unknown = Muse(muse.engine)
    with pytest.raises(RequestError, match="cannot begin with a style"):
        unknown.with_style(found)
