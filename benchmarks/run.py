"""Run a benchmark of `pianomuse bench` behind the tests that hold what it times to be right, and keep the result.

    python benchmarks/run.py wkv|decode|train|complete [--name NAME] [--set key=value ...]

The JSON document goes to `benchmarks/results/NAME.json` (NAME is the benchmark without --name). Let nothing else run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = {
    "wkv": ["tests/wkv/test_operator.py", "-k", "extreme or 65"],
    "decode": ["tests/runtime/test_engine_equals_definition.py", "tests/runtime/test_int8.py"],
    "train": ["tests/model/test_fused.py"],
    "complete": ["tests/cli/test_complete.py"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=TESTS)
    parser.add_argument("--name", help="of the file under results/")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "pytest", *TESTS[options.benchmark]], check=True, cwd=ROOT)
    out = ROOT / "benchmarks" / "results" / f"{options.name or options.benchmark}.json"
    changes = [word for assignment in options.assignments for word in ("--set", assignment)]
    command = [sys.executable, "-m", "pianomuse", "bench", options.benchmark, "--out", str(out), *changes]
    sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
