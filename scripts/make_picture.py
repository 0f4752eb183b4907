"""Make the picture of the README: `python scripts/make_picture.py [EXAMPLE]`, with the default model."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PICTURE = Path("docs/pictures/ideas.png")


def main() -> int:
    """Complete an example and keep its picture."""
    name = sys.argv[1] if len(sys.argv) > 1 else "expressive-pedal"
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--bars", "4", "--candidates", "3", "--seed", "1", "--out", folder, "--json"]
        command = [sys.executable, "-m", "pianomuse", "complete", f"examples/{name}.mid", *arguments]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(json.loads(done.stdout)["picture"], PICTURE)
    print(f"{PICTURE}  {PICTURE.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
