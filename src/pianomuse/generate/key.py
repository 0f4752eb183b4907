"""The key at the caret: what the key signature says, else a guess that is called one and limits nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pianomuse.coded import Coded, coded
from pianomuse.generate.asked import Asked
from pianomuse.generate.caret import onsets_and_ends
from pianomuse.midi.bars import key_at
from pianomuse.midi.keys import key_of_signature, key_scores
from pianomuse.midi.read import Piece
from pianomuse.tokens.notes import key_token

_BARS = 16
# C major without sharps or flats is what programs write when nobody asked; notes that fit another key this much
# better (difference of correlations) say that nobody did.
_IDLE_SIGNATURE_GAP = 0.35

_SHARP_NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_FLAT_NAMES = ("C", "D♭", "D", "E♭", "E", "F", "G♭", "G", "A♭", "A", "B♭", "B")
_FLAT_KEYS = frozenset({1, 3, 5, 8, 10, 12, 14, 15, 17, 19, 22})  # D♭ E♭ F A♭ B♭ major; c d e♭ f g b♭ minor


@dataclass(frozen=True)
class HeardKey:
    """A key: 0 … 11 are major on C … B, 12 … 23 minor.

    >>> HeardKey(21, is_guess=True).name
    'A minor'
    """

    index: int
    is_guess: bool

    @property
    def tonic(self) -> int:
        """Pitch class of the tonic."""
        return self.index % 12

    @property
    def is_minor(self) -> bool:
        """Minor, not major."""
        return self.index >= 12

    @property
    def name(self) -> Coded:
        """Name for people, such as ``E♭ major``."""
        tonic = self.pitch_class_name(self.tonic)
        return (
            coded(f"{tonic} minor", "minor", tonic=tonic)
            if self.is_minor
            else coded(f"{tonic} major", "major", tonic=tonic)
        )

    @property
    def token_value(self) -> str:
        """Name in the vocabulary, such as ``Am``."""
        return key_token(self.index).removeprefix("Key_")

    def pitch_class_name(self, pitch_class: int) -> str:
        """Spell a pitch class as this key would."""
        return (_FLAT_NAMES if self.index in _FLAT_KEYS else _SHARP_NAMES)[pitch_class % 12]

    def pitch_name(self, pitch: int) -> str:
        """Spell a MIDI pitch with its octave, middle C being C4.

        >>> HeardKey(5, is_guess=False).pitch_name(58)
        'B♭3'
        """
        return f"{self.pitch_class_name(pitch)}{pitch // 12 - 1}"


def told_key(asked: Asked) -> HeardKey | None:
    """Return the key that was asked for, that of the first bar that has one."""
    told = [scale.key_index for scale in asked.key if scale is not None and scale.key_index is not None]
    return HeardKey(told[0], is_guess=False) if told else None


def heard_key(piece: Piece, tick: int) -> HeardKey:
    """Return the key at a tick, by the signature in force or by the notes of the 16 bars before.

    Where nothing stands before the tick, the 16 bars after it are heard. A signature of a major key may mean its
    relative minor (many programs write no mode); the notes decide.
    """
    grid, score = piece.grid, piece.score
    onset, end = onsets_and_ends(piece)
    bar_index = grid.bar_at(max(tick - 1, 0))
    near = (onset < tick) & (onset >= grid.start_of(max(bar_index + 1 - _BARS, 0)))
    if not near.any():
        near = (onset >= tick) & (onset < grid.start_of(bar_index + _BARS + 1))
    if not near.any():
        near = np.ones(len(onset), dtype=bool)
    pitch = score.tracks[0].notes.numpy()["pitch"].astype(np.int64)
    scores = key_scores(pitch[near], (end - onset)[near])
    guess = int(np.argmax(scores))
    signature = key_at(score, max(tick - 1, 0))
    if signature is None:
        return HeardKey(guess, is_guess=True)
    sharps, is_minor = int(signature.key), bool(signature.tonality)
    if is_minor:
        return HeardKey(12 + (sharps * 7 + 9) % 12, is_guess=False)
    index = key_of_signature(sharps, scores)
    if sharps == 0:
        whole = key_scores(pitch, end - onset)
        if whole.max() - max(whole[0], whole[21]) > _IDLE_SIGNATURE_GAP:
            return HeardKey(guess, is_guess=True)
    return HeardKey(index, is_guess=False)
