"""What the project remembers of who wrote what, the page that says it, and that none of it is in the music."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

KINDS = (
    "s.project.notes.map((n) => [n.suggested ?? false, s.project.origins?.[n.origin]?.how ?? '', n.edited ?? false])"
)


@pytest.fixture
def taken(studio):
    """An example with an idea taken, one of its notes changed, and a note drawn."""
    studio.open("finished-phrase").fill(bars=1, candidates=1, seed=7).ask().press("Tab")
    studio.look("s.select([s.project.notes.find((note) => note.suggested)])")
    studio.press("Control+ArrowUp", "Escape", "Home")
    x, y = studio.look("[p.roll.view.x(240) + 2, p.roll.view.y(84) + p.roll.view.row / 2]")
    studio.press("1")
    box = studio.page.locator("#roll").bounding_box()
    studio.page.mouse.click(box["x"] + x, box["y"] + y)
    return studio


def kinds(studio) -> dict[tuple[bool, str, bool], int]:
    found: dict[tuple[bool, str, bool], int] = {}
    for note in studio.look(KINDS):
        found[tuple(note)] = found.get(tuple(note), 0) + 1
    return found


def exported(studio, kind: str) -> bytes:
    studio.page.click("#export-menu summary")
    with studio.page.expect_download() as download:
        studio.page.click(f"#export-{kind}")
    return Path(download.value.path()).read_bytes()


def test_notes_know_where_they_came_from_through_undo_and_reload(taken):
    found = kinds(taken)
    assert found[False, "suggested", True] == 1
    n_kept = found[True, "suggested", False]
    assert n_kept > 0
    assert found[False, "", False] > 0
    origins = taken.look("s.project.origins")
    assert (origins[0]["how"], origins[0]["seed"], origins[0]["number"], origins[0]["model"]) == (
        "suggested", 7, 1, taken.look("s.model"),
    )  # fmt: skip
    assert taken.look("Date.now() - s.project.origins[0].at") < 600_000
    taken.page.focus("#roll")
    if (False, "drawn", False) in found:
        taken.press("Control+z")
    taken.press("Control+z")
    assert kinds(taken)[True, "suggested", False] == n_kept + 1
    taken.press("Control+z")
    assert not any(how for _, how, _ in kinds(taken))
    for _ in range(3):
        taken.press("Control+y")
    assert kinds(taken) == found
    taken.page.keyboard.press("Control+s")
    taken.until("document.querySelector('#kept').textContent === 'saved'").page.reload()
    taken.until("window.pianomuse && s.project.notes.length > 0")
    assert kinds(taken) == found


def test_a_drawn_note_is_the_composers(taken):
    assert kinds(taken)[False, "drawn", False] == 1


def test_marks_and_origins_are_in_no_export(taken):
    sent: list[str] = []
    taken.page.on("request", lambda request: sent.append(request.post_data or "") if "export" in request.url else None)
    marked = {kind: exported(taken, kind) for kind in ("midi", "musicxml", "wav")}
    taken.look(
        """(() => { const { origins, ...project } = s.project;
        s.open({ ...project, notes: project.notes.map(({ suggested, origin, edited, ...note }) => note) }); })()"""
    )
    assert set(kinds(taken)) == {(False, "", False)}
    for kind, data in marked.items():
        assert exported(taken, kind) == data, kind
    assert sent
    assert not any(word in body for body in sent for word in ('"suggested"', '"origin', '"edited"'))


def test_marks_can_be_hidden_and_stay_so(taken):
    pixels = """(() => { const canvas = p.roll._canvases.notes, data = canvas.getContext('2d')
    .getImageData(0, 0, canvas.width, canvas.height).data; let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += data[i + 3] ? data[i] : 0; return sum; })()"""
    taken.look("p.roll.reveal(s.time.bar(9).tick, s.time.bar(10).tick)")
    taken.look("p.roll.draw()")
    before = taken.look(pixels)
    taken.page.uncheck("#marks")
    taken.look("p.roll.draw()")
    assert taken.look(pixels) != before
    taken.page.reload()
    taken.until("window.pianomuse && s.project.notes.length > 0")
    assert taken.look("p.roll.marks") is False


def test_the_record_says_what_is_known_in_both_languages(taken):
    page = exported(taken, "authorship").decode()
    counts = {kind: int(n) for kind, n in re.findall(r'data-kind="(\w+)".*?class="n">(\d+)<', page)}
    found = kinds(taken)
    assert counts == {
        "imported": found[False, "", False],
        "drawn": 1,
        "kept": found[True, "suggested", False],
        "changed": 1,
    }
    assert f"{taken.look('s.model')} · seed 7 · idea 1" in page
    assert "It proves nothing" in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="', page)
    taken.page.click("#language")
    chinese = exported(taken, "authorship").decode()
    assert "创作记录" in chinese
    assert "它不构成证明" in chinese


def test_a_title_cannot_put_markup_into_the_record(studio):
    studio.open("finished-phrase").look("s.open({ ...s.project, title: '<img src=x onerror=alert(1)>' })")
    page = exported(studio, "authorship").decode()
    assert "<img" not in page
    assert "&lt;img src=x" in page
