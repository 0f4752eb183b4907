"""Beats, bars and metre of performances whose beats are known, and when a file's own bars are left."""

from __future__ import annotations

import importlib.util
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from pianomuse.errors import MidiError, RequestError
from pianomuse.evaluate.performer import perform, play_to_click
from pianomuse.measure.beat_accuracy import beat_f_measure, continuity
from pianomuse.midi.read import read_midi
from pianomuse.performance.beats import find_beats
from pianomuse.performance.clock import Clock, seconds_of
from pianomuse.performance.fit import is_free
from pianomuse.performance.grid import read_on_bars
from pianomuse.performance.strikes import find_strikes

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "beats.py"
FOUR = "mutopia/czerny-op821-no1.mid"
THREE = "mutopia/bach-bwv691.mid"
NAMES = (FOUR, THREE, "mutopia/mozart-k453a.mid", "mutopia/bach-invention-10.mid", "lieder/kinkel-nachgefuehl.mid")


def beats_of(data: bytes):
    return find_beats(find_strikes(*seconds_of(read_midi(data))))


def test_beats_of_performances_are_found_far_better_than_by_the_file_s_own_bars(corpus: Path) -> None:
    ours, files = [], []
    for seed, name in enumerate(NAMES):
        played = perform(read_midi(corpus / name), seed)
        ours.append(beat_f_measure(played.beats, beats_of(played.data).beats))
        files.append(beat_f_measure(played.beats, np.arange(0, played.beats[-1], 0.5)))
    assert np.mean(ours) > 0.8
    assert np.mean(ours) > np.mean(files) + 0.3


def test_the_same_seed_plays_the_same_and_another_does_not(corpus: Path) -> None:
    piece = read_midi(corpus / THREE)
    assert perform(piece, 1).data == perform(piece, 1).data != perform(piece, 2).data


def test_beats_do_not_depend_on_the_instrument_s_clock(corpus: Path) -> None:
    onset, end, pitch = seconds_of(read_midi(perform(read_midi(corpus / FOUR), 3).data))
    late = find_beats(find_strikes(onset + 10, end + 10, pitch)).beats
    assert np.allclose(late - 10, find_beats(find_strikes(onset, end, pitch)).beats)


@pytest.mark.parametrize("seed", range(3))
def test_what_a_composer_says_holds(corpus: Path, seed: int) -> None:
    strikes = find_strikes(*seconds_of(read_midi(perform(read_midi(corpus / FOUR), seed).data)))
    first = float(strikes.seconds[2])
    found = find_beats(strikes, metres=((3, 4),), tempo_bpm=60, first_downbeat_s=first)
    assert found.metre == (3, 4)
    assert np.abs(found.downbeats - first).min() < 0.01
    assert 60 / 1.6 <= 60 / np.median(np.diff(found.beats)) <= 60 * 1.6


def test_scores_and_recordings_to_a_click_keep_their_bars_and_free_ones_do_not(corpus: Path) -> None:
    pieces = [read_midi(path) for path in sorted(corpus.rglob("*.mid"))]
    assert not [piece.path for piece in pieces if is_free(piece)]
    assert not [piece.path for seed, piece in enumerate(pieces) if is_free(read_midi(play_to_click(piece, seed)))]
    long = [piece for piece in pieces if piece.grid.n_bars >= 16]
    free = [is_free(read_midi(perform(piece, seed).data)) for seed, piece in enumerate(long)]
    assert np.mean(free) > 0.8


def test_the_examples_keep_their_bars(examples: Path) -> None:
    for path in sorted(examples.glob("*.mid")):
        assert read_on_bars(path).piece.recording is None


def test_a_recording_comes_onto_bars_with_its_own_time_kept(corpus: Path) -> None:
    data = perform(read_midi(corpus / FOUR), 0).data
    piece, file = read_on_bars(data).piece, read_midi(data)
    assert piece.recording is not None
    assert piece.warnings[0].startswith("No metronome: found ")
    assert len(piece.score.tracks[0].notes) == len(file.score.tracks[0].notes)
    ticks = file.score.tracks[0].notes.numpy()["time"]
    there_and_back = piece.recording.in_file(piece.recording.on_bars(ticks))
    assert np.abs(there_and_back - ticks).max() < 1e-6
    drift = np.abs(np.diff(seconds_of(piece)[0]) - np.diff(seconds_of(file)[0]))
    assert np.median(drift) < 0.03


def test_told_bars_of_any_file_are_found_and_nonsense_is_refused(corpus: Path) -> None:
    told = read_on_bars(corpus / FOUR, tempo=100, metre="3/4").piece
    assert told.recording is not None
    assert set(told.grid.metres) == {(3, 4)}
    for words in ({"grid": "none"}, {"tempo": 5}, {"metre": "x"}, {"metre": "5/4"}, {"first_downbeat": "soon"}):
        with pytest.raises(RequestError):
            read_on_bars(corpus / FOUR, **{"tempo": 100, **words})
    with pytest.raises(RequestError, match="--grid file"):
        read_on_bars(corpus / FOUR, grid="file", tempo=100)


def test_a_first_downbeat_in_seconds_moves_the_bars_of_a_written_file_too(corpus: Path) -> None:
    piece = read_midi(corpus / FOUR)
    beat_s = float(Clock(piece).seconds(piece.grid.ticks_per_quarter))
    by_seconds, by_quarters = (read_on_bars(corpus / FOUR, first_downbeat=x) for x in (f"{beat_s:.6f}s", "1"))
    assert by_seconds.first_downbeat_ticks == by_quarters.first_downbeat_ticks == piece.grid.ticks_per_quarter
    assert by_seconds.piece.grid.starts.tolist() == by_quarters.piece.grid.starts.tolist()


def test_too_few_notes_say_so(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(MidiError, match="no notes"):
        find_strikes([], [], [])


def test_the_f_measure_is_that_of_a_largest_matching() -> None:
    def by_trying(truth: list[float], found: list[float]) -> int:
        for n in range(min(len(truth), len(found)), 0, -1):
            for rows in combinations(truth, n):
                for columns in combinations(found, n):  # of windows on a line, an ordered matching is a largest one
                    if all(abs(a - b) <= 0.07 for a, b in zip(rows, columns, strict=True)):
                        return n
        return 0

    rng = np.random.default_rng(0)
    for _ in range(60):
        truth, found = (sorted(rng.uniform(0, 0.6, rng.integers(1, 6)).tolist()) for _ in range(2))
        assert beat_f_measure(truth, found) == 2 * by_trying(truth, found) / (len(truth) + len(found))
    assert beat_f_measure([], [1.0]) == 0


def test_continuity_tells_the_level_from_the_place() -> None:
    """By the definition of Davies et al., on beats of one tempo and on those of a player who speeds up."""
    for beats in (np.arange(40) * 0.5, np.cumsum(np.linspace(0.7, 0.4, 40))):
        half_way = (beats[1:] + beats[:-1]) / 2
        assert continuity(beats, beats) == (1, 1)
        for level in (beats[::2], beats[1::2], np.sort(np.concatenate([beats, half_way])), half_way):
            right, allowed = continuity(beats, level)
            assert right == 0
            assert allowed > 0.97
        assert continuity(beats, beats + 0.17 * 0.4) == (1, 1)  # near enough, at every tempo here
        assert continuity(beats, np.arange(0.1, beats[-1], 0.31))[1] < 0.4
    wrong_half = np.concatenate([beats[:20], half_way[20:]])
    assert continuity(beats, wrong_half)[0] == pytest.approx(0.5, abs=0.03)
    assert continuity(beats, []) == continuity([1.0], beats) == (0, 0)


def test_annotated_performances_are_judged_as_asap_writes_them(tmp_path: Path, corpus: Path) -> None:
    spec = importlib.util.spec_from_file_location("beats_benchmark", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    played = perform(read_midi(corpus / FOUR), 0)
    lines = [
        f"{at}\t{at}\t{'db' if is_downbeat else 'b'}{',4/4,0' if number == 0 else ''}"
        for number, (at, is_downbeat) in enumerate(zip(played.beats, played.is_downbeat, strict=True))
    ]
    for name in ("Someone01M", "midi_score"):
        (tmp_path / f"{name}.mid").write_bytes(played.data)
        (tmp_path / f"{name}_annotations.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = benchmark.annotated(tmp_path)
    assert found == [(tmp_path / "Someone01M.mid", tmp_path / "Someone01M_annotations.txt")]
    report = benchmark.summary([benchmark.asap_row(*found[0])])
    ours = beat_f_measure(played.beats, beats_of(played.data).beats)
    assert report["beat F, ours"]["value"] == pytest.approx(ours, abs=1e-6)
    assert report["metre right"]["works"] == 1
