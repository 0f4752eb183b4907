"""A recording without a metronome in the studio: what was assumed, and two fields to correct it."""

from __future__ import annotations

from pathlib import Path

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
