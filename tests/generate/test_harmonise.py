"""One hand under or over the other: what was given stays, hands do not cross, and one hand can play what is new."""

from collections import Counter
from dataclasses import replace

import mido
import pytest

from pianomuse.errors import RequestError
from pianomuse.generate.asked import read_asked
from pianomuse.generate.caret import span_caret
from pianomuse.generate.compose import Order
from pianomuse.generate.playable import count_unplayable
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.generate.session import compose
from pianomuse.generate.under import MISSING
from pianomuse.tokens.tokenizer import PianoTokenizer

TOKENIZER = PianoTokenizer()
TUNE = [(0.0, 1.0, 72), (1.0, 0.5, 74), (1.5, 0.5, 76), (2.0, 2.0, 71), (4.0, 1.5, 69), (5.5, 0.5, 60), (6.0, 2.0, 67)]
TUNE += [(8 + onset, duration, pitch - 2) for onset, duration, pitch in TUNE]
BASS = [(float(beat), 1.0, 40 + 5 * (beat % 4)) for beat in range(16)]
PEDAL = [(0.0, 127), (3.5, 0), (4.0, 127), (7.5, 0)]


def harmonised(engine, piece, first, last, hand=MISSING, n_ideas=3, **limits):
    asked = read_asked(**limits)
    order = Order(n_ideas=n_ideas, seed=5, sampling=SamplingSettings(1.0, 1.0), adds_hand=hand, asked=asked)
    return compose(engine, TOKENIZER, piece, span_caret(piece, first, last), order)


def everything(data, tmp_path):
    """Count all events of a file by track, tick and bytes, read by mido."""
    path = tmp_path / "some.mid"
    path.write_bytes(data)
    found = Counter()
    for number, track in enumerate(mido.MidiFile(path).tracks):
        now = 0
        for message in track:
            now += message.time
            found[number, now, tuple(message.copy(time=0).bytes())] += 1
    return found


@pytest.mark.parametrize(("part", "hand"), [(TUNE, "left"), (BASS, "right")])
@pytest.mark.parametrize("tempo", [60, 208])
def test_the_other_hand_is_added_and_nothing_else(dice, piece_of, tmp_path, part, hand, tempo):
    piece = piece_of(part, tempos=((0, tempo),), pedals=PEDAL)
    composition = harmonised(dice, piece, 1, 4)
    before = everything(piece.data, tmp_path)
    quarter = piece.grid.ticks_per_quarter
    for idea in composition.ideas:
        assert idea.notes
        added = everything(idea.with_completion, tmp_path) - before
        assert before - everything(idea.with_completion, tmp_path) == Counter()
        assert {event[0] & 0xE0 for _, _, event in added} == {0x80}  # notes go on and off, nothing else
        assert sum(added.values()) == 2 * len(idea.notes)
        for note in idea.notes:
            end = note.tick + note.duration_ticks
            for onset, duration, pitch in part:
                if onset * quarter < end and (onset + duration) * quarter > note.tick:
                    assert note.pitch < pitch if hand == "left" else note.pitch > pitch
        rows = [(n.tick * 24 // quarter, (n.tick + n.duration_ticks) * 24 // quarter, n.pitch) for n in idea.notes]
        assert count_unplayable(rows, 1, tempo) == 0


def test_it_is_written_from_the_first_given_note_on(dice, piece_of):
    piece = piece_of([(3.0, 1.0, 72), *((onset + 4, duration, pitch) for onset, duration, pitch in TUNE)])
    for idea in (*harmonised(dice, piece, 1, 5).ideas, *harmonised(dice, piece, 1, 5, notes_per_bar="4-").ideas):
        assert min(note.tick for note in idea.notes) >= 3 * piece.grid.ticks_per_quarter


def test_limits_hold_for_the_new_hand(dice, piece_of):
    piece = piece_of(TUNE)
    for idea in harmonised(dice, piece, 2, 3, key="C", range="C2-B3", notes_per_bar="3-5").ideas:
        assert {note.pitch % 12 for note in idea.notes} <= {0, 2, 4, 5, 7, 9, 11}
        assert all(36 <= note.pitch <= 59 for note in idea.notes)
        bars = Counter(note.tick // (4 * piece.grid.ticks_per_quarter) for note in idea.notes)
        assert set(bars) == {1, 2}
        assert all(3 <= count <= 5 for count in bars.values())


def test_new_notes_go_to_the_track_of_their_hand(dice, piece_of):
    piece = piece_of([(16.0, 1.0, 72), *TUNE], [(16.0, 1.0, 48)], names=("right hand", "left hand"))
    for idea in harmonised(dice, piece, 1, 4).ideas:
        assert {piece.tracks[note.track].role for note in idea.notes} == {"left"}


def test_bars_with_two_hands_or_none_are_refused(dice, piece_of):
    piece = piece_of([*TUNE, (24.0, 1.0, 72)], [(0.0, 4.0, 40)], names=("right hand", "left hand"))
    with pytest.raises(RequestError, match=r"bar 1: two hands play there already"):
        harmonised(dice, piece, 1, 1)
    with pytest.raises(RequestError, match=r"bars 5 to 6: no notes"):
        harmonised(dice, piece, 5, 6)
    assert harmonised(dice, piece, 2, 4).scene.request.plan.given.hand == "left"


def test_what_rings_in_is_given_too(dice, piece_of):
    piece = piece_of([(0.0, 6.0, 62), (8.0, 2.0, 72), (5.0, 1.0, 76)], [(1.0, 0.5, 40)], names=("right", "left"))
    plan = harmonised(dice, piece, 2, 3).scene.request.plan
    assert (0, 48, 62) in plan.given.notes
    assert plan.ringing == ()
    early = replace(plan.given, notes=plan.given.notes[:1])
    assert early.longest(0, 62) == 0
    assert early.longest(0, 61) is None
