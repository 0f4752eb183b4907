"""Do a file's own bars fit its notes, or was it recorded without a metronome?

Written music lies on the bars exactly, music played to a click lies around them. Of a free recording the onsets lie
anywhere: taken as angles on a clock whose hand goes round once in a sixteenth, a triplet, an eighth or a beat, they
point everywhere and cancel. `concentration` is the length of their mean (Fisher 1993): 1 where all agree, about
1/√n where nothing does. Only a file that was played, with enough notes, and with less concentration than any click
recording should have, counts as free; and with a tempo of its own, which a recorder left alone does not write, even
less is asked of the bars: to take a good file for a free one is worse than to miss one. What that costs on scores, on
recordings to a click and on free ones stands in docs/explanation/performances.md.
"""

from __future__ import annotations

import numpy as np

from pianomuse.midi.bars import DEFAULT_MSPQ
from pianomuse.midi.read import Piece
from pianomuse.tokens.snap import is_played

MOST_CONCENTRATION = 0.25
MOST_WITH_OWN_TEMPO = 0.12  # where the file's tempo is not the 120 that recorders write
FEWEST_ONSETS = 32
_PARTS = (1, 2, 3, 4, 6, 8)  # of a quarter note


def is_free(piece: Piece) -> bool:
    """Tell whether the file's own bars plainly do not fit its notes."""
    onsets = np.unique(piece.score.tracks[0].notes.numpy()["time"])
    if len(onsets) < FEWEST_ONSETS or not is_played(piece.score):
        return False
    is_usual = {int(tempo.mspq) for tempo in piece.score.tempos} == {DEFAULT_MSPQ}
    return concentration(piece) < (MOST_CONCENTRATION if is_usual else MOST_WITH_OWN_TEMPO)


def concentration(piece: Piece) -> float:
    """Return how much the onsets agree about where the beat and its parts are, 0 … 1: the best of six divisions."""
    onsets = np.unique(piece.score.tracks[0].notes.numpy()["time"].astype(np.float64))
    if len(onsets) == 0:
        return 1.0
    turns = onsets / piece.grid.ticks_per_quarter
    return max(float(np.abs(np.exp(2j * np.pi * parts * turns).mean())) for parts in _PARTS)
