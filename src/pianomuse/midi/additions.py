"""New notes and pedal on their way into a file: what they are, whether they fit, and the events they become.

At one tick, ends of new notes come before the composer's events and everything else new comes after them, so that a
key let go and struck again at the same tick sounds twice, and new notes find the programs that tick 0 sets.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pianomuse.errors import RequestError
from pianomuse.midi.events import CONTROL, NOTE_OFF, NOTE_ON, SUSTAIN, Event, EventFile, chunk_bytes
from pianomuse.midi.parts import PIANO_ROLES
from pianomuse.midi.read import Piece

# where an event goes among others of its tick
ENDS, STAYS, PEDALS, STARTS, LAST = range(5)

Row = tuple[int, int, bytes]  # tick, place within the tick, event


@dataclass(frozen=True)
class NewNote:
    """A note to be written; `track` is an index into `Piece.tracks`, whose chunk and channel receive it."""

    tick: int
    duration_ticks: int
    pitch: int
    velocity: int
    track: int


@dataclass(frozen=True)
class NewPedal:
    """A position of the sustain pedal to be written (0-127, down from 64 on); `track` as in NewNote."""

    tick: int
    value: int
    track: int


def check_additions(
    piece: Piece, from_tick: int, to_tick: int, notes: Sequence[NewNote], pedals: Sequence[NewPedal]
) -> None:
    """Raise RequestError unless the span is one and everything new starts inside it on a piano track."""
    if not 0 <= from_tick < to_tick:
        raise RequestError(
            f"The span from tick {from_tick} to {to_tick} is empty: end it after it begins.",
            "span_empty",
            first=from_tick,
            last=to_tick,
        )
    pianos = {i for i, track in enumerate(piece.tracks) if track.role in PIANO_ROLES}
    fits = [1 <= note.velocity <= 127 and 0 <= note.pitch <= 127 for note in notes]
    fits += [0 <= pedal.value <= 127 for pedal in pedals]
    places = [(event.tick, event.track) for events in (notes, pedals) for event in events]
    for (tick, track), is_sound in zip(places, fits, strict=True):
        if track not in pianos:
            raise RequestError(
                f"Track {track} of the file is not piano: choose one of {sorted(pianos)}.",
                "track_not_piano",
                track=track,
            )
        if not is_sound:
            raise RequestError(
                f"A new event at tick {tick} has a value outside of MIDI's 0 to 127.", "event_value", tick=tick
            )
        if not from_tick <= tick < to_tick:
            raise RequestError(
                f"A new event at tick {tick} lies outside of the new bars ({from_tick} to {to_tick}).",
                "event_outside",
                tick=tick,
            )


def new_rows(
    piece: Piece,
    notes: Sequence[NewNote],
    pedals: Sequence[NewPedal],
    pressed: Iterable[int] = (),
    press_tick: int = 0,
) -> dict[int, list[Row]]:
    """Spell new notes and pedals as events, by chunk.

    On `pressed` channels the pedal goes down at `press_tick`, the span's last: notes that end with the span end there.
    """
    rows: defaultdict[int, list[Row]] = defaultdict(list)
    for note in notes:
        track = piece.tracks[note.track]
        end = note.tick + max(note.duration_ticks, 1)
        if track.channel in pressed and note.tick < press_tick and end == press_tick + 1:
            end = press_tick
        rows[track.index].append((note.tick, STARTS, bytes((NOTE_ON | track.channel, note.pitch, note.velocity))))
        rows[track.index].append((end, ENDS, bytes((NOTE_OFF | track.channel, note.pitch, 64))))
    for pedal in pedals:
        track = piece.tracks[pedal.track]
        rows[track.index].append((pedal.tick, PEDALS, bytes((CONTROL | track.channel, SUSTAIN, pedal.value))))
    return rows


def in_order(rows: Iterable[Row]) -> list[Event]:
    """Sort rows into events; those of one tick and place keep their order."""
    return [(tick, raw) for tick, _, raw in sorted(rows, key=lambda row: row[:2])]


def written(file: EventFile, rows: list[list[Row]], end_ticks: list[int], new_chunks: Sequence[bytes] = ()) -> bytes:
    """Write the file with the events of `rows`; chunks that are as they were are copied, new ones come last.

    A file of format 0 that receives a second chunk becomes one of format 1.
    """
    out = bytearray()
    position = 0
    for chunk, chunk_rows, end_tick in zip(file.chunks, rows, end_ticks, strict=True):
        events = in_order(chunk_rows)
        out += file.data[position : chunk.start - 8]
        if events == chunk.events and end_tick == chunk.end_tick:
            out += file.data[chunk.start - 8 : chunk.end]
        else:
            out += chunk_bytes(events, end_tick)
        position = chunk.end
    if new_chunks:
        out[8:12] = struct.pack(">HH", 1, len(file.chunks) + len(new_chunks))
    return bytes(out + b"".join(new_chunks) + file.data[position:])
