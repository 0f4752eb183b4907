"""Composing works where PyTorch cannot be imported."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import mido

import pianomuse

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
COMPOSING = (
    "api", "cli", "server", "generate", "runtime", "render", "notation", "tokens", "checkpoint", "midi", "kernels",
)  # fmt: skip
WITHOUT_TORCH = "import sys; sys.modules['torch'] = None\n"  # importing it now fails as if it were not installed


def run_without_torch(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH + code, *words],
        check=False, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip


def composing_modules() -> list[str]:
    names = [info.name for info in pkgutil.walk_packages(pianomuse.__path__, "pianomuse.")]
    return [name for name in names if name.split(".")[1] in COMPOSING]


def test_every_module_of_the_composing_rooms_can_be_imported() -> None:
    modules = composing_modules()
    assert {name.split(".")[1] for name in modules} == set(COMPOSING)
    code = "import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint('all imported')"
    done = run_without_torch(code, *modules)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "all imported\n"


def test_torch_really_is_not_there() -> None:
    done = run_without_torch("import pianomuse.model.rwkv")
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr


def test_a_piece_is_completed(tmp_path: Path) -> None:
    code = "from pianomuse.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["--bars", "2", "--candidates", "2", "--seed", "1", "--out", str(tmp_path), "--json"]
    done = run_without_torch(code, "complete", str(EXAMPLES / "finished-phrase.mid"), *words)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert len(document["candidates"]) == 2
    for idea in document["candidates"]:
        notes = [event for event in mido.MidiFile(idea["midi"]) if event.type == "note_on" and event.velocity]
        assert len(notes) == idea["notes"] > 0
    assert Path(document["picture"]).exists()
    assert Path(document["page"]).exists()


def test_composing_loads_no_torch_where_it_is_installed() -> None:
    code = "import sys, pianomuse.api; print('torch' in sys.modules); import miditok.pytorch_data"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, encoding="utf-8")
    assert done.stdout == "False\n"
    assert done.returncode == 0 or "No module named 'torch'" in done.stderr
