"""What goes out and what is kept: exports, the page, the slot on disk, a file that is watched."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import soundfile
from fastapi.testclient import TestClient

from pianomuse.api import Muse
from pianomuse.server import page
from pianomuse.server.app import create_app, guarded
from pianomuse.server.examples import TITLES
from pianomuse.server.state import State
from pianomuse.server.watch import changes

Open = Callable[[str], dict[str, Any]]


def test_midi_comes_back_as_it_was_imported(client: TestClient, opened: Open, midi: Callable[[str], bytes]) -> None:
    answer = client.post("/api/v1/export/midi", json=opened("cornelius-untreu"))
    assert (answer.headers["content-type"], answer.content) == ("audio/midi", midi("cornelius-untreu"))
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''cornelius-untreu.mid"


def test_a_title_cannot_break_a_header(client: TestClient, opened: Open) -> None:
    project = opened("waltz-pickup") | {"title": 'A "waltz"\r\nX: 1/2 é'}
    name = client.post("/api/v1/export/midi", json=project).headers["content-disposition"]
    assert name == "attachment; filename*=UTF-8''A%20%22waltz%22%0D%0AX%3A%201%2F2%20%C3%A9.mid"


def test_sheet_music_has_every_bar(client: TestClient, opened: Open) -> None:
    answer = client.post("/api/v1/export/musicxml", json=opened("gap-of-four-bars"))
    assert answer.status_code == 200
    root = ET.fromstring(answer.content)
    assert len(root.findall("./part[1]/measure")) == 20
    assert root.findtext(".//work-title") == "gap-of-four-bars"


def test_sheet_music_can_be_opened(client: TestClient, opened: Open) -> None:
    project = opened("gap-of-four-bars")
    sheet = client.post("/api/v1/export/musicxml", json=project)
    kind = {"Content-Type": sheet.headers["content-type"]}
    found = client.post("/api/v1/import", content=sheet.content, headers=kind).json()["project"]
    there, here = (
        sorted((round(24 * note["tick"] / each["ppq"]), note["pitch"]) for note in each["notes"])
        for each in (project, found)
    )
    assert there == here
    assert client.post("/api/v1/complete", json={"project": found, "bars": 1, "candidates": 1}).status_code == 200
    refused = client.post("/api/v1/import", content=b"<score-partwise>", headers=kind)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "midi")


def test_sound_lasts_as_long_as_the_music(client: TestClient) -> None:
    notes = [{"tick": 480 * beat, "duration": 480, "pitch": 60 + beat, "velocity": 80} for beat in range(4)]
    project = {"notes": notes, "tempos": [{"tick": 0, "bpm": 60}]}
    sound, rate = soundfile.read(io.BytesIO(client.post("/api/v1/export/wav", json=project).content))
    assert rate == 44_100
    assert sound.shape[1] == 2
    assert 4.0 < len(sound) / rate < 5.0
    assert abs(sound[:rate]).max() > 0.01


@pytest.mark.parametrize("form", ["musicxml", "wav"])
def test_nothing_cannot_be_exported(client: TestClient, form: str) -> None:
    answer = client.post(f"/api/v1/export/{form}", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request")
    assert "no notes yet" in answer.json()["error"]["message"]


def test_examples_can_be_opened(client: TestClient) -> None:
    listed = client.get("/api/v1/examples").json()
    assert len(listed) == 6
    for entry in listed:
        project = client.get(f"/api/v1/examples/{entry['name']}").json()
        assert project["title"] == entry["title"]
        assert project["notes"]
    assert client.get("/api/v1/examples/..%2F..%2Fpyproject").status_code == 404


def test_info_tells_the_bounds(client: TestClient) -> None:
    info = client.get("/api/v1/info").json()
    assert (info["limits"]["bars"], info["limits"]["candidates"]) == (32, 16)
    assert {"notes", "request_bytes", "request_seconds", "streams"} <= set(info["limits"])
    assert any("Alexander Holm, CC BY 3.0" in line for line in info["licences"])


def test_every_operation_is_documented_with_limits(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.")
    references: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                references.add(node["$ref"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document["paths"])
    walk(document["components"])
    schemas = document["components"]["schemas"]
    assert {reference.removeprefix("#/components/schemas/") for reference in references} <= set(schemas)
    for path, operations in document["paths"].items():
        assert path.startswith("/api/v1/")
        for operation in operations.values():
            assert operation["description"]
            assert "4XX" in operation["responses"]
    pitch = schemas["ProjectNote"]["properties"]["pitch"]
    assert (pitch["minimum"], pitch["maximum"]) == (0, 127)
    stream = document["paths"]["/api/v1/complete"]["post"]["responses"]["200"]["content"]["application/jsonl"]
    kinds = [schemas[item["$ref"].rsplit("/", 1)[1]] for item in stream["itemSchema"]["anyOf"]]
    assert {kind["properties"]["event"]["const"] for kind in kinds} == {
        "start",
        "note",
        "pedal",
        "bar",
        "finished",
        "dropped",
        "ranked",
        "done",
        "error",
    }


def test_the_reference_names_every_address(client: TestClient) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "http.md").read_text("utf-8")
    for path in client.get("/api/v1/openapi.json").json()["paths"]:
        assert path.removeprefix("/api/v1") in text


def test_a_session_is_kept_on_disk(client: TestClient, opened: Open, own_config: Path) -> None:
    assert client.get("/api/v1/session").json() is None
    kept = {"project": opened("waltz-pickup"), "caret": 3}
    assert client.put("/api/v1/session", json=kept).status_code == 204
    assert client.get("/api/v1/session").json() == kept
    assert json.loads((own_config / "studio.json").read_text("utf-8")) == kept
    headers = {"content-type": "application/json"}
    for body in (b"[1]", b"{", b"[" * 100_000):
        answer = client.put("/api/v1/session", content=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request")
    assert client.get("/api/v1/session").json() == kept


def test_works_are_kept_beside_each_other_and_not_overwritten_unseen(client: TestClient, own_config: Path) -> None:
    def put(work: str, title: str, **headers: str) -> Any:
        document = {"work": work, "project": {"title": title, "notes": [1, 2]}}
        return client.put("/api/v1/session", json=document, headers=headers)

    first = put("aaaaaaaa", "Waltz").headers["etag"]
    put("bbbbbbbb", "March")
    assert [(work["title"], work["notes"]) for work in client.get("/api/v1/works").json()] == [
        ("March", 2),
        ("Waltz", 2),
    ]
    assert client.get("/api/v1/session").json()["project"]["title"] == "March"
    seen = client.get("/api/v1/works/aaaaaaaa")
    assert (seen.json()["project"]["title"], seen.headers["etag"]) == ("Waltz", first)
    second = put("aaaaaaaa", "Waltz in A", **{"if-match": first})
    assert second.status_code == 204
    refused = put("aaaaaaaa", "Waltz in B", **{"if-match": first})
    assert (refused.status_code, refused.json()["error"]["code"]) == (412, "changed")
    assert client.get("/api/v1/works/aaaaaaaa").json()["project"]["title"] == "Waltz in A"
    assert client.get("/api/v1/session").json()["project"]["title"] == "Waltz in A"
    assert client.get("/api/v1/works/cccccccc").status_code == 404
    for name in ("../../etc", "a", "a" * 65, 7):
        answer = client.put("/api/v1/session", json={"work": name})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request")
    for number in range(45):
        put(f"work-{number:04}", str(number))
    assert len(client.get("/api/v1/works").json()) == 40
    assert len(list((own_config / "works").iterdir())) == 40


def test_a_slot_that_cannot_be_written_is_said(client: TestClient, own_config: Path) -> None:
    own_config.write_text("a file where a folder should be")
    answer = client.put("/api/v1/session", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "storage")


def test_the_page_and_its_files(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web = tmp_path / "web"
    (web / "vendor").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html>")
    (web / "vendor" / "x.js").write_text("export {}")
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setattr(page, "WEB", web)
    assert client.get("/").headers["content-type"] == "text/html; charset=utf-8"
    script = client.get("/static/vendor/x.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["cache-control"] == "no-cache"
    assert client.get("/static/vendor/x.js", headers={"if-none-match": script.headers["etag"]}).status_code == 304
    sample = client.get("/static/samples/loud-060.mp3")
    assert (sample.headers["content-type"], sample.headers["cache-control"]) == ("audio/mpeg", "public, max-age=86400")
    for address in ("/static/..%2Fsecret.txt", "/static/vendor/..%2F..%2Fsecret.txt", "/static/%00", "/static/vendor"):
        answer = client.get(address)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_missing_page_is_said(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "WEB", tmp_path)
    answer = client.get("/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_page")


def test_serving_without_the_page(state: State) -> None:
    with TestClient(guarded(create_app(state, has_page=False)), base_url="http://localhost") as client:
        assert client.get("/").status_code == 404
        assert client.get("/api/v1/health").status_code == 200


def test_a_watched_file_is_told_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "song.mid"
    path.write_bytes(b"1")

    async def watch() -> list[str]:
        stop = Event()
        events = changes(path, stop, poll_s=0.01)
        told = [await anext(events)]
        path.write_bytes(b"12")
        os.utime(path, ns=(1, 1))
        told.append(await anext(events))
        path.unlink()
        path.write_bytes(b"123")
        told.append(await anext(events))
        stop.set()
        assert [event async for event in events] == []
        return told

    told = asyncio.run(asyncio.wait_for(watch(), 5))
    assert told[0].startswith(":")
    assert told[1] == 'event: changed\ndata: {"name": "song.mid", "bytes": 2}\n\n'
    assert '"bytes": 3' in told[2]


def test_the_watched_file_can_be_opened(muse: Muse, tmp_path: Path, midi: Callable[[str], bytes]) -> None:
    path = tmp_path / "song.mid"
    with TestClient(guarded(create_app(State(muse, path))), base_url="http://localhost") as client:
        assert client.get("/api/v1/info").json()["watches"] == "song.mid"
        missing = client.get("/api/v1/watch/project")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_written")
        path.write_bytes(b"no music")
        assert client.get("/api/v1/watch/project").json()["error"]["code"] == "midi"
        path.write_bytes(midi("waltz-pickup"))
        answer = client.get("/api/v1/watch/project").json()
        assert (answer["project"]["title"], len(answer["project"]["notes"])) == ("song", 154)


def test_without_a_watched_file_that_is_said(client: TestClient) -> None:
    for address in ("/api/v1/watch", "/api/v1/watch/project"):
        answer = client.get(address)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_watching")


def test_what_a_wheel_must_carry_is_not_left_out() -> None:
    """Hatch leaves out in silence what git ignores, and the openings stand outside of the package."""
    root = Path(__file__).resolve().parents[2]
    wheel = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    openings = {f"examples/{name}.mid": f"pianomuse/examples/{name}.mid" for name in TITLES}
    assert wheel["force-include"] == openings
    assert {path.stem for path in (root / "examples").glob("*.mid")} == set(TITLES)
    files = [path for folder in (page.WEB, page.SAMPLES) for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 60
    if (root / ".git").exists():
        names = "\n".join(str(path) for path in files)
        asked = subprocess.run(
            ["git", "check-ignore", "--stdin"], cwd=root, input=names, capture_output=True, text=True
        )
        assert asked.stdout == ""
