"""NOTICE names everything in the repository that others made, THIRD_PARTY.md everything that is installed beside it."""

from __future__ import annotations

import csv
import re
import subprocess
import tomllib
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTICE = (ROOT / "NOTICE").read_text("utf-8")
FOREIGN = {".mp3", ".ogg", ".wav", ".mid", ".midi", ".musicxml", ".mxl", ".ttf", ".otf", ".woff", ".woff2", ".npz"}
"""Kinds of file that somebody else may have made."""
OURS = (
    "src/pianomuse/evaluate/markov.npz",
    "src/pianomuse/performance/metres.npz",
    "src/pianomuse/weights/",
    "docs/gallery/",
)
"""Made by us from the collections that NOTICE names; the gallery has credits of its own."""


def files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8")
    if listed.returncode:
        pytest.skip("not a git checkout")
    return listed.stdout.splitlines()


def foreign() -> list[str]:
    """Return the folders that hold files of others: by their kind, by a licence beside them, or by their name."""
    found = set()
    for name in files():
        path = PurePosixPath(name)
        is_licence = path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")) and len(path.parts) > 1
        is_vendored = "vendor" in path.parts or path.name.endswith((".min.js", ".min.css"))
        if (path.suffix in FOREIGN or is_licence or is_vendored) and not name.startswith(OURS):
            found.add(str(path.parent))
    return sorted(found)


def test_every_folder_with_files_of_others_is_named() -> None:
    folders = foreign()
    assert "src/pianomuse/render/samples" in folders
    named = re.findall(r"[\w./-]+/", NOTICE)
    missing = [
        folder for folder in folders if not any(f"{folder}/".startswith(name) for name in named if len(name) > 5)
    ]
    assert not missing, "say in NOTICE where these come from and under which licence"


def test_every_collection_behind_the_weights_is_named() -> None:
    card = (ROOT / "docs" / "model-card.md").read_text("utf-8")
    table = re.search(r"## Data\n(.*?)\n\n[A-Z]", card, flags=re.DOTALL)
    assert table is not None
    collections = re.findall(r"^\| ([A-Z][^|]+?) \|", table[1], flags=re.MULTILINE)
    assert len(collections) == 5
    assert not [name for name in collections if name not in NOTICE]


def test_the_scores_of_the_tests_have_licences_that_are_named() -> None:
    with (ROOT / "tests" / "corpus" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    column = next(name for name in rows[0] if "licen" in name.lower())
    assert {row[column] for row in rows} <= {
        "CC0 1.0",
        "CC0",
        "Public domain",
        "Public Domain",
        "public domain",
        "CC0-1.0",
    }


def test_every_package_that_is_installed_is_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [*project["dependencies"]]
    for extra, packages in project["optional-dependencies"].items():
        needed += packages if extra not in ("bench", "dev", "fuzz") else []
    names = {re.split(r"[\[<>=;~ ]", line)[0] for line in needed} - {"pianomuse"}
    table = (ROOT / "THIRD_PARTY.md").read_text("utf-8")
    listed = set(re.findall(r"^\| ([\w-]+) \| [A-Z]", table, flags=re.MULTILINE))
    assert listed == names


def test_the_citation_is_of_this_version() -> None:
    import pianomuse

    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {pianomuse.__version__}\n" in citation
    assert "\nlicense: MIT\n" in citation
