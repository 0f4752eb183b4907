"""A model with random weights that writes bars of sensible length, and every way to ask it."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import mido
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def real() -> Callable[[str], Path]:
    """Path of one of the real files, or of one of the examples, by its name."""
    folders = (ROOT / "tests" / "files", ROOT / "examples")
    return lambda name: next(f / f"{name}.mid" for f in folders if (f / f"{name}.mid").exists())


Note = tuple[int, int, int, int, int, int]  # on, off, pitch, velocity, channel, track
Event = tuple[int, int, str]  # tick, track, everything else


class Events:
    """A MIDI file read by mido, apart from PianoMuse: notes, sustain pedal, and everything else."""

    def __init__(self, data: bytes) -> None:
        file = mido.MidiFile(file=io.BytesIO(data))
        self.quarter = file.ticks_per_beat
        self.notes: list[Note] = []
        self.pedals: list[Event] = []
        self.others: list[Event] = []
        self.programs: dict[tuple[int, int], int] = {}
        for number, track in enumerate(file.tracks):
            self._read(number, track)

    def _read(self, number: int, track: mido.MidiTrack) -> None:
        now = 0
        sounding: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity:
                sounding[message.channel, message.note].append((now, message.velocity))
            elif message.type in ("note_on", "note_off"):
                on, velocity = sounding[message.channel, message.note].pop(0)
                self.notes.append((on, now, message.note, velocity, message.channel, number))
            elif message.type == "control_change" and message.control == 64:
                self.pedals.append((now, number, str(message.copy(time=0))))
            elif message.type != "end_of_track":
                self.others.append((now, number, str(message.copy(time=0))))

    def outside(self, first: int, last: int, shift: int = 0) -> tuple[list[Note], list[Event]]:
        """Notes and pedals that start before `first`, or at `last` and later (those moved by `shift`)."""
        notes = [n for n in self.notes if n[0] < first]
        notes += [(n[0] + shift, n[1] + shift, *n[2:]) for n in self.notes if n[0] >= last]
        pedals = [p for p in self.pedals if p[0] < first] + [
            (p[0] + shift, *p[1:]) for p in self.pedals if p[0] >= last
        ]
        return sorted(notes), sorted(pedals)

    def inside(self, first: int, last: int) -> list[Note]:
        return sorted(n for n in self.notes if first <= n[0] < last)

    def tempos(self) -> list[Event]:
        return [event for event in self.others if "set_tempo" in event[2]]


@pytest.fixture(scope="session")
def events() -> type[Events]:
    return Events


Change = Callable[[mido.MidiFile], None]


def changed(path: Path, *changes: Change) -> bytes:
    """A real file after some changes, made with mido."""
    file = mido.MidiFile(path)
    for change in changes:
        change(file)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def change() -> Callable[..., bytes]:
    return changed
