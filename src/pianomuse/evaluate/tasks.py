"""What is asked of a model: places in works, and the completions written there.

- `continuation`: all bars before are heard, four are written, in the middle of the work. Ends of works are another
  matter (they close) and are not mixed in.
- `ends`: the last four bars of the work; nothing tells the model that they are the last.
- `infill-K-C`: K bars are hidden; C bars on each side are all that is heard, through the verb `fill`.
- `hand-left`, `hand-right`: four bars of which the other hand is given, through `complete --hand`.
- `melody`: the melody alone is heard and goes on alone.
- `mirex`: the public task MIREX-PC 2025: four bars of 4/4 on sixteenths, twelve to write (pianomuse.evaluate.mirex).

A place is judged only where its bars and their neighbours have notes and the tokens' bar lines are the file's.
Completions go the whole way a composer's do (pianomuse.generate.compose: context, limits, dynamics, files) but for the
lateness of played notes, which is left off, since truth and context are read at their musical position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pianomuse.errors import RequestError
from pianomuse.evaluate.validity import fault
from pianomuse.evaluate.works import Work
from pianomuse.generate.asked import read_asked
from pianomuse.generate.caret import Caret, find_caret, span_caret
from pianomuse.generate.compose import Order
from pianomuse.generate.engine import Engine
from pianomuse.generate.ideas import Candidate
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.generate.session import compose
from pianomuse.measure.passage import Passage, passage
from pianomuse.midi.bars import cut
from pianomuse.midi.read import Piece, read_midi
from pianomuse.midi.write import score_bytes
from pianomuse.tokens.quantise import spoken_velocity
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import GRID

CONTEXT_BARS = 8
"""Bars before a place that measures of style compare with."""


@dataclass(frozen=True)
class Task:
    """What is asked.

    Args:
        name: as it stands in tables.
        n_bars: bars to write.
        side_bars: bars heard on each side of a gap; 0: all bars before and none after.
        view: what is written: all (``full``), one hand (``left``, ``right``) or the ``melody``.
        given: the hand that is given in the bars to write; empty for none.
        at_end: the last bars of the work, not those in its middle.
        is_blind: nothing after the place is heard, though the task is a fill: what `complete` writes into a gap.

    """

    name: str
    n_bars: int
    side_bars: int = 0
    view: str = "full"
    given: str = ""
    at_end: bool = False
    is_blind: bool = False

    @property
    def is_fill(self) -> bool:
        """Whether bars on both sides of a gap are there."""
        return self.side_bars > 0 and self.name.startswith("infill")

    @property
    def hears_after(self) -> bool:
        """Whether the bars after are heard."""
        return self.is_fill and not self.is_blind


CONTINUATION = Task("continuation", 4)
MIREX = Task("mirex", 12, 4)
ENDS = Task("ends", 4, at_end=True)
HANDS = (Task("hand-left", 4, view="left", given="right"), Task("hand-right", 4, view="right", given="left"))
MELODY = Task("melody", 4, view="melody")
INFILLS = (Task("infill-1-4", 1, 4), Task("infill-2-4", 2, 4), Task("infill-4-8", 4, 8), Task("infill-8-8", 8, 8))


@dataclass(frozen=True)
class Place:
    """Where a work is to be completed.

    Args:
        work: which, or one hand or the melody of it.
        first_bar: index of the first bar to write, from 0.
        n_bars: how many.
        whole: the work with all that is heard, where `work` is a part of it.
        given: what the other hand plays in these bars; None where nothing is given.

    """

    work: Work
    first_bar: int
    n_bars: int
    whole: Work | None = None
    given: Passage | None = None

    @property
    def truth(self) -> Passage:
        """What the composer wrote there."""
        return self.work.music.bars(self.first_bar, self.first_bar + self.n_bars)


@dataclass(frozen=True)
class Idea:
    """One completion.

    Args:
        music: its bars.
        fault: what is wrong with it as a file and as grammar, empty if nothing.
        seconds: from the start of decoding to its end.

    """

    music: Passage
    fault: str = ""
    seconds: float = 0.0


def find_place(work: Work, task: Task) -> Place | None:
    """Return the place in the middle of a work, or at its end if the task is of ends; None where there is none."""
    part = work if task.view == "full" else work.view(task.view)
    if part is None:
        return None
    music = part.music
    sides = max(task.side_bars, 4)
    last = music.n_bars - task.n_bars
    first = last if task.at_end else max(last // 2, sides)
    if first < sides or first + (sides if task.is_fill else 0) > last or not _grids_agree(part):
        return None
    place = Place(part, first, task.n_bars)
    after = music.bars(first + task.n_bars, min(first + task.n_bars + sides, music.n_bars))
    near = music.bars(first - sides, first)
    if task.name == MIREX.name and (np.diff(music.bar_starts[first - 4 : first + task.n_bars + 1]) != 4 * GRID).any():
        return None
    if min(place.truth.n_notes, near.n_notes, after.n_notes if task.is_fill else 1) == 0:
        return None
    return _with_given(place, work, task) if task.given else place


def _with_given(place: Place, work: Work, task: Task) -> Place | None:
    other = work.view(task.given)
    given = other.music.bars(place.first_bar, place.first_bar + place.n_bars) if other is not None else None
    return replace(place, whole=work, given=given) if given is not None and given.n_notes else None


def _grids_agree(work: Work) -> bool:
    grid, starts = work.piece.grid, work.music.bar_starts
    n = min(grid.n_bars, work.music.n_bars)
    ours = grid.starts[: n + 1] * GRID / grid.ticks_per_quarter
    return bool(np.abs(ours - starts[: n + 1]).max() < 1)


def write_ideas(
    engine: Engine[Any],
    tokenizer: PianoTokenizer,
    place: Place,
    task: Task,
    *,
    n_ideas: int,
    seed: int,
    sampling: SamplingSettings | None = None,
) -> list[Idea]:
    """Let a model complete a place.

    Args:
        engine: the model.
        tokenizer: its tokenizer.
        place: where.
        task: which, of those that a verb does.
        n_ideas: how many ideas; fewer come back only if the model cannot write so many different ones.
        seed: of the ideas.
        sampling: how boldly; default balanced.

    """
    piece, first = (place.whole or place.work).piece, place.first_bar
    if task.is_fill:
        piece, first = _window(piece, first - task.side_bars, first + place.n_bars + task.side_bars), task.side_bars
    if task.hears_after:
        caret = span_caret(piece, first + 1, first + place.n_bars)
    else:
        caret = find_caret(piece, at_bar=first, bars=place.n_bars)
    order = Order(
        n_ideas=n_ideas, seed=seed, sampling=sampling or SamplingSettings(), is_fill=task.hears_after, has_feel=False,
        asked=read_asked(hand=task.view if task.given else None),
    )  # fmt: skip
    composition = compose(engine, tokenizer, piece, caret, order)
    lines = place.work.music.bar_starts[place.first_bar : place.first_bar + place.n_bars + 1]
    return [
        Idea(
            _music_of(idea, caret, piece.grid.ticks_per_quarter, lines - lines[0]),
            fault(idea.midi, place.n_bars, tokenizer),
            idea.seconds,
        )
        for idea in composition.ideas
    ]


def _window(piece: Piece, first: int, last: int) -> Piece:
    """Return some bars of a piece as a piece of their own."""
    return read_midi(score_bytes(cut(piece.score, piece.grid.start_of(first), piece.grid.start_of(last))))


def _music_of(idea: Candidate, caret: Caret, ticks_per_quarter: int, lines: Any) -> Passage:
    """Return an idea's bars as its context and the truth are read: on the grid, loudness in the steps of the tokens."""
    scale = GRID / ticks_per_quarter
    onset = np.array([round((note.tick - caret.bar_tick) * scale) for note in idea.notes], dtype=np.int64)
    end = np.array([(n.tick + n.duration_ticks - caret.bar_tick) * scale for n in idea.notes]).round().astype(np.int64)
    pitch = np.array([note.pitch for note in idea.notes], dtype=np.int64)
    exact = np.array([note.velocity for note in idea.notes], dtype=np.int64)
    return passage(onset, end - onset, pitch, spoken_velocity(exact).astype(np.int64), lines)


def copy_last_bars(place: Place) -> Passage:
    """Return the bars right before the place once more, in their order, as often as needed."""
    n_before = min(place.n_bars, place.first_bar)
    before = place.work.music.bars(place.first_bar - n_before, place.first_bar)
    copied = before
    while copied.n_bars < place.n_bars:
        copied = copied.then(before)
    return copied.bars(0, place.n_bars)


def another_piece(places: Sequence[Place], index: int) -> Passage:
    """Return the true bars of the next other work, of one in the same metre if there is one.

    Raises:
        RequestError: all places are in one work.

    """
    mine = places[index]
    others = [places[(index + step) % len(places)] for step in range(1, len(places))]
    others = [other for other in others if other.work.work_id != mine.work.work_id]
    if not others:
        raise RequestError("another piece's continuation needs places in at least two works; give more pieces")
    lengths = np.diff(mine.truth.bar_starts)
    same = (other for other in others if np.array_equal(np.diff(other.truth.bar_starts), lengths))
    return next(same, others[0]).truth
