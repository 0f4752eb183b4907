"""Dynamics and timing of the context, given to new notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pianomuse.generate.caret import find_caret, span_caret
from pianomuse.generate.feel import (
    Dynamics,
    Timing,
    give_dynamics,
    give_timing,
    measure_dynamics,
    measure_timing,
)
from pianomuse.generate.join import PlacedNote
from pianomuse.midi.read import Piece

Make = Callable[..., Piece]
Real = Callable[[str], Piece]

CHORDS = [(float(n), 1.0, p, v) for n in range(32) for p, v in ((40, 60), (55, 45), (59, 45), (72 + n % 5, 85 + n % 7))]


def new_notes(velocity: Callable[[int], int] = lambda index: 40 + index % 50) -> list[PlacedNote]:
    notes = []
    for index, units in enumerate(range(0, 192, 12)):
        for pitch in (43, 57, 60, 76):
            tick = 100_000 + units * 20
            notes.append(PlacedNote(units, 12, tick, tick + 240, pitch, velocity(index * 7 + pitch)))
    return notes


def velocities(notes: list[PlacedNote]) -> np.ndarray:
    return np.array([note.velocity for note in notes], dtype=float)


@pytest.mark.parametrize("only", [1, 64, 80, 127])
def test_one_velocity_stays_exactly_that_velocity(piece_of: Make, only: int) -> None:
    piece = piece_of([(n, 1.0, 60 + n % 7, only) for n in range(16)])
    played = give_dynamics(new_notes(), measure_dynamics(piece, find_caret(piece)))
    assert {note.velocity for note in played} == {only}


def test_mean_and_spread_follow_the_last_bars(piece_of: Make) -> None:
    loud_then_soft = [(float(n), 1.0, 60 + n % 7, 110 + n % 9) for n in range(32)]
    loud_then_soft += [(32.0 + n, 1.0, 60 + n % 7, 40 + 3 * (n % 7)) for n in range(16)]
    piece = piece_of(loud_then_soft)
    played = velocities(give_dynamics(new_notes(), measure_dynamics(piece, find_caret(piece))))
    last = np.array([v for on, _, _, v in loud_then_soft if on >= 32])
    assert played.mean() == pytest.approx(last.mean(), abs=1)
    assert played.std() == pytest.approx(last.std(), abs=1)


def test_top_line_and_bass_keep_their_balance(piece_of: Make) -> None:
    piece = piece_of(CHORDS)
    played = give_dynamics(new_notes(), measure_dynamics(piece, find_caret(piece)))
    top, bass, inner = (
        np.mean([n.velocity for n in played if n.pitch in pitches]) for pitches in ((76,), (43,), (57, 60))
    )
    assert top > bass + 10 > inner + 10
    assert top - bass == pytest.approx(28, abs=5)


def test_the_order_of_loud_and_soft_is_the_ideas_own(piece_of: Make) -> None:
    piece = piece_of([(n, 1.0, 60, 50 + 7 * n % 20) for n in range(16)])
    rising = [PlacedNote(24 * n, 24, 480 * n, 480 * n + 480, 60, 30 + 4 * n) for n in range(16)]
    played = velocities(give_dynamics(rising, measure_dynamics(piece, find_caret(piece))))
    assert (np.diff(played) >= 0).all()
    assert played[-1] > played[0] + 10


def bar_means(notes: list[PlacedNote]) -> list[float]:
    bars = sorted({note.units // 96 for note in notes})
    return [float(np.mean([note.velocity for note in notes if note.units // 96 == bar])) for bar in bars]


def test_an_idea_sets_in_near_the_last_bar_and_glides_to_its_own_level(piece_of: Make) -> None:
    loud = [(n, 1.0, 60, 95 + n % 5) for n in range(12)] + [(12 + n, 1.0, 60, 70 + n) for n in range(4)]
    piece = piece_of(loud)  # three bars at 97, the last at 71.5
    own = [PlacedNote(24 * n, 24, 480 * n, 480 * n + 480, 60, 60 + 3 * (n % 4)) for n in range(24)]
    played = give_dynamics(own, measure_dynamics(piece, find_caret(piece, at_bar=4)))
    means = bar_means(played)
    assert abs(means[0] - 71.5) <= 8
    assert means[0] < means[1] < means[2] < means[3]
    assert means[3] < means[4] == means[5]
    for bar in range(6):  # accents within a bar stay the idea's own
        assert (np.diff(velocities(played[4 * bar : 4 * bar + 4])) > 0).all()


def test_an_idea_that_sets_in_near_the_last_bar_keeps_its_own_step(piece_of: Make) -> None:
    piece = piece_of([(n, 1.0, 60, 70 + n % 20) for n in range(32)])
    dynamics = measure_dynamics(piece, find_caret(piece))
    assert give_dynamics(new_notes(), dynamics) == give_dynamics(new_notes(), replace(dynamics, last_bar=None))


def test_velocities_stay_in_range_and_are_not_blown_up() -> None:
    extreme = Dynamics(mean=122, spread=30, offsets={"top": 5.0}, middle=60)
    played = velocities(give_dynamics(new_notes(), extreme))
    assert played.min() >= 1
    assert played.max() <= 127
    flat = velocities(give_dynamics(new_notes(lambda _: 64), Dynamics(70, 20, {}, 60)))
    assert flat.std() == 0
    assert give_dynamics([], extreme) == []
    assert give_dynamics(new_notes(), None) == new_notes()


def test_a_fill_listens_to_both_sides(piece_of: Make) -> None:
    piece = piece_of([(n, 1.0, 60, 40 if n < 16 else 100) for n in range(48)])
    caret = span_caret(piece, 5, 6)
    assert measure_dynamics(piece, caret).mean == 40
    assert measure_dynamics(piece, caret, both_sides=True).mean == pytest.approx(70)


def test_before_bar_one_the_beginning_is_measured(piece_of: Make) -> None:
    piece = piece_of([(n, 1.0, 60, 40 if n < 16 else 100) for n in range(48)])
    caret = find_caret(piece, at_bar=0, insert=True)
    assert measure_dynamics(piece, caret).mean == 40


def swung(n: int, late: float, spread: float, rng: np.random.Generator) -> list[tuple[float, float, int]]:
    """Straight eighths whose off-beats come late, every strike a little off."""
    notes = []
    for index in range(n):
        onset = index / 2 + (late if index % 2 else 0.01) + rng.normal(0, spread)
        notes.append((max(onset, 0), 0.45, 60 + (index * 5) % 12))
    return notes


def test_late_off_beats_are_measured_and_given_back(piece_of: Make) -> None:
    piece = piece_of(swung(128, 0.08, 0.008, np.random.default_rng(3)))
    timing = measure_timing(piece, find_caret(piece))
    assert timing.lateness[12] == pytest.approx(0.08 * 480, abs=3)
    assert timing.lateness[0] == pytest.approx(0.01 * 480, abs=3)
    assert timing.spread == pytest.approx(0.008 * 480, abs=1.5)
    played = give_timing(new_notes(), timing, np.random.default_rng(1))
    moved = {
        place: np.mean([p.tick - n.tick for p, n in zip(played, new_notes(), strict=True) if n.units % 24 == place])
        for place in (0, 12)
    }
    assert moved[12] - moved[0] == pytest.approx(0.07 * 480, abs=4)


def test_notes_of_one_strike_stay_together(piece_of: Make) -> None:
    piece = piece_of(swung(128, 0.05, 0.01, np.random.default_rng(3)))
    timing = replace(measure_timing(piece, find_caret(piece)), chord_spread=0.0)
    played = give_timing(new_notes(), timing, np.random.default_rng(1))
    for units in {note.units for note in played}:
        assert len({note.tick for note in played if note.units == units}) == 1


def test_written_music_is_given_back_its_gate_time_and_nothing_else(piece_of: Make) -> None:
    piece = piece_of([(n * 0.5, 0.5 * 0.92, 60 + n % 7) for n in range(64)])
    timing = measure_timing(piece, find_caret(piece))
    assert timing.lateness == {}
    length = round(0.46 * 24)
    notes = [replace(note, length_units=length) for note in new_notes()]
    played = give_timing(notes, timing, np.random.default_rng(1))
    assert [note.tick for note in played] == [note.tick for note in notes]
    assert {note.end_tick - note.tick for note in played} == {round(0.46 * 480)}


def test_exact_scores_stay_exact(real: Real) -> None:
    piece = real("waltz-pickup")
    timing = measure_timing(piece, find_caret(piece))
    assert timing.lateness == {}
    assert all(ticks == units * piece.grid.ticks_per_quarter // 24 for units, ticks in timing.gate.items())


def test_the_performance_is_late_by_a_little(real: Real) -> None:
    piece = real("expressive-pedal")
    timing = measure_timing(piece, find_caret(piece))
    assert timing.lateness
    assert 0 < timing.spread <= 20
    assert all(abs(late) < 60 for late in timing.lateness.values())


def test_where_nothing_was_heard_before_timing_is_straight_and_dynamics_come_from_behind(piece_of: Make) -> None:
    piece = piece_of([(40.0, 1.0, 60, 77)])
    caret = find_caret(piece, at_bar=3)
    assert measure_timing(piece, caret) == Timing()
    assert measure_dynamics(piece, caret).mean == 77
    assert measure_dynamics(piece, find_caret(piece, at_bar=0, bars=12)) is None
