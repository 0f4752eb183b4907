"""The promise of dynamics as a number: expressive contexts go on as they were, one velocity stays exactly that one.

Two sets of places. Expressive: the last eight bars before the place have velocities that differ; counted is how often
the first new bar's mean and the spread are kept (pianomuse.measure.dynamics), beside how often the composer's own next
bars keep them. Even: everything before the place has one velocity; counted is how often every new note has exactly
that. Velocities are those of the MIDI files on both sides, not the tokens' 32 steps.

Several places of one work are taken where there are fewer works than places, evenly spread over its bars; intervals
are over works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pianomuse.evaluate.bootstrap import Estimate, mean
from pianomuse.evaluate.works import Work
from pianomuse.generate.caret import find_caret
from pianomuse.generate.compose import Order
from pianomuse.generate.engine import Engine
from pianomuse.generate.session import compose
from pianomuse.measure.dynamics import (
    EXPRESSIVE_SPREAD,
    MAX_STEP,
    SPREAD_RATIOS,
    dynamics_kept,
    loudness_step,
    spread_ratio,
)
from pianomuse.measure.passage import Passage, passage
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import GRID

N_PLACES = 100
CONTEXT_BARS = 8
NEW_BARS = 4


@dataclass(frozen=True)
class DynamicsKept:
    """Shares of places.

    Args:
        kept: expressive places where mean and spread are kept.
        loudness: those where the mean is.
        spread: those where the spread is.
        truth: those where the composer's own next bars keep both.
        even: even places where every new note has the one velocity.
        n_expressive: expressive places.
        n_even: even places.

    """

    kept: Estimate
    loudness: Estimate
    spread: Estimate
    truth: Estimate
    even: Estimate
    n_expressive: int
    n_even: int


def measure_dynamics_kept(
    engine: Engine[Any],
    tokenizer: PianoTokenizer,
    works: Sequence[Work],
    *,
    n_places: int = N_PLACES,
    seed: int = 1,
    progress: Callable[[], None] | None = None,
) -> DynamicsKept:
    """Continue expressive and even places, one idea of four bars each.

    Args:
        engine: the model.
        tokenizer: its tokenizer.
        works: where.
        n_places: of each set at most.
        seed: of the ideas.
        progress: called after each place.

    """
    played = {index: played_velocities(work) for index, work in enumerate(works)}
    expressive = _places(played, n_places, is_even=False)
    even = _places(played, n_places, is_even=True)
    rows: list[tuple[str, float, float, float, float]] = []
    exact: list[tuple[str, float]] = []
    for index, bar in [*expressive, *even]:
        work, music = works[index], played[index]
        new = _continued(engine, tokenizer, work, bar, seed)
        context, truth = music.bars(max(bar - CONTEXT_BARS, 0), bar), music.bars(bar, bar + NEW_BARS)
        if (index, bar) in expressive:
            step, ratio = loudness_step(context, new), spread_ratio(context, new)
            is_spread = float(SPREAD_RATIOS[0] <= ratio <= SPREAD_RATIOS[1])
            kept, by_truth = dynamics_kept(context, new), dynamics_kept(context, truth)
            rows.append((work.work_id, 0.0 if kept != kept else kept, float(step <= MAX_STEP), is_spread, by_truth))
        else:
            exact.append((work.work_id, float(np.array_equal(np.unique(new.velocity), np.unique(context.velocity)))))
        if progress is not None:
            progress()
    names = [row[0] for row in rows]
    kept_, loudness, spread, truth_ = (mean([row[column] for row in rows], names) for column in range(1, 5))
    stays = mean([value for _, value in exact], [name for name, _ in exact])
    return DynamicsKept(kept_, loudness, spread, truth_, stays, len(rows), len(exact))


def played_velocities(work: Work) -> Passage:
    """Return a work's notes with the velocities of its file, by the bars of its file."""
    grid, notes = work.piece.grid, work.piece.score.tracks[0].notes.numpy()
    scale = GRID / grid.ticks_per_quarter
    onset, duration = (np.round(notes[key] * scale).astype(np.int64) for key in ("time", "duration"))
    lines = np.round(grid.starts[: grid.n_bars + 1] * scale).astype(np.int64)
    return passage(onset, duration, notes["pitch"].astype(np.int64), notes["velocity"].astype(np.int64), lines)


def _places(played: dict[int, Passage], n_places: int, *, is_even: bool) -> list[tuple[int, int]]:
    """Return (work, first new bar): one of each work, then a second of each, and so on, until there are enough."""
    by_work = {index: _bars_of(music, is_even=is_even) for index, music in played.items()}
    by_work = {index: bars for index, bars in by_work.items() if bars}
    most = -(-n_places // max(len(by_work), 1))
    found = []
    for number in range(most):
        for index, bars in by_work.items():
            chosen = sorted({round(place) for place in np.linspace(0, len(bars) - 1, most + 2)[1:-1].tolist()})
            if number < len(chosen):
                found.append((index, bars[chosen[number]]))
    return found[:n_places]


def _bars_of(music: Passage, *, is_even: bool) -> list[int]:
    """Return the bars at which such a place could be: notes on both sides, the bars before as wanted."""
    found = []
    for bar in range(CONTEXT_BARS, music.n_bars - NEW_BARS + 1):
        context, after = music.bars(bar - CONTEXT_BARS, bar), music.bars(bar, bar + 1)
        if after.n_notes == 0 or context.bars(CONTEXT_BARS - 1, CONTEXT_BARS).n_notes == 0:
            continue
        is_one = len(np.unique(music.velocity[music.onset < music.bar_starts[bar]])) == 1
        if is_one if is_even else context.velocity.std() > EXPRESSIVE_SPREAD:
            found.append(bar)
    return found


def _continued(engine: Engine[Any], tokenizer: PianoTokenizer, work: Work, bar: int, seed: int) -> Passage:
    caret = find_caret(work.piece, at_bar=bar, bars=NEW_BARS)
    (idea,) = compose(engine, tokenizer, work.piece, caret, Order(n_ideas=1, seed=seed, has_feel=False)).ideas
    grid = work.piece.grid
    scale = GRID / grid.ticks_per_quarter
    lines = np.round((grid.starts[bar : bar + NEW_BARS + 1] - grid.starts[bar]) * scale).astype(np.int64)
    table = np.array([(n.tick - caret.bar_tick, n.duration_ticks, n.pitch, n.velocity) for n in idea.notes])
    onset, duration, pitch, velocity = table.reshape(-1, 4).T
    return passage(np.round(onset * scale), np.round(duration * scale), pitch, velocity, lines)
