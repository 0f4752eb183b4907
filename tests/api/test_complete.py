"""Ideas for real files: what is the composer's stays exactly as it was, and what is new keeps what was heard.

The model has random weights: all of this has to hold whatever a model writes. Files are read back with mido.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from symusic import Note, Score, Track

from pianomuse.api import Muse
from pianomuse.generate.ideas import Ideas
from pianomuse.midi.read import read_midi

Real = Callable[[str], Path]
ALL = (
    "finished-phrase", "broken-off-on-beat-3", "right-hand", "waltz-pickup", "expressive-pedal", "gap-of-four-bars",
    "bach-bwv-269", "butterworth-one-and-twenty", "cornelius-untreu", "warlock-rutterkin", "webern-im-morgentaun",
)  # fmt: skip
FEW = {"candidates": 2, "bars": 2, "seed": 5}


def assert_only_these_bars_changed(events: Any, before: bytes, ideas: Ideas) -> None:
    """Everything outside the new bars is as it was; tempo, metre, names and other events are even inside."""
    caret = ideas.caret
    old = events(before)
    for idea in ideas:
        new = events(idea.with_completion)
        assert new.outside(caret.tick, caret.end_tick) == old.outside(caret.tick, caret.end_tick)
        assert new.others == old.others
        written = new.inside(caret.tick, caret.end_tick)
        assert len(written) == len(idea.notes) > 0
        assert max(note[1] for note in written) <= caret.end_tick


@pytest.mark.parametrize("name", ALL)
def test_behind_the_end_nothing_of_the_composers_changes(muse: Muse, events: Any, real: Real, name: str) -> None:
    ideas = muse.complete(real(name), **FEW, keep_rit=True)
    assert_only_these_bars_changed(events, real(name).read_bytes(), ideas)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("at_bar", [1, 4])
def test_replaced_bars_are_all_that_changes(muse: Muse, events: Any, real: Real, name: str, at_bar: int) -> None:
    ideas = muse.complete(real(name), at_bar=at_bar, **FEW, keep_rit=True)
    assert (ideas.caret.at_bar, ideas.caret.n_bars) == (at_bar, 2)
    assert_only_these_bars_changed(events, real(name).read_bytes(), ideas)


@pytest.mark.parametrize("name", ALL)
def test_a_fill_changes_its_bars_alone(muse: Muse, events: Any, real: Real, name: str) -> None:
    ideas = muse.fill(real(name), 3, 4, candidates=2, seed=5, keep_rit=True)
    assert ideas.bars_after > 0
    assert_only_these_bars_changed(events, real(name).read_bytes(), ideas)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("at_bar", [0, 4])
def test_an_insertion_moves_what_follows_and_changes_nothing_else(
    muse: Muse, events: Any, real: Real, name: str, at_bar: int
) -> None:
    ideas = muse.complete(real(name), at_bar=at_bar, insert=True, **FEW, keep_rit=True)
    caret, old = ideas.caret, events(real(name).read_bytes())
    length = caret.end_tick - caret.tick
    ringing = {n for n in old.notes if n[0] < caret.tick < n[1]}
    for idea in ideas:
        new = events(idea.with_completion)
        assert new.outside(caret.tick, caret.end_tick) == old.outside(caret.tick, caret.tick, length)
        assert ringing <= set(new.notes)
        set_up = [e for e in old.others if e[0] == 0]
        moved = [(e[0] + length * (e[0] >= caret.tick and e[0] > 0), *e[1:]) for e in old.others]
        assert sorted(new.others) == sorted(moved)
        assert set(set_up) <= set(new.others)
        assert len(new.inside(caret.tick, caret.end_tick)) == len(idea.notes) > 0


def test_at_bar_0_writes_before_bar_1(muse: Muse, events: Any, real: Real) -> None:
    ideas = muse.complete(real("finished-phrase"), at_bar=0, **FEW)
    assert ideas.caret.is_inserted
    assert ideas.starts_at == {"bar": 1, "beat": 1}
    old, new = events(real("finished-phrase").read_bytes()), events(ideas[0].with_completion)
    assert min(n[0] for n in new.notes) < ideas.caret.end_tick
    assert len(new.notes) == len(old.notes) + len(ideas[0].notes)
    assert any("bar 1 is now bar 3" in warning for warning in ideas.warnings)


def test_the_half_finished_bar_is_finished(muse: Muse, events: Any, real: Real) -> None:
    path = real("broken-off-on-beat-3")
    ideas = muse.complete(path, bars=2, candidates=3, seed=1)
    assert ideas.starts_at == {"bar": 6, "beat": 3}
    assert (ideas.caret.at_bar, ideas.bars) == (6, 2)
    assert "the rest of bar 6 and bars 7–8" in ideas.headline
    quarter = read_midi(path).grid.ticks_per_quarter
    for idea in ideas:
        new = events(idea.with_completion)
        assert min(note.tick for note in idea.notes) >= (5 * 4 + 2) * quarter
        assert max(n[1] for n in new.notes) <= 8 * 4 * quarter
        alone = events(idea.midi)
        starts = {n[0] + 5 * 4 * quarter for n in alone.notes}
        assert starts == {note.tick for note in idea.notes}
    whole = muse.complete(path, bars=2, candidates=1, seed=1, finish_bar=False)
    assert whole.starts_at == {"bar": 7, "beat": 1}


def test_the_idea_alone_starts_at_its_bar_line_in_the_pieces_time(muse: Muse, events: Any, real: Real) -> None:
    path = real("waltz-pickup")
    ideas = muse.complete(path, at_bar=8, **FEW)
    old = events(path.read_bytes())
    for idea in ideas:
        alone = events(idea.midi)
        assert alone.quarter == old.quarter
        assert [n[0] + ideas.caret.bar_tick for n in sorted(alone.notes)] == sorted(n.tick for n in idea.notes)
        at_start = [event[2] for event in alone.others if event[0] == 0]
        assert any("time_signature" in event and "numerator=3, denominator=8" in event for event in at_start)
        tempo = next(event for event in old.tempos()[::-1])[2].split("tempo=")[1].split()[0].rstrip(",")
        assert any(f"tempo={tempo}" in event for event in at_start)
        assert any("key_signature" in event and "Bb" in event for event in at_start)
        assert any("seed 5" in event for event in at_start)
        assert idea.score.ticks_per_quarter == old.quarter


def test_the_pickup_is_said(muse: Muse, real: Real) -> None:
    ideas = muse.complete(real("waltz-pickup"), **FEW)
    assert any("bar 1 is the pickup (bar 0 in a score)" in warning for warning in ideas.warnings)
    assert not any("pickup" in w for w in muse.complete(real("finished-phrase"), **FEW).warnings)


def test_a_first_downbeat_moves_the_bar_lines(muse: Muse, change: Callable[..., bytes], real: Real) -> None:
    def forget_metres(file: mido.MidiFile) -> None:
        for track in file.tracks:
            track[:] = [
                m if m.type != "time_signature" else mido.MetaMessage("text", text="", time=m.time) for m in track
            ]

    data = change(real("broken-off-on-beat-3"), forget_metres)
    assert muse.complete(data, **FEW).starts_at == {"bar": 6, "beat": 3}
    moved = muse.complete(data, **FEW, first_downbeat=2)
    assert moved.starts_at == {"bar": 7, "beat": 1}
    assert any("pickup" in warning for warning in moved.warnings)


def let_ring(bar_line: int) -> Callable[[mido.MidiFile], None]:
    """Notes that end on a bar line (in quarters) ring on for three more quarters."""

    def hold(file: mido.MidiFile) -> None:
        for track in file.tracks:
            now, events = 0, []
            for message in track:
                now += message.time
                is_end = message.type == "note_off" or (message.type == "note_on" and not message.velocity)
                later = 3 * file.ticks_per_beat if is_end and now == bar_line * file.ticks_per_beat else 0
                events.append((now + later, message.type == "end_of_track", message))
            events.sort(key=lambda event: event[:2])
            ticks = [0, *(tick for tick, *_ in events)]
            track[:] = [
                m.copy(time=after - before) for before, after, (_, _, m) in zip(ticks, ticks[1:], events, strict=False)
            ]

    return hold


def test_ringing_notes_stay_whole_and_are_not_struck_again(
    muse: Muse, events: Any, change: Callable[..., bytes], real: Real
) -> None:
    n_ringing = 0
    for name, at_bar, quarters in (("finished-phrase", 4, 8), ("finished-phrase", 8, 16), ("bach-bwv-269", 9, 27)):
        data = change(real(name), let_ring(quarters))
        for insert in (False, True):
            ideas = muse.complete(data, at_bar=at_bar, bars=2, candidates=4, seed=5, insert=insert)
            caret = ideas.caret
            ringing = [n for n in events(data).notes if n[0] < caret.tick < n[1]]
            n_ringing += len(ringing)
            for idea in ideas:
                assert set(ringing) <= set(events(idea.with_completion).notes)
                for on, off, pitch, *_ in ringing:
                    assert not [n for n in idea.notes if n.pitch == pitch and on < n.tick < off]
    assert n_ringing >= 12


def pedal_states(notes_and_pedals: Any, channel_words: str = "channel=") -> dict[str, list[tuple[int, int]]]:
    """Per channel, (tick, value) of every pedal event in order."""
    found: dict[str, list[tuple[int, int]]] = {}
    for tick, _, text in sorted(notes_and_pedals.pedals, key=lambda event: event[0]):
        channel = text.split(channel_words)[1].split()[0]
        found.setdefault(channel, []).append((tick, int(text.split("value=")[1].split()[0])))
    return found


def test_a_held_pedal_is_let_go_in_the_idea(muse: Muse, events: Any, real: Real) -> None:
    path = real("expressive-pedal")
    piece = read_midi(path)
    held_at = [
        bar
        for bar in range(2, 14)
        if any(p.time < piece.grid.starts[bar] < p.time + p.duration for p in piece.score.tracks[0].pedals)
    ]
    assert held_at
    for bar in held_at[:4]:
        ideas = muse.complete(path, at_bar=bar, **FEW)
        caret = ideas.caret
        old = pedal_states(events(path.read_bytes()))
        for idea in ideas:
            for channel, moves in pedal_states(events(idea.with_completion)).items():
                inside = [value for tick, value in moves if caret.tick <= tick < caret.end_tick]
                assert 0 in inside
                before_rest = [value for tick, value in moves if tick < caret.end_tick][-1]
                expected = [value for tick, value in old[channel] if tick < caret.end_tick][-1]
                assert (before_rest >= 64) == (expected >= 64)


def test_after_the_end_the_pedal_is_up(muse: Muse, events: Any, change: Callable[..., bytes], real: Real) -> None:
    def never_let_go(file: mido.MidiFile) -> None:
        track = file.tracks[-1]
        track.insert(len(track) - 1, mido.Message("control_change", control=64, value=127, channel=0, time=0))

    data = change(real("finished-phrase"), never_let_go)
    for idea in muse.complete(data, **FEW):
        for moves in pedal_states(events(idea.with_completion)).values():
            assert moves[-1][1] < 64


def slowed(file: mido.MidiFile) -> None:
    """A ritardando over the last two bars of a 2/4 piece of eight bars."""
    quarter, track = file.ticks_per_beat, file.tracks[0]
    bpm = next(60e6 / m.tempo for m in track if m.type == "set_tempo")
    now = sum(m.time for m in track[:-1])
    for beat, share in ((12, 0.9), (13, 0.8), (14, 0.7), (15, 0.6)):
        tick = beat * quarter
        tempo = mido.MetaMessage("set_tempo", tempo=round(60e6 / (bpm * share)), time=tick - now)
        track.insert(len(track) - 1, tempo)
        now = tick
    track[-1].time = 0


def test_after_a_ritardando_the_tempo_before_it_goes_on(
    muse: Muse, events: Any, change: Callable[..., bytes], real: Real
) -> None:
    data = change(real("finished-phrase"), slowed)
    old = events(data)
    first = old.tempos()[0][2]
    ideas = muse.complete(data, **FEW)
    assert any("ritardando" in warning and "--keep-rit" in warning for warning in ideas.warnings)
    for idea in ideas:
        new = events(idea.with_completion)
        assert [e for e in new.others if e not in old.others] == [(ideas.caret.tick, 0, first)]
        assert [e for e in old.others if e not in new.others] == []
        assert [(e[0], e[2]) for e in events(idea.midi).tempos()] == [(0, first)]
    kept = muse.complete(data, **FEW, keep_rit=True)
    assert events(kept[0].with_completion).others == old.others
    assert [e[2] for e in events(kept[0].midi).tempos()] == [old.tempos()[-1][2]]


def test_after_a_ritardando_in_the_middle_the_old_tempo_map_comes_back(
    muse: Muse, events: Any, change: Callable[..., bytes], real: Real
) -> None:
    data = change(real("finished-phrase"), slowed)
    old = events(data)
    ideas = muse.complete(data, at_bar=7, bars=1, candidates=1, seed=1)
    new = events(ideas[0].with_completion)
    later = [e for e in old.others if e[0] >= ideas.caret.end_tick]
    assert [e for e in new.others if e[0] > ideas.caret.end_tick] == later
    assert [e for e in old.others if e not in new.others] == []


@pytest.mark.parametrize("name", ["finished-phrase", "waltz-pickup", "gap-of-four-bars", "bach-bwv-269"])
def test_two_tracks_keep_their_hands(muse: Muse, events: Any, real: Real, name: str) -> None:
    path = real(name)
    old = events(path.read_bytes())
    tracks = {track.role: track for track in read_midi(path).tracks}
    ideas = muse.complete(path, candidates=4, bars=4, seed=2)
    for idea in ideas:
        caret = ideas.caret
        new = [n for n in events(idea.with_completion).notes if caret.tick <= n[0] < caret.end_tick]
        assert {n[5] for n in new} <= {tracks["right"].index, tracks["left"].index}
        for role in ("right", "left"):
            assert {n[4] for n in new if n[5] == tracks[role].index} <= {tracks[role].channel}
        by_onset: dict[int, dict[int, list[int]]] = {}
        for on, _, pitch, _, _, track in new:
            by_onset.setdefault(on, {}).setdefault(track, []).append(pitch)
        for parts in by_onset.values():
            if len(parts) == 2:
                assert min(parts[tracks["right"].index]) > max(parts[tracks["left"].index])
    assert {n[5] for n in old.notes} >= {n[5] for n in new}


def as_violin(file: mido.MidiFile) -> None:
    """A copy of the right hand on a violin, and a drum, beside the piano."""
    violin = mido.MidiTrack(mido.MetaMessage("track_name", name="Violin", time=0) for _ in range(1))
    violin.append(mido.Message("program_change", program=40, channel=5, time=0))
    for message in file.tracks[1]:
        if message.type in ("note_on", "note_off"):
            violin.append(message.copy(channel=5))
    drums = mido.MidiTrack()
    for beat in range(400):
        drums.append(mido.Message("note_on", note=42, velocity=70, channel=9, time=240 if beat else 0))
        drums.append(mido.Message("note_off", note=42, channel=9, time=240))
    file.tracks += [violin, drums]


def test_other_instruments_are_not_read_but_stay(
    muse: Muse, events: Any, change: Callable[..., bytes], real: Real
) -> None:
    plain, data = change(real("finished-phrase")), change(real("finished-phrase"), as_violin)
    old = events(data)
    ideas = muse.complete(data, at_bar=4, **FEW)
    assert any("Violin" in warning for warning in ideas.warnings)
    for idea, alone in zip(ideas, muse.complete(plain, at_bar=4, **FEW), strict=True):
        new = events(idea.with_completion)
        for channel in (5, 9):
            assert [n for n in new.notes if n[4] == channel] == [n for n in old.notes if n[4] == channel]
        assert {n.track for n in idea.notes} <= {0, 1}
        assert [(n.tick, n.pitch) for n in idea.notes] == [(n.tick, n.pitch) for n in alone.notes]


def test_even_dynamics_stay_exactly_even(muse: Muse, events: Any, real: Real) -> None:
    for name in ("finished-phrase", "waltz-pickup", "warlock-rutterkin"):
        (velocity,) = {n[3] for n in events(real(name).read_bytes()).notes}
        ideas = muse.complete(real(name), **FEW)
        assert "even dynamics" in ideas.summary
        for idea in ideas:
            assert {note.velocity for note in idea.notes} == {velocity}


def test_expressive_dynamics_follow_the_last_bars(muse: Muse, events: Any, real: Real) -> None:
    path = real("expressive-pedal")
    ideas = muse.complete(path, bars=8, candidates=3, seed=3)
    assert "expressive dynamics" in ideas.summary
    last = [n[3] for n in events(path.read_bytes()).notes if n[0] >= ideas.caret.tick - 4 * 3 * 480]
    for idea in ideas:
        new = np.array([note.velocity for note in idea.notes])
        assert new.mean() == pytest.approx(np.mean(last), abs=4)  # it sets in at the last bar's level and glides
        assert new.std() == pytest.approx(np.std(last), rel=0.35)


def test_a_performance_is_continued_as_it_was_played_or_straight(muse: Muse, real: Real) -> None:
    path = real("expressive-pedal")
    unit = read_midi(path).grid.ticks_per_quarter // 24
    played = muse.complete(path, **FEW)
    straight = muse.complete(path, **FEW, feel="straight")
    assert all(note.tick % unit == 0 for idea in straight for note in idea.notes)
    assert any(note.tick % unit for idea in played for note in idea.notes)
    for one, other in zip(played, straight, strict=True):
        if len(one.notes) == len(other.notes):
            assert max(abs(a.tick - b.tick) for a, b in zip(one.notes, other.notes, strict=True)) <= 4 * unit


def test_the_grid_of_the_context_is_kept(muse: Muse, real: Real) -> None:
    piece = read_midi(real("finished-phrase"))
    sixteenth = piece.grid.ticks_per_quarter // 4
    assert all(note.time % sixteenth == 0 for note in piece.score.tracks[0].notes)
    ideas = muse.complete(real("finished-phrase"), candidates=4, bars=8, seed=1)
    assert all(note.tick % sixteenth == 0 for idea in ideas for note in idea.notes)


def test_one_line_stays_one_line(muse: Muse, real: Real) -> None:
    ideas = muse.complete(real("right-hand"), candidates=4, bars=4, seed=1)
    assert "one line" in ideas.summary or "right hand alone" in ideas.summary
    piece = read_midi(real("right-hand"))
    lowest = min(note.pitch for note in piece.score.tracks[0].notes)
    for idea in ideas:
        assert min(note.pitch for note in idea.notes) >= lowest - 5
        ordered = sorted(idea.notes, key=lambda note: note.tick)
        voices = [sum(o.tick <= n.tick < o.tick + o.duration_ticks for o in ordered) for n in ordered]
        assert max(voices) <= 3


def repeated(times: int) -> Callable[[mido.MidiFile], None]:
    def repeat(file: mido.MidiFile) -> None:
        length = max(sum(m.time for m in track) for track in file.tracks)
        bar = 4 * file.ticks_per_beat
        length = -(-length // bar) * bar
        for track in file.tracks[1:]:
            own = [m for m in track if m.type in ("note_on", "note_off")]
            rest = length - sum(m.time for m in own)
            track[:] = [m.copy() for m in track if m.type not in ("note_on", "note_off", "end_of_track")]
            for turn in range(times):
                track.extend(m.copy(time=m.time + (rest if turn and i == 0 else 0)) for i, m in enumerate(own))

    return repeat


def test_a_piece_of_three_hundred_bars_is_heard_whole_and_quickly(
    muse: Muse, events: Any, change: Callable[..., bytes], real: Real
) -> None:
    data = change(real("broken-off-on-beat-3"), repeated(50))
    piece = read_midi(data)
    assert piece.grid.n_bars == 300
    ideas = muse.complete(data, **FEW)
    assert ideas.context_bars == 300
    assert_only_these_bars_changed(events, data, ideas)
    few = muse.complete(data, **FEW, context_bars=16)
    assert few.context_bars <= 17
    assert any("last" in warning and "heard" in warning for warning in few.warnings)
    assert ideas.starts_at == {"bar": 300, "beat": 3}


def test_seven_eight_stays_seven_eight(muse: Muse, events: Any, real: Real) -> None:
    piece = read_midi(real("warlock-rutterkin"))
    bar = next(i for i in range(1, piece.grid.n_bars) if piece.grid.metres[i] == piece.grid.metres[i - 1] == (7, 8))
    ideas = muse.complete(real("warlock-rutterkin"), at_bar=bar, bars=3, candidates=2, seed=1, insert=True)
    assert ideas.caret.metres == ((7, 8),) * 3
    for idea in ideas:
        signatures = [e[2] for e in events(idea.midi).others if "time_signature" in e[2]]
        assert len(signatures) == 1
        assert "numerator=7, denominator=8" in signatures[0]
        assert max(n[1] for n in events(idea.midi).notes) <= 3 * 7 * piece.grid.ticks_per_quarter // 2
        again = read_midi(idea.with_completion)
        assert again.grid.metres[bar : bar + 3] == ((7, 8),) * 3
        assert again.grid.metres[bar + 3 :] == piece.grid.metres[bar:]


def test_idea_k_is_the_same_whatever_their_number(muse: Muse, real: Real) -> None:
    path = real("waltz-pickup")
    five = muse.complete(path, bars=2, candidates=5, seed=11)
    two = muse.complete(path, bars=2, candidates=2, seed=11)
    of_five, of_two = ({idea.number: idea.with_completion for idea in ideas} for ideas in (five, two))
    assert sorted(of_five) == [1, 2, 3, 4, 5]
    assert of_two == {number: of_five[number] for number in (1, 2)}
    other = muse.complete(path, bars=2, candidates=2, seed=12)
    assert other[0].notes != two[0].notes


def test_the_same_idea_is_offered_once(muse: Muse, real: Real) -> None:
    ideas = muse.complete(real("finished-phrase"), bars=2, candidates=4, seed=1, temperature=0.0)
    assert len(ideas) == 1
    assert any("3 ideas fewer" in warning for warning in ideas.warnings)


def test_adventure_is_temperature_and_top_p_in_one_word(muse: Muse, real: Real) -> None:
    def idea(**others: Any) -> bytes:
        return muse.complete(real("finished-phrase"), bars=2, candidates=1, seed=1, **others)[0].with_completion

    assert idea(adventure="bold") == idea(temperature=1.15, top_p=0.98)
    assert idea(adventure="balanced") == idea() == idea(temperature=0.9, top_p=0.95)
    assert idea(adventure="bold") != idea(adventure="calm")


def test_a_seed_is_drawn_and_told(muse: Muse, real: Real) -> None:
    drawn = muse.complete(real("finished-phrase"), bars=1, candidates=1)
    again = muse.complete(real("finished-phrase"), bars=1, candidates=1, seed=drawn.seed)
    assert drawn[0].with_completion == again[0].with_completion


def test_replacing_says_how_many_notes_it_concerns_and_what_else_there_is(muse: Muse, events: Any, real: Real) -> None:
    path = real("finished-phrase")
    ideas = muse.complete(path, at_bar=2, **FEW)
    concerned = len(events(path.read_bytes()).inside(ideas.caret.tick, ideas.caret.end_tick))
    (line,) = [warning for warning in ideas.warnings if warning.startswith("Replaced")]
    assert f"Replaced {concerned} notes in bars 3–4" in line
    assert "fill --from-bar 3 --to-bar 4" in line
    assert "--insert" in line


def test_empty_bars_before_later_music_name_fill(muse: Muse, real: Real) -> None:
    ideas = muse.complete(real("gap-of-four-bars"), at_bar=8, bars=4, candidates=1, seed=1)
    assert any("empty" in warning and "fill --from-bar 9 --to-bar 12" in warning for warning in ideas.warnings)


def test_past_the_end_a_better_bar_is_named(muse: Muse, real: Real) -> None:
    ended = muse.complete(real("bach-bwv-269"), **FEW)
    assert any("the piece ends in bar 22; try --at-bar 8" in warning for warning in ended.warnings)
    far = muse.complete(real("finished-phrase"), at_bar=12, **FEW)
    assert any("the piece ends in bar 8; try --at-bar 8" in warning for warning in far.warnings)
    assert far.starts_at == {"bar": 13, "beat": 1}
    beyond = muse.complete(real("bach-bwv-269"), at_bar=24, **FEW)
    assert any("the piece ends in bar 22; try --at-bar 8" in warning for warning in beyond.warnings)


def test_little_heard_is_said_and_ideas_still_come(muse: Muse, real: Real) -> None:
    ideas = muse.complete(real("finished-phrase"), at_bar=1, bars=2, candidates=3, seed=1)
    assert any(warning.startswith("Little was heard (1 bar") for warning in ideas.warnings)
    assert len(ideas) == 3


def test_a_misspelled_option_is_refused(muse: Muse, real: Real) -> None:
    with pytest.raises(TypeError, match="'candidate'"):
        muse.complete(real("finished-phrase"), candidate=3)  # type: ignore[call-arg]


def test_silent_bars_before_the_music_are_filled_in_its_manner(
    muse: Muse, events: Any, change: Callable[..., bytes], real: Real
) -> None:
    def wait_four_bars(file: mido.MidiFile) -> None:
        for track in file.tracks[1:]:
            first = next(m for m in track if m.type == "note_on")
            first.time += 4 * 2 * file.ticks_per_beat

    data = change(real("finished-phrase"), wait_four_bars)
    ideas = muse.complete(data, at_bar=2, **FEW)
    assert {note.velocity for idea in ideas for note in idea.notes} == {80}
    assert ideas.hands == "two hands"
    assert_only_these_bars_changed(events, data, ideas)


def test_ideas_can_be_saved(muse: Muse, events: Any, real: Real, tmp_path: Path) -> None:
    idea = muse.complete(real("finished-phrase"), bars=1, candidates=1, seed=1)[0]
    alone = idea.save(tmp_path / "idea.mid")
    whole = idea.save_with_completion(tmp_path / "whole.mid")
    assert alone.read_bytes() == idea.midi
    assert whole.read_bytes() == idea.with_completion
    assert len(events(alone.read_bytes()).notes) == len(idea.notes)
    assert sum(len(track.notes) for track in idea.score.tracks) == len(idea.notes)
    assert idea.log_prob_per_note < 0


def test_tunes_without_their_accompaniment_come_back_with_one_voice(muse: Muse, corpus: Path) -> None:
    paths = sorted(corpus.rglob("*.mid"))
    for path in paths:
        piece = read_midi(path)
        ideas = muse.complete(tune_of(piece.score), at_bar=max(piece.grid.n_bars // 2, 1), candidates=2, bars=2, seed=1)
        for idea in ideas:
            ends = [note.tick + note.duration_ticks for note in idea.notes]
            assert all(end <= after.tick for end, after in zip(ends, idea.notes[1:], strict=False)), path
    assert len(paths) == 17


def tune_of(score: Score) -> bytes:
    """Return the highest note of every sixteenth alone, until the next one, on one track."""
    sixteenth = score.ticks_per_quarter // 4
    struck: dict[int, Note] = {}
    for note in (note for track in score.tracks for note in track.notes):
        place = note.time // sixteenth * sixteenth
        if place not in struck or note.pitch > struck[place].pitch:
            struck[place] = note
    onsets = sorted(struck)
    tune = Track(program=0)
    for onset, after in zip(onsets, [*onsets[1:], score.end()], strict=True):
        note = struck[onset]
        tune.notes.append(Note(onset, min(note.duration, after - onset), note.pitch, note.velocity))
    alone = Score(score.ticks_per_quarter)
    alone.tempos, alone.time_signatures, alone.key_signatures = (
        score.tempos,
        score.time_signatures,
        score.key_signatures,
    )
    alone.tracks.append(tune)
    return bytes(alone.dumps_midi())
