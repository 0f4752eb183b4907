"""Planted motifs: a reader that remembers is told from one that forgets, and only the planted bar differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pianomuse.evaluate.markov import MarkovModel
from pianomuse.evaluate.motif import LEAD_BARS, TAIL_BARS, motif_recall, return_place
from pianomuse.evaluate.works import Work, WorkSet, load_works
from pianomuse.tokens.grammar import Grammar
from pianomuse.tokens.tokenizer import PianoTokenizer

DISTANCES = (1, 2, 6)


@pytest.fixture(scope="module")
def both(works: WorkSet, corpus: Path) -> list[Work]:
    """Pieces and songs: of most metres there are two."""
    return [*works.works, *load_works(corpus / "lieder").works]


def copies(window: int) -> object:
    """Return a reader that expects what followed the last three tokens when it last read them within the window."""

    def bits_of(ids: np.ndarray) -> np.ndarray:
        bits = np.full(len(ids) - 1, 9.0)
        for at in range(3, len(ids)):
            for back in range(at - 1, max(at - window, 2), -1):
                if (ids[back - 3 : back] == ids[at - 3 : at]).all():
                    bits[at - 1] = 1.0 if ids[back] == ids[at] else 12.0
                    break
        return bits

    return bits_of


def test_memory_and_its_end_are_seen(both: list[Work], markov: MarkovModel, tokenizer: PianoTokenizer) -> None:
    readers = {
        "long": copies(5000),
        "short": copies(120),
        "markov": lambda ids: markov.bits(ids)[1:],
        "uniform": lambda ids: np.full(len(ids) - 1, 9.0),
    }
    found = motif_recall(readers, both, tokenizer, distances=DISTANCES)  # type: ignore[arg-type]
    assert found["long"][1].gain.n_works >= 3
    for distance in DISTANCES:
        assert found["long"][distance].recalled.value > 0.3
        assert found["markov"][distance].gain.value == 0
        assert found["uniform"][distance].gain.value == 0
        assert found["uniform"][distance].planted.value > 18  # pitch and length of every note, and some positions
    assert found["short"][1].recalled.value > 0.3
    assert found["short"][6].recalled.value < 0.1
    long = found["long"][2]
    assert long.gain.value == pytest.approx(long.other.value - long.planted.value)


def test_texts_differ_in_the_planted_bar_only_and_are_grammatical(both: list[Work], tokenizer: PianoTokenizer) -> None:
    seen = []

    def keep(ids: np.ndarray) -> np.ndarray:
        seen.append(ids)
        return np.zeros(len(ids) - 1)

    motif_recall({"any": keep}, both, tokenizer, distances=(4,))
    assert len(seen) >= 9
    grammar = Grammar(tokenizer.vocabulary)
    for texts in zip(seen[::3], seen[1::3], seen[2::3], strict=True):
        cut = [np.split(text, tokenizer.find_bar_indices(text)) for text in texts]
        assert {len(bars) for bars in cut} == {1 + LEAD_BARS + 4 + 1}
        for bars in cut[1:]:
            same = [np.array_equal(mine, theirs) for mine, theirs in zip(bars, cut[0], strict=True)]
            assert [number for number, equal in enumerate(same) if not equal] == [1 + LEAD_BARS]
        assert np.array_equal(cut[0][1 + LEAD_BARS], cut[0][-1])
        for text in texts:
            assert grammar.first_error(text[3:].tolist()) is None


def test_motifs_return_inside_the_work(both: list[Work]) -> None:
    for work in both:
        place = return_place(work, 6)
        if work.music.n_bars < 6 + LEAD_BARS + TAIL_BARS + 1:
            assert place is None
        else:
            assert place is not None
            assert 6 + LEAD_BARS <= place < work.music.n_bars - TAIL_BARS
