"""Read a MIDI file as one piano part on a bar grid, keep the file itself, and say what was left out or assumed.

Piano tracks are those with a piano program (0-7), or everything but drums when there is none. Their notes are merged:
a key that two parts strike at the same tick is one note, as long as the longer and as loud as the louder of them (so
the notes of the corpus are counted). Pedals of all piano channels become one, down where any of them is down.

The score is what the model reads, in the file's ticks; `data` is the file, byte for byte, and what `midi.splice`
writes into.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from symusic import KeySignature, Note, Pedal, Score, Tempo, TimeSignature, Track

from pianomuse.coded import Coded, coded
from pianomuse.errors import MidiError
from pianomuse.midi.bars import DEFAULT_MSPQ, BarGrid, bar_grid, time_signatures
from pianomuse.midi.events import (
    KEY_SIGNATURE,
    META,
    TEMPO,
    TIME_SIGNATURE,
    EventFile,
    load_bytes,
    meta_payload,
    parse,
)
from pianomuse.midi.parts import (
    NO_EVENT,
    PIANO_ROLES,
    ChunkParts,
    TrackInfo,
    find_parts,
    is_piano_pedal,
    pair_notes,
)
from pianomuse.midi.recording import Recording

MAX_NOTES = 200_000

Columns = dict[str, NDArray[np.int32]]


@dataclass(frozen=True, eq=False)
class Piece:
    """A composer's file: its bytes, the one piano part the model reads, and where everything came from.

    `score` is in the file's ticks and has exactly one track; `track_of_note`: int32 [n_notes], for each of its notes
    the index into `tracks` (every chunk and channel with notes, also those that are not read). Where the bars were
    found in the notes, `recording` is the way back to the composer's own file.
    """

    path: Path | None
    data: bytes
    score: Score
    track_of_note: NDArray[np.int32]
    tracks: tuple[TrackInfo, ...]
    grid: BarGrid
    warnings: tuple[Coded, ...]
    recording: Recording | None = None


def read_midi(path: str | Path | bytes, *, first_downbeat_ticks: int | None = None) -> Piece:
    """Read a standard MIDI file (format 0 or 1, also RIFF-wrapped) from a path or from its bytes.

    Args:
        path: the file, or its bytes.
        first_downbeat_ticks: a tick where a bar begins, for files whose time signatures do not tell.

    Raises:
        MidiError: not readable as piano MIDI; one sentence says what, where and what to do.
    """
    data, name = load_bytes(path)
    file = parse(data, name)
    paired = [pair_notes(chunk.events, file.ticks_per_quarter) for chunk in file.chunks]
    tracks = find_parts(file, paired)
    warnings: list[Coded] = _what_is_not_read(tracks)
    notes, track_of_note = _merge(file, paired, tracks, name, warnings)

    score = Score(file.ticks_per_quarter)
    part = Track("Piano", 0, False, ttype="tick")
    part.notes = Note.from_numpy(**notes, ttype="tick")
    part.pedals = Pedal.from_numpy(**_pedals(file, paired, tracks, notes), ttype="tick")
    score.tracks.append(part)
    _read_maps(file, paired, score, int(notes["time"][0]), warnings)
    try:
        grid = bar_grid(score, first_downbeat_ticks)
    except MidiError as error:
        raise MidiError(f"{name}: {error}", "in_file", file=name, why=error.sentence) from error
    score.time_signatures = type(score.time_signatures)(time_signatures(grid))
    if first_downbeat_ticks and grid.start_of(grid.bar_at(first_downbeat_ticks)) != first_downbeat_ticks:
        warnings.append(coded("The first downbeat was moved to the nearest sixteenth.", "downbeat_moved"))
    return Piece(
        None if isinstance(path, bytes) else Path(path), data, score, track_of_note, tracks, grid, tuple(warnings)
    )


def blank_piece(data: bytes, tracks: tuple[TrackInfo, ...]) -> Piece:
    """Return a file without a note for the piano as a piece that is to be begun, in its own tempo and metre.

    Args:
        data: the file.
        tracks: the parts that are to receive notes.

    Raises:
        MidiError: not readable as MIDI.
    """
    file = parse(data)
    score = Score(file.ticks_per_quarter)
    score.tracks.append(Track("Piano", 0, False, ttype="tick"))
    paired = [pair_notes(chunk.events, file.ticks_per_quarter) for chunk in file.chunks]
    _read_maps(file, paired, score, 0, [])
    grid = bar_grid(score)
    score.time_signatures = type(score.time_signatures)(time_signatures(grid))
    return Piece(None, data, score, np.zeros(0, np.int32), tracks, grid, ())


def _what_is_not_read(tracks: tuple[TrackInfo, ...]) -> list[Coded]:
    warnings = []
    left_out = [track for track in tracks if track.role not in PIANO_ROLES]
    if left_out and len(left_out) < len(tracks):
        names = list(dict.fromkeys(track.name or _channel(track) for track in left_out))
        n_notes = sum(track.n_notes for track in left_out)
        said = f"Not read, but kept in the file: {', '.join(names)} ({_count(n_notes, 'note')})."
        warnings.append(coded(said, "tracks_not_read", tracks=names, notes=n_notes))
    pianos = [track for track in tracks if track.role in PIANO_ROLES]
    if pianos and all(track.program > 7 for track in pianos):
        said = "No track has a piano sound: all instruments but drums are read as one piano."
        warnings.append(coded(said, "no_piano_sound"))
    return warnings


def _channel(track: TrackInfo) -> Coded:
    return coded(f"channel {track.channel + 1}", "channel", channel=track.channel + 1)


def _merge(
    file: EventFile, paired: list[ChunkParts], tracks: tuple[TrackInfo, ...], name: str, warnings: list[Coded]
) -> tuple[Columns, NDArray[np.int32]]:
    """Merge the notes of all piano parts, by onset and pitch."""
    piano = {(t.index, t.channel): i for i, t in enumerate(tracks) if t.role in PIANO_ROLES}
    if not piano:
        if tracks:
            raise MidiError(
                f"{name} has only drums: give a file with at least one note for the piano.", "file_drums", file=name
            )
        raise MidiError(
            f"{name} has no notes: give a file with at least one note for the piano.", "file_no_notes", file=name
        )
    if (n_notes := sum(tracks[i].n_notes for i in piano.values())) > MAX_NOTES:
        raise MidiError(
            f"{name} has {n_notes:,} notes, more than {MAX_NOTES:,}: give a shorter piece.",
            "file_notes_too_many",
            file=name,
            notes=n_notes,
            most=MAX_NOTES,
        )
    rows = [
        (stroke.onset, stroke.end, stroke.pitch, stroke.velocity, piano[chunk, stroke.channel], stroke.off_index)
        for chunk, parts in enumerate(paired)
        for stroke in parts.strokes
        if (chunk, stroke.channel) in piano
    ]
    onset, end, pitch, velocity, track, off_index = np.array(rows, dtype=np.int64).T
    _count_oddities(onset, end, pitch, track, off_index, warnings)
    end = np.where(end == onset, onset + max(file.ticks_per_quarter // 24, 1), end)
    order = np.lexsort((track, -end, pitch, onset))
    onset, end, pitch, velocity, track = (column[order] for column in (onset, end, pitch, velocity, track))
    first = np.ones(len(onset), dtype=bool)
    first[1:] = (onset[1:] != onset[:-1]) | (pitch[1:] != pitch[:-1])
    loudest = np.maximum.reduceat(velocity, np.flatnonzero(first))
    columns = {
        "time": onset[first].astype(np.int32),
        "duration": (end - onset)[first].astype(np.int32),
        "pitch": pitch[first].astype(np.int8),
        "velocity": loudest.astype(np.int8),
    }
    return columns, track[first].astype(np.int32)


def _count_oddities(
    onset: NDArray[np.int64],
    end: NDArray[np.int64],
    pitch: NDArray[np.int64],
    track: NDArray[np.int64],
    off_index: NDArray[np.int64],
    warnings: list[Coded],
) -> None:
    if n_open := int((off_index == NO_EVENT).sum()):
        said = f"{_count(n_open, 'note')} without an end: read up to the next strike, at most a quarter."
        warnings.append(coded(said, "notes_without_end", notes=n_open))
    if n_empty := int((end == onset).sum()):
        said = f"{_count(n_empty, 'note')} of no length: read as the shortest note."
        warnings.append(coded(said, "notes_without_length", notes=n_empty))
    order = np.lexsort((onset, pitch, track))
    onset, end, pitch, track = (column[order] for column in (onset, end, pitch, track))
    again = (track[1:] == track[:-1]) & (pitch[1:] == pitch[:-1]) & (onset[1:] < end[:-1])
    if n_again := int(again.sum()):
        said = f"{_count(n_again, 'key')} struck again while held: both notes are read as written."
        warnings.append(coded(said, "keys_struck_again", keys=n_again))


def _pedals(
    file: EventFile, paired: list[ChunkParts], tracks: tuple[TrackInfo, ...], notes: Columns
) -> dict[str, NDArray[np.int32]]:
    """Return where the pedal of any piano channel is down; one never released ends with the music."""
    moves = [
        (tick, raw[0] & 0x0F, raw[2] >= 64)
        for order, (chunk, parts) in enumerate(zip(file.chunks, paired, strict=True))
        for tick, raw in (chunk.events[index] for index in parts.others)
        if is_piano_pedal(tracks, order, raw)
    ]
    moves.sort(key=lambda move: move[0])
    music_end = int((notes["time"] + notes["duration"]).max())
    down: set[int] = set()
    spans: list[tuple[int, int]] = []
    since = 0
    for tick, channel, is_down in moves:
        was_down = bool(down)
        if is_down:
            down.add(channel)
        else:
            down.discard(channel)
        if down and not was_down:
            since = tick
        elif was_down and not down and tick > since:
            spans.append((since, tick))
    if down and music_end > since:
        spans.append((since, music_end))
    table = np.array(spans, dtype=np.int32).reshape(-1, 2)
    return {"time": table[:, 0].copy(), "duration": table[:, 1] - table[:, 0]}


def _read_maps(
    file: EventFile, paired: list[ChunkParts], score: Score, first_onset: int, warnings: list[Coded]
) -> None:
    """Fill the score's tempos, time signatures and key signatures; the last event at a tick counts."""
    tempos: dict[int, int] = {}
    metres: dict[int, tuple[int, int]] = {}
    keys: dict[int, tuple[int, int]] = {}
    n_odd = 0
    for chunk, parts in zip(file.chunks, paired, strict=True):
        for tick, raw in (chunk.events[index] for index in parts.others):
            if raw[0] != META or raw[1] not in (TEMPO, TIME_SIGNATURE, KEY_SIGNATURE):
                continue
            payload = meta_payload(raw)
            if raw[1] == TEMPO and len(payload) >= 3 and any(payload[:3]):
                tempos[tick] = int.from_bytes(payload[:3], "big")
            elif raw[1] == TIME_SIGNATURE and len(payload) >= 2 and payload[0] and payload[1] <= 6:
                metres[tick] = payload[0], 1 << payload[1]
            elif raw[1] == KEY_SIGNATURE and len(payload) >= 2 and (payload[0] + 7) % 256 <= 14 and payload[1] <= 1:
                keys[tick] = (payload[0] + 7) % 256 - 7, payload[1]
            else:
                n_odd += 1
    if n_odd:
        said = f"{_count(n_odd, 'tempo, metre or key event')} without meaning: not read."
        warnings.append(coded(said, "events_without_meaning", events=n_odd))
    if not tempos:
        warnings.append(coded("No tempo in the file: 120 quarters a minute.", "no_tempo"))
    if not metres:
        said = "No time signature in the file: 4/4 from the start (--first-downbeat moves the bar lines)."
        warnings.append(coded(said, "no_metre"))
    first_tempo = min(tempos, default=0)
    if first_tempo or not tempos:
        tempos[0] = tempos[first_tempo] if tempos and first_tempo <= first_onset else DEFAULT_MSPQ
    for tick in sorted(tempos):
        score.tempos.append(Tempo(tick, mspq=tempos[tick], ttype="tick"))
    for tick in sorted(metres):
        score.time_signatures.append(TimeSignature(tick, *metres[tick], ttype="tick"))
    for tick in sorted(keys):
        score.key_signatures.append(KeySignature(tick, *keys[tick], ttype="tick"))


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
