"""The grammar accepts real music and only that: every kind of ungrammatical stream is caught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pianomuse.tokens.grammar import Grammar, Place
from pianomuse.tokens.tokenizer import PianoTokenizer

TOKENIZER = PianoTokenizer()
VOCABULARY = TOKENIZER.vocabulary
GRAMMAR = Grammar(VOCABULARY)
BAR = ["Bar_None", "TimeSig_3/4"]
NOTE = ["Pitch_60", "Velocity_79", "Duration_1.0.24"]


def error(*names: str) -> str | None:
    return GRAMMAR.first_error([VOCABULARY.id(name) for name in names])


def test_a_bar_with_pedal_tempo_and_a_chord_is_grammatical() -> None:
    chord = [*NOTE, "Pitch_64", "Velocity_79", "Duration_1.0.24"]
    events = ["Position_0", "Tempo_40.0", "Pedal_0", *chord, "Position_24", "PedalOff_0", "Pedal_0", *NOTE]
    assert error(*BAR, *events, *BAR, "EOS_None") is None


@pytest.mark.parametrize(
    ("names", "culprit"),
    [
        (["Bar_None", "Position_0"], "Position_0"),
        ([*BAR, "Pitch_60"], "Pitch_60"),
        ([*BAR, "Position_72"], "Position_72"),
        ([*BAR, "Position_24", *NOTE, "Position_24"], "Position_24"),
        ([*BAR, "Position_24", *NOTE, "Position_12"], "Position_12"),
        ([*BAR, "Position_0", "Position_1"], "Position_1"),
        ([*BAR, "Position_0", "Bar_None"], "Bar_None"),
        ([*BAR, "Position_0", "Pitch_60", "Duration_1.0.24"], "Duration_1.0.24"),
        ([*BAR, "Position_0", *NOTE, "Pitch_60"], "Pitch_60"),
        ([*BAR, "Position_0", *NOTE, "Pitch_59"], "Pitch_59"),
        ([*BAR, "Position_0", *NOTE, "Pedal_0"], "Pedal_0"),
        ([*BAR, "Position_0", "PedalOff_0"], "PedalOff_0"),
        ([*BAR, "Position_0", "Pedal_0", "PedalOff_0"], "PedalOff_0"),
        ([*BAR, "Task_Continue"], "Task_Continue"),
        (["TimeSig_3/4"], "TimeSig_3/4"),
    ],
)
def test_what_is_wrong_is_named(names: list[str], culprit: str) -> None:
    found = error(*names)
    assert found is not None
    assert f"token {len(names) - 1} ({culprit})" in found


def test_any_damage_to_real_music_that_the_grammar_lets_pass_still_decodes(corpus: Path) -> None:
    ids = TOKENIZER.tokenize_midi(corpus / "mutopia" / "bach-invention-10.mid")
    rng = np.random.default_rng(0)
    caught = 0
    for _ in range(200):
        damaged = ids[2:].copy()
        damaged[rng.integers(len(damaged))] = rng.integers(len(VOCABULARY))
        caught += GRAMMAR.first_error(damaged) is not None
        TOKENIZER.decode(damaged)
    assert caught > 150


def test_a_random_walk_is_always_decodable_to_the_notes_it_wrote() -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        place, ids = Place(), []
        for _ in range(400):
            token = int(rng.choice(np.flatnonzero(GRAMMAR.allowed(place))))
            if VOCABULARY.kind(token) == "EOS":
                continue
            ids.append(token)
            place = GRAMMAR.advance(place, token)
        written = sum(VOCABULARY.kind(token) == "Duration" for token in ids)
        assert len(TOKENIZER.decode(ids).tracks[0].notes) == written
