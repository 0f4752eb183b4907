"""What the import says of a recording without a metronome, and what it can be told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi.testclient import TestClient

from pianomuse.api import Muse
from pianomuse.evaluate.performer import perform
from pianomuse.midi.read import read_midi
from pianomuse.server.app import create_app, guarded
from pianomuse.server.state import State

HEADERS = {"Content-Type": "audio/midi"}


def test_a_recording_comes_on_found_bars_and_takes_corrections(
    client: TestClient, midi: Callable[[str], bytes]
) -> None:
    data = perform(read_midi(midi("gap-of-four-bars")), 0).data

    def imported(**told: str) -> dict:
        answer = client.post("/api/v1/import", params=told, content=data, headers=HEADERS)
        assert answer.status_code == 200, answer.text
        return answer.json()

    found = imported()
    assert found["grid"]["bars"] == "found"
    assert found["warnings"][0]["message"].startswith("No metronome: found ")
    told = imported(metre="3/4", tempo="90", first_downbeat=f"{found['grid']['first_downbeat_s']}s")
    assert told["grid"]["metre"] == "3/4"
    assert abs(told["grid"]["first_downbeat_s"] - found["grid"]["first_downbeat_s"]) < 3
    assert {(m["numerator"], m["denominator"]) for m in told["project"]["metres"]} == {(3, 4)}
    assert len(told["project"]["notes"]) == len(found["project"]["notes"])
    kept = imported(grid="file")
    assert kept["grid"] == {"bars": "file", "metre": None, "tempo_bpm": None, "first_downbeat_s": None}
    assert client.post("/api/v1/export/midi", json=kept["project"]).content == data
    sheet = client.post("/api/v1/export/musicxml", json=found["project"])
    assert sheet.status_code == 200


def test_a_watched_recording_takes_the_same_corrections(
    muse: Muse, client: TestClient, tmp_path: Path, midi: Callable[[str], bytes]
) -> None:
    path = tmp_path / "night.mid"
    path.write_bytes(perform(read_midi(midi("gap-of-four-bars")), 0).data)
    with TestClient(guarded(create_app(State(muse, path))), base_url="http://localhost") as watching:
        for told in ({}, {"metre": "3/4", "tempo": "90", "first_downbeat": "1.5s"}, {"grid": "file"}):
            here = watching.get("/api/v1/watch/project", params=told).json()
            params = told | {"title": "night"}
            there = client.post("/api/v1/import", params=params, content=path.read_bytes(), headers=HEADERS).json()
            assert here == there
            assert told.get("metre") in (None, here["grid"]["metre"])
        refused = watching.get("/api/v1/watch/project", params={"grid": "file", "tempo": "90"})
        assert refused.status_code == 400


def test_what_cannot_be_told_is_refused_in_a_sentence(client: TestClient, midi: Callable[[str], bytes]) -> None:
    for told in ({"tempo": "2"}, {"metre": "5/7"}, {"grid": "file", "tempo": "90"}, {"first_downbeat": "soon"}):
        answer = client.post("/api/v1/import", params=told, content=midi("waltz-pickup"), headers=HEADERS)
        assert answer.status_code in (400, 422), told


def test_a_file_with_bars_says_that_they_are_its_own(client: TestClient, midi: Callable[[str], bytes]) -> None:
    answer = client.post("/api/v1/import", content=midi("waltz-pickup"), headers=HEADERS).json()
    assert answer["grid"]["bars"] == "file"
