"""Playability: share of onsets that two hands cannot hold.

At every onset all keys that are down then (struck now or still held by their written length) must fall to two hands
that do not cross: the lower ones to the left, the higher ones to the right, each at most five keys within a tenth (16
semitones). Only holding is judged, at one moment at a time: no leaps, no repetitions, no change of fingers, and the
pedal does not help. So it is milder than the rule that ideas are written under (pianomuse.generate.playable), and
independent of it. Written scores fail where a bass is meant to be caught by the pedal, and songs where the voice is a
third hand; the number is to be read beside that of the true continuation.

After the two-hand constraint of Nakamura & Yoshii 2018 ("Statistical piano reduction"), with a hand span in place of a
trained cost.
"""

from __future__ import annotations

import numpy as np

from pianomuse.measure.passage import Passage

KEYS_PER_HAND = 5
SPAN_SEMITONES = 16


def unplayable_share(music: Passage) -> float:
    """Return the share of onsets whose sounding keys two hands cannot hold, 0 … 1; 0 without notes."""
    onsets = np.unique(music.onset)
    if len(onsets) == 0:
        return 0.0
    end = music.onset + music.duration
    held_by_none = 0
    for onset in onsets:
        down = np.unique(music.pitch[(music.onset <= onset) & (end > onset)])
        held_by_none += not can_hold(down.tolist())
    return held_by_none / len(onsets)


def can_hold(pitches: list[int]) -> bool:
    """Tell whether two hands can hold these keys (ascending, all different) at once.

    >>> can_hold([36, 48, 60, 64, 67]), can_hold([36, 60, 84])
    (True, False)
    """
    return any(_in_one_hand(pitches[:cut]) and _in_one_hand(pitches[cut:]) for cut in range(len(pitches) + 1))


def _in_one_hand(pitches: list[int]) -> bool:
    return not pitches or (len(pitches) <= KEYS_PER_HAND and pitches[-1] - pitches[0] <= SPAN_SEMITONES)
