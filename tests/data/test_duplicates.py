"""Music on both sides of a split is found, transposed, in another notation, or inside something longer."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pianomuse.data.duplicates import find_duplicates
from pianomuse.data.pieces import TokenPiece, make_view, tokenise_piece
from pianomuse.midi.read import read_midi
from pianomuse.tokens.augment import Augmenter, Shift
from pianomuse.tokens.tokenizer import PianoTokenizer

TOKENIZER = PianoTokenizer()
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "find_duplicates.py"


@pytest.fixture(scope="module")
def pieces(corpus: Path) -> list[TokenPiece]:
    paths = sorted((corpus / "mutopia").glob("*.mid"))
    return [tokenise_piece(read_midi(path), TOKENIZER, name=path.stem, work_id=path.stem)[0] for path in paths]


def changed(piece: TokenPiece, name: str, ids: np.ndarray) -> TokenPiece:
    return replace(piece, name=name, views={"full": make_view(ids, TOKENIZER)})


def test_different_works_share_nothing(pieces: list[TokenPiece]) -> None:
    assert find_duplicates(pieces[:4], pieces[4:], TOKENIZER.vocabulary) == []


def test_a_transposed_copy_is_one_work(pieces: list[TokenPiece]) -> None:
    mine = pieces[2]
    ids = Augmenter(TOKENIZER.vocabulary).apply(mine.views["full"].ids, Shift(3))
    (found,) = find_duplicates([mine], [*pieces[3:], changed(mine, "copy", ids)], TOKENIZER.vocabulary)
    assert found.train == "copy"
    assert found.is_one_work
    assert found.onsets == 1
    assert found.longest_notes == int((TOKENIZER.vocabulary.kinds[ids] == "Pitch").sum())


def test_the_tune_is_found_in_other_rhythm_and_over_another_bass(pieces: list[TokenPiece]) -> None:
    mine = next(piece for piece in pieces if piece.name.startswith("mozart"))
    ids = mine.views["melody"].ids.copy()
    lengths = TOKENIZER.vocabulary.kinds[ids] == "Position"
    ids[lengths] = np.maximum(ids[lengths] - 2, ids[lengths].min())  # a little earlier, so that every time is another
    (found,) = find_duplicates([mine], [*pieces[:4], changed(mine, "tune", ids)], TOKENIZER.vocabulary)
    assert found.train == "tune"
    assert found.melody > 0.3 > found.onsets


def test_a_short_piece_inside_a_longer_one_is_found(pieces: list[TokenPiece]) -> None:
    mine = next(piece for piece in pieces if piece.name.startswith("bach-invention"))
    view = mine.views["full"]
    part = changed(mine, "part", np.concatenate([view.head(8), view.cut(8, 16)]).astype(np.int32))
    (found,) = find_duplicates([mine], [part], TOKENIZER.vocabulary)
    assert found.is_one_work


def script() -> Any:
    spec = importlib.util.spec_from_file_location("find_duplicates_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_tells_about_a_dataset(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "leave-out.txt"
    monkeypatch.setattr(sys, "argv", ["find_duplicates", str(dataset), "--json", "--list", str(listed)])
    assert script().main() == 0
    document = json.loads(capsys.readouterr().out)
    assert document["pairs"] == []
    assert document["valid"] >= 1
    assert listed.read_text() == ""
