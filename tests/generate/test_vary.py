"""What a variation keeps, read out of its file by code that shares nothing with the masks."""

from itertools import pairwise

import pytest

from pianomuse.errors import RequestError
from pianomuse.generate.asked import read_asked
from pianomuse.generate.caret import span_caret
from pianomuse.generate.compose import Order
from pianomuse.generate.harmony import parse_chord
from pianomuse.generate.original import harmony_of, kept_order
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.generate.session import compose
from pianomuse.generate.side import SideReader
from pianomuse.measure.limits import count_violations
from pianomuse.measure.new_bars import Bars
from pianomuse.midi.read import read_midi
from pianomuse.tokens.tokenizer import PianoTokenizer

TOKENIZER = PianoTokenizer()


def varied(engine, piece, first, last, keep, **options):
    caret = span_caret(piece, first, last)
    order = Order(
        n_ideas=2,
        seed=4,
        sampling=SamplingSettings(1.0, 1.0),
        is_fill=True,
        asked=read_asked(**options),
        has_feel=False,
    )
    order = kept_order(order, keep, caret, SideReader(piece, TOKENIZER))
    return caret, compose(engine, TOKENIZER, piece, caret, order)


def notes_of(data):
    return [(n.time, n.time + n.duration, n.pitch) for n in read_midi(data).score.tracks[0].notes]


@pytest.mark.parametrize("name", ["finished-phrase", "expressive-pedal"])
def test_a_kept_rhythm_is_the_same_to_the_tick(dice, real, name):
    piece = real(name)
    caret, composition = varied(dice, piece, 3, 5, "rhythm")
    old = [n for n in notes_of(piece.data) if caret.tick <= n[0] < caret.end_tick]
    there = sorted((on, min(off, caret.end_tick) - on) for on, off, _ in old)  # notes are clipped at the end
    for idea in composition.ideas:
        assert sorted((n.tick, n.duration_ticks) for n in idea.notes) == there
        assert [n.pitch for n in idea.notes] != [pitch for _, _, pitch in old]


@pytest.mark.parametrize("name", ["finished-phrase", "right-hand", "waltz-pickup"])
def test_under_a_kept_contour_the_top_line_moves_as_it_did(dice, real, name):
    piece = real(name)
    bars = Bars(3, 6, 0, (3, 4, 5, 6))
    caret, kept = varied(dice, piece, 3, 6, "contour")
    old = [n for n in notes_of(piece.data) if caret.tick <= n[0] < caret.end_tick]
    for idea in kept.ideas:
        assert count_violations(piece.data, idea.with_completion, bars, {"keep": "contour"})["keep"] == 0
        assert sorted(n.pitch for n in idea.notes) != sorted(n[2] for n in old)
    _, free = varied(dice, piece, 3, 6, "rhythm")  # by chance no line is kept
    for idea in free.ideas:
        assert count_violations(piece.data, idea.with_completion, bars, {"keep": "contour"})["keep"] > 0


def test_one_line_keeps_every_rise_fall_and_repetition(dice, real):
    piece = real("right-hand")
    caret, kept = varied(dice, piece, 2, 5, "contour")
    old = [n[2] for n in sorted(notes_of(piece.data)) if caret.tick <= n[0] < caret.end_tick]
    wanted = [(b > a) - (b < a) for a, b in pairwise(old)]
    assert len(set(wanted)) == 3
    for idea in kept.ideas:
        new = [n.pitch for n in sorted(idea.notes, key=lambda n: n.tick)]
        assert [(b > a) - (b < a) for a, b in pairwise(new)] == wanted


def test_a_contour_and_a_range_too_narrow_for_it_are_refused(dice, real):
    with pytest.raises(RequestError, match=r"--range C5-D5.*--keep contour|--keep contour.*--range C5-D5"):
        varied(dice, real("right-hand"), 2, 5, "contour", range="C5-D5")


@pytest.mark.parametrize("name", ["finished-phrase", "right-hand", "waltz-pickup"])
def test_under_a_kept_harmony_a_beat_has_only_what_sounded_in_it(dice, real, name):
    piece = real(name)
    caret, composition = varied(dice, piece, 3, 6, "harmony")
    old = notes_of(piece.data)
    n_checked = 0
    for idea in composition.ideas:
        for note in idea.notes:
            bar = max(line for line in caret.bar_lines if line <= note.tick)
            step = piece.grid.beat_ticks(caret.bar_index)
            beat = bar + (note.tick - bar) // step * step
            end = min(line for line in caret.bar_lines if line > note.tick)
            here = {pitch % 12 for on, off, pitch in old if on < beat + step and off > beat}
            in_bar = {pitch % 12 for on, off, pitch in old if on < end and off > bar}
            assert note.pitch % 12 in in_bar
            if len(here) >= 4:  # as many before short overlaps are left out
                assert note.pitch % 12 in here
                n_checked += 1
    assert n_checked or name != "finished-phrase"


def test_harmony_is_read_beat_by_beat_and_thin_beats_together(piece_of):
    upper = [(0, 1, 64), (0, 1, 67), (1, 1, 65), (1, 1, 69), (2, 1, 60), (3, 1, 62), (8, 4, 64)]
    lower = [(0, 1, 48), (1, 1, 50), (2, 2, 55)]
    side = SideReader(piece_of(upper, lower), TOKENIZER).whole
    first, second, third = harmony_of(side, 0, [(4, 4)] * 3)
    found = [chord and (chord.tones, chord.bass) for chord in first]
    wanted = [parse_chord(symbol) for symbol in ("C", "Dm", "Csus2")]  # beats 3 and 4: G, C and D together
    assert found == [*((chord.tones, bass) for chord, bass in zip(wanted, (0, 2, 7), strict=True)), None]
    assert second is None
    assert sorted(third[0].tones) == [4]


def test_what_is_said_twice_or_cannot_be_kept_is_refused(dice, piece_of):
    piece = piece_of([(0, 1, 64), (16, 1, 64)])
    with pytest.raises(RequestError, match="both say the harmony"):
        varied(dice, piece, 1, 1, "harmony", chords="Am")
    with pytest.raises(RequestError, match="nothing sounds"):
        varied(dice, piece, 2, 3, "harmony")
    with pytest.raises(RequestError, match="choose rhythm, contour or harmony"):
        varied(dice, piece, 1, 1, "shape")
    with pytest.raises(RequestError, match=r"as in bars 1 to 1 and --range F4-F4 cannot both hold"):
        varied(dice, piece, 1, 1, "harmony", range="F4-F4")
