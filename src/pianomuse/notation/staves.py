"""Which staff a note stands on: as the file's tracks say, else by a split that moves; a singer gets a staff apart.

`midi.read` merges a key that two tracks strike at once into one note, for the model. On paper both are written, so
the notes are taken from the file's events again.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from symusic import Note, Score, Track

from pianomuse.midi.events import parse
from pianomuse.midi.hands import split_hands
from pianomuse.midi.parts import PIANO_ROLES, pair_notes
from pianomuse.midi.read import Piece

VOICE, RIGHT, LEFT = "Voice", "Right hand", "Left hand"

_Table = NDArray[np.int64]  # [n, 4]: onset and end in ticks, pitch, velocity


def staves(piece: Piece) -> Score:
    """Return a piece as a Score with one track per staff, in the file's ticks.

    Two tracks, or tracks that are named for the hands, are kept as they are; everything else is split. The tracks are
    called `RIGHT` and `LEFT`, before them `VOICE` where a melody track stands beside the piano. Tempos, metres, keys
    and pedals are the piece's; the pedals lie with the left hand.
    """
    tables = _tables(piece)
    score = piece.score.copy()
    score.tracks.clear()
    singers = [i for i in tables if piece.tracks[i].role == "voice"]
    players = [i for i in tables if i not in singers]
    if players and singers:
        score.tracks.append(_track(VOICE, [tables[i] for i in singers]))
    else:
        players = list(tables)
    right, left = _hands(piece, {i: tables[i] for i in players})
    score.tracks.append(_track(RIGHT, right))
    score.tracks.append(_track(LEFT, left))
    score.tracks[-1].pedals = piece.score.tracks[0].pedals.copy()
    return score


def _tables(piece: Piece) -> dict[int, _Table]:
    """Return the notes of each piano part, by its index in `piece.tracks`."""
    file = parse(piece.data)
    paired = [pair_notes(chunk.events, file.ticks_per_quarter) for chunk in file.chunks]
    shortest = max(file.ticks_per_quarter // 24, 1)
    tables = {}
    for index, track in enumerate(piece.tracks):
        if track.role in PIANO_ROLES:
            rows = [
                (s.onset, s.end if s.end > s.onset else s.onset + shortest, s.pitch, s.velocity)
                for s in paired[track.index].strokes
                if s.channel == track.channel
            ]
            tables[index] = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return tables


def _hands(piece: Piece, tables: dict[int, _Table]) -> tuple[list[_Table], list[_Table]]:
    """Deal the notes of the piano parts to right and left hand."""
    roles = {i: piece.tracks[i].role for i in tables}
    if len(tables) == 2 and set(roles.values()) != {"right", "left"}:
        lower, upper = sorted(tables, key=lambda i: float(tables[i][:, 2].mean()))
        roles = {upper: "right", lower: "left"}
    side = {"right": 1, "left": 0}
    known = np.concatenate([np.full(len(table), side.get(roles[i], -1)) for i, table in tables.items()])
    notes = np.concatenate(list(tables.values()))
    if (known < 0).any():
        quarter = piece.grid.ticks_per_quarter
        onset, duration = notes[:, 0] / quarter, (notes[:, 1] - notes[:, 0]) / quarter
        is_right = split_hands(onset, duration, notes[:, 2], known)
    else:
        is_right = known == 1
    return [notes[is_right]], [notes[~is_right]]


def _track(name: str, tables: Iterable[_Table]) -> Track:
    """Make the track of one staff: a key struck twice at a tick is one note, the longer and the louder."""
    notes = np.concatenate(list(tables))
    notes = notes[np.lexsort((-notes[:, 1], notes[:, 2], notes[:, 0]))]
    track = Track(name, 0, False, ttype="tick")
    if len(notes) == 0:
        return track
    is_first = np.ones(len(notes), dtype=bool)
    is_first[1:] = (notes[1:, 0] != notes[:-1, 0]) | (notes[1:, 2] != notes[:-1, 2])
    loudest = np.maximum.reduceat(notes[:, 3], np.flatnonzero(is_first))
    track.notes = Note.from_numpy(
        time=notes[is_first, 0].astype(np.int32),
        duration=(notes[:, 1] - notes[:, 0])[is_first].astype(np.int32),
        pitch=notes[is_first, 2].astype(np.int8),
        velocity=loudest.astype(np.int8),
        ttype="tick",
    )
    return track
