"""The file of one idea alone: only the new bars, in the piece's time, tempo, metre, key, names and sounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pianomuse.midi.additions import STAYS, NewNote, NewPedal, Row, check_additions, in_order, new_rows
from pianomuse.midi.bars import key_at, tempo_at
from pianomuse.midi.events import (
    KEY_SIGNATURE,
    META,
    PROGRAM,
    TEMPO,
    TEXT,
    TIME_SIGNATURE,
    TRACK_NAME,
    chunk_bytes,
    file_bytes,
    meta,
    parse,
)
from pianomuse.midi.read import Piece


def idea_file(
    piece: Piece,
    from_tick: int,
    to_tick: int,
    notes: Sequence[NewNote],
    pedals: Sequence[NewPedal],
    text: str,
    *,
    tempo_mspq: int | None = None,
) -> bytes:
    """Return a file of only the new notes, with `from_tick` (a bar line) as tick 0.

    It carries the piece's ticks per quarter, the tempo, metre and key in force there, their changes up to `to_tick`,
    the names, channels and programs of the tracks that receive notes, and `text` (seed and settings) as a text event.
    `tempo_mspq` (microseconds per quarter) takes the place of the tempo in force.

    Raises:
        RequestError: a new event lies outside the span, or names a track that is not piano.
    """
    check_additions(piece, from_tick, to_tick, notes, pedals)
    length = to_tick - from_tick
    conductor = [(0, STAYS, meta(TEXT, text.encode("utf-8", "replace"))), *_maps(piece, from_tick, to_tick, tempo_mspq)]
    chunks = [chunk_bytes(in_order(conductor), length)]
    file = parse(piece.data)
    for number in sorted({note.track for note in notes} | {pedal.track for pedal in pedals}):
        track = piece.tracks[number]
        names = [raw for _, raw in file.chunks[track.index].events if raw[0] == META and raw[1] == TRACK_NAME]
        rows: list[Row] = [(0, STAYS, raw) for raw in names[:1]]
        rows.append((0, STAYS, bytes((PROGRAM | track.channel, track.program))))
        own_notes = [note for note in notes if note.track == number]
        own_pedals = [pedal for pedal in pedals if pedal.track == number]
        new = new_rows(piece, own_notes, own_pedals).get(track.index, [])
        rows.extend((tick - from_tick, place, raw) for tick, place, raw in new)
        chunks.append(chunk_bytes(in_order(rows), length))
    return file_bytes(chunks, piece.grid.ticks_per_quarter)


def _maps(piece: Piece, from_tick: int, to_tick: int, tempo_mspq: int | None) -> Iterator[Row]:
    """Yield tempo, metre and key in force at `from_tick` and their changes before `to_tick`, from tick 0 on."""
    start = tempo_at(piece.score, from_tick) if tempo_mspq is None else tempo_mspq
    tempos = [(from_tick, start)]
    tempos += [(t.time, int(t.mspq)) for t in piece.score.tempos if from_tick < t.time < to_tick]
    for tick, mspq in tempos:
        yield tick - from_tick, STAYS, meta(TEMPO, mspq.to_bytes(3, "big"))
    bar, last = piece.grid.bar_at(from_tick), None
    while piece.grid.start_of(bar) < to_tick:
        if (metre := piece.grid.metre_of(bar)) != last:
            clocks = min(max(piece.grid.beat_ticks(bar) * 24 // piece.grid.ticks_per_quarter, 1), 127)
            payload = bytes((metre[0], metre[1].bit_length() - 1, clocks, 8))
            yield max(piece.grid.start_of(bar) - from_tick, 0), STAYS, meta(TIME_SIGNATURE, payload)
        bar, last = bar + 1, metre
    keys = [key for key in piece.score.key_signatures if from_tick < key.time < to_tick]
    if (key := key_at(piece.score, from_tick)) is not None:
        keys.append(key)
    for key in keys:
        payload = bytes((int(key.key) % 256, int(key.tonality)))
        yield max(int(key.time) - from_tick, 0), STAYS, meta(KEY_SIGNATURE, payload)
