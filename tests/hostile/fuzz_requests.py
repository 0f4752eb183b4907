"""Ask the server for everything that its own OpenAPI document says can be asked, and for what it says cannot.

    python tests/hostile/fuzz_requests.py [--examples 200] [--seconds 480] [--seed 1] [--only /complete]

Guided by the document (schemathesis): first the bounds of every field, then bodies drawn at random, last requests one
after the other that use what earlier answers said. Each answer must be one that the document names, in status, type,
headers and form, and no answer may be a fault of the server.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.engine import events, from_schema
from starlette.types import ASGIApp

from pianomuse.api import Muse, load
from pianomuse.server.app import create_app, guarded
from pianomuse.server.jobs import Jobs
from pianomuse.server.state import State

HOST = "127.0.0.1"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "is_said_in_a_sentence",
    "every_line_is_an_event",
)
FILES = ("audio/midi", "application/octet-stream")


@dataclass
class Run:
    """What was asked and what was wrong; a fault stands there once, with a request that shows it."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def n_requests(self) -> int:
        return sum(self.answers.values())


@schemathesis.serializer(*FILES)
def file_body(_: object, value: Any) -> bytes:
    """Send a file as it is; what the document's bounds make of one is no file."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.check
def is_said_in_a_sentence(_: object, response: Any, case: Any) -> None:
    """What cannot be done is said in one line, without what only programmers read."""
    if response.status_code >= 400 and case.method != "HEAD":
        error = json.loads(response.content)["error"]
        text = error["message"]
        assert text.strip(), "nothing is said"
        assert "\n" not in text, text
        assert not any(word in text for word in ("Traceback", "Error:", 'File "', "<class")), text


@schemathesis.check
def every_line_is_an_event(_: object, response: Any, case: Any) -> None:
    """Streams of ideas are lines of the events that the document names; none is a fault, and the last one ends it."""
    if response.status_code != 200 or "jsonl" not in str(response.headers.get("content-type", "")):
        return
    content = case.operation.definition.raw["responses"]["200"]["content"]["application/jsonl"]
    names = {kind["$ref"].rpartition("/")[2] for kind in content["itemSchema"]["anyOf"]}
    lines = [json.loads(line) for line in response.content.splitlines()]
    assert lines, "an empty stream"
    for line in lines:
        assert f"{line['event'].capitalize()}Event" in names, line
        assert line.get("code") != "fault", line
    assert lines[-1]["event"] in ("done", "error"), lines[-1]


def application(
    muse: Muse,
    *,
    has_page: bool = True,
    watched: Path | None = None,
    token: str | None = None,
    seconds: float = 0.1,
) -> ASGIApp:
    """Return the server as it is put on a socket; ideas end after a moment, learning a style does not begin."""
    state = State(muse, watched, Jobs(seconds=seconds))
    state.tuning.start = lambda *_: False  # type: ignore[method-assign]  # minutes of work; tests/server has it
    if watched is not None:
        state.is_stopping.set()  # nobody writes the file: what waits for that ends at once
    return guarded(create_app(state, has_page=has_page), token)


def ask(
    app: ASGIApp,
    *,
    n_examples: int,
    seed: int = 1,
    seconds: int | None = None,
    only: str = "",
    no_bounds_of: Sequence[str] = (),
    token: str | None = None,
) -> Run:
    """Ask for everything; see the top of this file.

    Args:
        app: the server.
        n_examples: bodies at random for each address.
        seed: of what is drawn.
        seconds: it may take about; None: as long as it takes.
        only: addresses, as a regular expression.
        no_bounds_of: addresses whose fields are not tried at all their bounds, for short runs.
        token: that every request needs.

    """
    headers = {"host": HOST} | ({"authorization": f"Bearer {token}"} if token else {})
    not_at_bounds = [{"include-path": path, "phases": {"coverage": {"enabled": False}}} for path in no_bounds_of]
    config: dict[str, Any] = {
        "seed": seed,
        "base-url": f"http://{HOST}",
        "headers": headers,
        "operations": not_at_bounds,
        "max-stream-events": 1,
        "continue-on-failure": True,
        "suppress-health-check": ["all"],
        "generation": {"max-examples": n_examples, "no-shrink": True, "database": "none"},
        "phases": {"examples": {"enabled": False}},
        "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
    }
    if seconds is not None:
        config["max-time"] = seconds
    schema = schemathesis.openapi.from_asgi(
        "/api/v1/openapi.json", app, config=schemathesis.Config.from_dict(config), headers=headers
    )
    if only:
        schema = schema.include(path_regex=only)
    run = Run()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished | events.FuzzScenarioFinished):
            _note(run, event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            error = event.value if isinstance(event, events.NonFatalError) else event.exception
            run.faults.setdefault(f"{type(error).__name__}: {error}"[:200], "the search itself")
    return run


def _note(run: Run, event: Any) -> None:
    recorder = event.recorder
    for key, interaction in recorder.interactions.items():
        operation = recorder.cases[key].value.operation.label
        run.answers[operation, interaction.response.status_code if interaction.response else 0] += 1
    for checks in recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                what = f"{check.name}: {failure.operation}: {failure.title}: {failure.message}"[:300]
                run.faults.setdefault(what, check.failure_info.code_sample)


def main() -> int:
    """Search for a while and say what was found."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from conftest import random_checkpoint

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PIANOMUSE_CONFIG"] = f"{folder}/config"
        app = application(load(random_checkpoint(Path(folder) / "model"), threads=1))
        begun = time.process_time()
        run = ask(app, n_examples=wish.examples, seed=wish.seed, seconds=wish.seconds, only=wish.only)
    for (operation, status), n in sorted(run.answers.items()):
        print(f"{operation:40} {status} {n:8,}")
    print(f"{run.n_requests:,} requests in {time.process_time() - begun:.0f} s of processor time")
    for fault, sample in run.faults.items():
        print(f"FAULT {fault}\n      {sample[:2000]}")
    return int(bool(run.faults))


if __name__ == "__main__":
    sys.exit(main())
