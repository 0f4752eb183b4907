"""What is asked beside the place: more like an idea, what chosen bars keep, chords over bars; and what is learnt."""

from __future__ import annotations

import pytest


@pytest.fixture
def short(studio):
    return studio.open("finished-phrase").fill(bars=2, candidates=2, seed=7).ask()


def timing(studio, index: int) -> list[list[int]]:
    return studio.look(f"s.ghosts.ideas[{index}].notes.map((note) => [note.tick, note.duration])")


def test_more_like_an_idea_keeps_its_rhythm_or_its_start(short):
    assert short.page.locator("#ideas [data-like]:not([aria-disabled])").count() == 10, "five under each"
    short.page.click("#ideas [data-like=rhythm] >> nth=0")
    short.until("s.ghosts.ideas.length > 2 && !p.muse.isAsking")
    own, like = timing(short, 0), timing(short, 2)
    assert [tick for tick, _ in like] == [tick for tick, _ in own]
    pitches = short.look("s.ghosts.ideas.map((idea) => idea.notes.map((note) => note.pitch).join())")
    assert len(set(pitches)) == len(pitches)
    assert "like 1: same rhythm" in short.page.inner_text("#ideas .idea >> nth=2")
    n_ideas = short.look("s.ghosts.ideas.length")
    short.page.click("#ideas [data-like=start] >> nth=0")
    short.until(f"s.ghosts.ideas.length > {n_ideas} && !p.muse.isAsking")
    front = short.look("s.ghosts.start + 2 * s.project.ppq")
    start = "s.ghosts.ideas[{}].notes.filter((note) => note.tick < {}).map((note) => [note.tick, note.pitch])"
    assert short.look(start.format(n_ideas, front)) == short.look(start.format(0, front))
    assert short.look(f"s.ghosts.ideas[{n_ideas}].notes.some((note) => note.tick >= {front})")
    short.look(f"p.muse.choose({n_ideas})")
    n_own, n_new = short.look(f"[s.project.notes.length, s.ghosts.ideas[{n_ideas}].notes.length]")
    short.page.focus("#roll")
    short.press("Tab")
    assert short.look("s.project.notes.length") == n_own + n_new


def test_a_star_moves_the_order_and_is_forgotten_again(short):
    assert not short.page.is_visible("#taste-part")
    short.page.click("#ideas .star")
    short.until("!document.querySelector('#taste-part').hidden")
    assert "Learnt from 1 choice" in short.page.inner_text("#taste-words")
    assert short.look("s.heard.filter((entry) => entry.isStarred).length") == 1
    short.page.click("#taste-forget")
    short.until("document.querySelector('#taste-part').hidden")
    answer = short.page.evaluate("fetch('/api/v1/taste').then((answer) => answer.json())")
    assert answer["choices"] == 0


def test_chosen_bars_keep_their_rhythm_or_get_the_missing_hand(studio):
    studio.open("right-hand").fill(candidates=1, seed=3)
    studio.look("s.setRange({from: s.time.bar(2).tick, to: s.time.bar(4).tick})")
    inside = "filter((n) => n.tick >= s.range.from && n.tick < s.range.to)"
    onsets = studio.look(f"s.project.notes.{inside}.map((n) => n.tick)")
    studio.page.select_option("#field-verb", "rhythm")
    assert "Vary bars 2–3" in studio.page.inner_text("#ask")
    studio.page.focus("#roll")
    studio.ask()
    assert studio.look("s.ghosts.ideas[0].notes.map((n) => n.tick)") == onsets
    assert "keep their rhythm" in studio.page.text_content("#heard .settings")
    studio.press("Escape")
    studio.page.select_option("#field-verb", "harmonise")
    studio.page.focus("#roll")
    studio.ask()
    assert studio.look("s.ghosts.ideas[0].notes.every((n) => n.hand === 'left')")
    own, n_others = timing(studio, 0), studio.look("s.ghosts.stays.size")
    studio.page.click("#ideas [data-like=rhythm]")
    studio.until("s.ghosts.ideas.length > 1 && !p.muse.isAsking")
    assert timing(studio, 1) == own
    assert studio.look("s.ghosts.ideas[1].notes.every((n) => n.hand === 'left')")
    assert n_others > 0
    studio.page.click("#ideas [data-like=start] >> nth=0")  # of one hand, its first bar
    studio.until("s.ghosts.ideas.length > 2 && !p.muse.isAsking")
    line = studio.look("s.time.barAt(s.ghosts.start).end")
    first_bar = "s.ghosts.ideas[{}].notes.filter((n) => n.tick < {}).map((n) => [n.tick, n.pitch])"
    assert studio.look(first_bar.format(2, line)) == studio.look(first_bar.format(0, line))
    studio.look("p.muse.choose(0)")
    n_own, n_new = studio.look("[s.project.notes.length, s.ghosts.ideas[0].notes.length]")
    studio.press("Escape")
    studio.page.click("#heard-part summary")
    first = studio.page.locator("#heard li", has_text="add the missing hand").filter(has_not_text="like 1").first
    first.locator(".heard-idea").click()  # brought back, it leaves the other hand alone too
    studio.page.focus("#roll")
    studio.press("Tab")
    assert studio.look("s.project.notes.length") == n_own + n_new


def test_chords_over_the_ruler_and_an_arrival_are_asked_for_and_remembered(studio):
    studio.open("finished-phrase").fill(bars=2, candidates=1, to="bar 10: melody C5")
    first = studio.look("s.time.barAt(s.caret).number")
    studio.fill(to=f"bar {first + 1}: melody C5")
    studio.press("c")
    studio.page.keyboard.type("F")
    studio.press("Enter")
    studio.page.keyboard.type("C")
    studio.press("Enter", "Escape")
    assert studio.look("[...s.chords]") == [[first, "F"], [first + 1, "C"]]
    studio.ask()
    settings = studio.page.text_content("#heard .settings")
    assert "Chords F | C" in settings
    assert "melody C5" in settings
    low = studio.look(
        "Math.min(...s.ghosts.ideas[0].notes.filter((n) => n.tick === s.ghosts.start).map((n) => n.pitch))"
    )
    assert low % 12 == 5
    bar = studio.look(f"s.time.bar({first + 1}).tick")
    assert studio.look(f"s.ghosts.ideas[0].notes.some((n) => n.tick === {bar} && n.pitch === 72)")
    studio.until("document.querySelector('#kept').textContent === 'saved'").page.reload()
    studio.until("window.pianomuse && s.chords.size === 2")


def test_a_last_note_that_overlaps_the_bar_line_leaves_chords_in_their_bars(studio):
    studio.open().fill(bars=1, candidates=1)
    note = {"tick": 0, "duration": 1950, "pitch": 60, "velocity": 70, "track": 0}
    studio.look(f"s.apply('stepDraw', {{...s.project, notes: [{note}]}}), s.setChord(2, 'F'), s.setChord(3, 'G')")
    studio.press("End").ask()
    assert studio.look("[s.ghosts.start, s.ghosts.end]") == [1920, 3840]
    assert "Chords F" in studio.page.text_content("#heard .settings")
    on_beats = studio.look("s.ghosts.ideas[0].notes.filter((n) => n.tick % 480 === 0).map((n) => n.pitch % 12)")
    assert set(on_beats) <= {5, 9, 0}, "not of F"


def test_what_cannot_be_liked_says_why_and_an_idea_heard_can(studio):
    studio.open("right-hand").fill(candidates=1, seed=3)
    studio.look("s.setRange({from: s.time.bar(2).tick, to: s.time.bar(3).tick})")
    studio.page.select_option("#field-verb", "harmonise")
    studio.page.focus("#roll")
    studio.ask()
    start = studio.page.locator("#ideas [data-like=start]")
    assert "this idea has no other" in start.get_attribute("aria-label")
    start.dispatch_event("click")
    assert studio.status.startswith("Of one hand")
    assert studio.look("p.muse.isAsking") is False
    studio.press("Escape")
    studio.page.click("#heard-part summary")
    studio.page.click("#heard [data-like=calmer] >> nth=0")
    studio.until("s.ghosts?.ideas.length > 1 && !p.muse.isAsking")
    assert studio.look("s.ghosts.ideas[1].like.how") == "calmer"
