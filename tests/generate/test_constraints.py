"""Walks through the constraints with random choices: they never end anywhere but at the end."""

import numpy as np
import pytest

from pianomuse.errors import RequestError
from pianomuse.generate.constraints import IdeaConstraints
from pianomuse.generate.grid import Grid
from pianomuse.generate.plan import Limits, Plan, RingingNote
from pianomuse.generate.rules import Rules
from pianomuse.tokens.grammar import Grammar, Place
from pianomuse.tokens.vocabulary import METRES, piano_vocabulary

VOCABULARY = piano_vocabulary()
KIND = {name: VOCABULARY.kinds == name for name in set(VOCABULARY.kinds.tolist())}
GRAMMAR = Grammar(VOCABULARY)
NOTE = ("Pitch_60", "Velocity_79", "Duration_1.0.24")


def ids(*tokens):
    return [VOCABULARY.id(token) for token in tokens]


def names(mask):
    return [VOCABULARY.token(int(index)) for index in np.flatnonzero(mask)]


def follow(plan, *tokens):
    constraints = IdeaConstraints(Rules(plan))
    for token in ids(*tokens):
        assert constraints.allowed()[token], (VOCABULARY.token(token), names(constraints.allowed())[:20])
        constraints.accept(token)
    return constraints


def plan_of(*metres, limits=None, **others):
    return Plan(VOCABULARY, metres or ((4, 4),), limits=limits or Limits(), **others)


def random_limits(rng):
    low = int(rng.integers(21, 100))
    grids = [Grid(), Grid((6,), (6,)), Grid((8,), (8,)), Grid((6, 8), (6, 8)), Grid((6,), ())]
    return Limits(
        grid=grids[rng.integers(len(grids))],
        lowest_pitch=low if rng.random() < 0.5 else 21,
        highest_pitch=int(rng.integers(low, 109)),
        max_voices=[None, 1, 2, 4][rng.integers(4)],
        n_hands=int(rng.integers(3)),
        tempo_bpm=float(rng.uniform(30, 300)),
        velocity=[None, 80][rng.integers(2)],
        may_pedal=bool(rng.random() < 0.5),
        may_change_tempo=bool(rng.random() < 0.2),
        max_tokens_per_bar=int(rng.choice([8, 30, 512])),
    )


def random_plan(rng):
    metres = tuple(METRES[rng.integers(len(METRES))] for _ in range(rng.integers(1, 4)))
    length = metres[0][0] * 96 // metres[0][1]
    min_position = int(rng.integers(0, length + 1)) if rng.random() < 0.5 else 0
    first_bar = []
    if min_position > 1:
        first_bar = ids("Bar_None", f"TimeSig_{metres[0][0]}/{metres[0][1]}")
        if rng.random() < 0.7:
            first_bar += ids(f"Position_{rng.integers(min_position)}")
            first_bar += ids("Pedal_0") if rng.random() < 0.3 else []
            for pitch in np.sort(rng.choice(np.arange(21, 109), rng.integers(1, 9), replace=False)):
                first_bar += ids(f"Pitch_{pitch}", "Velocity_79", "Duration_4.0.24")
    ringing = tuple(RingingNote(int(rng.integers(21, 109)), int(rng.integers(1, 200))) for _ in range(rng.integers(4)))
    others = {"first_bar": tuple(first_bar), "min_position": min_position, "ringing": ringing}
    pedal_down = bool(rng.random() < 0.3) and "Pedal_0" not in [VOCABULARY.token(t) for t in first_bar]
    return plan_of(*metres, limits=random_limits(rng), pedal_down=pedal_down, **others)


def walk(plan, choose):
    """Follow choices to the end; return the constraints and the ids. Everything allowed must be grammatical."""
    constraints = IdeaConstraints(Rules(plan))
    written = []
    most = (plan.limits.max_tokens_per_bar + 8) * plan.n_bars + 3
    while not constraints.is_finished:
        allowed = constraints.allowed()
        assert allowed.any(), (plan, [VOCABULARY.token(t) for t in written])
        assert not (allowed & ~GRAMMAR.allowed(constraints.place)).any()
        token = choose(allowed)
        if constraints.accept(token):
            written.append(token)
        assert len(written) <= most, "a walk without end"
    return constraints, written


def test_a_random_walk_under_any_plan_ends_with_exactly_its_bars():
    rng = np.random.default_rng(11)
    n_tokens = n_empty_bars = 0
    for _ in range(400):
        plan = random_plan(rng)
        taste = rng.normal(0, 3, len(VOCABULARY)) + sum(rng.normal(0, 3) * mask for mask in KIND.values())

        def choose(allowed, taste=taste):
            return int(np.argmax(np.where(allowed, taste + rng.gumbel(0, 1, len(taste)), -np.inf)))

        _, written = walk(plan, choose)
        stream = [*plan.first_bar, *written]
        assert GRAMMAR.first_error(stream, start=Place(pedal=plan.pedal_down)) is None
        metres = [VOCABULARY.token(t) for t in stream if KIND["TimeSig"][t]]
        assert metres == [f"TimeSig_{n}/{d}" for n, d in plan.metres]
        n_tokens += len(written)
        n_empty_bars += sum(a == b - 2 for a, b in zip(bars(stream)[:-1], bars(stream)[1:], strict=True))
    assert n_tokens > 5_000
    assert n_empty_bars > 5  # a bar may be empty


def bars(stream):
    return [i for i, t in enumerate(stream) if KIND["Bar"][t]]


@pytest.mark.parametrize("kind", ["Position", "Pitch", "Pedal", "PedalOff", "Bar", "EOS", "Tempo", "Duration"])
@pytest.mark.parametrize("last", [False, True])
def test_always_wanting_the_same_ends_too(kind, last):
    """Whoever wants only this, the first or the last of its kind, still reaches the end."""
    rng = np.random.default_rng(12)
    for _ in range(12):

        def choose(allowed):
            wanted = np.flatnonzero(allowed & KIND[kind])
            wanted = wanted if len(wanted) else np.flatnonzero(allowed)
            return int(wanted[-1 if last else 0])

        walk(random_plan(rng), choose)


def test_an_idea_begins_with_its_bar_and_the_metre_in_force():
    constraints = follow(plan_of((6, 8)))
    assert names(constraints.allowed()) == ["Bar_None"]
    constraints = follow(plan_of((6, 8)), "Bar_None")
    assert names(constraints.allowed()) == ["TimeSig_6/8"]


def test_the_last_bar_is_followed_by_the_end_and_no_other_bar():
    note = ("Position_0", *NOTE)
    first = names(follow(plan_of((4, 4), (4, 4)), "Bar_None", "TimeSig_4/4", *note).allowed())
    assert "Bar_None" in first
    assert "EOS_None" not in first
    last = names(follow(plan_of((4, 4)), "Bar_None", "TimeSig_4/4", *note).allowed())
    assert "EOS_None" in last
    assert "Bar_None" not in last


def test_nothing_is_written_before_the_caret():
    given = tuple(ids("Bar_None", "TimeSig_4/4", "Position_24", "Pitch_60", "Velocity_79", "Duration_1.0.24"))
    allowed = follow(plan_of(first_bar=given, min_position=48)).allowed()
    assert not (allowed & KIND["Pitch"]).any()
    assert names(allowed & KIND["Position"])[0] == "Position_48"


def test_what_the_composer_holds_in_the_broken_bar_is_not_struck_again_before_it_ends():
    given = tuple(ids("Bar_None", "TimeSig_4/4", "Position_0", "Pitch_60", "Velocity_79", "Duration_2.12.24"))
    plan = plan_of(first_bar=given, min_position=48)
    assert "Pitch_60" not in names(follow(plan, "Position_59").allowed())
    assert "Pitch_60" in names(follow(plan, "Position_60").allowed())


def test_what_rings_from_before_the_join_is_not_struck_again_before_it_ends():
    plan = plan_of(ringing=(RingingNote(60, 24),))
    start = ("Bar_None", "TimeSig_4/4")
    assert "Pitch_60" not in names(follow(plan, *start, "Position_23").allowed())
    assert "Pitch_60" in names(follow(plan, *start, "Position_24").allowed())


def test_a_pitch_that_sounds_is_not_struck_again_before_it_ends_across_bar_lines_too():
    note = ("Position_48", "Pitch_60", "Velocity_79", "Duration_3.0.24")
    start = ("Bar_None", "TimeSig_4/4", *note, "Bar_None", "TimeSig_4/4")
    plan = plan_of((4, 4), (4, 4))
    assert "Pitch_60" not in names(follow(plan, *start, "Position_23").allowed())
    assert "Pitch_60" in names(follow(plan, *start, "Position_24").allowed())


def test_no_note_is_longer_than_the_new_bars_and_longer_wishes_mean_the_end():
    plan = plan_of((4, 4), limits=Limits(grid=Grid((6,), (6,))))
    constraints = follow(plan, "Bar_None", "TimeSig_4/4", "Position_72", "Pitch_60", "Velocity_79")
    assert names(constraints.allowed()) == [f"Duration_{units // 24}.{units % 24}.24" for units in (6, 12, 18, 24)]
    sources, target = constraints.clipped()
    assert VOCABULARY.token(target) == "Duration_1.0.24"
    assert VOCABULARY.values[sources].tolist() == list(range(24, 289))


def test_the_grid_of_the_context_holds_for_onsets_and_durations():
    plan = plan_of((4, 4), (4, 4), limits=Limits(grid=Grid((6, 8), (6, 8))))
    constraints = follow(plan, "Bar_None", "TimeSig_4/4")
    positions = VOCABULARY.values[constraints.allowed() & KIND["Position"]]
    assert positions.tolist() == [p for p in range(96) if p % 6 == 0 or p % 8 == 0]
    constraints = follow(plan, "Bar_None", "TimeSig_4/4", "Position_8", "Pitch_60", "Velocity_79")
    durations = VOCABULARY.values[constraints.allowed()]
    assert durations.tolist() == [d for d in range(1, 185) if d % 8 == 0]  # 184 ends with the new bars


def test_one_voice_waits_for_its_note_to_end():
    plan = plan_of(limits=Limits(max_voices=1))
    constraints = follow(plan, "Bar_None", "TimeSig_4/4", "Position_0", "Pitch_60", "Velocity_79", "Duration_1.12.24")
    assert not (constraints.allowed() & KIND["Pitch"]).any()
    assert names(constraints.allowed() & KIND["Position"])[0] == "Position_36"


def test_ringing_notes_count_as_voices():
    plan = plan_of(limits=Limits(max_voices=2), ringing=(RingingNote(50, 24), RingingNote(57, 48)))
    assert names(follow(plan, "Bar_None", "TimeSig_4/4").allowed() & KIND["Position"])[0] == "Position_24"


def test_two_hands_reach_no_further_than_they_are():
    start = ("Bar_None", "TimeSig_4/4", "Position_0")
    held = [f for p in (40, 56, 70) for f in (f"Pitch_{p}", "Velocity_79", "Duration_2.0.24")]
    pitches = VOCABULARY.values[follow(plan_of(), *start, *held).allowed() & KIND["Pitch"]]
    assert pitches.tolist() == list(range(71, 87))
    unlimited = follow(plan_of(limits=Limits(n_hands=0)), *start, *held).allowed()
    assert VOCABULARY.values[unlimited & KIND["Pitch"]].tolist() == list(range(71, 109))


def test_one_velocity_is_the_only_one_offered():
    start = ("Bar_None", "TimeSig_4/4", "Position_0", "Pitch_60")
    assert names(follow(plan_of(limits=Limits(velocity=80)), *start).allowed()) == ["Velocity_79"]
    assert len(names(follow(plan_of(), *start).allowed())) == 32


def test_tempo_and_pedal_are_offered_only_where_they_may_be():
    start = ("Bar_None", "TimeSig_4/4", "Position_0")
    assert not set(names(follow(plan_of(), *start).allowed())) & {"Pedal_0", "PedalOff_0", "Tempo_120.0"}
    assert not (follow(plan_of(), *start).allowed() & KIND["Tempo"]).any()
    asked = follow(plan_of(limits=Limits(may_pedal=True, may_change_tempo=True)), *start).allowed()
    assert "Pedal_0" in names(asked)
    assert (asked & KIND["Tempo"]).sum() == 32
    assert "PedalOff_0" in names(follow(plan_of(pedal_down=True), *start).allowed())


def test_a_pedal_still_down_is_released_before_the_end():
    plan = plan_of(limits=Limits(may_pedal=True))
    constraints = follow(plan, "Bar_None", "TimeSig_4/4", "Position_0", "Pedal_0", *NOTE)
    assert constraints.accept(*ids("EOS_None")) is False
    for token in ("Position_95", "PedalOff_0", "EOS_None"):
        assert names(constraints.allowed()) == [token]
        assert constraints.accept(*ids(token))
    assert constraints.is_finished


def test_an_idea_is_never_without_notes_as_long_as_one_fits():
    start = ("Bar_None", "TimeSig_4/4")
    assert "EOS_None" not in names(follow(plan_of(), *start).allowed())
    two_bars = follow(plan_of((4, 4), (4, 4)), *start)
    assert "Bar_None" in names(two_bars.allowed())
    nothing_fits = plan_of(limits=Limits(max_voices=1), ringing=(RingingNote(60, 96),))
    assert names(follow(nothing_fits, *start).allowed()) == ["EOS_None"]


def test_a_bar_with_too_many_tokens_is_ended_and_counted():
    plan = plan_of((4, 4), (4, 4), limits=Limits(max_tokens_per_bar=8))
    note = ("Pitch_60", "Velocity_79", "Duration_0.6.24")
    constraints = follow(plan, "Bar_None", "TimeSig_4/4", "Position_0", *note, "Position_12", *note)
    assert names(constraints.allowed()) == ["Bar_None"]
    assert names(constraints.allowed()) == ["Bar_None"]
    assert constraints.n_forced_bar_ends == 1


def test_plans_no_music_can_meet_are_refused():
    for wrong in (
        {"max_voices": 0},
        {"lowest_pitch": 20},
        {"lowest_pitch": 70, "highest_pitch": 60},
        {"n_hands": 3},
        {"tempo_bpm": 0},
        {"max_tokens_per_bar": 5},
    ):
        with pytest.raises(RequestError):
            Limits(**wrong)
    for metres in ((), ((4, 4),) * 40, ((5, 2),), ((0, 4),)):
        with pytest.raises(RequestError):
            Plan(VOCABULARY, metres)
    with pytest.raises(RequestError):
        Plan(VOCABULARY, ((4, 4),), min_position=-1)
