"""A session on real files: what it reads, what it tells, and that it says the same as `complete`."""

from __future__ import annotations

import gc
import io
import threading
import weakref
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import mido
import pytest

from pianomuse.api import Muse, load
from pianomuse.errors import RequestError
from pianomuse.evaluate.bench.complete import waltz
from pianomuse.generate.caret import Caret
from pianomuse.generate.session import READ_AT_ONCE_TOKENS, Session
from pianomuse.generate.session_events import (
    BarClosed,
    Event,
    IdeaDropped,
    IdeaFinished,
    Listening,
    NoteDecided,
    PedalDecided,
)

Real = Callable[[str], Path]


def waltz_of(n_bars: int, tmp_path: Path) -> Path:
    path = tmp_path / f"{n_bars}.mid"
    if not path.exists():
        waltz(n_bars).dump_midi(path)
    return path


@pytest.fixture(scope="module")
def long_piece(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return waltz_of(160, tmp_path_factory.mktemp("long"))


def candidates(events: Iterable[Event]) -> dict[int, Any]:
    return {event.idea: event.candidate for event in events if isinstance(event, IdeaFinished)}


def raise_one_note(path: Path, bar: int, tmp_path: Path, quarters: int = 3) -> Path:
    """The same piece with the first note of a bar (from 1) a semitone higher."""
    file = mido.MidiFile(path)
    start = (bar - 1) * quarters * file.ticks_per_beat
    track = next(t for t in file.tracks if any(m.type == "note_on" for m in t))
    now, pitch = 0, None
    for index, message in enumerate(track):
        now += message.time
        if message.type == "note_on" and message.velocity and now >= start and pitch is None:
            pitch = message.note
            track[index] = message.copy(note=pitch + 1)
        elif pitch is not None and message.type in ("note_on", "note_off") and message.note == pitch:
            track[index] = message.copy(note=pitch + 1)
            break
    edited = tmp_path / f"edited-{bar}.mid"
    file.save(edited)
    return edited


@pytest.mark.parametrize("name", ["waltz-pickup", "expressive-pedal", "broken-off-on-beat-3", "bach-bwv-269"])
def test_a_session_and_complete_say_the_same(muse: Muse, real: Real, name: str) -> None:
    session = muse.session(real(name))
    for at_bar in (4, None, 2):
        found = candidates(session.stream(at_bar=at_bar, bars=2, candidates=3, seed=5, whole_piece=True))
        alone = muse.complete(real(name), at_bar=at_bar, bars=2, candidates=3, seed=5)
        assert len(found) == 3
        drawn = sorted(alone, key=lambda idea: idea.number)
        assert [found[k].with_completion for k in sorted(found)] == [idea.with_completion for idea in drawn]
        assert [found[k].midi for k in sorted(found)] == [idea.midi for idea in drawn]
    filled = candidates(session.fill(3, 4, candidates=2, seed=5))
    drawn = sorted(muse.fill(real(name), 3, 4, candidates=2, seed=5), key=lambda idea: idea.number)
    assert [filled[k].midi for k in sorted(filled)] == [idea.midi for idea in drawn]
    session.close()


def test_the_same_notes_on_any_number_of_threads_and_every_time(muse: Muse, model_folder: Path, real: Real) -> None:
    settings: Any = {"at_bar": 9, "bars": 2, "candidates": 3, "seed": 3}
    once = muse.complete(real("expressive-pedal"), **settings)
    for other in (muse, load(model_folder, threads=2), load(model_folder, threads=3)):
        again = candidates(other.session(real("expressive-pedal")).stream(**settings))
        assert sorted(c.with_completion for c in again.values()) == sorted(idea.with_completion for idea in once)


def test_the_file_of_an_idea_says_how_to_have_it_again(muse: Muse, real: Real) -> None:
    stream = muse.session(real("waltz-pickup")).stream(at_bar=9, bars=2, candidates=1, seed=31, temperature=1.05)
    (idea,) = candidates(stream).values()
    text = next(m.text for m in mido.MidiFile(file=io.BytesIO(idea.midi)).tracks[0] if m.type == "text")
    for words in ("PianoMuse idea 1", "seed 31", "bars 10-11", "heard 9 bars", "temperature 1.05", "played feel"):
        assert words in text


def test_a_listener_who_dawdles_does_not_stop_the_reading(muse: Muse, long_piece: Path) -> None:
    session = muse.session(long_piece)
    stream = session.stream(at_bar=5, bars=2, candidates=2, seed=1)
    for _ in range(4):
        next(stream)
    assert session.wait(120)
    assert session.n_tokens_read_ahead > 5000
    assert len(candidates(stream)) == 2
    session.close()


def assert_well_told(events: list[Event], caret: Caret, n_ideas: int) -> None:
    """Events come in the order of time, close every bar once, and are those of the finished ideas."""
    assert isinstance(events[0], Listening)
    told: dict[int, list[NoteDecided]] = {}
    closed: dict[int, list[int]] = {}
    for event in events[1:]:
        if isinstance(event, NoteDecided):
            notes = told.setdefault(event.idea, [])
            assert not notes or (event.tick, event.pitch) > (notes[-1].tick, notes[-1].pitch)
            assert event.bar == caret.bar_index + 1 + len(closed.get(event.idea, []))
            assert event.tick >= caret.tick
            assert 1 <= event.beat < 13
            notes.append(event)
        elif isinstance(event, BarClosed):
            closed.setdefault(event.idea, []).append(event.end_tick)
        elif isinstance(event, PedalDecided):
            assert caret.bar_tick <= event.tick < caret.end_tick
    found = candidates(events)
    dropped = {event.idea for event in events if isinstance(event, IdeaDropped)}
    assert len(set(found) - dropped) == n_ideas
    for idea, candidate in found.items():
        assert closed[idea] == list(caret.bar_lines[1:])
        assert {(n.tick, n.pitch) for n in candidate.notes} <= {(n.tick, n.pitch) for n in told[idea]}
        assert candidate.reason
        assert len(candidate.notes) > 0


@pytest.mark.parametrize("name", ["finished-phrase", "broken-off-on-beat-3", "warlock-rutterkin", "waltz-pickup"])
def test_events_tell_ideas_in_order_as_they_are_decided(muse: Muse, real: Real, name: str) -> None:
    session = muse.session(real(name), reads_ahead=False)
    stream = session.stream(bars=2, candidates=3, seed=2, feel="straight")
    events = list(stream)
    assert_well_told(events, stream.scene.caret, 3)
    ideas_telling = [event.idea for event in events if isinstance(event, NoteDecided)]
    assert len(set(ideas_telling[:6])) > 1  # side by side, not one after the other


def test_pedals_are_told(muse: Muse, real: Real) -> None:
    events = list(muse.session(real("expressive-pedal")).stream(bars=4, candidates=2, seed=1))
    moves = [event for event in events if isinstance(event, PedalDecided) and event.idea == 1]
    assert moves
    assert all(a.is_down != b.is_down for a, b in pairwise(moves))


def test_idea_k_is_the_same_whatever_their_number_and_whoever_was_stopped(muse: Muse, real: Real) -> None:
    session = muse.session(real("waltz-pickup"))
    five = candidates(session.stream(bars=2, candidates=5, seed=11))
    two = candidates(session.stream(bars=2, candidates=2, seed=11))
    assert [five[k].with_completion for k in (1, 2)] == [two[k].with_completion for k in (1, 2)]
    stream = session.stream(bars=2, candidates=5, seed=11)
    left = {}
    for event in stream:
        if isinstance(event, NoteDecided) and event.idea == 2:
            stream.drop(2)
        if isinstance(event, IdeaFinished):
            left[event.idea] = event.candidate.with_completion
    assert left == {k: c.with_completion for k, c in five.items() if k != 2}


class Counting:
    """An engine that counts what it does."""

    rows_are_exact = True

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.vocab_size = engine.vocab_size
        self.n_read = 0
        self.lanes: list[int] = []

    def prefill(self, ids: Any, state: Any = None) -> Any:
        self.n_read += len(ids)
        return self._engine.prefill(ids, state)

    def step(self, ids: Any, state: Any) -> Any:
        self.lanes.append(len(ids))
        return self._engine.step(ids, state)


@pytest.fixture
def counting(muse: Muse) -> Muse:
    return Muse(Counting(muse.engine))


def test_a_stream_is_cancelled_between_any_two_tokens_and_frees_its_lanes(counting: Muse, real: Real) -> None:
    engine = counting.engine
    session = counting.session(real("finished-phrase"), reads_ahead=False)
    for n_events in (1, 2, 3, 9, 20):
        stream = session.stream(bars=8, candidates=4, seed=1)
        for _ in range(n_events):
            next(stream)
        n_steps = len(engine.lanes)
        stream.close()
        assert list(stream) == []
        assert len(engine.lanes) == n_steps
    stream = session.stream(bars=8, candidates=4, seed=1)
    next(e for e in stream if isinstance(e, NoteDecided))
    stream.drop(3)
    n_steps = len(engine.lanes)
    rest = list(stream)
    assert max(engine.lanes[n_steps:]) == 3
    assert 3 not in candidates(rest)
    assert len(candidates(rest)) == 3


def test_another_thread_can_close_a_stream(muse: Muse, real: Real) -> None:
    stream = muse.session(real("finished-phrase")).stream(bars=32, candidates=8, seed=1)
    next(stream)
    thread = threading.Thread(target=stream.close)
    n_events = 0
    for n_events, _ in enumerate(stream, 1):
        if n_events == 5:
            thread.start()
            thread.join()
    assert n_events < 40


def test_an_edit_reads_from_the_edited_bar_to_the_caret_only(counting: Muse, long_piece: Path, tmp_path: Path) -> None:
    engine = counting.engine
    session = counting.session(long_piece, reads_ahead=False, budget_mb=512)
    assert next(session.stream(at_bar=120, bars=1, candidates=1, seed=1)).is_whole  # nobody else would read it
    list(session.stream(at_bar=120, bars=1, candidates=1, seed=1))
    lines, ids = session._reader.whole.lines, session._reader.whole.bars
    engine.n_read = 0
    list(session.stream(at_bar=120, bars=1, candidates=1, seed=2))
    block = engine.n_read
    assert block < 16  # what is asked, and no music
    assert session.edit(raise_one_note(long_piece, 100, tmp_path)) == 100
    engine.n_read = 0
    edited = candidates(session.stream(at_bar=120, bars=1, candidates=1, seed=2))
    assert engine.n_read == lines[120] - lines[99] + block
    assert session.edit(long_piece) == 100
    engine.n_read = 0
    list(session.stream(at_bar=120, bars=1, candidates=1, seed=2))
    assert engine.n_read == block  # undone: known as it was
    fresh = counting.complete(raise_one_note(long_piece, 100, tmp_path), at_bar=120, bars=1, candidates=1, seed=2)
    assert edited[1].with_completion == fresh[0].with_completion
    assert session.edit(long_piece) is None
    assert len(ids) > 5000


def test_the_caret_moves_without_reading_the_piece_again(counting: Muse, long_piece: Path) -> None:
    session = counting.session(long_piece)
    assert session.wait(120)
    assert session.progress == 1.0
    most = 0
    for at_bar in (150, 3, 77, 118, 160):
        counting.engine.n_read = 0
        stream = session.stream(at_bar=at_bar, bars=1, candidates=1, seed=1)
        first = next(stream)
        assert (first.from_bar, first.to_bar, first.is_whole) == (1, at_bar, True)
        next(event for event in stream if isinstance(event, NoteDecided))
        most = max(most, counting.engine.n_read)
        stream.close()
    assert most < 16
    session.close()


def test_a_fill_reads_twelve_bars_at_most_however_long_the_piece(counting: Muse, long_piece: Path) -> None:
    session = counting.session(long_piece)
    assert session.wait(120)
    lines = session._reader.whole.lines
    for first in (150, 40, 9):
        counting.engine.n_read = 0
        stream = session.fill(first, first + 1, candidates=1, seed=1)
        heard = next(stream)
        assert (heard.from_bar, heard.to_bar, heard.bars_after) == (1, first - 1, 8)
        list(stream)
        read = lines[first - 1] - lines[first - 5] + lines[first + 9] - lines[first + 1]
        assert counting.engine.n_read <= read + 24
    session.close()


def test_memory_for_states_has_a_budget_and_is_thinned_evenly(counting: Muse, long_piece: Path) -> None:
    session = counting.session(long_piece, budget_mb=1.0)
    assert session.wait(120)
    cache = session.cache
    assert 0.8 * 2**20 < cache.size_bytes <= 2**20
    assert 8 < cache.n_states < 80
    spacing = 160 / cache.n_states
    tokens_per_bar = len(session._reader.whole.bars) / 160
    for at_bar in range(4, 160, 13):
        counting.engine.n_read = 0
        stream = session.stream(at_bar=at_bar, bars=1, candidates=1, seed=1)
        next(event for event in stream if isinstance(event, NoteDecided))
        stream.close()
        assert counting.engine.n_read <= 16 + 3 * spacing * tokens_per_bar
    assert cache.size_bytes <= 2**20


def test_while_a_long_piece_is_read_ideas_come_from_the_bars_around_the_caret(muse: Muse, long_piece: Path) -> None:
    slow = Counting(muse.engine)
    gate = threading.Event()

    def prefill(ids: Any, state: Any = None) -> Any:
        if threading.current_thread().name == "pianomuse-reading":
            gate.wait(60)
        return muse.engine.prefill(ids, state)

    slow.prefill = prefill  # type: ignore[method-assign]
    session = Muse(slow).session(long_piece)
    stream = session.stream(at_bar=150, bars=1, candidates=1, seed=1)
    first = next(stream)
    assert not first.is_whole
    assert 1 < first.from_bar <= first.to_bar == 150
    near = candidates(stream)
    again = muse.complete(long_piece, at_bar=150, bars=1, candidates=1, seed=1, context_bars=151 - first.from_bar)
    assert near[1].with_completion == again[0].with_completion
    n_near = session.n_tokens_read
    assert n_near <= READ_AT_ONCE_TOKENS + 16
    assert session.progress < 1
    gate.set()
    assert session.wait(120)
    later = session.stream(at_bar=150, bars=1, candidates=1, seed=1)
    assert next(later).is_whole
    alone = muse.complete(long_piece, at_bar=150, bars=1, candidates=1, seed=1)
    assert candidates(later)[1].with_completion == alone[0].with_completion


def test_reading_ahead_ends_with_its_session(muse: Muse, long_piece: Path) -> None:
    session = muse.session(long_piece)
    reader = weakref.ref(session)
    ahead = session._ahead
    del session
    gc.collect()
    assert reader() is None
    assert ahead._task is not None
    assert ahead._task.stop.is_set()


def test_what_goes_wrong_in_the_background_is_told(muse: Muse, real: Real) -> None:
    class Broken(Counting):
        def prefill(self, ids: Any, state: Any = None) -> Any:
            raise RequestError("no weights")

    session = Muse(Broken(muse.engine)).session(real("finished-phrase"))
    with pytest.raises(RequestError, match="no weights"):
        session.wait(60)


def test_options_of_a_whole_session_are_refused_later(muse: Muse, real: Real) -> None:
    session = muse.session(real("finished-phrase"))
    with pytest.raises(RequestError, match=r"first_downbeat holds for a whole session"):
        session.stream(first_downbeat=1.0)
    with pytest.raises(RequestError, match="--at-bar 500"):
        session.stream(at_bar=500)
    with pytest.raises(RequestError, match="idea 7"):
        session.stream().drop(7)


def test_the_same_idea_is_told_once(muse: Muse, real: Real) -> None:
    session: Session = muse.session(real("finished-phrase"))
    events = list(session.stream(bars=2, candidates=3, seed=1, temperature=0.0))
    assert sorted(candidates(events)) == [1]
    assert {(e.idea, e.same_as) for e in events if isinstance(e, IdeaDropped)} == {(2, 1), (3, 1)}
