"""Fetch what the studio's page uses of others, anew: `python scripts/vendor.py` (needs npm and a package index).

Every package is taken in the version below, unpacked, and copied to `src/pianomuse/web/vendor/`, with the
notices of everything that is bundled in it. `MANIFEST.json` there names each file and its sha256; a test compares
them, so the page never ships a file that did not come from here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "src" / "pianomuse" / "web" / "vendor"


@dataclass(frozen=True)
class Package:
    """A package of npm.

    Args:
        name: of the package.
        version: taken.
        licence: its SPDX name; the one chosen, where there is a choice.
        notice: where its licence text lies in the package.
        file: what of it is served, empty where it is part of another package's file.
    """

    name: str
    version: str
    licence: str
    notice: str
    file: str = ""


PACKAGES = (
    Package("opensheetmusicdisplay", "2.1.3", "BSD-3-Clause", "LICENSE", "build/opensheetmusicdisplay.min.js"),
    Package("vexflow", "1.2.93", "MIT", "LICENSE"),
    Package("jszip", "3.10.1", "MIT", "LICENSE.markdown"),
    Package("pako", "1.0.11", "MIT AND Zlib", "LICENSE"),
    Package("loglevel", "1.9.2", "MIT", "LICENSE-MIT"),
    Package("typescript-collections", "1.3.3", "MIT", "LICENSE"),
)
"""The first one is served; the others are bundled in its file."""


def main() -> None:
    """Fetch all, write files, notices and the manifest."""
    if shutil.which("npm") is None:
        sys.exit("npm is not here: install Node.js (Debian: apt-get install npm), then run this again")
    VENDOR.mkdir(exist_ok=True)
    entries, notices = [], []
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            archive, unpacked = _fetched(package, Path(folder))
            entry = {
                "name": package.name,
                "version": package.version,
                "licence": package.licence,
                "source": f"https://registry.npmjs.org/{package.name}/-/{archive.name}",
                "source_sha256": _sha256(archive),
            }
            if package.file:
                served = VENDOR / Path(package.file).name
                shutil.copyfile(unpacked / package.file, served)
                entry |= {"file": served.name, "sha256": _sha256(served)}
            else:
                entry["bundled_in"] = PACKAGES[0].name
            entries.append(entry)
            text = (unpacked / package.notice).read_text("utf-8").strip()
            notices.append(f"{package.name} {package.version} ({package.licence})\n\n{text}\n")
    (VENDOR / "NOTICES.txt").write_text(f"\n{'-' * 80}\n\n".join(notices), "utf-8")
    entries.append({"name": "notices of all of them", "file": "NOTICES.txt", "sha256": _sha256(VENDOR / "NOTICES.txt")})
    (VENDOR / "MANIFEST.json").write_text(json.dumps(entries, indent=2) + "\n", "utf-8")


def _fetched(package: Package, folder: Path) -> tuple[Path, Path]:
    """Return the archive of a package, and where it is unpacked."""
    place = folder / package.name
    place.mkdir()
    wanted = f"{package.name}@{package.version}"
    done = subprocess.run(["npm", "pack", "--silent", wanted], cwd=place, check=True, capture_output=True, text=True)
    archive = place / done.stdout.split()[-1]
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
    return archive, place / "package"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
