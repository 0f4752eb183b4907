"""Figures in the documents are those of their source: a file in benchmarks/results, or a table of the model card.

`figures.toml` lists them. When a source is measured anew, the pages that show it fail here. In both READMEs every
number in the text has a source, or is listed as one that nobody measures.
"""

from __future__ import annotations

import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIGURES = tomllib.loads((Path(__file__).with_name("figures.toml")).read_text("utf-8"))["figure"]
CARD = (ROOT / "docs" / "model-card.md").read_text("utf-8")
NUMBER = r"(\d[\d, ]*(?:\.\d+)?|eight|八)"
WORDS = {"eight": "8", "八": "8"}
NOT_MEASURED = {
    "3.11": "the Python that is needed",
    "100": "the download, measured once: another platform has another",
    "440": "the folder, measured once: another platform has another",
    "18": "a century",
    "20": "a century",
    "1930": "a year",
    "16": "the number of a bar",
    "1.0": "CC0 1.0",
    "3.0": "CC BY 3.0",
    "4.0": "CC BY 4.0",
}


@cache
def text_of(page: str) -> str:
    return " ".join((ROOT / page).read_text("utf-8").split())


@cache
def results(name: str) -> Any:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text("utf-8"))


def value_of(source: str) -> float:
    """Return what a source says; their forms are told at the top of figures.toml."""
    kind, _, rest = source.partition(" ")
    keys = rest.split(" | ")
    if kind == "card":
        return from_card(*keys)
    if kind == "bench":
        file, name, column = keys
        return float(next(result for result in results(file)["results"] if result["name"] == name)[column])
    if kind == "results":
        found = results(keys[0])
        for key in keys[1:]:
            found = found[int(key) if isinstance(found, list) else key]
        return float(found)
    if source == "hours of training":
        minutes = re.findall(r"(\d+) minutes", CARD.split("## Training")[1].split("The recipe")[0])
        return sum(map(int, minutes)) / 60
    assert source == "pieces in training"
    rows = re.findall(r"^\| [^|]+ \| ([\d,]+) \| [\d,]+ \| [\d,]+ \|", CARD.split("## Training")[0], flags=re.MULTILINE)
    return sum(int(row.replace(",", "")) for row in rows)


def from_card(task: str, row: str, column: str) -> float:
    section = CARD.split(f"\n### {task}:")[1].split("\n### ")[0]
    lines = re.findall(r"^\|.*$", section, flags=re.MULTILINE)
    head, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    cells = next(cells for cells in rows if cells[0] == row)
    return float(cells[head.index(column)].split(" ")[0])


def shown_in(figure: dict[str, Any]) -> tuple[str, ...]:
    """Return the numbers as the page shows them."""
    pattern = NUMBER.join(map(re.escape, figure["text"].split("#")))
    found = re.search(pattern, text_of(figure["page"]))
    assert found is not None, f"{figure['page']} no longer says {figure['text']!r}: change it in figures.toml too"
    return found.groups()


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: f"{figure['page']} {figure['text'][:30]}")
def test_a_figure_is_that_of_its_source(figure: dict[str, Any]) -> None:
    for shown, source in zip(shown_in(figure), figure["sources"], strict=True):
        plain = WORDS.get(shown, shown).replace(",", "").replace(" ", "")
        decimals = len(plain.partition(".")[2])
        zeros = 0 if "." in plain or len(plain) < 4 else len(plain) - len(plain.rstrip("0"))
        off = abs(float(plain) - abs(value_of(source)))  # a sign stands before the number
        assert off <= 0.5001 * 10 ** (zeros - decimals), f"{shown}, and {source} says {value_of(source):g}"


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_every_number_in_a_readme_has_a_source(page: str) -> None:
    known = {number for figure in FIGURES if figure["page"] == page for number in shown_in(figure)}
    text = (ROOT / page).read_text("utf-8")
    text = re.sub(r"```.*?```|^    .*?$|`[^`]*`|\]\([^)]*\)", " ", text, flags=re.DOTALL | re.MULTILINE)
    numbers = set(re.findall(r"(?<![\w.])\d+(?: \d{3})*(?:\.\d+)?", text))
    assert not numbers - known - set(NOT_MEASURED), "add it to figures.toml, with its source"
