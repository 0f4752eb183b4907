"""The edges of new bars: the pedal that music before and after expects, and bars pushed in between."""

from __future__ import annotations

from pianomuse.midi.read import read_midi
from pianomuse.midi.splice import NewNote, NewPedal, insert_span, replace_span


class TestPedal:
    """The pedal at the edges: as the music that stays expects it."""

    def spliced(self, smf, moves, pedals=(), notes=((0, 480, 60), (2000, 2400, 62), (5000, 5400, 64))):
        events = [(tick, bytes((0xB0, 64, value))) for tick, value in moves.items()]
        piece = read_midi(smf.file(events + smf.notes(*notes)))
        new = NewNote(1920, 1920, 70, 80, 0)
        return read_midi(replace_span(piece, 1920, 3840, [new], [NewPedal(*pedal, 0) for pedal in pedals]))

    def test_released_in_the_span_is_released_at_its_end_at_the_latest(self, smf, pedals_of):
        assert pedals_of(self.spliced(smf, {100: 127, 3000: 0})) == [(100, 3839)]
        assert pedals_of(self.spliced(smf, {100: 127, 3000: 0}, [(2400, 0)])) == [(100, 2400)]

    def test_pressed_in_the_span_and_held_over_its_end_is_pressed_without_catching_new_notes(
        self, smf, columns, pedals_of
    ):
        piece = self.spliced(smf, {3000: 90, 5200: 0})
        assert pedals_of(piece) == [(3839, 5200)]
        assert (1920, 1919, 70, 80) in columns(piece)

    def test_new_pedal_still_down_is_released_unless_the_piece_moves_it_at_once(self, smf, pedals_of):
        assert pedals_of(self.spliced(smf, {}, [(2000, 127)])) == [(2000, 3839)]
        assert pedals_of(self.spliced(smf, {3840: 0}, [(2000, 127)])) == [(2000, 3840)]

    def test_held_through_stays_held(self, smf, columns, pedals_of):
        piece = self.spliced(smf, {100: 127, 5200: 0})
        assert pedals_of(piece) == [(100, 5200)]
        assert (1920, 1920, 70, 80) in columns(piece)

    def test_after_the_last_note_it_is_up_at_the_end(self, smf, pedals_of):
        assert pedals_of(self.spliced(smf, {100: 127}, notes=((0, 480, 60),))) == [(100, 3839)]

    def test_without_any_pedal_none_is_written(self, smf):
        assert b"\xb0\x40" not in self.spliced(smf, {}).data

    def test_pedals_of_other_instruments_are_theirs(self, smf):
        strings = [(0, b"\xc1\x30"), (2000, b"\xb1\x40\x7f"), *smf.notes((0, 5000, 50), channel=1)]
        piece = read_midi(smf.file(smf.notes((0, 480, 60)), strings))
        assert replace_span(piece, 1920, 3840, [], []) == piece.data


class TestInsert:
    """Inserting: everything from the caret on comes later, in every track."""

    def test_a_note_ringing_over_the_caret_keeps_its_length(self, smf, columns):
        piece = read_midi(smf.file(smf.notes((0, 3000, 60), (0, 1920, 64), (1920, 2000, 64))))
        assert columns(read_midi(insert_span(piece, 1920, 3840, [], []))) == [
            (0, 3000, 60, 80),
            (0, 1920, 64, 80),
            (5760, 80, 64, 80),
        ]

    def test_tempo_metre_markers_and_other_tracks_shift(self, smf, events_of):
        conductor = [(0, smf.tempo(500_000)), (1920, smf.tempo(600_000)), (1920, smf.metre(3, 4))]
        conductor.append((2000, smf.meta(6, b"B")))
        flute = [(0, b"\xc1\x49"), *smf.notes((1000, 3000, 80), (3000, 3500, 81), channel=1)]
        data = insert_span(read_midi(smf.file(conductor, flute, smf.notes((0, 480, 60)))), 1920, 960, [], [])
        conducted, fluted, _ = events_of(data)
        assert [tick for tick, _ in conducted] == [0, 2880, 2880, 2960]
        assert [tick for tick, _ in fluted] == [0, 1000, 3000, 3960, 4460]

    def test_before_bar_1_the_set_up_stays_and_music_and_marks_move(self, smf, events_of, columns):
        conductor = [(0, smf.meta(3, b"song")), (0, smf.tempo(400_000)), (0, smf.metre(3, 4)), (0, smf.meta(6, b"A"))]
        piano = [(0, b"\xc0\x01"), (0, b"\xb0\x07\x50"), (0, b"\xb0\x40\x7f"), *smf.notes((0, 480, 60))]
        piece = read_midi(smf.file(conductor, piano))
        out = insert_span(piece, 0, 1440, [NewNote(0, 480, 72, 80, 0)], [])
        conducted, played = events_of(out)
        assert [(tick, message.type) for tick, message in conducted] == [
            (0, "track_name"),
            (0, "set_tempo"),
            (0, "time_signature"),
            (1440, "marker"),
        ]
        assert [(tick, message.type) for tick, message in played] == [
            (0, "program_change"),
            (0, "control_change"),
            (0, "note_on"),
            (480, "note_off"),
            (1440, "control_change"),
            (1440, "note_on"),
            (1920, "note_off"),
        ]
        assert columns(read_midi(out)) == [(0, 480, 72, 80), (1440, 480, 60, 80)]

    def test_a_pedal_held_over_the_caret_is_held_again_after_the_new_bars(self, smf, pedals_of):
        events = [(100, b"\xb0\x40\x7f"), *smf.notes((0, 480, 60), (1920, 2400, 62)), (2400, b"\xb0\x40\x00")]
        piece = read_midi(smf.file(events))
        out = insert_span(piece, 1920, 1920, [NewNote(1920, 1920, 70, 80, 0)], [NewPedal(2000, 0, 0)])
        assert pedals_of(read_midi(out)) == [(100, 2000), (3839, 4320)]
