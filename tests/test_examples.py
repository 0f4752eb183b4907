"""The bundled openings are what examples/README.md says they are."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from pianomuse.midi.read import Piece, read_midi

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NAMES = (
    "finished-phrase", "broken-off-on-beat-3", "right-hand", "waltz-pickup", "expressive-pedal", "gap-of-four-bars",
)  # fmt: skip


def read(name: str) -> Piece:
    return read_midi(EXAMPLES / f"{name}.mid")


def test_the_session_script_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = runpy.run_path(str(EXAMPLES / "session.py"))
    written = script["main"](["--out", str(tmp_path)])
    assert len(read_midi(written).score.tracks[0].notes) > len(read("waltz-pickup").score.tracks[0].notes)
    said = capsys.readouterr().out
    for words in ("hearing bars 1 to 21", "idea 1: bar 21 beat", "as the ghost has it", "changed from bar 3 on"):
        assert words in said


def test_the_complete_script_runs(tmp_path: Path) -> None:
    script = runpy.run_path(str(EXAMPLES / "complete.py"))
    written = script["main"](["--out", str(tmp_path)])
    assert len(written) == 3
    for path in written:
        assert read_midi(path).score.tracks[0].notes[-1].time >= read("waltz-pickup").grid.start_of(21)


def test_the_fill_script_runs(tmp_path: Path) -> None:
    script = runpy.run_path(str(EXAMPLES / "fill.py"))
    gap = read("gap-of-four-bars")
    for path in script["main"](["--out", str(tmp_path)]):
        notes = [note for track in read_midi(path).score.tracks for note in track.notes]
        assert any(gap.grid.start_of(8) <= note.time < gap.grid.start_of(12) for note in notes)


def test_the_harmonise_script_runs(tmp_path: Path) -> None:
    script = runpy.run_path(str(EXAMPLES / "harmonise.py"))
    for path in script["main"](["--out", str(tmp_path)]):
        assert len(read_midi(path).score.tracks[0].notes) > len(read("right-hand").score.tracks[0].notes)


def test_the_vary_script_runs(tmp_path: Path) -> None:
    script = runpy.run_path(str(EXAMPLES / "vary.py"))
    written = script["main"](["--out", str(tmp_path), "--bars", "3-4"])
    n_notes = [len(read_midi(path).score.tracks[0].notes) for path in written]
    assert len(n_notes) == 6
    assert n_notes[:4] == 4 * [len(read("finished-phrase").score.tracks[0].notes)]  # with the rhythm or contour kept


def test_the_arrive_script_runs(tmp_path: Path) -> None:
    script = runpy.run_path(str(EXAMPLES / "arrive.py"))
    for path in script["main"](["--out", str(tmp_path)]):
        piece = read_midi(path)
        pitches = [n.pitch for n in piece.score.tracks[0].notes if n.time == piece.grid.start_of(9)]
        assert max(pitches) == 81
        assert min(pitches) % 12 == 9


def test_the_like_script_runs(tmp_path: Path) -> None:
    script = runpy.run_path(str(EXAMPLES / "like.py"))
    idea, start, rhythm, *_ = (read_midi(path) for path in script["main"](["--out", str(tmp_path)]))
    onsets = [sorted(note.time for note in piece.score.tracks[0].notes) for piece in (idea, start, rhythm)]
    assert onsets[0] == onsets[2]
    front = idea.grid.start_of(10)  # four beats of 2/4
    assert [tick for tick in onsets[0] if tick < front] == [tick for tick in onsets[1] if tick < front]


def in_quarters(piece: Piece) -> tuple[np.ndarray, np.ndarray]:
    notes = piece.score.tracks[0].notes.numpy()
    onsets = notes["time"] / piece.grid.ticks_per_quarter
    return onsets, onsets + notes["duration"] / piece.grid.ticks_per_quarter


def test_every_file_is_listed_and_small() -> None:
    table = (EXAMPLES / "README.md").read_text("utf-8")
    assert sorted(path.stem for path in EXAMPLES.glob("*.mid")) == sorted(NAMES)
    for name in NAMES:
        assert f"| `{name}.mid` |" in table
        assert (EXAMPLES / f"{name}.mid").stat().st_size < 3000


@pytest.mark.parametrize(
    ("name", "n_bars", "metre", "roles"),
    [
        ("finished-phrase", 8, (2, 4), ("right", "left")),
        ("broken-off-on-beat-3", 6, (4, 4), ("right", "left")),
        ("right-hand", 9, (2, 2), ("right",)),
        ("waltz-pickup", 21, (3, 8), ("right", "left")),
        ("expressive-pedal", 16, (3, 4), ("piano",)),
        ("gap-of-four-bars", 20, (6, 8), ("right", "left")),
    ],
)
def test_bars_metre_and_tracks(name: str, n_bars: int, metre: tuple[int, int], roles: tuple[str, ...]) -> None:
    piece = read(name)
    assert piece.grid.n_bars == n_bars
    assert set(piece.grid.metres) == {metre}
    assert tuple(track.role for track in piece.tracks) == roles


def test_the_finished_phrase_fills_its_last_bar() -> None:
    _, ends = in_quarters(read("finished-phrase"))
    assert ends.max() == 8 * 2


def test_the_broken_bar_stops_where_beat_3_begins() -> None:
    onsets, ends = in_quarters(read("broken-off-on-beat-3"))
    assert ends.max() == 5 * 4 + 2
    assert onsets.max() >= 5 * 4 + 1


def test_the_waltz_begins_with_a_pickup_and_stops_before_the_next() -> None:
    onsets, ends = in_quarters(read("waltz-pickup"))
    assert onsets.min() == 1.0  # the last eighth of a bar of three
    assert ends.max() == 20 * 1.5 + 1.0


def test_the_performance_has_dynamics_timing_and_pedal() -> None:
    piece = read("expressive-pedal")
    notes = piece.score.tracks[0].notes.numpy()
    assert len(np.unique(notes["velocity"])) > 20
    off_the_score = np.abs(notes["time"] - np.round(notes["time"] / 480) * 480)
    assert 3 < off_the_score.mean() < 40
    assert len(piece.score.tracks[0].pedals) == 16


def test_the_gap_is_four_empty_bars_between_music() -> None:
    piece = read("gap-of-four-bars")
    onsets, _ = in_quarters(piece)
    bars = set((onsets // 3).astype(int).tolist())
    assert set(range(20)) - bars == {8, 9, 10, 11}
