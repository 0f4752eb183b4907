"""Some bars as sheet music: cut from the whole page, named as in it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

Open = Callable[[str], dict[str, Any]]


def asked(client: TestClient, project: dict[str, Any], first: int, last: int) -> dict[str, Any]:
    answer = client.post("/api/v1/sheet", json={"project": project, "from_bar": first, "to_bar": last})
    assert answer.status_code == 200, answer.text
    return answer.json()


def bars(document: str | bytes) -> dict[str, list[tuple[str | None, ...]]]:
    """By number: step, alteration, octave and staff of every note of the bar."""
    names = ("pitch/step", "pitch/alter", "pitch/octave", "staff", "type")
    root = ET.fromstring(document)
    return {
        bar.get("number", ""): [tuple(note.findtext(name) for name in names) for note in bar.iter("note")]
        for bar in root.findall("./part[1]/measure")
    }


def test_an_excerpt_has_the_bars_of_the_whole_page(client: TestClient, opened: Open) -> None:
    project = opened("gap-of-four-bars")
    whole = bars(client.post("/api/v1/export/musicxml", json=project).content)
    got = asked(client, project, 3, 7)
    assert (got["from_bar"], got["to_bar"], got["first_number"], got["is_approximate"]) == (3, 7, 3, False)
    assert bars(got["musicxml"]) == {number: whole[number] for number in "34567"}
    first = ET.fromstring(got["musicxml"]).find("./part/measure/attributes")
    assert first is not None
    assert {part.tag for part in first} == {"divisions", "key", "time", "staves", "clef"}
    assert "light-heavy" not in got["musicxml"]
    assert "light-heavy" in asked(client, project, 19, 40)["musicxml"]


def test_a_pickup_is_bar_0_and_bars_behind_the_end_are_left_out(client: TestClient, opened: Open) -> None:
    project = opened("waltz-pickup")
    got = asked(client, project, 1, 2)
    assert (got["first_number"], list(bars(got["musicxml"]))) == (0, ["0", "1"])
    far = asked(client, project, 900, 903)
    assert far["from_bar"] == far["to_bar"] < 40


def test_a_pedal_that_is_down_is_pressed_in_an_excerpt_and_comes_up_in_it(client: TestClient) -> None:
    notes = [{"tick": 1920 * bar, "duration": 1920, "pitch": 60, "velocity": 80} for bar in range(6)]
    project = {"notes": notes, "pedals": [{"tick": 0, "down": True}, {"tick": 1920 * 5, "down": False}]}
    document = ET.fromstring(asked(client, project, 3, 4)["musicxml"])
    assert [pedal.get("type") for pedal in document.iter("pedal")] == ["start", "stop"]


def test_a_note_held_into_an_excerpt_is_struck_there(client: TestClient) -> None:
    project = {"notes": [{"tick": 0, "duration": 1920 * 3, "pitch": 60, "velocity": 80}]}
    document = ET.fromstring(asked(client, project, 2, 3)["musicxml"])
    assert [tie.get("type") for tie in document.iter("tie")] == ["start", "stop"]


def test_an_empty_piece_has_an_empty_bar(client: TestClient) -> None:
    got = asked(client, {"title": "Nothing yet"}, 1, 8)
    assert bars(got["musicxml"])["1"]


def test_too_many_bars_are_refused(client: TestClient) -> None:
    answer = client.post("/api/v1/sheet", json={"project": {}, "from_bar": 1, "to_bar": 65})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "sheet_bars")
