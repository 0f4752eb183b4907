"""A recording on bars as a score: on the rhythm it was meant in, one tempo, lengths as one would write them."""

from __future__ import annotations

import numpy as np
from symusic import Note, Tempo

from pianomuse.midi.bars import time_signatures
from pianomuse.midi.read import Piece
from pianomuse.midi.write import score_bytes
from pianomuse.tokens.snap import snap

_CLOSED = 0.55  # a note that lasts so much of the way to the next strike of its register is written up to it


def written_score(piece: Piece, tempo_bpm: float) -> bytes:
    """Return a piece whose notes were played as a MIDI file that reads like a score.

    Args:
        piece: on its bars.
        tempo_bpm: quarter notes a minute; the file has this one tempo.

    """
    score = snap(piece.score)
    track = score.tracks[0]
    notes = track.notes.numpy()
    onset, pitch = notes["time"].astype(np.int64), notes["pitch"].astype(np.int64)
    duration = notes["duration"].astype(np.int64)
    sixteenth = piece.grid.ticks_per_quarter // 4
    strikes = np.unique(onset)
    for index in range(len(onset)):
        later = onset[(onset > onset[index]) & (np.abs(pitch - pitch[index]) <= 12)]
        following = int(later.min()) if len(later) else int(onset[index] + duration[index])
        gap = following - int(onset[index])
        if gap > 0 and _CLOSED * gap <= duration[index] <= 1.25 * gap:
            duration[index] = gap
        else:
            duration[index] = max(round(int(duration[index]) / sixteenth), 1) * sixteenth
        again = strikes[(strikes > onset[index]) & (strikes < onset[index] + duration[index])]
        if len(again):
            same = onset[(pitch == pitch[index]) & (onset > onset[index])]
            if len(same):
                duration[index] = min(int(duration[index]), int(same.min()) - int(onset[index]))
    notes["duration"] = np.maximum(duration, 1).astype(np.int32)
    track.notes = Note.from_numpy(**notes, ttype="tick")
    score.tempos = [Tempo(0, round(tempo_bpm), ttype="tick")]
    score.time_signatures = type(score.time_signatures)(time_signatures(piece.grid))
    return score_bytes(score)
