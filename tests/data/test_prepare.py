"""A folder of MIDI files becomes a dataset; what is dropped is counted by reason (R4, R5)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pianomuse.data.pieces import tokenise_piece
from pianomuse.data.prepare import process_midi_directory
from pianomuse.data.store import PieceStore, read_header
from pianomuse.data.works import draw_split, group_works, turns
from pianomuse.errors import DatasetError, VocabularyError
from pianomuse.midi.read import read_midi
from pianomuse.tokens.augment import Augmenter, Shift
from pianomuse.tokens.tokenizer import PianoTokenizer


def test_every_file_is_kept_or_counted(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "midi"
    shutil.copytree(corpus, folder)
    (folder / "mutopia" / "text.mid").write_text("this is no music")
    (folder / "empty.MIDI").write_bytes(b"")
    report = process_midi_directory(folder, tmp_path / "out", jobs=2)
    assert report.files == len(list(corpus.rglob("*.mid"))) + 2
    assert sum(report.pieces.values()) + sum(report.dropped.values()) == report.files
    assert sum(report.dropped.values()) == 2
    assert report.pieces["valid"] == 2


def test_a_prepared_piece_is_the_file(dataset: Path, corpus: Path) -> None:
    tokenizer = PianoTokenizer()
    pieces = {piece.name: piece for split in ("train", "valid") for piece in PieceStore(dataset, split)}
    assert len(pieces) == len(list(corpus.rglob("*.mid")))
    for name, piece in pieces.items():
        assert np.array_equal(piece.views["full"].ids, tokenizer.tokenize_midi(corpus / name)), name
        assert {view.n_bars for view in piece.views.values()} == {piece.n_bars}, name


def test_hands_and_voice_of_the_file_become_views(dataset: Path) -> None:
    tokenizer = PianoTokenizer()
    is_pitch = tokenizer.vocabulary.kinds == "Pitch"

    def n_notes(ids: np.ndarray) -> int:
        return int(is_pitch[ids].sum())

    pieces = {piece.name: piece for piece in PieceStore(dataset, "train")}
    song, solo = pieces["lieder/kinkel-nachgefuehl.mid"], pieces["mutopia/mozart-k453a.mid"]
    assert song.has_voice
    assert not solo.has_voice
    for piece in (song, solo):
        views = {view: n_notes(found.ids) for view, found in piece.views.items()}
        assert views["melody"] + views["rest"] == views["full"]
    views = {view: n_notes(found.ids) for view, found in solo.views.items()}
    assert views["right"] + views["left"] == views["full"]
    assert 0.2 < views["melody"] / views["full"] < 0.8


def test_split_follows_the_manifest_and_else_the_work(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "midi"
    shutil.copytree(corpus, folder)
    (folder / "manifest.csv").unlink()
    source = folder / "mutopia" / "mozart-k453a.mid"
    tokenizer = PianoTokenizer()
    higher = Augmenter(tokenizer.vocabulary).apply(tokenizer.tokenize_midi(source), Shift(semitones=2))
    tokenizer.detokenize(higher, folder / "another name.mid")
    process_midi_directory(folder, tmp_path / "out", jobs=1)
    works = {}
    for split in ("train", "valid"):
        for piece in PieceStore(tmp_path / "out", split):
            works[piece.name] = (piece.work_id, split)
    assert works["another name.mid"] == works["mutopia/mozart-k453a.mid"]
    assert len({work for work, _ in works.values()}) == len(works) - 1
    assert {split for _, split in works.values()} == {"train", "valid"}


def test_no_work_is_on_both_sides(dataset: Path) -> None:
    sides = [{piece.work_id for piece in PieceStore(dataset, split)} for split in ("train", "valid")]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]


def test_melodic_turns_do_not_see_transposition(corpus: Path) -> None:
    notes = read_midi(corpus / "mutopia" / "bach-invention-10.mid").score.tracks[0].notes.numpy()
    onset, pitch = notes["time"].astype(np.int64), notes["pitch"].astype(np.int64)
    assert turns(onset, pitch) == turns(onset * 3, pitch + 5)
    assert len(turns(onset, pitch)) > 100
    assert group_works([turns(onset, pitch), turns(onset, pitch + 1), frozenset()]) == [0, 0, 2]


def test_split_shares_are_as_asked() -> None:
    drawn = [draw_split(f"work {n}", 0.05) for n in range(4000)]
    assert 0.03 < drawn.count("valid") / 4000 < 0.07


@pytest.mark.parametrize("case", ["missing", "no midi", "nothing usable", "out exists"])
def test_bad_folders_get_one_clear_error(case: str, corpus: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "midi", tmp_path / "out"
    if case != "missing":
        folder.mkdir()
    if case == "nothing usable":
        (folder / "a.mid").write_bytes(b"nonsense")
    if case == "out exists":
        out.mkdir()
    with pytest.raises(DatasetError, match=r"folder|no \.mid|can be used|exists already"):
        process_midi_directory(folder, out, jobs=1)
    assert out.exists() == (case == "out exists")


def test_a_dataset_of_another_vocabulary_or_format_is_refused(dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    header = json.loads((copy / "header.json").read_text())
    (copy / "header.json").write_text(json.dumps({**header, "vocabulary": "0123456789abcdef"}))
    with pytest.raises(VocabularyError, match="pianomuse prepare"):
        PieceStore(copy, "train")
    (copy / "header.json").write_text(json.dumps({**header, "format": 99}))
    with pytest.raises(DatasetError, match="format 99"):
        read_header(copy)
    (copy / "header.json").write_text("{")
    with pytest.raises(DatasetError, match="damaged"):
        read_header(copy)
    with pytest.raises(DatasetError, match="pianomuse prepare"):
        read_header(tmp_path / "nowhere")


def test_a_piece_in_one_track_is_split_into_hands(examples: Path) -> None:
    tokenizer = PianoTokenizer()
    piece, _ = tokenise_piece(read_midi(examples / "expressive-pedal.mid"), tokenizer, name="one", work_id="one")
    is_pitch, values = tokenizer.vocabulary.kinds == "Pitch", tokenizer.vocabulary.values
    pitch = {view: values[found.ids[is_pitch[found.ids]]] for view, found in piece.views.items()}
    assert len(pitch["right"]) + len(pitch["left"]) == len(pitch["full"])
    assert pitch["right"].mean() > pitch["left"].mean() + 12
    assert piece.is_expressive
