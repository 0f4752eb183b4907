"""How the composer plays: dynamics, lateness, legato, measured in the bars around the caret and given to new notes.

Velocity: one velocity in the context is kept exactly; otherwise the new notes get the mean and the spread of the
last bars, and top line, inner notes and bass stand to each other as they did there. An idea that would set in much
louder or softer than the last bar was sets in nearer to it, as a whole bar, and glides to its own level. Time: music
played to a click is read at its musical position; how late the player was on each position of the beat (swing is a
late off-beat), how much that varies, and how far notes reach over or stop short is measured and given back. Written
music has its gate time given back: what the grid calls a quarter is as many ticks long as the composer's quarters
mostly are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.caret import Caret, onsets_and_ends
from pianomuse.generate.join import PlacedNote
from pianomuse.midi.bars import cut
from pianomuse.midi.read import Piece
from pianomuse.tokens.snap import is_played, snap
from pianomuse.tokens.vocabulary import GRID

_DYNAMICS_BARS = 4
_FEWEST_NOTES = 8
_TIMING_BARS = 32
_FEWEST_PER_POSITION = 3
_USUAL_SHARE = 0.6
_MOST_STEP = 7.0  # velocities: by how much the first new bar may be louder or softer than the last bar
_GLIDE_BARS = 3  # bars after the first over which an idea comes back to its own level
_MOST_STRETCH = 3.0  # velocities of an idea are spread at most so much wider than the model wrote them
_ROLES = ("top", "inner", "bass")


@dataclass(frozen=True)
class Dynamics:
    """Velocities of the bars around the caret.

    Args:
        mean: MIDI velocity.
        spread: standard deviation.
        offsets: how much louder than the mean top line, inner notes and bass are.
        middle: mean MIDI pitch; tells top from bass where one note sounds alone.
        last_bar: mean MIDI velocity over a bar's length right before the caret; None without notes there.
        bar_units: that length in grid units.
        first_units: where new notes begin, in grid units from the bar line of the first new bar.

    """

    mean: float
    spread: float
    offsets: Mapping[str, float]
    middle: float
    last_bar: float | None = None
    bar_units: int = 4 * GRID
    first_units: int = 0


@dataclass(frozen=True)
class Timing:
    """How notes lie against the grid, in ticks.

    Args:
        lateness: mean, by position in the beat (grid units).
        usual_lateness: mean over all positions.
        spread: standard deviation of a strike around its lateness.
        chord_spread: standard deviation of a note around its strike.
        end_lateness: mean, of note ends.
        gate: durations in ticks of written music, by duration in grid units.
        beat_units: grid units in a beat.

    """

    lateness: Mapping[int, float] = field(default_factory=dict)
    usual_lateness: float = 0.0
    spread: float = 0.0
    chord_spread: float = 0.0
    end_lateness: float = 0.0
    gate: Mapping[int, int] = field(default_factory=dict)
    beat_units: int = GRID


def measure_dynamics(piece: Piece, caret: Caret, *, both_sides: bool = False) -> Dynamics | None:
    """Measure the velocities of the last bars before the caret, for a fill also of the first bars after it.

    Before bar 1 the bars after the caret are measured. None if there is no note to measure.
    """
    onset, _ = onsets_and_ends(piece)
    notes = piece.score.tracks[0].notes.numpy()
    before, after = np.flatnonzero(onset < caret.tick), np.flatnonzero(onset >= caret.old_end_tick)
    chosen = _last_bars(piece, onset, before)
    if both_sides or len(before) == 0:
        chosen = np.concatenate([chosen, _first_bars(piece, onset, after)])
    if len(chosen) == 0:
        return None
    velocity, pitch = notes["velocity"][chosen].astype(np.float64), notes["pitch"][chosen].astype(np.int64)
    middle = float(pitch.mean())
    near = piece.grid.ticks_per_quarter // 16 + 1
    roles = _roles(onset[chosen] // near, pitch, middle)
    mean = float(velocity.mean())
    offsets = {role: float(velocity[roles == role].mean()) - mean for role in _ROLES if (roles == role).any()}
    scale = GRID / piece.grid.ticks_per_quarter
    bar_ticks = piece.grid.start_of(caret.bar_index + 1) - piece.grid.start_of(caret.bar_index)
    last = notes["velocity"][before[onset[before] >= caret.tick - bar_ticks]]
    return Dynamics(
        mean,
        float(velocity.std()),
        offsets,
        middle,
        last_bar=float(last.mean()) if len(last) else None,
        bar_units=round(bar_ticks * scale),
        first_units=round((caret.tick - caret.bar_tick) * scale),
    )


def give_dynamics(notes: Sequence[PlacedNote], dynamics: Dynamics | None) -> list[PlacedNote]:
    """Return the notes with the velocities of the context: its mean, its spread, its balance, and no jump into it."""
    if dynamics is None or not notes:
        return list(notes)
    if dynamics.spread == 0:
        return [replace(note, velocity=round(dynamics.mean)) for note in notes]
    velocity = np.array([note.velocity for note in notes], dtype=np.float64)
    pitch = np.array([note.pitch for note in notes])
    roles = _roles(np.array([note.units for note in notes]), pitch, dynamics.middle)
    within, balance = np.zeros_like(velocity), np.zeros_like(velocity)
    for role in _ROLES:
        own = roles == role
        if own.any():
            within[own] = velocity[own] - velocity[own].mean()
            balance[own] = dynamics.offsets.get(role, 0.0)
    balance -= balance.mean()
    left = max(dynamics.spread**2 - float(balance.var()), 0.0)
    stretch = min(left**0.5 / max(float(within.std()), 1e-9), _MOST_STRETCH)
    shaped = dynamics.mean + balance + within * stretch
    shaped += _glide(np.array([note.units for note in notes]), shaped, dynamics)
    new = np.clip(np.round(shaped), 1, 127).astype(int)
    return [replace(note, velocity=int(value)) for note, value in zip(notes, new, strict=True)]


def _glide(units: NDArray[np.int64], velocity: NDArray[np.float64], dynamics: Dynamics) -> NDArray[np.float64]:
    """Return what to add so that the first bar sets in near the last: the same for all its notes, then ever less."""
    end = dynamics.first_units + dynamics.bar_units
    is_first = units < end
    if dynamics.last_bar is None or not is_first.any():
        return np.zeros_like(velocity)
    step = float(velocity[is_first].mean()) - dynamics.last_bar
    too_far = step - float(np.clip(step, -_MOST_STEP, _MOST_STEP))
    bars_after = np.maximum(units - end, 0) / dynamics.bar_units
    glide: NDArray[np.float64] = -too_far * np.maximum(1 - bars_after / _GLIDE_BARS, 0)
    return glide


def measure_timing(piece: Piece, caret: Caret) -> Timing:
    """Measure how the last 32 bars before the caret lie against the grid; before bar 1, those after it."""
    grid = piece.grid
    first, stop = max(caret.bar_index - _TIMING_BARS, 0), caret.tick
    if caret.bar_index == 0 and not caret.finishes_bar:
        stop = grid.start_of(_TIMING_BARS)
    part = cut(piece.score, grid.start_of(first), stop)
    scale = GRID / grid.ticks_per_quarter
    raw = part.tracks[0].notes.numpy()
    onset, duration = raw["time"].astype(np.float64), raw["duration"].astype(np.float64)
    if len(onset) == 0:
        return Timing()
    if not is_played(piece.score):
        return Timing(gate=_gate(duration, scale))
    order = np.lexsort((onset, raw["pitch"]))
    snapped = snap(part).tracks[0].notes.numpy()
    order_snapped = np.lexsort((snapped["time"], snapped["pitch"]))
    meant = snapped["time"][order_snapped].astype(np.float64)
    meant_end = meant + snapped["duration"][order_snapped]
    late = onset[order] - meant
    units = np.round(meant * scale).astype(np.int64)
    beat_units = max(round(grid.beat_ticks(caret.bar_index) * scale), 1)
    strikes, index = np.unique(units, return_inverse=True)
    strike_late = np.bincount(index, late) / np.bincount(index)
    lateness = {
        int(place): float(strike_late[strikes % beat_units == place].mean())
        for place in np.unique(strikes % beat_units)
        if (strikes % beat_units == place).sum() >= _FEWEST_PER_POSITION
    }
    usual = float(late.mean())
    around = strike_late - np.array([lateness.get(int(place), usual) for place in strikes % beat_units])
    most = grid.ticks_per_quarter / GRID
    return Timing(
        lateness=lateness,
        usual_lateness=usual,
        spread=min(float(around.std()), most),
        chord_spread=min(float((late - strike_late[index]).std()), most),
        end_lateness=float((onset + duration)[order].mean() - meant_end.mean()),
        beat_units=beat_units,
    )


def give_timing(notes: Sequence[PlacedNote], timing: Timing, rng: np.random.Generator) -> list[PlacedNote]:
    """Return the notes as late, as legato and as uneven as the context was played."""
    if not timing.lateness:
        return [
            replace(note, end_tick=note.tick + timing.gate[note.length_units])
            if note.length_units in timing.gate
            else note
            for note in notes
        ]
    strikes = {units: float(np.clip(rng.normal(), -2, 2)) for units in sorted({note.units for note in notes})}
    played = []
    for note in notes:
        late = timing.lateness.get(note.units % timing.beat_units, timing.usual_lateness)
        late += strikes[note.units] * timing.spread + float(np.clip(rng.normal(), -2, 2)) * timing.chord_spread
        tick = max(note.tick + round(late), 0)
        played.append(replace(note, tick=tick, end_tick=max(note.end_tick + round(timing.end_lateness), tick + 1)))
    return played


def _last_bars(piece: Piece, onset: NDArray[np.int64], notes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the notes of the last four bars that have any, more bars if those are few notes."""
    if len(notes) == 0:
        return notes
    last = piece.grid.bar_at(int(onset[notes].max()))
    recent = notes[onset[notes] >= piece.grid.start_of(max(last + 1 - _DYNAMICS_BARS, 0))]
    return recent if len(recent) >= _FEWEST_NOTES else notes[-_FEWEST_NOTES:]


def _first_bars(piece: Piece, onset: NDArray[np.int64], notes: NDArray[np.intp]) -> NDArray[np.intp]:
    if len(notes) == 0:
        return notes
    first = piece.grid.bar_at(int(onset[notes].min()))
    early = notes[onset[notes] < piece.grid.start_of(first + _DYNAMICS_BARS)]
    return early if len(early) >= _FEWEST_NOTES else notes[:_FEWEST_NOTES]


def _roles(strike: NDArray[np.int64], pitch: NDArray[np.int64], middle: float) -> NDArray[np.str_]:
    """Name each note top, inner or bass within its strike; a note alone by its height."""
    roles = np.full(len(pitch), "inner")
    for when in np.unique(strike):
        own = np.flatnonzero(strike == when)
        if len(own) == 1:
            roles[own] = "top" if pitch[own[0]] >= middle else "bass"
        else:
            roles[own[pitch[own].argmax()]] = "top"
            roles[own[pitch[own].argmin()]] = "bass"
    return roles


def _gate(duration: NDArray[np.float64], scale: float) -> dict[int, int]:
    """Return the usual length in ticks of every duration on the grid, where there is a usual one."""
    units = np.maximum(np.floor(duration * scale + 0.5), 1).astype(np.int64)
    gate = {}
    for length in np.unique(units):
        ticks, count = Counter(duration[units == length].astype(int).tolist()).most_common(1)[0]
        if count >= _FEWEST_PER_POSITION and count >= _USUAL_SHARE * (units == length).sum():
            gate[int(length)] = int(ticks)
    return gate
