"""New notes and pedal against the composer's: ringing notes, the end, the pedal on both sides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pianomuse.generate.caret import Caret, find_caret
from pianomuse.generate.constraints import IdeaNote
from pianomuse.generate.join import PlacedNote, Ruler, join_pedal, keep_clear, place_notes
from pianomuse.generate.plan import Plan
from pianomuse.midi.read import Piece
from pianomuse.tokens.vocabulary import piano_vocabulary

Make = Callable[..., Piece]
Real = Callable[[str], Piece]

VOCABULARY = piano_vocabulary()
C_MAJOR = [(0.0, 4.0, 48), (0.0, 4.0, 64), (0.0, 4.0, 67)]  # one bar of 4/4


def ids(*names: str) -> list[int]:
    return [VOCABULARY.id(name) for name in names]


def placed(tick: int, end: int, pitch: int = 60, units: int = 0) -> PlacedNote:
    return PlacedNote(units, max((end - tick) // 20, 1), tick, end, pitch, 80)


def test_bar_lines_are_exact_whatever_the_resolution(real: Real, piece_of: Make) -> None:
    for quarter in (96, 100, 480, 7):
        piece = piece_of([(n, 1.0, 60) for n in range(8)], metre=(7, 8), quarter=quarter)
        caret = find_caret(piece, at_bar=1, bars=6)
        ruler = Ruler(caret, Plan(VOCABULARY, caret.metres), quarter)
        assert [ruler.tick(84 * bar) for bar in range(7)] == list(caret.bar_lines)
        assert ruler.tick(84 * 6 + 50) == caret.end_tick
        ticks = [ruler.tick(units) for units in range(84 * 6)]
        assert ticks == sorted(ticks)


def test_notes_land_where_the_tokens_say(piece_of: Make) -> None:
    piece = piece_of([(n, 1.0, 60) for n in range(16)])
    caret = find_caret(piece, bars=2)
    ruler = Ruler(caret, Plan(VOCABULARY, caret.metres), 480)
    notes = place_notes([IdeaNote(104, 8, 64, 80), IdeaNote(0, 96, 60, 90), IdeaNote(0, 6, 50, 70)], ruler)
    assert [(n.tick, n.end_tick, n.pitch) for n in notes] == [
        (16 * 480, 16 * 480 + 120, 50),
        (16 * 480, 20 * 480, 60),
        (20 * 480 + 160, 20 * 480 + 320, 64),
    ]


def test_a_ringing_pitch_is_not_struck_before_it_ends(piece_of: Make) -> None:
    piece = piece_of([*[(n, 1.0, 60) for n in range(7)], (6.0, 3.5, 72)])
    caret = find_caret(piece, at_bar=2)
    start = caret.tick
    kept = keep_clear(
        [
            placed(start, start + 480, 72),  # all of it inside the ringing note
            placed(start + 480, start + 1440, 72, 24),  # the second half is free
            placed(start, start + 480, 71),
        ],
        piece,
        caret,
    )
    assert [(n.tick - start, n.end_tick - start, n.pitch) for n in kept] == [(0, 480, 71), (720, 1440, 72)]


def test_notes_stay_inside_the_new_bars_and_off_each_other(piece_of: Make) -> None:
    piece = piece_of([(n, 1.0, 60) for n in range(16)])
    caret = find_caret(piece, bars=1)
    first, last = caret.tick, caret.end_tick
    kept = keep_clear(
        [
            placed(first - 30, first + 100, 61),
            placed(last - 100, last + 500, 62),
            placed(last + 10, last + 500, 63),
            placed(first, first + 900, 64),
            placed(first + 400, first + 800, 64),
            placed(first + 400, first + 600, 64),
        ],
        piece,
        caret,
    )
    assert [(n.tick - first, n.end_tick - first, n.pitch) for n in kept] == [
        (0, 100, 61),
        (0, 400, 64),
        (400, 800, 64),
        (last - first - 100, last - first, 62),
    ]


def pedal_moves(
    piece: Piece, caret: Caret, notes: list[PlacedNote], tokens: list[int], first_bar: tuple[int, ...] = ()
) -> list[tuple[float, int]]:
    plan = Plan(VOCABULARY, caret.metres, first_bar=first_bar)
    ruler = Ruler(caret, plan, piece.grid.ticks_per_quarter)
    return [((p.tick - caret.tick) / 480, p.value) for p in join_pedal(tokens, notes, plan, ruler, piece, caret)]


def at(caret: Caret, quarters: float, pitch: int) -> PlacedNote:
    tick = caret.tick + round(quarters * 480)
    return placed(tick, tick + 240, pitch, round(quarters * 24))


def test_a_habit_that_begins_before_a_caret_inside_a_bar_moves_no_pedal_before_it(piece_of: Make) -> None:
    notes = [(4.0 * bar + onset, length, 48) for bar in range(5) for onset, length in ((0, 1.0), (1, 0.5))]
    pedals = [(4.0 * bar + at, value) for bar in range(4) for at, value in ((0, 127), (1, 0))]
    piece = piece_of(notes, pedals=[*pedals, (16, 127)])
    caret = find_caret(piece, bars=1)
    assert caret.tick > caret.bar_tick
    moves = pedal_moves(piece, caret, [at(caret, 0, 53)], [])
    assert moves
    assert min(quarters for quarters, _ in moves) >= 0


def test_a_held_pedal_goes_up_at_the_next_change_of_harmony(piece_of: Make) -> None:
    piece = piece_of(C_MAJOR, pedals=[(0, 127)])
    caret = find_caret(piece, at_bar=1, bars=2)
    same, other = [at(caret, 0, 52), at(caret, 1, 72), at(caret, 1.5, 74)], [at(caret, 2, 53), at(caret, 3, 72)]
    assert pedal_moves(piece, caret, same + other, []) == [(2, 0)]
    assert pedal_moves(piece, caret, [at(caret, 0, 41)], []) == [(0, 0)]


def test_where_harmony_never_changes_it_goes_up_at_the_end(piece_of: Make) -> None:
    piece = piece_of(C_MAJOR, pedals=[(0, 127)])
    caret = find_caret(piece, at_bar=1, bars=2)
    assert pedal_moves(piece, caret, [at(caret, 0, 60), at(caret, 5, 67)], []) == [(8 - 1 / 480, 0)]


def test_the_idea_may_let_it_go_earlier_and_go_on_pedalling(piece_of: Make) -> None:
    piece = piece_of(C_MAJOR, pedals=[(0, 127)])
    caret = find_caret(piece, at_bar=1, bars=1)
    tokens = ids("Bar_None", "TimeSig_4/4", "Position_24", "PedalOff_0", "Pedal_0", "Position_72", "PedalOff_0")
    assert pedal_moves(piece, caret, [at(caret, 2, 53)], tokens) == [(1, 0), (1, 127), (3, 0)]


def test_a_pedal_of_the_ideas_own_is_up_at_its_end(piece_of: Make) -> None:
    piece = piece_of(C_MAJOR, pedals=[(0, 127), (3, 0)])
    caret = find_caret(piece, at_bar=1, bars=1)
    tokens = ids("Bar_None", "TimeSig_4/4", "Position_0", "PedalOff_0", "Position_48", "Pedal_0")
    assert pedal_moves(piece, caret, [], tokens) == [(2, 127), (4 - 1 / 480, 0)]


def test_pedalling_bar_by_bar_goes_on_where_the_idea_hardly_presses_the_pedal(piece_of: Make) -> None:
    every_bar = [move for bar in range(4) for move in ((4 * bar, 0), (4 * bar + 0.5, 127))]
    piece = piece_of([(n, 1.0, 60) for n in range(16)], pedals=[*every_bar[1:], (16, 0)])
    caret = find_caret(piece, bars=2)
    gone_on = [(0.5, 127), (4, 0), (4.5, 127), (8 - 1 / 480, 0)]
    assert pedal_moves(piece, caret, [], [])[-4:] == gone_on
    release_only = ids("Bar_None", "TimeSig_4/4", "Position_0", "PedalOff_0")
    assert pedal_moves(piece, caret, [], release_only)[-4:] == gone_on
    own = [*release_only, *ids("Position_24", "Pedal_0", "Position_48", "PedalOff_0")]
    assert pedal_moves(piece, caret, [], own) == [(0, 0), (1, 127), (2, 0)]


def test_pedal_in_a_bar_now_and_then_is_no_habit(piece_of: Make) -> None:
    piece = piece_of([(n, 1.0, 60) for n in range(16)], pedals=[(1, 127), (2, 0), (9, 127), (10, 0)])
    assert pedal_moves(piece, find_caret(piece, bars=2), [], []) == []


def test_without_any_pedal_in_the_file_none_is_written(piece_of: Make) -> None:
    piece = piece_of(C_MAJOR)
    caret = find_caret(piece, at_bar=1, bars=1)
    tokens = ids("Bar_None", "TimeSig_4/4", "Position_0", "Pedal_0", "Position_48", "PedalOff_0")
    assert pedal_moves(piece, caret, [], tokens) == []


def test_the_composers_own_pedal_in_a_broken_bar_is_not_written_again(piece_of: Make) -> None:
    piece = piece_of([*C_MAJOR, (4.0, 2.0, 60)], pedals=[(4, 127)])
    caret = find_caret(piece, bars=1)
    assert caret.finishes_bar
    half = tuple(ids("Bar_None", "TimeSig_4/4", "Position_0", "Pedal_0", "Pitch_60", "Velocity_79", "Duration_2.0.24"))
    moves = pedal_moves(piece, caret, [at(caret, 0, 65)], ids("Position_60", "PedalOff_0"), half)
    assert moves == [(0, 0)]  # 65 on the beat is a new harmony; the PedalOff of the idea comes too late


@pytest.mark.parametrize("down", [True, False])
def test_a_real_pedal_is_up_or_down_as_the_file_says(real: Real, down: bool) -> None:
    piece = real("expressive-pedal")
    pedal = piece.score.tracks[0].pedals[7]
    tick = pedal.time + pedal.duration // 2 if down else pedal.time
    caret = Caret(int(tick), 0, 1.0, (int(tick), int(tick) + 1440), ((3, 4),))
    held = pedal_moves(piece, caret, [], [])
    assert bool(held) == down
