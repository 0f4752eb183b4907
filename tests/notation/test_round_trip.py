"""What is written says exactly what it was made from: same notes, same bars, bars that add up."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.notation.musicxml_reader import Heard, read_back
from tests.notation.sheets import FILES, QUARTER, Row, read, score_of, sheet

from pianomuse.midi.read import read_midi
from pianomuse.notation.measures import UNITS, measures
from pianomuse.notation.musicxml import musicxml
from pianomuse.notation.rhythm import written_notes
from pianomuse.notation.staves import VOICE, staves
from pianomuse.render.sheet import sheet_of
from pianomuse.tokens.snap import is_played, snap

METRES = [
    (2, 4),
    (3, 4),
    (4, 4),
    (2, 2),
    (3, 2),
    (5, 4),
    (6, 4),
    (3, 8),
    (5, 8),
    (6, 8),
    (7, 8),
    (9, 8),
    (12, 8),
    (6, 16),
]


def expected_notes(path: Path) -> list[Heard]:
    """Notes of each staff as the rhythm was understood, in quarters from the first bar on the page."""
    piece = read_midi(path)
    score = staves(piece)
    played = is_played(score)
    score = snap(score) if played else score
    has_voice = score.tracks[0].name == VOICE
    notes = []
    for index, track in enumerate(score.tracks):
        part, staff = ("P1", 1) if has_voice and index == 0 else (f"P{1 + has_voice}", index + 1 - has_voice)
        for note in written_notes(track, measures(piece.grid), is_played=played):
            onset, end = Fraction(note.onset, UNITS), Fraction(note.end, UNITS)
            notes.append((part, staff, note.pitch, onset, end - onset))
    return notes


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_comes_back_with_the_same_notes_and_bars(path: Path) -> None:
    piece = read_midi(path)
    page = sheet_of(piece)
    back = read_back(musicxml(page))
    assert back.faults == []
    begin = Fraction(page.measures[0].start, UNITS)
    assert back.notes == sorted((p, s, pitch, at - begin, length) for p, s, pitch, at, length in expected_notes(path))
    assert len(back.bars) == piece.grid.n_bars
    assert [length for _, length in back.bars][1:] == [Fraction(4 * n, d) for n, d in piece.grid.metres][1:]
    assert [number for number, _ in back.bars] == [
        str(index + (0 if piece.grid.pickup_ticks else 1)) for index in range(piece.grid.n_bars)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_score_is_written_as_it_is(path: Path) -> None:
    """Whatever lies on 32nds and triplets in the file is written there to the tick; only ornaments may differ."""
    piece = read_midi(path)
    score = staves(piece)
    if is_played(score):
        pytest.skip("a performance")
    for track in score.tracks:
        columns = track.notes.numpy()
        file = zip(columns["pitch"].tolist(), columns["time"].tolist(), columns["duration"].tolist(), strict=True)
        plain = {(p, t, d) for p, t, d in file if _is_plain(t) and _is_plain(t + d)}
        notes = written_notes(track, measures(piece.grid))
        page = {(n.pitch, n.onset * QUARTER / UNITS, (n.end - n.onset) * QUARTER / UNITS) for n in notes}
        assert len(notes) == len(columns["time"])
        assert len(plain - page) <= sum(note.is_grace for note in notes)


def _is_plain(tick: int) -> bool:
    return tick % (QUARTER // 8) == 0 or tick % (QUARTER // 12) == 0


@st.composite
def rows(draw: st.DrawFn, length: Fraction) -> list[tuple[Fraction, Fraction, int]]:
    """Notes on 32nds, triplets, fifths and sevenths, beat by beat; they may overlap, but not on one key."""
    grids = st.sampled_from([Fraction(1, n) for n in (1, 2, 4, 8, 3, 6, 12, 5, 7)])
    found: dict[tuple[Fraction, int], Fraction] = {}
    busy: dict[int, Fraction] = {}
    beat = Fraction(0)
    while beat < length:
        grid = draw(grids)
        for place in sorted(draw(st.lists(st.integers(0, int(1 / grid) - 1), max_size=5, unique=True))):
            onset = beat + place * grid
            for pitch in draw(st.lists(st.integers(48, 84), min_size=1, max_size=3, unique=True)):
                steps = draw(st.integers(1, 2 * int(1 / grid)))
                to_beat = draw(st.booleans())
                end = beat + draw(st.integers(1, 4)) if to_beat else min(onset + steps * grid, beat + 1)
                if end > onset and busy.get(pitch, Fraction(0)) <= onset and end <= length:
                    found[onset, pitch] = end - onset
                    busy[pitch] = end
        beat += 1
    return [(onset, duration, pitch) for (onset, pitch), duration in found.items()]


@given(data=st.data(), metre=st.sampled_from(METRES), n_bars=st.integers(1, 3))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_any_rhythm_in_any_metre_comes_back(data: st.DataObject, metre: tuple[int, int], n_bars: int) -> None:
    unit = Fraction(4, max(metre[1], 4))
    n_units = n_bars * metre[0] * max(metre[1], 4) // metre[1]
    scaled = [[(o * unit, d * unit, p) for o, d, p in data.draw(rows(Fraction(n_units)))] for _ in range(2)]
    right, left = scaled
    if not right and not left:
        return
    score = score_of(right, left, metre=metre, quarter=6720)  # 6720 ticks hold every place exactly
    back = read(score)
    assert back.faults == []
    # a bar of rest that is a pickup is not written: compare from the first note
    first = min(onset for onset, _, _ in right + left)
    heard_first = min(onset for _, _, _, onset, _ in back.notes)
    expected = [("P1", 1, p, o, d) for o, d, p in right] + [("P1", 2, p, o, d) for o, d, p in left]
    assert back.notes == sorted((part, s, p, o - first + heard_first, d) for part, s, p, o, d in expected)


def test_what_cannot_be_written_is_counted() -> None:
    rows: list[Row] = [(0, 1, 60), (1, 1, 11), (2, 0.0021, 60), (2.0021, 1, 60)]
    page = sheet(score_of(rows))
    assert page.n_left_out == 2
    assert [pitch for _, _, pitch, _, _ in read_back(musicxml(page)).notes] == [60, 60]
