"""MIDI files made byte by byte, and mido as the independent reader of what comes out."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import mido
import pytest

from pianomuse.midi.read import Piece

FILES = Path(__file__).resolve().parent.parent / "files"

Events = list[tuple[int, bytes]]


def _vlq(value: int) -> bytes:
    out = [value & 127]
    while value := value >> 7:
        out.append(value & 127 | 128)
    return bytes(reversed(out))


class Smf:
    """Spells standard MIDI files for tests."""

    END = b"\xff\x2f\x00"

    def file(self, *tracks: Events, division: int = 480, kind: int = 1, n_tracks: int | None = None) -> bytes:
        header = struct.pack(">HHH", kind, len(tracks) if n_tracks is None else n_tracks, division)
        return b"MThd" + struct.pack(">I", 6) + header + b"".join(self.chunk(self.body(track)) for track in tracks)

    def chunk(self, body: bytes) -> bytes:
        return b"MTrk" + struct.pack(">I", len(body)) + body

    def body(self, events: Events) -> bytes:
        """Spell events in order of their ticks (events of one tick as given), then end-of-track."""
        out, now = b"", 0
        ordered = sorted(events, key=lambda event: event[0])
        for tick, raw in [*ordered, (ordered[-1][0] if ordered else 0, self.END)]:
            out += _vlq(tick - now) + raw
            now = tick
        return out

    def note(self, tick: int, end: int, pitch: int = 60, velocity: int = 80, channel: int = 0) -> Events:
        return [(tick, bytes((0x90 | channel, pitch, velocity))), (end, bytes((0x80 | channel, pitch, 0)))]

    def notes(self, *notes: tuple[int, ...], channel: int = 0) -> Events:
        """Events of (tick, end, pitch[, velocity]) notes, offs before ons where they meet."""
        events = [event for note in notes for event in self.note(*note, channel=channel)]
        return sorted(events, key=lambda event: (event[0], event[1][0] >= 0x90))

    def meta(self, kind: int, payload: bytes) -> bytes:
        return bytes((0xFF, kind)) + _vlq(len(payload)) + payload

    def metre(self, numerator: int, denominator: int) -> bytes:
        return self.meta(0x58, bytes((numerator, denominator.bit_length() - 1, 24, 8)))

    def tempo(self, mspq: int) -> bytes:
        return self.meta(0x51, mspq.to_bytes(3, "big"))


@pytest.fixture(scope="session")
def smf() -> Smf:
    return Smf()


@pytest.fixture(scope="session")
def real_files(examples: Path) -> list[Path]:
    """Five scores with odd metres, tempo changes and pedal, and the six examples."""
    found = sorted(FILES.glob("*.mid")) + sorted(examples.glob("*.mid"))
    assert len(found) >= 11
    return found


@pytest.fixture(scope="session")
def real() -> Callable[[str], Path]:
    return lambda name: FILES / f"{name}.mid"


@pytest.fixture(scope="session")
def events_of() -> Callable[[bytes], list[list[tuple[int, mido.Message]]]]:
    """Read a file with mido: per track, (absolute tick, message) without end-of-track."""

    def read(data: bytes) -> list[list[tuple[int, mido.Message]]]:
        tracks = []
        for track in mido.MidiFile(file=io.BytesIO(data)).tracks:
            now, events = 0, []
            for message in track:
                now += message.time
                if message.type != "end_of_track":
                    events.append((now, message.copy(time=0)))
            tracks.append(events)
        return tracks

    return read


@pytest.fixture(scope="session")
def columns() -> Callable[[Piece], list[tuple[int, ...]]]:
    """Notes of a piece as (onset, duration, pitch, velocity)."""
    return lambda piece: [(n.time, n.duration, n.pitch, n.velocity) for n in piece.score.tracks[0].notes]


@pytest.fixture(scope="session")
def pedals_of() -> Callable[[Piece], list[tuple[int, int]]]:
    """Pedals of a piece as (press, release)."""
    return lambda piece: [(p.time, p.time + p.duration) for p in piece.score.tracks[0].pedals]
