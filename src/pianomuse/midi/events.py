"""Standard MIDI files as bytes: chunks and events, nothing interpreted, nothing lost.

A composer's file must come back exactly as it was outside of what was asked for. mido re-writes what it reads
(F7 packets become F0 SysEx, texts pass through a charset) and refuses files that play everywhere (an odd key
signature, a short meta event); symusic keeps no channels and no texts. So an event here is its absolute tick and its
own bytes, and only two things are normalised when a chunk is written again: running status is spelled out, and delta
times take as few bytes as they can.

Everything is checked and bounded here, before anything is built from it: after `parse` the rest of the room can
rely on whole events, data bytes below 128, and at most MAX_EVENTS of them before MAX_TICK.

Source: Standard MIDI Files 1.0 (RP-001), RMID (RP-029).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pianomuse.coded import coded
from pianomuse.errors import MidiError, reason_of

THE_DATA = coded("The MIDI data", "the_data")
MAX_FILE_BYTES = 8 * 2**20  # the longest piece of MAESTRO has 0.3 MB
MAX_CHUNKS = 1024
MAX_EVENTS = 1_000_000
MAX_TICK = 2**30  # symusic counts ticks in 32 bits; half of that leaves room for whatever is added
MAX_DELTA = 0x0FFFFFFF  # four bytes of seven bits

META, SYSEX, ESCAPE = 0xFF, 0xF0, 0xF7
TEXT, TRACK_NAME, INSTRUMENT, END_OF_TRACK, TEMPO, TIME_SIGNATURE, KEY_SIGNATURE = 1, 3, 4, 0x2F, 0x51, 0x58, 0x59
NOTE_OFF, NOTE_ON, CONTROL, PROGRAM = 0x80, 0x90, 0xB0, 0xC0
SUSTAIN = 64

Event = tuple[int, bytes]  # absolute tick; the event's bytes with its status byte, without its delta time

# data bytes after each status byte
_CHANNEL_DATA = {status: 1 if status >> 4 in (0xC, 0xD) else 2 for status in range(0x80, 0xF0)}
_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1}
_STATUS = {status: bytes((status,)) for status in _CHANNEL_DATA}


@dataclass(frozen=True)
class Chunk:
    """One MTrk chunk: where its body lies in the file, and its events up to and without end-of-track."""

    start: int
    end: int
    events: list[Event]
    end_tick: int


@dataclass(frozen=True)
class EventFile:
    """A whole standard MIDI file: `data` is the file itself, chunks in file order."""

    data: bytes
    format: int
    ticks_per_quarter: int
    chunks: tuple[Chunk, ...]


def load_bytes(source: str | Path | bytes) -> tuple[bytes, str]:
    """Read a file, at most MAX_FILE_BYTES of it; return its bytes without a RIFF wrapper, and its name."""
    name: str = THE_DATA
    if isinstance(source, bytes):
        data = source
    else:
        path, name = Path(source), Path(source).name or str(source)
        try:
            if path.is_dir():
                raise MidiError(f"{name} is a folder: give one MIDI file.", "file_is_folder", file=name)
            if path.exists() and not path.is_file():  # reading a pipe or a device may never end
                raise MidiError(f"{name} is a pipe or a device: give the name of a file.", "file_is_device", file=name)
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else str(error)
            raise MidiError(
                f"{name} cannot be read ({reason}): check the path.", "file_unreadable", file=name, why=reason
            ) from error
    if len(data) > MAX_FILE_BYTES:
        raise MidiError(
            f"{name} is larger than {MAX_FILE_BYTES >> 20} MB: give a shorter piece.",
            "file_too_large",
            file=name,
            most=MAX_FILE_BYTES >> 20,
        )
    return _without_riff(data), name


def parse(data: bytes, name: str = THE_DATA) -> EventFile:
    """Split standard MIDI file bytes into chunks and events.

    Raises MidiError when the file is empty, not MIDI, cut off, damaged, of format 2, in SMPTE time or too large.
    """
    if not data:
        raise MidiError(f"{name} is empty: export it again.", "file_empty", file=name)
    if data[:4] != b"MThd":
        raise MidiError(
            f"{name} is not a MIDI file (it does not begin with MThd): export it as a standard MIDI file.",
            "file_not_midi",
            file=name,
        )
    if len(data) < 14:
        raise MidiError(f"{name} is cut off inside its header: export or copy it again.", "file_header_cut", file=name)
    size, file_format, n_chunks, division = struct.unpack(">IHHH", data[4:14])
    if size < 6:
        raise MidiError(f"{name} has a damaged header: export it again.", "file_header_damaged", file=name)
    if file_format > 1:
        raise MidiError(
            f"{name} is a MIDI file of format {file_format}: export it as format 0 or 1.",
            "file_format",
            file=name,
            format=file_format,
        )
    if division & 0x8000:
        raise MidiError(
            f"{name} counts time in film frames (SMPTE), so it has no bars: export it with musical time.",
            "file_smpte",
            file=name,
        )
    if division == 0:
        raise MidiError(
            f"{name} has no ticks per quarter note in its header: export it again.", "file_no_ticks", file=name
        )
    if n_chunks > MAX_CHUNKS:
        raise MidiError(
            f"{name} has {n_chunks} tracks, more than {MAX_CHUNKS}: export only the piano.",
            "file_tracks_too_many",
            file=name,
            tracks=n_chunks,
            most=MAX_CHUNKS,
        )
    return EventFile(data, file_format, division, _chunks(data, 8 + size, n_chunks, name))


def vlq(value: int) -> bytes:
    """Write a number as a variable-length quantity of at most four bytes."""
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))


def meta(kind: int, payload: bytes) -> bytes:
    """Spell one meta event, without its delta time."""
    return bytes((META, kind)) + vlq(len(payload)) + payload


def meta_payload(raw: bytes) -> bytes:
    """Return what a meta event carries (`raw` is a whole event of a parsed file)."""
    start = 2
    while raw[start] & 0x80:
        start += 1
    return raw[start + 1 :]


def chunk_bytes(events: Iterable[Event], end_tick: int) -> bytes:
    """Write one MTrk chunk. Ticks must not descend; end-of-track comes at `end_tick` or with the last event."""
    body = bytearray()
    tick = 0
    for event_tick, raw in (*events, (end_tick, meta(END_OF_TRACK, b""))):
        delta = max(event_tick - tick, 0)
        tick += delta
        while delta > MAX_DELTA:  # longer than a delta time can say: empty texts carry it
            body += vlq(MAX_DELTA) + meta(TEXT, b"")
            delta -= MAX_DELTA
        body += vlq(delta) + raw
    return b"MTrk" + struct.pack(">I", len(body)) + bytes(body)


def file_bytes(chunks: Iterable[bytes], ticks_per_quarter: int) -> bytes:
    """Write a format 1 file from whole chunks."""
    written = list(chunks)
    return b"MThd" + struct.pack(">IHHH", 6, 1, len(written), ticks_per_quarter) + b"".join(written)


def _without_riff(data: bytes) -> bytes:
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return data
    position = 12
    while position + 8 <= len(data):
        kind, (size,) = data[position : position + 4], struct.unpack("<I", data[position + 4 : position + 8])
        if kind == b"data":
            return data[position + 8 : position + 8 + size]
        position += 8 + size + (size & 1)
    return b""


def _chunks(data: bytes, position: int, n_chunks: int, name: str) -> tuple[Chunk, ...]:
    chunks: list[Chunk] = []
    room = MAX_EVENTS
    while len(chunks) < n_chunks:
        if position + 8 > len(data):
            raise MidiError(
                f"{name} is cut off: its header promises {n_chunks} tracks, {len(chunks)} are there; copy it again.",
                "file_tracks_missing",
                file=name,
                tracks=n_chunks,
                there=len(chunks),
            )
        kind, (size,) = data[position : position + 4], struct.unpack(">I", data[position + 4 : position + 8])
        start, end = position + 8, position + 8 + size
        if end > len(data):
            raise MidiError(
                f"{name} is cut off inside track {len(chunks) + 1}: export or copy it again.",
                "file_track_cut",
                file=name,
                track=len(chunks) + 1,
            )
        if kind == b"MTrk":
            number = len(chunks) + 1
            where = coded(f"{name}, track {number}", "in_track", file=name, track=number)
            events, end_tick = _events(data[start:end], start, where, room)
            room -= len(events)
            chunks.append(Chunk(start, end, events, end_tick))
        position = end
    return tuple(chunks)


def _events(body: bytes, offset: int, where: str, room: int) -> tuple[list[Event], int]:
    """Parse one chunk's body; `offset` is where it stands in the file, `room` how many events may still come."""
    events: list[Event] = []
    tick = position = status = 0
    length = len(body)
    data_bytes, spelled = _CHANNEL_DATA, _STATUS
    while position < length:
        begin = position
        try:
            delta = body[position]
            position += 1
            if delta & 0x80:
                delta, position = _read_vlq(body, position - 1)
            tick += delta
            first = body[position]
            if first < 0xF0:
                if first & 0x80:
                    status = first
                    position += 1
                stop = position + data_bytes[status]
                values = body[position:stop]
                if not values.isascii():  # a data byte above 127
                    raise IndexError
                raw = spelled[status] + values
            else:
                stop = _system_end(body, position)
                raw = body[position:stop]
        except (IndexError, KeyError):
            raise MidiError(
                f"{where} is damaged at byte {offset + begin}: export the file again.",
                "event_damaged",
                where=where,
                byte=offset + begin,
            ) from None
        if stop > length:
            raise MidiError(
                f"{where} ends in the middle of an event at byte {offset + begin}: export the file again.",
                "event_cut",
                where=where,
                byte=offset + begin,
            )
        if tick > MAX_TICK:
            raise MidiError(
                f"{where} has an event at tick {tick}, beyond any piece of music: export the file again.",
                "event_beyond",
                where=where,
                tick=tick,
            )
        if raw[0] == META and raw[1] == END_OF_TRACK:
            return events, tick
        if len(events) >= room:
            raise MidiError(
                f"{where}: the file has more than {MAX_EVENTS:,} events: give a shorter piece.",
                "events_too_many",
                where=where,
                most=MAX_EVENTS,
            )
        events.append((tick, raw))
        position = stop
    return events, tick


def _system_end(body: bytes, position: int) -> int:
    """Return where the meta, SysEx or (illegal in files, yet found) system message at `position` ends."""
    first = body[position]
    if first == META:
        if body[position + 1] & 0x80:
            raise IndexError
        size, start = _read_vlq(body, position + 2)
    elif first in (SYSEX, ESCAPE):
        size, start = _read_vlq(body, position + 1)
    else:
        size, start = _SYSTEM_DATA.get(first, 0), position + 1
    return start + size


def _read_vlq(body: bytes, position: int) -> tuple[int, int]:
    value = 0
    for step in range(4):
        byte = body[position + step]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, position + step + 1
    raise IndexError
