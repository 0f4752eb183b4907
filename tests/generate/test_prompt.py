"""What the model is asked: the layout of the training examples, the caret block, and the limits that were heard."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from pianomuse.errors import MidiError, RequestError
from pianomuse.generate.caret import Caret, find_caret, span_caret
from pianomuse.generate.compose import is_little
from pianomuse.generate.grid import Grid
from pianomuse.generate.key import HeardKey, heard_key
from pianomuse.generate.prompt import Request, write_request
from pianomuse.generate.side import SideReader
from pianomuse.generate.tempo import idea_tempo
from pianomuse.midi.read import Piece
from pianomuse.tokens.tokenizer import PianoTokenizer

Make = Callable[..., Piece]
Real = Callable[[str], Piece]

TOKENIZER = PianoTokenizer()
CONTROLS = ("Task", "Dynamics", "Key", "Hand", "Voices", "Density", "Ending", "Bars")


def ask(piece: Piece, caret: Caret | None = None, **others: object) -> Request:
    caret = caret or find_caret(piece)
    keep = bool(others.pop("keep_ritardando", False))
    tempo = idea_tempo(piece, caret, keep_ritardando=keep)
    return write_request(piece, TOKENIZER, caret, tempo, heard_key(piece, caret.tick), **others)


def names(request: Request) -> list[str]:
    return TOKENIZER.names(request.ids)


def controls(request: Request) -> list[str]:
    return [name for name in names(request) if name.split("_")[0] in CONTROLS]


def melody(n: int, step: float = 1.0, low: int = 60) -> list[tuple[float, float, int, int]]:
    return [(i * step, step, low + (i * 5) % 12, 70 + (i * 7) % 30) for i in range(n)]


def test_a_continuation_is_the_piece_and_then_the_caret_block(real: Real) -> None:
    piece = real("finished-phrase")
    request = ask(piece)
    whole = TOKENIZER.encode(piece.score, n_bars=8)
    assert names(request)[0] == "BOS_None"
    assert request.ids[1 : 1 + len(whole)].tolist() == whole.tolist()
    assert names(request)[1 + len(whole) :] == controls(request)
    kinds = [name.split("_")[0] for name in controls(request)]
    assert kinds == [kind for kind in CONTROLS if kind in kinds]
    assert controls(request)[0] == "Task_Continue"
    assert controls(request)[-1] == "Bars_4"
    assert request.plan.first_bar == ()
    assert request.before.n_bars == 8


def test_a_broken_off_bar_is_fed_behind_the_caret_block(real: Real) -> None:
    piece = real("broken-off-on-beat-3")
    request = ask(piece)
    spoken = names(request)
    bars_token = spoken.index("Bars_5")
    half = spoken[bars_token + 1 :]
    assert half[:2] == ["Bar_None", "TimeSig_4/4"]
    assert [TOKENIZER.vocabulary.id(name) for name in half] == list(request.plan.first_bar)
    positions = [int(name.removeprefix("Position_")) for name in half if name.startswith("Position_")]
    assert positions
    assert max(positions) < 48 == request.plan.min_position
    assert spoken[:bars_token].count("Bar_None") == 5
    assert request.plan.n_bars == 5


def test_a_fill_hears_at_most_eight_bars_behind_the_gap_between_far_and_near(real: Real) -> None:
    piece = real("waltz-pickup")
    request = ask(piece, span_caret(piece, 8, 9), is_fill=True)
    spoken = names(request)
    parts = ("BOS_None", "Fill_Suffix", "Fill_Prefix", "Fill_Middle", "Task_Fill", "Bars_2")
    order = [spoken.index(name) for name in parts]
    assert order == sorted(order)
    assert [spoken[a:b].count("Bar_None") for a, b in pairwise(order[:4])] == [3, 8, 4]
    assert spoken[order[1] + 1 : order[1] + 3] == spoken[order[2] + 1 : order[2] + 3] == ["TimeSig_3/8", spoken[2]]
    assert request.after is not None
    assert request.after.n_bars == 8
    assert [spoken[line] for line in request.lines] == ["Bar_None", "Bar_None", "Bar_None", "Fill_Suffix"]


def test_a_fill_with_few_bars_before_it_has_the_suffix_first(real: Real) -> None:
    piece = real("waltz-pickup")
    request = ask(piece, span_caret(piece, 5, 6), is_fill=True)
    assert names(request)[:2] == ["BOS_None", "Fill_Suffix"]
    assert names(request).count("Bar_None") == 12
    assert len(request.lines) == 0


def test_far_bars_of_a_fill_are_those_of_a_continuation(real: Real) -> None:
    piece = real("gap-of-four-bars")
    fill, go_on = ask(piece, span_caret(piece, 9, 12), is_fill=True), ask(piece, find_caret(piece, at_bar=8))
    far = int(fill.lines[-1])
    assert fill.lines.tolist() == go_on.lines[:5].tolist()
    assert fill.ids[:far].tolist() == go_on.ids[:far].tolist()


def test_a_fill_with_nothing_behind_it_is_a_continuation(real: Real) -> None:
    piece = real("finished-phrase")
    request = ask(piece, span_caret(piece, 7, 8), is_fill=True)
    assert request.after is None
    assert controls(request)[0] == "Task_Continue"


def test_context_bars_cuts_far_from_the_caret_and_keeps_what_is_in_force(real: Real) -> None:
    piece = real("butterworth-one-and-twenty")
    caret = find_caret(piece, at_bar=30)
    request = ask(piece, caret, context_bars=4)
    assert names(request).count("Bar_None") == 4
    assert request.before.n_bars == 4
    full = ask(piece, caret)
    assert full.before.n_bars == 30
    last_four = TOKENIZER.find_bar_indices(full.before.bars)[-4]
    assert request.before.bars.tolist() == full.before.bars[last_four:].tolist()
    with pytest.raises(RequestError, match="context-bars"):
        ask(piece, caret, context_bars=0)


def test_too_many_tokens_are_cut_at_a_bar_line(real: Real) -> None:
    piece = real("webern-im-morgentaun")
    caret = find_caret(piece, at_bar=piece.grid.n_bars)
    reader = SideReader(piece, TOKENIZER)
    tempo = idea_tempo(piece, caret, keep_ritardando=True)
    whole = reader.before(caret, tempo, 512, 32_768)
    cut = reader.before(caret, tempo, 512, len(whole.bars) // 3)
    assert 0 < len(cut.bars) <= len(whole.bars) // 3
    assert cut.bars.tolist() == whole.bars[-len(cut.bars) :].tolist()
    assert TOKENIZER.names(cut.bars)[0] == "Bar_None"
    assert cut.head == TOKENIZER.extract_metadata_tokens(
        np.concatenate([whole.head, whole.bars]), len(whole.head) + len(whole.bars) - len(cut.bars) + 2
    )
    assert len(cut.positions) == len(cut.notes.onset) == len(cut.velocities)


def test_one_velocity_is_a_limit_and_no_dynamics(piece_of: Make) -> None:
    even = ask(piece_of([(n, 1.0, 60 + n % 7, 91) for n in range(16)]))
    assert even.plan.limits.velocity == 91
    assert "Dynamics_Unknown" in controls(even)
    alive = ask(piece_of(melody(16)))
    assert alive.plan.limits.velocity is None
    assert "Dynamics_Known" in controls(alive)


def test_a_key_signature_is_told_and_a_guess_is_not(piece_of: Make) -> None:
    scale = [(n, 1.0, 60 + (0, 2, 4, 5, 7, 9, 11, 12)[n % 8]) for n in range(16)]
    assert not [name for name in controls(ask(piece_of(scale))) if name.startswith("Key")]
    assert "Key_C" in controls(ask(piece_of(scale, key="C")))
    minor = [(n, 1.0, 57 + (0, 2, 3, 5, 7, 8, 11, 12)[n % 8]) for n in range(16)]
    assert "Key_Am" in controls(ask(piece_of(minor, key="C")))  # no mode written: the notes decide
    assert "Key_Am" in controls(ask(piece_of(scale, key="Am")))


def test_a_signature_that_nobody_set_is_a_guess(piece_of: Make) -> None:
    far = [(n, 1.0, 66 + (0, 2, 4, 5, 7, 9, 11, 12)[n % 8]) for n in range(24)]  # F♯ major under no sharps
    key = heard_key(piece_of(far, key="C"), 24 * 480)
    assert key.is_guess
    assert key.name == "F♯ major"


@pytest.mark.parametrize(("index", "name"), [(3, "E♭ major"), (13, "C♯ minor"), (20, "G♯ minor"), (10, "B♭ major")])
def test_keys_are_spelled_as_musicians_do(index: int, name: str) -> None:
    assert HeardKey(index, is_guess=False).name == name


def test_one_line_stays_one_line(real: Real, piece_of: Make) -> None:
    request = ask(piece_of(melody(16)))
    assert request.heard is not None
    assert request.heard.is_one_line
    assert request.plan.limits.max_voices == 1
    assert request.plan.limits.n_hands == 1
    assert controls(request)[0] == "Task_Melody"
    assert "Hand_Both" not in controls(request)


def test_a_right_hand_alone_stays_one(real: Real) -> None:
    piece = real("right-hand")
    request = ask(piece)
    assert request.heard is not None
    assert request.heard.hands == "right hand alone"
    assert request.plan.limits.n_hands == 1
    lowest = min(note.pitch for note in piece.score.tracks[0].notes)
    assert request.plan.limits.lowest_pitch >= lowest - 5


def test_two_hands_stay_two_hands(real: Real) -> None:
    for name in ("finished-phrase", "waltz-pickup", "expressive-pedal", "bach-bwv-269"):
        request = ask(real(name))
        assert request.heard is not None
        assert request.heard.hands == "two hands"
        assert request.plan.limits.n_hands in (2, 0)
        assert "Hand_Both" in controls(request)


def test_what_two_hands_cannot_play_is_no_limit_where_the_context_asks_for_it(real: Real) -> None:
    assert ask(real("finished-phrase")).plan.limits.n_hands == 2
    assert ask(real("expressive-pedal")).plan.limits.n_hands == 0  # its basses are held by the pedal alone


def test_a_hand_that_rests_for_four_bars_stays_silent(piece_of: Make) -> None:
    left = [(n, 1.0, 40 + n % 5) for n in range(16)]
    piece = piece_of(melody(48, low=72), left, names=("RH", "LH"))
    request = ask(piece)
    assert request.heard is not None
    assert request.heard.hands == "right hand alone"
    assert request.plan.limits.lowest_pitch > 60


def test_the_grid_of_written_music_is_kept(piece_of: Make) -> None:
    sixteenths = [(n * 0.25, 0.25, 60 + n % 7) for n in range(32)]
    assert ask(piece_of(sixteenths)).plan.limits.grid == Grid((6,), (6,))
    triplets = [(n / 3, 1 / 3, 60 + n % 7) for n in range(24)]
    assert ask(piece_of(triplets)).plan.limits.grid == Grid((8,), (8,))
    both = sixteenths + [(8 + n / 3, 1 / 3, 60 + n % 7) for n in range(12)]
    assert ask(piece_of(both)).plan.limits.grid.onset_steps == (6, 8)
    with_32nd = [*sixteenths, (8.125, 0.125, 70)]
    assert ask(piece_of(with_32nd)).plan.limits.grid.onset_steps == ()


def test_notes_that_end_a_tick_early_are_on_the_grid(piece_of: Make) -> None:
    early = [(n * 0.5, 0.5 - 1 / 480, 60 + n % 7) for n in range(32)]
    assert ask(piece_of(early)).plan.limits.grid == Grid((6,), (6,))


def test_played_music_is_read_at_its_musical_position(piece_of: Make) -> None:
    rng = np.random.default_rng(5)
    written = [(n * 0.5, 0.5, 60 + (n * 5) % 12) for n in range(64)]
    played = [(max(on + rng.normal(0, 0.02), 0), length, pitch) for on, length, pitch in written]
    request = ask(piece_of(played))
    assert set(request.before.positions.tolist()) <= set(range(0, 96, 12))
    assert request.plan.limits.grid.onset_steps == (6,)


def test_ringing_notes_are_in_the_plan_and_their_pitch_is_closed(piece_of: Make) -> None:
    piece = piece_of([(0, 4.0, 60), (4, 4.0, 64), (7, 2.5, 48)])
    request = ask(piece, find_caret(piece, at_bar=2))
    assert [(note.pitch, note.end_units) for note in request.plan.ringing] == [(48, 36)]


def test_a_held_pedal_is_heard_and_reaches_the_plan(piece_of: Make) -> None:
    held = piece_of(melody(16), pedals=[(0, 127), (8, 0), (12, 127)])
    request = ask(held)
    assert request.plan.pedal_down
    assert request.plan.limits.may_pedal
    assert names(request).count("Pedal_0") == 2
    assert names(request).count("PedalOff_0") == 1
    assert names(request).count("Bar_None") == 4
    without = ask(piece_of(melody(16)))
    assert not without.plan.pedal_down
    assert not without.plan.limits.may_pedal


def test_a_ritardando_is_passed_over_unless_it_is_to_be_kept(piece_of: Make) -> None:
    falling = [(0, 120.0), (12, 108.0), (13, 96.0), (14, 84.0)]
    piece = piece_of(melody(16), tempos=falling)
    spoken = names(ask(piece))
    assert len([name for name in spoken if name.startswith("Tempo")]) == 1
    kept = names(ask(piece, keep_ritardando=True))
    assert len([name for name in kept if name.startswith("Tempo")]) > 2
    assert idea_tempo(piece, find_caret(piece)).bpm == pytest.approx(120)
    assert idea_tempo(piece, find_caret(piece), keep_ritardando=True).bpm == pytest.approx(84, abs=0.01)


def test_the_slowing_of_a_real_song_is_found_and_two_bars_later_it_is_the_tempo(real: Real) -> None:
    piece = real("butterworth-one-and-twenty")
    after = idea_tempo(piece, find_caret(piece, at_bar=38))
    assert after.is_written
    assert after.bpm == pytest.approx(140, abs=0.1)
    later = idea_tempo(piece, find_caret(piece))
    assert not later.is_written
    assert later.bpm == pytest.approx(54, abs=0.1)


def test_a_new_slower_section_is_no_ritardando(piece_of: Make) -> None:
    piece = piece_of(melody(64), tempos=[(0, 120.0), (28, 80.0)])
    caret = find_caret(piece, at_bar=8)
    assert idea_tempo(piece, caret).bpm == pytest.approx(80)
    assert not idea_tempo(piece, caret).is_written


def test_a_tempo_written_at_the_caret_holds(piece_of: Make) -> None:
    piece = piece_of(melody(64), tempos=[(0, 120.0), (29, 110.0), (30, 100.0), (31, 90.0), (32, 140.0)])
    tempo = idea_tempo(piece, find_caret(piece, at_bar=8))
    assert tempo.bpm == pytest.approx(140, abs=0.01)
    assert not tempo.is_written


def test_little_heard_is_noticed(piece_of: Make, real: Real) -> None:
    assert is_little(ask(piece_of([(0, 1.0, 60)])))
    assert is_little(ask(piece_of([(0, 1.0, 60), (1, 1.0, 62), (2, 2.0, 64)])))
    assert is_little(ask(real("finished-phrase"), find_caret(real("finished-phrase"), at_bar=0, insert=True)))
    assert not is_little(ask(real("finished-phrase")))


def test_before_bar_one_the_texture_is_that_of_the_beginning(real: Real) -> None:
    piece = real("finished-phrase")
    request = ask(piece, find_caret(piece, at_bar=0, insert=True))
    assert names(request)[0] == "BOS_None"
    assert "Bar_None" not in names(request)
    assert request.heard is not None
    assert request.heard.hands == "two hands"
    assert request.plan.limits.velocity == 80


def test_a_metre_the_tokens_cannot_say_is_refused_by_name(piece_of: Make) -> None:
    piece = piece_of(melody(26), metre=(13, 8))
    with pytest.raises(MidiError, match="13/8"):
        ask(piece)
