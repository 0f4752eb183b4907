"""Fit an idea into the composer's music: ticks, ringing notes, the end, and the pedal on both sides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from pianomuse.generate.caret import Caret, onsets_and_ends
from pianomuse.generate.constraints import IdeaNote
from pianomuse.generate.given import Given
from pianomuse.generate.kept import Kept
from pianomuse.generate.plan import Plan
from pianomuse.midi.events import parse
from pianomuse.midi.parts import PIANO_ROLES, is_piano_pedal
from pianomuse.midi.read import Piece
from pianomuse.midi.splice import NewPedal
from pianomuse.tokens.vocabulary import GRID

_DOWN, _UP = 127, 0
_BASS_BELOW = 60  # MIDI; a new pitch class down here is a change of harmony wherever it falls
_HABIT_BARS = 4
_HARMONY_QUARTERS = 2
"""The harmony under a held pedal is what was struck in so many last quarters before the caret."""


@dataclass(frozen=True)
class PlacedNote:
    """A note of an idea in the composer's file.

    Args:
        units: onset in grid units from the bar line of the first new bar, as the model wrote it.
        length_units: duration in grid units, as the model wrote it.
        tick: onset.
        end_tick: end.
        pitch: MIDI pitch.
        velocity: MIDI velocity.

    """

    units: int
    length_units: int
    tick: int
    end_tick: int
    pitch: int
    velocity: int


class Ruler:
    """Grid units from the bar line of the first new bar to ticks of the file, exact at every bar line."""

    def __init__(self, caret: Caret, plan: Plan, ticks_per_quarter: int) -> None:
        """Lay the plan's bars onto the caret's."""
        self._units = np.array(plan.bar_starts)
        self._lines = caret.bar_lines
        self._scale = ticks_per_quarter / GRID

    def tick(self, units: int) -> int:
        """Return the tick of a place; the end of the new bars at the farthest."""
        bar = int(np.searchsorted(self._units, units, side="right")) - 1
        if bar >= len(self._lines) - 1:
            return self._lines[-1]
        return min(self._lines[bar] + round((units - int(self._units[bar])) * self._scale), self._lines[bar + 1])


def place_notes(notes: Iterable[IdeaNote], ruler: Ruler) -> list[PlacedNote]:
    """Return the notes of an idea at their ticks, by onset, then pitch."""
    placed = [
        PlacedNote(
            note.onset,
            note.duration,
            ruler.tick(note.onset),
            max(ruler.tick(note.onset + note.duration), ruler.tick(note.onset) + 1),
            note.pitch,
            note.velocity,
        )
        for note in notes
    ]
    return sorted(placed, key=lambda note: (note.units, note.pitch))


def keep_rhythm(notes: Sequence[PlacedNote], kept: Kept, caret: Caret) -> list[PlacedNote]:
    """Return the notes of an idea that keeps a rhythm at the ticks of that rhythm, exactly."""
    lines = caret.bar_lines
    return [
        replace(note, tick=lines[old.bar] + old.tick, end_tick=lines[old.bar] + old.tick + old.duration_ticks)
        for note, old in zip(notes, kept.notes, strict=False)  # an idea may not be finished
    ]


def keep_voices(notes: Sequence[PlacedNote]) -> list[PlacedNote]:
    """End notes that are meant to end before another begins there, however legato they are played."""
    strikes = sorted((note.units, note.tick) for note in notes)
    kept = []
    for note in notes:
        later = [tick for units, tick in strikes if units >= note.units + note.length_units and tick > note.tick]
        kept.append(replace(note, end_tick=min([note.end_tick, *later])))
    return kept


def keep_clear(notes: Sequence[PlacedNote], piece: Piece, caret: Caret) -> list[PlacedNote]:
    """Keep notes inside the new bars and off keys that are still held.

    A pitch that rings in from the composer's music is not struck before it ends; a note that would is late by what
    is missing, or left out if nothing of it remains. Of two notes on one key the earlier ends where the later begins.
    """
    onset, end = onsets_and_ends(piece)
    pitch = piece.score.tracks[0].notes.numpy()["pitch"]
    held = (onset < caret.tick) & (end > caret.tick)
    free_from = {int(p): int(end[held & (pitch == p)].max()) for p in np.unique(pitch[held])}
    clear: list[PlacedNote] = []
    last_on_key: dict[int, int] = {}
    for note in sorted(notes, key=lambda note: (note.tick, note.pitch, -note.end_tick)):
        tick = max(note.tick, caret.tick, free_from.get(note.pitch, 0))
        stop = min(note.end_tick, caret.end_tick)
        if tick >= stop:
            continue
        before = last_on_key.get(note.pitch)
        if before is not None:
            if clear[before].tick == tick:
                continue
            clear[before] = replace(clear[before], end_tick=min(clear[before].end_tick, tick))
        last_on_key[note.pitch] = len(clear)
        clear.append(replace(note, tick=tick, end_tick=stop))
    return clear


def given_notes(piece: Piece, caret: Caret, given: Given) -> list[PlacedNote]:
    """Return the composer's notes that stay in the new bars, by onset, then pitch."""
    notes = piece.score.tracks[0].notes.numpy()
    onset, end = onsets_and_ends(piece)
    scale = GRID / piece.grid.ticks_per_quarter
    there = np.flatnonzero((onset >= caret.tick) & (onset < caret.end_tick))
    found = [
        PlacedNote(
            round((int(onset[i]) - caret.bar_tick) * scale),
            max(round(int(end[i] - onset[i]) * scale), 1),
            int(onset[i]),
            int(end[i]),
            int(notes["pitch"][i]),
            int(notes["velocity"][i]),
        )
        for i in there
        if (int(onset[i]), int(notes["pitch"][i])) in given.stays
    ]
    return sorted(found, key=lambda note: (note.tick, note.pitch))


def keep_off_given(notes: Sequence[PlacedNote], given: Sequence[PlacedNote]) -> list[PlacedNote]:
    """Keep new notes off the keys of given ones: played a little late or long, they might reach them."""
    clear = []
    for note in notes:
        same = [other for other in given if other.pitch == note.pitch]
        start = max([note.tick, *(other.end_tick for other in same if other.tick <= note.tick)])
        stop = min([note.end_tick, *(other.tick for other in same if other.tick > note.tick)])
        if start < stop:
            clear.append(replace(note, tick=start, end_tick=stop))
    return clear


def join_pedal(
    ids: Sequence[int],
    notes: Sequence[PlacedNote],
    plan: Plan,
    ruler: Ruler,
    piece: Piece,
    caret: Caret,
    channels: Mapping[int, bool] | None = None,
) -> list[NewPedal]:
    """Return the pedal of an idea for every channel that the composer pedals.

    A pedal held at the caret goes up where the idea lets it go or at its next change of harmony, whichever comes
    first, at the latest at its end; a pedal of the idea's own is up at its end. Where the composer pedals bar by bar
    and the idea presses it in fewer than half of its bars, the pedalling of the composer's last bar goes on.

    Args:
        ids: the idea's tokens.
        notes: the idea's notes.
        plan: what was to be written.
        ruler: of the plan.
        piece: the composer's file.
        caret: where the idea is.
        channels: what `pedal_channels` says of the caret, if it was asked already.

    """
    moves = [(ruler.tick(units), is_down) for units, is_down in _moves(ids, plan)]
    if 2 * sum(is_down for _, is_down in moves) < len(caret.metres):
        moves = [move for move in _habit(piece, caret) if move[0] >= caret.tick] or moves
    last = caret.end_tick - 1
    pedals: list[NewPedal] = []
    channels = pedal_channels(piece, caret.tick) if channels is None else channels
    for channel, is_held in channels.items():
        track = _track_of(piece, channel)
        is_down = is_held
        release = _harmony_change(notes, piece, caret) if is_held else None
        for tick, wants_down in (*moves, (last, False)):
            if is_down and release is not None and (release <= tick or not wants_down):
                pedals.append(NewPedal(min(release, tick, last), _UP, track))
                is_down, release = False, None
            if wants_down != is_down and caret.tick <= tick <= last:
                pedals.append(NewPedal(tick, _DOWN if wants_down else _UP, track))
                is_down = wants_down
    return pedals


def _moves(ids: Sequence[int], plan: Plan) -> list[tuple[int, bool]]:
    """Return when the idea's own tokens move the pedal, in grid units from the first bar line, and whether down."""
    vocabulary = plan.vocabulary
    bar, position = -1, 0
    moves: list[tuple[int, bool]] = []
    for index, token in enumerate((*plan.first_bar, *ids)):
        kind = vocabulary.kinds[token]
        if kind == "Bar":
            bar, position = bar + 1, 0
        elif kind == "Position":
            position = int(vocabulary.values[token])
        elif kind in ("Pedal", "PedalOff") and index >= len(plan.first_bar):
            moves.append((plan.bar_starts[bar] + position, kind == "Pedal"))
    return moves


def _habit(piece: Piece, caret: Caret) -> list[tuple[int, bool]]:
    """Return the pedal moves of the composer's last bar, repeated in every new bar, in ticks and whether down.

    Nothing where fewer than three of the last four bars press the pedal (all of them, where there are fewer than four).
    """
    grid = piece.grid
    bars = range(max(caret.bar_index - _HABIT_BARS, 0), caret.bar_index)
    spans = [(int(pedal.time), int(pedal.time + pedal.duration)) for pedal in piece.score.tracks[0].pedals]
    pressed = [bar for bar in bars if any(grid.start_of(bar) <= down < grid.start_of(bar + 1) for down, _ in spans)]
    if len(bars) < 2 or len(pressed) < min(len(bars), _HABIT_BARS - 1):
        return []
    first, end = grid.start_of(pressed[-1]), grid.start_of(pressed[-1] + 1)
    model = [
        (tick, is_down) for down, up in spans for tick, is_down in ((down, True), (up, False)) if first <= tick < end
    ]
    lines = caret.bar_lines
    return [
        (start + round((tick - first) * (stop - start) / (end - first)), is_down)
        for start, stop in pairwise(lines)
        for tick, is_down in sorted(model)
    ]


def pedal_channels(piece: Piece, tick: int) -> dict[int, bool]:
    """Return the channels whose pedal the composer uses, and whether it is down just before `tick`."""
    moves = sorted(
        (at, order, raw[0] & 0x0F, raw[2] >= 64)
        for order, chunk in enumerate(parse(piece.data).chunks)
        for at, raw in chunk.events
        if is_piano_pedal(piece.tracks, order, raw)
    )
    is_down: dict[int, bool] = {}
    for at, _, channel, goes_down in moves:
        is_down[channel] = goes_down if at < tick else is_down.get(channel, False)
    return is_down


def _track_of(piece: Piece, channel: int) -> int:
    """Return the last piano track on a channel."""
    return max(i for i, t in enumerate(piece.tracks) if t.channel == channel and t.role in PIANO_ROLES)


def _harmony_change(notes: Sequence[PlacedNote], piece: Piece, caret: Caret) -> int:
    """Return the tick at which the idea first leaves the harmony under the held pedal; its end if it never does.

    It leaves it with a pitch class that was not struck in the last two quarters, on a beat or in the bass.
    """
    onset, _ = onsets_and_ends(piece)
    before = onset < caret.tick
    if not before.any():
        return caret.end_tick
    since = min(caret.tick - _HARMONY_QUARTERS * piece.grid.ticks_per_quarter, int(onset[before].max()))
    pitch = piece.score.tracks[0].notes.numpy()["pitch"].astype(np.int64)
    harmony = set((pitch[before & (onset >= since)] % 12).tolist())
    beat = max(piece.grid.beat_ticks(caret.bar_index) * GRID // piece.grid.ticks_per_quarter, 1)
    for note in sorted(notes, key=lambda note: note.tick):
        if note.pitch % 12 not in harmony and (note.units % beat == 0 or note.pitch < _BASS_BELOW):
            return note.tick
    return caret.end_tick
