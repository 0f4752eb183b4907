"""Cut the openings in examples/ from the pieces of the training corpus.

    python scripts/make_examples.py CORPUS [--out examples]

CORPUS is the folder with `manifest.csv` that the default model was trained and validated on (`pianomuse info` tells
what it holds). Five openings are cut at bar lines or on a beat and are otherwise as in the score. The sixth,
`expressive-pedal.mid`, is given a performance by `perform`: dynamics, timing and pedal invented by rule from a fixed
seed, because no freely licensed recording of a suitable piece was at hand. Needs mido and nothing else.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import mido

PPQ = 480
HANDS = ("RH", "LH")


@dataclass(frozen=True)
class Note:
    """One note of a track, times in ticks."""

    onset: int
    end: int
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Sketch:
    """A piece cut short: its tempo, metre and key events, and per track its notes and pedal (onset, value)."""

    conductor: tuple[tuple[int, mido.MetaMessage], ...]
    notes: dict[str, tuple[Note, ...]]
    pedal: dict[str, tuple[tuple[int, int], ...]]
    length: int


@dataclass(frozen=True)
class Example:
    """Where an opening comes from and how it is cut; `bar` is the length of a bar in quarters."""

    name: str
    source: str
    text: str
    bar: float
    until_bar: float
    tracks: tuple[str, ...] = HANDS
    change: Callable[[Sketch], Sketch] = lambda sketch: sketch


def main() -> None:
    """Write all examples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=Path("examples"))
    arguments = parser.parse_args()
    for example in EXAMPLES:
        sketch = cut(mido.MidiFile(arguments.corpus / example.source), example)
        path = arguments.out / f"{example.name}.mid"
        write(path, example.change(sketch), example.text)
        n_notes = sum(len(notes) for notes in sketch.notes.values())
        print(f"{path}  {n_notes} notes, {sketch.length / PPQ / example.bar:g} bars")


def cut(file: mido.MidiFile, example: Example) -> Sketch:
    """Keep what starts before the end of the opening; notes and pedal that last longer stop there."""
    length = round(example.until_bar * example.bar * PPQ)
    conductor: list[tuple[int, mido.MetaMessage]] = []
    notes: dict[str, tuple[Note, ...]] = {}
    pedal: dict[str, tuple[tuple[int, int], ...]] = {}
    for track in file.tracks:
        events = list(_timed(track))
        conductor += [(time, e) for time, e in events if e.type in WHAT_CONDUCTS and time < length]
        name = next((e.name for _, e in events if e.type == "track_name"), "")
        if name in example.tracks:
            notes[name] = tuple(_notes(events, length))
            presses = [(time, e.value) for time, e in events if e.type == "control_change" and e.control == 64]
            pedal[name] = tuple((time, value) for time, value in presses if time < length)
            if pedal[name] and pedal[name][-1][1]:
                pedal[name] += ((length, 0),)
    return Sketch(tuple(conductor), notes, pedal, length)


WHAT_CONDUCTS = {"set_tempo", "time_signature", "key_signature"}


def _timed(track: Iterable[mido.Message]) -> Iterable[tuple[int, mido.Message]]:
    time = 0
    for event in track:
        time += event.time
        yield time, event


def _notes(events: list[tuple[int, mido.Message]], length: int) -> Iterable[Note]:
    sounding: dict[int, tuple[int, int]] = {}
    for time, event in events:
        if event.type not in {"note_on", "note_off"}:
            continue
        if event.note in sounding:
            onset, velocity = sounding.pop(event.note)
            yield Note(onset, min(time, length), event.note, velocity)
        if event.type == "note_on" and event.velocity and time < length:
            sounding[event.note] = (time, event.velocity)


def empty_bars(first: int, last: int, bar: float) -> Callable[[Sketch], Sketch]:
    """Return a change that leaves bars first … last (1-based) without notes."""
    start, end = round((first - 1) * bar * PPQ), round(last * bar * PPQ)

    def change(sketch: Sketch) -> Sketch:
        notes = {}
        for name, all_notes in sketch.notes.items():
            kept = (note for note in all_notes if not start <= note.onset < end)
            notes[name] = tuple(replace(n, end=min(n.end, start)) if n.onset < start else n for n in kept)
        return replace(sketch, notes=notes)

    return change


def perform(sketch: Sketch, seed: int = 1888) -> Sketch:
    """Play a slow waltz-time score of bass, chord and melody as a pianist might, to a click, in one track.

    The melody is loudest and swells over four bars, the bass is softer, the chords softest and spread from below.
    Onsets stray by about 10 ms, chords come a little late, melody notes overlap, the pedal changes with the bass.
    """
    chance = random.Random(seed)
    milliseconds = PPQ * 56 / 60_000  # ticks per millisecond at the piece's 56 quarters a minute
    bar = 3 * PPQ
    played: list[Note] = []
    for hand, notes in sketch.notes.items():
        for onset in sorted({note.onset for note in notes}):
            chord = sorted((note for note in notes if note.onset == onset), key=lambda note: note.pitch)
            swell = 9 * math.sin(math.pi * (onset % (4 * bar)) / (4 * bar))
            for place, note in enumerate(chord):
                is_melody = hand == "RH" and (len(chord) < 3 or place > 2)
                loudness, late = (58, 0) if is_melody else (44, -4) if hand == "LH" else (36, 14 + 9 * place)
                start = round(onset + (late + chance.gauss(0, 9)) * milliseconds)
                end = round(note.end + ((45 if is_melody else -60) + chance.gauss(0, 15)) * milliseconds)
                velocity = round(loudness + swell + chance.gauss(0, 2.5))
                played.append(Note(max(0, start), min(end, sketch.length), note.pitch, velocity))
    pedal: list[tuple[int, int]] = []
    for start in range(0, sketch.length, bar):
        up, down = (round(abs(chance.gauss(mean, 12)) * milliseconds) for mean in (30, 190))
        pedal += [(start + up, 0)] if start else []
        pedal += [(start + down, 127)]
    pedal.append((sketch.length, 0))
    return Sketch(sketch.conductor, {"Piano": tuple(played)}, {"Piano": tuple(pedal)}, sketch.length)


def write(path: Path, sketch: Sketch, text: str) -> None:
    """Write a format 1 file: a first track with tempo, metre and key, then one track per hand."""
    file = mido.MidiFile(type=1, ticks_per_beat=PPQ, charset="utf-8")
    opening = [(0, mido.MetaMessage("text", text=text))]
    file.tracks.append(_track("", opening + list(sketch.conductor), sketch.length))
    for name, notes in sketch.notes.items():
        events = [(0, mido.Message("program_change", program=0))]
        for note in _without_overlap(notes):
            events.append((note.onset, mido.Message("note_on", note=note.pitch, velocity=note.velocity)))
            events.append((note.end, mido.Message("note_off", note=note.pitch, velocity=0)))
        for time, value in sketch.pedal[name]:
            events.append((time, mido.Message("control_change", control=64, value=value)))
        file.tracks.append(_track(name, events, sketch.length))
    file.save(path)


def _without_overlap(notes: Iterable[Note]) -> list[Note]:
    """End a note before its pitch is struck again."""
    by_pitch: dict[int, Note] = {}
    result = []
    for note in sorted(notes, key=lambda note: (note.onset, note.pitch), reverse=True):
        later = by_pitch.get(note.pitch)
        note = replace(note, end=min(note.end, later.onset)) if later else note
        by_pitch[note.pitch] = note
        result.append(note)
    return result[::-1]


def _track(name: str, events: list[tuple[int, mido.Message]], length: int) -> mido.MidiTrack:
    """Order events by time (note ends before note starts) and write the distances between them."""
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)] if name else [])
    now = 0
    for time, event in sorted(events, key=lambda pair: (pair[0], pair[1].type == "note_on")):
        track.append(event.copy(time=time - now))
        now = time
    track.append(mido.MetaMessage("end_of_track", time=max(0, length - now)))
    return track


EXAMPLES = (
    Example(
        name="finished-phrase",
        source="lieder/kinkel_johanna__5_abschied__lc5988489.mid",
        text="Johanna Kinkel, Abschied op. 19 no. 5, bars 1-8. OpenScore Lieder, CC0 1.0.",
        bar=2,
        until_bar=8,
    ),
    Example(
        name="broken-off-on-beat-3",
        source="mutopia/25ef_06_25ef_06.mid",
        text="Friedrich Burgmüller, Progrès op. 100 no. 6, bars 1-6, beat 2. Mutopia Project, public domain.",
        bar=4,
        until_bar=5.5,
    ),
    Example(
        name="right-hand",
        source="mutopia/bwv_127_bwv_127.mid",
        text="March in E flat major BWV Anh. 127, bars 1-9, right hand. Mutopia Project, public domain.",
        bar=4,
        until_bar=9,
        tracks=("RH",),
    ),
    Example(
        name="waltz-pickup",
        source="mutopia/farnham_farnham.mid",
        text="Spagnoletti, The Countess of Farnham's Waltz, bars 1-21, beat 2. Mutopia Project, public domain.",
        bar=1.5,
        until_bar=20 + 2 / 3,
    ),
    Example(
        name="expressive-pedal",
        source="mutopia/gymnopedie_1_gymnopedie_1.mid",
        text="Erik Satie, Gymnopédie no. 1, bars 1-16. Score: Mutopia Project, public domain; played by a program.",
        bar=3,
        until_bar=16,
        change=perform,
    ),
    Example(
        name="gap-of-four-bars",
        source="mutopia/muller_siciliano_muller_siciliano.mid",
        text="August Eberhard Müller, Siciliano, without bars 9-12. Mutopia Project, public domain.",
        bar=3,
        until_bar=20,
        change=empty_bars(9, 12, bar=3),
    ),
)

if __name__ == "__main__":
    main()
