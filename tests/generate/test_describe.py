"""Ideas in words: they say what can be heard, and never a probability."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pianomuse.generate.caret import find_caret
from pianomuse.generate.describe import chord_name, describe_idea
from pianomuse.generate.join import PlacedNote
from pianomuse.generate.key import HeardKey, heard_key
from pianomuse.generate.plan import Plan
from pianomuse.generate.side import SideReader
from pianomuse.generate.tempo import idea_tempo
from pianomuse.midi.read import Piece
from pianomuse.tokens.tokenizer import PianoTokenizer

Make = Callable[..., Piece]
Real = Callable[[str], Piece]

TOKENIZER = PianoTokenizer()
C_MAJOR, A_MINOR = HeardKey(0, is_guess=False), HeardKey(21, is_guess=False)
BARS = ((0, 4, 7, 4), (0, 5, 9, 5), (2, 5, 7, 11), (4, 7, 12, 7))  # semitones above C, one row a bar


def tune(*bars: tuple[int, ...], low: int = 60) -> list[tuple[float, float, int]]:
    return [(4.0 * b + beat, 1.0, low + step) for b, row in enumerate(bars) for beat, step in enumerate(row)]


def words(piece: Piece, idea: list[tuple[float, float, int]], key: HeardKey | None = None) -> tuple[str, str, str]:
    """Describe notes in quarters from the caret."""
    caret = find_caret(piece, bars=4)
    plan = Plan(TOKENIZER.vocabulary, caret.metres)
    before = SideReader(piece, TOKENIZER).before(caret, idea_tempo(piece, caret), 512, 32_768)
    notes = [
        PlacedNote(
            round(on * 24),
            round(length * 24),
            caret.tick + round(on * 480),
            caret.tick + round((on + length) * 480),
            p,
            80,
        )
        for on, length, p in idea
    ]
    found = describe_idea(notes, plan, caret, before, key or heard_key(piece, caret.tick))
    return found.reason, found.range, found.ending


@pytest.fixture
def piece(piece_of: Make) -> Piece:
    return piece_of(tune(*BARS, *BARS[:2]), key="C")


def test_an_idea_that_plays_a_bar_again_says_which(piece: Piece) -> None:
    reason, span, _ = words(piece, tune(BARS[2], BARS[2], BARS[3], BARS[2]))
    assert reason == "repeats bar 3"
    assert span == "D4–C5"


def test_the_same_material_stays_close(piece: Piece) -> None:
    assert words(piece, tune((4, 0, 7, 5), (9, 5, 0, 4), (7, 4, 5, 2), (11, 7, 4, 0)))[0] == "stays close"


def test_other_harmony_is_bolder(piece: Piece) -> None:
    guess = HeardKey(0, is_guess=True)
    assert words(piece, tune((1, 6, 10, 6), (3, 8, 10, 8), (1, 6, 8, 10), (3, 6, 10, 1)), guess)[0] == "bolder"


def test_a_wide_leap_is_named_with_its_bar(piece: Piece) -> None:
    leaping = tune((4, 0, 7, 5), (9, 5, 0, 4), (7, 4, 29, 26), (28, 24, 26, 24))
    assert words(piece, leaping)[0] == "bold leap in bar 9"


def test_leaving_a_given_key_is_said_and_a_guessed_key_says_nothing(piece: Piece) -> None:
    foreign = tune((4, 0, 7, 5), (9, 5, 0, 4), (6, 1, 8, 3), (11, 7, 4, 0))
    assert words(piece, foreign, C_MAJOR)[0] == "leaves the key in bar 9"
    assert "key" not in words(piece, foreign, HeardKey(0, is_guess=True))[0]


def test_fuller_and_sparser(piece: Piece) -> None:
    full = [(n / 2, 0.5, 60 + (0, 2, 4, 5, 7, 9, 11, 12)[(n * 3) % 8]) for n in range(32)]
    assert words(piece, full)[0] == "fuller"
    assert words(piece, full[::6])[0] == "sparser"


def test_register(piece: Piece) -> None:
    assert (
        words(piece, tune((7, 12, 16, 14), (12, 16, 21, 16), (14, 17, 19, 23), (16, 19, 24, 19)))[0] == "reaches higher"
    )
    assert words(piece, tune((0, -5, -8, -3), (0, -7, -12, -7), (2, -1, -5, 2), (4, 0, -5, 0)))[0] == "goes lower"


@pytest.mark.parametrize(
    ("pitches", "name", "key"),
    [
        ([45, 60, 64], "Am", A_MINOR),
        ([40, 56, 62, 71], "E7", A_MINOR),
        ([48, 64, 67, 71], "Cmaj7", C_MAJOR),
        ([52, 60, 67], "C/E", C_MAJOR),
        ([59, 62, 65], "Bdim", C_MAJOR),
        ([60, 65, 67], "Csus4", C_MAJOR),
        ([58, 62, 65], "B♭", HeardKey(5, is_guess=False)),
        ([64], "E", C_MAJOR),
        ([57, 60], "Am", A_MINOR),
        ([48, 60, 67], "C", C_MAJOR),
    ],
)
def test_chords_are_named(pitches: list[int], name: str, key: HeardKey) -> None:
    assert chord_name(pitches, key) == name


def test_endings_are_closed_on_the_tonic_and_open_elsewhere(piece: Piece) -> None:
    body = tune((4, 0, 7, 5), (9, 5, 0, 4), (7, 4, 5, 2))
    closing = [(12.0, 4.0, 48), (12.0, 4.0, 64), (12.0, 4.0, 67)]
    assert words(piece, body + closing, C_MAJOR)[2] == "ends closed (on C)"
    half = [(12.0, 4.0, 43), (12.0, 4.0, 62), (12.0, 4.0, 65), (12.0, 4.0, 71)]
    assert words(piece, body + half, C_MAJOR)[2] == "ends open (on G7)"
    assert words(piece, body + closing, A_MINOR)[2] == "ends open (on C)"
    assert words(piece, [*body, (12.0, 4.0, 60)], C_MAJOR)[2] == "ends closed (on C)"
    assert words(piece, [*body, (12.0, 4.0, 52), (12.0, 4.0, 60)], C_MAJOR)[2] == "ends open (on E)"


def test_real_bars_played_again_are_recognised(real: Real) -> None:
    real_piece = real("finished-phrase")
    quarter = real_piece.grid.ticks_per_quarter
    again = [
        (n.time / quarter, n.duration / quarter, n.pitch)
        for n in real_piece.score.tracks[0].notes
        if n.time < real_piece.grid.starts[4]
    ]
    assert words(real_piece, again)[0] == "repeats bar 1"


def test_an_empty_idea_rests(piece: Piece) -> None:
    assert words(piece, []) == ("rests", "no notes", "ends on a rest")
