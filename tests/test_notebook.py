"""The notebook: its cells run in order and show a picture and sounds; the display of Jupyter is stood in for."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pianomuse.midi.read import read_midi

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


class Shown:
    """What a cell displays."""

    def __init__(self, data: bytes) -> None:
        self.data = data


class Image(Shown):
    pass


class Audio(Shown):
    pass


def test_the_cells_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = json.loads((EXAMPLES / "pianomuse.ipynb").read_text("utf-8"))
    assert all(not cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code")
    shown: list[Shown] = []
    display: Any = ModuleType("IPython.display")
    display.Image, display.Audio, display.display = Image, Audio, shown.append
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    shutil.copy(EXAMPLES / "finished-phrase.mid", tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    assert [type(one) for one in shown] == [Image, Audio, Audio, Audio]
    assert shown[0].data.startswith(b"\x89PNG")
    assert all(one.data[:3] == b"ID3" or one.data[0] == 0xFF for one in shown[1:])
    assert capsys.readouterr().out.count("idea ") == 3
    before = read_midi("finished-phrase.mid").score.tracks[0].notes
    assert len(read_midi("with-idea-1.mid").score.tracks[0].notes) > len(before)
