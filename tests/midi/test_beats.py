"""A performance moved onto its annotated beats: the score's bars come back, and it sounds as it did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pianomuse.errors import MidiError
from pianomuse.midi.beats import Beat, _seconds, warp
from pianomuse.midi.events import META, NOTE_ON, TEMPO, chunk_bytes, file_bytes, meta, parse
from pianomuse.midi.read import Piece, read_midi

ROOT = Path(__file__).resolve().parents[2]
SCORES = ["examples/gap-of-four-bars.mid", "examples/waltz-pickup.mid", "tests/corpus/mutopia/mozart-k453a.mid"]


def performed(piece: Piece, seed: int, lead_s: float = 1.3) -> tuple[bytes, NDArray[np.float64]]:
    """Play a score with rubato into a file that counts 120 to the minute in 4/4; returns it and its beats' seconds."""
    generator = np.random.default_rng(seed)
    file = parse(piece.data)
    beat = beat_of(piece)
    n = int(piece.grid.starts[-1]) // beat + 8
    beat_ticks = np.arange(n + 1) * beat
    seconds = lead_s + np.concatenate([[0.0], np.cumsum(generator.uniform(0.3, 0.9, n))])
    chunks = []
    for number, chunk in enumerate(file.chunks):
        events = [(0, meta(TEMPO, (500_000).to_bytes(3, "big")))] if number == 0 else []
        for tick, raw in chunk.events:
            if not (raw[0] == META and raw[1] in (TEMPO, 0x58)):
                events.append((round(float(np.interp(tick, beat_ticks, seconds)) * 2000), raw))
        chunks.append(chunk_bytes(events, 0))
    return file_bytes(chunks, 1000), seconds


def beat_of(piece: Piece) -> int:
    """Return the ticks of the note value that the piece's metre counts in."""
    return piece.grid.ticks_per_quarter * 4 // piece.grid.metres[1][1]


def heard(data: bytes) -> list[tuple[float, bytes]]:
    """Return when every event but tempos and metres is heard, in seconds."""
    file = parse(data)
    found = []
    for chunk in file.chunks:
        at = _seconds(file, chunk.events)
        found += [(float(s), raw) for s, (_, raw) in zip(at, chunk.events, strict=True) if raw[0] != META]
    return sorted(found)


def beats_of(piece: Piece, seconds: NDArray[np.float64]) -> list[Beat]:
    """Annotate a score's beats with its metres and downbeats."""
    beat = beat_of(piece)
    starts = {int(start): bar for bar, start in enumerate(piece.grid.starts[:-1])}
    found, last = [], None
    for index in range(int(piece.grid.starts[-1]) // beat):
        bar = starts.get(index * beat)
        is_downbeat = bar is not None and not (bar == 0 and piece.grid.pickup_ticks)
        metre = piece.grid.metres[bar] if is_downbeat and bar is not None else None
        found.append(Beat(float(seconds[index]), is_downbeat, metre if metre != last else None))
        last = metre or last
    return found


@pytest.mark.parametrize("name", SCORES)
def test_a_rubato_performance_gets_the_bars_of_its_score_back(name: str) -> None:
    piece = read_midi(ROOT / name)
    data, seconds = performed(piece, seed=5)
    warped = read_midi(warp(data, beats_of(piece, seconds)))
    scale = 480 / piece.grid.ticks_per_quarter
    ours, theirs = (score.tracks[0].notes.numpy() for score in (warped.score, piece.score))
    assert np.array_equal(ours["pitch"], theirs["pitch"])
    offset = round((ours["time"] - theirs["time"] * scale).mean())
    assert np.abs(ours["time"] - theirs["time"] * scale - offset).max() <= 2
    assert offset % (beat_of(piece) * scale) == 0
    first = int(np.flatnonzero(warped.grid.starts == piece.grid.starts[1] * scale + offset)[0])
    n = min(warped.grid.n_bars - first, piece.grid.n_bars - 1)
    assert n >= piece.grid.n_bars - 2
    assert warped.grid.metres[first : first + n] == piece.grid.metres[1 : n + 1]


@pytest.mark.parametrize("name", SCORES[:2])
def test_it_sounds_as_it_did_but_for_the_silence_before(name: str) -> None:
    piece = read_midi(ROOT / name)
    data, seconds = performed(piece, seed=9)
    before, after = heard(data), heard(warp(data, beats_of(piece, seconds)))
    assert [raw for _, raw in before if raw[0] < 0xB0] == [raw for _, raw in after if raw[0] < 0xB0]
    gaps = np.array([[a - b] for (a, x), (b, _) in zip(before, after, strict=True) if x[0] & 0xF0 == NOTE_ON])
    assert np.ptp(gaps) < 0.004


def strike(*at: float) -> bytes:
    """Return a file with a note of a tenth of a second at each second."""
    events = []
    for second in at:
        events += [(round(second * 1000), b"\x90\x3c\x50"), (round(second * 1000) + 100, b"\x80\x3c\x00")]
    return file_bytes([chunk_bytes(events, 0)], 500)


def steady(n: int, metre: tuple[int, int] | None = None, per_bar: int = 4, first: int = 0) -> list[Beat]:
    return [Beat(1 + 0.6 * index, index % per_bar == first, metre if index == first else None) for index in range(n)]


def bars_of(data: bytes) -> list[tuple[int, int]]:
    return list(read_midi(data).grid.metres)


def test_a_pickup_is_a_short_first_bar() -> None:
    data = warp(strike(*(1 + 0.6 * n for n in range(10))), steady(10, (4, 4), first=2))
    assert bars_of(data) == [(2, 4), (4, 4), (4, 4)]
    assert read_midi(data).grid.pickup_ticks == 960


def test_notes_before_the_first_beat_get_beats_of_their_own() -> None:
    data = warp(strike(0.4, *(1 + 0.6 * n for n in range(8))), steady(8, (4, 4)))
    assert bars_of(data) == [(1, 4), (4, 4), (4, 4)]
    assert read_midi(data).score.tracks[0].notes.numpy()["time"].tolist() == [480 * n for n in range(9)]


def test_a_note_just_before_the_first_beat_is_on_it() -> None:
    assert read_midi(warp(strike(0.97, 1.6, 2.2), steady(8, (4, 4)))).score.tracks[0].notes.numpy()["time"][0] == 0


def test_beats_of_three_eighths_are_told_from_quarters_by_the_metre() -> None:
    data = warp(strike(*(1 + 0.6 * n for n in range(8))), steady(8, (6, 8), per_bar=2))
    assert bars_of(data) == [(6, 8)] * 4
    assert np.diff(read_midi(data).score.tracks[0].notes.numpy()["time"]).tolist() == [720] * 7


def test_without_a_metre_a_bar_has_as_many_quarters_as_beats() -> None:
    beats = [Beat(1 + 0.6 * n, n in (0, 4, 6, 10)) for n in range(12)]
    assert bars_of(warp(strike(*(beat.second for beat in beats)), beats)) == [(4, 4), (2, 4), (4, 4), (4, 4)]


def test_tempo_and_key_follow_the_annotations() -> None:
    beats = [Beat(0, True, (4, 4), -3), Beat(0.5, False), Beat(1.5, False), Beat(2, False), Beat(2.5, True, None, 2)]
    score = read_midi(warp(strike(0, 0.5, 1.5, 2, 2.5), beats)).score
    assert [(int(t.time), round(t.qpm)) for t in score.tempos] == [(0, 120), (480, 60), (960, 120)]
    assert [(int(k.time), int(k.key)) for k in score.key_signatures] == [(0, -3), (1920, 2)]


@pytest.mark.parametrize(
    ("beats", "what"),
    [
        ([], "are 0"),
        ([Beat(1, True)], "are 1"),
        ([Beat(1, False), Beat(2, False)], "no downbeat"),
        ([Beat(1, True), Beat(1, False)], "not in order"),
        ([Beat(2, True), Beat(1, False)], "not in order"),
        ([Beat(float("nan"), True), Beat(1, False)], "not in order"),
    ],
)
def test_annotations_without_sense_are_refused(beats: list[Beat], what: str) -> None:
    with pytest.raises(MidiError, match=what):
        warp(strike(1), beats)


def test_a_file_without_notes_is_refused() -> None:
    with pytest.raises(MidiError, match="no notes"):
        warp(file_bytes([chunk_bytes([], 0)], 500), steady(4))
