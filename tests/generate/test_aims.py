"""Phrase ends and targets, read out of the files by code that shares nothing with the masks."""

import numpy as np
import pytest

from pianomuse.errors import RequestError
from pianomuse.generate.asked import read_asked
from pianomuse.generate.caret import find_caret
from pianomuse.generate.compose import Order
from pianomuse.generate.constraints import IdeaConstraints
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.generate.session import compose
from pianomuse.midi.read import read_midi
from pianomuse.tokens.tokenizer import PianoTokenizer

TOKENIZER = PianoTokenizer()
RIGHT = [(beat / 2, 0.5, 72 + (0, 2, 4, 5, 7)[beat % 5]) for beat in range(48)]
LEFT = [(float(beat), 1.0, 48 + (0, 7, 4)[beat % 3]) for beat in range(24)]
METRES = {(4, 4): 2, (3, 4): 2, (2, 4): 1, (6, 8): 1, (3, 8): 2}  # beats before the second half
CHORDS = {"close": {0, 4, 7}, "final": {0, 4, 7}, "half": {7, 11, 2}}


@pytest.fixture
def write(dice, piece_of):
    def call(*parts, metre=(4, 4), bars=3, n_ideas=3, seed=1, tempos=((0, 120),), **options):
        piece = piece_of(*parts, metre=metre, tempos=tempos)
        caret = find_caret(piece, bars=bars, at_bar=3)
        asked = read_asked(**options)
        order = Order(n_ideas=n_ideas, seed=seed, sampling=SamplingSettings(1.0, 1.0), asked=asked, has_feel=False)
        return caret, piece.grid.ticks_per_quarter, compose(dice, TOKENIZER, piece, caret, order).ideas

    return call


def new_notes(idea, caret):
    notes = read_midi(idea.with_completion).score.tracks[0].notes
    return sorted((n.time, n.time + n.duration, n.pitch) for n in notes if caret.tick <= n.time < caret.end_tick)


@pytest.mark.parametrize("metre", METRES)
@pytest.mark.parametrize("ending", ["close", "half", "final"])
def test_an_ending_arrives_over_its_root_and_stays(write, metre, ending):
    caret, quarter, ideas = write(RIGHT, LEFT, metre=metre, key="C", ending=ending)
    start = caret.bar_lines[-2]
    for idea in ideas:
        notes = new_notes(idea, caret)
        last = [note for note in notes if note[0] >= start]
        root = 7 if ending == "half" else 0
        lowest = min(last, key=lambda note: (note[0], note[2]))
        assert lowest[0] == start
        assert lowest[2] % 12 == root
        assert lowest[1] == caret.end_tick  # it is held, and nothing below it
        assert min(pitch for _, _, pitch in last) == lowest[2]
        assert {pitch % 12 for _, _, pitch in last} <= CHORDS[ending]
        assert all(off <= start for on, off, _ in notes if on < start)
        if ending == "final":
            assert {on for on, _, _ in last} == {start}
        if ending != "half":
            step = round(quarter * 4 / metre[1] * (3 if metre == (6, 8) else 1))
            turn = caret.bar_lines[-3] + METRES[metre] * step
            assert any(on == turn for on, _, _ in notes)
            on_beats = [pitch for on, _, pitch in notes if turn <= on < start and (on - turn) % step == 0]
            assert {pitch % 12 for pitch in on_beats} <= {7, 11, 2, 5}
            assert idea.ending.startswith("ends closed")


def test_an_open_end_has_no_tonic_in_its_last_bar(write):
    caret, _, ideas = write(RIGHT, LEFT, key="C", ending="open")
    for idea in ideas:
        last = [note for note in new_notes(idea, caret) if note[1] > caret.bar_lines[-2]]
        assert last
        assert {pitch % 12 for _, _, pitch in last} <= {2, 4, 5, 7, 9, 11}


def test_minor_keys_lead_with_the_raised_seventh_and_a_line_ends_on_the_tonic(write):
    caret, _, ideas = write(RIGHT, key="Am", ending="close")
    for idea in ideas:
        notes = new_notes(idea, caret)
        assert notes[-1][2] % 12 == 9
        assert notes[-1][1] == caret.end_tick
        turn = [pitch for on, _, pitch in notes if on == caret.bar_lines[-3] + 960]
        assert {pitch % 12 for pitch in turn} <= {4, 8, 11, 2}


def test_one_bar_holds_dominant_and_tonic(write):
    caret, _, ideas = write(RIGHT, LEFT, bars=1, key="C", ending="close")
    for idea in ideas:
        notes = new_notes(idea, caret)
        assert {pitch % 12 for on, _, pitch in notes if on == caret.tick} <= {7, 11, 2, 5}
        assert {pitch % 12 for on, _, pitch in notes if on >= caret.tick + 960} <= {0, 4, 7}


@pytest.mark.parametrize("limits", [{}, {"notes_per_bar": "0-9"}, {"voices": "1-3"}, {"range": "E2-A5", "key": "C"}])
@pytest.mark.parametrize("seed", [1, 2])
def test_targets_are_struck_exactly(write, limits, seed):
    to = "bar 4 beat 3: F/A, melody F5; bar 5: melody G4, bass E3; bar 6 beat 2.5: Dm; bar 6 beat 4: G7, melody B4"
    caret, quarter, ideas = write(RIGHT, LEFT, to=to, seed=seed, **limits)
    for idea in ideas:
        notes = new_notes(idea, caret)

        def struck(bar, beat, notes=notes):
            tick = caret.bar_lines[bar - 4] + round((beat - 1) * quarter)
            assert all(not on < tick < off for on, off, _ in notes)  # nothing is held over it
            return sorted(pitch for on, _, pitch in notes if on == tick)

        first, second, third, fourth = struck(4, 3), struck(5, 1), struck(6, 2.5), struck(6, 4)
        assert first[-1] == 77
        assert first[0] % 12 == 9
        assert {pitch % 12 for pitch in first} <= {5, 9, 0}
        assert (second[0], second[-1]) == (52, 67)
        assert third[0] % 12 == 2
        assert {pitch % 12 for pitch in third} <= {2, 5, 9}
        assert (fourth[0] % 12, fourth[-1]) == (7, 71)


def test_a_line_strikes_the_melody_of_a_target_alone(write):
    caret, _, ideas = write(RIGHT, to="bar 5: Am/E, melody C5")
    for idea in ideas:
        assert [n[2] for n in new_notes(idea, caret) if n[0] == caret.bar_lines[1]] == [72]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"to": "bar 9: Am"}, r"bar 9 is not among the new bars 4 to 6"),
        ({"to": "bar 5 beat 5: Am"}, r"no beat 5 in a bar of 4/4"),
        ({"to": "bar 5: Amaj13"}, r"--to bar 5: Amaj13: Amaj13 is no chord known here"),
        ({"to": "the end: Am"}, r"say where and what"),
        ({"to": "bar 5: melody H5"}, r"H5 is no note"),
        ({"to": "bar 5: Am; bar 5: melody C5"}, r"one place is named twice"),
        ({"to": "bar 5: melody C5, bass E5"}, r"--to .* cannot be met in bar 5"),
        (
            {"to": "bar 5 beat 1.25: bass A0, melody C8; bar 5 beat 1.5: bass C4, melody E4"},
            r"--to .* cannot be met in bar",
        ),
        ({"ending": "close", "chords": "Am | F | C"}, r"both say the harmony"),
        ({"ending": "close", "keep": "rhythm", "keep_from": 1}, r"--ending and --keep rhythm cannot be combined"),
        ({"ending": "close", "key": "C", "range": "D4-G4"}, r"--range D4-G4 and --ending close cannot both hold"),
        ({"to": "bar 5: Am", "voices": "2-4"}, r"--to and --voices 2-4 cannot be combined"),
        ({"ending": "half", "notes_per_bar": "4-"}, r"--ending and --notes-per-bar 4- cannot be combined"),
        ({"ending": "plagal"}, r"--ending plagal: choose open or half or close or final"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(write, options, words):
    with pytest.raises(RequestError, match=words):
        write(RIGHT, LEFT, **options)


@pytest.mark.parametrize("tempo", [60, 200])
def test_random_targets_never_end_in_a_dead_end(write, monkeypatch, tempo):
    monkeypatch.setattr(IdeaConstraints, "_last_resort", lambda self: pytest.fail("a dead end"))
    rng = np.random.default_rng(tempo)
    n_met = 0
    for seed in range(12):
        places = sorted({(int(rng.integers(4, 7)), int(rng.integers(1, 5))) for _ in range(4)})
        pitches = {place: (int(rng.integers(67, 88)), int(rng.integers(36, 67))) for place in places}
        said = (f"bar {bar} beat {beat}: melody {top}, bass {low}" for (bar, beat), (top, low) in pitches.items())
        try:
            caret, quarter, ideas = write(RIGHT, LEFT, to="; ".join(said), seed=seed, n_ideas=2, tempos=((0, tempo),))
        except RequestError:
            if tempo == 200:  # too far apart for hands in that time
                continue
            raise
        for idea in ideas:
            notes = new_notes(idea, caret)
            for (bar, beat), (top, low) in pitches.items():
                tick = caret.bar_lines[bar - 4] + (beat - 1) * quarter
                struck = [note[2] for note in notes if note[0] == tick]
                assert (min(struck), max(struck)) == (low, top)
                n_met += 1
    assert n_met > 30
