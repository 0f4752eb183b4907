"""The pages that `make docs` builds: no broken link, nothing from elsewhere, and a search that needs no server."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("mkdocs", reason="comes with the extra docs")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "build_site.py"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("docs") / "site"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--out", str(out)], check=False, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_site", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_document_is_a_page_and_nothing_is_fetched_from_elsewhere(site: Path, script: ModuleType) -> None:
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert {"index.html", "README.zh.html", "docs/howto/limits.html", "docs/reference/cli.html"} <= pages
    documents = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    missing = {name for name in documents if f"docs/{name.as_posix()}.html".replace("README", "index") not in pages}
    assert not missing
    assert not list(script.requests_to_elsewhere(site))


def test_a_request_to_elsewhere_would_be_found(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<link rel="x" href="https://fonts.example/f.css"><a href="https://x.example">')
    (tmp_path / "b.css").write_text("@font-face { src: url(//fonts.example/f.woff2) } p { background: url(a.png) }")
    assert len(list(script.requests_to_elsewhere(tmp_path))) == 2


def test_pages_can_be_searched_from_disk(site: Path) -> None:
    from tests.web.studio_page import CHROMIUM, FLAGS

    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium, or set CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "docs" / "howto" / "limits.html").as_uri())
        page.get_by_role("link", name="Search").click()
        page.fill("#mkdocs-search-query", "pickup")
        page.wait_for_selector("#mkdocs-search-results article a")
        targets = page.eval_on_selector_all("#mkdocs-search-results article a", "links => links.map(a => a.href)")
        browser.close()
    assert any("troubleshooting.html" in target for target in targets)
    assert all(url.startswith(("file:", "data:")) for url in asked), asked
