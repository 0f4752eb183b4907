"""The public format of MIREX Piano Music Continuation is kept to the letter."""

from __future__ import annotations

import pytest

from pianomuse.errors import RequestError
from pianomuse.evaluate.markov import MarkovModel
from pianomuse.evaluate.markov_engine import MarkovEngine
from pianomuse.evaluate.mirex import PROMPT_END, continue_prompt, music_of, prompt_of, read_prompt
from pianomuse.tokens.tokenizer import PianoTokenizer

PROMPT = [{"start": 16 + 4 * n, "pitch": 60 + n % 5, "duration": 4} for n in range(16)]


@pytest.mark.parametrize("pickup", [[], [{"start": 12, "pitch": 67, "duration": 4}]])
def test_generations_lie_in_their_twelve_bars(
    pickup: list[dict[str, int]], markov: MarkovModel, tokenizer: PianoTokenizer
) -> None:
    engine = MarkovEngine(markov, tokenizer.vocabulary)
    (events,) = continue_prompt(engine, tokenizer, pickup + PROMPT, n_ideas=1, seed=3)
    assert len(events) > 12
    for event in events:
        assert 80 <= event["start"] <= 271
        assert event["duration"] >= 1
        assert event["start"] + event["duration"] <= 272
        assert 21 <= event["pitch"] <= 108
    assert len({(event["start"], event["pitch"]) for event in events}) == len(events)


def test_a_prompt_survives_the_way_through_a_passage() -> None:
    music = music_of(PROMPT, 16, 4)
    assert music.n_bars == 4
    assert prompt_of(music) == PROMPT
    assert max(event["start"] for event in PROMPT) < PROMPT_END


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("nonsense", "not JSON"),
        ("[]", "list 'prompt'"),
        ('{"prompt": []}', "list 'prompt'"),
        ('{"prompt": [{"start": 80, "pitch": 60, "duration": 1}]}', "start must be"),
        ('{"prompt": [{"start": 16, "pitch": true, "duration": 1}]}', "pitch must be"),
        ('{"prompt": [{"start": 16, "pitch": 60}]}', "duration must be"),
        ('{"prompt": [5]}', "start must be"),
    ],
)
def test_a_wrong_prompt_is_refused_in_one_sentence(text: str, what: str) -> None:
    with pytest.raises(RequestError, match=what):
        read_prompt(text)
