"""Whoever leaves frees the model: over a real socket, as closing a connection cannot be tried in one process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import pytest
import uvicorn

from pianomuse.api import Muse
from pianomuse.generate.stream import Stream
from pianomuse.server.app import create_app, guarded
from pianomuse.server.jobs import Jobs
from pianomuse.server.run import listen
from pianomuse.server.state import State

PATIENCE_S = 60.0


@dataclass
class Running:
    """A server on a free port."""

    url: str
    state: State

    def has_no_jobs(self) -> bool:
        """Wait until there are none; tell whether that came."""
        given_up = time.monotonic() + PATIENCE_S
        while self.state.jobs.n_running and time.monotonic() < given_up:
            time.sleep(0.005)
        return self.state.jobs.n_running == 0


@pytest.fixture
def running(muse: Muse) -> Iterator[Running]:
    state = State(muse, jobs=Jobs(most=1))
    address = listen(port=0)
    server = uvicorn.Server(uvicorn.Config(guarded(create_app(state)), log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [address.listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield Running(address.url.rstrip("/"), state)
    finally:
        server.should_exit = True
        thread.join()
        address.listening.close()


@pytest.fixture
def slow_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every event take 20 ms, so that a long request is not finished before it is cancelled."""
    real = Stream.__next__

    def step(self: Stream) -> Any:
        time.sleep(0.02)
        return real(self)

    monkeypatch.setattr(Stream, "__next__", step)


def project(client: httpx.Client, data: bytes) -> dict[str, Any]:
    answer = client.post("/api/v1/import", content=data, headers={"content-type": "audio/midi"})
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()["project"]
    return found


class Steps:
    """Events of the model that may be written; the next one waits for a permit."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.was_cancelled = threading.Event()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    steps = Steps()
    step, close = Stream.__next__, Stream.close

    def step_with_permit(stream: Stream) -> Any:
        steps.permits.acquire()
        return step(stream)

    def close_and_tell(stream: Stream) -> None:
        close(stream)
        steps.was_cancelled.set()

    monkeypatch.setattr(Stream, "__next__", step_with_permit)
    monkeypatch.setattr(Stream, "close", close_and_tell)
    yield steps
    steps.permits.release(100_000)  # nothing waits when the server stops


def test_twelve_aborts_in_a_row_each_free_the_model_within_a_token(
    running: Running, midi: Callable[[str], bytes], steps: Steps
) -> None:
    with httpx.Client(base_url=running.url, timeout=PATIENCE_S) as client:
        wish = {"project": project(client, midi("waltz-pickup")), "bars": 32, "candidates": 4, "seed": 1}
        for _ in range(12):
            steps.permits, steps.was_cancelled = threading.Semaphore(2), threading.Event()
            with client.stream("POST", "/api/v1/complete", json=wish) as answer:
                lines = answer.iter_lines()
                # One place for requests: had the abort before not freed it, this one would be refused.
                first, second = json.loads(next(lines)), json.loads(next(lines))
            assert (first["event"], second["event"]) == ("start", "note")
            assert steps.was_cancelled.wait(PATIENCE_S), "the model went on though nobody listened"
            steps.permits.release()
            assert running.has_no_jobs(), "the model wanted to write more than one event"
        steps.permits.release(100_000)
        answer = client.post("/api/v1/complete", json={**wish, "bars": 1, "candidates": 1})
        assert json.loads(answer.text.splitlines()[-1])["event"] == "done"


def test_a_request_is_cancelled_by_its_id(running: Running, midi: Callable[[str], bytes], slow_steps: None) -> None:
    with httpx.Client(base_url=running.url, timeout=PATIENCE_S) as client:
        wish = {"project": project(client, midi("waltz-pickup")), "bars": 32, "candidates": 4, "seed": 1}
        with client.stream("POST", "/api/v1/complete", json=wish) as answer:
            lines = answer.iter_lines()
            request = json.loads(next(lines))["id"]
            busy = client.post("/api/v1/complete", json=wish)
            assert (busy.status_code, busy.json()["error"]["code"]) == (429, "busy")
            assert client.delete(f"/api/v1/complete/{request}").status_code == 204
            assert "done" not in [json.loads(line)["event"] for line in lines]
        assert running.has_no_jobs()
        assert client.delete(f"/api/v1/complete/{request}").status_code == 404


def test_two_requests_take_turns(running: Running, midi: Callable[[str], bytes], slow_steps: None) -> None:
    running.state.jobs.most = 2
    with httpx.Client(base_url=running.url, timeout=PATIENCE_S) as client:
        wish = {"project": project(client, midi("waltz-pickup")), "bars": 2, "candidates": 1}
        with client.stream("POST", "/api/v1/complete", json={**wish, "bars": 32, "candidates": 4}) as long:
            lines = long.iter_lines()  # kept: a response is closed with its iterator
            next(lines)
            answer = client.post("/api/v1/complete", json=wish)
            assert json.loads(answer.text.splitlines()[-1])["event"] == "done"
            assert running.state.jobs.n_running == 1, "the long request ended before the short one"
