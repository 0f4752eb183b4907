"""The server answers whatever is sent with what its own document names, and leaves nothing behind; a bounded search.

fuzz_requests.py searches longer.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pianomuse.api import Muse

fastapi = pytest.importorskip("fastapi.testclient", reason="the server needs the extra `studio`")
pytest.importorskip("schemathesis", reason="it is not installed: pip install 'pianomuse[dev]'")

import corpus  # noqa: E402
import fuzz_requests  # noqa: E402
import projects  # noqa: E402
from choices import Choices  # noqa: E402
from pydantic import TypeAdapter  # noqa: E402
from scores import archive_from, recording_from, score_from  # noqa: E402

from pianomuse.midi.read import read_midi  # noqa: E402
from pianomuse.notation.read_musicxml import read_musicxml  # noqa: E402
from pianomuse.server.faults import Refused  # noqa: E402
from pianomuse.server.wire import ErrorEvent, WireEvent  # noqa: E402

LIKE_FILL = ("complete", "like", "vary", "harmonise", "sheet", "export/midi", "export/musicxml", "export/wav")
KEPT = {"studio.json", "works", "taste.json", "my-style.safetensors", "my-style.txt"}
EVENT: TypeAdapter[Any] = TypeAdapter(WireEvent)


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_config: Path) -> Iterator[None]:
    """Only what the studio keeps on purpose is there afterwards."""
    aside = tmp_path / "aside"
    aside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(aside))
    yield
    assert not list(aside.iterdir())
    assert {path.name for path in own_config.glob("*")} <= KEPT
    assert {path.suffix for path in own_config.glob("works/*")} <= {".json"}


def test_the_studio_answers_as_its_document_says(muse: Muse, tmp_path: Path) -> None:
    watched = tmp_path / "watched.mid"
    watched.write_bytes(corpus.odd()["plain"])
    app = fuzz_requests.application(muse, watched=watched, seconds=0.02)
    run = fuzz_requests.ask(app, n_examples=3, no_bounds_of=[f"/api/v1/{name}" for name in LIKE_FILL])
    assert not run.faults, json.dumps(run.faults, indent=1)
    answered = {operation for operation, _ in run.answers}
    assert len(answered) == 30, answered
    assert run.n_requests > 1000


def test_a_server_with_a_token_answers_as_its_document_says(muse: Muse) -> None:
    app = fuzz_requests.application(muse, has_page=False, token="a token", seconds=0.02)
    only = "/(health|info|examples|session|works|taste|style|watch)"
    run = fuzz_requests.ask(app, n_examples=3, only=only, token="a token")
    assert not run.faults, json.dumps(run.faults, indent=1)
    assert {status for _, status in run.answers} >= {200, 204, 400, 404, 405, 415, 422}
    with fastapi.TestClient(app, base_url="http://127.0.0.1") as stranger:
        told = stranger.get("/api/v1/works")
    assert (told.status_code, Refused.model_validate_json(told.content).error.code) == (401, "token")


@pytest.fixture
def client(muse: Muse) -> Iterator[Any]:
    app = fuzz_requests.application(muse, seconds=0.05)
    with fastapi.TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def check(verb: str, answer: Any) -> None:
    """Hold an answer against what is said about it."""
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if answer.status_code >= 400:
        assert answer.status_code < 500, answer.text
        assert kind == "application/json"
        message = Refused.model_validate_json(answer.content).error.message
        assert message.strip()
        assert "\n" not in message
        assert "Traceback" not in message
    elif verb in projects.WRITING:
        events = [EVENT.validate_json(line) for line in answer.content.splitlines()]
        assert events[-1].event in ("done", "error")
        assert not (isinstance(events[-1], ErrorEvent) and events[-1].code == "fault"), events[-1]
    elif verb == "export/midi":
        assert answer.content.startswith(b"MThd")
    elif verb == "export/musicxml":
        assert read_midi(read_musicxml(answer.content).midi).grid.n_bars


def test_hostile_projects_are_taken_or_refused_in_a_sentence(client: Any) -> None:
    statuses = set()
    for seed in range(80):
        chance = random.Random(seed)
        verb, body = projects.request_from(chance.randbytes(chance.choice((8, 20, 60, 200))))
        if verb == "export/wav" and seed % 4:
            continue  # seconds of sound
        send = client.put if verb == "session" else client.post
        answer = send(f"/api/v1/{verb}", content=body, headers={"content-type": "application/json"})
        check(verb, answer)
        statuses.add(answer.status_code)
    assert statuses >= {200, 204, 400, 422}
    assert client.get("/api/v1/works").status_code == 200
    assert client.get("/api/v1/session").status_code == 200


def test_hostile_files_are_imported_or_refused_in_a_sentence(client: Any) -> None:
    statuses = []
    for seed in range(60):
        chance = random.Random(seed)
        made = chance.choice((score_from, archive_from, recording_from))(Choices(chance.randbytes(120)))
        at = chance.randrange(len(made))
        data = chance.choice((made, made, made[:at], made[:at] + b"\xff" + made[at + 1 :]))
        told = chance.choice(
            ({}, {}, {}, {"tempo": "nan"}, {"metre": "3/4"}, {"first_downbeat": "9" * 19 + "s"}, {"title": "\0"})
        )
        kind = chance.choice(("audio/midi", "application/xml", "application/octet-stream"))
        answer = client.post("/api/v1/import", content=data, params=told, headers={"content-type": kind})
        check("import", answer)
        statuses.append(answer.status_code)
        if answer.status_code == 200 and seed % 3 == 0:
            project = answer.json()["project"]
            for verb in ("export/midi", "export/musicxml"):
                check(verb, client.post(f"/api/v1/{verb}", json=project))
    assert statuses.count(200) > 5
    assert statuses.count(400) > 10
