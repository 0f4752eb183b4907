"""A request as the model reads it: the bars around the caret, the caret block, and the plan of what is to come."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import RequestError
from pianomuse.generate.aims import with_aims
from pianomuse.generate.asked import Asked
from pianomuse.generate.bar_limits import BarLimits, bars_of
from pianomuse.generate.caret import Caret, onsets_and_ends
from pianomuse.generate.grid import Grid, grid_of
from pianomuse.generate.harmony import SCALES
from pianomuse.generate.heard import TEXTURE_BARS, Heard, both_sides, listen, most_voices
from pianomuse.generate.kept import find_kept
from pianomuse.generate.key import HeardKey
from pianomuse.generate.plan import Limits, Plan, RingingNote
from pianomuse.generate.possible import require_possible
from pianomuse.generate.side import Side, SideReader, spoken_metres
from pianomuse.generate.tempo import IdeaTempo
from pianomuse.midi.read import Piece
from pianomuse.tokens.notes import density_bin
from pianomuse.tokens.prompt import MAX_SUFFIX_BARS, NEAR_BARS, PromptWriter, Wishes
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import GRID, N_DENSITIES, N_VOICES, PITCH_RANGE

DEFAULT_CONTEXT_BARS = 512
MAX_CONTEXT_TOKENS = 32_768
_EXPRESSIVE_SPREAD = 2.0  # standard deviation of velocities from which training calls music expressive
_FOURTH = 5  # semitones that one hand may go beyond what it played
_MELODY_FROM = 55  # MIDI; a single line above this on average is asked for as a melody
_PLAYED_GRID = Grid((3, 8), (3, 8))  # snapped notes stand on 32nds and triplets
_PLAYED_SHARE = 0.98


@dataclass(frozen=True)
class Request:
    """What the model is asked.

    Args:
        ids: int32 [T], everything it reads before it writes.
        lines: where in `ids` a bar before the caret has been read whole, and before the first: ascending numbers of
            tokens, int64 [n]; of a fill without the last bars, which stand behind the suffix.
        plan: what is to be written, and within which limits.
        heard: the texture next to the caret; None where nothing was heard.
        before: the bars before the caret that are in `ids`, a half-finished one as far as it goes.
        after: the bars behind the new ones that are in `ids`; None where they were not read.

    """

    ids: NDArray[np.int32]
    lines: NDArray[np.int64]
    plan: Plan
    heard: Heard | None
    before: Side
    after: Side | None


def write_request(
    piece: Piece,
    tokenizer: PianoTokenizer,
    caret: Caret,
    tempo: IdeaTempo,
    key: HeardKey,
    *,
    is_fill: bool = False,
    context_bars: int = DEFAULT_CONTEXT_BARS,
    density_shift: int = 0,
    reader: SideReader | None = None,
    asked: Asked | None = None,
) -> Request:
    """Lay out the request for ideas at the caret.

    Args:
        piece: the composer's file.
        tokenizer: the model's.
        caret: where the ideas go.
        tempo: their tempo; a ritardando before the caret is not read.
        key: of the caret; a guess is not told to the model.
        is_fill: the bars behind the caret's end are read too, at most eight.
        context_bars: how many bars before the caret are read at most.
        density_shift: ask for so many bins more notes per quarter than were heard.
        reader: of the piece, if there is one already.
        asked: limits that hold besides those that were heard.

    Raises:
        RequestError: `context_bars` below 1, or limits that cannot hold.
        MidiError: a metre that the tokens cannot say.

    """
    require_context(context_bars)
    reader = reader or SideReader(piece, tokenizer)
    before = reader.before(caret, tempo, context_bars, MAX_CONTEXT_TOKENS)
    lines = before.lines[: before.n_bars + 1 - caret.finishes_bar]
    whole, half_bar = before.bars[: lines[-1]], before.bars[lines[-1] :]
    after = reader.after(caret.old_end_tick, MAX_SUFFIX_BARS)
    suffix = after if is_fill and len(after.notes.onset) else None
    sides = [side for side in (before, suffix) if side is not None and len(side.notes.onset)]
    models = sides or [after]  # where nothing was heard before, the music behind is what there is to go by
    heard = heard_near(piece, caret, before, after, tempo, is_fill=suffix is not None)
    writer = PromptWriter(tokenizer.vocabulary)
    asked = asked or Asked()
    wishes = wishes_near(caret, models, heard, key, density_shift, is_fill=suffix is not None)
    wishes = with_asked(wishes, asked, caret)
    if suffix is not None:
        far = max(len(lines) - 1 - NEAR_BARS, 0)
        split = lines[far]
        near_head = reader.head(before, far)
        ids = writer.fill_around(before.head, whole[:split], near_head, whole[split:], suffix.head, suffix.bars, wishes)
        lines = lines[: far + 1 if far else 0]
    else:
        ids = writer.continuation(before.head, whole, wishes)
    lines = lines + 1 + len(before.head)
    limits = limits_near(models, heard, tempo, is_played=reader.is_played)

    kept = find_kept(piece, caret, asked, spoken_metres(caret), tempo.bpm)

    def plan_of(asked: Asked) -> Plan:
        bars = bars_asked(asked, caret, limits, key) if asked.said else ()
        plan = plan_at(piece, tokenizer, caret, whole, half_bar, limits)
        return with_aims(replace(plan, bars=bars, kept=kept if asked.keep else None), asked, caret, key)

    plan = require_possible(asked, plan_of, caret.bar_index + 1)
    return Request(np.concatenate([ids, half_bar]), lines, plan, heard, before, suffix)


def require_context(context_bars: int) -> None:
    """Raise RequestError unless at least one bar before the caret may be read."""
    if context_bars < 1:
        raise RequestError(f"--context-bars {context_bars}: choose 1 or more", "context_bars_none", bars=context_bars)


def plan_at(
    piece: Piece,
    tokenizer: PianoTokenizer,
    caret: Caret,
    whole: NDArray[np.int32],
    half_bar: NDArray[np.int32],
    limits: Limits,
) -> Plan:
    """Return the plan for a caret; `whole` and `half_bar` are the tokens of the bars before it."""
    return Plan(
        vocabulary=tokenizer.vocabulary,
        metres=spoken_metres(caret),
        first_bar=tuple(half_bar.tolist()),
        min_position=_units(caret.tick - caret.bar_tick, piece),
        ringing=_ringing(piece, caret),
        pedal_down=_is_pedal_down(whole, tokenizer),
        limits=limits,
    )


def bars_asked(asked: Asked, caret: Caret, limits: Limits, key: HeardKey) -> tuple[BarLimits, ...]:
    """Return what holds in each new bar."""
    usual = BarLimits(lowest=limits.lowest_pitch, highest=limits.highest_pitch, max_voices=limits.max_voices)
    if asked.keep:  # what is kept has its own voices and, if it is the pitches, its own range
        usual = replace(BarLimits() if asked.keep == "pitches" else usual, max_voices=None)
    steps = SCALES["minor" if key.is_minor else "major"]
    written = None if key.is_guess else frozenset((key.tonic + step) % 12 for step in steps)
    return bars_of(asked, caret.metres, usual, finishes_bar=caret.finishes_bar, written_key=written)


def with_asked(wishes: Wishes, asked: Asked, caret: Caret) -> Wishes:
    """Tell the model of limits it has words for, so that it means what it is held to."""
    voices = asked.voices[0] if asked.voices else None
    notes = asked.notes_per_bar[0] if asked.notes_per_bar else None
    if voices is not None:
        most = voices[1] if voices[1] is not None else max(voices[0], wishes.n_voices or 1)
        wishes = replace(wishes, n_voices=min(max(most, 1), N_VOICES))
    if notes is not None:
        numerator, denominator = caret.metres[-1]
        usual = notes[0] if notes[1] is None else (notes[0] + notes[1]) / 2
        wishes = replace(wishes, density=density_bin(round(usual), 4 * numerator / denominator))
    return wishes


def heard_near(
    piece: Piece, caret: Caret, before: Side, after: Side, tempo: IdeaTempo, *, is_fill: bool
) -> Heard | None:
    """Describe the texture before the caret; for a fill, and where nothing stands before, that of the bars behind."""
    onset, _ = onsets_and_ends(piece)

    def roles(from_tick: int, to_tick: int) -> frozenset[str]:
        tracks = set(piece.track_of_note[(onset >= from_tick) & (onset < to_tick)].tolist())
        return frozenset(piece.tracks[index].role for index in tracks)

    grid = piece.grid
    four_before = grid.start_of(max(caret.bar_index - TEXTURE_BARS, 0))
    four_after = grid.start_of(grid.bar_at(caret.old_end_tick) + TEXTURE_BARS)
    left = listen(before.notes, before.bar_units, roles(four_before, caret.tick), tempo.bpm)
    if left is not None and not is_fill:
        return left
    right = listen(after.notes, after.bar_units, roles(caret.old_end_tick, four_after), tempo.bpm, is_after=True)
    return both_sides(left, right)


def wishes_near(
    caret: Caret, sides: list[Side], heard: Heard | None, key: HeardKey, density_shift: int, *, is_fill: bool
) -> Wishes:
    """Return what the model is asked for, so that the new bars are like those on the sides."""
    is_melody = (
        heard is not None
        and heard.was_always_one_line
        and heard.hands != "two hands"
        and heard.mean_pitch >= _MELODY_FROM
    )
    return Wishes(
        task="Fill" if is_fill else "Melody" if is_melody else "Continue",
        n_bars=caret.n_bars,
        is_expressive=is_expressive(sides),
        key=None if key.is_guess else key.token_value,
        hand="Both" if heard is not None and heard.hands == "two hands" else None,
        n_voices=heard.n_voices if heard is not None else None,
        density=min(max(heard.density + density_shift, 0), N_DENSITIES - 1) if heard is not None else None,
    )


def is_expressive(sides: list[Side]) -> bool | None:
    """Tell whether velocities mean something; None where there are none."""
    velocities = _velocities(sides)
    return bool(velocities.std() > _EXPRESSIVE_SPREAD) if len(velocities) else None


def limits_near(sides: list[Side], heard: Heard | None, tempo: IdeaTempo, *, is_played: bool) -> Limits:
    """Return what new notes keep of the music on the sides; of its texture only what was heard as such."""
    if not any(len(side.notes.onset) for side in sides):
        return Limits(tempo_bpm=tempo.bpm)
    lowest, highest = PITCH_RANGE
    if heard is None:
        pass
    elif heard.hands == "right hand alone":
        lowest = max(lowest, heard.lowest - _FOURTH)
    elif heard.hands == "left hand alone":
        highest = min(highest, heard.highest + _FOURTH)
    velocities = np.unique(_velocities(sides))
    return Limits(
        grid=_grid(sides, is_played=is_played),
        lowest_pitch=lowest,
        highest_pitch=highest,
        max_voices=most_voices(heard),
        n_hands=2 if heard is None else _n_hands(heard),
        tempo_bpm=tempo.bpm,
        velocity=int(velocities[0]) if len(velocities) == 1 else None,
        may_pedal=any(side.has_pedal for side in sides),
    )


def _n_hands(heard: Heard) -> int:
    return 0 if not heard.is_playable else 2 if heard.hands == "two hands" else 1


def _grid(sides: list[Side], *, is_played: bool) -> Grid:
    """Return the grid all notes heard lie on; of played ones, read at their musical position, 98 % are enough."""
    if not sides:
        return Grid()
    positions = np.concatenate([side.positions for side in sides])
    lengths = np.concatenate([side.lengths for side in sides])
    if not is_played:
        return grid_of(positions, lengths)
    on_grid = (positions % 6 == 0) | (positions % 8 == 0)
    if on_grid.mean() < _PLAYED_SHARE:
        return _PLAYED_GRID
    return Grid(grid_of(positions[on_grid], lengths).onset_steps, _PLAYED_GRID.duration_steps)


def _velocities(sides: list[Side]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, dtype=np.int64), *(side.velocities for side in sides)])


def _ringing(piece: Piece, caret: Caret) -> tuple[RingingNote, ...]:
    """Return the notes of earlier bars that still sound at the bar line of the first new bar."""
    onset, end = onsets_and_ends(piece)
    pitch = piece.score.tracks[0].notes.numpy()["pitch"]
    rings = (onset < caret.bar_tick) & (end > caret.bar_tick)
    return tuple(
        RingingNote(int(p), _units(int(e) - caret.bar_tick, piece))
        for p, e in zip(pitch[rings], end[rings], strict=True)
    )


def _units(ticks: int, piece: Piece) -> int:
    """Return ticks in grid units, rounded up."""
    return -(-ticks * GRID // piece.grid.ticks_per_quarter)


def _is_pedal_down(bars: NDArray[np.int32], tokenizer: PianoTokenizer) -> bool:
    """Tell whether the model has read the pedal going down and not up again."""
    vocabulary = tokenizer.vocabulary
    moves = bars[np.isin(bars, [vocabulary.id("Pedal_0"), vocabulary.id("PedalOff_0")])]
    return bool(len(moves) and moves[-1] == vocabulary.id("Pedal_0"))
