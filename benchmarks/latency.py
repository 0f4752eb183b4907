"""What a composer waits for beside an open session: the first note, the first bar, all ideas; and what it costs.

    python benchmarks/latency.py [--bars 400] [--runs 5] [--model NAME|PATH] [--tokens 20000] [--out FILE]

Opens a session on a waltz of many bars made here, asks for four ideas of two bars at bars 2 and 20, in the middle and
at the end, and for a fill; then edits a bar; then opens the piece anew and asks at once; then lets it write many tokens
and watches the memory. Every wait is given in wall-clock time and in processor time of this process: where other work
runs on the machine, the wall clock tells of that work, and the processor time of this. Medians of the runs; places take
turns. Runs the tests of what is timed first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from symusic import Note, Score

from pianomuse.api import Muse, load
from pianomuse.evaluate.bench.complete import waltz
from pianomuse.evaluate.bench.outcome import machine
from pianomuse.generate.session import Session
from pianomuse.generate.session_events import BarClosed, IdeaFinished, IdeasRanked, NoteDecided
from pianomuse.generate.stream import Stream

ROOT = Path(__file__).resolve().parents[1]
TESTS = ["tests/api/test_session.py", "-k", "say_the_same or edit_reads"]
TARGETS_S = {"first_note": 0.1, "first_bar": 0.5, "four_ideas": 1.5, "fill_first_note": 0.5, "opening_first_note": 2.0}
MEDIAN_TOKENS = 4 * 2 * 56
"""Four ideas of two bars of median density; what was written is scaled to it."""


class Watch:
    """Wall-clock and processor time since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        return {"wall_s": time.perf_counter() - self.wall, "cpu_s": time.process_time() - self.cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=400)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--model", default=None)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--tokens", type=int, default=20_000, help="written while the memory is watched")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "latency.json")
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "pytest", "-q", *TESTS], check=True, cwd=ROOT)
    muse = load(options.model, threads=options.threads)
    with tempfile.TemporaryDirectory() as folder:
        piece = Path(folder) / "waltz.mid"
        waltz(options.bars).dump_midi(piece)
        results = measure(muse, piece, options.bars, options.runs)
        results |= memory(muse, piece, options.tokens)
    document = {
        "machine": machine(threads=muse.engine.threads),
        "bars": options.bars,
        "targets_s": TARGETS_S,
        **results,
    }
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document))


def measure(muse: Muse, piece: Path, n_bars: int, runs: int) -> dict[str, Any]:
    places = {"bar 2": 2, "bar 20": 20, f"bar {n_bars // 2}": n_bars // 2, f"bar {n_bars}": n_bars}
    with_session = muse.session(piece)
    watch = Watch()
    with_session.wait()
    whole = watch.read()
    warm(with_session)
    found: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in (*places, "fill", "edit", "opening")}
    for run in range(runs):
        for name, at_bar in places.items():
            found[name].append(waits(partial(with_session.stream, at_bar=at_bar, bars=2, candidates=4, seed=run)))
        middle = n_bars // 2
        found["fill"].append(waits(partial(with_session.fill, middle, middle + 1, candidates=4, seed=run)))
        found["edit"].append(edited(with_session, piece, n_bars, run))
        found["opening"].append(opening(muse, piece, n_bars, run))
    places_s = {name: medians(rows) for name, rows in found.items()}
    first, last = places_s["bar 20"], places_s[f"bar {n_bars}"]
    return {
        "reading_the_piece": whole,
        "places": places_s,
        f"bar {n_bars} to bar 20": {
            what: round(last[what]["cpu_s"] / first[what]["cpu_s"], 3) for what in ("first_note", "four_ideas")
        },
    }


def warm(session: Session) -> None:
    list(session.stream(at_bar=4, bars=1, candidates=4, seed=1))


def waits(ask: Callable[[], Stream]) -> dict[str, dict[str, float]]:
    """Return how long a request takes to its first note, first whole bar, and last idea."""
    watch, found = Watch(), {}
    stream = ask()
    for event in stream:
        if isinstance(event, NoteDecided) and "first_note" not in found:
            found["first_note"] = watch.read()
        if isinstance(event, BarClosed) and "first_bar" not in found:
            found["first_bar"] = watch.read()
        if isinstance(event, IdeaFinished):
            found["four_ideas"] = watch.read()
        if isinstance(event, IdeasRanked):
            found["ranked"] = watch.read()
    n_tokens = sum(len(stream.tokens_of(idea)) for idea in range(1, 5))
    found["four_ideas"] |= {"tokens": n_tokens}
    scale = MEDIAN_TOKENS / n_tokens
    found["four_ideas_of_56_tokens_a_bar"] = {key: found["four_ideas"][key] * scale for key in ("wall_s", "cpu_s")}
    return found


def edited(session: Session, piece: Path, n_bars: int, run: int) -> dict[str, dict[str, float]]:
    """Change a note four bars before the caret and ask there."""
    score = Score(str(piece))
    at_bar = n_bars // 2
    score.tracks[0].notes.append(Note((at_bar - 4) * 3 * 480, 240, 84 + run % 12, 80))
    changed = piece.with_name("edited.mid")
    score.dump_midi(changed)
    watch = Watch()
    session.edit(changed)
    taking = watch.read()
    found = waits(partial(session.stream, at_bar=at_bar, bars=2, candidates=4, seed=run))
    session.edit(piece)
    session.wait()
    return {"taking_the_edit": taking, **found}


def opening(muse: Muse, piece: Path, n_bars: int, run: int) -> dict[str, dict[str, float]]:
    """Open the piece anew and ask at its end at once."""
    watch = Watch()
    session = muse.session(piece)
    stream = session.stream(at_bar=n_bars, bars=2, candidates=4, seed=run)
    next(event for event in stream if isinstance(event, NoteDecided))
    found = {"first_note": watch.read()}
    stream.close()
    session.close()
    session.wait()
    return found


def medians(rows: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        what: {key: round(statistics.median(row[what][key] for row in rows), 4) for key in rows[0][what]}
        for what in rows[0]
    }


def memory(muse: Muse, piece: Path, n_tokens: int) -> dict[str, Any]:
    """Let a session write, and watch the memory of this process (Linux)."""
    session = muse.session(piece)
    session.wait()
    written, seed, sizes = 0, 0, []
    watch = Watch()
    while written < n_tokens:
        stream = session.stream(at_bar=4 + seed % 300, bars=8, candidates=8, seed=seed)
        list(stream)
        written += sum(len(stream.tokens_of(idea)) for idea in range(1, 9))
        seed += 1
        sizes.append((written, resident_bytes()))
    half = len(sizes) // 2
    return {
        "memory": {
            "tokens_written": written,
            "cpu_s": watch.read()["cpu_s"],
            "resident_mib_after_a_tenth": round(sizes[len(sizes) // 10][1] / 2**20, 1),
            "resident_mib_at_half": round(sizes[half][1] / 2**20, 1),
            "resident_mib_at_the_end": round(sizes[-1][1] / 2**20, 1),
        }
    }


def resident_bytes() -> int:
    """Return what this process holds in memory."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 if status.exists() else 0


if __name__ == "__main__":
    main()
