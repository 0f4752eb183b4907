"""Complete three of the bundled examples with the bundled model, and say where the results are: `make demo`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

EXAMPLES = ("finished-phrase", "waltz-pickup", "expressive-pedal")


def main() -> int:
    """Run the three completions; return the first exit code that is not 0."""
    pages = []
    for name in EXAMPLES:
        print(f"\n== examples/{name}.mid", flush=True)
        arguments = ["--bars", "4", "--candidates", "4", "--seed", "1", "--out", f"demo/{name}", "--json"]
        command = [sys.executable, "-m", "pianomuse", "complete", f"examples/{name}.mid", *arguments]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        if done.returncode:
            return done.returncode
        pages.append(Path(json.loads(done.stdout)["page"]).resolve())
    print("\nFour ideas for each of three pieces. Open these pages in a browser to see and hear them:")
    for page in pages:
        print(f"  {page.as_uri()}")
    program = Path(sys.executable).with_name("pianomuse")
    program = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    print(f"\nNow with a piece of your own:\n  {program} complete your-piece.mid")
    return 0


if __name__ == "__main__":
    sys.exit(main())
