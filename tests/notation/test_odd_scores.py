"""Scores nobody would write are written all the same: any resolution, metre changes anywhere, keys held and struck."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from symusic import KeySignature, Note, Pedal, Score, Tempo, TimeSignature, Track
from tests.notation.musicxml_reader import read_back
from tests.notation.sheets import QUARTER, read, score_of

from pianomuse.midi.bars import bar_grid
from pianomuse.notation.measures import UNITS, measures
from pianomuse.notation.musicxml import musicxml
from pianomuse.notation.rhythm import written_notes
from pianomuse.notation.sheet import lay_out
from pianomuse.notation.staves import LEFT, RIGHT

QUARTERS = (1, 4, 12, 24, 48, 96, 120, 192, 220, 384, 480, 960, 1024)
PARTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 24, 32)


def odd_score(seed: int) -> Score:
    """Make eight quarters of two hands; half of the scores lie on no grid at all."""
    chance = random.Random(seed)
    quarter = chance.choice(QUARTERS)
    end = 8 * quarter
    score = Score(quarter)
    is_loose = chance.random() < 0.5
    for name in (RIGHT, LEFT):
        track = Track(name, 0, False, ttype="tick")
        for _ in range(chance.randint(1, 40)):
            n = chance.choice(PARTS)
            onset = chance.randint(0, end) if is_loose else round(chance.randint(0, 8 * n) * quarter / n)
            length = chance.randint(1, 2 * quarter) if is_loose else round(chance.randint(1, 2 * n) * quarter / n)
            pitch = chance.choice((21, 60, 61, 62, 108)) if chance.random() < 0.5 else chance.randint(40, 90)
            track.notes.append(Note(onset, max(length, 1), pitch, chance.randint(1, 127), ttype="tick"))
        score.tracks.append(track)
    for _ in range(chance.randint(0, 4)):
        metre = chance.randint(1, 13), chance.choice((2, 4, 8, 16, 32, 64))
        score.time_signatures.append(TimeSignature(chance.randint(0, end), *metre, ttype="tick"))
    for _ in range(3):
        score.key_signatures.append(KeySignature(chance.randint(0, end), chance.randint(-7, 7), 0, ttype="tick"))
        score.tempos.append(Tempo(chance.randint(0, end), chance.uniform(20, 400), ttype="tick"))
        score.tracks[-1].pedals.append(Pedal(chance.randint(0, end), chance.randint(1, 2 * quarter), ttype="tick"))
    return score


@pytest.mark.parametrize("seed", [*range(12), 22, 29, 37, 64, 68])
def test_any_score_comes_back(seed: int) -> None:
    score = odd_score(seed)
    grid = bar_grid(score)
    sheet = lay_out(score, grid, is_played=seed % 3 == 0)
    back = read_back(musicxml(sheet))
    begin = sheet.measures[0].start
    expected = [
        ("P1", staff, note.pitch, Fraction(note.onset - begin, UNITS), Fraction(note.end - note.onset, UNITS))
        for staff, track in enumerate(score.tracks, 1)
        for note in written_notes(track, measures(grid), is_played=sheet.is_approximate)
    ]
    assert back.faults == []
    assert back.notes == sorted(expected)
    assert len(back.bars) == grid.n_bars


def test_a_last_bar_longer_than_the_metre_before_gets_its_own() -> None:
    score = score_of([(quarter, 1, 60 + quarter) for quarter in range(10)])
    score.time_signatures.clear()
    for quarter, metre in ((0, (1, 4)), (1, (4, 4)), (5, (2, 4)), (7, (3, 4))):
        score.time_signatures.append(TimeSignature(quarter * QUARTER, *metre, ttype="tick"))
    back = read(score)
    assert back.faults == []
    assert back.bars == [("0", 1), ("1", 4), ("2", 2), ("3", 3)]
    assert back.metres == {"0": (4, 4), "2": (2, 4), "3": (3, 4)}


def test_a_bar_cut_for_an_upbeat_keeps_its_metre() -> None:
    score = score_of([(eighth / 2, 0.5, 60 + eighth) for eighth in range(12)])
    score.time_signatures.clear()
    for eighth, metre in ((0, (3, 8)), (3, (2, 8)), (5, (1, 8)), (6, (3, 8))):
        score.time_signatures.append(TimeSignature(eighth * QUARTER // 2, *metre, ttype="tick"))
    back = read(score)
    assert back.faults == []
    assert [length for _, length in back.bars] == [Fraction(n, 2) for n in (3, 2, 1, 3, 3)]
    assert back.metres == {"1": (3, 8)}


def test_a_key_struck_a_third_time_while_held_ends_the_first() -> None:
    back = read(score_of([(0, 4, 60), (1, 3, 60), (2, 2, 60), (0, 4, 64), (0, 3, 67)]))
    assert back.faults == []
    held = [(float(onset), float(length)) for _, _, pitch, onset, length in back.notes if pitch == 60]
    assert held == [(0.0, 2.0), (1.0, 3.0), (2.0, 2.0)]
