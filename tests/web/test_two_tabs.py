"""Two tabs of one browser: they share the model fairly, and none overwrites the other's work unseen."""

from __future__ import annotations

import pytest
from tests.web.studio_page import Studio

SAVED = "document.querySelector('#kept').textContent === 'saved'"


@pytest.fixture
def pair(studio) -> tuple[Studio, Studio]:
    """Two tabs with two pieces."""
    studio.open("finished-phrase").until(SAVED)
    second = Studio(studio.page.context.new_page(), studio.url)
    second.page.goto(second.url)  # a new tab goes on with what was kept last
    second.until("window.pianomuse && s.project.notes.length > 0")
    return studio, second


def opened_anew(tab: Studio, example: str) -> None:
    tab.page.click("#examples")
    tab.page.click(f"[data-name={example}]")
    tab.until("document.querySelector('#welcome').open === false").until(SAVED)
    tab.page.focus("#roll")


def test_each_tab_comes_back_to_its_own_piece(pair):
    first, second = pair
    opened_anew(second, "right-hand")
    first.page.focus("#roll")
    first.press("n").until(f"{SAVED} && s.project.notes.length > 0")
    titles = [tab.look("s.project.title") for tab in pair]
    n_notes = [tab.look("s.project.notes.length") for tab in pair]
    assert titles[0] != titles[1]
    for tab in pair:
        tab.until("document.querySelector('#kept').textContent !== ''").page.reload()
        tab.until("window.pianomuse && s.project.notes.length > 0")
    assert [tab.look("s.project.title") for tab in pair] == titles
    assert [tab.look("s.project.notes.length") for tab in pair] == n_notes
    first.page.click("#examples")
    first.until(f"document.querySelector('#openings').textContent.includes({titles[1]!r})")
    first.page.click(f"#openings .work:has-text('{titles[1]}') >> nth=0")
    first.until("document.querySelector('#welcome').open === false")
    assert first.look("s.project.title") == titles[1]


def test_the_tab_that_comes_second_goes_on_as_a_copy(pair):
    first, second = pair
    names = [tab.look("p.files.works.name") for tab in pair]
    assert names[0] == names[1]
    for tab in pair:
        tab.page.focus("#roll")
    first.press("n", "n").until(f"{SAVED} && p.files.works.name === '{names[0]}'")
    first.page.wait_for_timeout(600)
    second.press("n").until("!document.querySelector('#problem').hidden")
    assert "was changed in another tab too" in second.problem
    second.until(SAVED)
    names = [tab.look("p.files.works.name") for tab in pair]
    assert names[0] != names[1]
    for tab, name in zip(pair, names, strict=True):
        kept = tab.page.evaluate(f"fetch('/api/v1/works/{name}').then((answer) => answer.json())")
        assert len(kept["project"]["notes"]) == tab.look("s.project.notes.length")
    first.press("n").until(SAVED)
    assert first.problem == ""


def test_tabs_that_ask_at_once_take_turns(pair):
    opened_anew(pair[1], "right-hand")
    heard: list[tuple[int, str]] = []
    for number, tab in enumerate(pair):
        tab.page.expose_function("tell", lambda what, number=number: heard.append((number, what)))
        tab.look(
            "p.muse.addEventListener('asking', () => window.tell(p.muse.isAsking ? 'asks' : 'ends')),"
            "s.addEventListener('ghosts', () => window.tell(s.ghosts?.ideas.length ? 'grows' : 'none'))"
        )
        tab.fill(bars=8, candidates=4, seed=1)
    for tab in pair:
        tab.page.focus("#roll")
        tab.press("Enter")
    for tab in pair:
        tab.until("s.ghosts?.ideas.length && !p.muse.isAsking")
    grows = {number: [place for place, told in enumerate(heard) if told == (number, "grows")] for number in (0, 1)}
    overlap = min(grows[0][-1], grows[1][-1]) - max(grows[0][0], grows[1][0])
    assert overlap > 0.5 * min(len(grows[0]), len(grows[1])), "one waited for the other"
