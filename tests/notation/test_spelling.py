"""Notes have the names a musician expects."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.notation.sheets import read, score_of

from pianomuse.notation.spelling import Key, key_of

C_MAJOR = (0, 2, 4, 5, 7, 9, 11, 12)
A_MINOR_HARMONIC = (0, 2, 3, 5, 7, 8, 11, 12)


def names(pitches: Sequence[int | tuple[int, ...]], sharps: int | None) -> str:
    """Name a line of eighths, octaves left out; tuples are chords."""
    rows = [
        (index / 2, 0.5, pitch)
        for index, here in enumerate(pitches)
        for pitch in (here if isinstance(here, tuple) else (here,))
    ]
    return " ".join(name[:-1] for _, name in read(score_of(rows, sharps=sharps)).names)


@pytest.mark.parametrize(
    ("pitches", "sharps", "expected"),
    [
        ([69 + step for step in A_MINOR_HARMONIC], None, "A B C D E F G# A"),
        ([57, 59, 60, 62, 64, 66, 68, 69], 0, "A B C D E F# G# A"),
        ([67 + step for step in C_MAJOR], None, "G A B C D E F# G"),
        ([65 + step for step in C_MAJOR], None, "F G A Bb C D E F"),
        ([60 + step for step in A_MINOR_HARMONIC], -3, "C D Eb F G Ab B C"),
        ([61 + step for step in C_MAJOR], -5, "Db Eb F Gb Ab Bb C Db"),
        ([61 + step for step in C_MAJOR], 7, "C# D# E# F# G# A# B# C#"),
        (list(range(60, 73)), 0, "C C# D D# E F F# G G# A A# B C"),
        (list(range(72, 59, -1)), 0, "C B Bb A Ab G Gb F E Eb D Db C"),
        ([76, 75, 76, 75, 76, 71, 74, 72, 69], 0, "E D# E D# E B D C A"),
        ([67, 64, 63, 62, 60], 0, "G E Eb D C"),
    ],
)
def test_scales_and_lines(pitches: list[int], sharps: int | None, expected: str) -> None:
    assert names(pitches, sharps) == expected


@pytest.mark.parametrize(
    ("chord", "after", "expected"),
    [
        ((52, 56, 59, 62), (57, 60, 64), "E G# B D"),  # the dominant of A minor
        ((53, 56, 60), (52, 55, 60), "F Ab C"),  # the minor subdominant
        ((50, 54, 57, 60), (55, 59, 62), "D F# A C"),
        ((48, 52, 55, 58), (53, 57, 60), "C E G Bb"),
    ],
)
def test_a_chord_of_c_major_is_stacked_in_thirds(chord: tuple[int, ...], after: tuple[int, ...], expected: str) -> None:
    home: list[int | tuple[int, ...]] = [(48, 55, 60, 64)] * 4
    found = names([*home, chord, after, *home], 0).split()
    assert sorted(found[16 : 16 + len(chord)]) == sorted(expected.split())


@pytest.mark.parametrize(
    ("tonic", "steps", "key"),
    [
        (60, C_MAJOR, Key(0, False)),
        (69, A_MINOR_HARMONIC, Key(0, True)),
        (66, C_MAJOR, Key(6, False)),
        (61, C_MAJOR, Key(-5, False)),
        (65, A_MINOR_HARMONIC, Key(-4, True)),
        (68, A_MINOR_HARMONIC, Key(5, True)),
    ],
)
def test_a_key_is_estimated_where_the_file_has_none(tonic: int, steps: tuple[int, ...], key: Key) -> None:
    pitches = [tonic + step for step in (*steps, 0, 4 - key.is_minor, 7, 0)]
    assert key_of(pitches, [1] * len(pitches), None) == key


def test_a_signature_of_the_file_is_kept_and_its_mode_is_heard() -> None:
    pitches = [69 + step for step in (*A_MINOR_HARMONIC, 0, 3, 7)]
    assert key_of(pitches, [1] * len(pitches), 0) == Key(0, True)
    assert key_of([62 + step for step in C_MAJOR], [1] * 8, 2) == Key(2, False)


def test_an_idle_signature_is_not_believed() -> None:
    pitches = [64 + step for step in (*C_MAJOR, 0, 4, 7)]
    assert key_of(pitches, [1] * len(pitches), 0) == Key(4, False)


def test_accidentals_hold_for_a_bar_and_are_taken_back() -> None:
    rows = [(0, 1, 66), (1, 0.5, 66), (1.5, 0.5, 67), (2, 1, 65), (3, 0.5, 64), (3.5, 0.5, 66), (4, 1, 66), (5, 3, 67)]
    back = read(score_of(rows, sharps=0))
    assert [(float(at), sign) for at, sign in back.accidentals] == [
        (0.0, "sharp"),
        (2.0, "natural"),
        (3.5, "sharp"),
        (4.0, "sharp"),
    ]


def test_a_note_tied_over_the_bar_line_needs_no_second_accidental() -> None:
    back = read(score_of([(0, 3, 67), (3, 2, 66), (5, 1, 66), (6, 2, 67)], sharps=0))
    assert [(float(at), sign) for at, sign in back.accidentals] == [(3.0, "sharp"), (5.0, "sharp")]
