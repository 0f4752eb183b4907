"""How well beats, downbeats and metre of performances are found, and whether files with bars keep them.

    python benchmarks/beats.py MIDI_DIR [--works 110] [--asap FOLDER]
    python benchmarks/beats.py MIDI_DIR --alarms

Scores of the validation split of MIDI_DIR (works that never served to learn or to set a constant:
`scripts/learn_metres.py` reads training works only) are performed by `evaluate.performer` and tracked. Beside it stand
the file's own 120 to the minute in 4/4, and one tempo that is told where the first and the last beat are. F-measures
are those of `measure.beat_accuracy`; intervals are drawn over works. Then: how many scores, recordings to a click and
free recordings are taken for free. Which fault it was is told by CMLt and AMLt, by how many are at half or twice the
tempo, and, where beats and length of the bar are right, by how many have bars that begin on another beat. With --asap,
the annotated performances of a folder in ASAP's format are tracked instead. With --alarms, every file of MIDI_DIR is
asked whether it is taken for free. Writes `results/beats.json`; the last line is the same document. Times are processor
time.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from pianomuse.errors import MidiError
from pianomuse.evaluate.bench.outcome import machine
from pianomuse.evaluate.bootstrap import mean
from pianomuse.evaluate.performer import perform, play_to_click
from pianomuse.fetch.annotations import asap_beats
from pianomuse.measure.beat_accuracy import beat_f_measure, continuity
from pianomuse.midi.read import read_midi
from pianomuse.performance.beats import find_beats
from pianomuse.performance.clock import seconds_of
from pianomuse.performance.fit import is_free
from pianomuse.performance.metres import beat_places
from pianomuse.performance.strikes import find_strikes

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "beats.json"
ANNOTATIONS = "_annotations.txt"
SURE = 0.7  # the F of beats that counts as found
TESTS = ["tests/performance/test_beats.py"]
SAME_BARS = {(2, 4): (4, 4), (3, 8): (3, 4), (12, 8): (6, 8)}
"""Metres that notation may choose between: the same beats, bars in pairs or halves, another note value."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi_dir", type=Path)
    parser.add_argument("--works", type=int, default=110)
    parser.add_argument("--asap", type=Path, help="folder of performances with *_annotations.txt")
    parser.add_argument("--alarms", action="store_true", help="only count which files are taken for free recordings")
    parser.add_argument("--no-tests", action="store_true")
    options = parser.parse_args()
    if not options.no_tests:
        subprocess.run([sys.executable, "-m", "pytest", *TESTS], check=True, cwd=ROOT)
    if options.asap is not None:
        document: dict[str, Any] = {"asap": summary([asap_row(midi, text) for midi, text in annotated(options.asap)])}
    elif options.alarms:
        document = json.loads(RESULTS.read_text(encoding="utf-8")) | {"alarms": alarms(options.midi_dir)}
    else:
        document = {"alarms": json.loads(RESULTS.read_text(encoding="utf-8"))["alarms"]}
        document = on_scores(options.midi_dir, options.works) | document
    document = {"machine": machine(clock="processor time, one thread"), **document}
    if options.asap is None:
        RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document))


def on_scores(folder: Path, n_works: int) -> dict[str, Any]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "valid"]
    works = {row["work_id"]: row for row in rows}
    names = sorted(works)
    chosen = [names[i] for i in np.random.default_rng(0).permutation(len(names))[:n_works]]
    found: list[dict[str, Any]] = []
    free: list[dict[str, Any]] = []
    for seed, name in enumerate(chosen):
        piece = read_midi(folder / works[name]["path"])
        try:
            played = perform(piece, seed)
        except MidiError:
            continue
        file = read_midi(played.data)
        row = tracked(file, played.beats, played.downbeats)
        row |= {"work": name, "source": works[name]["path"].split("/")[0], "true_metre": played.metre}
        row["one_metre"] = played.in_one_metre
        found.append(row)
        clicked = read_midi(play_to_click(piece, seed))
        free.append({"work": name, "score": is_free(piece), "click": is_free(clicked), "free": is_free(file)})
        print(f"{len(found)}/{len(chosen)} {name[:40]} F {row['beat']:.2f} {row['downbeat']:.2f}", file=sys.stderr)
    ids = [row["work"] for row in free]
    taken = {kind: mean([float(row[kind]) for row in free], ids).to_json() for kind in ("score", "click", "free")}
    return {"performed scores": summary(found), "taken for free recordings, share": taken}


def alarms(folder: Path) -> dict[str, Any]:
    """Count the files of a folder, all of them with bars of their own, that are taken for free recordings."""
    files = sorted(folder.rglob("*.mid"))
    found = [path.name for path in files if is_free(read_midi(path))]
    return {"files": len(files), "taken for free": len(found), "which": found[:20]}


def tracked(file: Any, beats: np.ndarray, downbeats: np.ndarray) -> dict[str, Any]:
    onset, end, pitch = seconds_of(file)
    find_beats(find_strikes(onset[:50], end[:50], pitch[:50]))  # compiles, the first time
    began = time.process_time()
    ours = find_beats(find_strikes(onset, end, pitch))
    seconds = time.process_time() - began
    default = np.arange(0, float(onset.max()) + 0.5, 0.5)
    steady = steadiest(beats)
    cmlt, amlt = continuity(beats, ours.beats)
    return {
        "cmlt": cmlt,
        "amlt": amlt,
        "bar": ratio(ours.downbeats, downbeats),
        "beat": beat_f_measure(beats, ours.beats),
        "downbeat": beat_f_measure(downbeats, ours.downbeats),
        "file_beat": beat_f_measure(beats, default),
        "file_downbeat": beat_f_measure(downbeats, default[::4]),
        "steady_beat": beat_f_measure(beats, steady),
        "metre": ours.metre,
        "level": ratio(ours.beats, beats),
        "seconds": seconds,
        "minutes": float(onset.max() - onset.min()) / 60,
        "beat_places": beat_places(ours.metre),
    }


def ratio(found: np.ndarray, true: np.ndarray) -> float:
    """Return how long the usual distance of found beats is against that of true ones; 0 where there are too few."""
    return float(np.median(np.diff(found)) / np.median(np.diff(true))) if min(len(found), len(true)) > 2 else 0.0


def is_about(value: float, wanted: float) -> bool:
    return wanted * 0.85 < value < wanted * 1.18


def steadiest(beats: np.ndarray) -> np.ndarray:
    """Return the beats of one tempo from the first true beat to the last."""
    return np.linspace(beats[0], beats[-1], len(beats))


def asap_row(midi: Path, text: Path) -> dict[str, Any]:
    truth = asap_beats(text.read_text(encoding="utf-8"), text.name)
    beats = np.array([beat.second for beat in truth])
    row = tracked(read_midi(midi), beats, beats[[beat.is_downbeat for beat in truth]])
    metres = [beat.metre for beat in truth if beat.metre is not None]
    row |= {"work": str(midi.parent), "source": "asap", "true_metre": metres[0] if metres else None}
    row["one_metre"] = len(set(metres)) == 1
    return row


def annotated(folder: Path) -> list[tuple[Path, Path]]:
    """List performances that have annotations: MIDI file and text file. Scores are left out."""
    texts = [text for text in sorted(folder.rglob(f"*{ANNOTATIONS}")) if not text.name.startswith("midi_score")]
    found = [(text.with_name(text.name.removesuffix(ANNOTATIONS) + ".mid"), text) for text in texts]
    return [(midi, text) for midi, text in found if midi.exists()]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    works = [row["work"] for row in rows]
    found: dict[str, Any] = {"performances": len(rows)}
    names = {
        "beat": "beat F, ours",
        "file_beat": "beat F, the file's 120",
        "steady_beat": "beat F, one tempo that knows the ends",
        "downbeat": "downbeat F, ours",
        "file_downbeat": "downbeat F, the file's bars",
        "cmlt": "CMLt",
        "amlt": "AMLt",
    }
    for key, name in names.items():
        found[name] = mean([row[key] for row in rows], works).to_json()
    one = [row for row in rows if row["one_metre"] and row["true_metre"]]
    ids = [row["work"] for row in one]
    found["metre right"] = mean([float(row["metre"] == row["true_metre"]) for row in one], ids).to_json()
    found["metre right but for 2/4 and 4/4, 3/8 and 3/4, 6/8 and 12/8"] = mean(
        [float(_bars(row["metre"]) == _bars(row["true_metre"])) for row in one], ids
    ).to_json()
    found["metre right, always 4/4"] = mean([float(row["true_metre"] == (4, 4)) for row in one], ids).to_json()
    found |= faults(rows)
    minutes = sum(row["minutes"] for row in rows)
    found["seconds for five minutes of music"] = round(5 * sum(row["seconds"] for row in rows) / minutes, 3)
    found["longest, seconds"] = round(max(row["seconds"] for row in rows), 3)
    for source in sorted({row["source"] for row in rows}):
        own = [row for row in rows if row["source"] == source]
        ids = [row["work"] for row in own]
        found[f"{source}: beat F, downbeat F"] = [
            mean([row[key] for row in own], ids).to_json() for key in ("beat", "downbeat")
        ]
    return found


def faults(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Tell how often which fault happens: the beat's length, the bar's, and where bars begin."""
    works = [row["work"] for row in rows]
    found = {
        name: mean([float(is_about(row["level"], level)) for row in rows], works).to_json()
        for name, level in (("beat of the right length", 1.0), ("beat twice as long", 2.0), ("beat half as long", 0.5))
    }
    sure = [row for row in rows if row["beat"] >= SURE]
    ids = [row["work"] for row in sure]
    for name, bar in (("right", 1.0), ("twice as long", 2.0), ("half as long", 0.5)):
        shares = [float(is_about(row["bar"], bar)) for row in sure]
        found[f"where beats are right, bar {name}"] = mean(shares, ids).to_json()
    whole = [row for row in sure if is_about(row["bar"], 1.0)]
    begun = [float(row["downbeat"] < 0.5) for row in whole]
    found["where beats and length of the bar are right, bars begin on another beat"] = mean(
        begun, [row["work"] for row in whole]
    ).to_json()
    return found


def _bars(metre: tuple[int, int]) -> tuple[int, int]:
    return SAME_BARS.get(metre, metre)


if __name__ == "__main__":
    main()
