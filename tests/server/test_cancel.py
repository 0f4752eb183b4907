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


@dataclass
class Running:
    """A server on a free port."""

    url: str
    state: State

    def has_no_jobs(self, within_s: float) -> bool:
        given_up = time.monotonic() + within_s
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
def slow_steps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let every event take 20 ms and last for ever, so that an idea is never finished before it is cancelled."""
    steps: list[float] = []
    real = Stream.__next__

    def step(self: Stream) -> Any:
        if steps:
            time.sleep(0.02)
        steps.append(time.monotonic())
        return real(self)

    monkeypatch.setattr(Stream, "__next__", step)
    return steps


def project(client: httpx.Client, data: bytes) -> dict[str, Any]:
    answer = client.post("/api/v1/import", content=data, headers={"content-type": "audio/midi"})
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()["project"]
    return found


def test_twelve_aborts_in_a_row_each_free_the_model_within_a_token(
    running: Running, midi: Callable[[str], bytes], slow_steps: list[float]
) -> None:
    with httpx.Client(base_url=running.url, timeout=10) as client:
        wish = {"project": project(client, midi("waltz-pickup")), "bars": 32, "candidates": 4, "seed": 1}
        for _ in range(12):
            with client.stream("POST", "/api/v1/complete", json=wish) as answer:
                lines = answer.iter_lines()
                # One place for requests: had the abort before not freed it, this one would be refused.
                first, second = json.loads(next(lines)), json.loads(next(lines))
            n_steps = len(slow_steps)
            assert (first["event"], second["event"]) == ("start", "note")
            assert running.has_no_jobs(within_s=2)
            assert len(slow_steps) - n_steps < 25, "the model went on for half a second though nobody listened"
        answer = client.post("/api/v1/complete", json={**wish, "bars": 1, "candidates": 1})
        assert json.loads(answer.text.splitlines()[-1])["event"] == "done"


def test_a_request_is_cancelled_by_its_id(
    running: Running, midi: Callable[[str], bytes], slow_steps: list[float]
) -> None:
    with httpx.Client(base_url=running.url, timeout=10) as client:
        wish = {"project": project(client, midi("waltz-pickup")), "bars": 32, "candidates": 4, "seed": 1}
        with client.stream("POST", "/api/v1/complete", json=wish) as answer:
            lines = answer.iter_lines()
            request = json.loads(next(lines))["id"]
            busy = client.post("/api/v1/complete", json=wish)
            assert (busy.status_code, busy.json()["error"]["code"]) == (429, "busy")
            assert client.delete(f"/api/v1/complete/{request}").status_code == 204
            assert "done" not in [json.loads(line)["event"] for line in lines]
        assert running.has_no_jobs(within_s=1)
        assert client.delete(f"/api/v1/complete/{request}").status_code == 404


def test_two_requests_take_turns(running: Running, midi: Callable[[str], bytes], slow_steps: list[float]) -> None:
    running.state.jobs.most = 2
    with httpx.Client(base_url=running.url, timeout=20) as client:
        wish = {"project": project(client, midi("waltz-pickup")), "bars": 2, "candidates": 1}
        with client.stream("POST", "/api/v1/complete", json={**wish, "bars": 32, "candidates": 4}) as long:
            lines = long.iter_lines()  # kept: a response is closed with its iterator
            next(lines)
            answer = client.post("/api/v1/complete", json=wish)
            assert json.loads(answer.text.splitlines()[-1])["event"] == "done"
            assert running.state.jobs.n_running == 1, "the long request ended before the short one"
