"""The last bar of an idea is written several times, and the one that is chosen becomes the idea's, token by token."""

from collections.abc import Callable

import numpy as np
import pytest
from tests.generate.test_decode import BOLD, VOCABULARY, ToyEngine, plan_of

from pianomuse.generate.decode import Decoding
from pianomuse.generate.plan import Limits
from pianomuse.generate.rules import Rules
from pianomuse.generate.writer import IdeaWriter

BAR = VOCABULARY.id("Bar_None")
THREE = plan_of((4, 4), (3, 4), (2, 4))


class Chooser:
    """Takes the draft that a rule prefers, and remembers what there was to choose from."""

    def __init__(self, n_drafts=3, worth: Callable = lambda draft: draft.result().log_prob):
        self.n_drafts, self.worth = n_drafts, worth
        self.seen = {}

    def best(self, drafts):
        assert all(draft.is_finished for draft in drafts)
        assert drafts[0].idea.number not in self.seen
        self.seen[drafts[0].idea.number] = drafts
        return max(drafts, key=self.worth)


def write(plan, chooser, n_ideas=3, engine=None, stop=None):
    """Return the ideas, and what was told of each: its tokens in the order they were taken."""
    engine = engine or ToyEngine()
    logits, state = engine.prefill(np.array([1], dtype=np.int32), None)
    rules = Rules(plan)
    writers = [IdeaWriter(rules, 1, number, 0.0) for number in range(n_ideas)]
    decoding = Decoding(engine, state, logits, writers, BOLD, drafts=chooser)
    told = {number: [] for number in range(n_ideas)}
    while not decoding.is_over:
        for writer in decoding.step():
            if not writer.pending:
                told[writer.number].append((writer.ids[-1], len(writer.notes)))
            while writer.pending:
                writer.take_next()
                told[writer.number].append((writer.ids[-1], len(writer.notes)))
        if stop is not None:
            stop(writers)
    return [writer.result() for writer in writers], told


@pytest.mark.parametrize("plan", [THREE, plan_of((3, 4)), plan_of((4, 4), (4, 4), limits=Limits(may_pedal=True))])
def test_an_idea_ends_with_the_draft_that_was_chosen(plan):
    chooser = Chooser()
    ideas, told = write(plan, chooser)
    once, _ = write(plan, None)
    for number, (idea, plain) in enumerate(zip(ideas, once, strict=True)):
        drafts = chooser.seen[number]
        n_before = idea.n_tokens - len(max(drafts, key=chooser.worth).ids)
        assert idea.ids[n_before:].tolist() == max(drafts, key=chooser.worth).ids
        assert idea.ids[:n_before].tolist() == plain.ids[:n_before].tolist()
        assert drafts[0].ids == plain.ids[n_before:].tolist()  # the first is what it would have been anyway
        assert len({tuple(draft.ids) for draft in drafts}) == 3
        assert idea.ids[:n_before].tolist().count(BAR) == (plan.n_bars if plan.n_bars > 1 else 0)
        assert [token for token, _ in told[number]] == idea.ids.tolist()
        assert [n for _, n in told[number]] == sorted(n for _, n in told[number])
        assert idea.is_finished


def test_what_is_taken_from_a_draft_is_what_the_draft_says_of_itself():
    chooser = Chooser(worth=lambda draft: -draft.result().log_prob)
    for idea in write(plan_of((4, 4)), chooser)[0]:
        draft = max(chooser.seen.pop(next(iter(chooser.seen))), key=chooser.worth).result()
        for name in ("ids", "log_probs", "sampling_log_probs", "notes", "note_log_probs", "hands"):
            assert np.array_equal(getattr(idea, name), getattr(draft, name)), name
        assert idea.n_forced_bar_ends == draft.n_forced_bar_ends


def test_an_idea_is_the_same_however_many_are_drafted():
    many, _ = write(THREE, Chooser(), n_ideas=5)
    for n_ideas in (1, 2):
        few, _ = write(THREE, Chooser(), n_ideas=n_ideas)
        assert [idea.ids.tolist() for idea in few] == [idea.ids.tolist() for idea in many[:n_ideas]]


def test_what_is_given_in_the_last_bar_is_read_by_every_draft():
    given = ((VOCABULARY.id("Fill_Given"), VOCABULARY.id("Fill_Middle")), tuple(range(300, 317)))
    ideas, _ = write(plan_of((4, 4), (3, 4), beside=given), Chooser())
    assert all(idea.is_finished for idea in ideas)
    assert not set(ideas[0].ids.tolist()) & {VOCABULARY.id("Fill_Given"), VOCABULARY.id("Fill_Middle")}


def test_drafts_of_an_idea_that_is_stopped_are_written_no_further_and_nothing_is_chosen():
    chooser = Chooser()
    engine = ToyEngine()

    def stop(writers):
        if len(engine.widths) and engine.widths[-1] == 9:  # all three ideas are in their last bar
            writers[0].stop()

    ideas, _ = write(plan_of((4, 4)), chooser, engine=engine, stop=stop)
    assert sorted(chooser.seen) == [1, 2]
    assert not ideas[0].is_finished
    assert max(engine.widths) == 9
    assert 6 in engine.widths


def test_without_exact_rows_the_last_bar_is_written_once():
    chooser = Chooser()
    ideas, _ = write(THREE, chooser, engine=ToyEngine(rows_are_exact=False))
    assert not chooser.seen
    assert all(idea.is_finished for idea in ideas)


def test_one_draft_is_none():
    chooser = Chooser(n_drafts=1)
    ideas, _ = write(THREE, chooser)
    assert not chooser.seen
    plain, _ = write(THREE, None)
    assert [idea.ids.tolist() for idea in ideas] == [idea.ids.tolist() for idea in plain]


def test_the_last_bar_of_a_long_idea_is_drafted_too():
    plan = plan_of(*[(4, 4)] * 32, limits=Limits(n_hands=2))
    chooser = Chooser(n_drafts=2)
    (idea,), _ = write(plan, chooser, n_ideas=1)
    assert len(idea.notes) > 500  # which hand took each is known by a chain as long as that
    assert idea.is_finished
    assert len(chooser.seen[0]) == 2
