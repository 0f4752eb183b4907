"""What does it gain to write the last bar of a fill several times, and what does it cost?

    python benchmarks/last_bar.py MIDI_DIR [--exclude ccbysa] [--pieces 60] [--model CKPT] [--drafts 1 3]

Fills the gaps of `evaluate --measures infill` with each number of drafts. For every task and number: the roughness of
both joins (pianomuse.measure.join), the share of notes in common with the truth, and seconds to write four ideas; with
the difference to the first number and its 95 % interval over works. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from pianomuse.api import load
from pianomuse.evaluate.bootstrap import mean
from pianomuse.evaluate.tasks import INFILLS, Place, Task, find_place, write_ideas
from pianomuse.evaluate.works import load_works
from pianomuse.generate.joins import Joins
from pianomuse.measure.agreement import oracle_and_mean_f1
from pianomuse.measure.join import all_jumps, join_roughness, jumps_at
from pianomuse.measure.passage import Passage
from pianomuse.tokens.tokenizer import PianoTokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi", type=Path)
    parser.add_argument("--exclude", nargs="*", default=[])
    parser.add_argument("--pieces", type=int, default=60)
    parser.add_argument("--model", default="default")
    parser.add_argument("--drafts", type=int, nargs="+", default=[1, 3])
    options = parser.parse_args()
    works = load_works(options.midi, exclude=tuple(options.exclude), n_pieces=options.pieces).works
    engine, tokenizer = load(options.model).engine, PianoTokenizer()
    results: dict[str, Any] = {}
    for task in INFILLS:
        places = [place for place in (find_place(work, task) for work in works) if place is not None]
        usual = [all_jumps(place.work.music) for place in places]
        rows: dict[int, list[dict[str, float]]] = {n: [] for n in options.drafts}
        for place, jumps in zip(places, usual, strict=True):
            for n in options.drafts:
                Joins.n_drafts = n
                started = time.perf_counter()
                ideas = write_ideas(engine, tokenizer, place, task, n_ideas=4, seed=1)
                seconds = time.perf_counter() - started
                rows[n].append(measured(place, task, [idea.music for idea in ideas], jumps) | {"seconds": seconds})
        results[task.name] = compared(rows, [place.work.work_id for place in places])
        for n, found in results[task.name].items():
            print(task.name, n, json.dumps(found), flush=True)
    print(json.dumps(results))


def measured(place: Place, task: Task, ideas: list[Passage], usual: Any) -> dict[str, float]:
    """Return the mean of each measure over the ideas of a place."""
    whole, first, after = place.work.music, place.first_bar, place.first_bar + place.n_bars
    joins = [
        (
            join_roughness(jumps_at(whole.bars(first - 1, first).then(music), 1), usual),
            join_roughness(jumps_at(music.then(whole.bars(after, after + 1)), task.n_bars), usual),
        )
        for music in ideas
    ]
    best, middle = oracle_and_mean_f1(place.truth, ideas)
    before, behind = np.array(joins).T
    means = {"before": mean_of(before), "behind": mean_of(behind), "both": mean_of(np.array(joins).ravel())}
    return means | {"best_f1": best, "f1": middle}


def mean_of(values: Any) -> float:
    """Return the mean of the numbers among them."""
    numbers = values[~np.isnan(values)]
    return float(numbers.mean()) if len(numbers) else float("nan")


def compared(rows: dict[int, list[dict[str, float]]], works: list[str]) -> dict[str, Any]:
    """Return each measure of each number of drafts, and its difference to the first number's."""
    first = next(iter(rows.values()))
    found: dict[str, Any] = {}
    for n, mine in rows.items():
        found[str(n)] = {name: mean([row[name] for row in mine], works).to_json() for name in mine[0]}
        if mine is not first:
            pairs = list(zip(mine, first, strict=True))
            more = {name: mean([a[name] - b[name] for a, b in pairs], works).to_json() for name in mine[0]}
            found[str(n)]["more"] = more
    return found


if __name__ == "__main__":
    main()
