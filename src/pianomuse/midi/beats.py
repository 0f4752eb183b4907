"""Give a free performance bars that mean something: move its events onto beats that someone annotated.

A performance recorded without a metronome is counted in bars that nobody played. Here every annotated beat becomes a
beat of the file, with a tempo of its own that lasts as long as the beat did: what is heard stays as it was, to within a
tick, and a bar is a bar. Events between two beats keep their place between them; the first and the last beat's length
go on before and behind. Silence before the first note is cut down to the beginning of a bar.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import MidiError
from pianomuse.midi.bars import DEFAULT_MSPQ, Metre
from pianomuse.midi.events import (
    KEY_SIGNATURE,
    META,
    NOTE_ON,
    TEMPO,
    TIME_SIGNATURE,
    Event,
    EventFile,
    chunk_bytes,
    file_bytes,
    meta,
    meta_payload,
    parse,
)

QUARTER = 480
MAX_BEATS = 100_000
_CLAMPED_BEATS = 1 / 8  # a note that comes so much before the first beat was meant on it
_MAX_MSPQ = 2**24 - 1
_FINEST = 32  # note value in which the length of an odd bar is told


@dataclass(frozen=True)
class Beat:
    """An annotated beat.

    Args:
        second: when it is heard, from the beginning of the file.
        is_downbeat: whether a bar begins with it.
        metre: that begins here; None: as before, at the beginning as many quarters as a bar has beats.
        sharps: of the key that begins here, flats below 0; None: as before.

    """

    second: float
    is_downbeat: bool
    metre: Metre | None = None
    sharps: int | None = None


@dataclass(frozen=True)
class _Bar:
    """Annotated beats from a downbeat up to the next, as indices; `beat` is the length of one, in quarters."""

    first: int
    end: int
    metre: Metre
    beat: Fraction


def warp(data: bytes, beats: Sequence[Beat], name: str = "The MIDI data") -> bytes:
    """Return the performance as a file whose beats are the annotated ones.

    Args:
        data: a standard MIDI file.
        beats: in order, at least two of them, and a downbeat among them.
        name: of the file, for errors.

    Raises:
        MidiError: not readable as MIDI, without notes, or the annotations make no sense.
    """
    file = parse(data, name)
    seconds = [_seconds(file, chunk.events) for chunk in file.chunks]
    strikes = [_first_strike(chunk.events, at) for chunk, at in zip(file.chunks, seconds, strict=True)]
    first_note = min((at for at in strikes if at is not None), default=None)
    if first_note is None:
        raise MidiError(f"{name} has no notes: give a file with at least one note.", "file_no_notes", file=name)
    bars = _bars(beats, name)
    times = np.array([beat.second for beat in beats])
    lengths = _beat_lengths(bars, len(beats))
    n_before = _beats_before(first_note, times)
    places = _places(lengths, n_before)
    known_times, known_ticks = _with_ends(times, places, lengths)
    chunks = [chunk_bytes(_conductor(beats, bars, places, lengths), 0)]
    for chunk, at in zip(file.chunks, seconds, strict=True):
        ticks = np.rint(np.interp(at, known_times, known_ticks)).astype(np.int64)
        kept = [
            (max(int(tick), 0), raw)
            for tick, (_, raw) in zip(ticks, chunk.events, strict=True)
            if not (raw[0] == META and raw[1] in (TEMPO, TIME_SIGNATURE))
        ]
        chunks.append(chunk_bytes(kept, kept[-1][0] if kept else 0))
    return file_bytes(chunks, QUARTER)


def _seconds(file: EventFile, events: Sequence[Event]) -> NDArray[np.float64]:
    """Return when the events of a chunk are heard, by the tempos of all chunks."""
    tempos = {0: DEFAULT_MSPQ}
    for chunk in file.chunks:
        for tick, raw in chunk.events:
            if raw[0] == META and raw[1] == TEMPO and any(payload := meta_payload(raw)[:3]):
                tempos[tick] = int.from_bytes(payload, "big")
    ticks = np.array(sorted(tempos), dtype=np.float64)
    per_tick = np.array([tempos[int(tick)] for tick in ticks]) / (1e6 * file.ticks_per_quarter)
    starts = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * per_tick[:-1])])
    at = np.array([tick for tick, _ in events], dtype=np.float64)
    index = np.searchsorted(ticks, at, side="right") - 1
    found: NDArray[np.float64] = starts[index] + (at - ticks[index]) * per_tick[index]
    return found


def _first_strike(events: Sequence[Event], seconds: NDArray[np.float64]) -> float | None:
    """Return when the first note of a chunk is struck."""
    is_strike = (raw[0] & 0xF0 == NOTE_ON and raw[2] > 0 for _, raw in events)
    return next((float(at) for at, is_it in zip(seconds, is_strike, strict=True) if is_it), None)


def _bars(beats: Sequence[Beat], name: str) -> list[_Bar]:
    """Group the beats into bars; the first may be a pickup, all may be longer or shorter than their metre says."""
    where = f"{name}: the annotated beats"
    if not 2 <= len(beats) <= MAX_BEATS:
        raise MidiError(
            f"{where} are {len(beats)}: give 2 to {MAX_BEATS:,}.",
            "beats_number",
            file=name,
            beats=len(beats),
            most=MAX_BEATS,
        )
    if not all(0 <= here.second < there.second for here, there in pairwise(beats)):
        raise MidiError(
            f"{where} are not in order: each must come after the one before.", "beats_disordered", file=name
        )
    downbeats = [index for index, beat in enumerate(beats) if beat.is_downbeat]
    if not downbeats:
        raise MidiError(f"{where} have no downbeat: mark where bars begin.", "beats_no_downbeat", file=name)
    edges = sorted({0, *downbeats, len(beats)})
    spans = list(pairwise(edges))
    metres = _metres(beats, spans)
    counts: dict[Metre | None, Counter[int]] = {}
    for metre, (first, end) in zip(metres, spans, strict=True):
        if beats[first].is_downbeat and end < len(beats):  # the last bar may be broken off
            counts.setdefault(metre, Counter())[end - first] += 1
    usual = {metre: found.most_common(1)[0][0] for metre, found in counts.items()}
    return [
        _bar(first, end, metre, usual.get(metre, end - first), is_last=end == len(beats))
        for metre, (first, end) in zip(metres, spans, strict=True)
    ]


def _metres(beats: Sequence[Beat], spans: Sequence[tuple[int, int]]) -> list[Metre | None]:
    """Return the metre in force in each bar, None where none was said; a pickup is in the metre that follows it."""
    found: list[Metre | None] = []
    metre: Metre | None = None
    for first, end in spans:
        metre = next((beat.metre for beat in beats[first:end] if beat.metre is not None), metre)
        found.append(metre)
    if not beats[0].is_downbeat and len(found) > 1 and found[0] is None:
        found[0] = found[1]
    return found


def _bar(first: int, end: int, metre: Metre | None, usual: int, *, is_last: bool) -> _Bar:
    n_beats = end - first
    beat = Fraction(1) if metre is None else Fraction(4 * metre[0], metre[1] * usual)
    whole = (usual, 4) if metre is None else metre
    if n_beats == usual or (is_last and n_beats < usual):
        return _Bar(first, end, whole, beat)
    return _Bar(first, end, _metre_of(n_beats * beat), beat)


def _metre_of(quarters: Fraction) -> Metre:
    """Return the plainest metre of a bar's length, which is rounded to 32nds."""
    thirty_seconds = max(round(quarters * _FINEST / 4), 1)
    denominator = next(d for d in (4, 8, 16, 32) if thirty_seconds * d % 32 == 0)
    return thirty_seconds * denominator // 32, denominator


def _beat_lengths(bars: Sequence[_Bar], n_beats: int) -> NDArray[np.float64]:
    """Return the ticks of every beat: float64 [n_beats]; those of an odd bar fill the 32nds it was rounded to."""
    lengths = np.zeros(n_beats)
    for bar in bars:
        exact = bar.beat * QUARTER
        if bar.metre == _metre_of((bar.end - bar.first) * bar.beat):
            exact = Fraction(bar.metre[0] * 4 * QUARTER, bar.metre[1] * (bar.end - bar.first))
        lengths[bar.first : bar.end] = float(exact)
    return lengths


def _beats_before(first_note: float, times: NDArray[np.float64]) -> int:
    """Return how many beats have to be put before the first annotated one, so that the first note has a place."""
    early = (times[0] - first_note) / (times[1] - times[0])
    return int(np.ceil(early - _CLAMPED_BEATS)) if early > _CLAMPED_BEATS else 0


def _places(lengths: NDArray[np.float64], n_before: int) -> NDArray[np.float64]:
    """Return the ticks of the beats: float64 [n_beats]."""
    starts = np.concatenate([[0.0], np.cumsum(lengths[:-1])])
    places: NDArray[np.float64] = starts + n_before * lengths[0]
    return places


def _with_ends(
    times: NDArray[np.float64], places: NDArray[np.float64], lengths: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Let the first and the last beat's tempo go on, long enough for everything in the file."""
    n = 1_000_000.0
    before, after = times[1] - times[0], times[-1] - times[-2]
    known_times = np.concatenate([[times[0] - n * before], times, [times[-1] + n * after]])
    known_ticks = np.concatenate([[places[0] - n * lengths[0]], places, [places[-1] + n * lengths[-2]]])
    return known_times, known_ticks


def _conductor(
    beats: Sequence[Beat],
    bars: Sequence[_Bar],
    places: NDArray[np.float64],
    lengths: NDArray[np.float64],
) -> list[Event]:
    """Return metres, tempos and keys."""
    rows = _metre_rows(bars, places, has_pickup=len(bars) > 1 and not beats[0].is_downbeat)
    last = 0
    for index in range(len(beats) - 1):
        mspq = round((beats[index + 1].second - beats[index].second) * 1e6 * QUARTER / lengths[index])
        if mspq != last:
            tick = int(np.rint(places[index])) if index else 0
            rows.append((tick, meta(TEMPO, min(max(mspq, 1), _MAX_MSPQ).to_bytes(3, "big"))))
        last = mspq
    for beat, place in zip(beats, places, strict=True):
        if beat.sharps is not None and -7 <= beat.sharps <= 7:
            rows.append((int(np.rint(place)), meta(KEY_SIGNATURE, bytes((beat.sharps % 256, 0)))))
    return sorted(rows, key=lambda row: row[0])


def _metre_rows(bars: Sequence[_Bar], places: NDArray[np.float64], *, has_pickup: bool) -> list[Event]:
    """Return a time signature for every change of metre; what lies before the first downbeat makes whole bars first."""
    first = bars[1] if has_pickup else bars[0]
    begin = places[first.first]
    rest = begin % (first.metre[0] * 4 * QUARTER / first.metre[1])
    changes: list[tuple[int, Metre]] = []
    if rest > QUARTER / 16:
        changes.append((0, _metre_of(Fraction(float(rest)) / QUARTER)))
    changes.append((int(np.rint(rest)), first.metre))
    changes += [(int(np.rint(places[bar.first])), bar.metre) for bar in (bars[1:] if has_pickup else bars)]
    rows, last = [], None
    for tick, metre in changes:
        if metre != last:
            rows.append((tick, meta(TIME_SIGNATURE, bytes((metre[0], metre[1].bit_length() - 1, 24, 8)))))
        last = metre
    return rows
