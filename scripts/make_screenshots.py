"""Draw the pictures of the studio for the documents: `python scripts/make_screenshots.py`.

Starts the studio with the default model and takes its main states in headless Chromium (Debian: `apt-get install
chromium fonts-wqy-microhei`). The seed is fixed, so the ideas are the same for the same weights.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 1440, "height": 860}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def main() -> None:
    """Start the studio, take the pictures, stop it."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        sys.exit("no Chromium on this machine: apt-get install chromium, or set CHROMIUM")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        names = ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "PIANOMUSE_CONFIG")
        command = [sys.executable, "-m", "pianomuse", "studio", "--no-browser", "--port", "0"]
        environment = {**os.environ, **dict.fromkeys(names, home)}
        server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
            light = browser.new_page(viewport=SIZE, locale="en", color_scheme="light")
            _take_light(light, url)
            light.close()
            _take_dark(browser.new_page(viewport=SIZE, locale="zh-CN", color_scheme="dark"), url)
            browser.close()
        finally:
            server.terminate()
            server.wait(10)


def _take_light(page: Page, url: str) -> None:
    """The first screen, ideas at the end of an example, the bars of an idea taken in part."""
    page.goto(url)
    page.click("[data-name=right-hand] b", trial=True)
    _save(page, "studio-start")
    page.click("[data-name=broken-off-on-beat-3]")
    _ask(page, seed=12)
    page.keyboard.press("ArrowDown")
    _save(page, "studio-ideas")


def _take_dark(page: Page, url: str) -> None:
    """The gap of an example filled, while it is heard; in Chinese."""
    page.goto(url)
    _until(page, "window.pianomuse && pianomuse.studio.project.notes.length")
    page.click("#examples")
    page.click("[data-name=gap-of-four-bars]")
    _until(page, "pianomuse.studio.project.title.includes('Siciliano')")
    page.evaluate("pianomuse.studio.setCaret(pianomuse.studio.time.bar(9).tick)")
    _ask(page, seed=5)
    page.keyboard.press("Space")
    _until(page, "pianomuse.roll.head > pianomuse.studio.ghosts.start")
    _save(page, "studio-fill-dark")


def _ask(page: Page, seed: int) -> None:
    page.evaluate("document.querySelectorAll('#fields details').forEach((part) => (part.open = true))")
    page.fill("#field-seed", str(seed))
    page.evaluate("document.querySelectorAll('#fields details').forEach((part) => (part.open = false))")
    page.focus("#roll")
    page.keyboard.press("Enter")
    _until(page, "pianomuse.studio.ghosts?.ideas.length && !pianomuse.muse.isAsking")


def _until(page: Page, expression: str, seconds: float = 120.0) -> None:
    """Wait without playwright's own way, which the page's security policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        if time.monotonic() > end:
            sys.exit(f"never: {expression}")
        time.sleep(0.05)


def _save(page: Page, name: str) -> None:
    page.wait_for_timeout(300)
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path)
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
