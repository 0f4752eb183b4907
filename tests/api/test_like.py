"""More like one idea: what stays is read out of the files."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from pianomuse.api import Muse
from pianomuse.errors import RequestError
from pianomuse.midi.read import read_midi

Notes = list[tuple[int, int, int]]


def notes_in(data: bytes, start: int, end: int) -> Notes:
    notes = read_midi(data).score.tracks[0].notes
    return sorted((n.time, n.duration, n.pitch) for n in notes if start <= n.time < end)


@pytest.mark.parametrize("name", ["finished-phrase", "broken-off-on-beat-3"])
def test_the_same_start_goes_on_in_another_way(muse: Muse, real: Callable[[str], Path], name: str) -> None:
    ideas = muse.complete(real(name), bars=2, candidates=2, seed=1, feel="straight", notes_per_bar="6-9")
    caret, quarter = ideas.caret, ideas.piece.grid.ticks_per_quarter
    front = caret.tick + 2 * quarter
    idea = ideas[0]
    likes = muse.like(
        ideas, idea.number, same="start", beats=2, candidates=3, seed=5, feel="straight", notes_per_bar="6-9"
    )

    def begun(data: bytes) -> Notes:
        return [(on, min(length, front - on), pitch) for on, length, pitch in notes_in(data, caret.tick, front)]

    for like in likes:
        assert begun(like.with_completion) == begun(idea.with_completion)
        assert notes_in(like.with_completion, 0, caret.tick) == notes_in(ideas.piece.data, 0, caret.tick)
        assert like.notes
        assert all(front <= note.tick < caret.end_tick for note in like.notes)
    rests = {tuple(notes_in(like.with_completion, front, caret.end_tick)) for like in likes}
    assert len(rests) == len(likes) == 3


def test_the_same_rhythm_and_the_same_harmony(muse: Muse, real: Callable[[str], Path]) -> None:
    session = muse.session(real("finished-phrase"), reads_ahead=False)
    stream = session.stream(bars=2, candidates=1, seed=3, feel="straight")
    idea = stream.compose().ideas[0]
    caret = stream.scene.caret
    old = notes_in(idea.with_completion, caret.tick, caret.end_tick)
    for like in session.like(stream, 1, same="rhythm", candidates=2, seed=1, feel="straight").compose().ideas:
        new = notes_in(like.with_completion, caret.tick, caret.end_tick)
        assert [note[:2] for note in new] == [note[:2] for note in old]
        assert new != old
    for like in session.like(stream, 1, same="harmony", candidates=2, seed=1).compose().ideas:
        assert {note.pitch % 12 for note in like.notes} <= {pitch % 12 for _, _, pitch in old}


def test_calmer_has_no_more_notes_and_bolder_no_fewer(muse: Muse, real: Callable[[str], Path]) -> None:
    ideas = muse.complete(real("finished-phrase"), bars=2, candidates=1, seed=2)
    usual = len(ideas[0].notes) / 2
    calm, bold = (muse.like(ideas, 1, mood=mood, candidates=2, seed=1) for mood in ("calmer", "bolder"))
    assert not any("Replaced" in warning for warning in (*calm.warnings, *bold.warnings))
    lines = ideas.caret.bar_lines
    for first, last in pairwise(lines):
        for like in calm:
            assert sum(first <= note.tick < last for note in like.notes) <= usual
        for like in bold:
            assert sum(first <= note.tick < last for note in like.notes) >= usual


def test_what_is_not_there_is_refused(muse: Muse, real: Callable[[str], Path]) -> None:
    ideas = muse.complete(real("finished-phrase"), bars=1, candidates=1, seed=2)
    with pytest.raises(RequestError, match="say what stays"):
        muse.like(ideas, 1)
    with pytest.raises(RequestError, match="idea 7: there are 1"):
        muse.like(ideas, 7, same="rhythm")
    with pytest.raises(RequestError, match="choose 1 to 1"):
        muse.like(ideas, 1, same="start", beats=4)
    added = muse.harmonise(real("right-hand"), 2, 3, candidates=1)
    with pytest.raises(RequestError, match="of one hand, whole bars"):
        muse.like(added, 1, same="start", beats=1)


def test_of_one_hand_the_other_one_stays(muse: Muse, real: Callable[[str], Path]) -> None:
    added = muse.harmonise(real("right-hand"), 2, 4, candidates=1, seed=3, feel="straight")
    own = notes_in(added.piece.data, 0, 1 << 30)
    start, end = added.caret.tick, added.caret.end_tick
    mine = sorted((note.tick, note.duration_ticks) for note in added[0].notes)
    for like in muse.like(added, 1, same="rhythm", candidates=2, seed=1, feel="straight"):
        assert set(own) <= set(notes_in(like.with_completion, 0, 1 << 30))
        assert sorted((note.tick, note.duration_ticks) for note in like.notes) == mine
    for like in muse.like(added, 1, mood="calmer", candidates=2, seed=1):
        assert set(own) <= set(notes_in(like.with_completion, 0, 1 << 30))
    line = added.caret.bar_lines[1]
    beats = (line - start) // added.piece.grid.ticks_per_quarter
    for like in muse.like(added, 1, same="start", beats=beats, candidates=2, seed=1):
        whole = notes_in(like.with_completion, 0, 1 << 30)
        assert set(own) <= set(whole)
        assert set(notes_in(added[0].with_completion, start, line)) <= set(whole)
        assert like.notes
        assert all(line <= note.tick < end for note in like.notes)
