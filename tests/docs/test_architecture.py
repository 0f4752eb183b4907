"""docs/architecture.md knows every room, the order of imports that the tests enforce, and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.test_imports import LINES

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "pianomuse"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def test_every_room_has_a_row() -> None:
    rows = set(re.findall(r"^\| `([\w.]+)/?` \|", PAGE, flags=re.MULTILINE))
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    files = {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}
    assert rows == rooms | files


def test_the_order_is_the_one_that_is_enforced() -> None:
    block = PAGE.split("## Who may import whom")[1].split("```")[1].removeprefix("text\n")
    shown = [set(line.split()) for line in block.strip().splitlines()]
    assert shown == [set(line) for line in LINES if "__init__" not in line]


def test_files_named_on_the_way_are_there() -> None:
    named = re.findall(r"`([a-z_]+/[a-z_]+\.py)`", PAGE)
    assert len(named) > 12
    assert not [name for name in named if not (PACKAGE / name).exists() and not (ROOT / name).exists()]
