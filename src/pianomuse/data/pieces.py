"""A piece as training reads it: the same bars seen whole, by hand, as melody and as what goes under it.

Every view of a piece has the same bars, so that an example can take its context from one view and its answer from
another, cut at the same bar lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from symusic import Note, Score

from pianomuse.midi.hands import split_hands
from pianomuse.midi.read import Piece
from pianomuse.tokens.quantise import QuantiseReport
from pianomuse.tokens.tokenizer import PianoTokenizer

VIEWS = ("full", "right", "left", "melody", "rest")
_VIEWS_WITHOUT_PEDAL = ("right", "melody")
UNKNOWN_KEY = -128


@dataclass(frozen=True)
class View:
    """The bars of one view: ``head`` and then whole bars.

    Args:
        ids: int32 [T], ``TimeSig Tempo Bar TimeSig …``.
        bars: int64 [n_bars + 1], where each bar begins in ids, and the end.
        tempos: int32 [n_bars], the Tempo token in force where each bar begins.

    """

    ids: NDArray[np.int32]
    bars: NDArray[np.int64]
    tempos: NDArray[np.int32]

    @property
    def n_bars(self) -> int:
        """Number of bars."""
        return len(self.bars) - 1

    def cut(self, first: int, last: int) -> NDArray[np.int32]:
        """Return the ids of bars first … last−1."""
        return self.ids[self.bars[first] : self.bars[last]]

    def length(self, first: int, last: int) -> int:
        """Return the number of tokens of bars first … last−1."""
        return int(self.bars[last] - self.bars[first])

    def head(self, bar: int) -> list[int]:
        """Return ``[TimeSig, Tempo]`` in force where a bar begins."""
        return [int(self.ids[self.bars[bar] + 1]), int(self.tempos[bar])]


@dataclass(frozen=True)
class TokenPiece:
    """One piece, tokenised.

    Args:
        name: the file's path inside its folder.
        work_id: what the split goes by: versions of one work share it.
        views: those of VIEWS that the piece has; ``full`` always.
        key_sharps: int8 [n_bars], sharps (flats negative) of the key signature in force, −128 where none is given.
        is_expressive: velocities differ, so that dynamics can be learnt from it.
        has_voice: the melody is a sung line, so that ``rest`` is a piano part that stands by itself.

    """

    name: str
    work_id: str
    views: dict[str, View]
    key_sharps: NDArray[np.int8]
    is_expressive: bool
    has_voice: bool

    @cached_property
    def n_bars(self) -> int:
        """Number of bars, the same in every view."""
        return self.views["full"].n_bars


def make_view(ids: NDArray[np.int32], tokenizer: PianoTokenizer) -> View:
    """Find the bars of a stream of ids and the tempo in force at each."""
    bars = tokenizer.find_bar_indices(ids)
    places = np.arange(len(ids))
    is_tempo = tokenizer.vocabulary.kinds[ids] == "Tempo"
    last_tempo = np.maximum.accumulate(np.where(is_tempo, places, -1))
    return View(ids, np.append(bars, len(ids)), ids[last_tempo[bars]])


def tokenise_piece(
    piece: Piece, tokenizer: PianoTokenizer, *, name: str, work_id: str
) -> tuple[TokenPiece, QuantiseReport]:
    """Tokenise a piece in all views that its tracks tell apart, and report what the grid changed.

    Raises:
        MidiError: a metre that the tokens cannot say.

    """
    roles = _roles(piece)
    score = tokenizer.musical(piece.score)
    full, report = tokenizer.encode_with_report(score)
    views = {"full": make_view(full, tokenizer)}
    n_bars = views["full"].n_bars
    for view, part in _with_roles(score, roles).items():
        views[view] = make_view(tokenizer.encode(part, n_bars=n_bars), tokenizer)
    velocities = score.tracks[0].notes.numpy()["velocity"]
    tokenised = TokenPiece(
        name,
        work_id,
        views,
        _key_sharps(piece, n_bars),
        is_expressive=bool(velocities.std() > 2.0),
        has_voice=bool((roles == "voice").any()),
    )
    return tokenised, report


def _roles(piece: Piece) -> NDArray[np.str_]:
    """Return who plays each note: as the tracks say, else right or left by the hand-splitting rule; str [n_notes]."""
    roles = np.array([piece.tracks[index].role for index in piece.track_of_note])
    if (roles == "piano").all():
        notes = piece.score.tracks[0].notes.numpy()
        quarters = 1 / piece.score.ticks_per_quarter
        is_right = split_hands(notes["time"] * quarters, notes["duration"] * quarters, notes["pitch"])
        roles = np.where(is_right, "right", "left")
    return roles


def _with_roles(score: Score, roles: NDArray[np.str_]) -> dict[str, Score]:
    """Split a Score into views: each a Score with all metres and tempos of the whole."""
    melody = roles == "voice" if (roles == "voice").any() else _top_line(score, roles)
    parts = {}
    if (roles == "right").any() and (roles == "left").any():
        parts["right"], parts["left"] = roles == "right", roles == "left"
    if melody.any() and not melody.all():
        parts["melody"], parts["rest"] = melody, ~melody
    return {view: _keep(score, mask, with_pedal=view not in _VIEWS_WITHOUT_PEDAL) for view, mask in parts.items()}


def _keep(score: Score, mask: NDArray[np.bool_], *, with_pedal: bool) -> Score:
    part = score.copy()
    notes = {key: column[mask] for key, column in score.tracks[0].notes.numpy().items()}
    part.tracks[0].notes = Note.from_numpy(**notes)
    if not with_pedal:
        part.tracks[0].pedals = []
    return part


def _top_line(score: Score, roles: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Return which notes are the top line: highest of their onset, not below a longer note still sounding above.

    Only notes of the right hand count where hands are told apart. Against the sung line of validation songs, read off
    the whole of voice and piano, it finds 73 % of the melody's notes in POP909 and 67 % in lieder; 43 and 40 % of what
    it takes is the melody, the rest is piano above or between it.
    """
    notes = score.tracks[0].notes.numpy()
    onset, end, pitch = notes["time"], notes["time"] + notes["duration"], notes["pitch"].astype(np.int64)
    candidate = roles == "right" if (roles == "right").any() else np.ones(len(onset), dtype=bool)
    top = np.zeros(len(onset), dtype=bool)
    held_until, held_pitch = -1, -1
    for index in np.lexsort((-pitch, onset)):
        if not candidate[index]:
            continue
        slack = (end[index] - onset[index]) // 8
        if onset[index] + slack < held_until and pitch[index] <= held_pitch:
            continue
        top[index] = True
        held_until, held_pitch = int(end[index]), int(pitch[index])
    return top


def _key_sharps(piece: Piece, n_bars: int) -> NDArray[np.int8]:
    sharps = np.full(n_bars, UNKNOWN_KEY, dtype=np.int8)
    for signature in piece.score.key_signatures:
        sharps[min(piece.grid.bar_at(int(signature.time)), n_bars) :] = signature.key
    return sharps
