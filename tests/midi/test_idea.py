"""The file of one idea: the new bars alone, in the piece's time, tempo, metre, key, names and sounds."""

from __future__ import annotations

import pytest

from pianomuse.errors import RequestError
from pianomuse.midi.read import read_midi
from pianomuse.midi.splice import NewNote, NewPedal, idea_file


def test_an_idea_starts_at_tick_0_with_what_is_in_force(real, events_of):
    piece = read_midi(real("webern-im-morgentaun"))
    span = piece.grid.start_of(4), piece.grid.start_of(8)
    track = next(i for i, info in enumerate(piece.tracks) if info.role == "right")
    notes = [NewNote(span[0] + i * 120, 120, 60 + i, 40 + i, track) for i in range(16)]
    data = idea_file(piece, *span, notes, [NewPedal(span[0], 127, track), NewPedal(span[0] + 960, 0, track)], "seed 7")
    idea = read_midi(data)
    assert idea.score.ticks_per_quarter == piece.score.ticks_per_quarter
    assert idea.grid.metres == piece.grid.metres[4 : 4 + idea.grid.n_bars]
    assert [note.time for note in idea.score.tracks[0].notes] == [i * 120 for i in range(16)]
    assert [note.velocity for note in idea.score.tracks[0].notes] == [40 + i for i in range(16)]
    assert [(p.time, p.duration) for p in idea.score.tracks[0].pedals] == [(0, 960)]
    assert idea.tracks[0].name == piece.tracks[track].name == "RH"
    inside = [t for t in piece.score.tempos if span[0] < t.time < span[1]]
    in_force = [t for t in piece.score.tempos if t.time <= span[0]][-1]
    assert [(t.time, t.mspq) for t in idea.score.tempos] == [
        (0, in_force.mspq),
        *((t.time - span[0], t.mspq) for t in inside),
    ]
    assert [(k.time, k.key) for k in idea.score.key_signatures] == [(0, piece.score.key_signatures[0].key)]
    assert events_of(data)[0][0][1].text == "seed 7"


def test_an_idea_past_the_end_has_the_last_metre_and_every_bar(real_files):
    for path in real_files:
        piece = read_midi(path)
        end = piece.grid.n_bars
        span = piece.grid.start_of(end), piece.grid.start_of(end + 4)
        idea = read_midi(idea_file(piece, *span, [NewNote(span[1] - 10, 10, 60, 80, 0)], [], ""))
        assert idea.grid.metres == (piece.grid.metres[-1],) * 4
        assert int(idea.grid.starts[-1]) == span[1] - span[0]


def test_channels_and_programs_are_kept_and_tracks_without_notes_left_out(smf, events_of):
    right = [
        (0, smf.meta(3, "Rechte für Übung".encode("latin-1"))),
        (0, b"\xc3\x04"),
        *smf.notes((0, 9, 60), channel=3),
    ]
    left = [(0, smf.meta(3, b"LH")), (0, b"\xc5\x02"), *smf.notes((0, 9, 40), channel=5)]
    piece = read_midi(smf.file(right, left))
    data = idea_file(piece, 1920, 3840, [NewNote(1920, 480, 72, 80, 0)], [], "")
    conductor, only = events_of(data)
    assert {message.type for _, message in conductor} == {"text", "set_tempo", "time_signature"}
    assert (only[1][1].type, only[1][1].channel, only[1][1].program) == ("program_change", 3, 4)
    assert "Rechte für Übung".encode("latin-1") in data


def test_a_tempo_may_take_the_place_of_a_ritardando(real):
    piece = read_midi(real("butterworth-one-and-twenty"))
    end = piece.grid.start_of(40)
    note = [NewNote(end, 480, 60, 80, 0)]
    assert round(read_midi(idea_file(piece, end, end + 1920, note, [], "")).score.tempos[0].qpm) == 54
    faster = read_midi(idea_file(piece, end, end + 1920, note, [], "", tempo_mspq=428_571))
    assert [(t.time, t.mspq) for t in faster.score.tempos] == [(0, 428_571)]


def test_what_does_not_fit_is_refused(real):
    piece = read_midi(real("bach-bwv-269"))
    with pytest.raises(RequestError, match="outside of the new bars"):
        idea_file(piece, 0, 1440, [NewNote(1440, 480, 60, 80, 0)], [], "")


def test_texts_of_any_script_are_written(real, events_of):
    piece = read_midi(real("bach-bwv-269"))
    data = idea_file(piece, 0, 1440, [NewNote(0, 480, 60, 80, 0)], [], "第一 \udcff.mid")
    assert "第一 ?.mid".encode() in data
