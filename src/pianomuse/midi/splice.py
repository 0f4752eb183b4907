"""Put new notes into the composer's own file, event by event; everything else is copied, not re-written.

What stays: every event outside the span keeps its tick, its place among its neighbours and its bytes (texts of any
charset, SysEx, unknown meta events); chunks that receive and lose nothing are copied as they are, and so is whatever
stands between chunks. Inside the span only the notes that start there on piano tracks and the pedal events there go.
A note that started before the span is kept whole.

Where the pedal would reach music that stays in another position than that music expects, one pedal event on the last
tick inside the span sets it right (and new notes under a pedal pressed there end one tick earlier, so that it does
not catch them).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from pianomuse.midi.additions import LAST, PEDALS, STAYS, NewNote, NewPedal, Row, check_additions, new_rows, written
from pianomuse.midi.bars import tempo_at
from pianomuse.midi.events import (
    CONTROL,
    META,
    NOTE_ON,
    SUSTAIN,
    SYSEX,
    TEMPO,
    Event,
    EventFile,
    meta,
    parse,
)
from pianomuse.midi.idea import idea_file
from pianomuse.midi.parts import NO_EVENT, PIANO_ROLES, ChunkParts, TrackInfo, is_piano_pedal, is_sustain, pair_notes
from pianomuse.midi.read import Piece

__all__ = ["NewNote", "NewPedal", "idea_file", "insert_span", "replace_span"]

_LYRIC, _MARKER, _CUE = 5, 6, 7


def replace_span(
    piece: Piece,
    from_tick: int,
    to_tick: int,
    notes: Sequence[NewNote],
    pedals: Sequence[NewPedal],
    *,
    tempo_mspq: int | None = None,
    stays: Collection[tuple[int, int]] = (),
) -> bytes:
    """Return the piece's file with the piano notes that start in [from_tick, to_tick) replaced.

    Args:
        piece: the composer's file, as read.
        from_tick: where the span begins.
        to_tick: where it ends; past the end of the music it is simply more room.
        notes: new notes inside the span.
        pedals: new pedal events inside the span.
        tempo_mspq: a tempo for the span in microseconds per quarter; before music that stays, the old one comes back.
        stays: onset and pitch of notes inside the span that are not replaced; if there are any, the pedal stays too.

    Raises:
        RequestError: a new event lies outside the span, or names a track that is not piano.
    """
    file = parse(piece.data)
    check_additions(piece, from_tick, to_tick, notes, pedals)
    rows: list[list[Row]] = []
    for index, chunk in enumerate(file.chunks):
        parts = pair_notes(chunk.events, file.ticks_per_quarter)
        gone = _gone(piece.tracks, index, chunk.events, parts, (from_tick, to_tick), stays)
        rows.append([(tick, STAYS, raw) for i, (tick, raw) in enumerate(chunk.events) if i not in gone])
    _add(piece, file, rows, (from_tick, to_tick), to_tick, notes, pedals, tempo_mspq)
    return written(file, rows, [chunk.end_tick for chunk in file.chunks])


def insert_span(
    piece: Piece,
    at_tick: int,
    length_ticks: int,
    notes: Sequence[NewNote],
    pedals: Sequence[NewPedal],
    *,
    tempo_mspq: int | None = None,
) -> bytes:
    """Return the piece's file with `length_ticks` of new music at `at_tick`; all that follows comes later by that much.

    Notes, pedal, tempo, metre, key, markers and texts from the caret on are shifted in every track. Notes that ring
    over the caret stay whole. At tick 0 the set-up of the file (programs, controllers, names, tempo, metre, key) stays.

    Args: as for `replace_span`; the span is [at_tick, at_tick + length_ticks).

    Raises:
        RequestError: a new event lies outside the span, or names a track that is not piano.
    """
    file = parse(piece.data)
    span = at_tick, at_tick + length_ticks
    check_additions(piece, *span, notes, pedals)
    rows: list[list[Row]] = []
    for chunk in file.chunks:
        parts = pair_notes(chunk.events, file.ticks_per_quarter)
        ringing = {stroke.off_index for stroke in parts.strokes if stroke.onset < at_tick}
        stay: list[Row] = []
        later: list[Row] = []
        for index, (tick, raw) in enumerate(chunk.events):
            if tick < at_tick or index in ringing or (tick == 0 and _is_set_up(raw)):
                stay.append((tick, STAYS, raw))
            else:
                later.append((tick + length_ticks, STAYS, raw))
        rows.append(stay + later)
    _add(piece, file, rows, span, at_tick, notes, pedals, tempo_mspq)
    end_ticks = [chunk.end_tick + (length_ticks if chunk.end_tick >= at_tick else 0) for chunk in file.chunks]
    return written(file, rows, end_ticks)


def _gone(
    tracks: tuple[TrackInfo, ...],
    index: int,
    events: list[Event],
    parts: ChunkParts,
    span: tuple[int, int],
    stays: Collection[tuple[int, int]],
) -> set[int]:
    """Return the indices of the events of one chunk that make room for new ones."""
    from_tick, to_tick = span
    channels = {track.channel for track in tracks if track.index == index and track.role in PIANO_ROLES}
    gone = {
        event
        for stroke in parts.strokes
        if from_tick <= stroke.onset < to_tick
        and stroke.channel in channels
        and (stroke.onset, stroke.pitch) not in stays
        for event in (stroke.on_index, stroke.off_index)
    }
    if stays:
        return gone - {NO_EVENT}
    stray = (i for i in parts.stray_offs if events[i][1][0] & 0x0F in channels)
    pedal = (i for i in parts.others if is_piano_pedal(tracks, index, events[i][1]))
    gone.update(i for i in (*stray, *pedal) if from_tick <= events[i][0] < to_tick)
    return gone - {NO_EVENT}


def _is_set_up(raw: bytes) -> bool:
    """Tell whether an event at tick 0 sets up the file and not its first bar."""
    if raw[0] == META:
        return raw[1] not in (_LYRIC, _MARKER, _CUE)
    return raw[0] >= SYSEX or (raw[0] >= CONTROL and not is_sustain(raw))


def _add(
    piece: Piece,
    file: EventFile,
    rows: list[list[Row]],
    span: tuple[int, int],
    old_end: int,
    notes: Sequence[NewNote],
    pedals: Sequence[NewPedal],
    tempo_mspq: int | None,
) -> None:
    """Add the new events to `rows`, what stays of each chunk.

    `old_end` is the tick in the composer's file that now stands at the end of the span.
    """
    corrections = list(_pedal_corrections(piece, file, rows, span[1], old_end, pedals))
    pressed = {raw[0] & 0x0F for _, (_, _, raw) in corrections if raw[2] >= 64}
    tempos = list(_tempo_rows(piece, span, old_end, tempo_mspq))
    for index, added in new_rows(piece, notes, pedals, pressed, span[1] - 1).items():
        rows[index].extend(added)
    for index, row in (*corrections, *tempos):
        rows[index].append(row)


def _pedal_corrections(
    piece: Piece, file: EventFile, rows: list[list[Row]], new_end: int, old_end: int, pedals: Sequence[NewPedal]
) -> Iterator[tuple[int, Row]]:
    """Yield, per channel whose pedal would be wrong for the music that stays, the event that sets it right."""
    pianos = [track for track in piece.tracks if track.role in PIANO_ROLES]
    for channel in sorted({track.channel for track in pianos}):
        stays = [
            (tick, place, raw[2])
            for index, chunk_rows in enumerate(rows)
            for tick, place, raw in chunk_rows
            if raw[0] == CONTROL | channel and is_piano_pedal(piece.tracks, index, raw)
        ]
        if any(tick == new_end for tick, _, _ in stays):
            continue
        was = sorted(
            (tick, index, raw[2])
            for index, chunk in enumerate(file.chunks)
            for tick, raw in chunk.events
            if tick < old_end and raw[0] == CONTROL | channel and is_piano_pedal(piece.tracks, index, raw)
        )
        chunks = [track.index for track in pianos if track.channel == channel]
        expected = was[-1][2] if was and _has_notes_from(file, chunks, channel, old_end) else 0
        added = [(p.tick, PEDALS, p.value) for p in pedals if piece.tracks[p.track].channel == channel]
        now = sorted((move for move in (*stays, *added) if move[0] < new_end), key=lambda move: move[:2])
        if (expected >= 64) != (bool(now) and now[-1][2] >= 64):
            yield chunks[-1], (new_end - 1, LAST, bytes((CONTROL | channel, SUSTAIN, expected)))


def _has_notes_from(file: EventFile, chunks: list[int], channel: int, tick: int) -> bool:
    return any(
        at >= tick and raw[0] == NOTE_ON | channel and raw[2]
        for index in chunks
        for at, raw in file.chunks[index].events
    )


def _tempo_rows(piece: Piece, span: tuple[int, int], old_end: int, tempo_mspq: int | None) -> Iterator[tuple[int, Row]]:
    """Yield the tempo of the span and the one that comes back after it, both for the first chunk."""
    if tempo_mspq is None or tempo_mspq == tempo_at(piece.score, span[0]):
        return
    yield 0, (span[0], PEDALS, meta(TEMPO, tempo_mspq.to_bytes(3, "big")))
    last_onset = int(piece.score.tracks[0].notes.numpy()["time"].max())
    if last_onset >= old_end and all(tempo.time != old_end for tempo in piece.score.tempos):
        yield 0, (span[1], PEDALS, meta(TEMPO, tempo_at(piece.score, old_end).to_bytes(3, "big")))
