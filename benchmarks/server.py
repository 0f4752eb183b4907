"""What HTTP adds to a wait for ideas, and how soon a closed connection frees the model.

    python benchmarks/server.py [--runs 12] [--model NAME|PATH] [--out FILE]

Starts a server on a free port and asks it for four ideas of two bars behind pieces of 1,000, 5,000 and 20,000 notes:
after an edit of the last note, and again with another seed. Beside each stands the same request to an open session
without HTTP, in turns. Then closes a connection at its second line, again and again, and waits until the model is free.
Medians of wall-clock time; runs the tests of what is timed first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx2 as httpx
import uvicorn

from pianomuse.api import load
from pianomuse.evaluate.bench.outcome import machine
from pianomuse.generate.session import Session
from pianomuse.generate.session_events import NoteDecided
from pianomuse.server.app import create_app, guarded
from pianomuse.server.project_file import file_of
from pianomuse.server.run import listen
from pianomuse.server.schema import Project
from pianomuse.server.state import State

ROOT = Path(__file__).resolve().parents[1]
SIZES = (1_000, 5_000, 20_000)
ASKED: dict[str, Any] = {"bars": 2, "candidates": 4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "server.json")
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "pytest", "-q", "tests/server/test_cancel.py"], cwd=ROOT, check=True)
    muse = load(options.model)
    state = State(muse)
    address = listen(port=0)
    server = uvicorn.Server(uvicorn.Config(guarded(create_app(state)), log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [address.listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    results = []
    try:
        with httpx.Client(base_url=address.url.rstrip("/"), timeout=120) as client:
            for size in SIZES:
                project = piece(size)
                results += waits(client, muse.session(file_of(Project(**project)).read()), project, options.runs)
            results.append({"name": "free after closing", "s": closing(client, state, options.runs)})
    finally:
        server.should_exit = True
        thread.join()
    for result in results:
        print(result)
    document = {"machine": machine(), "results": results}
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document))


def piece(size: int) -> dict[str, Any]:
    """Return a project of eighth notes."""
    notes = [
        {"tick": place * 240, "duration": 240, "pitch": 48 + place * 7 % 30, "velocity": 70, "track": 0}
        for place in range(size)
    ]
    return {"title": str(size), "tracks": [{"name": "Piano"}], "notes": notes}


def waits(client: httpx.Client, session: Session, project: dict[str, Any], runs: int) -> list[dict[str, Any]]:
    """Return the medians until the first note, after an edit and without one, over HTTP and beside it."""
    size = len(project["notes"])
    found: dict[str, list[float]] = {}
    first_note(client, project, 0)  # what is compiled at its first use
    for run in range(runs):
        project["notes"][-1]["velocity"] = 60 + run
        begun = time.perf_counter()
        session.edit(file_of(Project(**project)).read())
        beside(session, run)
        found.setdefault("after an edit, no HTTP", []).append(time.perf_counter() - begun)
        found.setdefault("after an edit", []).append(first_note(client, project, run))
        begun = time.perf_counter()
        beside(session, run + 100)
        found.setdefault("again, no HTTP", []).append(time.perf_counter() - begun)
        found.setdefault("again", []).append(first_note(client, project, run + 100))
    return [
        {"name": f"first note, {what}", "notes": size, "s": round(statistics.median(times), 4)}
        for what, times in found.items()
    ]


def first_note(client: httpx.Client, project: dict[str, Any], seed: int) -> float:
    """Ask, and return the seconds until the first note; then leave."""
    begun = time.perf_counter()
    with client.stream("POST", "/api/v1/complete", json={"project": project, "seed": seed, **ASKED}) as answer:
        for line in answer.iter_lines():
            if json.loads(line)["event"] == "note":
                break
    return time.perf_counter() - begun


def beside(session: Session, seed: int) -> None:
    """Ask the session for the same until its first note."""
    with session.stream(seed=seed, **ASKED) as stream:
        next(event for event in stream if isinstance(event, NoteDecided))


def closing(client: httpx.Client, state: State, runs: int) -> float:
    """Return the median until the model is free after a connection was closed."""
    times = []
    for run in range(runs):
        wish = {"project": piece(SIZES[0]), "bars": 32, "candidates": 4, "seed": run}
        with client.stream("POST", "/api/v1/complete", json=wish) as answer:
            lines = answer.iter_lines()
            next(lines), next(lines)
        begun = time.perf_counter()
        while state.jobs.n_running:
            time.sleep(0.0005)
        times.append(time.perf_counter() - begun)
    return round(statistics.median(times), 4)


if __name__ == "__main__":
    main()
