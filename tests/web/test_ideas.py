"""Ideas as ghost notes: asked for, looked through, taken whole and in part, brought back."""

from __future__ import annotations

import pytest


@pytest.fixture
def short(studio):
    """An example with two ideas of one bar asked for, so that tests take seconds."""
    return studio.open("finished-phrase").fill(bars=2, candidates=2, seed=7).ask()


def test_ideas_are_seen_one_after_the_other_and_taken_as_one_step(short):
    n_own = short.look("s.project.notes.length")
    first = short.look("s.ghosts.ideas.map((idea) => idea.notes.length)")
    assert len(first) == 2
    assert min(first) > 0
    assert "idea 1 of 2" in short.status
    assert short.look("s.ghosts.ideas.every((idea) => idea.isFinished && idea.reason)")
    assert short.look("s.ghosts.ideas.filter((idea) => idea.isBest).length") == 1
    assert len(short.page.query_selector_all("#ideas .idea canvas")) == 2
    short.press("ArrowDown")
    assert "idea 2 of 2" in short.status
    short.press("1")
    assert "idea 1 of 2" in short.status
    short.press("Tab")
    assert short.look("s.project.notes.length") == n_own + first[0]
    assert short.look("s.ghosts") is None
    assert short.look("s.project.notes.filter((note) => note.suggested).length") == first[0]
    short.press("Control+z")
    assert "take an idea" in short.status
    assert short.look("[s.project.notes.length, s.ghosts.ideas.length]") == [n_own, 2]
    short.press("Control+y")
    assert short.look("s.project.notes.length") == n_own + first[0]


def test_a_bar_a_beat_a_note_and_a_hand_are_taken_and_the_rest_stays(studio):
    studio.open("broken-off-on-beat-3").fill(bars=2, candidates=1, seed=7).ask()
    studio.press("Control+ArrowRight")
    assert studio.look("[s.project.notes.filter((note) => note.suggested).length, s.ghosts.taken.size]") == [1, 1]
    studio.press("Control+z", "ArrowRight")  # the half bar that was open
    assert studio.look("[s.time.barAt(s.ghosts.front).number, s.ghosts.front === s.time.bar(7).tick]") == [7, True]
    assert studio.look("s.caret === s.ghosts.front")
    assert studio.look("s.project.notes.every((note) => !note.suggested || note.tick < s.ghosts.front)")
    studio.press("Shift+ArrowRight")
    assert studio.look("s.ghosts.front === s.time.bar(7).tick + s.project.ppq")
    rest = studio.look("s.ghosts.ideas[0].notes.filter((n) => !s.ghosts.taken.has(n.id)).map((n) => n.hand)")
    assert set(rest) == {"right", "left"}
    before = studio.look("s.project.notes.length")
    studio.press("Alt+r")
    assert studio.look("s.project.notes.length") == before + rest.count("right")
    studio.press("Control+z")
    assert studio.look("s.project.notes.length") == before


def test_a_click_leaves_a_ghost_note_out(short):
    x, y, note = short.look(
        """(() => { const note = s.ghosts.ideas[0].notes[0], view = p.roll.view;
        const box = p.roll.element.getBoundingClientRect();
        return [box.left + view.x(note.tick) + 3, box.top + view.y(note.pitch) + view.row / 2, note]; })()"""
    )
    short.page.mouse.click(x, y)
    assert short.look("[...s.ghosts.omitted]") == [note["id"]]
    n_ghosts, n_own = short.look("[s.ghosts.ideas[0].notes.length, s.project.notes.length]")
    short.press("Tab")
    assert short.look("s.project.notes.length") == n_own + n_ghosts - 1


def test_scrolling_zooming_and_playing_keep_ideas_and_a_caret_move_puts_them_away(short):
    short.page.mouse.move(700, 300)
    short.page.mouse.wheel(0, 120)
    short.page.keyboard.down("Control")
    short.page.mouse.wheel(0, -120)
    short.page.keyboard.up("Control")
    short.press("+", "Space").until("p.listening.isPlaying").press("Space")
    assert short.look("s.ghosts.ideas.length") == 2
    short.press("Home")
    assert short.look("s.ghosts") is None
    assert short.look("s.heard.length") == 2
    short.page.click("#heard-part summary")
    short.page.click("#heard .star >> nth=1")
    short.page.click("#heard .heard-idea >> nth=1")
    assert short.look("s.ghosts.ideas[0].key === s.heard[1].idea.key && s.heard[1].isStarred")
    assert short.look("s.heard[0].idea.seed") == 7
    short.page.focus("#roll")
    short.press("Escape")
    assert short.look("s.ghosts") is None


def test_enter_again_brings_more_and_escape_stops_the_writing(short):
    short.press("Enter").until("s.ghosts.ideas.length > 2")
    short.press("Escape").until("!p.muse.isAsking")
    assert short.look("s.ghosts") is None
    assert short.look("new Set(s.heard.map((entry) => entry.idea.key)).size === s.heard.length")


def test_empty_bars_before_later_music_are_filled(studio):
    studio.open("gap-of-four-bars").fill(candidates=1).look("s.setCaret(s.time.bar(9).tick)")
    n_own = studio.look("s.project.notes.length")
    studio.ask()
    assert studio.look("[s.time.barAt(s.ghosts.start).number, s.time.barAt(s.ghosts.end).number]") == [9, 13]
    studio.press("Tab")
    assert studio.look("s.project.notes.length") > n_own
    later = "s.project.notes.filter((note) => !note.suggested && note.tick >= s.time.bar(13).tick).length"
    assert studio.look(later) > 0


def test_insert_pushes_what_follows_and_replace_takes_its_place(studio):
    studio.open("finished-phrase").fill(bars=1, candidates=1)
    studio.look("s.setCaret(s.time.bar(4).tick)")
    studio.page.check("#over-part input[value=insert]", force=True)
    studio.page.focus("#roll")
    before = studio.look("s.project.notes.map((note) => note.tick)")
    studio.ask().press("Tab")
    length = studio.look("s.time.bar(5).tick - s.time.bar(4).tick")
    start = studio.look("s.time.bar(4).tick")
    after = studio.look("s.project.notes.filter((note) => !note.suggested).map((note) => note.tick)")
    assert after == sorted(tick + length * (tick >= start) for tick in before)
    studio.press("Control+z", "Escape")
    studio.page.check("#over-part input[value=replace]", force=True)
    studio.page.focus("#roll")
    studio.look("s.setCaret(s.time.bar(4).tick)")
    studio.ask().press("Tab")
    kept = studio.look("s.project.notes.filter((note) => !note.suggested).map((note) => note.tick)")
    assert kept == [tick for tick in before if not start <= tick < start + length]


def test_chosen_bars_are_filled_within_the_limits_of_the_fields(studio):
    studio.open("finished-phrase").fill(candidates=1, range="C4-C6")
    studio.look("s.setRange({from: s.time.bar(3).tick, to: s.time.bar(5).tick})")
    assert "Fill bars 3–4" in studio.page.inner_text("#ask")
    studio.ask()
    pitches = studio.look("s.ghosts.ideas[0].notes.map((note) => note.pitch)")
    assert pitches
    assert min(pitches) >= 60
    assert max(pitches) <= 84
    assert studio.look("s.time.barAt(s.ghosts.start).number") == 3


def test_a_limit_that_cannot_be_read_says_what_to_do(studio):
    studio.open("finished-phrase").fill(chords="H13").press("Enter").until("!document.querySelector('#problem').hidden")
    assert "H13" in studio.problem


def test_an_empty_roll_becomes_music(studio):
    studio.open().press("n", "ArrowUp", "ArrowUp", "n", "ArrowUp", "ArrowUp", "n", "n", "n")
    studio.fill(bars=1, candidates=1).ask()
    assert studio.look("s.ghosts.ideas[0].notes.length") > 0
    assert studio.look("s.ghosts.start") == 960  # the next beat after five sixteenths


def test_an_empty_roll_is_a_normal_start(studio):
    studio.open().fill(bars=1, candidates=1).ask()
    assert studio.look("s.ghosts.start") == 0
    assert studio.look("s.ghosts.ideas[0].notes.length") > 0
    n_notes = studio.look("s.ghosts.ideas[0].notes.length")
    studio.press("Tab")
    assert studio.look("s.project.notes.length") == n_notes
