"""Write what a composer changed into their file: these notes go, those come, and every other event stays as it was.

`splice` puts a whole idea into a span; this is for a hand that edits note by note, anywhere. A new file is the same
thing done to `blank_file`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pianomuse.midi.additions import ENDS, PEDALS, STARTS, STAYS, NewNote, Row, in_order, written
from pianomuse.midi.events import (
    CONTROL,
    KEY_SIGNATURE,
    META,
    NOTE_OFF,
    NOTE_ON,
    PROGRAM,
    SUSTAIN,
    TEMPO,
    TIME_SIGNATURE,
    TRACK_NAME,
    Event,
    chunk_bytes,
    file_bytes,
    meta,
    parse,
)
from pianomuse.midi.parts import NO_EVENT, is_sustain, pair_notes

Place = tuple[int, int]
"""A track chunk of the file, and a channel."""


@dataclass(frozen=True)
class NewPart:
    """A part that the file does not have yet; it becomes a chunk of its own behind the others."""

    name: str
    program: int
    channel: int


@dataclass(frozen=True)
class Edit:
    """What is different.

    Args:
        places: where the parts are that notes and pedals name by their index; those of `new_parts` come last.
        pianos: the places from which notes and pedals go.
        gone: onset in ticks and pitch of notes that go.
        notes: notes that come; `track` is an index into `places`.
        pedal_span: first tick, and the tick behind the last, between which pedal events go; None: all stay.
        pedals: pedal events that come: tick, value 0-127, and an index into `places`.
        tempos: by tick in microseconds per quarter, None where one goes.
        metres: tick, numerator, denominator, in place of all that are there; None: they stay.
        key: sharps (flats below 0) and 1 for minor, in place of all that are there; None: they stay.
        names: new track names, by chunk.
        programs: new programs, by place.
        new_parts: parts that the file does not have.

    """

    places: Sequence[Place]
    pianos: Collection[Place] = ()
    gone: Collection[tuple[int, int]] = ()
    notes: Sequence[NewNote] = ()
    pedal_span: tuple[int, int] | None = None
    pedals: Sequence[tuple[int, int, int]] = ()
    tempos: Mapping[int, int | None] = field(default_factory=dict)
    metres: Sequence[tuple[int, int, int]] | None = None
    key: tuple[int, int] | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    programs: Mapping[Place, int] = field(default_factory=dict)
    new_parts: Sequence[NewPart] = ()


def rewrite(data: bytes, edit: Edit) -> bytes:
    """Return the file with an edit; chunks that it does not touch are copied byte for byte."""
    file = parse(data)
    rows: list[list[Row]] = []
    for index, chunk in enumerate(file.chunks):
        gone = _gone_notes(chunk.events, index, file.ticks_per_quarter, edit)
        rows.append(
            [
                (tick, STAYS, raw)
                for number, (tick, raw) in enumerate(chunk.events)
                if number not in gone and not _goes(index, tick, raw, edit)
            ]
        )
    for part in edit.new_parts:
        program = bytes((PROGRAM | part.channel, part.program))
        rows.append([(0, STAYS, meta(TRACK_NAME, part.name.encode())), (0, STAYS, program)])
    for index, row in (*_maps(edit), *_set_up(edit), *_sounds(edit)):
        rows[index].append(row)
    n_old = len(file.chunks)
    new = [chunk_bytes(in_order(part), 0) for part in rows[n_old:]]
    return written(file, rows[:n_old], [chunk.end_tick for chunk in file.chunks], new)


def blank_file(ticks_per_quarter: int, title: str) -> bytes:
    """Return a file with one chunk, for tempo and metre, and without a note."""
    events: list[Event] = [(0, meta(TRACK_NAME, title.encode()))] if title else []
    return file_bytes([chunk_bytes(events, 0)], ticks_per_quarter)


def _gone_notes(events: list[Event], index: int, quarter: int, edit: Edit) -> set[int]:
    if not edit.gone:
        return set()
    found = {
        number
        for stroke in pair_notes(events, quarter).strokes
        if (index, stroke.channel) in edit.pianos and (stroke.onset, stroke.pitch) in edit.gone
        for number in (stroke.on_index, stroke.off_index)
    }
    return found - {NO_EVENT}


def _goes(index: int, tick: int, raw: bytes, edit: Edit) -> bool:
    """Tell whether an event that is no note makes room for another."""
    if raw[0] == META:
        if raw[1] == TEMPO:
            return tick in edit.tempos
        if raw[1] == TIME_SIGNATURE:
            return edit.metres is not None
        if raw[1] == KEY_SIGNATURE:
            return edit.key is not None
        return raw[1] == TRACK_NAME and index in edit.names
    if is_sustain(raw) and edit.pedal_span is not None:
        channels = {channel for _, channel in edit.pianos}
        return raw[0] & 0x0F in channels and edit.pedal_span[0] <= tick < edit.pedal_span[1]
    return raw[0] & 0xF0 == PROGRAM and (index, raw[0] & 0x0F) in edit.programs


def _maps(edit: Edit) -> Iterator[tuple[int, Row]]:
    for tick, mspq in edit.tempos.items():
        if mspq is not None:
            yield 0, (tick, PEDALS, meta(TEMPO, mspq.to_bytes(3, "big")))
    for tick, numerator, denominator in edit.metres or ():
        clocks = min(max(96 // denominator, 1), 127)
        payload = bytes((numerator, denominator.bit_length() - 1, clocks, 8))
        yield 0, (tick, PEDALS, meta(TIME_SIGNATURE, payload))
    if edit.key is not None:
        yield 0, (0, PEDALS, meta(KEY_SIGNATURE, bytes((edit.key[0] % 256, edit.key[1]))))


def _set_up(edit: Edit) -> Iterator[tuple[int, Row]]:
    for chunk, name in edit.names.items():
        yield chunk, (0, ENDS, meta(TRACK_NAME, name.encode()))
    for (chunk, channel), program in edit.programs.items():
        yield chunk, (0, ENDS, bytes((PROGRAM | channel, program)))


def _sounds(edit: Edit) -> Iterator[tuple[int, Row]]:
    for note in edit.notes:
        chunk, channel = edit.places[note.track]
        yield chunk, (note.tick, STARTS, bytes((NOTE_ON | channel, note.pitch, note.velocity)))
        end = note.tick + max(note.duration_ticks, 1)
        yield chunk, (end, ENDS, bytes((NOTE_OFF | channel, note.pitch, 64)))
    for tick, value, part in edit.pedals:
        chunk, channel = edit.places[part]
        yield chunk, (tick, PEDALS, bytes((CONTROL | channel, SUSTAIN, value)))
