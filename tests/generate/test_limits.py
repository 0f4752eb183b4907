"""Limits hold: counted in the exported MIDI by code that shares nothing with the masks."""

import numpy as np
import pytest

from pianomuse.errors import RequestError
from pianomuse.generate.asked import read_asked
from pianomuse.generate.bar_limits import BarLimits, bars_of
from pianomuse.generate.caret import find_caret
from pianomuse.generate.compose import Order
from pianomuse.generate.constraints import IdeaConstraints
from pianomuse.generate.join import PlacedNote, keep_voices
from pianomuse.generate.plan import Limits, Plan, RingingNote
from pianomuse.generate.possible import impossible_bar
from pianomuse.generate.rules import Rules
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.generate.session import compose
from pianomuse.measure.limits import count_violations
from pianomuse.measure.new_bars import Bars
from pianomuse.midi.read import read_midi
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import METRES

TOKENIZER = PianoTokenizer()
VOCABULARY = TOKENIZER.vocabulary

RIGHT = [(beat / 2, 0.5, 72 + beat % 5) for beat in range(24)]
LEFT = [(float(beat), 1.0, 48 + 3 * (beat % 3)) for beat in range(12)]


@pytest.fixture
def write(piece_of, limit_requests):
    """Write ideas at the end of a piece of these parts; return the piece, the caret and the ideas."""

    def call(*parts, n_ideas=3, bars=3, seed=1, metre=(4, 4), **options):
        piece = piece_of(*parts, metre=metre)
        caret = find_caret(piece, bars=bars)
        order = Order(n_ideas=n_ideas, seed=seed, sampling=SamplingSettings(1.0, 1.0), asked=read_asked(**options))
        return piece, caret, compose(limit_requests.Noise(seed), TOKENIZER, piece, caret, order).ideas

    return call


def total(piece, caret, ideas, limits):
    """Count over all ideas."""
    bars = Bars(caret.bar_index + 1, caret.bar_index + caret.n_bars, caret.tick if caret.finishes_bar else 0)
    found = [count_violations(piece.data, idea.with_completion, bars, limits) for idea in ideas]
    return {name: sum(counts[name] for counts in found) for name in found[0]}


@pytest.mark.parametrize(
    "limits",
    [
        {"key": "Eb"},
        {"key": "F#m", "chromatic": "passing"},
        {"scale": "D dorian"},
        {"chords": "Am | F C/E | G7 |"},
        {"chords": "Am | F C/E | G7 |", "chords-strict": "yes"},
        {"chords": "Am . . E7 | F | C G", "key": "Am"},
        {"range": "C3-C5"},
        {"notes-per-bar": "4-8"},
        {"notes-per-bar": "12 | 3 | 0-1"},
        {"voices": "1"},
        {"voices": "3-4"},
        {"voices": "2 | 3 | 1"},
    ],
    ids=str,
)
def test_each_limit_holds_in_the_exported_file(write, limit_requests, limits):
    piece, caret, ideas = write(RIGHT, LEFT, **limit_requests.options_of(limits))
    found = total(piece, caret, ideas, limits)
    assert not any(found.values()), found
    assert sum(len(idea.notes) for idea in ideas) >= 9
    free = total(*write(RIGHT, LEFT), limits)
    assert sum(free.values()) > 0, "the same ideas without the limit do not break it"


def test_random_combinations_over_odd_metres_hold(limit_requests, piece_of):
    n_bars = n_refused = 0
    for seed in range(15):
        rng = np.random.default_rng([4, seed])
        metre = limit_requests.METRES[seed % len(limit_requests.METRES)]
        piece = limit_requests.random_piece(rng, piece_of, metre)
        trial = limit_requests.try_random(limit_requests.Noise(seed, 3.0 * (seed % 2)), TOKENIZER, piece, seed)
        assert not any(trial.violations.values()), (seed, trial)
        n_refused += bool(trial.refusal)
        n_bars += trial.n_bars
    assert n_bars > 40
    assert n_refused <= 5


def random_bars(rng, metres):
    words = {}
    if rng.random() < 0.5:
        words["key"] = ["C", "F#m", "Bb"][rng.integers(3)]
    if rng.random() < 0.5:
        words["chords"] = " | ".join(["Am", "F", "G7/B", "Csus", "free"][rng.integers(5)] for _ in metres)
    if rng.random() < 0.6:
        low = int(rng.integers(0, 8))
        words["notes_per_bar"] = f"{low}-{low + int(rng.integers(1, 5))}"
    if rng.random() < 0.5:
        low = int(rng.integers(1, 4))
        words["voices"] = f"{low}-{low + int(rng.integers(0, 3))}"
    if rng.random() < 0.5:
        low = int(rng.integers(30, 75))
        words["range"] = f"{low}-{low + int(rng.integers(8, 30))}"
    return bars_of(read_asked(**words), metres, BarLimits())


def adversarial_walks(n_plans, seed):
    """Yield finished walks: uniform choices, or a stubborn wish for one kind, its first or its last."""
    rng = np.random.default_rng(seed)
    kinds = ["", "Position", "Pitch", "Pedal", "Bar", "EOS", "Duration"]
    for _ in range(n_plans):
        metres = tuple(METRES[rng.integers(len(METRES))] for _ in range(rng.integers(1, 4)))
        held = [RingingNote(int(rng.integers(21, 109)), int(rng.integers(1, 150))) for _ in range(rng.integers(3))]
        limits = Limits(
            n_hands=int(rng.integers(3)),
            tempo_bpm=float(rng.uniform(40, 240)),
            may_pedal=bool(rng.random() < 0.3),
            max_tokens_per_bar=int(rng.choice([8, 512])),
        )
        plan = Plan(VOCABULARY, metres, ringing=tuple(held), limits=limits, bars=random_bars(rng, metres))
        if impossible_bar(plan) is not None:
            continue
        kind, last = kinds[rng.integers(len(kinds))], bool(rng.random() < 0.5)
        constraints = IdeaConstraints(Rules(plan))
        n_tokens = 0
        while not constraints.is_finished:
            allowed = np.flatnonzero(constraints.allowed())
            wanted = [token for token in allowed if kind and VOCABULARY.kinds[token] == kind]
            token = wanted[-1 if last else 0] if wanted else allowed[rng.integers(len(allowed))]
            n_tokens += constraints.accept(int(token))
            assert n_tokens < 2_000 * len(metres), "a walk without end"
        yield plan, constraints


def test_every_combination_comes_to_its_end_whatever_is_wanted():
    n_owed = n_plans = 0
    for plan, constraints in adversarial_walks(80, 3):
        assert constraints.n_broken_limits == 0
        bar_of = np.searchsorted(plan.bar_starts, [note.onset for note in constraints.notes], side="right") - 1
        for bar, limits in enumerate(plan.bars):
            n_notes = int((bar_of == bar).sum())
            assert limits.min_notes <= n_notes <= (limits.max_notes or 10_000)
            n_owed += limits.min_notes > 0
        n_plans += 1
    assert n_plans > 60
    assert n_owed > 30


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": "C", "range": "C#4-C#4"}, ("--key C", "--range C#4-C#4", "bar 4")),
        ({"notes_per_bar": "2", "voices": "3"}, ("--notes-per-bar 2", "--voices 3")),
        ({"chords": "C | C | F", "range": "B2-B2", "voices": "1"}, ("--chords", "--range")),
        ({"range": "C4-E4", "voices": "6"}, ("--range C4-E4", "--voices 6")),
        ({"notes_per_bar": "400"}, ("--notes-per-bar 400", "bar 4")),
        ({"key": "C", "scale": "F# G#"}, ("--key C", "--scale")),
        ({"key": "C | D | E | F"}, ("--key", "4 bars", "3 are written")),
    ],
)
def test_an_impossible_set_is_refused_with_the_pair_named(write, options, words):
    with pytest.raises(RequestError) as refusal:
        write(RIGHT, LEFT, **options)
    for word in words:
        assert word in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_finished_bar_counts_the_composers_notes_and_owes_none(write):
    piece, caret, ideas = write([(beat / 2, 0.5, 72 + beat % 5) for beat in range(20)], bars=1, notes_per_bar="5-6")
    assert caret.finishes_bar
    assert total(piece, caret, ideas, {"notes-per-bar": "5-6"})["notes-per-bar"] == 0
    assert all(sum(note.tick < caret.bar_lines[1] for note in idea.notes) <= 2 for idea in ideas)


def test_ringing_notes_count_as_voices(write):
    piece, caret, ideas = write([*LEFT[:8], (8.0, 20.0, 40), (8.0, 20.0, 47)], voices="1-3")
    assert total(piece, caret, ideas, {"voices": "1-3"})["voices"] == 0
    assert any(idea.notes for idea in ideas)


def test_the_reading_of_files_counts_what_is_wrong(piece_of):
    """The counter itself, on files written by hand."""
    before = piece_of(LEFT[:4]).data
    wrong = [(4.0, 1.0, 61), (4.0, 2.0, 90), (5.0, 1.0, 52), (5.5, 0.5, 53), (6.0, 2.0, 40)]
    after = piece_of([*LEFT[:4], *wrong]).data
    limits = {"key": "C", "chords": "Am", "range": "C3-C6", "notes-per-bar": "6-8", "voices": "2-3"}
    found = count_violations(before, after, Bars(2, 2), {"key": "C"})
    assert found["key"] == 2  # C#4 and F#6
    found = count_violations(before, after, Bars(2, 2), limits)
    assert found["range"] == 2  # F#6 and E2
    assert found["notes-per-bar"] == 1
    assert found["voices"] == 1  # E2 alone
    assert found["chords"] == 3  # C#4 and F#6 on a beat, and E3 as the first bass note
    assert count_violations(before, piece_of(LEFT[:4], metre=(3, 4)).data, Bars(1, 1), {})["metre"] == 2


def test_voices_hold_however_legato_the_context_is_played(write):
    first, held, second = (
        PlacedNote(0, 24, 3, 520, 60, 80), PlacedNote(0, 48, 0, 970, 48, 80), PlacedNote(24, 24, 478, 990, 62, 80)
    )  # fmt: skip
    assert [note.end_tick for note in keep_voices([first, held, second])] == [478, 970, 990]
    rng = np.random.default_rng(6)
    late = rng.normal(0, 0.02, 32)
    line = [(max(beat / 2 + late[beat], 0), 0.6, 60 + int(rng.integers(12)), 60 + beat) for beat in range(32)]
    piece, caret, ideas = write(line, voices="1")
    assert total(piece, caret, ideas, {"voices": "1"})["voices"] == 0


def test_a_context_on_a_plain_grid_gets_no_note_off_it(limit_requests, corpus):
    n_files = n_notes = 0
    for path in sorted(corpus.glob("*/*.mid")):
        piece = read_midi(path)
        parts = limit_requests.plain_step(piece)
        if parts is None:
            continue
        order = Order(n_ideas=2, seed=1, sampling=SamplingSettings(1.0, 1.0))
        caret = find_caret(piece, bars=2)
        for idea in compose(limit_requests.Noise(n_files), TOKENIZER, piece, caret, order).ideas:
            assert limit_requests.n_off_grid(piece, caret, idea.notes, parts) == 0, path.name
            n_notes += len(idea.notes)
        n_files += 1
    assert n_files >= 6
    assert n_notes > 100


def test_pedals_cannot_use_up_the_places_that_exact_voices_need():
    """A pedal at a place is no note: were it taken for one, an odd number of notes would seem to come out even."""
    rng = np.random.default_rng(1)
    for number in range(40):
        bars = bars_of(
            read_asked(voices="2", notes_per_bar="8", chords="Abm | C/E Abdim7", chords_strict=True),
            ((4, 4), (4, 4)),
            BarLimits(),
        )
        tempo_bpm = float(rng.uniform(50, 140))
        plan = Plan(VOCABULARY, ((4, 4), (4, 4)), limits=Limits(may_pedal=True, tempo_bpm=tempo_bpm), bars=bars)
        assert impossible_bar(plan) is None
        constraints = IdeaConstraints(Rules(plan))
        kind = ("Pedal", "PedalOff", "Position", "")[number % 4]
        while not constraints.is_finished:
            allowed = np.flatnonzero(constraints.allowed())
            wanted = allowed[VOCABULARY.kinds[allowed] == kind]
            chosen = wanted if len(wanted) and rng.random() < 0.7 else allowed
            constraints.accept(int(chosen[rng.integers(len(chosen))]))
        assert constraints.n_broken_limits == 0
        assert len(constraints.notes) == 16
