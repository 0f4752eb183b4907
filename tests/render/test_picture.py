"""The ideas picture: every note where it belongs, in its colour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mido
import pytest

from pianomuse.errors import RequestError
from pianomuse.midi.read import Piece
from pianomuse.render.picture import (
    HEADER,
    KEYBOARD,
    MARGIN,
    PEDAL_LANE,
    Frame,
    drawable,
    frame_of,
    ideas_picture,
    row_picture,
)
from pianomuse.render.rows import IdeaRow, RollNote, hands_of_tracks, idea_row
from pianomuse.render.theme import DARK, LIGHT, Theme

Cut = Callable[..., IdeaRow]
Read = Callable[[str], Piece]


def middle(frame: Frame, row: IdeaRow, note: RollNote) -> tuple[int, int]:
    """Return the pixel in the middle of a note."""
    begin, end = frame.x_of(row, note.onset_ticks), frame.x_of(row, note.onset_ticks + note.duration_ticks)
    return round((begin + end) / 2), frame.y_of(note.pitch) + frame.key_height // 2


def covers(frame: Frame, row: IdeaRow, note: RollNote, at: tuple[int, int]) -> bool:
    begin, end = frame.x_of(row, note.onset_ticks), frame.x_of(row, note.onset_ticks + note.duration_ticks)
    return begin - 1 <= at[0] <= end + 1 and frame.y_of(note.pitch) <= at[1] < frame.y_of(note.pitch) + frame.key_height


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize(
    ("stem", "first", "last"), [("finished-phrase", 5, 8), ("expressive-pedal", 10, 13), ("warlock-rutterkin", 9, 12)]
)
def test_every_note_is_where_it_sounds_in_the_colour_of_hand_and_loudness(
    row: Cut, stem: str, first: int, last: int, theme: Theme
) -> None:
    cut = row(stem, first, last)
    frame = frame_of([cut])
    image = row_picture(cut, frame, theme)
    assert len(cut.notes) > 25
    for note in cut.notes:
        at = middle(frame, cut, note)
        there = {theme.note(other.hand, other.velocity) for other in cut.notes if covers(frame, cut, other, at)}
        assert image.getpixel(at) in there, note


def test_bars_without_notes_are_bare_paper(row: Cut) -> None:
    cut = row("gap-of-four-bars", 9, 12, bars_after=2)
    frame = frame_of([cut])
    image = row_picture(cut, frame)
    left, right = round(frame.x_of(cut, cut.from_tick)) + 2, round(frame.x_of(cut, cut.to_tick)) - 2
    gap = image.crop((left, HEADER, right, HEADER + frame.roll_height))
    paper = {LIGHT.idea, LIGHT.idea_black, LIGHT.beat_line, LIGHT.bar_line, LIGHT.octave_line}
    assert {colour for _, colour in gap.getcolors(9999)} <= paper
    assert cut.n_bars == 4 + 4 + 2


def test_louder_is_further_from_the_paper() -> None:
    for theme in (LIGHT, DARK):
        for hand in ("right", "left", ""):
            distances = [
                sum(abs(a - b) for a, b in zip(theme.note(hand, v), theme.paper, strict=True))
                for v in range(20, 120, 8)
            ]
            assert distances == sorted(distances)
            assert distances[0] > 90  # the softest note still stands out


def test_the_pedal_lies_below_the_notes(row: Cut) -> None:
    cut = row("expressive-pedal", 10, 13)
    frame = frame_of([cut])
    image = row_picture(cut, frame)
    y = HEADER + frame.roll_height + PEDAL_LANE // 2 + 1
    assert len(cut.pedals) >= 4
    for down, up in cut.pedals:
        x = (frame.x_of(cut, down) + frame.x_of(cut, up)) / 2
        assert image.getpixel((round(x), y)) in (LIGHT.pedal, LIGHT.bar_line)
    bare = replace(cut, pedals=())
    assert LIGHT.pedal not in {colour for _, colour in row_picture(bare, frame).getcolors(9999)}


def test_all_rows_share_one_scale_and_are_told_apart(row: Cut) -> None:
    rows = [row("gap-of-four-bars", 5, 8, number=1), row("gap-of-four-bars", 17, 20, number=2, reason="bolder")]
    frame, image = frame_of(rows), ideas_picture(rows, title="gap.mid")
    assert image.width == 1600
    assert frame.low < min(note.pitch for cut in rows for note in cut.notes)
    assert frame.high > max(note.pitch for cut in rows for note in cut.notes)
    assert frame.x_of(rows[0], rows[0].from_tick) == frame.x_of(rows[1], rows[1].from_tick)
    top = image.height - 2 * frame.row_height - 36
    for i, cut in enumerate(rows):
        part = image.crop((0, top + i * frame.row_height, image.width, top + (i + 1) * frame.row_height))
        assert part.tobytes() == row_picture(cut, frame).tobytes()


def test_bars_are_numbered_as_in_the_file_and_cut_short_at_its_start(row: Cut, piece: Read) -> None:
    assert (row("finished-phrase", 5, 8).first_bar, row("finished-phrase", 5, 8).n_bars) == (1, 8)
    assert (row("expressive-pedal", 11, 12).first_bar, row("expressive-pedal", 11, 12).n_bars) == (7, 6)
    assert row("finished-phrase", 5, 6, bars_after=4).n_bars == piece("finished-phrase").grid.n_bars == 8
    early = row("finished-phrase", 2, 3, context_bars=4)
    assert (early.first_bar, early.n_bars) == (1, 3)
    assert early.bar_lines == tuple(piece("finished-phrase").grid.start_of(i) for i in range(4))


def test_an_idea_that_finishes_a_bar_starts_inside_it(row: Cut, piece: Read) -> None:
    cut = row("broken-off-on-beat-3", 6, 6, late_ticks=960)
    grid = piece("broken-off-on-beat-3").grid
    frame = frame_of([cut])
    assert cut.from_tick == grid.start_of(5) + 960
    assert not any(note.is_new for note in cut.notes)
    image, x = row_picture(cut, frame), round(frame.x_of(cut, cut.from_tick))
    assert image.getpixel((x, HEADER + 3)) == LIGHT.accent
    assert image.getpixel((x - 9, HEADER + 1)) in (LIGHT.paper, LIGHT.paper_black)
    assert image.getpixel((x + 9, HEADER + 1)) in (LIGHT.idea, LIGHT.idea_black)


def test_bars_stay_readable_when_there_are_many(row: Cut) -> None:
    cut = row("gap-of-four-bars", 1, 8)
    long = replace(cut, bar_lines=tuple(range(0, 37 * 1440, 1440)), from_tick=4 * 1440, to_tick=36 * 1440)
    assert ideas_picture([long]).width == 36 * 64 + KEYBOARD + 2 * MARGIN


def test_notes_stay_readable_when_there_are_many_rows(row: Cut) -> None:
    rows = [row("gap-of-four-bars", 5, 8, number=k) for k in range(1, 17)]
    frame = frame_of(rows)
    assert frame.key_height == 5
    assert ideas_picture(rows).height > 16 * frame.row_height


def test_hands_are_those_of_the_files_tracks(piece: Read) -> None:
    whole = piece("gap-of-four-bars")
    hands = hands_of_tracks(whole)
    notes = whole.score.tracks[0].notes
    for name, hand in (("RH", "right"), ("LH", "left")):
        (track,) = [t for t in mido.MidiFile(whole.path).tracks if t.name == name]
        struck = sorted(m.note for m in track if m.type == "note_on" and m.velocity)
        assert struck
        assert sorted(n.pitch for n, h in zip(notes, hands, strict=True) if h == hand) == struck
    assert hands_of_tracks(piece("expressive-pedal")) is None


@pytest.mark.parametrize("stem", ["butterworth-one-and-twenty", "webern-im-morgentaun", "waltz-pickup"])
def test_the_clock_of_a_row_is_the_files(row: Cut, piece: Read, stem: str) -> None:
    cut = row(stem, 5, 8)
    score = piece(stem).score
    in_seconds = {
        n.time: s.time for n, s in zip(score.tracks[0].notes, score.to("Second").tracks[0].notes, strict=True)
    }
    assert len(score.tempos) > 1
    for tick, seconds in in_seconds.items():
        assert cut.seconds_at(tick) == pytest.approx(seconds, abs=1e-3)


def test_a_title_the_font_cannot_draw_leaves_no_boxes(row: Cut) -> None:
    assert drawable("Prélude – C♯ minor") == "Prelude - C# minor"
    assert drawable("月光") == ""
    rows = [row("finished-phrase", 5, 8)]
    with_title, without = ideas_picture(rows, title="月光"), ideas_picture(rows)
    assert with_title.size == without.size
    assert with_title.tobytes() == without.tobytes()


def test_what_cannot_be_drawn_is_refused(piece: Read) -> None:
    whole = piece("finished-phrase")
    with pytest.raises(RequestError, match="at least one row"):
        ideas_picture([])
    with pytest.raises(RequestError, match="start before the end"):
        idea_row(whole.score, whole.grid, 100, 100, number=1, seed=1)
    with pytest.raises(RequestError, match="one hand per note"):
        idea_row(whole.score, whole.grid, 0, 100, number=1, seed=1, hands=["right"])


def test_keys_bar_lines_and_rows_of_the_roll_agree(row: Cut) -> None:
    cut = row("waltz-pickup", 9, 12)
    frame = frame_of([cut])
    image = row_picture(replace(cut, notes=()), frame)
    x_idea = round(frame.x_of(cut, cut.from_tick)) + 5
    assert frame.high - frame.low >= 23
    for pitch in range(frame.low, frame.high + 1):
        y = HEADER + (frame.high - pitch) * frame.key_height + frame.key_height // 2
        is_black = pitch % 12 in (1, 3, 6, 8, 10)
        assert (image.getpixel((MARGIN + 10, y)) == LIGHT.black_key) == is_black
        assert image.getpixel((x_idea, y)) == (LIGHT.idea_black if is_black else LIGHT.idea)
    ends = [round(frame.x_of(cut, tick)) for tick in cut.bar_lines]
    assert (ends[0], ends[-1]) == (MARGIN + KEYBOARD, 1600 - MARGIN)
    assert all(image.getpixel((x, HEADER - 2)) in (LIGHT.bar_line, LIGHT.accent) for x in ends)
