"""Reading: real scores as mido reads them, and the odd files that people have."""

from __future__ import annotations

import struct
from collections import defaultdict
from pathlib import Path

import pytest
from symusic import Score

from pianomuse.midi.read import read_midi


def notes_by_mido(tracks):
    """Notes per track as (onset, duration, pitch, velocity), first struck first ended."""
    found = []
    for track in tracks:
        sounding, notes = defaultdict(list), []
        for tick, message in track:
            if message.type == "note_on" and message.velocity:
                sounding[message.note].append((tick, message.velocity))
            elif message.type in ("note_on", "note_off"):
                onset, velocity = sounding[message.note].pop(0)
                notes.append((onset, tick - onset, message.note, velocity))
        found.append(notes)
    return found


def test_every_key_struck_in_a_real_score_is_read_once(real_files, events_of, columns):
    for path in real_files:
        piece = read_midi(path)
        tracks = notes_by_mido(events_of(path.read_bytes()))
        written = {}
        for note in sorted((note for notes in tracks for note in notes), key=lambda note: note[1]):
            written[note[0], note[2]] = note[1]
        assert {(note[0], note[2]): note[1] for note in columns(piece)} == written, path.name
        assert len(columns(piece)) == len(written), path.name
        for info in piece.tracks:
            assert info.n_notes == len(tracks[info.index])
        for note, track in zip(columns(piece), piece.track_of_note, strict=True):
            assert any(note[:3] == other[:3] for other in tracks[piece.tracks[track].index])


def test_maps_and_pedal_of_a_real_score_are_symusics(real_files):
    n_pedals = 0
    for path in real_files:
        piece, score = read_midi(path), Score(path)
        assert [(t.time, t.mspq) for t in piece.score.tempos] == [(t.time, t.mspq) for t in score.tempos]
        assert [(k.time, k.key, k.tonality) for k in piece.score.key_signatures] == [
            (k.time, k.key, k.tonality) for k in score.key_signatures
        ]
        pedals = [(p.time, p.duration) for track in score.tracks for p in track.pedals]
        assert [(p.time, p.duration) for p in piece.score.tracks[0].pedals] == pedals
        n_pedals += len(pedals)
        assert piece.data == path.read_bytes()
        assert len(piece.score.tracks) == 1
        assert piece.score.ticks_per_quarter == score.ticks_per_quarter
    assert n_pedals > 20


def test_notes_come_by_onset_then_pitch(real, columns):
    notes = columns(read_midi(real("warlock-rutterkin")))
    assert notes == sorted(notes, key=lambda note: (note[0], note[2]))


def test_a_key_struck_by_two_hands_at_once_is_one_note_the_longer_and_the_louder(smf, columns):
    right = smf.notes((0, 240, 60, 90), (480, 960, 64))
    left = smf.notes((0, 960, 60, 50), channel=1)
    piece = read_midi(smf.file(right, left))
    assert columns(piece) == [(0, 960, 60, 90), (480, 480, 64, 80)]
    assert piece.track_of_note.tolist() == [1, 0]


def test_riff_running_status_format_0_and_any_resolution_read_alike(smf, columns):
    plain = read_midi(smf.file(smf.notes((0, 96, 60), (96, 192, 62)), division=96))
    running = smf.chunk(b"\x00\x90\x3c\x50\x60\x3c\x00\x00\x3e\x50\x60\x3e\x00\x00\xff\x2f\x00")
    single = read_midi(b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + running)
    assert columns(single) == columns(plain)
    data = smf.file(smf.notes((0, 1, 60), (1, 2, 62)), division=1)
    riff = b"RIFF" + struct.pack("<I", len(data) + 16) + b"RMIDDISPx" + b"data" + struct.pack("<I", len(data)) + data
    riff = riff.replace(b"DISPx", b"DISP" + struct.pack("<I", 1) + b"x\0")
    wrapped = read_midi(riff)
    assert wrapped.data == data
    assert columns(wrapped) == [(0, 1, 60, 80), (1, 1, 62, 80)]
    assert wrapped.score.ticks_per_quarter == 1


def test_a_long_header_and_foreign_chunks_are_passed_over(smf, columns):
    data = smf.file(smf.notes((0, 480, 60)))
    longer = (
        b"MThd" + struct.pack(">IHHH", 8, 1, 1, 480) + b"\0\0" + b"XFIH" + struct.pack(">I", 3) + b"abc" + data[14:]
    )
    assert columns(read_midi(longer)) == columns(read_midi(data))


def test_no_tempo_and_no_metre_are_said_and_assumed(smf):
    piece = read_midi(smf.file(smf.notes((0, 480, 60))))
    assert [(t.time, t.mspq) for t in piece.score.tempos] == [(0, 500_000)]
    assert piece.grid.metres == ((4, 4),)
    assert any("No tempo" in warning for warning in piece.warnings)
    assert any("4/4" in warning for warning in piece.warnings)


def test_a_tempo_that_comes_before_the_first_note_holds_from_the_start(smf):
    early = [(3, smf.tempo(400_000)), *smf.notes((480, 960, 60))]
    late = [*smf.notes((0, 480, 60)), (960, smf.tempo(400_000)), *smf.notes((960, 1440, 62))]
    assert [t.mspq for t in read_midi(smf.file(early)).score.tempos] == [400_000, 400_000]
    assert [t.mspq for t in read_midi(smf.file(late)).score.tempos] == [500_000, 400_000]


def test_other_instruments_and_drums_are_left_out_and_named(smf, columns):
    strings = [(0, smf.meta(3, b"Strings")), (0, b"\xc1\x30"), *smf.notes((0, 960, 67), channel=1)]
    piano = [(0, b"\xc0\x05"), *smf.notes((0, 480, 60))]
    drums = smf.notes((0, 120, 36), (480, 600, 38), channel=9)
    piece = read_midi(smf.file(strings, piano, drums))
    assert [track.role for track in piece.tracks] == ["other", "piano", "drums"]
    assert columns(piece) == [(0, 480, 60, 80)]
    assert piece.track_of_note.tolist() == [1]
    left_out = next(warning for warning in piece.warnings if "Not read" in warning)
    assert "Strings" in left_out
    assert "3 notes" in left_out


def test_without_a_piano_everything_but_drums_is_read(smf, columns):
    flute = [(0, b"\xc1\x49"), *smf.notes((0, 960, 79), channel=1)]
    harp = [(0, b"\xc2\x2e"), *smf.notes((0, 480, 60), channel=2)]
    piece = read_midi(smf.file(flute, harp, smf.notes((0, 120, 36), channel=9)))
    assert [note[2] for note in columns(piece)] == [60, 79]
    assert any("one piano" in warning for warning in piece.warnings)


def test_a_program_set_in_another_track_of_the_channel_counts(smf):
    conductor = [(0, smf.tempo(500_000)), (0, b"\xc1\x30")]
    piece = read_midi(smf.file(conductor, smf.notes((0, 480, 60)), smf.notes((0, 480, 72), channel=1)))
    assert [(track.program, track.role) for track in piece.tracks] == [(0, "piano"), (48, "other")]


def test_a_channel_that_changes_its_sound_is_what_it_is_at_its_first_note(smf):
    events = [(0, b"\xc0\x30"), (0, b"\xc0\x00"), *smf.notes((0, 480, 60)), (480, b"\xc0\x30")]
    assert read_midi(smf.file(events)).tracks[0].program == 0


def test_format_0_with_two_channels_has_two_parts(smf):
    events = smf.notes((0, 480, 72), (480, 960, 74)) + smf.notes((960, 1920, 40), channel=1)
    piece = read_midi(smf.file(events, kind=0))
    assert [(track.index, track.channel, track.role) for track in piece.tracks] == [(0, 0, "right"), (0, 1, "left")]
    assert piece.track_of_note.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("name", "role"),
    [
        (b"RH", "right"),
        (b"Piano_LH", "left"),
        (b"RightHand", "right"),
        (b"Left Hand", "left"),
        (b"Klavier, linke Hand", "left"),
        (b"upper staff", "right"),
        (b"Bass", "left"),
        (b"Melody", "voice"),
        (b"Right Hand Melody", "right"),
        (b"Bright Piano", "piano"),
        (b"Piano (left and right)", "piano"),
        ("右手".encode(), "right"),
        ("左手".encode("gb2312"), "left"),
        ("左右手".encode(), "piano"),
    ],
)
def test_roles_come_from_track_names(smf, name, role):
    track = [(0, smf.meta(3, name)), *smf.notes((0, 480, 60))]
    other = [(0, smf.meta(3, b"Voice")), *smf.notes((0, 480, 60))]
    piece = read_midi(smf.file(track, other))
    assert [info.role for info in piece.tracks] == [role, "voice"]


def test_two_unnamed_hands_are_told_apart_by_height_when_clear(smf):
    low, high = smf.notes((0, 480, 40), (480, 960, 45)), smf.notes((0, 480, 72), (480, 960, 70))
    assert [track.role for track in read_midi(smf.file(low, high)).tracks] == ["left", "right"]
    assert [track.role for track in read_midi(smf.file(high, high)).tracks] == ["piano", "piano"]


def test_names_in_unknown_charsets_are_shown_readably(smf):
    named = [(0, smf.meta(3, "Étude".encode("latin-1"))), *smf.notes((0, 480, 60))]
    assert read_midi(smf.file(named)).tracks[0].name == "Étude"
    named[0] = (0, smf.meta(3, "钢琴".encode("gb2312")))
    assert read_midi(smf.file(named)).tracks[0].name == "钢琴"


def test_a_lost_note_off_harms_one_note_only(smf, columns):
    stuck = [(0, b"\x90\x3c\x50"), *smf.notes((240, 480, 60), (480, 720, 60), (960, 1000, 64))]
    piece = read_midi(smf.file(stuck))
    assert columns(piece) == [(0, 240, 60, 80), (240, 240, 60, 80), (480, 240, 60, 80), (960, 40, 64, 80)]
    assert any(warning.startswith("1 note without an end") for warning in piece.warnings)
    last = read_midi(smf.file([*smf.notes((0, 480, 60)), (480, b"\x90\x40\x50")]))
    assert columns(last)[1] == (480, 480, 64, 80)


def test_a_doubled_note_off_changes_nothing(smf, columns):
    events = [*smf.notes((0, 240, 60)), (240, b"\x80\x3c\x00"), *smf.notes((240, 480, 60))]
    assert columns(read_midi(smf.file(events))) == [(0, 240, 60, 80), (240, 240, 60, 80)]


def test_two_voices_holding_one_key_end_in_the_order_they_began(smf, columns):
    events = [(0, b"\x90\x3c\x50"), (240, b"\x90\x3c\x40"), (480, b"\x80\x3c\x00"), (960, b"\x80\x3c\x00")]
    piece = read_midi(smf.file(events))
    assert columns(piece) == [(0, 480, 60, 80), (240, 720, 60, 64)]
    assert any(warning.startswith("1 key struck again") for warning in piece.warnings)


def test_notes_of_no_length_become_the_shortest_note(smf, columns):
    piece = read_midi(smf.file([*smf.note(0, 0, 60), *smf.note(480, 483, 62)]))
    assert columns(piece) == [(0, 20, 60, 80), (480, 3, 62, 80)]
    assert any(warning.startswith("1 note of no length") for warning in piece.warnings)


def test_the_pedal_is_down_where_any_piano_channel_has_it_down(smf):
    right = [(0, b"\xb0\x40\x7f"), *smf.notes((0, 480, 72)), (480, b"\xb0\x40\x30"), (2000, b"\xb0\x40\x40")]
    left = [(240, b"\xb1\x40\x64"), *smf.notes((240, 960, 40), channel=1), (960, b"\xb1\x40\x00")]
    strings = [(0, b"\xc2\x30"), (0, b"\xb2\x40\x7f"), *smf.notes((0, 3000, 60), channel=2)]
    piece = read_midi(smf.file(right, left, strings))
    assert [(p.time, p.duration) for p in piece.score.tracks[0].pedals] == [(0, 960)]


def test_a_pedal_in_a_track_without_notes_and_one_never_released_are_read(smf):
    pedal = [(100, b"\xb0\x40\x7f")]
    piece = read_midi(smf.file(smf.notes((0, 480, 60)), pedal))
    assert [(p.time, p.duration) for p in piece.score.tracks[0].pedals] == [(100, 380)]


def test_metre_tempo_and_key_events_without_meaning_are_counted(smf):
    odd = [(0, smf.meta(0x58, b"\0\2\x18\x08")), (0, smf.meta(0x51, b"\0\0\0")), (0, smf.meta(0x59, b"\x0b\0"))]
    odd += [(0, smf.meta(0x58, b"\4\xff\x18\x08")), (0, smf.meta(0x51, b"\1"))]
    piece = read_midi(smf.file(odd, smf.notes((0, 480, 60))))
    assert any(warning.startswith("5 tempo, metre or key events") for warning in piece.warnings)
    assert piece.grid.metres == ((4, 4),)
    assert len(piece.score.key_signatures) == 0


def test_a_path_may_be_text(real):
    path = real("bach-bwv-269")
    assert read_midi(str(path)).path == Path(path)
    assert read_midi(path.read_bytes()).path is None
