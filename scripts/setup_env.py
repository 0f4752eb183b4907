"""Make the environment in which `make demo`, `make studio` and `make test` run: `python scripts/setup_env.py PROFILE`.

`compose` is what a composer installs: the package and its base requirements, no PyTorch; `studio` adds the web server
of the extra `studio`. `develop` is the package in place (edits count at once) with the extra `dev`, PyTorch included:
an installed torch in range is kept; without an NVIDIA driver the CPU build is taken, from PyTorch's CPU index where
that answers within seconds, else the pinned version from the default index. Says beforehand what will be downloaded,
does nothing when nothing has changed. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
STAMP = "pianomuse-setup.json"
PROFILES = ("compose", "studio", "develop")
SUFFICES_FOR = {
    "compose": ("compose",),
    "compose in place": ("compose",),
    "studio": ("compose", "studio"),
    "studio in place": ("compose", "studio"),
    "develop": PROFILES,
}
"""What an environment is good for, by what it was made as."""
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
TORCH_RANGE = ((2, 6), (3, 0))

# Wheels measured on Linux x86-64 with Python 3.11, in MB.
BASE_MB, STUDIO_MB, DEVELOP_MB, TORCH_CPU_MB, TORCH_CUDA_MB = 110, 4, 110, 190, 3000

PROBE = """
import importlib.metadata as m, json
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return None
url = json.loads(m.distribution("pianomuse").read_text("direct_url.json") or "{}") if version("pianomuse") else {}
print(json.dumps({"torch": version("torch"), "miditok": version("miditok"), "fastapi": version("fastapi"),
                  "pytest": version("pytest"), "is_editable": url.get("dir_info", {}).get("editable", False)}))
"""


@dataclass(frozen=True)
class Found:
    """What an environment holds already."""

    torch: str | None
    miditok: str | None
    fastapi: str | None
    pytest: str | None
    is_editable: bool


def main() -> int:
    """Make or complete the environment; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", choices=PROFILES)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    arguments = parser.parse_args()
    venv: Path = arguments.venv
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this file may have any Python
        return _refuse(f"PianoMuse needs Python 3.11 or newer, this is {sys.version.split()[0]} ({sys.executable}).")
    if is_up_to_date(venv, arguments.profile):
        return 0
    try:
        python = make_venv(venv)
        install(python, arguments.profile, look_into(python))
    except subprocess.CalledProcessError as error:
        return _refuse(f"A step failed, see above: {' '.join(map(str, error.cmd[1:5]))} ... Mend it and run again.")
    except SetupError as error:
        return _refuse(str(error))
    write_stamp(venv, arguments.profile)
    return 0


class SetupError(Exception):
    """Something is missing that the user can mend."""


def venv_python(venv: Path) -> Path:
    """Return where an environment keeps its Python."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_venv(venv: Path) -> Path:
    """Create the environment unless it is there; return its Python."""
    python = venv_python(venv)
    if not python.exists():
        if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
            raise SetupError(
                "This Python cannot make environments. On Debian and Ubuntu: sudo apt install python3-venv. "
                f"Or name another Python: make demo PYTHON=/path/to/python ({sys.executable} was used)."
            )
        print(f"Making the environment {venv}")
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    is_new_enough = "import sys; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run([python, "-c", is_new_enough], check=False).returncode:
        raise SetupError(f"The environment {venv} is broken or older than Python 3.11. Delete it and run again.")
    return python


def look_into(python: Path) -> Found:
    """Ask an environment what it holds."""
    answer = subprocess.run([python, "-c", PROBE], check=True, capture_output=True, text=True).stdout
    return Found(**json.loads(answer))


def install(python: Path, profile: str, found: Found) -> None:
    """Install what the profile asks for; say first how much will be downloaded."""
    size_mb = 0 if found.miditok else BASE_MB
    if profile in ("compose", "studio"):
        package = f"{ROOT}[studio]" if profile == "studio" or found.fastapi else str(ROOT)
        target = ["-e", package] if found.is_editable else [package]
        size_mb += STUDIO_MB if profile == "studio" and not found.fastapi else 0
        _announce(size_mb)
        # Python compiles a module when it is imported first, and most of these never are: compiling all of them took 5
        # of the 33 processor seconds from a fresh clone to the first idea taken in the studio. Where Python may not
        # keep what it compiles (PYTHONDONTWRITEBYTECODE), every start would compile them again, for two seconds.
        later = [] if sys.dont_write_bytecode else ["--no-compile"]
        _pip(python, "install", *later, "-c", CONSTRAINTS, *target)
        return
    size_mb += 0 if found.pytest else DEVELOP_MB
    keeps_torch = found.torch is not None and is_in_range(found.torch)
    wants_cuda = not keeps_torch and has_nvidia_driver()
    cpu_index = not keeps_torch and not wants_cuda and sys.platform != "darwin" and answers(TORCH_CPU_INDEX)
    if keeps_torch:
        print(f"Keeping torch {found.torch}, which is installed")
    elif wants_cuda:
        print("An NVIDIA driver is there: taking torch with CUDA")
    elif cpu_index:
        print("No NVIDIA driver: taking the CPU build of torch")
    else:
        print("No NVIDIA driver, and PyTorch's CPU index cannot be used: taking torch from the default index")
    _announce(size_mb, torch_mb=0 if keeps_torch else TORCH_CPU_MB if cpu_index else TORCH_CUDA_MB)
    # pip prefers 2.13.0+cpu of the extra index to 2.13.0 of the default one.
    index = ["--extra-index-url", TORCH_CPU_INDEX] if cpu_index else []
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        keep = f"torch=={found.torch}" if keeps_torch else pinned_torch()
        constraints.write_text(CONSTRAINTS.read_text("utf-8").replace(f"\n{pinned_torch()}\n", f"\n{keep}\n"), "utf-8")
        _pip(python, "install", *index, "-c", constraints, "-e", f"{ROOT}[dev]")


def pinned_torch() -> str:
    """Return the line of constraints.txt that pins torch."""
    return next(line for line in CONSTRAINTS.read_text("utf-8").splitlines() if line.startswith("torch=="))


def is_in_range(version: str) -> bool:
    """Tell whether an installed torch is one that pyproject.toml allows."""
    numbers = version.split("+")[0].split(".")[:2]
    return all(number.isdigit() for number in numbers) and TORCH_RANGE[0] <= tuple(map(int, numbers)) < TORCH_RANGE[1]


def has_nvidia_driver() -> bool:
    """Tell whether this machine has an NVIDIA driver."""
    if shutil.which("nvidia-smi") is None:
        return Path("/proc/driver/nvidia/version").exists()
    return subprocess.run(["nvidia-smi", "-L"], check=False, capture_output=True).returncode == 0


def answers(index: str) -> bool:
    """Tell whether a package index answers within five seconds."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{index}/torch/", method="HEAD"), timeout=5):
            return True
    except OSError:
        return False


def is_up_to_date(venv: Path, profile: str) -> bool:
    """Tell whether an earlier run made this environment from the same files."""
    try:
        stamp = json.loads((venv / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    if not venv_python(venv).exists() or profile not in SUFFICES_FOR.get(stamp.get("profile"), ()):
        return False
    return stamp.get("inputs") == fingerprint(stamp["profile"])


def write_stamp(venv: Path, profile: str) -> None:
    """Remember what the environment was made from."""
    found = look_into(venv_python(venv))
    made = "develop" if profile == "develop" else "studio" if found.fastapi else "compose"
    if found.is_editable and made != "develop":
        made = f"{made} in place"
    (venv / STAMP).write_text(json.dumps({"profile": made, "inputs": fingerprint(made)}), "utf-8")


def fingerprint(profile: str) -> str:
    """Sum up the files an environment depends on; a copied package depends on all of its source files."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (ROOT / "pyproject.toml", CONSTRAINTS, ROOT / "src" / "pianomuse" / "__init__.py"):
        digest.update(path.read_bytes())
    if profile in ("compose", "studio"):
        for path in sorted((ROOT / "src").rglob("*")):
            if path.is_file() and path.parent.name != "__pycache__":
                digest.update(f"{path.relative_to(ROOT)} {path.stat().st_size} {path.stat().st_mtime_ns}".encode())
    return digest.hexdigest()


def _announce(size_mb: int, torch_mb: int = 0) -> None:
    if size_mb + torch_mb:
        parts = f" (torch: {torch_mb} MB)" if torch_mb else ""
        print(f"About {size_mb + torch_mb} MB will be downloaded{parts}, less what pip has in its cache", flush=True)


def _pip(python: Path, *arguments: str | Path) -> None:
    command = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    subprocess.run(command, check=True)


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
