"""The studio as a composer meets it: the real server with the real model, in a real browser."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest
from tests.web.studio_page import CHROMIUM, FLAGS, Studio, opened, served

NO_CHROMIUM = "no Chromium on this machine: apt-get install chromium, or set CHROMIUM"


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server_url(browser, tmp_path_factory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("studio")) as (url, _):
        first = json.dumps({"project": {}, "bars": 1, "candidates": 1}).encode()
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{url}api/v1/complete", first, headers)).read()  # compiles
        yield url


@pytest.fixture
def studio(browser, server_url: str) -> Iterator[Studio]:
    """The page of a server that has kept and learnt nothing."""
    request = urllib.request.Request(
        f"{server_url}api/v1/session", data=b"{}", method="PUT", headers={"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).close()
    urllib.request.urlopen(urllib.request.Request(f"{server_url}api/v1/taste", method="DELETE")).close()
    with opened(browser, server_url) as studio:
        yield studio
