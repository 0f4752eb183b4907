"""Who may import whom: the table of docs/architecture.md, read off the source files."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "pianomuse"

LINES = (  # a room may import rooms on lines below its own
    ("__init__", "__main__"),
    ("cli",),
    ("server",),
    ("api",),
    ("evaluate",),
    ("train",),
    ("generate",),
    ("data", "model", "fetch"),
    ("performance",),
    ("runtime", "render", "measure"),
    ("notation", "tokens", "checkpoint", "wkv"),
    ("midi", "devices", "kernels"),
    ("settings", "lock"),
    ("reading",),  # settings raises ConfigError, so errors stand below it
    ("errors",),
    ("coded",),
)
LINE_OF = {room: number for number, rooms in enumerate(LINES) for room in rooms}
NO_TORCH = {
    "api", "generate", "runtime", "render", "measure", "notation", "tokens", "checkpoint", "midi", "kernels",
    "performance",
}  # fmt: skip
NO_TORCH_AT_MODULE_LEVEL = {"cli", "server"}
FOLDERS_WITHOUT_CODE = {"weights", "web"}


@dataclass(frozen=True)
class Import:
    """One imported module: where it stands and whether it is run when its own module is imported."""

    place: str
    room: str
    target: str
    is_at_module_level: bool


def imports_in(source: str, place: str, room: str) -> list[Import]:
    found = []

    def visit(node: ast.AST, is_at_module_level: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(f"{place}:{node.lineno}", room, n.name, is_at_module_level) for n in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names = [f"{base}.{n.name}" for n in node.names] if base == "pianomuse" else [base]
            found.extend(Import(f"{place}:{node.lineno}", room, name, is_at_module_level) for name in names)
        is_run_later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, is_at_module_level and not is_run_later)

    visit(ast.parse(source), True)
    return found


def all_imports() -> list[Import]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        room = place.parts[0].removesuffix(".py")
        found += imports_in(path.read_text("utf-8"), str(place), room)
    return found


def faults(found: Import) -> list[str]:
    top, _, rest = found.target.partition(".")
    said = []
    if found.target.startswith("."):
        said.append("is a relative import")
    if top == "torch" and (
        found.room in NO_TORCH or (found.room in NO_TORCH_AT_MODULE_LEVEL and found.is_at_module_level)
    ):
        said.append("imports torch in a composing room")
    if top == "pianomuse":
        target = rest.partition(".")[0]
        if target not in LINE_OF:
            said.append("imports from the package root")
        elif target != found.room and LINE_OF[target] <= LINE_OF[found.room]:
            said.append(f"{found.room} may not import {target}: it stands on its own line or above")
        if (found.room, target) in {("model", "tokens"), ("generate", "runtime"), ("generate", "model")}:
            said.append(f"{found.room} does not know {target}")
        if (found.room, target) == ("api", "model") and found.is_at_module_level:
            said.append("api imports the model at module level")
    return [f"{found.place}: {fault}" for fault in said]


def test_every_room_has_a_line() -> None:
    rooms = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - set(LINE_OF) - FOLDERS_WITHOUT_CODE - {"__pycache__"} == set()
    assert {"cli", "midi", "tokens", "errors"} <= rooms


def test_rooms_import_only_what_stands_below_them() -> None:
    found = all_imports()
    assert len({item.room for item in found}) > 10
    assert [fault for item in found for fault in faults(item)] == []


@pytest.mark.parametrize(
    ("room", "source", "what"),
    [
        ("midi", "from pianomuse.tokens.vocabulary import GRID", "midi may not import tokens"),
        ("tokens", "def f():\n    from pianomuse.checkpoint.store import load", "tokens may not import checkpoint"),
        ("runtime", "def f():\n    import torch.nn", "imports torch"),
        ("cli", "if True:\n    import torch", "imports torch"),
        ("model", "from pianomuse.tokens.vocabulary import GRID", "model does not know tokens"),
        ("api", "from pianomuse.model.engine import Engine", "api imports the model at module level"),
        ("data", "from pianomuse import load", "imports from the package root"),
        ("data", "import pianomuse", "imports from the package root"),
        ("data", "from .store import x", "is a relative import"),
    ],
)
def test_a_forbidden_import_is_found(room: str, source: str, what: str) -> None:
    assert any(what in fault for item in imports_in(source, "file.py", room) for fault in faults(item))


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("cli", "def f():\n    import torch"),
        ("model", "import torch"),
        ("api", "def f():\n    from pianomuse.model.engine import Engine"),
        ("tokens", "from pianomuse.midi.bars import BarGrid\nfrom pianomuse.tokens.vocabulary import GRID"),
    ],
)
def test_an_allowed_import_is_not(room: str, source: str) -> None:
    assert [fault for item in imports_in(source, "file.py", room) for fault in faults(item)] == []


@pytest.mark.parametrize("module", ["pianomuse", "pianomuse.cli"])
def test_importing_the_package_or_its_command_line_loads_nothing_heavy(module: str) -> None:
    heavy = ("torch", "numba", "miditok", "symusic", "datasets", "accelerate", "numpy", "PIL", "soundfile")
    code = f"import sys, {module}; print(*[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
