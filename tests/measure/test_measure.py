"""Measures have the values that can be worked out by hand, and behave on real music."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from pianomuse.measure.agreement import n_matched, note_f1, oracle_and_mean_f1
from pianomuse.measure.distributions import Overlap, compare_distances, compare_sets, mean_divergence, mean_overlap
from pianomuse.measure.diversity import diversity, duplicate_share
from pianomuse.measure.dynamics import dynamics_kept, loudness_step, spread_ratio
from pianomuse.measure.features import FEATURES, features
from pianomuse.measure.join import all_jumps, join_roughness, jumps_at
from pianomuse.measure.originality import MatchIndex
from pianomuse.measure.passage import Passage, passage, passage_of_ids, passage_of_score
from pianomuse.measure.playability import unplayable_share
from pianomuse.measure.structure import longest_loop, self_similarity
from pianomuse.measure.style import (
    closes,
    density_distance,
    entropy_difference,
    groove_similarity,
    in_key_share,
    pitch_class_entropy,
    polyphony_distance,
    register_distance,
    register_overlap,
)
from pianomuse.midi.read import read_midi
from pianomuse.tokens.tokenizer import PianoTokenizer

QUARTER, BAR = 24, 96
TOKENIZER = PianoTokenizer()


def music(*notes: tuple[float, int], bars: int = 1, length: float = 1.0, velocity: int = 80) -> Passage:
    """Make 4/4 bars from (onset in quarters, pitch)."""
    onset = np.array([round(at * QUARTER) for at, _ in notes], dtype=np.int64)
    pitch = np.array([p for _, p in notes], dtype=np.int64)
    same = np.full(len(notes), round(length * QUARTER)), np.full(len(notes), velocity)
    return passage(onset, same[0], pitch, same[1], np.arange(bars + 1) * BAR)


SCALE = music(*((n / 2, p) for n, p in enumerate((60, 62, 64, 65, 67, 69, 71, 72))), length=0.5)
EMPTY = music()


@pytest.fixture(scope="module")
def pieces(corpus: Path) -> list[Passage]:
    return [
        passage_of_ids(TOKENIZER.tokenize_midi(path), TOKENIZER.vocabulary) for path in sorted(corpus.rglob("*.mid"))
    ]


def test_a_passage_is_cut_at_bar_lines_and_put_together_again(pieces: list[Passage]) -> None:
    for whole in pieces:
        half = whole.n_bars // 2
        again = whole.bars(0, half).then(whole.bars(half, whole.n_bars))
        for name in ("onset", "duration", "pitch", "velocity", "bar_starts"):
            assert np.array_equal(getattr(again, name), getattr(whole, name))
        assert sum(whole.bars(bar, bar + 1).n_notes for bar in range(whole.n_bars)) == whole.n_notes > 0


def test_a_passage_of_ids_is_the_passage_of_the_score(corpus: Path) -> None:
    path = corpus / "mutopia" / "bach-invention-10.mid"
    read = read_midi(path)
    by_score, by_ids = (
        passage_of_score(read.score, TOKENIZER),
        passage_of_ids(TOKENIZER.tokenize_midi(path), TOKENIZER.vocabulary),
    )
    assert np.array_equal(by_score.onset, by_ids.onset)
    assert by_score.n_bars == read.grid.n_bars
    assert by_score.n_notes == len(read.score.tracks[0].notes)


def test_the_top_line_is_the_highest_note_of_every_onset() -> None:
    onsets, pitches = music((0, 60), (0, 67), (0, 64), (1, 48)).top_line()
    assert onsets.tolist() == [0, 24]
    assert pitches.tolist() == [67, 48]
    assert EMPTY.top_line()[1].tolist() == []


def test_f1_of_half_the_notes_is_two_thirds() -> None:
    half = SCALE.bars(0, 1)
    half = passage(half.onset[:4], half.duration[:4], half.pitch[:4], half.velocity[:4], half.bar_starts)
    assert note_f1(SCALE, SCALE) == 1
    assert note_f1(SCALE, half) == pytest.approx(2 / 3)
    assert note_f1(SCALE, EMPTY) == 0
    assert note_f1(EMPTY, EMPTY) == 1


def test_a_note_is_used_only_once_and_a_late_one_needs_tolerance() -> None:
    once, twice = music((0, 60)), music((0, 60), (0.02, 60))
    assert n_matched(once, twice) == 1
    late = music((0.25, 60))
    assert note_f1(once, late) == 0
    assert note_f1(once, late, tolerance=1) == 1


def test_matching_in_order_of_time_is_the_largest_of_all_assignments() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        first, second = (
            music(*((int(t) / 4, int(p)) for t, p in zip(rng.integers(0, 8, 5), rng.integers(60, 62, 5), strict=True)))
            for _ in range(2)
        )
        best = 0
        for order in itertools.permutations(range(5)):
            hits = [
                first.pitch[a] == second.pitch[b] and abs(first.onset[a] - second.onset[b]) <= 6
                for a, b in enumerate(order)
            ]
            best = max(best, sum(map(bool, hits)))
        assert n_matched(first, second, tolerance=1) == best


def test_oracle_takes_the_best_candidate_and_mean_all() -> None:
    assert oracle_and_mean_f1(SCALE, [EMPTY, SCALE]) == (1.0, 0.5)
    with pytest.raises(ValueError, match="at least one"):
        oracle_and_mean_f1(SCALE, [])


def test_diversity_is_nought_for_copies_and_one_for_strangers() -> None:
    other = music((0, 61))
    assert diversity([SCALE, SCALE, SCALE]) == 0
    assert diversity([SCALE, other]) == 1
    assert math.isnan(diversity([SCALE]))
    assert duplicate_share([SCALE, SCALE, other, SCALE]) == 0.5


def test_three_far_keys_are_too_many_for_two_hands() -> None:
    assert unplayable_share(music((0, 36), (0, 60), (0, 84), (1, 60))) == 0.5
    assert unplayable_share(music(*((0, p) for p in (36, 40, 43, 48, 52, 60, 64, 67, 72, 76)))) == 0
    assert unplayable_share(music(*((0, p) for p in range(60, 71)))) == 1
    assert unplayable_share(EMPTY) == 0


def test_two_hands_hold_written_piano_scores(corpus: Path) -> None:
    for name in ("bach-invention-10", "czerny-op821-no1", "bach-bwv691"):
        ids = TOKENIZER.tokenize_midi(corpus / "mutopia" / f"{name}.mid")
        assert unplayable_share(passage_of_ids(ids, TOKENIZER.vocabulary)) < 0.02


def test_entropy_of_one_two_and_twelve_pitch_classes() -> None:
    assert pitch_class_entropy(music((0, 60), (1, 72))) == 0
    assert pitch_class_entropy(music((0, 60), (1, 67))) == 1
    chromatic = music(*((n / 4, 60 + n) for n in range(12)))
    assert pitch_class_entropy(chromatic) == pytest.approx(math.log2(12))
    assert entropy_difference(music((0, 60)), music((0, 60), (1, 67))) == 1
    assert math.isnan(pitch_class_entropy(EMPTY))


def test_groove_counts_equal_sixteenths() -> None:
    assert groove_similarity(SCALE, SCALE) == 1
    assert groove_similarity(music((0, 60)), music((1, 60))) == 14 / 16
    in_three = Passage(SCALE.onset[:1], SCALE.duration[:1], SCALE.pitch[:1], SCALE.velocity[:1], np.array([0, 72]))
    assert math.isnan(groove_similarity(SCALE, in_three))


def test_key_register_density_and_polyphony() -> None:
    assert in_key_share(SCALE, music((0, 60), (1, 61))) == 0.5
    assert in_key_share(SCALE, SCALE) == 1
    assert register_overlap(SCALE, SCALE) == 1
    assert register_overlap(music((0, 60)), music((0, 24))) == 0
    assert register_distance(music((0, 60)), music((0, 67))) == 7
    assert density_distance(music((0, 60), (1, 60)), music(*((n / 2, 60) for n in range(8)))) == 2
    assert polyphony_distance(music((0, 60)), music((0, 60), (0, 64), (0, 67))) == 2
    assert math.isnan(in_key_share(SCALE, EMPTY))


def test_jumps_across_a_bar_line_are_those_that_can_be_counted() -> None:
    low_then_high = music((3, 48), (3, 60)).then(music((1, 55), (1, 72), length=2, velocity=90))
    top, bass, rest, density, harmony, loudness = jumps_at(low_then_high, 1)
    assert (top, bass, rest, density, loudness) == (12, 7, 2, 0, 10)
    assert harmony == pytest.approx(1 - 1 / math.sqrt(2))
    assert np.isnan(jumps_at(SCALE.then(EMPTY), 1)).all()


def test_a_piece_is_as_smooth_as_itself_and_a_leap_is_rough(pieces: list[Passage]) -> None:
    for whole in pieces:
        usual = all_jumps(whole)
        ranks = [join_roughness(jumps, usual) for jumps in usual]
        if len(usual) >= 4:
            assert np.mean(ranks) == pytest.approx(0.5)
    assert join_roughness(np.full(6, 99.0), np.zeros((5, 6))) == 1
    assert join_roughness(np.zeros(6), np.ones((5, 6))) == 0
    assert math.isnan(join_roughness(np.zeros(6), np.zeros((2, 6))))


def test_self_similarity_finds_the_period() -> None:
    a, b = SCALE, music((0, 40), (2, 43))
    curve = self_similarity(a.then(b).then(a).then(b), lags=(1, 2, 3, 8))
    assert curve[1] == 0
    assert curve[2] == 1
    assert math.isnan(curve[8])


def test_a_loop_is_a_block_repeated_at_once() -> None:
    a, b, c = SCALE, music((0, 40)), music((0, 41))
    assert longest_loop(a.then(b).then(c)) == 0
    assert longest_loop(a.then(a)) == 2
    assert longest_loop(c.then(a).then(b).then(a).then(b).then(a)) == 5
    assert longest_loop(a.then(b).then(c).then(a)) == 0
    assert longest_loop(EMPTY.then(EMPTY)) == 0


def test_a_copy_is_found_in_any_key_until_the_first_changed_note(pieces: list[Passage]) -> None:
    index = MatchIndex(pieces[1:])
    source = pieces[3]
    start = source.n_notes // 3
    chosen = slice(start, start + 20)
    copy = passage(
        source.onset[chosen],
        source.duration[chosen],
        source.pitch[chosen] + 3,
        source.velocity[chosen],
        source.bar_starts,
    )
    assert index.longest_match(copy) == 20
    changed = copy.pitch.copy()
    changed[12] += 1
    broken = Passage(copy.onset, copy.duration, changed, copy.velocity, copy.bar_starts)
    assert 12 <= index.longest_match(broken) < 20
    assert index.longest_match(EMPTY) == 0


def test_the_longest_match_is_that_of_comparing_everything_with_everything() -> None:
    rng = np.random.default_rng(0)
    rows = [music(*((n / 4, int(p)) for n, p in enumerate(rng.integers(60, 63, 16)))) for _ in range(6)]
    index = MatchIndex(rows[1:])
    wanted = np.diff(rows[0].pitch).tolist()
    best = 0
    for row in rows[1:]:
        known = np.diff(row.pitch).tolist()
        for a, b in itertools.product(range(15), repeat=2):
            size = 0
            while a + size < 15 and b + size < 15 and wanted[a + size] == known[b + size]:
                size += 1
            best = max(best, size)
    assert index.longest_match(rows[0]) == best + 1


def test_features_of_a_scale() -> None:
    found = features(SCALE)
    assert set(found) == set(FEATURES)
    assert found["pitch_count"] == 8
    assert found["pitch_range"] == 12
    assert found["pitch_classes"].tolist() == [2 / 8, 0, 1 / 8, 0, 1 / 8, 1 / 8, 0, 1 / 8, 0, 1 / 8, 0, 1 / 8]
    assert found["interval"] == pytest.approx(12 / 7)
    assert found["onset_interval"] == 0.5
    assert found["density"] == 2
    assert found["chord_size"] == 1
    assert found["durations"][4] == 1
    assert found["velocity"] == 0
    assert np.isnan(features(EMPTY)["pitch_range"]).all()


def test_equal_samples_overlap_and_distant_ones_do_not() -> None:
    rng = np.random.default_rng(1)
    sample = rng.normal(size=400)
    area, divergence = compare_distances(sample, sample)
    assert area == pytest.approx(1)
    assert divergence == pytest.approx(0, abs=1e-9)
    area, divergence = compare_distances(sample, sample + 50)
    assert area < 0.01
    assert divergence > 5
    # Two unit normals whose means are 1 apart overlap by 2 Φ(−1/2) = 0.617; kernels widen them a little.
    area, _ = compare_distances(rng.normal(size=4000), rng.normal(size=4000) + 1)
    assert area == pytest.approx(0.617, abs=0.05)
    assert compare_distances(np.ones(5), np.ones(5)) == (1.0, 0.0)


def test_real_music_overlaps_with_real_music_more_than_with_one_note(pieces: list[Passage]) -> None:
    cut = [whole.bars(4, 8) for whole in pieces]
    halves = compare_sets(cut[::2], cut[1::2])
    dull = compare_sets(cut, [music((0, 60), bars=4)] * 8)
    assert set(halves) == set(FEATURES)
    assert mean_overlap(halves) > 0.7
    assert mean_overlap(dull) < mean_overlap(halves) - 0.2
    assert compare_sets([], cut) == {}


def test_passages_of_one_piece_are_not_paired(pieces: list[Passage]) -> None:
    cut = [whole.bars(0, 4) for whole in pieces[:6]]
    numbers = list(range(6))
    found = compare_sets(cut, cut, groups=(numbers, numbers))
    paired = compare_sets(cut, cut)
    # Each pair counts once within and twice across, so only the kernels' width differs.
    assert found["density"].overlap_area == pytest.approx(1, abs=0.04)
    assert paired["density"].overlap_area < found["density"].overlap_area - 0.02


def test_dynamics_are_kept_in_loudness_and_spread() -> None:
    def played(*velocities: int) -> Passage:
        count = np.arange(len(velocities))
        lines = np.arange(len(velocities) // 4 + 1) * BAR
        return passage(count * QUARTER, count * 0 + QUARTER, count * 0 + 60, np.array(velocities), lines)

    context = played(40, 60, 80, 60, 60, 90, 90, 60)  # the last bar's mean is 75
    assert loudness_step(context, played(60, 85, 85, 66)) == pytest.approx(1)
    assert spread_ratio(context, context) == pytest.approx(1)
    assert dynamics_kept(context, played(60, 90, 90, 60)) == 1
    assert dynamics_kept(context, played(70, 100, 100, 70)) == 0  # too loud
    assert dynamics_kept(context, played(75, 76, 75, 74)) == 0  # too even
    assert math.isnan(dynamics_kept(played(60, 61, 60, 61), context))
    assert math.isnan(dynamics_kept(context, EMPTY))


def test_an_ending_closes_on_the_tonic_in_the_bass() -> None:
    assert closes(SCALE, music((0, 67), (2, 48), (2, 64))) == 1
    assert closes(SCALE, music((0, 48), (2, 55), (2, 60))) == 0
    assert math.isnan(closes(SCALE, EMPTY))


def test_two_hands_sound_together(pieces: list[Passage]) -> None:
    low, high = music((0, 48), (2, 50), bars=2), music((0, 60), (1, 62), bars=2)
    both = low.over(high)
    assert both.n_bars == 2
    assert list(zip(both.onset.tolist(), both.pitch.tolist(), strict=True)) == [(0, 48), (0, 60), (24, 62), (48, 50)]


def test_divergence_is_averaged_over_features_that_have_one() -> None:
    found = {"a": Overlap(0.5, 1.0, 0), "b": Overlap(0.5, 3.0, 0), "c": Overlap(0.0, math.inf, 0)}
    assert mean_divergence(found) == 2
    assert math.isnan(mean_divergence({}))
