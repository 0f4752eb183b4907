"""Small pieces spelled in quarter notes, read as a composer's file would be."""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType

import mido
import numpy as np
import pytest

from pianomuse.midi.read import Piece, read_midi
from pianomuse.tokens.vocabulary import piano_vocabulary

FILES = Path(__file__).resolve().parent.parent / "files"

Note = tuple[float, float, int] | tuple[float, float, int, int]  # onset, duration (quarters), pitch[, velocity]


def sketch(
    *parts: Sequence[Note],
    names: Sequence[str] = (),
    programs: Sequence[int] = (),
    metre: tuple[int, int] | None = (4, 4),
    metres: Iterable[tuple[float, int, int]] = (),
    tempos: Iterable[tuple[float, float]] = ((0, 120),),
    key: str | None = None,
    pedals: Iterable[tuple[float, int]] = (),
    end: float = 0,
    quarter: int = 480,
) -> bytes:
    """A format 1 file: a conductor track, then one track per part, each on its own channel."""
    conductor: list[tuple[float, mido.MetaMessage]] = [
        (at, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))) for at, bpm in tempos
    ]
    for at, numerator, denominator in [(0, *metre)] if metre and not metres else metres:
        conductor.append((at, mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator)))
    if key:
        conductor.append((0, mido.MetaMessage("key_signature", key=key)))
    conductor.append((end, mido.MetaMessage("marker", text="end")))
    file = mido.MidiFile(type=1, ticks_per_beat=quarter)
    file.tracks.append(_track(conductor, quarter))
    for channel, part in enumerate(parts):
        events: list[tuple[float, mido.Message | mido.MetaMessage]] = []
        if names:
            events.append((0, mido.MetaMessage("track_name", name=names[channel])))
        events.append(
            (0, mido.Message("program_change", program=programs[channel] if programs else 0, channel=channel))
        )
        for onset, duration, pitch, *velocity in part:
            loud = velocity[0] if velocity else 80
            events.append((onset + duration, mido.Message("note_off", note=pitch, channel=channel)))
            events.append((onset, mido.Message("note_on", note=pitch, velocity=loud, channel=channel)))
        if channel == 0:
            for at, value in pedals:
                events.append((at, mido.Message("control_change", control=64, value=value, channel=0)))
        file.tracks.append(_track(events, quarter))
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def _track(events: Iterable[tuple[float, mido.Message | mido.MetaMessage]], quarter: int) -> mido.MidiTrack:
    track = mido.MidiTrack()
    now = 0
    ordered = sorted(events, key=lambda event: (round(event[0] * quarter), event[1].type == "note_on"))
    for at, message in ordered:
        tick = round(at * quarter)
        track.append(message.copy(time=tick - now))
        now = tick
    return track


@pytest.fixture(scope="session")
def piece_of() -> Callable[..., Piece]:
    """Spell a piece in quarter notes and read it."""
    return lambda *parts, **others: read_midi(sketch(*parts, **others))


@pytest.fixture(scope="session")
def real() -> Callable[[str], Piece]:
    """Read one of the real files, or one of the examples, by its name."""
    examples = FILES.parent.parent / "examples"
    return lambda name: read_midi(next(f / f"{name}.mid" for f in (FILES, examples) if (f / f"{name}.mid").exists()))


@pytest.fixture(scope="session")
def limit_requests() -> ModuleType:
    """Random limits, as the benchmark draws them."""
    path = FILES.parent.parent / "benchmarks" / "limit_requests.py"
    spec = importlib.util.spec_from_file_location("limit_requests", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["limit_requests"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


class Dice:
    """A model that likes early positions and short notes, and nothing else better than another."""

    rows_are_exact = True

    class State:
        """Nothing is remembered."""

        def __init__(self, n: int) -> None:
            self.batch = n

        def repeat(self, n: int) -> Dice.State:
            return Dice.State(n)

        def take(self, rows: Sequence[int]) -> Dice.State:
            return Dice.State(len(rows))

    def __init__(self) -> None:
        vocabulary = piano_vocabulary()
        self.logits = np.zeros(len(vocabulary), dtype=np.float32)
        self.logits[vocabulary.ids_of("Position")] -= 0.08 * np.arange(192)
        self.logits[vocabulary.ids_of("Duration")] -= 0.03 * np.arange(288)

    def prefill(self, ids: np.ndarray, state: State | None = None) -> tuple[np.ndarray, State]:
        return self.logits, Dice.State(1)

    def step(self, ids: np.ndarray, state: State) -> np.ndarray:
        return np.repeat(self.logits[None], state.batch, axis=0)


@pytest.fixture(scope="session")
def dice() -> Dice:
    """A model without sense, the same whatever was heard."""
    return Dice()
