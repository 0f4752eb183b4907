import numpy as np
import pytest

from pianomuse.generate.grid import Grid, grid_of


def test_the_grid_of_a_context_is_the_strictest_that_holds_all_its_notes():
    assert grid_of([0, 6, 90], [24, 6]) == Grid((6,), (6,))
    assert grid_of([0, 8, 16, 48], [8, 8]) == Grid((8,), (8,))
    assert grid_of([0, 8, 18], [6, 8]) == Grid((6, 8), (6, 8))
    assert grid_of([0, 24, 48], [24, 96]) == Grid((6,), (6,))


def test_onsets_and_durations_are_judged_each_for_itself():
    assert grid_of([0, 6, 12], [5.2, 5.7, 11.1]) == Grid((6,), ())


def test_one_note_between_the_lines_frees_the_grid():
    assert grid_of([0, 6, 12, 15], [6]) == Grid((), (6,))


def test_a_triplet_rounded_to_the_ticks_of_its_file_is_a_triplet():
    ticks = np.array([0, 341, 683, 1024])  # 1024 ticks per quarter
    assert grid_of(ticks * 24 / 1024, [8]) == Grid((8,), (8,))


def test_no_notes_make_no_grid():
    assert grid_of([], []) == Grid()


def test_positions_are_multiples_of_the_steps_inside_the_bar():
    assert Grid((6, 8)).positions(24).tolist() == [0, 6, 8, 12, 16, 18]
    assert Grid((8,)).positions(84).tolist() == list(range(0, 84, 8))
    assert Grid().positions(12).tolist() == list(range(12))


@pytest.mark.parametrize(
    ("position", "expected"), [(0, [6, 8, 12, 16, 18, 24]), (6, [6, 12, 18, 24]), (8, [8, 16, 24])]
)
def test_a_duration_is_of_the_kind_its_onset_is_of(position, expected):
    assert np.flatnonzero(Grid((6, 8), (6, 8)).durations(position))[: len(expected)].tolist() == expected


def test_an_onset_off_the_duration_steps_may_have_any_of_them():
    assert np.flatnonzero(Grid((), (6,)).durations(7))[:3].tolist() == [6, 12, 18]
    assert np.flatnonzero(Grid((6,), ()).durations(6))[:3].tolist() == [1, 2, 3]
