"""The names that users may rely on are there, and mean what the type checker thinks they mean."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pianomuse

SPECIFIED = (
    "load", "PianoTokenizer", "create_context_completion_pairs", "process_midi_directory", "CopilotDataset",
    "collate_fn", "save_dataset", "load_dataset", "PianoMuseRWKV", "estimate_model_memory",
)  # fmt: skip


@pytest.mark.parametrize("name", SPECIFIED)
def test_a_public_name_can_be_imported_from_the_root(name: str) -> None:
    found = getattr(pianomuse, name)
    assert found.__name__ == name
    assert found.__doc__
    assert name in dir(pianomuse)


def test_the_operator_is_where_the_interface_says() -> None:
    from pianomuse.wkv import wkv7

    assert callable(wkv7)


def test_the_type_checker_sees_the_same_homes() -> None:
    tree = ast.parse(Path(pianomuse.__file__).read_text("utf-8"))
    seen = {node.names[0].name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    for name in SPECIFIED:
        assert seen[name] == getattr(pianomuse, name).__module__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'compleet'"):
        _ = pianomuse.compleet


def test_without_torch_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import pianomuse\n"
        "try: pianomuse.PianoMuseRWKV\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "pip install 'pianomuse[train]'" in done.stdout
