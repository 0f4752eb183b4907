"""Every link between the documents leads somewhere, to a heading too, and every page can be reached from the first."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def pages() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, encoding="utf-8"
    ).stdout.split("\n")
    found = [ROOT / name for name in names if name] or [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(path for path in found if path.exists())


def links(page: Path) -> Iterator[tuple[str, str]]:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            name, _, heading = target.partition("#")
            yield name, heading


def anchors(page: Path) -> set[str]:
    """Return where the headings of a page are found, as GitHub and MkDocs name them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", title.replace("`", "")).strip().lower() for title in titles]
    return {re.sub(r"\s", "-", title) for title in plain}


def test_every_link_leads_somewhere() -> None:
    broken = []
    for page in pages():
        for name, heading in links(page):
            target = (page.parent / name).resolve() if name else page
            is_there = target.exists() and target.is_relative_to(ROOT)
            if not is_there or (heading and heading not in anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {name}#{heading}")
    assert not broken


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        waiting += [(page.parent / name).resolve() for name, _ in links(page) if name]
        waiting += [(page.parent / name).resolve() / "README.md" for name, _ in links(page) if name.endswith("/")]
    wanted = {page for page in pages() if page.is_relative_to(ROOT / "docs") or page.parent == ROOT}
    assert not {str(page.relative_to(ROOT)) for page in wanted - reached}
