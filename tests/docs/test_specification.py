"""docs/reference/specification.md names files and tests that exist, and every requirement."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "specification.md").read_text("utf-8")
PATHS = re.findall(r"`([\w./-]+\.\w+)(?:::(\w+))?`", PAGE)
REQUIREMENTS = {f"R{number}" for number in range(1, 22)}


def test_every_requirement_has_a_row() -> None:
    named = set(re.findall(r"^\| (R\d+) \|", PAGE, flags=re.MULTILINE)) | set(re.findall(r"## (R\d+):", PAGE))
    assert named == REQUIREMENTS


def test_every_file_and_test_named_is_there() -> None:
    missing = []
    for name, test in PATHS:
        if "/" not in name and not name.endswith((".py", ".md")):
            continue  # a name of something else, such as `vcvars64.bat`
        path = next((p for p in (ROOT / name, ROOT / "src" / "pianomuse" / name) if p.is_file()), None)
        if path is None or (test and f"def {test}(" not in path.read_text("utf-8")):
            missing.append(f"{name}::{test}" if test else name)
    assert not missing
    assert sum(bool(test) for _, test in PATHS) > 50


def test_a_row_names_its_code_and_a_test_or_says_that_it_is_not_met() -> None:
    rows = [re.split(r" ?\| ?", line.strip("| ")) for line in PAGE.splitlines() if re.match(r"\| (R\d+|\+) \|", line)]
    assert len(rows) > 40
    for row in rows:
        has_both = "`" in row[2] and "`tests/" in row[3]
        assert has_both or "**not met" in row[4], " | ".join(row)
