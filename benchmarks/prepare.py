"""How fast MIDI files become batches: preparing a hundred files, drawing examples, and training's wait for them.

    python benchmarks/prepare.py MIDI_DIR [--files 100] [--steps 9]

Runs the tests of what is timed, then takes files evenly spread over MIDI_DIR and writes `results/prepare.json`. Times
are processor time, which other load does not change; the share of the time that training waits for batches is the
clock's, as `metrics.jsonl` has it, with batches drawn ahead by a thread and without.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pianomuse.cli import main as pianomuse
from pianomuse.data.batches import BatchMaker, BatchSettings
from pianomuse.data.prepare import midi_names, process_midi_directory
from pianomuse.data.store import PieceStore
from pianomuse.evaluate.bench.outcome import Outcome, Row, machine

ROOT = Path(__file__).resolve().parents[1]
TESTS = ["tests/data/test_prepare.py", "tests/data/test_ahead.py"]
WISHED_S = 300  # for a hundred files
N_BATCHES = 32
SETTINGS = ["batch_size=8", "max_tokens=512", "sample_every=0", "log_every=1", "validation_examples=1"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi_dir", type=Path)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--steps", type=int, default=9, help="of training the preset tiny, each way")
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "pytest", *TESTS], check=True, cwd=ROOT)
    with tempfile.TemporaryDirectory() as folder:
        outcome = measure(options.midi_dir, options.files, options.steps, Path(folder))
    document = json.dumps(outcome.to_json())
    (ROOT / "benchmarks" / "results" / "prepare.json").write_text(document + "\n", encoding="utf-8")
    print("\n".join(outcome.to_lines()), file=sys.stderr)
    print(document)
    return 0


def measure(midi_dir: Path, n_files: int, n_steps: int, folder: Path) -> Outcome:
    names = midi_names(midi_dir)
    chosen = [names[i * len(names) // n_files] for i in range(min(n_files, len(names)))]
    for name in chosen:
        (folder / "midi" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(midi_dir / name, folder / "midi" / name)
    process_midi_directory(folder / "midi", folder / "warm", jobs=1)  # imports and first calls are not what is asked
    began = time.process_time()
    report = process_midi_directory(folder / "midi", folder / "dataset", jobs=1)
    prepared_s = time.process_time() - began
    store = PieceStore(folder / "dataset", "train")
    batches = BatchMaker(store, BatchSettings()).batches()
    next(batches)
    began = time.process_time()
    n_tokens = sum(next(batches)["input_ids"].size for _ in range(N_BATCHES))
    drawn_s = time.process_time() - began
    shares = {f"ahead={ahead}": waiting_share(folder, ahead, n_steps) for ahead in (0, 16)}
    rows = [
        Row(f"prepare/{len(chosen)} files", prepared_s, WISHED_S, "s"),
        Row("examples", n_tokens / drawn_s, None, "tokens/s"),
    ]
    details = {
        "files": report.files,
        "dropped": report.dropped,
        "n_notes": sum(store.header.notes.values()),
        "data_share": shares,
    }
    notes = [f"peer of prepare: the {WISHED_S} s that the specification gives a hundred files"]
    return Outcome(machine(clock="processor time, one process"), rows, details, notes)


def waiting_share(folder: Path, ahead: int, n_steps: int) -> float:
    """Train the preset tiny; return the mean share of waiting after the first step, which opens the data.

    Batches are drawn by eights, so eight steps more wait for one drawing.
    """
    out = folder / f"run-{ahead}"
    words = ["train", str(folder / "dataset"), "--out", str(out), "--preset", "tiny", "--device", "cpu"]
    sets = [word for setting in (*SETTINGS, f"ahead={ahead}") for word in ("--set", setting)]
    if pianomuse([*words, "--steps", str(n_steps), *sets]):
        raise SystemExit("training failed")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    shares = [line["data_share"] for line in lines if "data_share" in line][1:]
    return sum(shares) / len(shares)


if __name__ == "__main__":
    sys.exit(main())
