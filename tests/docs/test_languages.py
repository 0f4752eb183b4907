"""README.md and README.zh.md say the same: headings, code, links, tables, numbers."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, CHINESE = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh.md"))


def blocks(text: str) -> list[str]:
    """Return the code, without comments: those are in the language of the page."""
    fenced = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL)
    indented = [line.strip() for line in text.splitlines() if line.startswith("    ") and line.strip()]
    return [re.sub(r"\s+# .*", "", block) for block in (*fenced, *indented)]


def headings(text: str) -> list[int]:
    return [len(found) for found in re.findall(r"^(#+) ", text, flags=re.MULTILINE)]


def bullets(text: str) -> int:
    return len(re.findall(r"^- ", text, flags=re.MULTILINE))


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+\.\d+", re.sub(r"\]\([^)]*\)", "", text)))


def test_each_names_the_other() -> None:
    assert "[中文](README.zh.md)" in ENGLISH
    assert "[English](README.md)" in CHINESE


def test_both_have_the_same_headings_and_blocks() -> None:
    assert headings(ENGLISH) == headings(CHINESE)
    assert blocks(ENGLISH) == blocks(CHINESE)
    assert len(blocks(ENGLISH)) > 10
    assert bullets(ENGLISH) == bullets(CHINESE)


def test_both_have_the_same_links_code_and_numbers() -> None:
    def links(text: str) -> set[str]:
        return set(re.findall(r"\]\(([^)]+)\)", text)) - {"README.md", "README.zh.md"}

    assert links(ENGLISH) == links(CHINESE)
    assert set(re.findall(r"`[^`\n]+`", ENGLISH)) == set(re.findall(r"`[^`\n]+`", CHINESE))
    assert numbers(ENGLISH) == numbers(CHINESE)
