"""The wheel holds everything that is needed and nothing else, and runs on its base requirements without a network."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ALONE = """
import importlib.abc, importlib.metadata as metadata, re, socket, sys

site = sys.argv[1]
sys.path.insert(0, site)
sys.path[:] = [path for path in sys.path if not path.endswith("/src")]


def needed(name, seen):
    for line in metadata.requires(name) or ():
        package, _, condition = line.partition(";")
        package = re.split(r"[\\\\[<>=!~ (]", package.strip())[0]
        key = re.sub(r"[-_.]+", "-", package).lower()
        if "extra ==" not in condition and key not in seen:
            seen.add(key)
            try:
                needed(package, seen)
            except metadata.PackageNotFoundError:
                pass
    return seen


own = needed("pianomuse", {"pianomuse"})
owners = metadata.packages_distributions()


class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        found = owners.get(name.partition(".")[0])
        if found and not any(re.sub(r"[-_.]+", "-", owner).lower() in own for owner in found):
            raise ImportError(f"{name} is not one of the base requirements", name=name)


def no_network(*arguments):
    raise OSError("no network here")


sys.meta_path.insert(0, Absent())
socket.socket.connect = socket.create_connection = socket.getaddrinfo = no_network
import pianomuse
assert pianomuse.__file__.startswith(site), pianomuse.__file__
assert "torch" not in own and "fastapi" not in own
from pianomuse.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and unpack it."""
    pytest.importorskip("hatchling", reason="building needs hatchling, which the extra dev brings")
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_what_is_needed_and_nothing_else(unpacked: Path) -> None:
    names = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    tracked = subprocess.run(
        ["git", "ls-files", "src/pianomuse"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\n")
    sources = {path.removeprefix("src/") for path in tracked if path and (ROOT / path).is_file()}
    examples = {f"pianomuse/examples/{path.name}" for path in (ROOT / "examples").glob("*.mid")}
    about = {name for name in names if ".dist-info/" in name}
    assert names - about == (sources or names - about - examples) | examples
    weights = unpacked / "pianomuse" / "weights" / "default"
    assert {"model.safetensors", "config.json", "tokenizer.json", "known-works.npz"} <= {
        p.name for p in weights.iterdir()
    }
    assert len(list((unpacked / "pianomuse" / "render" / "samples").glob("*.mp3"))) == 60
    assert (unpacked / "pianomuse" / "web" / "index.html").is_file()
    assert not any(part in name for name in names for part in ("tests/", "__pycache__", ".pyc", ".pytest", "/."))
    assert {"LICENSE", "NOTICE"} <= {name.rpartition("/")[2] for name in about}


def test_the_wheel_runs_on_its_base_requirements_without_a_network(unpacked: Path, tmp_path: Path) -> None:
    """Read weights, tokens and a piece; `.ci/run` completes a piece with the wheel in an environment of its own."""
    script = tmp_path / "alone.py"
    script.write_text(ALONE, encoding="utf-8")
    sheet = tmp_path / "waltz.musicxml"
    piece = str(ROOT / "examples" / "waltz-pickup.mid")
    for words in (["info", "--json"], ["convert", piece, str(sheet)], ["convert", str(sheet), str(tmp_path / "x.mid")]):
        command = [sys.executable, "-I", "-B", str(script), str(unpacked), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        if words[0] == "info":
            assert Path(json.loads(done.stdout)["folder"]).is_relative_to(unpacked)
    assert (tmp_path / "x.mid").is_file()
