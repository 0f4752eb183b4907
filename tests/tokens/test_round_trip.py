"""Encode and decode return the music: every note of real files with pitch, onset, duration and velocity bin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from symusic import Note, Score, Tempo, TimeSignature, Track

from pianomuse.errors import MidiError, VocabularyError
from pianomuse.midi.read import read_midi
from pianomuse.tokens.grammar import Grammar
from pianomuse.tokens.quantise import quantise
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import Vocabulary, require_same, tempo_bins, tempo_name

TOKENIZER = PianoTokenizer()


def notes_of(score: Score) -> list[tuple[int, int, int, int]]:
    columns = score.tracks[0].notes.numpy()
    return sorted(zip(*(columns[key].tolist() for key in ("time", "pitch", "duration", "velocity")), strict=True))


def real_files(corpus: Path, examples: Path) -> list[Path]:
    files = sorted(corpus.rglob("*.mid")) + sorted(examples.glob("*.mid"))
    assert len(files) >= 20
    return files


def piece_of(notes: list[tuple[int, int, int, int]], metre: tuple[int, int] = (4, 4), tpq: int = 24) -> Score:
    score = Score(tpq)
    score.time_signatures = [TimeSignature(0, *metre)]
    score.tempos = [Tempo(0, 120)]
    track = Track()
    track.notes = [Note(*note) for note in notes]
    score.tracks = [track]
    return score


def test_every_note_of_real_files_survives(corpus: Path, examples: Path) -> None:
    for path in real_files(corpus, examples):
        score = read_midi(path).score
        on_grid, _ = quantise(score)
        ids = TOKENIZER.encode(score)
        assert notes_of(TOKENIZER.decode(ids)) == notes_of(on_grid), path.name
        assert np.array_equal(TOKENIZER.encode(TOKENIZER.decode(ids)), ids), path.name


def test_written_onsets_survive_exactly_but_for_notes_finer_than_the_grid(corpus: Path) -> None:
    moved = total = 0
    for path in sorted(corpus.rglob("*.mid")):
        score = read_midi(path).score
        onsets = score.tracks[0].notes.numpy()["time"] * 24 / score.ticks_per_quarter
        moved += int((np.abs(onsets - np.round(onsets)) > 1e-6).sum())
        total += len(onsets)
    assert total > 4000
    assert moved / total < 0.02  # quintuplets and the like; 1.3 % in these files


def test_real_files_are_grammatical_and_keep_their_bars(corpus: Path) -> None:
    grammar = Grammar(TOKENIZER.vocabulary)
    for path in sorted(corpus.rglob("*.mid")):
        piece = read_midi(path)
        ids = TOKENIZER.encode(piece.score)
        assert grammar.first_error(ids[2:]) is None, path.name
        assert len(TOKENIZER.find_bar_indices(ids)) == piece.grid.n_bars, path.name


def test_head_says_metre_and_tempo_in_force() -> None:
    score = piece_of([(0, 24, 60, 80), (300, 24, 62, 80)], metre=(6, 8))
    score.tempos = [Tempo(0, 60), Tempo(144, 200)]
    ids = TOKENIZER.encode(score)
    assert TOKENIZER.names(ids[:4]) == ["TimeSig_6/8", tempo_name(60), "Bar_None", "TimeSig_6/8"]
    assert TOKENIZER.names(TOKENIZER.extract_metadata_tokens(ids, len(ids))) == ["TimeSig_6/8", tempo_name(200)]
    assert TOKENIZER.names(TOKENIZER.extract_metadata_tokens(ids, 2)) == ["TimeSig_6/8", tempo_name(60)]


def test_a_tempo_already_in_force_writes_no_event() -> None:
    score = piece_of([(0, 24, 60, 80), (96, 24, 62, 80)])
    score.tempos = [Tempo(0, 120), Tempo(96, 120.5)]
    kinds = TOKENIZER.vocabulary.kinds[TOKENIZER.encode(score)]
    assert int((kinds == "Tempo").sum()) == 1


def test_all_tempo_bins_survive() -> None:
    for tempo in tempo_bins():
        score = piece_of([(0, 24, 60, 80)])
        score.tempos = [Tempo(0, float(tempo))]
        assert TOKENIZER.names(TOKENIZER.encode(score)[1:2]) == [f"Tempo_{tempo}"]


@pytest.mark.parametrize(("written", "spoken"), [((2, 2), "4/4"), ((3, 2), "6/4"), ((7, 8), "7/8"), ((1, 1), "4/4")])
def test_half_note_metres_are_spoken_in_quarters(written: tuple[int, int], spoken: str) -> None:
    ids = TOKENIZER.encode(piece_of([(0, 12, 60, 80)], metre=written))
    assert TOKENIZER.names(ids[:1]) == [f"TimeSig_{spoken}"]


def test_an_unknown_metre_is_named() -> None:
    with pytest.raises(MidiError, match="13/8"):
        TOKENIZER.encode(piece_of([(0, 12, 60, 80)], metre=(13, 8)))


def test_long_notes_are_clipped_and_counted_in_every_metre() -> None:
    for metre in ((4, 4), (6, 8), (9, 16)):
        ids, report = TOKENIZER.encode_with_report(piece_of([(0, 400, 60, 80), (0, 288, 64, 80)], metre=metre))
        assert report.clipped_durations == 1
        assert [n[2] for n in notes_of(TOKENIZER.decode(ids))] == [288, 288]


def test_n_bars_means_n_bars() -> None:
    score = piece_of([(0, 24, 60, 80), (96, 24, 62, 80)])
    for n_bars in (1, 2, 7):
        ids = TOKENIZER.encode(score, n_bars=n_bars)
        assert len(TOKENIZER.find_bar_indices(ids)) == n_bars
        assert Grammar(TOKENIZER.vocabulary).first_error(ids[2:]) is None


def test_structural_tokens_are_those_of_no_note() -> None:
    assert TOKENIZER.is_structural_token(TOKENIZER.vocabulary.id("Bar_None"))
    assert not TOKENIZER.is_structural_token(TOKENIZER.vocabulary.id("Pitch_60"))


def test_files_go_through(corpus: Path, tmp_path: Path) -> None:
    ids = TOKENIZER.tokenize_midi(corpus / "mutopia" / "mozart-k453a.mid")
    out = TOKENIZER.detokenize(ids, tmp_path / "again.mid")
    assert np.array_equal(TOKENIZER.tokenize_midi(out), ids)


def test_vocabulary_is_saved_and_a_mismatch_refused(tmp_path: Path) -> None:
    TOKENIZER.save(tmp_path / "tokenizer.json")
    assert PianoTokenizer.load(tmp_path / "tokenizer.json").vocabulary == TOKENIZER.vocabulary
    text = (tmp_path / "tokenizer.json").read_text()
    (tmp_path / "tokenizer.json").write_text(text.replace("Pitch_60", "Pitch_61x"))
    with pytest.raises(VocabularyError, match="damaged"):
        PianoTokenizer.load(tmp_path / "tokenizer.json")
    with pytest.raises(VocabularyError, match="pianomuse prepare"):
        require_same(Vocabulary(("A_1",)).fingerprint, TOKENIZER.vocabulary.fingerprint, "the dataset x")


def test_ids_outside_the_vocabulary_are_refused() -> None:
    with pytest.raises(VocabularyError, match="761"):
        TOKENIZER.vocabulary.token(761)
    with pytest.raises(VocabularyError, match="99999"):
        TOKENIZER.decode([99999])
