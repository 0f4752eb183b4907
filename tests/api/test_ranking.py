"""The order of ideas: figures behind it, what it learns, and works that are resembled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pianomuse.api import DEFAULT_MODEL, KNOWN_WORKS, WEIGHTS, Muse, load
from pianomuse.generate.ideas import Candidate, Ideas
from pianomuse.generate.session_events import IdeaFinished, IdeasRanked
from pianomuse.generate.taste import START, load_taste
from pianomuse.measure.agreement import note_f1
from pianomuse.measure.known_works import index_works, known_works_bytes
from pianomuse.measure.passage import Passage, passage_of_score

Real = Callable[[str], Path]
OPTIONS = {"candidates": 6, "seed": 3, "feel": "straight"}


def passage_of(muse: Muse, idea: Candidate, ideas: Ideas) -> Passage:
    return passage_of_score(idea.score, muse.tokenizer, n_bars=ideas.caret.n_bars)


@pytest.fixture(scope="module")
def muse() -> Muse:
    """Return the model that ships: its ideas are music."""
    return load(threads=1)


@pytest.fixture(scope="module")
def ideas(muse: Muse, real: Real) -> Ideas:
    return muse.complete(real("waltz-pickup"), bars=2, **OPTIONS)


def test_every_idea_has_figures_and_keeps_its_number(ideas: Ideas) -> None:
    assert sorted(idea.number for idea in ideas) == list(range(1, len(ideas) + 1))
    for idea in ideas:
        assert idea.figures is not None
        assert idea.figures.log_prob_per_note == idea.log_prob_per_note
        assert 0 <= idea.figures.nearness <= 1
        assert 0 <= idea.figures.difference <= 1
        assert idea.figures.following_log_prob_per_note is None


def test_difference_is_from_the_ideas_placed_before(muse: Muse, ideas: Ideas) -> None:
    music = [passage_of(muse, idea, ideas) for idea in ideas]
    for place, idea in enumerate(ideas):
        assert idea.figures is not None
        nearest = max((note_f1(other, music[place]) for other in music[:place]), default=0.0)
        assert idea.figures.difference == pytest.approx(1 - nearest, abs=0.02)  # lengths and splices
    assert ideas[0].figures is not None
    assert ideas[0].figures.difference == 1


def test_the_stream_ends_with_the_order_that_complete_gives(muse: Muse, real: Real, ideas: Ideas) -> None:
    events = list(muse.session(real("waltz-pickup"), reads_ahead=False).stream(bars=2, **OPTIONS))
    assert isinstance(events[-1], IdeasRanked)
    assert [c.notes for c in events[-1].candidates] == [idea.notes for idea in ideas]
    finished = [event.idea for event in events if isinstance(event, IdeaFinished)]
    assert sorted(finished) != [c.number for c in events[-1].candidates]  # it is an order of its own


def test_a_fill_is_ranked_by_what_follows_from_it(muse: Muse, real: Real) -> None:
    ideas = muse.fill(real("gap-of-four-bars"), 9, 12, **OPTIONS)
    joins = [idea.figures.following_log_prob_per_note for idea in ideas if idea.figures is not None]
    assert len(joins) == len(ideas)
    assert all(join is not None and join < 0 for join in joins)
    assert len(set(joins)) > 1


def test_what_follows_is_read_as_the_engine_reads_it(muse: Muse, real: Real) -> None:
    """The figure is the engine's own log-probability of the next two bars, token by token."""
    session = muse.session(real("gap-of-four-bars"), reads_ahead=False)
    stream = session.fill(9, 12, **OPTIONS)
    ranked = next(event for event in stream if isinstance(event, IdeasRanked))
    best = ranked.candidates[0]
    before, after = session._reader.first_bars(8, 8, 10_000), session._reader.after(stream.scene.caret.old_end_tick, 2)
    vocabulary = muse.tokenizer.vocabulary
    written = [i for i in stream._finished[best.number].ids.tolist() if i != vocabulary.id("EOS_None")]
    ids = np.array([vocabulary.id("BOS_None"), *before.head, *before.bars, *written, *after.bars], dtype=np.int32)
    _, state = muse.engine.prefill(ids[: -len(after.bars) - 1])
    total = 0.0
    for at in range(len(ids) - len(after.bars), len(ids)):
        logits, state = muse.engine.prefill(ids[at - 1 : at], state)
        scores = logits.astype(np.float64)
        total += scores[ids[at]] - scores.max() - np.log(np.exp(scores - scores.max()).sum())
    assert best.figures is not None
    assert best.figures.following_log_prob_per_note == pytest.approx(total / len(after.notes.onset), rel=1e-6)


def test_choices_move_the_order_and_stay_on_this_machine(muse: Muse, real: Real, ideas: Ideas) -> None:
    last = ideas[-1]
    for _ in range(40):
        muse.prefer(last, ideas)
    assert load_taste().n_choices == 40
    assert load_taste().weights != START
    again = muse.complete(real("waltz-pickup"), bars=2, **OPTIONS)
    assert {idea.notes for idea in again} == {idea.notes for idea in ideas}
    places = [[idea.number for idea in found].index(last.number) for found in (ideas, again)]
    assert places[1] < places[0]


def test_an_idea_that_stands_in_a_known_work_says_so_and_comes_last(muse: Muse, real: Real, tmp_path: Path) -> None:
    asked = {"bars": 6, "candidates": 4, "seed": 1, "feel": "straight"}
    ideas = muse.complete(real("finished-phrase"), **asked)
    copied = ideas[0]
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (WEIGHTS / DEFAULT_MODEL).iterdir():
        (folder / path.name).symlink_to(path)
    (folder / KNOWN_WORKS).unlink()
    index = index_works([("Chopin, Fryderyk: Op. 7 No. 1", passage_of(muse, copied, ideas))])
    (folder / KNOWN_WORKS).write_bytes(known_works_bytes(index))
    again = load(folder, threads=1).complete(real("finished-phrase"), **asked)
    found = {idea.number: idea for idea in again}[copied.number]
    assert found.reason == "resembles Chopin, Fryderyk: Op. 7 No. 1"
    assert found.figures is not None
    assert found.figures.resembling_notes > 16
    flagged = [idea.figures is not None and idea.figures.resembles is not None for idea in again]
    assert flagged == sorted(flagged)
    assert not flagged[0]


def test_figures_are_asked_for_too_early(ideas: Ideas, muse: Muse) -> None:
    with pytest.raises(ValueError, match="figures"):
        muse.prefer(replace(ideas[0], figures=None), ideas)
