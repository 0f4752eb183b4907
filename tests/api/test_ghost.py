"""Taking an idea in part: in whatever steps, the composer's file is what it would be at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pianomuse.api import Muse
from pianomuse.errors import RequestError
from pianomuse.generate.ghost import Ghost
from pianomuse.generate.session import Session
from pianomuse.generate.session_events import IdeaFinished, NoteDecided
from pianomuse.midi.read import read_midi

Real = Callable[[str], Path]


def finished(session: Session, idea: int = 1, **others: Any) -> tuple[Ghost, bytes]:
    """An idea that is written to its end, as a ghost, and the file with all of it."""
    settings = {"bars": 2, "candidates": 1, "seed": 4} | others
    stream = session.stream(**settings)
    (candidate,) = (e.candidate for e in stream if isinstance(e, IdeaFinished))
    return session.ghost(stream, idea), candidate.with_completion


@pytest.mark.parametrize("name", ["waltz-pickup", "broken-off-on-beat-3", "expressive-pedal"])
@pytest.mark.parametrize("step", [{"notes": 1}, {"notes": 3}, {"beats": 1}, {"bars": 1}, {}])
def test_an_idea_taken_in_steps_is_the_idea_taken_at_once(muse: Muse, real: Real, name: str, step: Any) -> None:
    session = muse.session(real(name), reads_ahead=False)
    ghost, whole = finished(session)
    fronts = [ghost.front_tick]
    while ghost.notes or ghost.front_tick < ghost._scene.caret.end_tick:
        ghost.accept(**step)
        fronts.append(ghost.front_tick)
        assert len(fronts) < 300
        assert all(note.tick >= ghost.front_tick for note in ghost.notes)
    assert fronts == sorted(fronts)
    assert session.piece.data == whole
    with pytest.raises(RequestError, match="all of idea 1 is accepted"):
        ghost.accept()


def test_bars_over_music_are_replaced_no_farther_than_accepted(muse: Muse, events: Any, real: Real) -> None:
    path = real("bach-bwv-269")
    session = muse.session(path, reads_ahead=False)
    ghost, whole = finished(session, at_bar=8)
    caret = ghost._scene.caret
    ghost.accept(bars=1)
    now, old, new = events(session.piece.data), events(path.read_bytes()), events(whole)
    line = caret.bar_lines[1]
    assert now.inside(line, 10**9) == old.inside(line, 10**9)
    assert [n[:3] for n in now.inside(caret.tick, line)] == [n[:3] for n in new.inside(caret.tick, line)]
    ghost.accept(bars=1)
    assert session.piece.data == whole


def test_one_hand_leaves_the_other_as_the_composer_has_it(muse: Muse, events: Any, real: Real) -> None:
    path = real("finished-phrase")
    session = muse.session(path, reads_ahead=False)
    ghost, whole = finished(session, at_bar=2, seed=1)
    caret = ghost._scene.caret
    old, new = events(path.read_bytes()), events(whole)
    right = {track.index: track.role for track in read_midi(path).tracks}
    ghost.accept(hand="right")
    now = events(session.piece.data)

    def of(found: Any, role: str) -> list[Any]:
        return [n for n in found.inside(caret.tick, caret.end_tick) if right[n[5]] == role]

    assert of(new, "right")
    assert of(now, "right") == of(new, "right")
    assert of(now, "left") == of(old, "left")
    ghost.accept(hand="left")
    assert session.piece.data == whole


def test_a_new_idea_before_other_music_is_inserted_bar_by_bar(muse: Muse, events: Any, real: Real) -> None:
    path = real("finished-phrase")
    session = muse.session(path, reads_ahead=False)
    ghost, whole = finished(session, at_bar=4, insert=True)
    ghost.accept(notes=1)
    assert session.piece.grid.n_bars == 9
    ghost.accept(bars=1)
    assert session.piece.grid.n_bars == 9
    more = list(session.stream(after=ghost, bars=1, candidates=1, seed=1))
    (idea,) = (e.candidate for e in more if isinstance(e, IdeaFinished))
    assert len(events(idea.with_completion).notes) == len(events(session.piece.data).notes) + len(idea.notes)
    ghost.accept()
    assert session.piece.data == whole


def test_playing_what_the_ghost_says_advances_it(muse: Muse, real: Real) -> None:
    session = muse.session(real("expressive-pedal"), reads_ahead=False)
    ghost, _ = finished(session)
    quarter = session.piece.grid.ticks_per_quarter
    first = ghost.notes[0]
    assert ghost.matches(first.pitch)
    assert ghost.matches(first.pitch, first.tick + quarter // 8)
    assert not ghost.matches(first.pitch, first.tick + quarter)
    before = session.piece
    assert ghost.advance(first.pitch + 1) is None
    assert session.piece is before
    n_left = len(ghost.notes)
    piece = ghost.advance(first.pitch, first.tick + 9, velocity=101)
    assert piece is session.piece
    assert len(ghost.notes) == n_left - 1
    notes = piece.score.tracks[0].notes.numpy()
    mine = (notes["time"] == first.tick + 9) & (notes["pitch"] == first.pitch)
    assert notes["velocity"][mine].tolist() == [101]
    n_advanced = 1
    while ghost.notes:
        assert ghost.advance(ghost.notes[0].pitch) is not None
        n_advanced += 1
    assert n_advanced == n_left
    assert ghost.front_tick == ghost._scene.caret.end_tick


def test_notes_of_one_chord_match_in_any_order(muse: Muse, real: Real) -> None:
    session = muse.session(real("finished-phrase"), reads_ahead=False)
    for seed in range(1, 20):
        ghost, _ = finished(session, seed=seed)
        together = [note for note in ghost.notes if note.tick == ghost.notes[0].tick]
        if len(together) > 1:
            break
    assert ghost.matches(together[-1].pitch)
    ghost.advance(together[-1].pitch)
    assert [n for n in ghost.notes if n.tick == together[0].tick] == together[:-1]
    assert ghost.advance(together[0].pitch) is not None


def test_a_growing_idea_can_be_taken_and_goes_on(muse: Muse, real: Real) -> None:
    session = muse.session(real("waltz-pickup"), reads_ahead=False)
    stream = session.stream(bars=2, candidates=2, seed=4)
    next(event for event in stream if isinstance(event, NoteDecided) and event.idea == 2)
    n_read = session.n_tokens_read
    ghost = session.ghost(stream, 2)
    taken = ghost.notes[0]
    ghost.accept(notes=1)
    rest = list(stream)
    (candidate,) = (e.candidate for e in rest if isinstance(e, IdeaFinished) and e.idea == 2)
    assert session.n_tokens_read == n_read
    assert len(ghost.notes) == len(candidate.notes) - 1
    ghost.accept()
    onsets = session.piece.score.tracks[0].notes.numpy()
    there = set(zip(onsets["time"].tolist(), onsets["pitch"].tolist(), strict=True))
    assert {(n.tick, n.pitch) for n in (taken, *candidate.notes)} <= there


def test_going_on_after_a_part_reads_that_part_only(muse: Muse, real: Real) -> None:
    session = muse.session(real("bach-bwv-269"), reads_ahead=False)
    ghost, _ = finished(session)
    for step, most_bars in (({"notes": 2}, 3), ({"bars": 1}, 3), ({}, 3)):
        ghost.accept(**step)
        before = session.n_tokens_read
        stream = session.stream(after=ghost, bars=1, candidates=1, seed=1)
        assert stream.scene.caret.tick == ghost.front_tick
        notes = [event for event in stream if isinstance(event, NoteDecided)]  # may be none: a chord rings to the end
        assert all(note.tick >= ghost.front_tick for note in notes)
        lines = session._reader.whole.lines
        assert session.n_tokens_read - before <= lines[-1] - lines[max(len(lines) - 1 - most_bars, 0)] + 16


def test_an_idea_for_a_piece_that_has_changed_is_refused(muse: Muse, real: Real) -> None:
    session = muse.session(real("finished-phrase"), reads_ahead=False)
    (one, _), (other, _) = finished(session), finished(session, seed=5)
    one.accept(notes=1)
    with pytest.raises(RequestError, match="as it was before"):
        other.accept(notes=1)
    one.accept(notes=1)
    session.edit(real("waltz-pickup"))
    with pytest.raises(RequestError, match="as it was before"):
        one.advance(60)
    with pytest.raises(RequestError, match="one of notes, beats, bars"):
        finished(session)[0].accept(notes=1, bars=1)
