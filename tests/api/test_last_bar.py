"""A fill's last bar is the one of three from which the bars behind follow best."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pianomuse.api import Muse
from pianomuse.generate.joins import Joins, joins_of
from pianomuse.generate.session_events import BarClosed, IdeaFinished, NoteDecided
from pianomuse.generate.writer import Draft

Real = Callable[[str], Path]


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[float]]]:
    """Which draft was taken each time, and how well the bars behind follow from each."""
    found: list[tuple[int, list[float]]] = []
    best = Joins.best

    def watched(self: Joins, drafts: list[Draft]) -> Draft:
        taken = best(self, drafts)
        worth = [self.log_prob_per_note([*draft.idea.ids, *draft.ids]) for draft in drafts]
        found.append((drafts.index(taken), worth))
        return taken

    monkeypatch.setattr(Joins, "best", watched)
    return found


@pytest.mark.parametrize("span", [(5, 5), (5, 6)])
def test_the_draft_that_leads_on_best_is_kept(
    muse: Muse, real: Real, chosen: list[tuple[int, list[float]]], span: tuple[int, int]
) -> None:
    ideas = muse.fill(real("finished-phrase"), *span, candidates=4, seed=2)
    assert len(chosen) >= len(ideas) == 4
    assert all(len(worth) == 3 and worth[taken] == max(worth) for taken, worth in chosen)
    assert any(taken > 0 for taken, _ in chosen)
    best = [max(worth) for _, worth in chosen]
    said = [idea.figures.following_log_prob_per_note for idea in ideas if idea.figures is not None]
    assert all(any(value == pytest.approx(other, abs=1e-6) for other in best) for value in said)


def test_it_is_the_same_as_reading_the_whole_idea(muse: Muse, real: Real) -> None:
    session = muse.session(real("finished-phrase"))
    stream = session.fill(5, 6, candidates=1, seed=4)
    list(stream)
    ids = stream.tokens_of(1)
    scene = stream.scene
    anew = joins_of(muse.engine, scene.request.plan, session._reader, scene.caret)
    assert anew is not None
    assert stream._joins is not None
    assert stream._joins.log_prob_per_note(ids) == pytest.approx(anew.log_prob_per_note(ids), abs=1e-4)
    session.close()


def test_the_last_bar_is_told_when_it_is_decided(muse: Muse, real: Real) -> None:
    events = list(muse.session(real("finished-phrase")).fill(5, 6, candidates=2, seed=2))
    for event in events:
        if isinstance(event, IdeaFinished):
            told = [e for e in events if isinstance(e, NoteDecided) and e.idea == event.idea]
            assert [(n.tick, n.pitch) for n in told] == [(n.tick, n.pitch) for n in event.candidate.notes]
            closed = [e.bar for e in events if isinstance(e, BarClosed) and e.idea == event.idea]
            assert closed == [5, 6]


def test_nothing_is_drafted_where_nothing_follows_or_chance_has_no_part(
    muse: Muse, real: Real, chosen: list[tuple[int, list[float]]]
) -> None:
    settings: Any = {"candidates": 1, "seed": 2}
    muse.complete(real("finished-phrase"), bars=1, **settings)
    muse.fill(real("finished-phrase"), 5, 5, temperature=0.0, **settings)
    assert not chosen


def test_what_is_put_between_bars_leads_into_them(
    muse: Muse, real: Real, chosen: list[tuple[int, list[float]]]
) -> None:
    muse.complete(real("finished-phrase"), at_bar=4, bars=1, insert=True, candidates=2, seed=2)
    assert len(chosen) == 2
