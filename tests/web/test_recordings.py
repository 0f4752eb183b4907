"""A recording without a metronome in the studio, also one that a DAW writes: what was assumed, and corrections."""

from __future__ import annotations

from pathlib import Path

from tests.web.studio_page import opened, served

from pianomuse.evaluate.performer import perform
from pianomuse.midi.read import read_midi

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_studio_says_what_it_found_and_takes_a_correction(studio, tmp_path: Path) -> None:
    recording = tmp_path / "night.mid"
    recording.write_bytes(perform(read_midi(EXAMPLES / "gap-of-four-bars.mid"), 0).data)
    studio.open()
    studio.page.set_input_files("#file", recording)
    notice = studio.page.locator("#free-time")
    notice.wait_for()
    assert "No metronome: found" in notice.inner_text()
    top, roll = (studio.page.locator(place).bounding_box() for place in ("#top", "#roll"))
    box = notice.bounding_box()
    assert top["y"] + top["height"] <= box["y"] + 1
    assert box["y"] + box["height"] <= roll["y"]
    studio.page.click("#language")
    assert "未跟随节拍器" in notice.inner_text()
    studio.page.click("#language")
    before = studio.look("s.project.tempos.map((tempo) => tempo.bpm)")
    fields = notice.locator("input")
    fields.nth(1).fill(str(round(2 * before[0])))
    notice.locator("button[type=submit]").click()
    studio.until(f"s.project.tempos[0].bpm > {1.3 * before[0]}")
    studio.page.locator("#free-time button").nth(1).click()
    studio.until("s.project.tempos.length === 1 && s.project.tempos[0].bpm === 120")
    assert studio.page.locator("#free-time").count() == 0
    studio.page.set_input_files("#file", EXAMPLES / "waltz-pickup.mid")
    studio.until("s.project.title === 'waltz-pickup'")
    assert studio.page.locator("#free-time").count() == 0


def test_a_metre_can_be_told(studio, tmp_path: Path) -> None:
    recording = tmp_path / "night.mid"
    recording.write_bytes(perform(read_midi(EXAMPLES / "gap-of-four-bars.mid"), 0).data)
    studio.open()
    studio.page.set_input_files("#file", recording)
    notice = studio.page.locator("#free-time")
    notice.wait_for()
    notice.locator("select").select_option("3/4")
    notice.locator("button[type=submit]").click()
    studio.until("s.project.metres[0].numerator === 3 && s.project.metres[0].denominator === 4")
    assert notice.locator("select").input_value() == "3/4"


def test_a_watched_file_is_opened_offered_anew_and_corrected(browser, tmp_path: Path) -> None:
    song = tmp_path / "song.mid"
    with served(tmp_path, "--watch", str(song)) as (url, _), opened(browser, url) as studio:
        page = studio.page
        page.goto(url)
        notice = page.locator("#watched")
        notice.wait_for()
        assert "Waiting for song.mid" in notice.inner_text()
        page.click("[data-name=plus]")
        song.write_bytes((EXAMPLES / "waltz-pickup.mid").read_bytes())
        studio.until("document.querySelector('#watched').innerText.includes('song.mid was written')")
        notice.locator("button").nth(0).click()
        studio.until("s.project.notes.length === 154 && s.project.title === 'song'")
        assert notice.count() == page.locator("#free-time").count() == 0
        song.write_bytes(perform(read_midi(EXAMPLES / "gap-of-four-bars.mid"), 0).data)
        notice.locator("button").nth(0).click()
        correction = page.locator("#free-time")
        correction.wait_for()
        correction.locator("select").select_option("3/4")
        correction.locator("button[type=submit]").click()
        studio.until("s.project.metres[0].numerator === 3")
        page.reload()
        studio.until("window.pianomuse?.studio.project.metres[0].numerator === 3")
        with opened(browser, url) as another:
            another.page.goto(url)
            another.page.locator("#free-time").wait_for()
            assert another.look("document.querySelector('#welcome').open") is False
