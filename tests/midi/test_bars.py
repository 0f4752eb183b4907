"""Bars: where they begin, in real scores and where time signatures are unusual."""

from __future__ import annotations

import numpy as np
import pytest
from symusic import Score

from pianomuse.errors import MidiError
from pianomuse.midi.bars import bar_grid, cut, key_at, prevailing_tempo, tempo_at, time_signatures
from pianomuse.midi.read import read_midi


@pytest.fixture
def grid_of(smf):
    """Lay bars over four 4/4 bars' worth of quarter notes, with metres as {tick: (numerator, denominator)}."""

    def lay(metres, n_quarters=16, division=480, first_onset=0, **keywords):
        conductor = [(tick, smf.metre(*metre)) for tick, metre in metres.items()]
        notes = [(i * division, (i + 1) * division, 60) for i in range(n_quarters) if i * division >= first_onset]
        return read_midi(smf.file(conductor, smf.notes(*notes), division=division), **keywords).grid

    return lay


@pytest.mark.parametrize(
    ("name", "n_bars", "metres"),
    [
        ("bach-bwv-269", 22, [(3, 4)]),
        ("butterworth-one-and-twenty", 40, [(2, 2)]),
        ("cornelius-untreu", 17, [(3, 4)]),
        ("warlock-rutterkin", 31, [(7, 8), (5, 8), (7, 8), (3, 8), (3, 4), (4, 8)]),
        ("webern-im-morgentaun", 11, [(3, 4), (4, 4), (3, 4), (2, 4), (3, 4)]),
    ],
)
def test_real_scores_have_the_bars_of_their_notation(real, name, n_bars, metres):
    grid = read_midi(real(name)).grid
    assert grid.n_bars == n_bars == len(grid.starts) - 1
    changes = [m for i, m in enumerate(grid.metres) if i == 0 or m != grid.metres[i - 1]]
    assert changes[: len(metres)] == metres


def test_bar_lines_of_real_scores_are_symusics_downbeats(real_files):
    for path in real_files:
        grid, score = read_midi(path).grid, Score(path)
        expected = [int(tick) for tick in score.get_downbeats()]
        n_common = min(len(expected), grid.n_bars)
        assert n_common >= grid.n_bars - 1
        assert grid.starts[:n_common].tolist() == expected[:n_common], path.name


def test_a_bar_is_as_long_as_its_metre_says(real_files):
    for path in real_files:
        grid = read_midi(path).grid
        lengths = [n * 4 * grid.ticks_per_quarter // d for n, d in grid.metres]
        assert np.diff(grid.starts).tolist() == lengths
        assert grid.starts[0] == 0


def test_every_tick_lies_in_its_bar_also_past_the_end(grid_of):
    for grid in (grid_of({0: (3, 4)}), grid_of({0: (7, 8)}, division=1), grid_of({0: (5, 16), 1: (3, 4)}, division=7)):
        for tick in range(0, int(grid.starts[-1]) * 3, max(grid.ticks_per_quarter // 5, 1)):
            bar = grid.bar_at(tick)
            assert grid.start_of(bar) <= tick < grid.start_of(bar + 1), tick
        assert grid.metre_of(10**6) == grid.metres[-1]


def test_bars_of_broken_length_do_not_drift(grid_of):
    grid = grid_of({0: (7, 8)}, n_quarters=70, division=1)
    assert grid.starts.tolist() == [i * 7 // 2 for i in range(21)]


def test_a_metre_change_in_mid_bar_cuts_the_bar_there(grid_of):
    grid = grid_of({0: (4, 4), 1920 + 960: (3, 4)})
    assert grid.starts.tolist() == [0, 1920, 2880, 4320, 5760, 7200, 8640]
    assert grid.metres == ((4, 4), (2, 4), (3, 4), (3, 4), (3, 4), (3, 4))
    cut_to_the_new_metre = grid_of({0: (4, 4), 1440: (3, 4)})
    assert cut_to_the_new_metre.starts[:4].tolist() == [0, 1440, 2880, 4320]
    assert set(cut_to_the_new_metre.metres) == {(3, 4)}
    after_an_eighth = grid_of({0: (4, 4), 1920 + 240: (4, 8)})
    assert after_an_eighth.metres[:3] == ((4, 4), (1, 8), (4, 8))


def test_sloppy_time_signatures_do_not_move_bar_lines(grid_of):
    plain = grid_of({0: (4, 4), 3840: (3, 4)})
    for metres in (
        {2: (4, 4), 3840: (3, 4)},
        {0: (4, 4), 3835: (3, 4)},
        {0: (4, 4), 3850: (3, 4)},
        {0: (4, 4), 700: (4, 4), 3840: (3, 4)},
        {0: (4, 4), 2600: (3, 4)},
        {0: (6, 8), 1: (4, 4), 3840: (3, 4)},
    ):
        grid = grid_of(metres)
        assert grid.starts.tolist() == plain.starts.tolist(), metres
        assert grid.metres == plain.metres


def test_time_signatures_of_a_grid_give_the_same_grid(real_files, grid_of, smf):
    grids = [grid_of({0: (4, 4), 2880: (3, 4)})]
    for path in real_files:
        piece = read_midi(path)
        assert piece.score.time_signatures == time_signatures(piece.grid)
        grids.append(piece.grid)
        again = bar_grid(piece.score)
        assert again.starts.tolist() == piece.grid.starts.tolist()
        assert again.metres == piece.grid.metres
    assert [(s.time, s.numerator) for s in time_signatures(grids[0])] == [(0, 4), (1920, 2), (2880, 3)]


def test_pickups_are_found_padded_or_short_and_not_guessed_elsewhere(real, grid_of):
    assert read_midi(real("bach-bwv-269")).grid.pickup_ticks == 480
    assert read_midi(real("warlock-rutterkin")).grid.pickup_ticks == 0
    assert grid_of({0: (1, 4), 480: (4, 4)}).pickup_ticks == 480
    assert grid_of({0: (4, 4)}, first_onset=1440).pickup_ticks == 480
    assert grid_of({0: (4, 4)}, first_onset=480).pickup_ticks == 0
    assert grid_of({0: (4, 4)}, first_onset=1920).pickup_ticks == 0
    assert grid_of({0: (2, 4), 960: (3, 4), 2400: (2, 4), 3360: (3, 4)}).pickup_ticks == 0


def test_a_first_downbeat_makes_a_short_first_bar(grid_of):
    grid = grid_of({0: (3, 4)}, first_downbeat_ticks=480)
    assert grid.starts[:3].tolist() == [0, 480, 1920]
    assert grid.metres[:2] == ((1, 4), (3, 4))
    assert grid.pickup_ticks == 480
    assert grid_of({}, first_downbeat_ticks=1920 * 2 + 720).starts[:3].tolist() == [0, 720, 2640]
    assert grid_of({0: (3, 4)}, first_downbeat_ticks=1440).starts.tolist() == grid_of({0: (3, 4)}).starts.tolist()


def test_a_first_downbeat_off_the_sixteenths_is_moved_and_that_is_said(smf):
    data = smf.file(smf.notes(*((i * 480, i * 480 + 480, 60) for i in range(8))))
    piece = read_midi(data, first_downbeat_ticks=485)
    assert piece.grid.starts[1] == 480
    assert any("nearest sixteenth" in warning for warning in piece.warnings)
    assert not any("sixteenth" in warning for warning in read_midi(data, first_downbeat_ticks=480).warnings)


def test_bars_are_bounded_before_they_are_laid(smf):
    short_bars = [(0, smf.metre(1, 64)), *smf.notes((0, 480 * 2000, 60))]
    with pytest.raises(MidiError, match="past bar 20000"):
        read_midi(smf.file(short_bars))


def test_an_empty_score_has_one_bar():
    assert bar_grid(Score(480)).starts.tolist() == [0, 1920]


def test_beats_are_the_metres_note_value_dotted_in_compound_metres(grid_of):
    for metre, ticks in {(3, 4): 480, (2, 2): 960, (6, 8): 720, (7, 8): 240, (3, 8): 240, (9, 16): 360}.items():
        assert grid_of({0: metre}).beat_ticks(0) == ticks, metre


def test_cutting_at_bar_lines_gives_every_note_once_and_whole(real_files):
    for path in real_files:
        piece = read_midi(path)
        together = []
        for start in range(0, piece.grid.n_bars, 3):
            from_tick, to_tick = piece.grid.start_of(start), piece.grid.start_of(start + 3)
            part = cut(piece.score, from_tick, to_tick)
            together += [(n.time + from_tick, n.duration, n.pitch, n.velocity) for n in part.tracks[0].notes]
            assert part.time_signatures[0].numerator == piece.grid.metre_of(start)[0]
            assert part.tempos[0].mspq == tempo_at(piece.score, from_tick)
            assert all(tempo.time < to_tick - from_tick for tempo in part.tempos)
        assert together == [(n.time, n.duration, n.pitch, n.velocity) for n in piece.score.tracks[0].notes]


def test_cutting_carries_what_is_in_force_and_the_changes_inside(real):
    piece = read_midi(real("butterworth-one-and-twenty"))
    part = cut(piece.score, 53760, 72960)
    assert [(t.time, round(t.qpm)) for t in part.tempos] == [(0, 110), (3840, 140), (16320, 54)]
    assert [(s.time, s.numerator, s.denominator) for s in part.time_signatures] == [(0, 2, 2)]
    assert [k.key for k in part.key_signatures] == [key_at(piece.score, 53760).key]
    assert piece.score.tempos[0].time == 0
    assert len(piece.score.tempos) == 5


def test_pedals_that_start_in_a_cut_come_along(real):
    piece = read_midi(real("cornelius-untreu"))
    pedals = piece.score.tracks[0].pedals
    last = pedals[len(pedals) - 1]
    part = cut(piece.score, last.time, last.time + 1)
    assert [(p.time, p.duration) for p in part.tracks[0].pedals] == [(0, last.duration)]


def test_tempo_in_force_begins_with_its_event(real):
    score = read_midi(real("butterworth-one-and-twenty")).score
    assert [round(6e7 / tempo_at(score, tick)) for tick in (0, 51839, 51840, 57599, 57600, 10**6)] == [
        140,
        140,
        110,
        110,
        140,
        54,
    ]


def test_a_ritardando_before_the_caret_is_passed_over(real):
    piece = read_midi(real("butterworth-one-and-twenty"))
    mspq, is_passed_over = prevailing_tempo(piece.score, piece.grid, piece.grid.start_of(38))
    assert (round(6e7 / mspq), is_passed_over) == (140, True)
    assert prevailing_tempo(piece.score, piece.grid, piece.grid.start_of(20))[1] is False
    mspq, is_passed_over = prevailing_tempo(piece.score, piece.grid, piece.grid.start_of(40))
    assert (round(6e7 / mspq), is_passed_over) == (54, False)


@pytest.mark.parametrize(
    ("tempos", "expected"),
    [
        ({0: 500_000, 6000: 600_000, 7000: 800_000}, (500_000, True)),
        ({0: 500_000, 6000: 510_000, 7000: 505_000}, (505_000, False)),
        ({0: 500_000, 6000: 700_000, 7000: 600_000}, (600_000, False)),
        ({0: 500_000, 6000: 700_000, 7680: 500_000}, (500_000, True)),
        ({0: 500_000, 6000: 400_000}, (400_000, False)),
        ({0: 500_000, 3000: 700_000}, (700_000, False)),
    ],
    ids=["slowing", "rubato", "slow then up", "a tempo at the caret", "faster", "slow for longer"],
)
def test_only_a_slowing_within_two_bars_is_a_ritardando(smf, tempos, expected):
    track = [(tick, smf.tempo(mspq)) for tick, mspq in tempos.items()]
    notes = smf.notes(*((i * 480, i * 480 + 480, 60) for i in range(16)))
    piece = read_midi(smf.file([(0, smf.metre(4, 4)), *track], notes))
    assert prevailing_tempo(piece.score, piece.grid, 4 * 1920) == expected


def test_a_slow_last_bar_of_two_is_a_ritardando_from_the_first_tempo(smf):
    notes = smf.notes(*((i * 480, i * 480 + 480, 60) for i in range(8)))
    piece = read_midi(smf.file([(0, smf.tempo(500_000)), (2880, smf.tempo(900_000))], notes))
    assert prevailing_tempo(piece.score, piece.grid, 3840) == (500_000, True)
