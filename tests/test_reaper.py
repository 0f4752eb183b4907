"""The script for REAPER, under a real Lua with a stand-in for REAPER, against a real server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.web.studio_page import served

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "examples" / "reaper" / "pianomuse_complete.lua"
STAND_IN = ROOT / "tests" / "reaper_stand_in.lua"
LUA = shutil.which("lua5.4") or shutil.which("lua")
NOTES = [f"{beat},{beat + 1},{pitch}" for beat, pitch in enumerate((60, 64, 67, 65, 62, 59, 60, 64, 67), start=6)]

pytestmark = pytest.mark.skipif(
    LUA is None or shutil.which("curl") is None,
    reason="no Lua or no curl on this machine, so the script for REAPER is not tested: apt-get install lua5.4 curl",
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("reaper")) as (address, _):
        yield address.rstrip("/")


def done(url: str, start: str, *notes: str) -> list[list[str]]:
    """What the script does with an item that starts at a quarter note and holds these notes."""
    command = [str(LUA), str(STAND_IN), str(SCRIPT), start, *notes]
    environment = {**os.environ, "PIANOMUSE_URL": url}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return [line.split(" ") for line in ran.stdout.splitlines()]


def test_four_bars_are_written_behind_the_item(url: str) -> None:
    said = done(url, "6", *NOTES)
    notes = [line for line in said if line[0] == "note"]
    onsets = [float(line[1]) for line in notes]
    assert notes
    assert min(onsets) >= 15  # three bars of three quarters behind quarter 6
    assert max(onsets) < 27
    assert all(float(line[2]) > float(line[1]) and line[4] == "2" for line in notes)
    extents = next(line for line in said if line[0] == "extents")
    assert [float(value) for value in extents[1:]] == [6.0, 27.0]
    assert ["undo", "begins"] in said
    assert said[-1][:2] == ["undo", "PianoMuse:"]
    assert said[-1][2] == f"{len(notes)}"


def test_an_item_that_starts_inside_a_bar_keeps_its_bar_lines(url: str) -> None:
    said = done(url, "7", *NOTES[1:])
    assert [float(value) for value in next(line for line in said if line[0] == "extents")[1:]] == [7.0, 27.0]
    assert all(float(line[1]) >= 15 for line in said if line[0] == "note")


def test_what_is_wrong_is_said_in_a_box(url: str) -> None:
    assert done(url, "0")[0][:3] == ["message", "Select", "one"]
    nobody = done("http://127.0.0.1:9", "6", *NOTES)
    assert "pianomuse serve" in " ".join(nobody[0])
    refused = done(url, "6", "6,7,300")
    assert "pitch" in " ".join(refused[0])
