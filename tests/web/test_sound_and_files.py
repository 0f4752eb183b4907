"""Playing, opening, exporting, keeping the work, and what is said when something is wrong."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from io import BytesIO
from pathlib import Path

import pytest
import soundfile
from tests.web.studio_page import PATIENCE_S, opened, served

from pianomuse.midi.read import read_midi

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LOUDEST = """(() => { const wave = new Float32Array(2048);
p.piano.analyser?.getFloatTimeDomainData(wave); return Math.max(...wave.map(Math.abs)); })()"""


def sounds(studio):
    return studio.until(f"p.piano.analyser && p.piano.context.state === 'running' && {LOUDEST} > 0.005")


def test_space_plays_and_returns_to_the_caret(studio):
    studio.open("expressive-pedal")
    studio.look("s.setCaret(s.time.bar(5).tick)")
    studio.page.focus("#roll")
    caret = studio.look("s.caret")
    studio.press("Space").until("p.roll.head !== null")
    assert studio.look("p.roll.head") >= caret
    sounds(studio).until(f"p.roll.head > {caret}")
    studio.press("Space")
    assert studio.look("[p.roll.head, s.caret, p.listening.isPlaying]") == [None, caret, False]


def test_an_idea_is_heard_from_its_lead_in_looped_and_exchanged_without_a_stop(studio):
    studio.open("finished-phrase").page.select_option("#lead-in", "1")
    studio.fill(bars=1, candidates=2)
    studio.ask().press("o", "Space")
    sounds(studio)
    start = studio.look("s.ghosts.start")
    assert studio.look(f"s.time.tick(p.listening.player.from) < {start}")
    studio.look("window.before = p.listening.player._voices")
    zero = studio.look("p.listening.player._zero")
    studio.until(f"p.roll.head > {start}").press("ArrowDown").until("p.listening.player._voices !== window.before")
    moved, length = studio.look("(({_zero, from, to}) => [_zero, to - from])(p.listening.player)")
    rounds = (moved - zero) / length
    assert (rounds, studio.look("p.listening.isPlaying")) == (pytest.approx(round(rounds), abs=1e-6), True)
    studio.until(f"p.roll.head < {start}")  # round again
    studio.press("0")
    assert studio.status == "your original"
    studio.press("2", "Space", "Shift+Space").until("p.listening.isPlaying")
    assert studio.look(f"Math.round(s.time.tick(p.listening.player.from)) === {start}")
    studio.press("Space")


def test_an_import_without_edits_comes_back_event_by_event(studio):
    file = EXAMPLES / "gap-of-four-bars.mid"
    studio.open()
    studio.page.set_input_files("#file", file)
    studio.until("s.project.notes.length > 100")
    data = exported(studio, "midi")
    assert notes_of(data) == notes_of(file.read_bytes())
    assert data == file.read_bytes() or read_midi(data).grid.n_bars == read_midi(file).grid.n_bars


def test_an_edit_is_in_every_export(studio):
    studio.open("finished-phrase")
    studio.page.focus("#roll")
    n_own = studio.look("s.project.notes.length")
    studio.press("n")
    tick, pitch = studio.look(
        "(() => { const n = s.project.notes.at(-1); return [n.tick / s.project.ppq, n.pitch]; })()"
    )
    notes = notes_of(exported(studio, "midi"))
    assert len(notes) == n_own + 1
    assert (tick, pitch) in notes
    sheet = ElementTree.fromstring(exported(studio, "musicxml"))
    assert len(sheet.findall(".//note/pitch")) >= n_own + 1
    sound, rate = soundfile.read(BytesIO(exported(studio, "wav")))
    assert rate == 44_100
    assert abs(sound).max() > 0.01


def test_the_work_is_there_again_after_a_reload(studio):
    studio.open("finished-phrase")
    studio.page.focus("#roll")
    studio.press("n").until("document.querySelector('#kept').textContent === 'saved'")
    notes = studio.look("s.project.notes.length")
    studio.page.reload()
    studio.until("window.pianomuse && s.project.notes.length > 0")
    assert studio.look("s.project.notes.length") == notes
    studio.until("document.querySelector('#kept').textContent === 'saved'")
    studio.page.goto(f"{studio.url}api/v1/health")  # keeps it in the browser on the way out
    studio.page.evaluate("localStorage.clear()")  # the disk has it too
    studio.page.goto(studio.url)
    studio.until("window.pianomuse && s.project.notes.length > 0")
    assert studio.look("s.project.notes.length") == notes


def test_a_file_that_is_no_midi_is_refused_and_the_work_stays(studio):
    studio.open("finished-phrase")
    notes = studio.look("s.project.notes.length")
    studio.page.set_input_files("#file", {"name": "song.mid", "mimeType": "audio/midi", "buffer": b"MThd no music"})
    studio.until("!document.querySelector('#problem').hidden")
    assert "song.mid cannot be opened" in studio.problem
    studio.page.click("#problem-close")
    studio.page.set_input_files("#file", {"name": "song.mp3", "mimeType": "audio/mpeg", "buffer": b"ID3"})
    studio.until("!document.querySelector('#problem').hidden")
    assert "ends in .mid" in studio.problem
    assert studio.look("s.project.notes.length") == notes


def test_when_the_server_is_gone_the_page_says_what_to_do_and_keeps_the_work(browser, tmp_path):
    with served(tmp_path) as (url, server), opened(browser, url, ("Failed to load resource: net::",)) as studio:
        studio.open("finished-phrase")
        server.terminate()
        server.wait(PATIENCE_S)
        studio.page.focus("#roll")
        studio.press("n", "Enter").until("!document.querySelector('#problem').hidden")
        assert "Start it again" in studio.problem
        studio.until("document.querySelector('#kept').textContent === 'kept in this browser'")


def exported(studio, kind: str) -> bytes:
    studio.page.click("#export-menu summary")
    with studio.page.expect_download() as download:
        studio.page.click(f"#export-{kind}")
    return Path(download.value.path()).read_bytes()


def notes_of(data: bytes) -> list[tuple[float, int]]:
    """Onsets in quarter notes, and pitches."""
    score = read_midi(data).score
    return sorted((note.time / score.ticks_per_quarter, note.pitch) for track in score.tracks for note in track.notes)
