"""Nobody but this machine's own studio may ask, or who knows the token; every bound has its own refusal."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from typing import Any

import mido
import pytest
from fastapi.testclient import TestClient

from pianomuse.server import bounds
from pianomuse.server.app import create_app, guarded
from pianomuse.server.guard import Guard
from pianomuse.server.state import State

Open = Callable[[str], dict[str, Any]]
HEALTH = "/api/v1/health"


def refusal(answer: Any) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["message"].strip()
    assert "Traceback" not in answer.text
    return answer.status_code, error["code"]


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost", "[::1]:80"])
def test_loopback_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get(HEALTH, headers={"host": host, "origin": f"http://{host}"}).json()["ok"] is True


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "10.0.0.1:8642"])
def test_other_names_are_refused(client: TestClient, host: str) -> None:
    assert refusal(client.get(HEALTH, headers={"host": host})) == (403, "host")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://["])
def test_other_pages_are_refused(client: TestClient, origin: str) -> None:
    for method, address in (("GET", HEALTH), ("PUT", "/api/v1/session"), ("POST", "/api/v1/import")):
        assert refusal(client.request(method, address, headers={"origin": origin}, json={})) == (403, "origin")
    assert refusal(client.get(HEALTH, headers={"sec-fetch-site": "cross-site"})) == (403, "origin")


def test_answers_carry_the_headers_that_keep_other_pages_out(client: TestClient) -> None:
    for address in (HEALTH, "/static/samples/LICENSE.md", "/nothing"):
        headers = client.get(address).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
        assert "access-control-allow-origin" not in headers
    assert client.get(HEALTH).headers["cache-control"] == "no-store"


@pytest.fixture
def abroad(state: State) -> Iterator[TestClient]:
    """A server bound to another address."""
    with TestClient(guarded(create_app(state), token="secret"), base_url="http://10.0.0.1:8642") as client:
        yield client


def test_a_token_is_asked_for_abroad(abroad: TestClient) -> None:
    assert abroad.get(HEALTH).status_code == 200
    assert refusal(abroad.get("/api/v1/info")) == (401, "token")
    assert refusal(abroad.get("/api/v1/info", headers={"authorization": "Bearer wrong"})) == (401, "token")
    assert refusal(abroad.get("/api/v1/info?token=secret")) == (401, "token")
    assert refusal(abroad.get("/?token=wrong")) == (401, "token")
    assert abroad.get("/api/v1/info", headers={"authorization": "Bearer secret"}).status_code == 200


def test_the_page_keeps_the_token_of_its_address_in_a_cookie(abroad: TestClient) -> None:
    answer = abroad.get("/?token=secret", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert abroad.get("/api/v1/info").status_code == 200


def test_a_request_is_bounded_whether_or_not_it_says_its_length(state: State, midi: Callable[[str], bytes]) -> None:
    data = midi("waltz-pickup")
    with TestClient(Guard(create_app(state), request_bytes=len(data) - 1), base_url="http://localhost") as client:
        headers = {"content-type": "audio/midi"}
        assert refusal(client.post("/api/v1/import", content=data, headers=headers)) == (413, "too_large")
        parts = iter([data[:500], data[500:]])
        assert refusal(client.post("/api/v1/import", content=parts, headers=headers)) == (413, "too_large")


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("bars", bounds.BARS + 1, "invalid"),
        ("bars", 0, "invalid"),
        ("candidates", bounds.CANDIDATES + 1, "invalid"),
        ("seed", -1, "invalid"),
        ("adventure", "wild", "invalid"),
        ("temperature", "hot", "invalid"),
        ("at_bar", 10**30, "invalid"),
        ("limits", {"chords": "Am " * 10_000}, "too_many"),
        ("project", {"notes": [{"tick": 0, "duration": 1, "pitch": 200, "velocity": 1}]}, "invalid"),
        ("project", {"notes": [{"tick": 2**40, "duration": 1, "pitch": 60, "velocity": 1}]}, "invalid"),
        ("project", {"tempos": [{"tick": 0, "bpm": 0}]}, "invalid"),
        ("project", {"tracks": [{}] * (bounds.TRACKS + 1)}, "too_many"),
        ("project", {"title": "x" * 1000}, "too_many"),
    ],
)
def test_a_field_out_of_range_is_named(client: TestClient, field: str, value: object, code: str) -> None:
    answer = client.post("/api/v1/complete", json={"project": {}} | {field: value})
    assert refusal(answer) == (422, code)
    assert answer.json()["error"]["message"].startswith(field)


def test_notes_are_bounded(client: TestClient) -> None:
    note = '{"tick": 0, "duration": 1, "pitch": 60, "velocity": 1}'
    body = f'{{"notes": [{",".join([note] * (bounds.NOTES + 1))}]}}'
    answer = client.post("/api/v1/export/midi", content=body, headers={"content-type": "application/json"})
    assert refusal(answer) == (422, "too_many")


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"{", "application/json", (400, "json")),
        (b"[" * 100_000, "application/json", (400, "json")),
        (b'{"project": {}, "temperature": NaN}', "application/json", (422, "invalid")),
        (b"[]", "application/json", (422, "invalid")),
        (b"", "application/json", (422, "invalid")),
        (b"project=1", "application/x-www-form-urlencoded", (422, "invalid")),
        (b'{"project": {}}', "text/plain", (422, "invalid")),
        (b'{"project": {}, "at_bar": ' + b"9" * 5000 + b"}", "application/json", (400, "json")),
    ],
)
def test_a_body_that_is_none_is_refused(client: TestClient, body: bytes, kind: str, expected: tuple[int, str]) -> None:
    assert refusal(client.post("/api/v1/complete", content=body, headers={"content-type": kind})) == expected


def test_files_that_are_none_are_refused(client: TestClient, midi: Callable[[str], bytes]) -> None:
    def send(data: bytes, kind: str = "audio/midi") -> tuple[int, str]:
        return refusal(client.post("/api/v1/import", content=data, headers={"content-type": kind}))

    assert send(b"") == (400, "midi")
    assert send(b"hello") == (400, "midi")
    assert send(midi("waltz-pickup")[:-20]) == (400, "midi")
    assert send(b"MThd" + bytes(9 * 2**20)) == (400, "midi")
    assert send(midi("waltz-pickup"), "text/plain") == (415, "media_type")


def test_errors_speak_of_fields_and_not_of_flags(client: TestClient, opened: Open) -> None:
    answer = client.post("/api/v1/complete", json={"project": opened("waltz-pickup"), "at_bar": 999})
    assert refusal(answer) == (400, "request")
    error = answer.json()["error"]
    assert error["message"].startswith("at_bar 999: the music has bars 1 to 21")
    assert (error["detail"], error["values"]) == ("at_bar_outside", {"bar": 999, "last": 21})


def test_conversions_are_bounded(client: TestClient, state: State, opened: Open) -> None:
    project = opened("waltz-pickup")
    state.patience_s = 0.01
    with state.converting(), state.converting():
        assert refusal(client.post("/api/v1/export/midi", json=project)) == (429, "busy")
    assert client.post("/api/v1/export/midi", json=project).status_code == 200


def test_sound_is_bounded(client: TestClient) -> None:
    note = {"tick": 480 * 2 * 60 * 21, "duration": 480, "pitch": 60, "velocity": 80}
    assert refusal(client.post("/api/v1/export/wav", json={"notes": [note]})) == (413, "too_long")


def test_a_fault_is_said_without_a_traceback(
    client: TestClient, opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pianomuse.server.routes.file_of", lambda _: 1 / 0)
    answer = client.post("/api/v1/export/midi", json=opened("waltz-pickup"))
    assert refusal(answer) == (500, "fault")
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in caplog.text


def test_a_file_beyond_the_studios_time_is_refused(client: TestClient) -> None:
    file = mido.MidiFile(ticks_per_beat=32_767)
    late = bounds.TICK // 4 + 10
    pauses = [mido.Message("control_change", control=1, time=late) for _ in range(4)]
    notes = [mido.Message("note_on", note=60, velocity=9), mido.Message("note_off", note=60, time=9)]
    file.tracks.append(mido.MidiTrack([*pauses, *notes]))
    buffer = io.BytesIO()
    file.save(file=buffer)
    answer = client.post("/api/v1/import", content=buffer.getvalue(), headers={"content-type": "audio/midi"})
    assert refusal(answer) == (400, "midi")


def test_damaged_files_are_read_or_refused_and_what_is_read_comes_back(
    client: TestClient, midi: Callable[[str], bytes]
) -> None:
    chance = random.Random(3)
    statuses = []
    for name in ("expressive-pedal", "gap-of-four-bars") * 20:
        data = bytearray(midi(name))
        for _ in range(chance.choice((1, 2, 5))):
            data[chance.randrange(8, len(data))] ^= 1 << chance.randrange(8)
        answer = client.post("/api/v1/import", content=bytes(data), headers={"content-type": "audio/midi"})
        statuses.append(answer.status_code)
        if answer.status_code != 200:
            assert refusal(answer) == (400, "midi")
            continue
        project = answer.json()["project"]
        assert client.post("/api/v1/export/midi", json=project).content == bytes(data)
        del project["notes"][0]
        assert client.post("/api/v1/export/midi", json=project).status_code == 200
    assert set(statuses) == {200, 400}
