"""The tour, and errors in both languages."""

from __future__ import annotations


def test_the_tour_is_offered_once_and_goes_by_keyboard(studio):
    page = studio.page
    page.goto(studio.url)
    page.click("#welcome-tour")
    studio.until("document.querySelector('#tour').open && !document.querySelector('#welcome').open")
    assert page.inner_text("#tour-step") == "1 of 7"
    assert studio.look("document.querySelector('#roll-box').classList.contains('toured')")
    studio.press("Enter", "ArrowRight", "ArrowLeft")
    assert page.inner_text("#tour-step") == "2 of 7"
    assert "Enter" in page.inner_text("#tour-text")
    for _ in range(5):
        box = studio.look("document.querySelector('#tour').getBoundingClientRect().toJSON()")
        assert box["left"] >= 0
        assert box["right"] <= 1280
        assert box["top"] >= 0
        assert box["bottom"] <= 800
        studio.press("ArrowRight")
    assert page.inner_text("#tour-next") == "Done"
    studio.press("Enter")
    assert studio.look("[document.querySelector('#tour').open, document.querySelectorAll('.toured').length]") == [
        False,
        0,
    ]
    assert page.evaluate("document.activeElement.id") == "roll"
    page.click("#examples")
    assert not page.is_visible("#welcome-tour")
    page.click("[data-name=plus]")


def test_the_help_has_the_tour_and_escape_ends_it_in_chinese_too(studio):
    studio.open().page.click("#language")
    studio.page.click("#help")
    studio.page.click("#keys-tour")
    assert studio.page.inner_text("#tour-text").startswith("这是你的音乐")
    studio.press("Escape")
    assert studio.look("document.querySelector('#tour').open") is False


def test_errors_are_said_in_chinese_by_their_code(studio):
    studio.open("finished-phrase").page.click("#language")
    studio.fill(chords="H13").press("Enter").until("!document.querySelector('#problem').hidden")
    assert studio.problem.startswith("不认识和弦 H13；")
    assert "known" not in studio.problem
    studio.page.set_input_files("#file", {"name": "song.mid", "mimeType": "audio/midi", "buffer": b"no music"})
    studio.until("document.querySelector('#problem-text').textContent.includes('song.mid')")
    assert studio.problem == "无法打开 song.mid：文件不是 MIDI 文件：请导出为标准 MIDI 文件。"
    studio.page.click("#language")
    assert (
        studio.problem == "song.mid cannot be opened: The file is not a MIDI file: export it as a standard MIDI file."
    )


def test_a_narrow_window_has_everything_and_no_english_in_the_chinese_list_of_keys(studio):
    studio.page.set_viewport_size({"width": 820, "height": 720})
    studio.open("finished-phrase")
    for _ in range(2):
        studio.page.click("#playing-menu summary")
        assert studio.look("document.documentElement.scrollWidth <= innerWidth")
        box = studio.page.locator("#help").bounding_box()
        assert 0 < box["x"] < 820 - box["width"]
        studio.page.click("#playing-menu summary")
        studio.page.click("#language")
    studio.page.click("#language")
    studio.page.click("#help")
    words = {word for word in studio.page.inner_text("#key-groups").split() if word.isascii() and word.isalpha()}
    assert {word for word in words if len(word) > 1} == {"Enter", "Tab", "Shift", "Ctrl", "Alt", "Esc", "Home", "End"}


def test_the_first_screen_comes_whole_so_that_nothing_moves_under_the_pointer(studio):
    page, held = studio.page, []
    page.route("**/api/v1/examples", lambda route: held.append(route))
    page.goto(studio.url)
    while not held:
        page.wait_for_timeout(20)
    assert not page.is_visible("[data-name=plus]")
    held[0].continue_()
    page.wait_for_selector("[data-name=plus]")
    assert page.locator(".opening").count() > 3
