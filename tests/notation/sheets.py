"""Scores and files as sheets, and what they must say, worked out without the writer."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from symusic import KeySignature, Note, Pedal, Score, Tempo, TimeSignature, Track
from tests.notation.musicxml_reader import ReadBack, read_back

from pianomuse.midi.bars import bar_grid
from pianomuse.notation.musicxml import musicxml
from pianomuse.notation.sheet import Sheet, lay_out
from pianomuse.notation.staves import LEFT, RIGHT

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((*ROOT.glob("tests/corpus/*/*.mid"), *ROOT.glob("tests/files/*.mid"), *ROOT.glob("examples/*.mid")))
QUARTER = 480

Row = tuple[float | Fraction, float | Fraction, int]
"""Onset and duration in quarters, pitch."""


def score_of(
    right: Sequence[Row],
    left: Sequence[Row] = (),
    *,
    metre: tuple[int, int] = (4, 4),
    sharps: int | None = None,
    qpm: float = 120.0,
    pedals: Sequence[tuple[float, float]] = (),
    quarter: int = QUARTER,
) -> Score:
    """Make a score with a right and a left hand."""
    score = Score(quarter)
    for name, rows in ((RIGHT, right), (LEFT, left)):
        track = Track(name, 0, False, ttype="tick")
        for onset, duration, pitch in rows:
            start = round(onset * quarter)
            track.notes.append(Note(start, round((onset + duration) * quarter) - start, pitch, 80, ttype="tick"))
        score.tracks.append(track)
    for onset, duration in pedals:
        score.tracks[-1].pedals.append(Pedal(round(onset * quarter), round(duration * quarter), ttype="tick"))
    score.time_signatures.append(TimeSignature(0, *metre, ttype="tick"))
    score.tempos.append(Tempo(0, qpm, ttype="tick"))
    if sharps is not None:
        score.key_signatures.append(KeySignature(0, sharps, 0, ttype="tick"))
    return score


def sheet(score: Score) -> Sheet:
    return lay_out(score, bar_grid(score))


def read(score: Score) -> ReadBack:
    """Write a score and read it back."""
    return read_back(musicxml(sheet(score)))
