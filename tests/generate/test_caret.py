"""Where an idea starts, on real files and on small ones that break off in every way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pianomuse.errors import RequestError
from pianomuse.generate.caret import (
    find_caret,
    has_clearly_ended,
    last_bar_with_music,
    music_end,
    onsets_and_ends,
    span_caret,
)
from pianomuse.midi.bars import bar_grid, cut
from pianomuse.midi.read import Piece, read_midi

Make = Callable[..., Piece]
Real = Callable[[str], Piece]

SCALE = [(float(beat), 1.0, 60 + beat % 12) for beat in range(16)]  # four bars of quarters in 4/4


def start(piece: Piece, **asked: object) -> tuple[int, float]:
    caret = find_caret(piece, **asked)
    return caret.bar_index + 1, caret.beat


def test_after_a_finished_phrase_the_next_bar_begins(real: Real) -> None:
    caret = find_caret(real("finished-phrase"), bars=4)
    assert (caret.bar_index + 1, caret.beat, caret.at_bar, caret.n_bars) == (9, 1, 8, 4)
    assert not caret.finishes_bar
    assert caret.tick == caret.bar_tick


def test_a_broken_off_bar_is_finished_first_and_then_come_whole_bars(real: Real) -> None:
    piece = real("broken-off-on-beat-3")
    caret = find_caret(piece, bars=4)
    assert (caret.bar_index + 1, caret.beat, caret.at_bar) == (6, 3, 6)
    assert caret.finishes_bar
    assert caret.n_bars == 5
    assert caret.end_tick - caret.bar_tick == 5 * 4 * piece.grid.ticks_per_quarter


def test_a_broken_off_bar_can_be_left_as_it_is(real: Real) -> None:
    caret = find_caret(real("broken-off-on-beat-3"), bars=4, finish_bar=False)
    assert (caret.bar_index + 1, caret.beat, caret.at_bar, caret.n_bars) == (7, 1, 6, 4)


def test_a_short_last_note_counts_to_the_next_beat(piece_of: Make) -> None:
    assert start(piece_of([*SCALE[:13], (13.0, 0.25, 70)])) == (4, 3)


def test_empty_bars_behind_the_music_do_not_move_the_caret(piece_of: Make) -> None:
    assert start(piece_of(SCALE, end=64)) == (5, 1)


@pytest.mark.parametrize("longer", [4.25, 8, 21, 400])
def test_a_last_note_held_long_does_not_move_it(piece_of: Make, longer: float) -> None:
    assert start(piece_of([*SCALE[:-1], (15.0, 1.0 + longer, 63)])) == (5, 1)


@pytest.mark.parametrize(
    ("over", "where"), [(0.0, (5, 1)), (0.2, (5, 1)), (0.25, (5, 2)), (0.5, (5, 2)), (1.5, (5, 3))]
)
def test_an_overlap_moves_it_only_from_a_sixteenth_on(piece_of: Make, over: float, where: tuple[int, float]) -> None:
    assert start(piece_of([*SCALE[:-1], (15.0, 1.0 + over, 63)])) == where


def test_a_tiny_note_on_a_beat_is_never_written_over(piece_of: Make) -> None:
    piece = piece_of([*SCALE[:13], (13.0, 0.02, 70)])
    assert start(piece) == (4, 3)
    assert onsets_and_ends(piece)[0].max() < music_end(piece)


def test_beats_of_compound_and_odd_metres(piece_of: Make) -> None:
    eighths = [(n / 2, 0.5, 60 + n % 12) for n in range(40)]
    assert start(piece_of(eighths[:14], metre=(6, 8))) == (3, 2)  # a dotted quarter of the third bar is there
    assert start(piece_of(eighths[:16], metre=(7, 8))) == (3, 3)
    assert start(piece_of(eighths[:8], metre=(3, 8))) == (3, 3)


def test_a_pause_before_the_last_note_does_not_count(piece_of: Make) -> None:
    assert start(piece_of([*SCALE[:4], (14.0, 1.0, 60)])) == (4, 4)


def test_at_bar_is_the_last_bar_kept(real: Real) -> None:
    piece = real("waltz-pickup")
    for at_bar in (0, 1, 9, 17):
        caret = find_caret(piece, at_bar=at_bar, bars=3)
        assert caret.at_bar == at_bar
        assert caret.tick == piece.grid.starts[at_bar]
        assert caret.metres == ((3, 8),) * 3


def test_past_the_end_the_last_metre_goes_on(real: Real) -> None:
    piece = real("warlock-rutterkin")
    last = piece.grid.metres[-1]
    caret = find_caret(piece, at_bar=piece.grid.n_bars + 2, bars=2)
    assert caret.metres == (last, last)
    bar = 4 * piece.grid.ticks_per_quarter * last[0] // last[1]
    assert np.diff(caret.bar_lines).tolist() == [bar, bar]
    assert caret.tick == piece.grid.starts[-1] + 2 * bar


def test_replaced_bars_have_the_metres_that_stand_there(real: Real) -> None:
    piece = real("warlock-rutterkin")
    changes = [i for i in range(1, piece.grid.n_bars) if piece.grid.metres[i] != piece.grid.metres[i - 1]]
    caret = find_caret(piece, at_bar=changes[0] - 1, bars=3)
    assert caret.metres == piece.grid.metres[changes[0] - 1 : changes[0] + 2]
    assert len(set(caret.metres)) > 1


def test_inserted_bars_have_the_metre_before_them(real: Real) -> None:
    piece = real("warlock-rutterkin")
    change = next(i for i in range(1, piece.grid.n_bars) if piece.grid.metres[i] != piece.grid.metres[i - 1])
    caret = find_caret(piece, at_bar=change, bars=3, insert=True)
    assert caret.is_inserted
    assert caret.metres == (piece.grid.metres[change - 1],) * 3
    assert caret.old_end_tick == caret.tick == piece.grid.starts[change]


def test_bars_inserted_at_a_short_pickup_are_whole(piece_of: Make) -> None:
    piece = piece_of([(n, 1.0, 60 + n) for n in range(7)], metres=[(0, 1, 4), (1, 3, 4)])
    for at_bar in (0, 1):
        assert find_caret(piece, at_bar=at_bar, bars=2, insert=True).metres == ((3, 4), (3, 4))


@pytest.mark.parametrize("asked", [{"at_bar": -1}, {"at_bar": 200}, {"bars": 0}, {"bars": 33}])
def test_impossible_places_are_refused(real: Real, asked: dict[str, int]) -> None:
    with pytest.raises(RequestError):
        find_caret(real("finished-phrase"), **asked)


@pytest.mark.parametrize(("from_bar", "to_bar"), [(0, 3), (5, 4), (3, 9), (-2, 2)])
def test_impossible_spans_are_refused(real: Real, from_bar: int, to_bar: int) -> None:
    with pytest.raises(RequestError):
        span_caret(real("finished-phrase"), from_bar, to_bar)


def test_a_span_is_what_stands_between_its_bar_lines(real: Real) -> None:
    piece = real("gap-of-four-bars")
    caret = span_caret(piece, 9, 12)
    assert (caret.tick, caret.end_tick) == (piece.grid.starts[8], piece.grid.starts[12])
    assert (caret.at_bar, caret.n_bars) == (8, 4)


def test_wherever_a_real_piece_breaks_off_the_caret_is_behind_it_and_near(corpus: Path) -> None:
    n_finishing = 0
    for path in sorted(corpus.rglob("*.mid"))[:6]:
        piece = read_midi(path)
        ticks = np.random.default_rng(len(path.name)).integers(piece.grid.starts[2], piece.grid.starts[-1], 6)
        for tick in ticks.tolist():
            score = cut(piece.score, 0, tick)
            broken = dataclasses.replace(piece, score=score, grid=bar_grid(score))
            caret = find_caret(broken)
            onset, _ = onsets_and_ends(broken)
            assert onset.max() < caret.tick
            last_bar = broken.grid.bar_at(int(onset.max()))
            assert caret.tick <= broken.grid.start_of(last_bar + 2)
            assert caret.bar_tick <= caret.tick < caret.bar_lines[1]
            assert (caret.tick - caret.bar_tick) % broken.grid.beat_ticks(caret.bar_index) == 0
            assert caret.n_bars == 4 + caret.finishes_bar
            n_finishing += caret.finishes_bar
    assert n_finishing > 5


def test_a_finished_piece_is_told_from_one_that_breaks_off(real: Real) -> None:
    piece = real("bach-bwv-269")
    assert has_clearly_ended(piece)
    score = cut(piece.score, 0, int(piece.grid.starts[18]))
    assert not has_clearly_ended(dataclasses.replace(piece, score=score, grid=bar_grid(score)))
    assert not has_clearly_ended(real("finished-phrase"))


def test_the_last_bar_with_music_is_that_of_the_last_sound(piece_of: Make) -> None:
    assert last_bar_with_music(piece_of(SCALE)) == 4
    assert last_bar_with_music(piece_of([*SCALE, (16.0, 0.5, 60)])) == 5
