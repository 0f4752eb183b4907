"""The types in the page's comments, checked by TypeScript where npm is there to run it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "src" / "pianomuse" / "web"
TYPESCRIPT = "typescript@5.9.3"
NO_NPM = "no npm on this machine, so the page's types are not checked: install Node.js (apt-get install npm)"


def compiler() -> list[str]:
    """The command that is TypeScript; fetched once by npm, kept in its cache."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(NO_NPM)
    command = [npm, "exec", "--yes", "--prefer-offline", f"--package={TYPESCRIPT}", "--", "tsc"]
    probe = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=120, check=False)
    if probe.returncode:
        pytest.skip(
            f"npm cannot fetch {TYPESCRIPT}, so the page's types are not checked: {probe.stderr.strip()[-200:]}"
        )
    return command


def checked(folder: Path) -> str:
    run = [*compiler(), "-p", str(folder / "jsconfig.json")]
    return subprocess.run(run, capture_output=True, text=True, timeout=180, check=False).stdout


def test_every_module_of_the_page_has_the_types_that_its_comments_say():
    assert checked(WEB) == ""


def test_every_module_asks_to_be_checked():
    modules = [path for path in WEB.rglob("*.js") if "vendor" not in path.parts]
    assert len(modules) > 40
    assert [path.name for path in modules if not path.read_text("utf-8").startswith("// @ts-check\n")] == []


def test_a_wrong_type_is_found(tmp_path):
    (tmp_path / "jsconfig.json").write_bytes((WEB / "jsconfig.json").read_bytes())
    (tmp_path / "wrong.js").write_text(
        "// @ts-check\n/** @param {number} bar */\nexport const f = (bar) => bar.length;\n"
    )
    assert "TS2339" in checked(tmp_path)
