"""Ends, one hand, melody, validity and dynamics on real scores, with the Markov model in the place of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pianomuse.data.store import PieceStore
from pianomuse.errors import DatasetError
from pianomuse.evaluate import validity_rate as validity_rate_module
from pianomuse.evaluate.bootstrap import Estimate
from pianomuse.evaluate.comparison import Settings, compare
from pianomuse.evaluate.dynamics import measure_dynamics_kept, played_velocities
from pianomuse.evaluate.likelihood import rises
from pianomuse.evaluate.markov import MarkovModel
from pianomuse.evaluate.markov_engine import MarkovEngine
from pianomuse.evaluate.tasks import ENDS, HANDS, MELODY, find_place, write_ideas
from pianomuse.evaluate.validity_rate import validity_rate
from pianomuse.evaluate.works import WorkSet, load_works
from pianomuse.generate.playable import count_unplayable
from pianomuse.tokens.prompt import PromptWriter, Wishes
from pianomuse.tokens.tokenizer import PianoTokenizer


class Listener(MarkovEngine):
    """A Markov engine that remembers what it was asked."""

    asked: np.ndarray
    stepped: list[int]
    """What the first idea has read since."""

    def prefill(self, ids: Any, state: Any = None, /) -> Any:
        self.asked, self.stepped = np.asarray(ids), []
        return super().prefill(ids, state)

    def step(self, ids: Any, state: Any, /) -> Any:
        self.stepped.append(int(ids[0]))
        return super().step(ids, state)


@pytest.fixture(scope="module")
def engine(markov: MarkovModel, tokenizer: PianoTokenizer) -> Listener:
    return Listener(markov, tokenizer.vocabulary)


def test_ends_are_the_last_bars_and_are_told_apart(works: WorkSet, engine: Listener, tokenizer: PianoTokenizer) -> None:
    places = [place for place in (find_place(work, ENDS) for work in works.works) if place is not None]
    assert len(places) >= 5
    assert all(place.first_bar + 4 == place.work.music.n_bars for place in places)
    found = compare(ENDS, works.works[:4], {"markov": engine}, tokenizer, Settings(1, 1))
    assert 0 <= found.table["truth"]["closes"].value <= 1
    assert found.table["markov"]["valid"].value == 1


@pytest.mark.parametrize("task", HANDS, ids=lambda task: task.name)
def test_a_hand_is_asked_for_as_it_was_trained_and_stays_a_hand(
    task: Any, works: WorkSet, engine: Listener, tokenizer: PianoTokenizer
) -> None:
    work = next(work for work in works.works if work.name.startswith("mozart"))
    place = find_place(work, task)
    assert place is not None
    assert place.given is not None
    first, last = place.first_bar, place.first_bar + 4
    views = work.parts.views
    both = place.truth.over(place.given)
    assert sorted(both.pitch.tolist()) == sorted(work.music.bars(first, last).pitch.tolist())
    ideas = write_ideas(engine, tokenizer, place, task, n_ideas=1, seed=1)
    writer = PromptWriter(tokenizer.vocabulary)
    asked = writer.continuation(
        views["full"].head(0),
        views["full"].cut(0, first),
        Wishes(task="Hand", n_bars=4, is_expressive=False, hand=task.view.capitalize()),
    )
    heard = ("Key_", "Density_", "Voices_")  # of the hand's own bars, which the verb adds
    told = [name for name in tokenizer.names(engine.asked) if not name.startswith(heard)]
    assert told == [name for name in tokenizer.names(asked) if not name.startswith(heard)]
    given = np.concatenate(writer.beside(views[task.given].cut(first, last)))
    stepped = np.array(engine.stepped)
    assert stepped[writer.is_beside(stepped)].tolist() == given.tolist()
    for idea in ideas:
        assert idea.fault == ""
        assert idea.music.n_notes > 0
        assert set(idea.music.velocity.tolist()) == set(work.music.velocity.tolist())
        m = idea.music
        rows = sorted(zip(m.onset.tolist(), (m.onset + m.duration).tolist(), m.pitch.tolist(), strict=True))
        assert count_unplayable(rows, 1, 60.0) == 0


def test_a_given_hand_says_nothing_to_the_markov_reference(
    works: WorkSet, engine: Listener, tokenizer: PianoTokenizer
) -> None:
    work = works.works[7]
    view, writer = work.parts.views["full"], PromptWriter(tokenizer.vocabulary)
    wishes = Wishes(task="Hand", n_bars=4, hand="Left")
    plain, _ = engine.prefill(writer.continuation(view.head(0), view.cut(0, 6), wishes))
    given, state = engine.prefill(writer.continuation(view.head(0), view.cut(0, 6), wishes))
    for token in writer.beside(view.cut(6, 7))[0]:
        given = engine.step(np.array([token]), state)[0]
    assert np.array_equal(plain, given)
    alone = engine.step(np.array([view.cut(6, 7)[-1]]), state)
    assert not np.array_equal(alone[0], plain), "what is written after it is heard"


def test_a_table_of_hands_is_measured_with_the_hand_that_is_given(
    works: WorkSet, engine: Listener, tokenizer: PianoTokenizer
) -> None:
    found = compare(HANDS[0], works.works, {"markov": engine}, tokenizer, Settings(1, 1))
    assert found.table["truth"]["f1"].value == 1
    assert found.table["markov"]["valid"].value == 1
    for place in found.places:
        assert place.whole is not None
        assert place.work.music.n_notes < place.whole.music.n_notes


def test_a_melody_is_heard_alone_and_goes_on_alone(works: WorkSet, engine: Listener, tokenizer: PianoTokenizer) -> None:
    work = next(work for work in works.works if work.name.startswith("mozart"))
    found = compare(MELODY, [works.works[0], work], {"markov": engine}, tokenizer, Settings(1, 1))
    assert "Task_Melody" in tokenizer.names(engine.asked)
    for row in found.ideas["markov"]:
        for music in row:
            assert len(np.unique(music.onset)) == music.n_notes


def test_parts_come_alike_from_files_and_datasets(corpus: Path, dataset: Path) -> None:
    for mine in load_works(corpus).works:
        theirs = next(work for work in load_works(dataset).works if work.name == mine.name)
        assert mine.parts.views.keys() == theirs.parts.views.keys()
        for name, view in mine.parts.views.items():
            assert np.array_equal(view.ids, theirs.parts.views[name].ids)
    assert len(PieceStore(dataset, "valid")) == len(load_works(dataset).works)


def test_every_idea_is_read_back_and_faults_are_counted(
    works: WorkSet, engine: Listener, tokenizer: PianoTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    found = validity_rate(engine, tokenizer, works.works[:3], n_ideas=12, temperatures=(0.5, 1.5), progress=done.append)
    assert found.n_ideas == {0.5: 6, 1.5: 6}
    assert sum(done) == found.total == 12
    assert (found.valid_share, found.at_most) == (1, 3 / 12)

    real = validity_rate_module.write_ideas

    def broken(*args: Any, sampling: Any, **rest: Any) -> Any:
        ideas = real(*args, sampling=sampling, **rest)
        if sampling.temperature < 1:
            return ideas
        return [type(idea)(idea.music, "no notes") for idea in ideas]

    monkeypatch.setattr(validity_rate_module, "write_ideas", broken)
    found = validity_rate(engine, tokenizer, works.works[:3], n_ideas=4, temperatures=(0.5, 1.5))
    assert found.faults == {0.5: {}, 1.5: {"no notes": 2}}
    assert (found.valid_share, found.at_most) == (0.5, None)
    with pytest.raises(DatasetError, match="longer pieces"):
        validity_rate(engine, tokenizer, [], n_ideas=4)


def test_dynamics_are_measured_on_the_velocities_of_the_files(
    examples: Path, works: WorkSet, engine: Listener, tokenizer: PianoTokenizer
) -> None:
    expressive = next(work for work in load_works(examples).works if work.name.startswith("expressive"))
    played = played_velocities(expressive)
    written = expressive.piece.score.tracks[0].notes.numpy()["velocity"]
    assert sorted(played.velocity.tolist()) == sorted(written.tolist())
    found = measure_dynamics_kept(engine, tokenizer, [expressive, *works.works[:4]], n_places=3)
    assert found.n_expressive == found.n_even == 3
    assert found.even.value == 1
    assert 0 <= found.kept.value <= min(found.loudness.value, found.spread.value) <= 1
    assert found.truth.n_works == 1


def test_a_rise_is_one_that_chance_does_not_make() -> None:
    def at(value: float, half: float, works: int = 10) -> Estimate:
        return Estimate(value, value - half, value + half, works)

    table = {
        1: at(1.1, 0.01),
        5: at(1.0, 0.01),
        9: at(1.02, 0.03),
        17: at(1.1, 0.05),
        33: at(1.05, 0.02),
        65: at(2, 0, 1),
    }
    assert rises(table) == [17, 33]
    assert rises({1: at(1.0, 0.1), 5: at(1.15, 0.1)}) == []
