"""One hand under or over what the other plays: the other one stays to the tick, and the new notes do not cross it."""

import io
from itertools import pairwise

import mido
import numpy as np
import pytest

from pianomuse.errors import RequestError
from pianomuse.generate.asked import read_asked
from pianomuse.generate.caret import find_caret, span_caret
from pianomuse.generate.compose import Order
from pianomuse.generate.options import order_of
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.generate.session import Session, compose
from pianomuse.measure.limits import count_violations
from pianomuse.measure.new_bars import Bars
from pianomuse.midi.read import read_midi
from pianomuse.tokens.tokenizer import PianoTokenizer

TOKENIZER = PianoTokenizer()
RIGHT = [(beat / 2, 0.5, 67 + (beat * 5) % 11, 70 + beat) for beat in range(32)]
LEFT = [(float(beat), 1.0, 43 + 5 * (beat % 3), 60) for beat in range(16)]


@pytest.fixture
def ideas_of(limit_requests):
    def call(piece, caret, seed=1, n_ideas=3, **options):
        order = Order(n_ideas=n_ideas, seed=seed, sampling=SamplingSettings(1.0, 1.0), asked=read_asked(**options))
        return compose(limit_requests.Noise(seed), TOKENIZER, piece, caret, order)

    return call


def events_of(data, track):
    """Return the events of a track chunk with their ticks."""
    now, found = 0, []
    for message in mido.MidiFile(file=io.BytesIO(data)).tracks[track]:
        now += message.time
        found.append((now, message.copy(time=0)))
    return found


@pytest.mark.parametrize(("hand", "other"), [("left", 1), ("right", 2)])
def test_the_other_hand_stays_event_by_event(ideas_of, piece_of, hand, other):
    piece = piece_of(RIGHT, LEFT, names=("RH", "LH"), pedals=[(4, 127), (6, 0), (9, 127), (11, 0)])
    composition = ideas_of(piece, span_caret(piece, 2, 3), hand=hand, key="C")
    assert len(composition.ideas) == 3
    for idea in composition.ideas:
        assert events_of(idea.with_completion, other) == events_of(piece.data, other)
        assert events_of(idea.with_completion, 3 - other) != events_of(piece.data, 3 - other)
        found = count_violations(piece.data, idea.with_completion, Bars(2, 3), {"hand": hand})
        assert not any(found.values()), found
        assert {note.track for note in idea.notes} == {2 - other}


def test_one_track_is_told_apart_by_the_rule(ideas_of, piece_of):
    piece = piece_of([*RIGHT, *LEFT])
    composition = ideas_of(piece, span_caret(piece, 2, 3), hand="left")
    for idea in composition.ideas:
        old, new = (
            {(tick, m.note) for tick, m in events_of(data, 1) if m.type == "note_on" and m.velocity}
            for data in (piece.data, idea.with_completion)
        )
        assert {(round(480 * note[0]), note[2]) for note in RIGHT} <= new
        assert not {n for n in old - new if not 1920 <= n[0] < 5760}


def test_without_a_bar_the_hand_goes_on_where_it_stops(limit_requests, piece_of):
    piece = piece_of(RIGHT, LEFT[:8], names=("RH", "LH"))
    session = Session(limit_requests.Noise(1), TOKENIZER, piece, reads_ahead=False)
    stream = session.stream(bars=2, candidates=1, seed=1, hand="left")
    ideas = stream.ideas()
    assert (ideas.caret.bar_index, ideas.caret.n_bars) == (2, 2)
    assert any("Only the left hand was written" in sentence for sentence in ideas.warnings)
    assert ideas.limits == {"hand": "left"}
    assert {note.pitch < 67 for note in ideas[0].notes} == {True}


def test_a_hand_that_has_not_played_yet_begins_under_the_other(limit_requests, piece_of):
    piece = piece_of(RIGHT)
    session = Session(limit_requests.Noise(2), TOKENIZER, piece, reads_ahead=False)
    ideas = session.stream(bars=2, candidates=2, seed=1, hand="left").ideas()
    assert (ideas.caret.bar_index, ideas.caret.is_inserted) == (0, False)
    for idea in ideas:
        assert idea.notes
        assert len(events_of(idea.with_completion, 1)) == len(events_of(piece.data, 1)) + 2 * len(idea.notes)


def test_the_model_is_asked_as_it_was_trained(piece_of):
    from pianomuse.generate.compose import set_scene

    piece = piece_of(RIGHT, LEFT, names=("RH", "LH"))
    order = order_of({"hand": "left", "seed": 1}, is_fill=True)
    scene = set_scene(piece, TOKENIZER, span_caret(piece, 2, 3), order)
    names = TOKENIZER.names(scene.request.ids)
    task = names.index("Task_Hand")
    assert "Hand_Left" in names[task:]
    assert not {"Fill_Given", "Fill_Middle"} & set(names)
    beside = [TOKENIZER.names(bar) for bar in scene.request.plan.beside]
    assert len(beside) == 2, "one for each bar"
    for bar in beside:
        assert (bar[0], bar[-1]) == ("Fill_Given", "Fill_Middle")
        assert "Bar_None" not in bar
        pitches = {name for name in bar if name.startswith("Pitch")}
        assert pitches, "the right hand plays in every bar"
        assert pitches <= {f"Pitch_{p}" for p in range(67, 78)}


@pytest.mark.parametrize("hand", ["left", "right"])
def test_other_limits_hold_for_the_hand_alone(ideas_of, limit_requests, piece_of, hand):
    n_bars = 0
    for seed in range(6):
        rng = np.random.default_rng([8, seed])
        piece = piece_of(RIGHT, LEFT, names=("RH", "LH"), metre=[(4, 4), (3, 4), (7, 8)][seed % 3])
        limits = limit_requests.random_limits(rng, 2)
        limits = {n: t for n, t in limits.items() if n in ("key", "chords", "chords-strict")} | {"hand": hand}
        if seed % 2:
            limits |= {"keep": "rhythm"}
        else:
            limits |= {"notes-per-bar": "2-5"}
        caret = span_caret(piece, 2, 3)
        try:
            composition = ideas_of(piece, caret, seed, 2, **limit_requests.options_of(limits))
        except RequestError:
            continue
        for idea in composition.ideas:
            counted = {n: t for n, t in limits.items() if n not in ("notes-per-bar", "keep")}
            found = count_violations(piece.data, idea.with_completion, limit_requests.bars_of(caret), counted)
            assert found["hand"] == found.get("key", 0) == 0, (seed, limits, found)
            n_bars += 2
            lines = caret.bar_lines
            n_new = [sum(a <= note.tick < b for note in idea.notes) for a, b in pairwise(lines)]
            assert "notes-per-bar" not in limits or all(2 <= n <= 5 for n in n_new)
    assert n_bars > 12


def test_a_half_finished_bar_is_refused(ideas_of, piece_of):
    piece = piece_of(RIGHT[:20], LEFT[:10], names=("RH", "LH"))
    with pytest.raises(RequestError, match="half finished"):
        ideas_of(piece, find_caret(piece), hand="left")


def test_real_pieces_get_another_left_hand(ideas_of, corpus):
    for name in ("mutopia/bach-invention-10", "mutopia/czerny-op821-no1"):
        piece = read_midi(corpus / f"{name}.mid")
        composition = ideas_of(piece, span_caret(piece, 3, 5), n_ideas=2, hand="left")
        for idea in composition.ideas:
            found = count_violations(piece.data, idea.with_completion, Bars(3, 5), {"hand": "left"})
            assert found["hand"] == 0, (name, found)
