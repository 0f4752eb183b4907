"""Beat annotations exactly as ASAP publishes them: every form its files have, and what is not one of them."""

from __future__ import annotations

import pytest

from pianomuse.errors import MidiError
from pianomuse.evaluate.performer import perform
from pianomuse.fetch.annotations import asap_beats
from pianomuse.midi.beats import warp
from pianomuse.midi.read import read_midi


def lines(labels: str, period_s: float = 0.6) -> str:
    """Write labels, a blank between them, as ASAP does: the time twice, with the digits of a float."""
    times = [repr(1.0010416666666667 + period_s * number) for number in range(len(labels.split()))]
    return "".join(f"{at}\t{at}\t{label}\n" for at, label in zip(times, labels.split(), strict=True))


def test_pickup_metre_key_and_changes_in_the_middle_are_read() -> None:
    found = asap_beats(lines("b,,7 db,2/4 b db,,-5 bR bR db,6/8,-11 b"), "x")
    assert [beat.is_downbeat for beat in found] == [False, True, False, True, False, False, True, False]
    assert [beat.metre for beat in found] == [None, (2, 4), None, None, None, None, (6, 8), None]
    assert [beat.sharps for beat in found] == [7, None, None, -5, None, None, -11, None]
    assert found[0].second == 1.0010416666666667


def test_a_performance_comes_onto_these_beats_with_its_metres_and_keys(corpus) -> None:
    played = perform(read_midi(corpus / "mutopia" / "czerny-op821-no1.mid"), 0)
    labels = "b,,7 db,4/4 b b b db b b b db,2/4,-5 b db b db,6/8,11 b db b db bR bR db b db"
    text = lines(labels, float(played.beats[-1]) / len(labels.split()))
    piece = read_midi(warp(played.data, asap_beats(text, "x")))
    metres = [piece.grid.metre_of(bar) for bar in range(8)]
    assert metres == [(1, 4), (4, 4), (4, 4), (2, 4), (2, 4), (6, 8), (6, 8), (9, 8)]
    assert len(piece.score.tracks[0].notes) == len(read_midi(played.data).score.tracks[0].notes)
    assert {int(key.key) for key in piece.score.key_signatures} <= set(range(-7, 8))
    assert -5 in {int(key.key) for key in piece.score.key_signatures}


def test_line_ends_of_windows_a_byte_order_mark_and_empty_lines_do_not_matter() -> None:
    text = lines("db,3/4,-2 b b db b b")
    assert asap_beats("\ufeff" + text.replace("\n", "\r\n") + "\r\n\r\n", "x") == asap_beats(text, "x")


@pytest.mark.parametrize(
    "line",
    ["1.5\tdb", "1.5\t1.5\tx", "1.5 1.5 db", "soon\t1.5\tdb", "-1\t-1\tdb", "nan\tnan\tb", "inf\tinf\tb", "1.5\t1.5\t"],
)
def test_what_is_no_annotation_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(MidiError, match="take3, line 3"):
        asap_beats(lines("db,4/4 b") + line + "\n", "take3")


@pytest.mark.parametrize("labels", ["", "db,4/4", "b b b b"])
def test_too_few_beats_or_no_downbeat_are_refused_when_they_are_used(corpus, labels: str) -> None:
    data = perform(read_midi(corpus / "mutopia" / "czerny-op821-no1.mid"), 0).data
    with pytest.raises(MidiError, match="beats"):
        warp(data, asap_beats(lines(labels), "x"))


def test_beats_that_go_back_are_refused(corpus) -> None:
    data = perform(read_midi(corpus / "mutopia" / "czerny-op821-no1.mid"), 0).data
    text = lines("db,4/4 b b b db b")
    rows = text.splitlines(keepends=True)
    with pytest.raises(MidiError, match="not in order"):
        warp(data, asap_beats("".join([*rows[:3], rows[1], *rows[3:]]), "x"))
