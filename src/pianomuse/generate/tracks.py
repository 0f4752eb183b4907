"""Which track receives which new note: by hand with two piano tracks, else one track.

A song's melody track beside a piano track is not a hand: it receives the top line as long as it has been singing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pianomuse.coded import Coded, coded
from pianomuse.errors import RequestError
from pianomuse.generate.caret import Caret, onsets_and_ends
from pianomuse.generate.join import PlacedNote
from pianomuse.midi.hands import split_hands
from pianomuse.midi.parts import PIANO_ROLES
from pianomuse.midi.read import Piece

_RECENT_BARS = 8
_SINGING_BARS = 4
_NOT_TOLD = -1


@dataclass(frozen=True)
class Routing:
    """Where new notes go; indices into `Piece.tracks`.

    Args:
        right: receives the right hand's notes.
        left: receives the left hand's; the same as `right` with one track.
        sentence: the choice in words, None where there was none to make.

    """

    right: int
    left: int
    sentence: Coded | None

    def of(self, hand: str) -> int:
        """Return the track of one hand's notes."""
        return self.left if hand == "left" else self.right


def choose_tracks(piece: Piece, caret: Caret, wanted: Sequence[str] = ()) -> Routing:
    """Choose the tracks that receive an idea.

    Args:
        piece: the composer's file.
        caret: where the idea goes.
        wanted: one or two track numbers (piano tracks from 1, in file order) or names; of two, the higher-lying
            one receives the right hand.

    Raises:
        RequestError: a wanted track is not there, or there are more than two.

    """
    pianos = [index for index, track in enumerate(piece.tracks) if track.role in PIANO_ROLES]
    if wanted:
        chosen = [_find(piece, pianos, word) for word in wanted]
        if len(set(chosen)) != len(chosen) or len(chosen) > 2:
            raise RequestError(
                f"--tracks {','.join(wanted)}: name one track, or two different ones for right and left",
                "tracks_two",
                value=",".join(wanted),
            )
        return _routing(piece, chosen, pianos)
    if len(pianos) <= 2:
        return replace(_routing(piece, pianos, pianos), sentence=None)
    onset, _ = onsets_and_ends(piece)
    recent = onset >= piece.grid.start_of(max(caret.bar_index + caret.finishes_bar - _RECENT_BARS, 0))
    heard = piece.track_of_note[recent & (onset < caret.tick)]
    if len(heard) == 0:
        heard = piece.track_of_note
    counts = np.bincount(heard, minlength=len(piece.tracks))
    busiest = max(pianos, key=lambda index: (counts[index], -index))
    routing = _routing(piece, [busiest], pianos)
    name = _named(piece, busiest, pianos)
    said = f"New notes go to {name}, which has most notes here; --tracks chooses."
    return replace(routing, sentence=coded(said, "busiest_track", track=name))


def assign_tracks(notes: Sequence[PlacedNote], piece: Piece, caret: Caret, routing: Routing) -> list[int]:
    """Return the track of each note of an idea, as an index into `Piece.tracks`."""
    if routing.right == routing.left:
        return [routing.right] * len(notes)
    if piece.tracks[routing.right].role == "voice":
        is_upper = _top_line(notes) & _sings(piece, caret, routing.right)
    else:
        is_upper = assign_hands(notes, piece, caret)
    return [routing.right if upper else routing.left for upper in is_upper]


def assign_hands(notes: Sequence[PlacedNote], piece: Piece, caret: Caret) -> NDArray[np.bool_]:
    """Return which notes of an idea the right hand plays, heard together with the bars before it: bool [n].

    Where the tracks tell the composer's hands apart, they guide the rule.
    """
    onset, end = onsets_and_ends(piece)
    first = piece.grid.start_of(max(caret.bar_index - _RECENT_BARS, 0))
    near = (onset >= first) & (onset < caret.tick)
    pitch = piece.score.tracks[0].notes.numpy()["pitch"][near]
    side = {"right": 1, "left": 0}
    roles = [side.get(track.role, _NOT_TOLD) for track in piece.tracks]
    if not {0, 1} <= set(roles):
        roles = [_NOT_TOLD] * len(roles)
    known = np.array(roles)[piece.track_of_note[near]]
    quarter = piece.grid.ticks_per_quarter
    is_right = split_hands(
        np.concatenate([onset[near], [note.tick for note in notes]]) / quarter,
        np.concatenate([(end - onset)[near], [note.end_tick - note.tick for note in notes]]) / quarter,
        np.concatenate([pitch, [note.pitch for note in notes]]),
        np.concatenate([known, np.full(len(notes), _NOT_TOLD)]),
    )
    return is_right[len(pitch) :]


def hands_of_music(piece: Piece, from_tick: int, to_tick: int) -> dict[tuple[int, int], str]:
    """Return who plays the composer's notes of a span: ``right`` or ``left`` by onset in ticks and pitch.

    Where the tracks tell the hands apart they decide, else the rule of `split_hands`.
    """
    onset, end = onsets_and_ends(piece)
    grid, pitch = piece.grid, piece.score.tracks[0].notes.numpy()["pitch"]
    near = onset >= grid.start_of(max(grid.bar_at(from_tick) - _RECENT_BARS, 0))
    near &= onset < grid.start_of(grid.bar_at(to_tick) + _RECENT_BARS)
    roles = {index: track.role for index, track in enumerate(piece.tracks)}
    if {"right", "left"} <= set(roles.values()):
        hands = [roles[track] for track in piece.track_of_note[near]]
    else:
        quarter = grid.ticks_per_quarter
        is_right = split_hands(onset[near] / quarter, (end - onset)[near] / quarter, pitch[near])
        hands = ["right" if right else "left" for right in is_right]
    places = zip(onset[near].tolist(), pitch[near].tolist(), hands, strict=True)
    return {(tick, key): hand for tick, key, hand in places if from_tick <= tick < to_tick}


def _routing(piece: Piece, chosen: list[int], pianos: list[int]) -> Routing:
    if len(chosen) == 1:
        name = _named(piece, chosen[0], pianos)
        sentence = coded(f"New notes go to {name}.", "track_chosen", track=name) if len(pianos) > 1 else None
        return Routing(chosen[0], chosen[0], sentence)
    right, left = _right_and_left(piece, chosen)
    upper, lower = _named(piece, right, pianos), _named(piece, left, pianos)
    if piece.tracks[right].role == "voice":
        said = f"The melody to {upper}, the rest to {lower}."
        return Routing(right, left, coded(said, "tracks_of_song", upper=upper, lower=lower))
    said = f"Right hand to {upper}, left hand to {lower}."
    return Routing(right, left, coded(said, "tracks_of_hands", upper=upper, lower=lower))


def _right_and_left(piece: Piece, chosen: list[int]) -> tuple[int, int]:
    """Order two tracks: by their roles if they tell, else the higher-lying one is the right hand's."""
    roles = {piece.tracks[index].role: index for index in chosen}
    if "voice" in roles and len(roles) == 2:
        return roles["voice"], next(index for role, index in roles.items() if role != "voice")
    if "right" in roles and len(roles) == 2:
        return roles["right"], next(index for role, index in roles.items() if role != "right")
    if "left" in roles and len(roles) == 2:
        return next(index for role, index in roles.items() if role != "left"), roles["left"]
    pitch = piece.score.tracks[0].notes.numpy()["pitch"]
    heights = [
        float(pitch[piece.track_of_note == index].sum()) / max(int((piece.track_of_note == index).sum()), 1)
        for index in chosen
    ]
    return (chosen[0], chosen[1]) if heights[0] >= heights[1] else (chosen[1], chosen[0])


def _top_line(notes: Sequence[PlacedNote]) -> NDArray[np.bool_]:
    """Return which notes are the highest of their onset and not below a higher one still sounding: bool [n]."""
    is_top = np.zeros(len(notes), dtype=bool)
    held_until, held_pitch = -1, -1
    for index in sorted(range(len(notes)), key=lambda index: (notes[index].units, -notes[index].pitch)):
        note = notes[index]
        if note.units < held_until and note.pitch <= held_pitch:
            continue
        is_top[index] = True
        held_until, held_pitch = note.units + note.length_units, note.pitch
    return is_top


def _sings(piece: Piece, caret: Caret, track: int) -> bool:
    """Tell whether a track has notes in the four bars before the caret."""
    onset, _ = onsets_and_ends(piece)
    first = piece.grid.start_of(max(caret.bar_index - _SINGING_BARS, 0))
    return bool(((onset >= first) & (onset < caret.tick) & (piece.track_of_note == track)).any())


def _find(piece: Piece, pianos: list[int], word: str) -> int:
    word = word.strip()
    if word.isdecimal() and 1 <= int(word) <= len(pianos):
        return pianos[int(word) - 1]
    named = [index for index in pianos if piece.tracks[index].name.casefold() == word.casefold()]
    if len(named) == 1:
        return named[0]
    there = ", ".join(_named(piece, index, pianos) for index in pianos)
    raise RequestError(f"--tracks {word}: no such piano track; there are {there}", "track_unknown", value=word)


def _named(piece: Piece, index: int, pianos: list[int]) -> Coded:
    name, number = piece.tracks[index].name, pianos.index(index) + 1
    if not name:
        return coded(f"track {number}", "track", track=number)
    return coded(f"track {number} ({name})", "track_named", track=number, name=name)
