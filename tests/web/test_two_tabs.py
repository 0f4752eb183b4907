"""Two tabs of one browser: they share the model fairly, and none overwrites the other's work unseen."""

from __future__ import annotations

import urllib.request

import pytest
from tests.web.studio_page import Studio

SAVED = "document.querySelector('#kept').textContent === 'saved'"
SESSION = "**/api/v1/session"


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
        tab.until(SAVED).page.reload()
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


def test_a_save_that_arrives_after_a_reload_is_the_tabs_own(studio):
    studio.open("finished-phrase").until(SAVED)
    name = studio.look("p.files.works.name")
    late: list[urllib.request.Request] = []
    statuses: list[int] = []

    def hold(route) -> None:
        """The first writing waits on its way until the page writes again."""
        if late:
            if not statuses:
                statuses.append(urllib.request.urlopen(late[0]).status)
            route.continue_()
            return
        asked = route.request
        headers = {"Content-Type": "application/json", "If-Match": asked.headers["if-match"]}
        late.append(urllib.request.Request(asked.url, asked.post_data_buffer, headers, method="PUT"))

    studio.page.route(SESSION, hold)
    studio.press("n")
    while not late:
        studio.page.wait_for_timeout(20)
    studio.page.reload()
    studio.until("window.pianomuse && s.project.notes.length > 0")
    studio.until(SAVED)
    assert studio.problem == ""
    assert studio.look("p.files.works.name") == name
    assert statuses == [204]


def test_saved_is_said_of_the_last_change_only(studio):
    studio.open("finished-phrase").until(SAVED)
    assert (
        studio.look("(s.apply('stepDraw', {...s.project, notes: []}), document.querySelector('#kept').textContent)")
        == ""
    )
    studio.until(SAVED)


def test_tabs_that_ask_at_once_take_turns(pair):
    """A short request is answered while a long one is being written, and the long one goes on meanwhile."""
    long, short = pair
    opened_anew(short, "right-hand")
    n_events = "s.ghosts.ideas.reduce((n, idea) => n + idea.notes.length + idea.pedals.length, 0)"
    long.fill(bars=32, candidates=8, seed=1).press("Enter").until("s.ghosts?.ideas.length > 0")
    before = long.look(n_events)
    short.fill(bars=2, candidates=2, seed=1).ask()
    meanwhile, is_asking = long.look(f"[{n_events}, p.muse.isAsking]")
    assert is_asking, "the short request waited for the long one"
    assert meanwhile - before > 0.5 * short.look(n_events), "the long request waited for the short one"
    long.press("Escape").until("!p.muse.isAsking")
