"""Ideas over HTTP: the events and their order, the same as in Python, in the project's own ticks and tracks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pianomuse.api import Muse
from pianomuse.generate.options import Options
from pianomuse.server.schema import Limits
from pianomuse.server.state import State

Open = Callable[[str], dict[str, Any]]


def lines(client: TestClient, address: str, **wish: Any) -> list[dict[str, Any]]:
    answer = client.post(f"/api/v1/{address}", json=wish)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/jsonl"
    return [json.loads(line) for line in answer.text.splitlines()]


def of_kind(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("complete", {"bars": 2}),
        ("complete", {"bars": 1, "at_bar": 0}),
        ("complete", {"bars": 2, "at_bar": 5, "insert": True}),
        ("fill", {"from_bar": 9, "to_bar": 10}),
        ("vary", {"from_bar": 2, "to_bar": 3, "keep": "rhythm"}),
        ("harmonise", {"from_bar": 2, "to_bar": 3, "file": "right-hand"}),
    ],
)
def test_ideas_are_those_of_the_library(
    client: TestClient, opened: Open, muse: Muse, midi: Callable[[str], bytes], address: str, place: dict[str, Any]
) -> None:
    name = str(place.get("file", "gap-of-four-bars"))
    wish = {"candidates": 2, "seed": 3, "adventure": "bold"}
    place = {field: value for field, value in place.items() if field != "file"}
    events = lines(client, address, project=opened(name), **place, **wish)
    ask: Any = getattr(muse, address)
    ideas = ask(midi(name), **place, **wish)
    assert [events[0]["event"], events[-2]["event"], events[-1]["event"]] == ["start", "ranked", "done"]
    assert (events[0]["seed"], events[0]["start_tick"], events[0]["end_tick"]) == (
        3,
        ideas.caret.tick,
        ideas.caret.end_tick,
    )
    finished = {event["idea"]: event for event in of_kind(events, "finished")}
    best = [finished[number] for number in events[-2]["ideas"]]
    for idea, event in zip(ideas, best, strict=True):
        told = [(n["tick"], n["duration"], n["pitch"], n["velocity"], n["track"]) for n in event["notes"]]
        assert told == [(n.tick, n.duration_ticks, n.pitch, n.velocity, n.track) for n in idea.notes]
        assert (event["range"]["message"], event["ending"]["message"]) == (idea.range, idea.ending)
        assert events[-2]["reasons"][str(event["idea"])]["message"] == idea.reason
        assert all(event[name]["code"] for name in ("reason", "range", "ending"))
        decided = [note for note in of_kind(events, "note") if note["idea"] == event["idea"]]
        assert [(n["tick"], n["pitch"]) for n in decided] == [(n.tick, n.pitch) for n in idea.notes]
    assert [warning["message"] for warning in events[-1]["warnings"]] == list(ideas.warnings)
    assert all(said["code"] for said in (events[-1]["summary"], *events[-1]["warnings"]))


@pytest.mark.parametrize(
    "how",
    [{"same": "start", "beats": 3}, {"same": "rhythm"}, {"same": "harmony", "mood": "bolder"}, {"mood": "calmer"}],
)
def test_ideas_like_one_are_those_of_the_library(
    client: TestClient, opened: Open, muse: Muse, midi: Callable[[str], bytes], how: dict[str, Any]
) -> None:
    place = {"from_bar": 9, "to_bar": 11}
    ideas = muse.fill(midi("gap-of-four-bars"), **place, candidates=1, seed=2)
    expected = muse.like(ideas, 1, **how, candidates=2, seed=4)
    project = opened("gap-of-four-bars")
    first = lines(client, "fill", project=project, **place, candidates=1, seed=2)
    idea = of_kind(first, "finished")[0]
    inside = range(first[0]["start_tick"], first[0]["end_tick"])
    for what in ("notes", "pedals"):
        rest = [event for event in project[what] if event["tick"] not in inside]
        project[what] = sorted(rest + idea[what], key=lambda event: event["tick"])
    where = {"start_tick": inside.start, "end_tick": inside.stop, "hears_after": True}
    events = lines(client, "like", project=project, **where, **how, candidates=2, seed=4)
    assert events[0]["start_tick"] == expected.caret.tick
    assert events[0]["end_tick"] == inside.stop
    told = [
        [(note["tick"], note["pitch"]) for note in found["notes"]]
        for number in events[-2]["ideas"]
        for found in of_kind(events, "finished")
        if found["idea"] == number
    ]
    assert told == [[(note.tick, note.pitch) for note in like.notes] for like in expected]


def test_what_is_like_nothing_is_refused(client: TestClient, opened: Open) -> None:
    project = opened("finished-phrase")
    bar = 4 * project["ppq"]
    place = {"project": project, "start_tick": 4 * bar, "end_tick": 5 * bar}
    for wish, word in (
        (place, "say what stays"),
        (place | {"same": "start", "beats": 1, "limits": {"hand": "left"}}, "whole bars"),
        (place | {"same": "rhythm", "end_tick": 5 * bar - 1}, "bar line"),
        (place | {"same": "rhythm", "end_tick": 2**29}, "ends long before"),
        (place | {"same": "start", "beats": 99}, "choose 1 to"),
    ):
        answer = client.post("/api/v1/like", json=wish)
        assert answer.status_code == 400, answer.text
        assert word in answer.json()["error"]["message"]


def test_an_accepted_idea_lands_in_the_file(client: TestClient, opened: Open) -> None:
    project = opened("gap-of-four-bars")
    idea = of_kind(lines(client, "fill", project=project, from_bar=9, to_bar=12, candidates=1, seed=1), "finished")[0]
    project["notes"] += idea["notes"]
    data = client.post("/api/v1/export/midi", json=project).content
    again = client.post("/api/v1/import", content=data, headers={"content-type": "audio/midi"}).json()["project"]

    def rows(notes: list[dict[str, Any]]) -> set[tuple[int, ...]]:
        return {(note["tick"], note["pitch"], note["velocity"], note["track"]) for note in notes}

    assert rows(idea["notes"])
    assert rows(again["notes"]) == rows(project["notes"])


def test_only_what_an_edit_changed_is_read_again(client: TestClient, state: State, opened: Open) -> None:
    project = opened("gap-of-four-bars")
    wish = {"bars": 1, "candidates": 1, "seed": 1}
    lines(client, "complete", project=project, **wish)
    session = next(iter(state.sessions._sessions.values()))
    assert session.wait(10)
    n_read = session.n_tokens_read
    project["notes"][-1]["pitch"] += 1
    lines(client, "complete", project=project, **wish)
    assert next(iter(state.sessions._sessions.values())) is session
    assert 0 < session.n_tokens_read - n_read < 200


def test_a_piece_that_is_as_it_was_is_not_read_again(
    client: TestClient, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = opened("gap-of-four-bars")
    first = lines(client, "complete", project=project, bars=1, candidates=1, seed=1)
    monkeypatch.setattr("pianomuse.server.project_file.read_midi", None)
    again = lines(client, "complete", project=project, bars=1, candidates=1, seed=1)
    assert of_kind(again, "finished") == of_kind(first, "finished")


def test_sessions_are_few(client: TestClient, state: State, opened: Open) -> None:
    project = opened("finished-phrase") | {"source": None}
    for number in range(6):
        lines(client, "complete", project=project | {"title": str(number)}, bars=1, candidates=1)
    assert len(state.sessions._sessions) == 4


@pytest.mark.parametrize("tracks", [[], [{"name": "Right hand"}, {"name": "Left hand", "channel": 1}]])
def test_an_empty_roll_can_be_begun(client: TestClient, tracks: list[dict[str, Any]]) -> None:
    project = {"ppq": 96, "metres": [{"tick": 0, "numerator": 3, "denominator": 4}], "tracks": tracks}
    events = lines(client, "complete", project=project, bars=2, candidates=2, seed=1)
    assert (events[0]["first_bar"], events[0]["start_tick"], events[0]["end_tick"]) == (1, 0, 2 * 3 * 96)
    assert {note["track"] for idea in of_kind(events, "finished") for note in idea["notes"]} <= set(range(2))
    assert of_kind(events, "finished")


def test_limits_hold_and_one_hand_is_written_beside_the_other(client: TestClient, opened: Open) -> None:
    project = opened("right-hand")
    wish = {"project": project, "candidates": 1, "seed": 1}
    limited = lines(client, "complete", **wish, bars=1, limits={"range": "C3-C5", "notes_per_bar": 3})
    assert all(48 <= note["pitch"] <= 72 for note in of_kind(limited, "finished")[0]["notes"])
    added = lines(client, "fill", **wish, from_bar=2, to_bar=3, limits={"hand": "left"})
    assert added[0]["adds_hand"] == "left"
    inside = range(added[0]["start_tick"], added[0]["end_tick"])
    there = [(note["tick"], note["pitch"]) for note in project["notes"] if note["tick"] in inside]
    assert [(note["tick"], note["pitch"]) for note in added[0]["stays"]] == sorted(there)
    assert {note["hand"] for note in of_kind(added, "note")} == {"left"}
    assert (limited[0]["adds_hand"], limited[0]["stays"]) == ("", [])


def test_every_limit_of_the_library_can_be_asked_for(client: TestClient, opened: Open) -> None:
    elsewhere = {"candidates", "seed", "adventure", "temperature", "top_p"}
    of_the_library = {
        "top_k",
        "keep_rit",
        "tracks",
        "feel",
        "context_bars",
        "style",
        "style_strength",
        "first_downbeat",
        "grid",  # of a recording: told when it is imported
        "tempo",
        "metre",
    }
    assert set(Limits.model_fields) == set(Options.__annotations__) - elsewhere - of_the_library
    limits = {"key": "Bb", "chromatic": "passing", "chords": "Bb | F7", "chords_strict": True}
    for asked in (limits, {"ending": "close"}):
        wish = {"project": opened("waltz-pickup"), "bars": 2, "candidates": 1, "seed": 1, "limits": asked}
        assert of_kind(lines(client, "complete", **wish), "finished")


def test_a_choice_moves_the_taste(client: TestClient, opened: Open) -> None:
    ranked = lines(client, "complete", project=opened("waltz-pickup"), bars=1, candidates=3, seed=1)[-2]
    figures = list(ranked["figures"].values())
    assert client.get("/api/v1/taste").json()["choices"] == 0
    for n_choices in (1, 2):
        answer = client.post("/api/v1/prefer", json={"chosen": figures[1], "among": figures})
        assert answer.json()["choices"] == n_choices
    learnt = client.get("/api/v1/taste").json()
    assert learnt == answer.json()
    assert any(learnt["moved"].values())
    assert client.delete("/api/v1/taste").status_code == 204
    forgotten = client.get("/api/v1/taste").json()
    assert (forgotten["choices"], forgotten["words"], set(forgotten["moved"].values())) == (0, [], {0.0})


def test_a_fault_after_the_stream_began_is_its_last_line(
    client: TestClient, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pianomuse.server.jobs.done", lambda *_: 1 / 0)
    events = lines(client, "complete", project=opened("waltz-pickup"), bars=1, candidates=1)
    assert events[-1]["event"] == "error"
    assert "fault in PianoMuse" in events[-1]["message"]
    assert "Traceback" not in events[-1]["message"]


def test_a_request_that_takes_too_long_is_ended(client: TestClient, state: State, opened: Open) -> None:
    state.jobs.seconds = 0.0
    events = lines(client, "complete", project=opened("waltz-pickup"), bars=32, candidates=4)
    assert events[-1]["event"] == "error"
    assert "ask for fewer bars" in events[-1]["message"]
    assert len(events) < 20
