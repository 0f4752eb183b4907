"""Telling hands apart, measured on scores whose tracks say who plays; and which track receives which note."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pianomuse.errors import RequestError
from pianomuse.generate.caret import find_caret
from pianomuse.generate.join import PlacedNote
from pianomuse.generate.tracks import assign_tracks, choose_tracks
from pianomuse.midi.hands import split_hands
from pianomuse.midi.read import Piece, read_midi

Make = Callable[..., Piece]

MELODY = [(float(n), 1.0, 72 + n % 5) for n in range(16)]
BASS = [(float(n), 1.0, 43 + n % 5) for n in range(16)]
INNER = [(n + 0.5, 0.5, 60 + n % 3) for n in range(16)]


def columns(piece: Piece) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Onset and duration in quarters, pitch, and whether the file says right, of the notes that it says it of."""
    notes = piece.score.tracks[0].notes.numpy()
    roles = np.array([piece.tracks[i].role for i in piece.track_of_note])
    told = np.isin(roles, ["right", "left"])
    quarter = piece.grid.ticks_per_quarter
    return (
        notes["time"][told] / quarter,
        notes["duration"][told] / quarter,
        notes["pitch"][told],
        roles[told] == "right",
    )


def new(units: int, pitch: int, length: int = 24) -> PlacedNote:
    return PlacedNote(units, length, 16 * 480 + units * 20, 16 * 480 + (units + length) * 20, pitch, 80)


def test_the_rule_names_nine_notes_in_ten_right_and_beats_a_fixed_split(corpus: Path, examples: Path) -> None:
    right = fixed = total = 0
    for path in [*sorted(corpus.rglob("*.mid")), *sorted(examples.glob("*.mid"))]:
        onset, duration, pitch, is_right = columns(read_midi(path))
        if is_right.any() and not is_right.all():
            right += int((split_hands(onset, duration, pitch) == is_right).sum())
            fixed += int(((pitch >= 60) == is_right).sum())
            total += len(pitch)
    assert total > 2500
    assert right / total > 0.90
    assert right > fixed + 0.03 * total


def test_the_order_of_the_notes_does_not_matter() -> None:
    onset, duration, pitch = np.array(MELODY + BASS + INNER).T
    order = np.random.default_rng(1).permutation(len(onset))
    straight = split_hands(onset, duration, pitch)
    assert split_hands(onset[order], duration[order], pitch[order]).tolist() == straight[order].tolist()


def test_known_hands_are_kept_and_guide_their_neighbours() -> None:
    onset, duration, pitch = np.array([*BASS, (16.0, 1.0, 45)]).T
    assert not split_hands(onset, duration, pitch)[-1]
    known = np.array([1] * len(BASS) + [-1])
    assert split_hands(onset, duration, pitch, known).all()


def test_no_notes_have_no_hands() -> None:
    assert split_hands([], [], []).tolist() == []


def test_one_track_receives_everything_and_nothing_is_said(piece_of: Make) -> None:
    piece = piece_of(MELODY)
    routing = choose_tracks(piece, find_caret(piece))
    assert (routing.right, routing.left, routing.sentence) == (0, 0, None)
    assert assign_tracks([new(0, 60), new(0, 40)], piece, find_caret(piece), routing) == [0, 0]


@pytest.mark.parametrize("names", [("RH", "LH"), ("Piano", "Piano"), ("a", "b")])
def test_two_tracks_receive_a_hand_each(piece_of: Make, names: tuple[str, str]) -> None:
    piece = piece_of(MELODY, BASS, names=names)
    caret = find_caret(piece)
    routing = choose_tracks(piece, caret)
    assert (routing.right, routing.left) == (0, 1)
    assert routing.sentence is None
    assert assign_tracks([new(0, 45), new(0, 73), new(24, 44), new(24, 74)], piece, caret, routing) == [1, 0, 1, 0]
    swapped = piece_of(BASS, MELODY, names=names[::-1])
    routing = choose_tracks(swapped, find_caret(swapped))
    assert (routing.right, routing.left) == (1, 0)


def test_a_song_with_piano_keeps_its_melody_track(piece_of: Make) -> None:
    piece = piece_of(MELODY, BASS + INNER, names=("Melody", "Piano"))
    caret = find_caret(piece)
    routing = choose_tracks(piece, caret)
    assert assign_tracks([new(0, 45), new(0, 62), new(0, 73)], piece, caret, routing) == [1, 1, 0]
    silent = piece_of(MELODY[:4], [*BASS, *INNER, *[(n + 16.0, 1.0, 50) for n in range(16)]], names=("Melody", "Piano"))
    caret = find_caret(silent)
    assert assign_tracks([new(0, 45), new(0, 73)], silent, caret, choose_tracks(silent, caret)) == [1, 1]


def test_of_three_tracks_the_busiest_lately_is_chosen_and_said(piece_of: Make) -> None:
    early = [(n / 4, 0.25, 65) for n in range(40)]
    piece = piece_of(early, [(n + 32.0, 1.0, 70) for n in range(16)], [(n + 32.0, 2.0, 50) for n in range(0, 16, 2)])
    caret = find_caret(piece)
    routing = choose_tracks(piece, caret)
    assert routing.right == routing.left == 1
    assert "track 2" in routing.sentence
    assert "--tracks" in routing.sentence


def test_tracks_are_chosen_by_number_or_name(piece_of: Make) -> None:
    piece = piece_of(MELODY, BASS, INNER, names=("Top", "Low", "Mid"))
    caret = find_caret(piece)
    assert choose_tracks(piece, caret, ["3"]).right == 2
    assert choose_tracks(piece, caret, ["mid"]).left == 2
    both = choose_tracks(piece, caret, ["2", "Top"])
    assert (both.right, both.left) == (0, 1)
    assert both.sentence == "Right hand to track 1 (Top), left hand to track 2 (Low)."


@pytest.mark.parametrize("wanted", [["4"], ["0"], ["Flute"], ["1", "1"], ["1", "2", "3"]])
def test_tracks_that_are_not_there_are_refused(piece_of: Make, wanted: list[str]) -> None:
    piece = piece_of(MELODY, BASS, INNER, names=("Top", "Low", "Mid"))
    with pytest.raises(RequestError, match="--tracks"):
        choose_tracks(piece, find_caret(piece), wanted)


def test_other_instruments_receive_nothing(piece_of: Make) -> None:
    piece = piece_of(MELODY, BASS, programs=(40, 0), names=("Violin", "Piano"))
    routing = choose_tracks(piece, find_caret(piece))
    assert routing.right == routing.left == 1
    with pytest.raises(RequestError):
        choose_tracks(piece, find_caret(piece), ["Violin"])
