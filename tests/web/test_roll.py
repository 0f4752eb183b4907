"""The piano roll: drawing, moving, loudness, pedal, keyboard, zoom, many notes, light and dark."""

from __future__ import annotations

import pytest

AT = """(() => {{ const view = p.roll.view, box = p.roll.element.getBoundingClientRect();
return [box.left + view.x({tick}), box.top + {y}]; }})()"""


def place(studio, tick: int, pitch: int) -> tuple[float, float]:
    """Where a tick and a pitch lie on the screen."""
    return tuple(studio.look(AT.format(tick=tick, y=f"view.y({pitch}) + view.row / 2")))


@pytest.fixture
def empty(studio):
    studio.open()
    studio.page.focus("#roll")
    return studio


def drag(studio, start, end, *keys) -> None:
    mouse = studio.page.mouse
    mouse.move(*start)
    for key in keys:
        studio.page.keyboard.down(key)
    mouse.down()
    mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    mouse.move(*end)
    mouse.up()
    for key in keys:
        studio.page.keyboard.up(key)


def notes(studio) -> list[tuple[int, int, int]]:
    return [tuple(note) for note in studio.look("s.project.notes.map((n) => [n.tick, n.duration, n.pitch])")]


def test_notes_are_drawn_moved_copied_resized_and_deleted_with_the_mouse(empty):
    empty.press("1")
    drag(empty, place(empty, 485, 60), place(empty, 960, 60))
    assert notes(empty) == [(480, 480, 60)]
    empty.press("2")
    drag(empty, place(empty, 700, 60), place(empty, 700 + 240, 64))
    assert notes(empty) == [(720, 480, 64)]
    drag(empty, place(empty, 900, 64), place(empty, 900 + 960, 62), "Alt")
    assert notes(empty) == [(720, 480, 64), (1680, 480, 62)]
    x, y = place(empty, 1680 + 480, 62)
    drag(empty, (x - 4, y), (x - 4 + empty.look("240 * p.roll.view.perTick"), y))
    assert notes(empty) == [(720, 480, 64), (1680, 720, 62)]
    x, y = place(empty, 1680, 62)
    drag(empty, (x + 2, y), (x + 2 - empty.look("120 * p.roll.view.perTick"), y))
    assert notes(empty) == [(720, 480, 64), (1560, 840, 62)]
    empty.page.mouse.click(*place(empty, 900, 64), button="right")
    assert notes(empty) == [(1560, 840, 62)]
    for _ in range(5):
        empty.press("Control+z")
    assert notes(empty) == [(480, 480, 60)]


def test_a_rubber_band_selects_and_the_keyboard_edits(empty):
    empty.press("n", "ArrowUp", "ArrowUp", "n", "n")
    assert notes(empty) == [(0, 120, 60), (120, 120, 62), (240, 120, 62)]
    drag(empty, place(empty, 60, 70), place(empty, 200, 50))
    assert empty.look("s.selection.size") == 2
    empty.press("ArrowUp", "Shift+ArrowDown", "Alt+ArrowRight", "Alt+Shift+ArrowRight", "Control+ArrowUp")
    assert notes(empty) == [(120, 240, 49), (240, 240, 51), (240, 120, 62)]
    assert empty.look("s.project.notes.map((n) => n.velocity)") == [78, 78, 72]
    empty.press("Control+c", "End", "Control+v")
    assert len(notes(empty)) == 5
    empty.press("Control+a", "Delete", "Control+z")
    assert len(notes(empty)) == 5
    empty.press("Escape", "j")
    assert "loudness" in empty.status


def test_triplets_are_a_grid_too(empty):
    empty.page.select_option("#snap", label="1/8 triplet")
    empty.press("n", "n", "n", "n")
    assert [tick for tick, _, _ in notes(empty)] == [0, 160, 320, 480]


def test_loudness_and_pedal_are_painted_in_their_lanes(empty):
    empty.press("n", "n", "n", "n")
    low = "view.velocityY(20)"
    high = "view.velocityY(120)"
    drag(empty, empty.look(AT.format(tick=0, y=low)), empty.look(AT.format(tick=360, y=high)))
    loud = empty.look("s.project.notes.map((n) => n.velocity)")
    assert loud == sorted(loud)
    assert loud[0] < 30
    assert loud[-1] > 110
    pedal = "view.height - 10"
    drag(empty, empty.look(AT.format(tick=480, y=pedal)), empty.look(AT.format(tick=1440, y=pedal)))
    assert empty.look("s.project.pedals") == [{"tick": 480, "down": True}, {"tick": 1440, "down": False}]
    empty.page.mouse.click(*empty.look(AT.format(tick=900, y=pedal)))
    assert empty.look("s.project.pedals") == []


def test_the_ruler_sets_the_caret_and_chooses_bars(empty):
    ruler = "12"
    empty.page.mouse.click(*empty.look(AT.format(tick=1935, y=ruler)))
    assert empty.look("s.caret") == 1920
    assert "bar 2, beat 1" in empty.page.inner_text("#place")
    drag(empty, empty.look(AT.format(tick=2100, y=ruler)), empty.look(AT.format(tick=4000, y=ruler)))
    assert empty.look("s.range") == {"from": 1920, "to": 5760}
    assert "bars 2–3" in empty.status


def test_the_wheel_zooms_around_the_pointer(empty):
    x, y = place(empty, 1920, 60)
    empty.page.mouse.move(x, y)
    empty.page.keyboard.down("Control")
    empty.page.mouse.wheel(0, -400)
    empty.page.keyboard.up("Control")
    empty.until("p.roll.view.quarter > 60")
    assert place(empty, 1920, 60)[0] == pytest.approx(x, abs=1)
    before = empty.look("p.roll.view.left")
    empty.page.keyboard.down("Shift")
    empty.page.mouse.wheel(0, 200)
    empty.page.keyboard.up("Shift")
    empty.until(f"p.roll.view.left > {before}")


def test_tempo_and_metre_are_changed_where_the_caret_stands(empty):
    empty.page.fill("#tempo", "132")
    empty.page.press("#tempo", "Enter")
    empty.page.fill("#metre", "6/8")
    empty.page.press("#metre", "Enter")
    assert empty.look("[Math.round(s.time.bpm(0)), s.time.bar(2).tick, s.time.nextBeat(0)]") == [132, 1440, 720]
    empty.page.focus("#roll")
    empty.press("Control+z", "Control+z")
    assert empty.look("[Math.round(s.time.bpm(0)), s.time.bar(2).tick]") == [96, 1920]


def processor_s(studio, expression: str) -> float:
    """Processor time that the page's thread takes for an expression: it does not grow while other programs work."""
    tools = studio.page.context.new_cdp_session(studio.page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def so_far() -> float:
        metrics = tools.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "ThreadTime")

    before = so_far()
    studio.look(expression)
    return so_far() - before


def test_twenty_thousand_notes_are_drawn_in_a_frame(empty):
    empty.look(
        """s.open({...s.project, notes: Array.from({length: 20000}, (_, i) => (
        {tick: i * 5, duration: 60, pitch: 30 + (i * 7) % 60, velocity: 30 + i % 90, track: 0}))})"""
    )
    empty.look("(p.roll.view.quarter = 4, p.roll.view.left = 0, p.roll.touch(), p.roll.draw())")
    assert empty.look("p.roll.view.span.to") > 19_000 * 5
    took = processor_s(empty, "Array.from({length: 9}, () => (p.roll.touch('notes'), p.roll.draw()))")
    assert 0 < took / 9 < 0.05  # 0.016 are a frame; slower machines get room


def test_light_and_dark_look_different_and_are_remembered(empty):
    pixel = "[...document.querySelector('#roll canvas').getContext('2d').getImageData(300, 100, 1, 1).data]"
    light = empty.look(pixel)
    empty.page.click("#theme")
    empty.until("p.roll.colours.text === '#ececee'").look("p.roll.draw()")
    assert sum(light[:3]) > 600 > 300 > sum(empty.look(pixel)[:3])
    empty.page.reload()
    empty.until("window.pianomuse && document.documentElement.dataset.theme === 'dark'")


def test_every_text_is_there_in_both_languages(empty):
    empty.page.click("#language")
    assert empty.page.inner_text("#ask-text") == "给我灵感"
    missing = empty.page.evaluate(
        """async () => { const {TEXTS} = await import('/static/page/texts.js');
        const holes = (text) => (text.match(/\\{\\w+\\}/g) ?? []).sort().join();
        const isWhole = ([, [en, zh]]) => en && zh && holes(en) === holes(zh);
        return Object.entries(TEXTS).filter((entry) => !isWhole(entry)).map(([key]) => key); }"""
    )
    assert missing == []
    empty.page.click("#help")
    assert "采纳整个灵感" in empty.page.inner_text("#keys")


def test_the_page_is_usable_without_a_mouse(empty):
    for _ in range(40):
        empty.press("Tab")
        if empty.look("document.activeElement === p.roll.element"):
            break
    assert empty.look("document.activeElement === p.roll.element")
    assert empty.page.get_attribute("#roll", "role") == "application"
    assert "Piano roll" in empty.page.get_attribute("#roll", "aria-label")
    unnamed = empty.look(
        """[...document.querySelectorAll('button, input:not([hidden]), select')].filter((e) => e.offsetParent &&
        !(e.textContent.trim() || e.getAttribute('aria-label') || e.closest('label')?.textContent.trim()))
        .map((e) => e.id)"""
    )
    assert unnamed == []
