"""What is the order of ideas worth? Ideas for places whose true music is known, ranked, and held against it.

    python benchmarks/ranking.py MIDI_DIR [--pieces 40] [--ideas 8] [--exclude ccbysa]

For continuation and fill of four bars in the middle of works that the model never saw: the note F1 with the true bars
(one-to-one, sixteenths) of the first idea, of the mean and of the best; and how far each figure orders the ideas of one
place as F1 does (mean rank correlation over places, 95 % interval by bootstrap). Also the spread of each figure among
the ideas of one place, by which `pianomuse.generate.ranking` scales them. Writes benchmarks/results/ranking.json.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np

from pianomuse.api import Muse, load
from pianomuse.evaluate.works import Work, load_works
from pianomuse.generate.ideas import Candidate
from pianomuse.measure.agreement import note_f1
from pianomuse.measure.passage import passage_of_score

ROOT = Path(__file__).resolve().parents[1]
BARS, LEAST_BARS = 4, 16
FIGURES = ("log_prob_per_note", "following_log_prob_per_note", "nearness", "fullness")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi", type=Path)
    parser.add_argument("--pieces", type=int, default=40)
    parser.add_argument("--ideas", type=int, default=8)
    parser.add_argument("--exclude", default="")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "ranking.json")
    arguments = parser.parse_args()
    exclude = tuple(filter(None, arguments.exclude.split(",")))
    everything = load_works(arguments.midi, exclude=exclude).works
    works = [work for work in everything if work.music.n_bars >= LEAST_BARS]
    chosen = [works[place] for place in np.linspace(0, len(works) - 1, arguments.pieces).round().astype(int)]
    muse = load()
    results: dict[str, Any] = {}
    for task in ("continuation", "fill"):
        rows = [row for work in chosen if (row := judged(muse, work, task, arguments.ideas)) is not None]
        results[task] = summary(rows)
        print(task, json.dumps(results[task], indent=1), flush=True)
    machine = {"processor": platform.processor() or platform.machine(), "system": platform.platform()}
    command = f"python benchmarks/ranking.py MIDI_DIR --pieces {arguments.pieces} --ideas {arguments.ideas}"
    document = {"machine": machine, "command": command, "results": results}
    arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def judged(muse: Muse, work: Work, task: str, n_ideas: int) -> dict[str, list[float]] | None:
    """Return F1 and figures of the ideas for the middle of a work, in their order; None where there is no music."""
    at_bar = work.music.n_bars // 2
    truth = work.music.bars(at_bar, at_bar + BARS)
    if truth.n_notes == 0:
        return None
    options: dict[str, Any] = {"candidates": n_ideas, "seed": 1}
    if task == "fill":
        ideas = muse.fill(work.piece, at_bar + 1, at_bar + BARS, **options)
    else:
        ideas = muse.complete(work.piece, at_bar=at_bar, bars=BARS, **options)
    scores = [note_f1(truth, passage_of_score(idea.score, muse.tokenizer, n_bars=BARS)) for idea in ideas]
    return {"f1": scores, **{name: [figure(idea, name) for idea in ideas] for name in FIGURES}}


def figure(idea: Candidate, name: str) -> float:
    """Return a figure of an idea; NaN where it has none."""
    value = getattr(idea.figures, name)
    return float("nan") if value is None else float(value)


def summary(rows: list[dict[str, list[float]]]) -> dict[str, Any]:
    """Return means over places, with intervals."""
    found: dict[str, Any] = {
        "places": len(rows),
        "f1_first": interval([row["f1"][0] for row in rows]),
        "f1_mean": interval([float(np.mean(row["f1"])) for row in rows]),
        "f1_best": interval([max(row["f1"]) for row in rows]),
        "first_less_mean": interval([row["f1"][0] - float(np.mean(row["f1"])) for row in rows]),
    }
    for name in FIGURES:
        usable = [row for row in rows if len(row["f1"]) > 2 and not np.isnan(row[name]).any()]
        if usable:
            found[f"agreement of {name}"] = interval([rank_correlation(row[name], row["f1"]) for row in usable])
            found[f"spread of {name}"] = float(np.mean([np.std(row[name]) for row in usable]))
    return found


def rank_correlation(first: list[float], second: list[float]) -> float:
    """Return Spearman's rho; 0 where one side has no order."""
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (first, second)]
    if np.std(first) == 0 or np.std(second) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def interval(values: list[float]) -> list[float]:
    """Return the mean and its 95 % interval by bootstrap over places."""
    rng = np.random.default_rng(0)
    array = np.array(values)
    means = array[rng.integers(len(array), size=(2000, len(array)))].mean(axis=1)
    return [round(float(value), 4) for value in (array.mean(), *np.percentile(means, [2.5, 97.5]))]


if __name__ == "__main__":
    main()
