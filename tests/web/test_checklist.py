"""The rest of what a piano roll has: snapping, quantising, duplicating, the mini-map, following, dragging out."""

from __future__ import annotations

import base64

import pytest
from tests.web.test_roll import AT, drag, empty, notes, place  # noqa: F401

from pianomuse.midi.read import read_midi

DRAGGED = """(() => {{ const data = new DataTransfer();
document.querySelector({element!r}).dispatchEvent(new DragEvent("dragstart", {{dataTransfer: data, cancelable: true}}));
return data.getData("DownloadURL"); }})()"""


def write(studio, *rows: tuple[int, int, int]) -> None:
    made = [{"tick": t, "duration": d, "pitch": p, "velocity": 70, "track": 0} for t, d, p in rows]
    studio.look(f"s.apply('stepDraw', {{...s.project, notes: {made}}})")


def test_quantising_knows_triplets_and_is_named_in_undo(empty):  # noqa: F811
    write(empty, (7, 150, 60), (171, 140, 62), (310, 170, 64), (500, 10, 65))
    empty.page.select_option("#snap", label="1/8 triplet")
    empty.page.focus("#roll")
    empty.press("q")
    assert notes(empty) == [(0, 160, 60), (160, 160, 62), (320, 160, 64), (480, 160, 65)]
    empty.press("Control+z")
    assert empty.status == "Undone: quantise"


def test_alt_drags_off_the_grid_and_ctrl_d_repeats(empty):  # noqa: F811
    write(empty, (0, 480, 60))
    x, y = place(empty, 100, 60)
    mouse = empty.page.mouse
    mouse.move(x, y)
    mouse.down()
    empty.page.keyboard.down("Alt")
    mouse.move(x + 50, y)
    mouse.up()
    empty.page.keyboard.up("Alt")
    (tick, _, _) = notes(empty)[0]
    assert tick == pytest.approx(50 / empty.look("p.roll.view.perTick"), abs=2)
    assert tick % 120
    empty.press("Control+z", "Control+a", "Control+d", "Control+d")
    assert notes(empty) == [(0, 480, 60), (480, 480, 60), (960, 480, 60)]
    empty.page.mouse.click(*place(empty, 100, 60))
    empty.page.keyboard.down("Shift")
    empty.page.mouse.click(*place(empty, 1100, 60))
    empty.page.keyboard.up("Shift")
    assert empty.look("s.selection.size") == 2


def test_the_mini_map_moves_the_view_and_the_view_follows_the_head(empty):  # noqa: F811
    write(empty, *((bar * 1920, 240, 60) for bar in range(64)))
    box = empty.page.locator("#map").bounding_box()
    empty.page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + 10)
    from_, to = empty.look("[p.roll.view.span.from, p.roll.view.span.to]")
    assert from_ < 0.9 * 64 * 1920 < to + 1920
    empty.look("p.roll.view.left = 0")
    empty.look("p.roll.setHead(0), p.roll.setHead(50 * 1920)")
    assert empty.look("p.roll.view.span.from < 50 * 1920 && p.roll.view.span.to > 50 * 1920")
    empty.look("p.roll.setHead(null)")


def test_the_keys_at_the_left_sound(empty):  # noqa: F811
    _, y = place(empty, 0, 67)
    left = empty.look("p.roll.element.getBoundingClientRect().left")
    empty.page.mouse.move(left + 10, y)
    empty.page.mouse.down()
    assert empty.look("[...p.roll.pressed]") == [67]
    empty.page.mouse.up()
    assert empty.look("[p.roll.pressed.size, s.cursorPitch]") == [0, 67]
    empty.until("p.piano._buffers.size > 0")


def test_the_piece_and_an_idea_are_dragged_out_as_midi(studio):
    studio.open("finished-phrase").fill(bars=1, candidates=1, seed=7).ask()
    found = {}
    for element in ("#drag-midi", "#ideas .idea"):
        studio.page.hover(element)
        studio.until(f"'ready' in document.querySelector({element!r}).dataset")
        kind, name, url = studio.look(DRAGGED.format(element=element)).split(":", 2)
        assert (kind, name.endswith(".mid")) == ("audio/midi", True)
        piece = read_midi(base64.b64decode(url.partition(",")[2]))
        quarter = piece.grid.ticks_per_quarter
        found[element] = [(note.time / quarter, note.pitch) for note in piece.score.tracks[0].notes]
    own = studio.look("s.project.notes.map((n) => [n.tick / s.project.ppq, n.pitch])")
    assert sorted(found["#drag-midi"]) == sorted(map(tuple, own))
    idea = studio.look("s.ghosts.ideas[0].notes.map((n) => [(n.tick - s.ghosts.start) / s.project.ppq, n.pitch])")
    assert sorted(found["#ideas .idea"]) == sorted(map(tuple, idea))
