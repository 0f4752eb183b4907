"""Splicing: what is outside of the new bars is what the composer wrote, event by event, as mido reads it."""

from __future__ import annotations

import struct
from collections import defaultdict

import pytest
from symusic import Score

from pianomuse.errors import RequestError
from pianomuse.midi.read import read_midi
from pianomuse.midi.splice import NewNote, NewPedal, insert_span, replace_span

SPANS = [(0, 1), (3, 5), (7, 8), (10, 40)]  # bars


def note_pairs(track):
    """Yield (index of the note-on, index of its note-off) of a mido track."""
    sounding = defaultdict(list)
    for index, (_, message) in enumerate(track):
        if message.type == "note_on" and message.velocity:
            sounding[message.channel, message.note].append(index)
        elif message.type in ("note_on", "note_off"):
            yield sounding[message.channel, message.note].pop(0), index


def is_sustain(message):
    return message.type == "control_change" and message.control == 64


def what_stays(track, from_tick, to_tick):
    gone = {i for pair in note_pairs(track) if from_tick <= track[pair[0]][0] < to_tick for i in pair}
    return [
        (tick, message)
        for i, (tick, message) in enumerate(track)
        if i not in gone and not (is_sustain(message) and from_tick <= tick < to_tick)
    ]


def new_notes(piece, from_tick, to_tick):
    """A run of 16ths below the piano's range of any score, over the whole span, in the last piano track."""
    step = piece.grid.ticks_per_quarter // 4
    return [NewNote(tick, step, 21, 99, len(piece.tracks) - 1) for tick in range(from_tick, to_tick, step)]


def test_replacing_bars_of_real_scores_changes_nothing_else(real_files, events_of):
    n_replaced = 0
    for path in real_files:
        piece = read_midi(path)
        for first, last in SPANS:
            span = piece.grid.start_of(first), piece.grid.start_of(last)
            notes = new_notes(piece, *span)
            after = events_of(replace_span(piece, *span, notes, []))
            before = events_of(piece.data)
            for index, (track, new_track) in enumerate(zip(before, after, strict=True)):
                stays = what_stays(track, *span)
                n_replaced += len(track) - len(stays)
                kept = [
                    (tick, message)
                    for tick, message in new_track
                    if not (message.type.startswith("note") and message.note == 21)
                    and not (is_sustain(message) and tick == span[1] - 1)
                ]
                assert kept == stays, (path.name, span, index)
            added = [(tick, message) for track in after for tick, message in track if getattr(message, "note", 0) == 21]
            assert len(added) == 2 * len(notes)
    assert n_replaced > 1000


def test_inserting_bars_leaves_both_halves_of_real_scores_as_they_were(real_files, events_of):
    for path in real_files:
        piece = read_midi(path)
        at, length = piece.grid.start_of(3), 2 * piece.grid.ticks_per_quarter * 4
        after = events_of(insert_span(piece, at, length, new_notes(piece, at, at + length), []))
        for track, new_track in zip(events_of(piece.data), after, strict=True):
            ringing = {off for on, off in note_pairs(track) if track[on][0] < at}
            moved = [
                (tick if tick < at or index in ringing else tick + length, message)
                for index, (tick, message) in enumerate(track)
            ]
            kept = [
                event
                for event in new_track
                if getattr(event[1], "note", 0) != 21 and not (is_sustain(event[1]) and event[0] == at + length - 1)
            ]
            key = lambda event: (event[0], str(event[1]))  # noqa: E731
            assert sorted(kept, key=key) == sorted(moved, key=key), path.name


def test_what_was_written_can_be_read_again(real_files, tmp_path, columns):
    for path in real_files:
        piece = read_midi(path)
        span = piece.grid.start_of(2), piece.grid.start_of(4)
        notes = new_notes(piece, *span)
        data = replace_span(piece, *span, notes, [])
        again = read_midi(data)
        stays = [note for note in columns(piece) if not span[0] <= note[0] < span[1]]
        new = [(note.tick, note.duration_ticks, 21, 99) for note in notes]
        assert columns(again) == sorted(stays + new, key=lambda note: (note[0], note[2]))
        (tmp_path / "out.mid").write_bytes(data)
        assert Score(tmp_path / "out.mid").note_num() == sum(track.n_notes for track in again.tracks)
        assert again.grid.metres == piece.grid.metres
        assert [(t.time, t.mspq) for t in again.score.tempos] == [(t.time, t.mspq) for t in piece.score.tempos]


def test_putting_back_the_notes_that_went_gives_the_piece_again(real_files, columns, pedals_of):
    for path in real_files:
        piece = read_midi(path)
        span = piece.grid.start_of(1), piece.grid.start_of(5)
        tracks = piece.track_of_note.tolist()
        notes = [
            NewNote(*note, track)
            for note, track in zip(columns(piece), tracks, strict=True)
            if span[0] <= note[0] < span[1]
        ]
        pedals = [pedal for start, end in pedals_of(piece) for pedal in ((start, 127), (end, 0))]
        pedals = [NewPedal(tick, value, len(piece.tracks) - 1) for tick, value in pedals if span[0] <= tick < span[1]]
        again = read_midi(replace_span(piece, *span, notes, pedals))
        assert columns(again) == columns(piece), path.name
        assert pedals_of(again) == pedals_of(piece), path.name


def test_an_empty_stretch_replaced_by_nothing_leaves_every_byte(real_files):
    for path in real_files:
        piece = read_midi(path)
        end = int(piece.grid.starts[-1]) + 10_000
        assert replace_span(piece, end, end + 1920, [], []) == path.read_bytes()


def test_only_the_chunk_that_receives_notes_is_written_again(real):
    piece = read_midi(real("cornelius-untreu"))
    end = int(piece.grid.starts[-1])
    data = replace_span(piece, end, end + 1440, [NewNote(end, 480, 60, 80, 1)], [])
    chunks, new = piece.data.split(b"MTrk"), data.split(b"MTrk")
    assert [a == b for a, b in zip(chunks, new, strict=True)] == [True, True, True, False, True]


def odd_bytes(smf):
    """A file with everything that libraries lose: unknown metas, SysEx, F7 packets, old charsets, realtime bytes."""
    odd = [
        (0, smf.meta(3, "Klavier für Übung".encode("latin-1"))),
        (0, smf.meta(0x59, b"\x0c\x05")),
        (0, smf.meta(0x58, b"\4\2\x18")),
        (10, smf.meta(0x60, bytes(range(200)))),
        (20, b"\xf0\x05\x7e\x7f\x09\x01\xf7"),
        (30, b"\xf7\x03\x01\x02\x03"),
        (40, b"\xf8"),
        (50, b"\xa0\x3c\x40"),
        (60, b"\xe0\x00\x41"),
        (2000, smf.meta(1, b"\xff\xfe\x80 text")),
        (2500, b"\xd0\x22"),
        (5000, smf.meta(6, "第二段".encode("gbk"))),
    ]
    notes = smf.notes((0, 480, 60), (480, 2400, 64), (1920, 2880, 67), (3840, 4800, 72))
    return odd, notes, smf.file(odd + notes) + b"trailing bytes"


def test_unknown_events_and_texts_of_any_charset_survive_byte_for_byte(smf):
    odd, _, data = odd_bytes(smf)
    piece = read_midi(data)
    out = replace_span(piece, 1920, 3840, [NewNote(2000, 100, 60, 80, 0)], [])
    kept = smf.notes((0, 480, 60), (480, 2400, 64), (3840, 4800, 72))
    new = [(2000, b"\x90\x3c\x50"), (2100, b"\x80\x3c\x40")]
    assert out == smf.file(odd + kept + new) + b"trailing bytes"


def test_foreign_chunks_stay_where_they_are(smf, columns):
    foreign = b"XFIH" + struct.pack(">I", 3) + b"abc"
    data = smf.file(smf.notes((0, 480, 60)), [])
    first_end = data.index(b"MTrk", 18)
    data = data[:14] + foreign + data[14:first_end] + foreign + data[first_end:]
    piece = read_midi(data)
    out = replace_span(piece, 480, 960, [NewNote(480, 480, 62, 80, 0)], [])
    assert out.startswith(data[:14] + foreign + b"MTrk")
    assert out.endswith(foreign + smf.chunk(smf.body([])))
    assert [note[2] for note in columns(read_midi(out))] == [60, 62]


def test_running_status_is_spelled_out_and_means_the_same(smf, events_of):
    body = b"\x00\x90\x3c\x50\x60\x3c\x00\x00\x3e\x50\x60\x3e\x00\x00\x40\x50\x60\x40\x00\x00\xff\x2f\x00"
    data = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + smf.chunk(body)
    out = replace_span(read_midi(data), 96, 192, [NewNote(96, 48, 70, 90, 0)], [])
    before, (after,) = what_stays(events_of(data)[0], 96, 192), events_of(out)
    assert [event for event in after if event[1].note != 70] == before
    assert out[:14] == data[:14]


def test_notes_ringing_into_the_span_stay_whole_and_notes_ringing_out_go_whole(smf, columns):
    piece = read_midi(smf.file(smf.notes((0, 2400, 60), (1000, 1920, 72), (2000, 5000, 64), (3840, 4000, 65))))
    assert columns(read_midi(replace_span(piece, 1920, 3840, [], []))) == [
        (0, 2400, 60, 80),
        (1000, 920, 72, 80),
        (3840, 160, 65, 80),
    ]


def test_a_new_note_may_take_a_key_over_from_one_note_and_hand_it_to_the_next(smf, columns):
    piece = read_midi(smf.file(smf.notes((0, 1920, 60), (1920, 3840, 60), (3840, 4000, 60))))
    new = [NewNote(1920, 960, 60, 70, 0), NewNote(2880, 960, 60, 71, 0)]
    again = read_midi(replace_span(piece, 1920, 3840, new, []))
    assert columns(again) == [(0, 1920, 60, 80), (1920, 960, 60, 70), (2880, 960, 60, 71), (3840, 160, 60, 80)]
    assert not any("struck again" in warning or "end" in warning for warning in again.warnings)


def test_tempo_metre_and_other_instruments_in_the_span_stay(smf, events_of):
    conductor = [(0, smf.metre(4, 4)), (2000, smf.tempo(600_000)), (3840, smf.metre(3, 4))]
    flute = [(0, b"\xc1\x49"), *smf.notes((2000, 3000, 80), channel=1), (2100, b"\xb1\x40\x7f")]
    drums = smf.notes((2000, 2100, 36), channel=9)
    piano = [(0, b"\xc0\x00"), *smf.notes((2000, 3000, 60)), (2200, b"\xb0\x07\x64")]
    data = smf.file(conductor, flute, drums, piano)
    before, after = events_of(data), events_of(replace_span(read_midi(data), 1920, 3840, [], []))
    assert after[:3] == before[:3]
    assert [message.type for _, message in after[3]] == ["program_change", "control_change"]


def test_the_end_of_a_track_moves_only_as_far_as_new_notes_need(smf):
    data = smf.file([(9600, smf.meta(1, b"far"))], smf.notes((0, 480, 60)))
    piece = read_midi(data)
    out = replace_span(piece, 480, 1920, [NewNote(960, 480, 62, 80, 0)], [])
    assert out == smf.file(
        [(9600, smf.meta(1, b"far"))],
        [*smf.notes((0, 480, 60)), (960, b"\x90\x3e\x50"), (1440, b"\x80\x3e\x40")],
    )


def test_a_tempo_for_the_new_bars_is_written_and_taken_back_before_music_that_stays(real, smf):
    piece = read_midi(real("butterworth-one-and-twenty"))
    end = piece.grid.start_of(40)
    out = read_midi(replace_span(piece, end, end + 1920, [NewNote(end, 480, 60, 80, 1)], [], tempo_mspq=428_571))
    assert [(t.time, t.mspq) for t in out.score.tempos][-2:] == [(70080, piece.score.tempos[4].mspq), (end, 428_571)]
    middle = read_midi(insert_span(piece, 19200, 1920, [], [], tempo_mspq=600_000))
    assert [t.time for t in middle.score.tempos] == [0, 1440, 19200, 21120, 53760, 59520, 72000]
    assert middle.score.tempos[3].mspq == piece.score.tempos[1].mspq
    assert replace_span(piece, end, end + 1, [], [], tempo_mspq=piece.score.tempos[4].mspq) == piece.data


def test_format_0_stays_format_0(smf):
    piece = read_midi(smf.file(smf.notes((0, 480, 72)) + smf.notes((480, 960, 40), channel=1), kind=0))
    out = replace_span(piece, 960, 1920, [NewNote(960, 480, 74, 80, 0), NewNote(960, 960, 38, 70, 1)], [])
    again = read_midi(out)
    assert out[8:12] == piece.data[8:12]
    assert [(track.channel, track.n_notes) for track in again.tracks] == [(0, 2), (1, 2)]


def test_times_longer_than_a_delta_can_say_are_bridged(smf, columns):
    far = 2**28 - 1
    events = [(0, smf.metre(255, 1)), *smf.notes((0, 480, 60), (far, far + 100, 64))]
    piece = read_midi(smf.file([*events, (far + 2**27, smf.meta(1, b"end"))], division=32))
    again = read_midi(insert_span(piece, 1920, 2**28, [], []))
    assert [note[0] for note in columns(again)] == [0, far + 2**28]


@pytest.mark.parametrize(
    ("notes", "pedals", "said"),
    [
        ([NewNote(1919, 10, 60, 80, 0)], [], "outside of the new bars"),
        ([NewNote(3840, 10, 60, 80, 0)], [], "outside of the new bars"),
        ([NewNote(1920, 10, 128, 80, 0)], [], "0 to 127"),
        ([NewNote(1920, 10, 60, 0, 0)], [], "0 to 127"),
        ([NewNote(1920, 10, 60, 80, 1)], [], "not piano"),
        ([NewNote(1920, 10, 60, 80, 2)], [], "not piano"),
        ([], [NewPedal(1920, 200, 0)], "0 to 127"),
        ([], [NewPedal(5000, 0, 0)], "outside of the new bars"),
    ],
)
def test_new_events_that_do_not_fit_are_refused(smf, notes, pedals, said):
    piece = read_midi(smf.file(smf.notes((0, 480, 60)), [(0, b"\xc1\x30"), *smf.notes((0, 480, 60), channel=1)]))
    with pytest.raises(RequestError, match=said):
        replace_span(piece, 1920, 3840, notes, pedals)
    with pytest.raises(RequestError, match=said):
        insert_span(piece, 1920, 1920, notes, pedals)
    with pytest.raises(RequestError, match="is empty"):
        replace_span(piece, 1920, 1920, [], [])
