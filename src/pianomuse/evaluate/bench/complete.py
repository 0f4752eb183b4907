"""How long a composer waits for `pianomuse complete`.

The command runs as a person runs it, in a process of its own, on a piece of many bars made here (or `piece=FILE`). Its
peer is the music itself: how long the ideas that were written take to play. The command's own report says how much of
the time went into composing, and when the first note was decided.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from symusic import Note, Score, Tempo, TimeSignature, Track

from pianomuse.errors import RequestError
from pianomuse.evaluate.bench.outcome import Outcome, Row, Tell, machine

_TICKS = 480


@dataclass(frozen=True)
class Settings:
    """What is asked for, and how often."""

    piece: str = field(default="", metadata={"help": "MIDI file; without one, a waltz is made"})
    length: int = field(default=64, metadata={"help": "bars of the piece that is made", "min": 4, "max": 1000})
    bars: int = field(default=2, metadata={"help": "bars of an idea", "min": 1, "max": 32})
    candidates: int = field(default=4, metadata={"help": "ideas", "min": 1, "max": 16})
    runs: int = field(default=5, metadata={"help": "times; the median counts", "min": 1, "max": 10_000})
    model: str = field(default="", metadata={"help": "name or path; the default model without it"})


def measure(settings: Settings, tell: Tell = lambda text: None) -> Outcome:
    """Time the whole command, composing alone, and the first note."""
    with tempfile.TemporaryDirectory() as folder:
        piece = Path(settings.piece) if settings.piece else Path(folder) / "waltz.mid"
        if not settings.piece:
            waltz(settings.length).dump_midi(piece)
        elif not piece.is_file():
            raise RequestError(f"piece={piece}: there is no such file; name a MIDI file")
        _run(piece, settings, Path(folder) / "warm-up")
        found = []
        for number in range(settings.runs):
            tell(f"run {number + 1} of {settings.runs}")
            found.append(_run(piece, settings, Path(folder) / str(number)))
    rows = [
        Row("complete/command/playing", _median(found, lambda run: run["wall"]), _median(found, _playing_s), "s"),
        Row("complete/composing/playing", _median(found, lambda run: run["seconds"]), _median(found, _playing_s), "s"),
        Row("complete/first-note", _median(found, lambda run: run["seconds_to_first_note"]), None, "s"),
    ]
    notes = ["peer: how long the ideas of one run take to play, one after the other"]
    return Outcome(machine(), rows, {"bars_heard": found[0]["context_bars"], "ideas": settings.candidates}, notes)


def waltz(n_bars: int) -> Score:
    """Return a waltz for two hands in A minor: bass, two chords and a tune that moves."""
    score = Score(_TICKS)
    score.tempos.append(Tempo(0, qpm=120))
    score.time_signatures.append(TimeSignature(0, 3, 4))
    track = Track("Piano")
    roots = (45, 50, 40, 45, 41, 48, 40, 45)
    for bar in range(n_bars):
        start, root = 3 * bar * _TICKS, roots[bar % len(roots)]
        track.notes.append(Note(start, _TICKS, root, 70))
        for beat in (1, 2):
            for pitch in (root + 12, root + 15, root + 19):
                track.notes.append(Note(start + beat * _TICKS, _TICKS // 2, pitch, 55))
        for eighth, step in enumerate((12, 15, 19, 24, 19, 15)[: 3 + bar % 4]):
            track.notes.append(Note(start + eighth * _TICKS // 2, _TICKS // 2, root + 12 + step, 80))
    score.tracks.append(track)
    return score


def _run(piece: Path, settings: Settings, out: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "pianomuse", "complete", str(piece), "--json", "--out", str(out), "--seed", "1"]
    command += ["--bars", str(settings.bars), "--candidates", str(settings.candidates)]
    command += ["--model", settings.model] if settings.model else []
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise RequestError(f"bench complete: {done.stderr.strip().splitlines()[-1]}")
    return {**json.loads(done.stdout), "wall": seconds, "playing": _lengths_s(out)}


def _lengths_s(out: Path) -> float:
    """Return how long the ideas in a folder take to play."""
    ideas = sorted(out.glob("*.completion-*.mid"))
    return float(sum(Score(str(idea)).to("second").end() for idea in ideas))


def _playing_s(run: dict[str, Any]) -> float:
    return float(run["playing"])


def _median(found: Sequence[dict[str, Any]], of: Callable[[dict[str, Any]], float]) -> float:
    return statistics.median(of(run) for run in found)
