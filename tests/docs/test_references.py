"""What docs/reference says of commands, settings and HTTP fields is what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
AGAIN = "the page is older than the code, run: python scripts/write_references.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_references", ROOT / "scripts" / "write_references.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / name).read_text("utf-8")


def test_the_page_about_commands_is_new(script: ModuleType) -> None:
    assert script.put_between(page("cli.md"), "\n".join(script.commands())) == page("cli.md"), AGAIN


def test_the_page_about_http_is_new(script: ModuleType) -> None:
    assert script.put_between(page("http.md"), "\n".join(script.fields(script.openapi()))) == page("http.md"), AGAIN


def test_the_page_about_python_is_new(script: ModuleType) -> None:
    assert script.put_between(page("python.md"), "\n".join(script.public_names())) == page("python.md"), AGAIN


def test_every_command_and_option_is_told() -> None:
    from pianomuse import cli

    text = page("cli.md")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(cli.COMMANDS)
    for word in ("`--at-bar`", "`--chords`", "`--seed`", "`--resume`", "`calm`, `balanced`, `bold`", "`n_steps`"):
        assert word in text


def test_bounds_are_told_in_words(script: ModuleType) -> None:
    assert script.kind_of({"type": "integer", "minimum": 0, "maximum": 127}) == "integer, 0 to 127"
    assert script.kind_of({"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]}) == "`a`, `b` or null"
    assert script.escaped("A | B") == "A &#124; B"
