"""Continuity of style: does a completion keep the key, the rhythm, the register and the texture of its context?

Every function takes the context (usually its last eight bars) and the new bars.

- `entropy_difference`: |ΔH| of pitch-class entropy in bits (Wu & Yang 2020, "The Jazz Transformer on the front line",
  where H itself is compared with real pieces over windows of one and four bars; here context and new bars are compared
  directly). 0 is the same amount of chromaticism.
- `groove_similarity`: the same paper's mean of 1 − XOR of onset patterns over pairs of bars. The paper takes all pairs
  of a piece at 64 positions per bar; ours are the pairs of a context bar and a new bar of one length at sixteenths, so
  silence counts less in our favour.
- `in_key_share`: notes of the new bars in the scale of the context's key. The key is Krumhansl–Schmuckler's over the
  context (a guess); minor takes the raised seventh and both sixths.
- `register_overlap`: common area of the two histograms of pitch in half octaves, 0 … 1.
- `density_distance`: |log2| of the ratio of notes per quarter; 1 is twice or half as full.
- `register_distance`: distance of the mean pitches in semitones.
- `polyphony_distance`: difference of the most notes sounding at once.
- `closes`: whether the last strike's lowest note is the tonic of the context's key; of ends of works only.

None is a quality by itself: copying the last bars scores best on most. Read them beside the true
continuation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pianomuse.measure.agreement import in_sixteenths
from pianomuse.measure.passage import SIXTEENTH, Passage
from pianomuse.midi.keys import key_scores

_SCALES = (frozenset({0, 2, 4, 5, 7, 9, 11}), frozenset({0, 2, 3, 5, 7, 8, 9, 10, 11}))
_HALF_OCTAVE = 6
_RELEASE_UNITS = 2  # overlaps of less than a 32nd do not count as sounding at once
NAN = float("nan")


def pitch_class_entropy(music: Passage) -> float:
    """Return the entropy of the pitch-class histogram in bits, 0 … log2 12; NaN without notes."""
    if music.n_notes == 0:
        return NAN
    shares = np.bincount(music.pitch % 12, minlength=12) / music.n_notes
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def entropy_difference(context: Passage, new: Passage) -> float:
    """Return |ΔH| of pitch-class entropy in bits; NaN if either has no notes."""
    return abs(pitch_class_entropy(context) - pitch_class_entropy(new))


def groove_similarity(context: Passage, new: Passage) -> float:
    """Return the mean likeness of onset patterns over bars of equal length, 0 … 1; NaN if there are no such bars."""
    heard, written = _grooves(context), _grooves(new)
    pairs = [float(np.mean(a == b)) for a in heard for b in written if len(a) == len(b)]
    return float(np.mean(pairs)) if pairs else NAN


def _grooves(music: Passage) -> list[NDArray[np.bool_]]:
    grooves = []
    for bar in range(music.n_bars):
        begin, end = int(music.bar_starts[bar]), int(music.bar_starts[bar + 1])
        pattern = np.zeros(max((end - begin) // SIXTEENTH, 1), dtype=bool)
        inside = music.onset[(music.onset >= begin) & (music.onset < end)] - begin
        pattern[np.minimum(in_sixteenths(inside), len(pattern) - 1)] = True
        grooves.append(pattern)
    return grooves


def in_key_share(context: Passage, new: Passage) -> float:
    """Return the share of new notes in the scale of the context's key, 0 … 1; NaN if either has no notes."""
    if context.n_notes == 0 or new.n_notes == 0:
        return NAN
    key = int(key_scores(context.pitch, context.duration).argmax())
    scale = _SCALES[key // 12]
    return float(np.mean([(pitch - key) % 12 in scale for pitch in new.pitch.tolist()]))


def register_overlap(context: Passage, new: Passage) -> float:
    """Return the common area of the pitch histograms in half octaves, 0 … 1; NaN if either has no notes."""
    if context.n_notes == 0 or new.n_notes == 0:
        return NAN
    size = 128 // _HALF_OCTAVE + 1
    shares = [np.bincount(m.pitch // _HALF_OCTAVE, minlength=size) / m.n_notes for m in (context, new)]
    return float(np.minimum(*shares).sum())


def density_distance(context: Passage, new: Passage) -> float:
    """Return |log2| of the ratio of notes per quarter; an empty passage counts as having one note."""
    rates = [max(m.n_notes, 1) / max(m.quarters, 1e-9) for m in (context, new)]
    return abs(float(np.log2(rates[1] / rates[0])))


def register_distance(context: Passage, new: Passage) -> float:
    """Return the distance of the mean pitches in semitones; NaN if either has no notes."""
    if context.n_notes == 0 or new.n_notes == 0:
        return NAN
    return abs(float(new.pitch.mean() - context.pitch.mean()))


def polyphony_distance(context: Passage, new: Passage) -> float:
    """Return by how many notes the largest number sounding at once differs."""
    return float(abs(_most_at_once(context) - _most_at_once(new)))


def closes(context: Passage, new: Passage) -> float:
    """Return 1 if the lowest note of the last onset is the tonic of the context's key, else 0; NaN without notes."""
    if context.n_notes == 0 or new.n_notes == 0:
        return NAN
    tonic = int(key_scores(context.pitch, context.duration).argmax()) % 12
    return float(int(new.pitch[new.onset == new.onset[-1]].min()) % 12 == tonic)


def _most_at_once(music: Passage) -> int:
    if music.n_notes == 0:
        return 0
    end = music.onset + np.maximum(music.duration - _RELEASE_UNITS, 1)
    sounding = (music.onset[None, :] <= music.onset[:, None]) & (end[None, :] > music.onset[:, None])
    return int(sounding.sum(axis=1).max())
