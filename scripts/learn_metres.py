"""Learn what `performance/metres.npz` knows about metres, from the training works of a corpus only.

    python scripts/learn_metres.py MIDI_DIR [--pieces 1600] [--steps 8000]

Counts how strikes follow one another in the scores (all training works), then performs some of them and trains a small
network to tell downbeats, middles of bars, other beats and the rest apart. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import csv
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from pianomuse.errors import MidiError
from pianomuse.evaluate.performer import Performance, perform
from pianomuse.midi.read import Piece, read_midi
from pianomuse.performance.clock import seconds_of
from pianomuse.performance.metres import CLASSES, FARTHEST, FILE, METRES, PLACES, bar_places, beat_places, classes_of
from pianomuse.performance.strikes import N_FEATURES, features, find_strikes
from pianomuse.tokens.quantise import spoken_metre

HIDDEN = 96
DROPOUT = 0.1
EXCLUDED = ("ccbysa/",)  # what the default model did not learn from either
MOST_STRIKES = 1500  # of a piece


def main() -> None:
    """Learn and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi_dir", type=Path)
    parser.add_argument("--scores", type=int, default=1500, help="that are counted")
    parser.add_argument("--pieces", type=int, default=1600, help="that are performed")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    names = training_names(options.midi_dir)
    names = [names[i] for i in np.random.default_rng(0).permutation(len(names))]
    tables = count(options.midi_dir, names[: options.scores])
    x, y = marked(options.midi_dir, names[: options.pieces])
    np.savez(options.out, **tables, **train(x, y, options.steps))
    print(f"{options.out}: {options.out.stat().st_size / 1024:.0f} KiB", file=sys.stderr)


def training_names(folder: Path) -> list[str]:
    """List the training files that are not kept for tuning."""
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    return [row["path"] for row in rows if not is_for_tuning(row["work_id"]) and not row["path"].startswith(EXCLUDED)]


def is_for_tuning(work_id: str) -> bool:
    """Tell whether a training work is kept for setting the tracker's constants: a tenth of them."""
    return zlib.crc32(work_id.encode()) % 10 == 0


def count(folder: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Count how strikes follow one another, by metre and place."""
    moves = {metre: np.zeros((bar_places(metre), FARTHEST + 1)) for metre in METRES}
    starts = {metre: np.zeros(bar_places(metre)) for metre in METRES}
    beat_s: dict[tuple[int, int], list[float]] = {metre: [] for metre in METRES}
    for name in names:
        try:
            piece = read_midi(folder / name)
        except MidiError:
            continue
        count_piece(piece, moves, starts, beat_s)
    tables: dict[str, np.ndarray] = {}
    by_beat = {beat: shared(moves, beat) for beat in {beat_places(metre) for metre in METRES}}
    for metre in METRES:
        label, places = f"{metre[0]}-{metre[1]}", bar_places(metre)
        own = moves[metre]
        backoff = by_beat[beat_places(metre)][np.arange(places) % beat_places(metre)]
        everywhere = np.full(FARTHEST + 1, 1 / FARTHEST)
        weight = 20.0
        smooth = own + weight * (0.97 * backoff + 0.03 * everywhere)
        smooth[:, 0] = 0
        smooth = 0.93 * smooth / smooth.sum(axis=1, keepdims=True)
        smooth[:, 0] = 0.07
        tables[f"moves-{label}"] = np.log(smooth).astype(np.float16)
        start = starts[metre] + 0.3 * (np.arange(places) % 3 == 0) + 3.0 * (np.arange(places) == 0) + 0.02
        tables[f"start-{label}"] = np.log(start / start.sum()).astype(np.float32)
        n_pieces = sum(map(len, beat_s.values()))
        tables[f"prior-{label}"] = np.float32(np.log((len(beat_s[metre]) + 3) / (n_pieces + 3 * len(METRES))))
        logs = np.log([*beat_s[metre], 0.4, 0.6, 0.9])
        tables[f"beat-{label}"] = np.array([np.median(logs), logs.std()], np.float32)
        print(label, len(beat_s[metre]), "pieces, beat", np.exp(tables[f"beat-{label}"]).round(2), file=sys.stderr)
    return tables


def count_piece(piece: Piece, moves: dict, starts: dict, beat_s: dict) -> None:
    """Count one score."""
    grid, quarter = piece.grid, piece.grid.ticks_per_quarter
    onset = np.unique(piece.score.tracks[0].notes.numpy()["time"].astype(np.int64))
    bar = np.array([grid.bar_at(int(tick)) for tick in onset])
    lines = np.array([grid.start_of(int(index)) for index in bar])
    place = np.round((onset - lines) * PLACES / quarter).astype(np.int64)
    step = np.round(np.diff(onset) * PLACES / quarter).astype(np.int64)
    metres = [spoken_metre(*grid.metre_of(int(index))) for index in bar]
    main = Counter(metres).most_common(1)[0][0]
    if main in moves:
        quarter_s = np.median([tempo.mspq for tempo in piece.score.tempos]) / 1e6
        beat_s[main].append(float(quarter_s * beat_places(main) / PLACES))
    for index, (metre, at) in enumerate(zip(metres, place, strict=True)):
        if bar[index] == 0 and grid.pickup_ticks:
            at = (
                bar_places(metre) - round((grid.start_of(1) - onset[index]) * PLACES / quarter) if metre in moves else 0
            )
            metre = metres[-1] if metre not in moves else metre
        if metre not in moves:
            continue
        places = bar_places(metre)
        if index == 0:
            starts[metre][at % places] += 1
        if index < len(step) and 1 <= step[index] <= FARTHEST:
            moves[metre][at % places, step[index]] += 1


def shared(moves: dict, beat: int) -> np.ndarray:
    """Return how strikes follow one another within a beat, over all metres with such beats."""
    total = np.zeros((beat, FARTHEST + 1)) + 0.01
    for metre, table in moves.items():
        if beat_places(metre) == beat:
            for place, row in enumerate(table):
                total[place % beat] += row
    return total / total.sum(axis=1, keepdims=True)


def marked(folder: Path, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Perform scores; return features and classes of their strikes."""
    rows, labels = [], []
    for seed, name in enumerate(names):
        try:
            piece = read_midi(folder / name)
            played = perform(piece, seed)
        except (MidiError, IndexError):
            continue
        if played.metre not in METRES or not played.in_one_metre:
            continue
        onset, end, pitch = seconds_of(read_midi(played.data))
        strikes = find_strikes(onset, end, pitch)
        rows.append(features(strikes)[:MOST_STRIKES])
        labels.append(label(strikes.seconds, played)[:MOST_STRIKES])
    return np.concatenate(rows), np.concatenate(labels)


def label(seconds: np.ndarray, played: Performance) -> np.ndarray:
    """Return the class of every strike, from the nearest beat if it is near enough."""
    beats = played.beats
    after = np.clip(np.searchsorted(beats, seconds), 1, len(beats) - 1)
    nearest = np.where(seconds - beats[after - 1] < beats[after] - seconds, after - 1, after)
    period = np.gradient(beats)[nearest]
    near = np.abs(seconds - beats[nearest]) < np.minimum(0.08, 0.14 * period)
    last_down = np.maximum.accumulate(np.where(played.is_downbeat, np.arange(len(beats)), -100))
    in_bar = np.arange(len(beats)) - last_down
    classes = classes_of(played.metre)[:: beat_places(played.metre)]
    of_beat = np.where((in_bar >= 0) & (in_bar < len(classes)), classes[np.clip(in_bar, 0, len(classes) - 1)], 2)
    return np.where(near, of_beat[nearest], 3)


def train(x: np.ndarray, y: np.ndarray, n_steps: int) -> dict[str, np.ndarray]:
    """Train the network that tells the classes apart."""
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-3
    x -= mean
    x /= spread
    data, target = torch.from_numpy(x), torch.from_numpy(y)
    net = torch.nn.Sequential(
        torch.nn.Linear(N_FEATURES, HIDDEN), torch.nn.ReLU(), torch.nn.Dropout(DROPOUT),
        torch.nn.Linear(HIDDEN, HIDDEN // 2), torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN // 2, CLASSES),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for step in range(n_steps):
        rows = torch.randint(len(data), (1024,))
        loss = torch.nn.functional.cross_entropy(net(data[rows]), target[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 500 == 0 or step == n_steps - 1:
            print(step, round(float(loss.detach()), 4), file=sys.stderr)
    first = net[0]
    with torch.no_grad():  # normalisation goes into the first layer
        weight = first.weight.T.numpy() / spread[:, None]
        bias = first.bias.numpy() - (mean / spread) @ first.weight.T.numpy()
    arrays = [weight, bias]
    for layer in (net[3], net[5]):
        arrays += [layer.weight.detach().T.numpy(), layer.bias.detach().numpy()]
    prior = np.log(np.bincount(y, minlength=CLASSES) / len(y)).astype(np.float32)
    return {**{f"layer-{i}": array.astype(np.float16) for i, array in enumerate(arrays)}, "class-prior": prior}


if __name__ == "__main__":
    main()
