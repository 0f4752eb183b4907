"""Performances made from scores, so that beats are known: what a beat tracker is trained and judged on.

Free recordings with annotated beats may rarely be passed on, and scores may. So a score is played by rule and by chance
from a seed, the way a digital piano records it: one track, 480 ticks a quarter at 120 to the minute, whatever the tempo
of the music, beginning anywhere. What is imitated, after the literature on expressive timing:

  * tempo: phrase arcs (Todd 1985), ritardandi at their ends and at the end of the piece (Friberg & Sundberg 1999), a
    slow random walk, uneven beats within the bar (a waltz's early second beat), rubato beat by beat, holds;
  * chords: spread from the bass upwards, some rolled; the melody ahead of the rest (Goebl 2001);
  * noise of strikes and of single notes, legato and staccato, a few notes lost and a few neighbours struck by mistake;
  * loudness: phrase arcs, melody above accompaniment, noise; no accents on the beats, so nothing can cheat by them;
  * pedal: none, by the beat or by the bar.

Nobody played these. How far they are from a pianist is not known; benchmarks say so beside their figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.evaluate.beat_grid import beat_lines, main_metre
from pianomuse.midi.bars import DEFAULT_MSPQ, Metre
from pianomuse.midi.events import (
    CONTROL,
    NOTE_OFF,
    NOTE_ON,
    SUSTAIN,
    TEMPO,
    TIME_SIGNATURE,
    chunk_bytes,
    file_bytes,
    meta,
)
from pianomuse.midi.read import Piece

TICKS_PER_QUARTER = 480
TICKS_PER_SECOND = 960  # at 120 quarters a minute
_SLOWEST, _FASTEST = 0.2, 2.0  # seconds a beat

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Performance:
    """A file as a player would hand it in, and what is known about it.

    Args:
        data: the MIDI file.
        beats: where the beats between the first strike and the last are, seconds, float64 [n].
        is_downbeat: which of them begin a bar, bool [n].
        metre: the one in which most of it stands, 2/2 said as 4/4.
        in_one_metre: no other metre lasts longer than a tenth of it.

    """

    data: bytes
    beats: Floats
    is_downbeat: NDArray[np.bool_]
    metre: Metre
    in_one_metre: bool

    @property
    def downbeats(self) -> Floats:
        """Where bars begin, seconds."""
        return self.beats[self.is_downbeat]


def perform(piece: Piece, seed: int) -> Performance:
    """Play a score freely, without a metronome."""
    rng = np.random.default_rng(seed)
    ticks, is_downbeat, bar_of = beat_lines(piece.grid)
    seconds = _tempo_curve(piece, ticks, bar_of, rng)
    played = _play(piece, ticks, seconds, rng, unevenness=float(rng.uniform(0.6, 1.6)))
    start = float(rng.uniform(0.2, 6.0)) - float(played[0].min())
    onset, end, pitch, velocity = played[0] + start, played[1] + start, played[2], played[3]
    pedal = _pedal(seconds + start, is_downbeat, float(onset.min()), float(end.max()), rng)
    metre, in_one_metre = main_metre(piece.grid)
    sounding = (seconds + start >= onset.min() - 0.05) & (seconds + start <= onset.max() + 0.05)
    conductor = [(0, meta(TEMPO, DEFAULT_MSPQ.to_bytes(3, "big"))), (0, meta(TIME_SIGNATURE, bytes((4, 2, 24, 8))))]
    data = _file(conductor, TICKS_PER_SECOND, onset, end, pitch, velocity, pedal)
    return Performance(data, (seconds + start)[sounding], is_downbeat[sounding], metre, in_one_metre)


def play_to_click(piece: Piece, seed: int) -> bytes:
    """Play a score to a metronome that the recording follows: the file's bars are those of the music.

    Strikes are off by up to some 30 ms in standard deviation, early or late on the whole, and swung at times.
    """
    rng = np.random.default_rng(seed)
    quarter = piece.grid.ticks_per_quarter
    mspq = int(piece.score.tempos[0].mspq)
    metre = piece.grid.metre_of(min(1, piece.grid.n_bars - 1))
    pickup = (-piece.grid.start_of(1)) % (metre[0] * 4 * quarter // metre[1]) if piece.grid.n_bars > 1 else 0
    ticks = np.arange(0, int(piece.grid.starts[-1]) + 2 * quarter, quarter)
    seconds = (ticks + pickup) * mspq / 1e6 / quarter
    onset, end, pitch, velocity = _play(piece, ticks, seconds, rng, unevenness=float(rng.uniform(0.3, 2.5)))
    shift = float(rng.normal(0, 0.012))
    onset, end = np.maximum(onset + shift, 0), np.maximum(end + shift, 0.01)
    if rng.random() < 0.2:
        onset = _swung(onset, mspq / 1e6, float(rng.uniform(0.55, 0.67)))
        end = np.maximum(end, onset + 0.03)
    top = [(0, meta(TEMPO, mspq.to_bytes(3, "big")))]
    top.append((0, meta(TIME_SIGNATURE, bytes((metre[0], metre[1].bit_length() - 1, 24, 8)))))
    return _file(top, TICKS_PER_QUARTER * 1e6 / mspq, onset, end, pitch, velocity, [])


def _tempo_curve(piece: Piece, ticks: NDArray[np.int64], bar_of: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Return when the beats are played, in seconds from the first: float64 [n]."""
    n, quarter = len(ticks), piece.grid.ticks_per_quarter
    tempos = sorted((int(t.time), int(t.mspq)) for t in piece.score.tempos)
    at = np.searchsorted([tick for tick, _ in tempos], ticks, side="right") - 1
    usual = np.array([mspq / 1e6 for _, mspq in tempos])[np.maximum(at, 0)]
    beat_quarters = np.diff(ticks, append=ticks[-1] + quarter) / quarter
    tempo_choice = float(np.exp(rng.normal(0, 0.15)))
    middle = float(np.median(usual * beat_quarters * tempo_choice))
    tempo_choice *= float(np.clip(middle, 0.3, 1.3)) / middle
    slower = _slowness(ticks, bar_of, rng)
    duration = np.clip(
        usual * tempo_choice * np.exp(slower) * beat_quarters, _SLOWEST * beat_quarters.min(), _SLOWEST * 20
    )
    is_held = (rng.random(n) < 0.002) & (slower > 0.1)
    duration *= np.where(is_held, rng.uniform(1.3, 2.2, n), 1.0)
    return np.concatenate([[0.0], np.cumsum(duration)[:-1]])


def _slowness(ticks: NDArray[np.int64], bar_of: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Return by how much each beat is slower than the tempo, as a logarithm."""
    n, n_bars = len(ticks), int(bar_of[-1]) + 1
    freedom = float(rng.uniform(0.3, 1.3))
    walk = np.zeros(n)
    for beat in range(1, n):
        walk[beat] = 0.93 * walk[beat - 1] + rng.normal(0, 0.02)
    slower = walk + rng.normal(0, 0.025, n)
    phrase_bars = int(rng.choice([4, 4, 8]))
    arc, ritardando = float(rng.uniform(0.02, 0.10)), float(rng.uniform(0.05, 0.35))
    first_beat = np.searchsorted(bar_of, np.arange(n_bars + 1))
    shift = int(rng.integers(0, 2))
    for bar in range(-shift, n_bars, phrase_bars):
        a, b = first_beat[max(bar, 0)], first_beat[min(bar + phrase_bars, n_bars)]
        if b - a < 3:
            continue
        x = np.linspace(-1, 1, b - a)
        slower[a:b] += arc * (x**2 - 1 / 3)
        if rng.random() < 0.6:
            n_slow = int(rng.integers(1, 4))
            slower[b - n_slow : b] += ritardando * np.linspace(0.4, 1, n_slow) * rng.uniform(0.3, 1)
    place = np.arange(n) - first_beat[bar_of]
    slower += rng.normal(0, 0.025, place.max() + 1)[place]
    n_last = min(int(rng.integers(3, 9)), n)
    slower[n - n_last :] += np.linspace(0, rng.uniform(0.1, 0.6), n_last)
    return slower * freedom


def _play(
    piece: Piece, ticks: NDArray[np.int64], seconds: Floats, rng: np.random.Generator, *, unevenness: float
) -> tuple[Floats, Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Return onsets and ends in seconds, pitches and velocities of what is struck, by onset."""
    notes = piece.score.tracks[0].notes.numpy()
    onset_ticks = notes["time"].astype(np.int64)
    pitch = notes["pitch"].astype(np.int64)
    meant = _at(onset_ticks, ticks, seconds)
    meant_end = _at(onset_ticks + notes["duration"], ticks, seconds)
    late = _lateness(onset_ticks, pitch, rng) * unevenness
    onset = meant + late
    legato = float(rng.uniform(0.75, 1.08))
    length = (meant_end - meant) * np.clip(rng.normal(legato, 0.12, len(pitch)), 0.25, 1.3)
    end = onset + np.maximum(length, 0.04)
    velocity = _velocities(meant, onset_ticks, pitch, rng)
    kept = rng.random(len(pitch)) > 0.004
    kept[int(np.argmin(meant))] = True
    wrong = (rng.random(len(pitch)) < 0.002) & (pitch < 107) & (pitch > 22)
    onset = np.concatenate([onset[kept], onset[wrong] + rng.normal(0, 0.01, int(wrong.sum()))])
    end = np.concatenate([end[kept], onset[kept.sum() :] + 0.06])
    pitches = np.concatenate([pitch[kept], pitch[wrong] + rng.choice([-1, 1], int(wrong.sum()))])
    velocities = np.concatenate([velocity[kept], np.maximum(velocity[wrong] - 25, 10)])
    order = np.lexsort((pitches, onset))
    return onset[order], end[order], pitches[order], velocities[order].astype(np.int64)


def _at(ticks: NDArray[np.int64], lines: NDArray[np.int64], seconds: Floats) -> Floats:
    """Return the seconds at some ticks; past the last line its tempo goes on."""
    last = (seconds[-1] - seconds[-2]) / max(lines[-1] - lines[-2], 1)
    first = (seconds[1] - seconds[0]) / max(lines[1] - lines[0], 1)
    inside = np.interp(ticks, lines, seconds)
    past = seconds[-1] + (ticks - lines[-1]) * last
    before = seconds[0] + (ticks - lines[0]) * first
    return np.where(ticks > lines[-1], past, np.where(ticks < lines[0], before, inside))


def _lateness(onset: NDArray[np.int64], pitch: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Return by how many seconds every note is late: noise of strikes and notes, spread chords, melody ahead."""
    _, strike, count = np.unique(onset, return_inverse=True, return_counts=True)
    late = rng.normal(0, 0.010, len(count))[strike] + rng.normal(0, 0.005, len(pitch))
    lead, gap = float(rng.uniform(0.0, 0.030)), float(rng.uniform(0.0, 0.010))
    rolled = float(rng.choice([0.0, 0.02, 0.08]))
    is_rolled = (rng.random(len(count)) < rolled) & (count >= 3)
    roll_gap = rng.uniform(0.02, 0.07, len(count))
    order = np.lexsort((pitch, strike))
    starts = np.concatenate([[0], np.cumsum(count)[:-1]])
    place = np.empty(len(pitch), dtype=np.int64)
    place[order] = np.arange(len(pitch)) - starts[strike[order]]
    gaps = np.where(is_rolled, roll_gap, gap)[strike]
    is_top = (place == count[strike] - 1) & (count[strike] > 1)
    late += place * gaps - np.where(is_top & ~is_rolled[strike], lead, 0.0)
    middle = ((count - 1) * np.where(is_rolled, roll_gap * 0.6, gap * 0.5))[strike]
    return late - middle


def _velocities(meant: Floats, onset: NDArray[np.int64], pitch: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Return how loud every note is."""
    level = float(rng.uniform(50, 78))
    swell = 10 * np.sin(2 * np.pi * (meant / rng.uniform(6, 15) + rng.random()))
    _, strike = np.unique(onset, return_inverse=True)
    highest = np.full(int(strike.max()) + 1, -1)
    np.maximum.at(highest, strike, pitch)
    top = pitch == highest[strike]
    loudness: Floats = np.clip(np.round(level + swell + 9 * top + rng.normal(0, 5, len(pitch))), 8, 124)
    return loudness


def _pedal(
    lines: Floats, is_downbeat: NDArray[np.bool_], first: float, last: float, rng: np.random.Generator
) -> list[tuple[float, int]]:
    """Return pedal changes in seconds: none, on every beat or on every bar, a little after it."""
    kind = rng.choice(["none", "beat", "bar", "bar"])
    if kind == "none":
        return []
    at = lines[is_downbeat] if kind == "bar" else lines
    at = at[(at > first) & (at < last)]
    moves: list[tuple[float, int]] = []
    for place, line in enumerate(at + rng.normal(0.05, 0.02, len(at))):
        if place:
            moves.append((line - 0.02, 0))
        moves.append((line + 0.06, 127))
    return [*moves, (last + 0.1, 0)] if moves else []


def _swung(onset: Floats, quarter_s: float, share: float) -> Floats:
    """Return onsets with the off-beat eighth moved from a half of the beat to another share of it."""
    beat, rest = np.divmod(onset / quarter_s, 1.0)
    moved = np.where(rest < 0.5, rest / 0.5 * share, share + (rest - 0.5) / 0.5 * (1 - share))
    return (beat + moved) * quarter_s


def _file(
    conductor: list[tuple[int, bytes]],
    ticks_per_second: float,
    onset: Floats,
    end: Floats,
    pitch: NDArray[np.int64],
    velocity: NDArray[np.int64],
    pedal: list[tuple[float, int]],
) -> bytes:
    """Write one track on one channel; a key struck again ends before."""
    rows = [(tick, 0, raw) for tick, raw in conductor]
    on = np.round(onset * ticks_per_second).astype(np.int64)
    off = np.maximum(np.round(end * ticks_per_second).astype(np.int64), on + 1)
    following: dict[int, int] = {}
    for index in np.lexsort((pitch, on))[::-1]:
        key = int(pitch[index])
        begin, stop = int(on[index]), int(off[index])
        again = following.get(key)
        if again is not None and again <= begin:
            continue
        if again is not None:
            stop = max(min(stop, again - 1), begin + 1)
        following[key] = begin
        rows.append((begin, 3, bytes((NOTE_ON, key, int(velocity[index])))))
        rows.append((stop, 1, bytes((NOTE_OFF, key, 64))))
    for at, value in pedal:
        rows.append((max(round(at * ticks_per_second), 0), 2, bytes((CONTROL, SUSTAIN, value))))
    rows.sort(key=lambda row: row[:2])
    return file_bytes([chunk_bytes([(tick, raw) for tick, _, raw in rows], rows[-1][0])], TICKS_PER_QUARTER)
