"""Plot what the default model is trained on: `python scripts/plot_data.py DATASET` (needs `pip install matplotlib`).

Reads the training split of a prepared dataset, draws docs/pictures/data.png, and prints the table of
docs/data-card.md: what each collection is like, and how often training draws from it with the recipe's weights.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from pianomuse.data.batches import BatchMaker, BatchSettings
from pianomuse.data.store import PieceStore
from pianomuse.measure.passage import Passage, passage_of_ids
from pianomuse.measure.playability import unplayable_share

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "pictures" / "data.png"
WEIGHTS = "chopin=2,mutopia=2,lieder=0.8,pop909=0.8"  # of recipes/default.toml
EVERY = 4  # playability is looked at in every fourth piece


def main() -> None:
    """Read, plot, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--weights", default=WEIGHTS, help="folder_weights of the run")
    parser.add_argument("--out", type=Path, default=PICTURE)
    arguments = parser.parse_args()
    store = PieceStore(arguments.dataset, "train")
    drawn = BatchMaker(store, BatchSettings(folder_weights=arguments.weights)).probabilities
    collections: dict[str, list[Passage]] = defaultdict(list)
    shares: dict[str, float] = defaultdict(float)
    for piece, probability in zip(store, drawn, strict=True):
        name = piece.name.split("/", 1)[0]
        collections[name].append(passage_of_ids(piece.views["full"].ids, store.tokenizer.vocabulary))
        shares[name] += float(probability)
    plot(collections, shares, arguments.out)
    print_table(collections, shares)


def plot(collections: Mapping[str, list[Passage]], shares: Mapping[str, float], out: Path) -> None:
    """Draw six panels."""
    figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
    names = sorted(collections)
    colours = dict(zip(names, plt.get_cmap("tab10").colors, strict=False))
    spread: list[tuple[Any, str, Any, Any]] = [
        (axes[0, 0], "notes a bar", notes_a_bar, np.arange(0, 61, 2)),
        (axes[0, 1], "pitch (MIDI)", lambda music: music.pitch, np.arange(21, 110, 3)),
        (axes[0, 2], "notes struck together", chord_sizes, np.arange(1, 12)),
        (axes[1, 0], "bars a piece", lambda music: np.array([music.n_bars]), np.arange(0, 401, 20)),
        (axes[1, 1], "velocity", lambda music: music.velocity, np.arange(0, 129, 8)),
    ]
    for axis, title, values_of, edges in spread:
        for name in names:
            values = np.concatenate([values_of(music) for music in collections[name]])
            heights, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
            axis.stairs(heights / max(heights.sum(), 1), edges, label=name, color=colours[name])
        axis.set_title(title)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(frameon=False)
    notes = np.array([sum(music.n_notes for music in collections[name]) for name in names], dtype=float)
    places = np.arange(len(names))
    axes[1, 2].barh(places + 0.2, notes / notes.sum(), 0.4, color="0.75", label="of the notes")
    axes[1, 2].barh(
        places - 0.2, [shares[n] for n in names], 0.4, color=[colours[n] for n in names], label="of examples drawn"
    )
    axes[1, 2].set_yticks(places, names)
    axes[1, 2].set_title("of all notes (grey), of examples drawn")
    axes[1, 2].spines[["top", "right"]].set_visible(False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=80)


def print_table(collections: Mapping[str, list[Passage]], shares: Mapping[str, float]) -> None:
    """Print a row for every collection."""
    print("| collection | pieces | bars a piece, median | notes a bar, median | beyond two hands | drawn |")
    print("|---|---|---|---|---|---|")
    for name in sorted(collections):
        pieces = collections[name]
        bars = np.median([music.n_bars for music in pieces])
        notes = np.median(np.concatenate([notes_a_bar(music) for music in pieces]))
        beyond = np.mean([unplayable_share(music) for music in pieces[::EVERY]])
        print(f"| {name} | {len(pieces):,} | {bars:.0f} | {notes:.0f} | {beyond:.1%} | {shares[name]:.0%} |")


def notes_a_bar(music: Passage) -> np.ndarray[Any, Any]:
    """Return how many notes begin in every bar."""
    return np.bincount(music.bar_index, minlength=music.n_bars)


def chord_sizes(music: Passage) -> np.ndarray[Any, Any]:
    """Return how many notes begin together, for every onset."""
    return np.unique(music.onset, return_counts=True)[1]


if __name__ == "__main__":
    main()
