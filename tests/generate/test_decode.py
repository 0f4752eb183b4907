"""Ideas of a toy model and of real RWKV-7 engines with random weights: what is promised holds for every one of them."""

import itertools

import numpy as np
import pytest

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.errors import CheckpointError, RequestError
from pianomuse.generate.decode import decode
from pianomuse.generate.grid import Grid
from pianomuse.generate.plan import Limits, Plan, RingingNote
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.runtime.engine import CpuEngine
from pianomuse.tokens.grammar import Grammar, Place
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import tempo_name

TOKENIZER = PianoTokenizer()
VOCABULARY = TOKENIZER.vocabulary
BOLD = SamplingSettings(1.0, 1.0)


class ToyState:
    def __init__(self, seen):
        self.seen = np.asarray(seen, dtype=np.int64)

    @property
    def batch(self):
        return len(self.seen)

    def repeat(self, n):
        return ToyState(np.repeat(self.seen, n))

    def take(self, indices):
        return ToyState(self.seen[np.asarray(indices)])


class ToyEngine:
    """Logits are noise that depends on everything read, around a taste of its own for kinds, soon and short."""

    vocab_size = len(VOCABULARY)

    def __init__(self, seed=0, rows_are_exact=True, taste=0.0):
        rng = np.random.default_rng(seed)
        self.rows_are_exact = rows_are_exact
        kinds = {kind: rng.normal(0, taste) for kind in np.unique(VOCABULARY.kinds)}
        self.taste = np.array([kinds[kind] for kind in VOCABULARY.kinds])
        self.taste[VOCABULARY.ids_of("Position")] -= 0.1 * np.arange(192)
        self.taste[VOCABULARY.ids_of("Duration")] -= 0.1 * np.arange(288)
        self.taste[[VOCABULARY.id("Bar_None"), VOCABULARY.id("EOS_None")]] -= 5
        self.widths = []

    def prefill(self, ids, state=None):
        state = ToyState([17])
        return self.step(np.array([int(np.sum(ids)) % 1009]), state)[0], state

    def step(self, ids, state):
        self.widths.append(len(ids))
        state.seen[:] = (state.seen * 1_000_003 + ids + 1) % (2**31 - 1)
        rows = [np.random.default_rng(seen).normal(0, 2, self.vocab_size) + self.taste for seen in state.seen.tolist()]
        return np.array(rows, dtype=np.float32)


def random_rwkv():
    config = ModelConfig(vocab_size=len(VOCABULARY), n_layer=2, n_embd=64)
    rng = np.random.default_rng(1)
    shapes = tensor_shapes(config).items()
    scales = {name: 1.0 if len(shape) == 1 else (9.0 if name == "head.weight" else 1.0) / 8 for name, shape in shapes}
    return CpuEngine(
        config, {name: rng.normal(0, scales[name], shape).astype(np.float32) for name, shape in shapes}, threads=1
    )


def ideas_of(engine, plan, n_ideas=4, seed=1, settings=BOLD, **others):
    logits, state = engine.prefill(np.array([1], dtype=np.int32), None)
    return decode(engine, state, logits, plan, n_ideas, seed, settings, **others)


def plan_of(*metres, **others):
    return Plan(VOCABULARY, metres or ((4, 4), (4, 4)), **others)


def same(one, other):
    return one.ids.tolist() == other.ids.tolist() and np.array_equal(one.log_probs, other.log_probs)


# --- what a plan asks, read off the decoded Score by code that knows nothing of the constraints ---


def score_of(plan, idea):
    head = [VOCABULARY.id(f"TimeSig_{plan.metres[0][0]}/{plan.metres[0][1]}"), VOCABULARY.id(tempo_name(120))]
    return TOKENIZER.decode([*head, *plan.first_bar, *idea.ids.tolist()])


def violations(plan, idea):
    """Count what the limits forbid, by name; the composer's own notes are those before the caret."""
    score = score_of(plan, idea)
    limits = plan.limits
    lines = [0]
    for numerator, denominator in plan.metres:
        lines.append(lines[-1] + 96 * numerator // denominator)
    everything = [(n.time, n.time + n.duration, n.pitch, n.velocity) for n in score.tracks[0].notes]
    new = [n for n in everything if n[0] >= plan.min_position]
    ringing = [(-1, r.end_units, r.pitch, 0) for r in plan.ringing]
    everything += ringing
    found = dict.fromkeys(["span", "range", "velocity", "grid", "struck twice", "voices", "hands", "repeated"], 0)
    for onset, end, pitch, velocity in new:
        found["span"] += not plan.min_position <= onset < end <= lines[-1]
        found["range"] += not limits.lowest_pitch <= pitch <= limits.highest_pitch
        found["velocity"] += limits.velocity is not None and velocity != 79
        line = max(line for line in lines if line <= onset)
        found["grid"] += bool(limits.grid.onset_steps) and all((onset - line) % s for s in limits.grid.onset_steps)
        off = bool(limits.grid.duration_steps) and all((end - onset) % s for s in limits.grid.duration_steps)
        found["grid"] += off and end != lines[-1]
        others = [n for n in everything if n[:3] != (onset, end, pitch)]
        found["struck twice"] += any(n[2] == pitch and n[0] <= onset < n[1] for n in others)
        before = [n[0] for n in others if n[2] == pitch and 0 <= n[0] < onset]
        fastest = 0.08 * 24 * limits.tempo_bpm / 60
        found["repeated"] += limits.n_hands > 0 and bool(before) and onset - max(before) < fastest - 1e-6
    for onset in {n[0] for n in new}:
        sounding = sorted({n[2] for n in everything if n[0] <= onset < n[1]})
        found["voices"] += limits.max_voices is not None and len(sounding) > limits.max_voices
        mine = sorted({n[2] for n in new if n[0] <= onset < n[1]})
        found["hands"] += limits.n_hands > 0 and not can_hold(mine, limits.n_hands)
    return found


def can_hold(pitches, n_hands):
    for left in range(len(pitches) + 1 if n_hands == 2 else 1):
        hands = (pitches[:left], pitches[left:])
        if all(len(h) <= 5 and (not h or h[-1] - h[0] <= 16) for h in hands):
            return True
    return False


def hand_violations(plan, idea):
    """Check the hands an idea names: what each holds, that they do not cross, and its leaps."""
    n_wrong = 0
    seconds = 60 / plan.limits.tempo_bpm / 24
    played = {hand: [n for n, h in zip(idea.notes, idea.hands, strict=True) if h == hand] for hand in ("left", "right")}
    for onset in {n.onset for n in idea.notes}:
        held = {h: [n.pitch for n in ns if n.onset <= onset < n.onset + n.duration] for h, ns in played.items()}
        n_wrong += any(len(p) > 5 or max(p) - min(p) > 16 for p in held.values() if p)
        n_wrong += bool(held["left"] and held["right"]) and max(held["left"]) >= min(held["right"])
    for notes in played.values():
        strikes = [list(group) for _, group in itertools.groupby(notes, key=lambda n: n.onset)]
        for one, two in itertools.pairwise(strikes):
            pitches = [n.pitch for n in one + two]
            needed = 0.0125 * max(max(pitches) - min(pitches) - 16, 0)
            n_wrong += (two[0].onset - one[0].onset) * seconds < needed - 1e-6
    return n_wrong


def assert_valid(plan, idea):
    assert idea.is_finished
    stream = [*plan.first_bar, *idea.ids.tolist()]
    assert Grammar(VOCABULARY).first_error(stream, start=Place(pedal=plan.pedal_down)) is None
    names = [VOCABULARY.token(token) for token in stream]
    assert names.count("Bar_None") == plan.n_bars
    assert names[-1] == "EOS_None"
    assert names.count("EOS_None") == 1
    assert [n for n in names if n.startswith("TimeSig")] == [f"TimeSig_{a}/{b}" for a, b in plan.metres]
    score = score_of(plan, idea)
    written = sorted((n.time, n.duration, n.pitch, n.velocity) for n in score.tracks[0].notes)
    assert set(map(tuple, idea.notes)) <= set(written)
    assert len(written) == len(idea.notes) + sum(name.startswith("Pitch") for name in names[: len(plan.first_bar)])
    assert not any(violations(plan, idea).values()), violations(plan, idea)
    if plan.limits.n_hands:
        assert hand_violations(plan, idea) == 0
    assert len(score.tempos) == 1 or plan.limits.may_change_tempo
    n_pressed = names.count("Pedal_0")
    if not plan.limits.may_pedal:
        assert n_pressed == 0
    assert len(score.tracks[0].pedals) == n_pressed  # a pedal that is never released is lost in decoding
    assert all(p.time + p.duration <= plan.bar_starts[-1] for p in score.tracks[0].pedals)
    pedals = [name for name in names if name.startswith("Pedal")]
    assert not (pedals or plan.pedal_down) or pedals[-1] == "PedalOff_0"


GIVEN = tuple(
    VOCABULARY.id(token)
    for token in [
        *("Bar_None", "TimeSig_3/4"),
        *("Position_0", "Pitch_48", "Velocity_79", "Duration_2.0.24"),
        *("Position_24", "Pitch_64", "Velocity_79", "Duration_1.0.24"),
    ]
)
PLANS = {
    "free": plan_of(limits=Limits(n_hands=0)),
    "two hands": plan_of((4, 4), (7, 8), limits=Limits(tempo_bpm=150)),
    "one hand, fast": plan_of(limits=Limits(n_hands=1, tempo_bpm=280)),
    "one line on sixteenths": plan_of(
        *[(6, 8)] * 3, limits=Limits(grid=Grid((6,), (6,)), max_voices=1, velocity=80), ringing=(RingingNote(60, 30),)
    ),
    "triplets, two voices, narrow": plan_of(
        *[(2, 4)] * 3, limits=Limits(Grid((8,), (8,)), lowest_pitch=60, highest_pitch=66, max_voices=2)
    ),
    "finishing a bar": plan_of((3, 4), (3, 4), first_bar=GIVEN, min_position=48, ringing=(RingingNote(71, 60),)),
    "with pedal": plan_of((4, 4), (3, 4), (5, 16), limits=Limits(may_pedal=True, velocity=80), pedal_down=True),
    "sixteenths and triplets with pedal": plan_of((9, 8), limits=Limits(Grid((6, 8), (6, 8)), may_pedal=True)),
}


@pytest.mark.parametrize("name", PLANS)
def test_every_idea_keeps_everything_its_plan_asks(name):
    n_tokens = n_notes = 0
    for seed in range(8):
        for idea in ideas_of(ToyEngine(seed, taste=1.5), PLANS[name], seed=seed):
            assert_valid(PLANS[name], idea)
            n_tokens += idea.n_tokens
            n_notes += len(idea.notes)
    assert n_tokens > 500
    assert n_notes > 60


def test_the_check_itself_finds_what_the_limits_would_forbid():
    """Without limits, the same ideas break all of them: the checks above are not empty."""
    strict = Limits(Grid((6,), (6,)), 50, 70, max_voices=1, n_hands=1, tempo_bpm=280, velocity=80)
    found = dict.fromkeys(violations(PLANS["free"], ideas_of(ToyEngine(), PLANS["free"])[0]), 0)
    for seed in range(4):
        for idea in ideas_of(ToyEngine(seed, taste=1.5), PLANS["free"], seed=seed):
            asked = plan_of(limits=strict, ringing=tuple(RingingNote(p, 96) for p in range(21, 109, 3)))
            for key, count in violations(asked, idea).items():
                found[key] += count
    assert all(count for key, count in found.items() if key != "span"), found


def test_real_engines_keep_everything_too():
    engine = random_rwkv()
    for name in ("two hands", "finishing a bar", "with pedal"):
        for idea in ideas_of(engine, PLANS[name], n_ideas=3):
            assert_valid(PLANS[name], idea)


def random_rwkv_with_exact_rows():
    engine = random_rwkv()
    engine.rows_are_exact = True
    return engine


ENGINES = [ToyEngine, lambda: ToyEngine(rows_are_exact=False), random_rwkv, random_rwkv_with_exact_rows]


@pytest.mark.parametrize("make", ENGINES)
def test_an_idea_is_the_same_however_many_there_are(make):
    engine = make()
    plan = plan_of((3, 4))
    many = ideas_of(engine, plan, n_ideas=5, lanes=3)
    for n_ideas in (1, 2, 4):
        few = ideas_of(engine, plan, n_ideas=n_ideas, lanes=3)
        assert all(same(one, other) for one, other in zip(few, many[:n_ideas], strict=True))
    assert len({tuple(idea.ids.tolist()) for idea in many}) == 5


def test_a_seed_repeats_its_ideas_and_another_brings_others():
    engine = ToyEngine()
    one, again, other = (ideas_of(engine, plan_of(), seed=seed) for seed in (1, 1, 2))
    assert all(same(a, b) for a, b in zip(one, again, strict=True))
    assert not any(same(a, b) for a, b in zip(one, other, strict=True))


def test_a_context_is_not_changed_by_decoding_from_it():
    engine = random_rwkv()
    logits, state = engine.prefill(np.array([1, 2, 3]))
    shift, wkv, before = state.shift.copy(), state.wkv.copy(), logits.copy()
    decode(engine, state, logits, plan_of((2, 4)), 2, 1)
    assert np.array_equal(shift, state.shift)
    assert np.array_equal(wkv, state.wkv)
    assert np.array_equal(before, logits)


def test_finished_ideas_leave_the_batch_if_rows_are_exact():
    engine = ToyEngine()
    ideas = ideas_of(engine, plan_of(), n_ideas=4)
    assert sum(engine.widths[1:]) == sum(idea.n_tokens - 1 for idea in ideas)
    assert len(engine.widths[1:]) == max(idea.n_tokens - 1 for idea in ideas)


def test_without_exact_rows_the_batch_keeps_its_width():
    engine = ToyEngine(rows_are_exact=False)
    ideas_of(engine, plan_of(), n_ideas=2, lanes=5)
    assert set(engine.widths[1:]) == {5}


def test_tokens_and_notes_are_told_as_they_are_decided():
    tokens, notes = {}, {}
    ideas = ideas_of(
        ToyEngine(),
        plan_of(),
        on_token=lambda idea, token: tokens.setdefault(idea, []).append(token),
        on_note=lambda idea, note: notes.setdefault(idea, []).append(note),
    )
    assert [tokens[k] for k in range(4)] == [idea.ids.tolist() for idea in ideas]
    assert [tuple(notes[k]) for k in range(4)] == [idea.notes for idea in ideas]


def test_a_decode_stops_between_tokens_when_it_is_cancelled():
    asked = itertools.count()
    engine = ToyEngine()
    ideas = ideas_of(engine, plan_of((4, 4), (4, 4), (4, 4), (4, 4)), is_cancelled=lambda: next(asked) >= 10)
    whole = ideas_of(ToyEngine(), plan_of((4, 4), (4, 4), (4, 4), (4, 4)))
    assert [idea.n_tokens for idea in ideas] == [10] * 4
    assert not any(idea.is_finished for idea in ideas)
    assert all(a.ids.tolist() == b.ids[:10].tolist() for a, b in zip(ideas, whole, strict=True))


def test_log_probabilities_are_the_models_own_and_add_up():
    engine = ToyEngine()
    (idea,) = ideas_of(engine, plan_of((2, 4)), n_ideas=1, settings=SamplingSettings(0.7, 0.9))
    logits, state = engine.prefill(np.array([1], dtype=np.int32), None)
    for token, log_prob in zip(idea.ids.tolist(), idea.log_probs, strict=True):
        if not VOCABULARY.token(token).startswith("Duration"):  # its longer ones may have been folded into it
            scores = logits.astype(np.float64)
            assert log_prob == pytest.approx(scores[token] - np.log(np.exp(scores).sum()), abs=1e-5)
        logits = engine.step(np.array([token]), state)[0]
    assert idea.log_prob == pytest.approx(idea.log_probs.sum())
    assert idea.log_prob_per_note == pytest.approx(idea.log_prob / len(idea.notes))
    assert (idea.sampling_log_probs <= 1e-12).all()
    assert len(idea.note_log_probs) == len(idea.notes)
    spelled = [t for t in idea.ids if VOCABULARY.kind(int(t)) in ("Position", "Pitch", "Velocity", "Duration")]
    in_notes = idea.log_probs[np.isin(idea.ids, spelled)].sum()
    assert sum(idea.note_log_probs) == pytest.approx(in_notes)


@pytest.mark.parametrize("rows_are_exact", [True, False])
def test_what_is_given_in_a_bar_is_read_before_the_bar_is_written(rows_are_exact):
    beside = ((VOCABULARY.id("Fill_Given"), VOCABULARY.id("Fill_Middle")), tuple(range(300, 317)))
    plan = plan_of((4, 4), (3, 4), beside=beside)
    engine = ToyEngine(rows_are_exact=rows_are_exact)
    ideas = ideas_of(engine, plan, n_ideas=3)
    assert [idea.n_tokens for idea in ideas] != [ideas[0].n_tokens] * 3, "they read at different times"
    for idea in ideas:
        logits, state = engine.prefill(np.array([1], dtype=np.int32), None)
        bars = iter(beside)
        for token, log_prob in zip(idea.ids.tolist(), idea.log_probs, strict=True):
            if not VOCABULARY.token(token).startswith("Duration"):
                scores = logits.astype(np.float64)
                assert log_prob == pytest.approx(scores[token] - np.log(np.exp(scores).sum()), abs=1e-5)
            heard = next(bars) if VOCABULARY.kind(token) == "TimeSig" else ()
            for read in (token, *heard):
                logits = engine.step(np.array([read]), state)[0]
        assert next(bars, None) is None, "every bar was read"


def test_a_duration_beyond_the_end_counts_as_the_one_that_reaches_it():
    class Sustaining(ToyEngine):
        """Wants the longest of all notes, always."""

        def step(self, ids, state):
            logits = super().step(ids, state)
            logits[:, VOCABULARY.id("Duration_12.0.24")] = 40
            return logits

    plan = plan_of((2, 4), limits=Limits(n_hands=0))
    for idea in ideas_of(Sustaining(), plan):
        assert all(note.onset + note.duration == 48 for note in idea.notes)
        assert_valid(plan, idea)


def test_times_are_of_each_idea():
    ideas = ideas_of(ToyEngine(), plan_of(), n_ideas=3)
    assert all(0 < idea.seconds_to_first_note < idea.seconds < 60 for idea in ideas)


def test_a_model_that_never_ends_a_bar_is_stopped_and_counted():
    class Endless(ToyEngine):
        def step(self, ids, state):
            logits = super().step(ids, state)
            logits[:, [VOCABULARY.id("Bar_None"), VOCABULARY.id("EOS_None")]] = -1e4
            return logits

    plan = plan_of((12, 8), (12, 8), limits=Limits(n_hands=0, max_tokens_per_bar=40, may_pedal=True))
    ideas = ideas_of(Endless(), plan)
    for idea in ideas:
        assert_valid(plan, idea)
    assert any(idea.n_forced_bar_ends for idea in ideas)
    assert all(idea.n_forced_bar_ends <= 2 for idea in ideas)


def test_requests_out_of_range_are_refused():
    for wrong in ({"n_ideas": 0}, {"n_ideas": 65}, {"seed": -1}):
        with pytest.raises(RequestError, match="choose"):
            ideas_of(ToyEngine(), plan_of(), **wrong)


def test_logits_that_are_no_numbers_stop_the_decode():
    engine = ToyEngine()
    logits, state = engine.prefill(np.array([1], dtype=np.int32))
    with pytest.raises(CheckpointError, match="damaged"):
        decode(engine, state, np.full_like(logits, np.nan), plan_of(), 1, 1)
