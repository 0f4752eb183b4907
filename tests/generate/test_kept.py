"""A rhythm kept while pitches are free, and pitches kept while the rhythm is free: read off the exported files."""

import io

import mido
import numpy as np
import pytest

from pianomuse.errors import RequestError
from pianomuse.generate.asked import read_asked
from pianomuse.generate.caret import find_caret, span_caret
from pianomuse.generate.compose import Order
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.generate.session import compose
from pianomuse.measure.limits import count_violations
from pianomuse.measure.new_bars import Bars
from pianomuse.midi.read import read_midi
from pianomuse.tokens.tokenizer import PianoTokenizer

TOKENIZER = PianoTokenizer()
RIGHT = [(0, 1, 72), (1, 0.5, 74), (1.5, 0.5, 76), (2, 2, 77), (4, 3, 79), (7, 0.25, 77), (7.25, 0.75, 76), (8, 4, 72)]
LEFT = [(0, 2, 48), (0, 2, 55), (2, 2, 52), (4, 4, 43), (8, 1, 48), (9, 1, 55), (10, 2, 52)]


@pytest.fixture
def ideas_of(limit_requests):
    """Write ideas with a model of noise."""

    def call(piece, caret, seed=1, n_ideas=3, **options):
        order = Order(n_ideas=n_ideas, seed=seed, sampling=SamplingSettings(1.0, 1.0), asked=read_asked(**options))
        return compose(limit_requests.Noise(seed), TOKENIZER, piece, caret, order)

    return call


def notes_of(data, first_tick, last_tick):
    """Return (tick from first_tick, length, pitch) of the notes that start in a span, read with mido."""
    found = []
    for track in mido.MidiFile(file=io.BytesIO(data)).tracks:
        now, down = 0, {}
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity:
                down[message.note] = now
            elif message.type in ("note_off", "note_on") and message.note in down:
                start = down.pop(message.note)
                if first_tick <= start < last_tick:
                    found.append((start - first_tick, now - start, message.note))
    return sorted(found, key=lambda note: (note[0], note[2]))


def test_the_rhythm_of_the_bars_written_over_is_kept_to_the_tick(ideas_of, piece_of):
    piece = piece_of(RIGHT, LEFT)
    old = notes_of(piece.data, 1920, 5760)
    composition = ideas_of(piece, span_caret(piece, 2, 3), keep="rhythm", key="Bb", range="C2-C6")
    assert len(composition.ideas) == 3
    for idea in composition.ideas:
        new = notes_of(idea.with_completion, 1920, 5760)
        assert sorted(n[:2] for n in new) == sorted(n[:2] for n in old)
        assert all(n[2] % 12 in {10, 0, 2, 3, 5, 7, 9} and 36 <= n[2] <= 84 for n in new)
        assert [n[2] for n in new] != [n[2] for n in old]


def test_behind_the_end_the_rhythm_of_the_last_bars_goes_on(ideas_of, piece_of):
    piece = piece_of(RIGHT, LEFT)
    composition = ideas_of(piece, find_caret(piece, bars=2), keep="rhythm")
    assert composition.scene.request.plan.kept.bars == (2, 3)
    for idea in composition.ideas:
        new = notes_of(idea.with_completion, 5760, 9600)
        assert sorted(n[:2] for n in new) == sorted(n[:2] for n in notes_of(piece.data, 1920, 5760))


def test_pitches_are_kept_strike_by_strike_while_the_rhythm_is_free(ideas_of, piece_of):
    piece = piece_of(RIGHT, LEFT)
    composition = ideas_of(piece, span_caret(piece, 1, 3), keep="pitches")
    assert len(composition.ideas) == 3
    for idea in composition.ideas:
        assert count_violations(piece.data, idea.with_completion, Bars(1, 3, 0, (1, 2, 3)), {"keep": "pitches"}) == {
            "metre": 0, "tempo": 0, "hands": 0, "keep": 0
        }  # fmt: skip
        new, old = notes_of(idea.with_completion, 0, 5760), notes_of(piece.data, 0, 5760)
        assert [n[2] for n in new] == [n[2] for n in old]
        assert [n[:2] for n in new] != [n[:2] for n in old]


def test_bars_to_keep_can_be_named(ideas_of, piece_of):
    piece = piece_of(RIGHT, LEFT)
    composition = ideas_of(piece, find_caret(piece, bars=2), keep="rhythm", keep_from=1)
    assert composition.scene.request.plan.kept.bars == (1, 2)
    new = notes_of(composition.ideas[0].with_completion, 5760, 9600)
    assert sorted(n[:2] for n in new) == sorted(n[:2] for n in notes_of(piece.data, 0, 3840))


def test_a_half_finished_bar_keeps_the_rest_of_it(ideas_of, piece_of):
    piece = piece_of([*RIGHT, (12, 1, 74), (13, 1, 76)], LEFT)
    caret = find_caret(piece, bars=1)
    assert caret.finishes_bar
    composition = ideas_of(piece, caret, keep="rhythm")
    assert composition.scene.request.plan.kept.bars == (2, 3)
    new = notes_of(composition.ideas[0].with_completion, 6720, 7680)
    assert sorted(n[:2] for n in new) == [(480, 120), (600, 360)]  # as in the second half of bar 2


@pytest.mark.parametrize("keep", ["rhythm", "contour", "pitches"])
def test_random_pieces_keep_in_odd_metres_with_other_limits(ideas_of, limit_requests, piece_of, keep):
    n_bars = 0
    for seed in range(10):
        rng = np.random.default_rng([5, seed])
        piece = limit_requests.random_piece(rng, piece_of, limit_requests.METRES[seed])
        caret = find_caret(piece, bars=2) if seed % 2 else span_caret(piece, 2, 3)
        limits = limit_requests.random_limits(rng, caret.n_bars) if keep != "pitches" else {}
        limits = {name: text for name, text in limits.items() if name not in ("notes-per-bar", "voices")} | {
            "keep": keep
        }
        try:
            composition = ideas_of(piece, caret, seed, 2, **limit_requests.options_of(limits))
        except RequestError:
            continue
        bars = limit_requests.bars_of(caret)
        bars = Bars(bars.first, bars.last, bars.from_tick, composition.scene.request.plan.kept.bars)
        for idea in composition.ideas:
            found = count_violations(piece.data, idea.with_completion, bars, limits)
            assert not any(found.values()), (seed, limits, found)
            n_bars += caret.n_bars
    assert n_bars > 25


@pytest.mark.parametrize("keep", ["rhythm", "contour", "pitches"])
def test_real_pieces_can_be_kept(ideas_of, corpus, keep):
    n_notes = 0
    for name in ("mutopia/bach-invention-10", "mutopia/czerny-op821-no1", "lieder/schroeter-wassermann"):
        piece = read_midi(corpus / f"{name}.mid")
        caret = span_caret(piece, 3, 4)
        composition = ideas_of(piece, caret, 2, 1, keep=keep)
        for idea in composition.ideas:
            bars = Bars(3, 4, 0, (3, 4))
            assert count_violations(piece.data, idea.with_completion, bars, {"keep": keep})["keep"] == 0, name
            n_notes += len(idea.notes)
    assert n_notes > 30


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keep": "pitches", "key": "C#"}, ("--key C#", "--keep pitches", "bar 4")),
        ({"keep": "rhythm", "notes_per_bar": "20-"}, ("--notes-per-bar 20-", "--keep rhythm")),
        ({"keep": "rhythm", "voices": "1"}, ("--voices 1", "--keep rhythm")),
        ({"keep": "rhythm", "keep_from": 9}, ("--keep-from 9", "bars 1 to 3")),
        ({"keep": "rhythm", "range": "C4-C#4"}, ("--range C4-C#4", "--keep rhythm")),
    ],
)
def test_what_cannot_be_kept_is_refused(ideas_of, piece_of, options, words):
    piece = piece_of(RIGHT, LEFT)
    with pytest.raises(RequestError) as refusal:
        ideas_of(piece, find_caret(piece, bars=3), **options)
    for word in words:
        assert word in str(refusal.value)


def test_bars_of_another_metre_or_without_notes_are_refused(ideas_of, piece_of):
    piece = piece_of(RIGHT, metres=[(0, 4, 4), (8, 3, 4)])
    with pytest.raises(RequestError, match="bar 1 is in 4/4"):
        ideas_of(piece, find_caret(piece, bars=1), keep="rhythm", keep_from=1)
    with pytest.raises(RequestError, match="no bar stands before"):
        ideas_of(piece, find_caret(piece, at_bar=0, bars=1, insert=True), keep="rhythm")
