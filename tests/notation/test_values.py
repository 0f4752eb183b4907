"""Note values, ties, tuplets, rests and beams are those of a printed page."""

from __future__ import annotations

from fractions import Fraction

import pytest
from tests.notation.sheets import Row, read, score_of

from pianomuse.notation.measures import UNITS
from pianomuse.notation.metre import choose_groups, possible_groups

THIRD = Fraction(1, 3)


def line(*durations: float | Fraction) -> list[Row]:
    """Make a line of notes end to end; a negative duration is a rest."""
    rows: list[Row] = []
    at = Fraction(0)
    for duration in durations:
        if duration > 0:
            rows.append((at, duration, 60 + len(rows)))
        at += abs(Fraction(duration))
    return rows


def values(rows: list[Row], metre: tuple[int, int] = (4, 4)) -> str:
    """Return the values printed on the upper staff."""
    back = read(score_of(rows, metre=metre))
    assert back.faults == []
    short = {"whole": "1", "half": "2", "quarter": "4", "eighth": "8", "16th": "16", "32nd": "32"}
    found, total = [], Fraction(0)
    upper = sum(length for _, length in back.bars)
    for length, kind, what in back.values:
        if total < upper:
            name = kind.rstrip(".")
            found.append(("r" if what == "r" else "") + short[name] + kind[len(name) :])
        total += length
    return " ".join(found)


@pytest.mark.parametrize(
    ("rows", "metre", "expected"),
    [
        (line(0.5, 1, 0.5, 1.5, 0.5), (4, 4), "8 4 8 4. 8"),
        (line(1.5, 1, 1.5), (4, 4), "4. 8 8 4."),  # the middle of the bar is shown
        (line(1, 2, 1), (4, 4), "4 2 4"),
        (line(3.5, 0.5), (4, 4), "2.. 8"),
        (line(2.5, 0.5), (3, 4), "2 8 8"),
        (line(1, 0.5, 0.5, 1), (6, 8), "4 8 8 4"),
        (line(0.75, 0.25, 0.5, 1.5), (6, 8), "8. 16 8 4."),
        (line(1, 1, 1), (6, 8), "4 8 8 4"),
        (line(5), (5, 4), "2. 2"),
        (line(3.5), (7, 8), "4 4 4."),
        (line(1, -1, 2), (4, 4), "4 r4 2"),
        (line(1, -1.5, 0.5, 1), (4, 4), "4 r4 r8 8 4"),
        (line(-1, 0.5, 1.5), (6, 8), "r4 8 4."),
        (line(*[THIRD] * 6, 2), (4, 4), "8 8 8 8 8 8 2"),
        (line(*[2 * THIRD] * 3, 2), (4, 4), "4 4 4 2"),
        (line(*[2 * THIRD] * 3, 1), (3, 4), "4 4 4 4"),
        (line(2 * THIRD, THIRD, 3), (4, 4), "4 8 2."),
        (line(*[Fraction(1, 6)] * 6, 3), (4, 4), "16 16 16 16 16 16 2."),
        (line(*[Fraction(1, 5)] * 5, 3), (4, 4), "16 16 16 16 16 2."),
        (line(0.25, 0.25, *[Fraction(1, 6)] * 3, 3), (4, 4), "16 16 16 16 16 2."),
    ],
)
def test_lengths_are_written_as_a_musician_writes_them(rows: list[Row], metre: tuple[int, int], expected: str) -> None:
    assert values(rows, metre) == expected


def test_a_bar_of_rest_is_one_rest() -> None:
    back = read(score_of([(0, 3.5, 60)], metre=(7, 8)))
    assert [value for value in back.values if value[2] == "r"] == []  # a whole bar's rest has no value


def test_a_held_bass_is_a_second_voice() -> None:
    back = read(score_of([], [(0, 4, 36), (1, 1, 48), (2, 1, 52), (3, 1, 48)]))
    assert back.faults == []
    assert [(float(length), kind) for length, kind, what in back.values if what == "n"] == [
        *[(1.0, "quarter")] * 3,
        (4.0, "whole"),
    ]


def test_notes_of_one_chord_that_end_apart_are_all_whole() -> None:
    rows: list[Row] = [(0, 4, 60), (0, 3, 64), (0, 2, 67), (0, 1, 72), (0, 0.5, 76), (0, 1.5, 79)]
    back = read(score_of(rows))
    assert back.faults == []
    assert {(pitch, float(length)) for _, _, pitch, _, length in back.notes} == {(p, float(d)) for _, d, p in rows}


@pytest.mark.parametrize(
    ("rows", "metre", "n_groups"),
    [
        (line(*[0.5] * 8), (4, 4), 2),
        (line(*[0.25] * 16), (4, 4), 4),
        (line(*[0.5] * 6), (6, 8), 2),
        (line(*[0.5] * 6), (3, 4), 1),
        (line(*[0.5] * 7), (7, 8), 3),
        (line(*[0.5] * 8), (2, 2), 2),
        (line(0.5, 0.5, -0.5, 0.5, 2), (4, 4), 1),
    ],
)
def test_beams_follow_the_metre(rows: list[Row], metre: tuple[int, int], n_groups: int) -> None:
    beams = [beam[0] for _, beam in read(score_of(rows, metre=metre)).beams]
    assert (beams.count("begin"), beams.count("end")) == (n_groups, n_groups)


def test_a_short_note_after_a_dotted_one_has_a_hook() -> None:
    beams = [beam for _, beam in read(score_of(line(0.75, 0.25, 3))).beams]
    assert beams == [("begin",), ("end", "backward hook")]


def test_odd_metres_are_grouped_as_they_are_played() -> None:
    assert possible_groups((7, 8)) == [(2, 2, 3), (3, 2, 2), (2, 3, 2)]
    eighth = UNITS // 2
    assert choose_groups((7, 8), [0, 3 * eighth, 5 * eighth]) == (3, 2, 2)
    assert choose_groups((5, 4), [0, 2 * UNITS]) == (2, 3)
    assert possible_groups((6, 8)) == []
    assert len(possible_groups((253, 64))) == 126  # a metre a file may have must not take for ever


def test_a_very_short_note_before_another_is_a_grace_note() -> None:
    back = read(score_of([(0, 0.93, 60), (0.93, 0.07, 71), (1, 1, 72), (2, 2, 67)]))
    graces = [(pitch, float(onset)) for _, _, pitch, onset, length in back.notes if length == 0]
    assert graces == [(71, 1.0)]
    assert {(pitch, float(length)) for _, _, pitch, _, length in back.notes} >= {(60, 1.0), (72, 1.0), (67, 2.0)}


def test_a_file_that_plays_notes_a_little_short_reads_as_legato() -> None:
    rows: list[Row] = [(beat / 2, 0.46, 60 + beat) for beat in range(7)]
    assert values([*rows, (3.5, 0.5, 72)]) == "8 8 8 8 8 8 8 8"


def test_staccato_that_is_written_stays() -> None:
    assert values(line(0.25, -0.75, 0.25, -0.75, 2)) == "16 r16 r8 16 r16 r8 2"


def test_tempo_counts_dotted_quarters_in_six_eight() -> None:
    assert read(score_of(line(1.5, 1.5), metre=(6, 8), qpm=90)).metronomes == [(0, "quarter.", 60)]
    assert read(score_of(line(2, 2), metre=(2, 2), qpm=120)).metronomes == [(0, "half", 60)]


def test_pedals_are_pressed_changed_and_lifted() -> None:
    back = read(score_of(line(1, 1, 1, 1), pedals=[(0, 1.5), (1.5, 1), (3, 1)]))
    marks = [(float(at), what) for at, what in back.pedals]
    assert marks == [(0.0, "start"), (1.5, "change"), (2.5, "stop"), (3.0, "start"), (4.0, "stop")]
