"""Sheet music beside the roll: the bars around the caret, the idea in grey, loaded when it is wanted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from symusic import Score

import pianomuse

VENDOR = Path(pianomuse.__file__).parent / "web" / "vendor"
WRITTEN = Path(__file__).resolve().parents[1] / "files" / "bach-bwv-269.mid"
HEADS = "[...document.querySelectorAll('#sheet .vf-notehead path')].map((head) => head.getAttribute('fill'))"
INK = {"light": "#1c1c1e", "dark": "#ececee"}
GHOST = "#9a9a9e"


def printed(studio, condition: str = "true"):
    """Wait until the sheet shows what it should."""
    return studio.until(f"p.sheet.music && document.querySelector('#sheet .vf-stavenote') && {condition}")


def bars(studio) -> list[int]:
    return studio.look("[p.sheet.music.from_bar, p.sheet.music.to_bar]")


def test_files_of_others_are_the_ones_of_the_manifest():
    entries = json.loads((VENDOR / "MANIFEST.json").read_text("utf-8"))
    files = {entry["file"]: entry["sha256"] for entry in entries if "file" in entry}
    assert {path.name for path in VENDOR.iterdir()} == {"MANIFEST.json", *files}
    for name, digest in files.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
    notices = (VENDOR / "NOTICES.txt").read_text("utf-8")
    for entry in entries:
        if "version" in entry:
            assert entry["licence"]
            assert entry["source"].startswith("https://registry.npmjs.org/")
            assert f"{entry['name']} {entry['version']}" in notices


def test_the_sheet_follows_the_caret_and_a_click_moves_it(studio):
    asked: list[str] = []
    studio.page.on("request", lambda request: asked.append(request.url))
    studio.open("waltz-pickup").page.focus("#roll")
    studio.look("s.setCaret(0)")
    assert not any("vendor" in url or "api/v1/sheet" in url for url in asked)
    studio.press("m")
    printed(studio)
    assert studio.look("p.sheet.music.first_number") == 0
    assert bars(studio) == [1, 8]
    assert studio.page.is_visible("#roll canvas")
    numbers = "[...document.querySelectorAll('#sheet text')].map((text) => text.textContent.trim())"
    assert "7" in studio.look(numbers)
    sheet = studio.page.locator("#sheet").bounding_box()
    here = studio.look("p.sheet.here.getBoundingClientRect().toJSON()")
    assert sheet["x"] <= here["left"] < sheet["x"] + sheet["width"] / 4
    studio.page.mouse.click(here["right"] + 20, here["top"] + 10)
    assert studio.look("s.time.barAt(s.caret).number") == 2
    studio.look("s.setCaret(s.time.bar(12).tick)")
    printed(studio, "p.sheet.music.from_bar > 1")
    assert bars(studio) == [10, 17]
    studio.press("End")  # the last bars fill the sheet
    printed(studio, "p.sheet.music.from_bar > 10")
    assert bars(studio)[1] == 21
    assert bars(studio)[1] - bars(studio)[0] >= 6


def test_ideas_are_grey_until_they_are_taken_and_keys_work_without_the_roll(studio):
    studio.open("finished-phrase").page.click("#view-sheet")
    printed(studio)
    assert studio.page.evaluate("document.activeElement.id") == "roll"
    assert set(studio.look(HEADS)) == {INK["light"]}
    studio.fill(bars=2, candidates=1, seed=7).ask()
    printed(studio, f"{HEADS}.filter((colour) => colour === '{GHOST}').length >= 2")
    first, last = bars(studio)
    assert first <= studio.look("s.time.barAt(s.ghosts.start).number") <= last
    assert INK["light"] in studio.look(HEADS)
    studio.press("Tab")
    printed(studio, f"!{HEADS}.includes('{GHOST}')")
    studio.page.click("#theme")
    printed(studio, f"{HEADS}[0] === '{INK['dark']}'")
    studio.page.focus("#roll")
    studio.press("m")
    assert studio.page.get_attribute("body", "data-view") == "roll"
    assert studio.problem == ""


def test_a_note_given_to_the_other_hand_changes_its_staff(studio):
    studio.open("gap-of-four-bars").page.click("#view-both")
    studio.look("s.setCaret(s.time.bar(9).tick)")
    printed(studio, "p.sheet.music.from_bar === 7")  # bars without a note are among them
    assert studio.problem == ""
    studio.look("s.setCaret(0)")
    printed(studio, "p.sheet.music.from_bar === 1")
    staves = "new DOMParser().parseFromString(p.sheet.music.musicxml, 'text/xml')"
    count = (
        f"[...{staves}.querySelectorAll('note:has(pitch) staff')].filter((staff) => staff.textContent === '2').length"
    )
    before = studio.look(count)
    studio.look("s.select(s.project.notes.filter((n) => n.tick < s.time.bar(2).tick))")
    n_right = studio.look("[...s.selection].filter((note) => note.track === s.project.notes[0].track).length")
    studio.page.focus("#roll")
    studio.press("h")
    printed(studio, f"{count} !== {before}")
    studio.press("Control+z")
    printed(studio, f"{count} === {before}")
    assert n_right > 0


def performance() -> bytes:
    """A choral as somebody would play it: every onset a little early or late."""
    score = Score(WRITTEN)
    rng = np.random.default_rng(1)
    for track in score.tracks:
        for note in track.notes:
            note.time = max(note.time + round(rng.normal() * score.ticks_per_quarter / 24), 0)
    return score.dumps_midi()


def test_a_performance_is_called_approximate_in_both_languages(studio):
    file = {"name": "choral.mid", "mimeType": "audio/midi", "buffer": performance()}
    studio.open().page.set_input_files("#file", file)
    studio.until("s.project.notes.length > 20").page.click("#view-both")
    printed(studio)
    assert studio.page.inner_text("#sheet-note") == "Approximate: written down from a performance"
    studio.page.click("#language")
    assert studio.page.inner_text("#sheet-note").startswith("近似记谱")
    studio.page.reload()
    printed(studio, "document.body.dataset.view === 'both'")


def test_nothing_to_print_is_said(studio):
    studio.open().page.click("#view-both")
    studio.until("p.sheet.music && document.querySelector('#sheet.is-empty svg')")
    assert studio.page.get_attribute("#sheet", "data-empty") == "nothing is written yet"
