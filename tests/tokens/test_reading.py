"""What is read out of ids and off played notes: notes, voices, density, key, musical position."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from symusic import Note, Score

from pianomuse.midi.keys import key_of_signature, key_scores
from pianomuse.midi.read import read_midi
from pianomuse.tokens.notes import (
    density_bin,
    key_token,
    n_voices,
    read_notes,
)
from pianomuse.tokens.quantise import quantise
from pianomuse.tokens.snap import is_played, snap, snap_onsets
from pianomuse.tokens.tokenizer import PianoTokenizer

TOKENIZER = PianoTokenizer()


def test_notes_read_from_ids_are_the_notes_of_the_file(corpus: Path) -> None:
    for path in sorted(corpus.rglob("*.mid")):
        score = read_midi(path).score
        found = read_notes(TOKENIZER.encode(score), TOKENIZER.vocabulary)
        expected = quantise(score)[0].tracks[0].notes.numpy()
        order = np.lexsort((expected["pitch"], expected["time"]))
        assert np.array_equal(found.onset, expected["time"][order]), path.name
        assert np.array_equal(found.pitch, expected["pitch"][order]), path.name
        assert np.array_equal(found.duration, expected["duration"][order]), path.name
        assert np.array_equal(found.velocity, expected["velocity"][order]), path.name


def test_voices_and_density(corpus: Path, examples: Path) -> None:
    line = read_notes(TOKENIZER.tokenize_midi(examples / "right-hand.mid"), TOKENIZER.vocabulary)
    invention = read_notes(TOKENIZER.tokenize_midi(corpus / "mutopia" / "bach-invention-10.mid"), TOKENIZER.vocabulary)
    promenade = read_notes(
        TOKENIZER.tokenize_midi(corpus / "mutopia" / "mussorgsky-promenade.mid"), TOKENIZER.vocabulary
    )
    assert n_voices(line) <= 2
    assert n_voices(line) <= n_voices(invention) < n_voices(promenade)
    assert [density_bin(n, 4.0) for n in (0, 1, 2, 4, 8, 12, 16, 24, 100)] == [0, 0, 1, 2, 4, 5, 6, 7, 7]


@pytest.mark.parametrize(
    ("name", "sharps", "key"),
    [("mozart-k453a", -3, "Key_Cm"), ("bach-bwv691", 0, "Key_Am"), ("bach-invention-10", 1, "Key_G")],
)
def test_a_signature_is_told_from_its_relative_minor_by_the_notes(
    corpus: Path, name: str, sharps: int, key: str
) -> None:
    notes = read_notes(TOKENIZER.tokenize_midi(corpus / "mutopia" / f"{name}.mid"), TOKENIZER.vocabulary)
    assert key_token(key_of_signature(sharps, key_scores(notes.pitch, notes.duration))) == key


def test_written_music_is_left_alone(corpus: Path) -> None:
    for path in sorted(corpus.rglob("*.mid")):
        score = read_midi(path).score
        assert not is_played(score), path.name
        assert TOKENIZER.musical(score) is score


def played(score: Score, spread: float, seed: int) -> Score:
    """Return the score as somebody with this spread (grid units) would play it to a click."""
    rng = np.random.default_rng(seed)
    out = score.copy()
    notes = out.tracks[0].notes.numpy()
    lateness = rng.normal(0, spread, len(notes["time"])) * out.ticks_per_quarter / 24
    notes["time"] = np.maximum(notes["time"] + np.round(lateness), 0).astype(np.int32)
    out.tracks[0].notes = Note.from_numpy(**notes)
    return out


def test_played_notes_are_read_at_their_musical_position(corpus: Path) -> None:
    right = total = 0
    for seed, name in enumerate(("mozart-k453a", "bach-invention-10", "czerny-op821-no1", "czerny-op821-no14")):
        score = read_midi(corpus / "mutopia" / f"{name}.mid").score
        performance = played(score, 0.7, seed)
        assert is_played(performance), name
        want = score.tracks[0].notes.numpy()["time"]
        right += int((snap(performance).tracks[0].notes.numpy()["time"] == want).sum())
        total += len(want)
    assert right / total > 0.88  # 0.90 in these pieces; grace notes are most of the rest


def test_snapping_keeps_triplets_and_swing_apart_from_sixteenths() -> None:
    straight = np.array([0.5, 6.3, 11.8, 18.2])
    triplets = np.array([-0.3, 8.4, 15.7])
    assert snap_onsets(straight).tolist() == [0, 6, 12, 18]
    assert snap_onsets(triplets).tolist() == [0, 8, 16]
    assert snap_onsets(np.array([24.2, 39.7])).tolist() == [24, 40]
