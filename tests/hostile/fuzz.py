"""Search for bytes that a door of PianoMuse answers with anything but a result or a sentence.

    python tests/hostile/fuzz.py TARGET [-runs=N] [-seed=S] [-max_total_time=SECONDS] [FOLDER_OF_INPUTS_FOUND_SO_FAR]

Guided by coverage (atheris; libFuzzer's options). TARGET is one of targets.py, or `all`: then the first byte of an
input says which. An input that shows a fault is written beside as crash-...; `python tests/hostile/fuzz.py TARGET
crash-...` shows it again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

KERNELS = Path(__file__).resolve().parents[2] / "src" / "pianomuse" / "kernels"
COMPILED = [f"pianomuse.kernels.{path.stem}" for path in KERNELS.glob("*.py")]  # numba cannot read what atheris adds

with atheris.instrument_imports(include=["pianomuse"], exclude=COMPILED):
    import targets

OPTIONS = ("-timeout=300", "-rss_limit_mb=2500", "-max_len=20000", "-print_final_stats=1")


def main() -> None:
    """Search until told to end."""
    name, *words = sys.argv[1:]
    names = list(targets.TARGETS)
    if name != "all" and name not in names:
        sys.exit(f"There is no target {name}: choose one of {', '.join(names)}, or all.")

    def one(data: bytes) -> None:
        if name != "all":
            targets.take(name, data)
        elif data:
            targets.take(names[data[0] % len(names)], data[1:])

    with tempfile.TemporaryDirectory() as folder:
        seeds, dictionary = Path(folder) / "seeds", Path(folder) / "words"
        for number, target in enumerate(names):
            if name in ("all", target):
                targets.folder_of_seeds(seeds, target, mark=bytes((number,)) if name == "all" else b"")
        spelt = ("".join(f"\\x{byte:02x}" for byte in word.encode("latin-1")) for word in targets.WORDS)
        dictionary.write_text("".join(f'"{word}"\n' for word in spelt), "ascii")
        is_search = not any(Path(word).is_file() for word in words)
        more = [f"-dict={dictionary}", *words, str(seeds)] if is_search else words
        atheris.Setup([sys.argv[0], *OPTIONS, *more], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
