"""A recording on bars that were found in its notes: beats become quarters, and how it was played stays around them.

Every event of the file moves to where the music has it, in its own track, so that the composer's tracks keep their
numbers; the file's tempo and metre, which meant nothing, give way to the found ones, with one tempo a bar.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pianomuse.coded import coded
from pianomuse.errors import MidiError, RequestError
from pianomuse.midi.bars import Metre
from pianomuse.midi.events import META, TEMPO, TIME_SIGNATURE, Event, chunk_bytes, file_bytes, meta, parse
from pianomuse.midi.read import Piece, read_midi
from pianomuse.midi.recording import Recording
from pianomuse.performance.beats import Beats, find_beats
from pianomuse.performance.clock import Clock, seconds_of
from pianomuse.performance.metres import METRES, PLACES, bar_places, beat_places
from pianomuse.performance.strikes import find_strikes

TICKS_PER_QUARTER = 480
_PLACE_TICKS = TICKS_PER_QUARTER // PLACES
_SLOWEST_MSPQ, _FASTEST_MSPQ = 3_000_000, 150_000
FEWEST_STRIKES = 4
TEMPOS_BPM = (25.0, 300.0)


def put_on_bars(
    piece: Piece, *, first_downbeat_s: float | None = None, tempo_bpm: float | None = None, metre: Metre | None = None
) -> Piece:
    """Find the bars of a recording and return it on them; what was assumed is its first warning.

    Args:
        piece: the composer's file.
        first_downbeat_s: second at which a bar begins; None: as found.
        tempo_bpm: quarter notes a minute, roughly; None: as found.
        metre: None: as found.

    Raises:
        RequestError: a correction that cannot be followed.
        MidiError: fewer than four strikes.

    """
    _check(piece, first_downbeat_s, tempo_bpm, metre)
    strikes = find_strikes(*seconds_of(piece))
    if len(strikes) < FEWEST_STRIKES:
        raise MidiError(
            f"{len(strikes)} strikes are too few to find a beat in: use --grid file",
            "strikes_too_few",
            strikes=len(strikes),
        )
    beats = find_beats(
        strikes,
        metres=METRES if metre is None else (metre,),
        tempo_bpm=tempo_bpm,
        first_downbeat_s=first_downbeat_s,
    )
    recording = _recording(piece, beats)
    on_bars = read_midi(_moved(piece, recording))
    own = [warning for warning in piece.warnings if warning.code not in ("no_tempo", "no_metre")]  # they are found now
    return replace(on_bars, path=piece.path, warnings=(recording.notice, *own), recording=recording)


def _check(piece: Piece, first_downbeat_s: float | None, tempo_bpm: float | None, metre: Metre | None) -> None:
    if tempo_bpm is not None and not TEMPOS_BPM[0] <= tempo_bpm <= TEMPOS_BPM[1]:
        raise RequestError(
            f"--tempo {tempo_bpm:g}: choose {TEMPOS_BPM[0]:g} to {TEMPOS_BPM[1]:g} quarters a minute",
            "tempo_outside",
            value=tempo_bpm,
            least=TEMPOS_BPM[0],
            most=TEMPOS_BPM[1],
        )
    if metre is not None and metre not in METRES:
        known = [f"{a}/{b}" for a, b in METRES]
        raise RequestError(
            f"--metre {metre[0]}/{metre[1]}: of a recording, bars of {', '.join(known)} can be found",
            "metre_not_found",
            value=f"{metre[0]}/{metre[1]}",
            known=known,
        )
    if first_downbeat_s is not None:
        end = float(seconds_of(piece)[0].max())
        if not 0 <= first_downbeat_s <= end:
            raise RequestError(
                f"--first-downbeat {first_downbeat_s:g}s: the notes begin between 0 and {end:.1f} s",
                "downbeat_outside_notes",
                value=first_downbeat_s,
                last=round(end, 1),
            )


def _recording(piece: Piece, beats: Beats) -> Recording:
    """Say how beats and file belong together, one beat further than the music on either side."""
    step, bar = beat_places(beats.metre), bar_places(beats.metre)
    first = int(beats.places[0]) // step * step
    lines = np.arange(first, int(beats.places[-1]) + 2 * step + 1, step)
    clock = Clock(piece)
    seconds = beats.at(lines)
    seconds = np.maximum.accumulate(seconds + np.arange(len(seconds)) * 1e-4)
    quarter_s = float(np.median(np.diff(seconds))) / step * PLACES
    downbeats = beats.downbeats
    first_downbeat_s = float(downbeats[0]) if len(downbeats) else float(beats.at(np.array([bar]))[0])
    last_tick = float(clock.ticks(seconds[-1]))
    metre, tempo = beats.metre, 60 / quarter_s
    notice = coded(
        f"No metronome: found {metre[0]}/{metre[1]} at about ♩={tempo:.0f}, first downbeat at "
        f"{max(first_downbeat_s, 0):.2f} s; correct it with --first-downbeat {max(first_downbeat_s, 0):.2f}s, "
        f"--tempo or --metre, or keep the file's bars with --grid file.",
        "bars_found",
        metre=f"{metre[0]}/{metre[1]}",
        tempo=round(tempo),
        first=round(max(first_downbeat_s, 0), 2),
    )
    return Recording(
        data=piece.data,
        grid_ticks=lines * _PLACE_TICKS,
        file_ticks=clock.ticks(seconds),
        ticks_per_second=last_tick - float(clock.ticks(seconds[-1] - 1.0)),
        notice=notice,
        metre=metre,
        tempo_bpm=tempo,
        first_downbeat_s=first_downbeat_s,
    )


def _moved(piece: Piece, recording: Recording) -> bytes:
    """Return the file with every event where the music has it, in the found metre, with one tempo a bar."""
    file = parse(piece.data)
    chunks = []
    for index, chunk in enumerate(file.chunks):
        kept = [(tick, raw) for tick, raw in chunk.events if not _is_map(raw)]
        ticks = _whole(recording.on_bars([tick for tick, _ in kept] + [chunk.end_tick]))
        events: list[Event] = [(int(tick), raw) for tick, (_, raw) in zip(ticks, kept, strict=False)]
        if index == 0:
            events = sorted([*_maps(piece, recording), *events], key=lambda event: event[0])
        chunks.append(chunk_bytes(events, int(ticks[-1])))
    return file_bytes(chunks, TICKS_PER_QUARTER)


def _whole(ticks: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.maximum(np.round(ticks), 0).astype(np.int64)


def _is_map(raw: bytes) -> bool:
    return raw[0] == META and raw[1] in (TEMPO, TIME_SIGNATURE)


def _maps(piece: Piece, recording: Recording) -> list[Event]:
    numerator, denominator = recording.metre
    beat = beat_places(recording.metre) * _PLACE_TICKS
    clocks = min(beat * 24 // TICKS_PER_QUARTER, 127)
    events: list[Event] = [(0, meta(TIME_SIGNATURE, bytes((numerator, denominator.bit_length() - 1, clocks, 8))))]
    clock = Clock(piece)
    bar = bar_places(recording.metre) * _PLACE_TICKS
    last = int(recording.grid_ticks[-1])
    lines = np.arange(0, max(last, bar) + 1, bar)
    seconds = clock.seconds(recording.in_file(lines))
    before = None
    for line, duration in zip(lines, np.diff(seconds), strict=False):
        mspq = int(np.clip(duration * 1e6 * TICKS_PER_QUARTER / bar, _FASTEST_MSPQ, _SLOWEST_MSPQ))
        if mspq != before:
            events.append((int(line), meta(TEMPO, mspq.to_bytes(3, "big"))))
        before = mspq
    if before is None:
        mspq = round(60e6 / recording.tempo_bpm)
        events.append((0, meta(TEMPO, mspq.to_bytes(3, "big"))))
    return events
