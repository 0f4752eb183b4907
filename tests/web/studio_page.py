"""The studio as a composer meets it: the real server with the real model, in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

PATIENCE_S = 120.0
"""A machine at work elsewhere may stand still for seconds, and what is waited for comes all the same."""

REFUSED = "Failed to load resource: the server responded with a status of 4"


class Studio:
    """A page that is open, and what tests ask of it. Its security policy forbids playwright's own ways to wait."""

    def __init__(self, page, url: str) -> None:
        self.page, self.url = page, url

    def open(self, example: str | None = None) -> Studio:
        """Open the page; choose an opening, or the empty roll."""
        self.page.goto(self.url)
        self.page.click(f"[data-name={example or 'plus'}]")
        return self.until("document.querySelector('#welcome').open === false")

    def look(self, expression: str):
        """Return the value of an expression in the page; `s` is its state."""
        return self.page.evaluate(f"(() => {{ const p = window.pianomuse, s = p.studio; return {expression}; }})()")

    def until(self, expression: str, seconds: float = PATIENCE_S) -> Studio:
        end = time.monotonic() + seconds
        while not self.look(expression):
            assert time.monotonic() < end, f"never: {expression}; {self.status!r} {self.problem!r}"
            time.sleep(0.02)
        return self

    def press(self, *keys: str) -> Studio:
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def ask(self) -> Studio:
        """Enter, and wait until all ideas are there."""
        self.press("Enter").until("s.ghosts?.ideas.length > 0 || !document.querySelector('#problem').hidden")
        self.until("!p.muse.isAsking")
        assert self.look("s.ghosts?.ideas.length > 0"), self.problem
        return self.drawn()

    def drawn(self) -> Studio:
        """Wait until what the page has put off to its next frame is done."""
        self.page.evaluate("new Promise(requestAnimationFrame).then(() => true)")
        return self

    def fill(self, **fields: object) -> Studio:
        """Say what is wanted; parts of the panel that are folded are unfolded."""
        self.look("document.querySelectorAll('#fields details').forEach((part) => (part.open = true))")
        for name, value in fields.items():
            self.page.fill(f"#field-{name}", str(value))
        self.page.focus("#roll")
        return self

    @property
    def status(self) -> str:
        return self.page.inner_text("#status")

    @property
    def problem(self) -> str:
        return self.page.inner_text("#problem-text") if self.page.is_visible("#problem") else ""


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The studio as its command starts it, with a home of its own."""
    homes = {
        name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "PIANOMUSE_CONFIG")
    }
    command = [sys.executable, "-m", "pianomuse", "studio", "--no-browser", "--port", "0", *options]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **homes}, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder
        )
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), (folder / "log").read_text()
            yield url, server
        finally:
            server.terminate()
            server.wait(PATIENCE_S)
            server.stdout.close()


@contextmanager
def opened(browser, url: str, allowed: tuple[str, ...] = ()) -> Iterator[Studio]:
    """A page of its own; at its end nothing was asked of other places, and the console shows only errors allowed."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en", accept_downloads=True)
    faults: list[str] = []

    def only_here(route) -> None:
        if route.request.url.startswith((url, "data:", "blob:")):
            route.continue_()
        else:
            faults.append(f"asked for {route.request.url}")
            route.abort()

    context.route("**/*", only_here)
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE_S)
    keeping: list[object] = []  # requests that change what the server keeps, on their way
    page.on("request", lambda request: keeping.append(request) if changes_what_is_kept(request) else None)
    for name in ("requestfinished", "requestfailed"):
        page.on(name, lambda request: keeping.remove(request) if request in keeping else None)
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("response", lambda answer: faults.append(f"{answer.status} {answer.url}") if is_missing(answer) else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        yield Studio(page, url)
        while keeping:  # the next page finds them done
            page.wait_for_timeout(20)
    finally:
        context.close()
    assert [fault for fault in faults if not fault.startswith((REFUSED, *allowed))] == []


def changes_what_is_kept(request) -> bool:
    return request.method == "PUT" or request.url.endswith(("/prefer", "/taste"))


def is_missing(answer) -> bool:
    """Requests may be refused, and tests read what the page says then; a file of the page may not be missing."""
    return answer.status >= 400 and "/api/v1/" not in answer.url
