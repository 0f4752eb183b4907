"""Validity: is an exported idea what was promised? Read back from its MIDI bytes, independently of what wrote it.

Valid is a file that parses, has at least one note, whose notes all lie inside the bars asked for, on the 88 keys, with
no key struck while it is still down, and whose tokens obey the grammar and make exactly that many bars. Nothing here
says whether it is music.
"""

from __future__ import annotations

import numpy as np

from pianomuse.errors import MidiError
from pianomuse.midi.read import read_midi
from pianomuse.tokens.grammar import Grammar
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import PITCH_RANGE

_HEAD = 2  # metre and tempo


def fault(midi: bytes, n_bars: int, tokenizer: PianoTokenizer) -> str:
    """Return what is wrong with an idea's file, empty if nothing.

    Args:
        midi: the file of the new bars alone, from their first bar line on.
        n_bars: how many there should be.
        tokenizer: of the model that wrote it.

    """
    try:
        piece = read_midi(midi)
    except MidiError as error:
        return f"cannot be read: {error}"
    notes = piece.score.tracks[0].notes.numpy()
    onset, end, pitch = notes["time"], notes["time"] + notes["duration"], notes["pitch"]
    if len(onset) == 0:
        return "no notes"
    if end.max() > piece.grid.start_of(n_bars):
        return f"a note lies behind bar {n_bars}"
    if pitch.min() < PITCH_RANGE[0] or pitch.max() > PITCH_RANGE[1]:
        return "a note is not on the 88 keys"
    for key in np.unique(pitch):
        order = np.argsort(onset[pitch == key])
        if (onset[pitch == key][order][1:] < end[pitch == key][order][:-1]).any():
            return f"key {key} is struck while it is down"
    ids = tokenizer.encode(piece.score, n_bars=n_bars)
    ungrammatical = Grammar(tokenizer.vocabulary).first_error(ids[_HEAD:].tolist())
    if ungrammatical is not None:
        return ungrammatical
    found = len(tokenizer.find_bar_indices(ids))
    return "" if found == n_bars else f"{found} bars instead of {n_bars}"
