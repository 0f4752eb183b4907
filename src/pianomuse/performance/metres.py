"""What is known about metres: where in a bar strikes stand, how they follow one another, and what marks them.

Learnt by `scripts/learn_metres.py` from the training scores of the corpus, performed by `evaluate.performer`; the file
`metres.npz` keeps it. Places in a bar are twelfths of a quarter note.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pianomuse.midi.bars import Metre

PLACES = 12  # in a quarter note
FARTHEST = 96  # places from one strike to the next
METRES: tuple[Metre, ...] = ((4, 4), (3, 4), (2, 4), (6, 8), (3, 8), (12, 8), (9, 8))
CLASSES = 4  # downbeat, middle of a bar, other beat, between beats
FILE = Path(__file__).parent / "metres.npz"

Weights = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Tables and a small network.

    Args:
        moves: by metre, float32 [P, FARTHEST + 1], log-probability of moving on by d places to the next strike.
        start: by metre, float32 [P], log-probability of the first strike's place.
        prior: by metre, log-probability.
        beat: by metre, mean and standard deviation of the logarithm of a beat in seconds.
        layers: of the network from features to log-probabilities of classes: weights and biases in turn.
        class_prior: float32 [CLASSES], log-probability of the classes.

    """

    moves: dict[Metre, Weights]
    start: dict[Metre, Weights]
    prior: dict[Metre, float]
    beat: dict[Metre, tuple[float, float]]
    layers: tuple[Weights, ...]
    class_prior: Weights

    def marks(self, features: Weights) -> Weights:
        """Return by how much each class is likelier than usual: float32 [n, CLASSES], natural logarithm."""
        hidden = features
        for place in range(0, len(self.layers), 2):
            hidden = hidden @ self.layers[place] + self.layers[place + 1]
            if place + 2 < len(self.layers):
                hidden = np.maximum(hidden, 0)
        top = hidden.max(axis=1, keepdims=True)
        logs = hidden - top - np.log(np.exp(hidden - top).sum(axis=1, keepdims=True))
        marks: Weights = (logs - self.class_prior).astype(np.float32)
        return marks


@cache
def knowledge(path: Path = FILE) -> Knowledge:
    """Read the file."""
    with np.load(path, allow_pickle=False) as file:
        tables = {name: file[name] for name in file.files}
    names = {metre: f"{metre[0]}-{metre[1]}" for metre in METRES}
    beats = {metre: tables[f"beat-{name}"] for metre, name in names.items()}
    n_layers = sum(name.startswith("layer-") for name in tables)
    return Knowledge(
        moves={metre: tables[f"moves-{name}"].astype(np.float32) for metre, name in names.items()},
        start={metre: tables[f"start-{name}"] for metre, name in names.items()},
        prior={metre: float(tables[f"prior-{name}"]) for metre, name in names.items()},
        beat={metre: (float(middle), float(spread)) for metre, (middle, spread) in beats.items()},
        layers=tuple(tables[f"layer-{index}"].astype(np.float32) for index in range(n_layers)),
        class_prior=tables["class-prior"],
    )


def bar_places(metre: Metre) -> int:
    """Return how many places a bar has.

    >>> bar_places((6, 8))
    36
    """
    return metre[0] * 4 * PLACES // metre[1]


def beat_places(metre: Metre) -> int:
    """Return how many places a beat has.

    >>> beat_places((6, 8)), beat_places((3, 8)), beat_places((4, 4))
    (18, 6, 12)
    """
    compound = 3 if metre[1] >= 8 and metre[0] % 3 == 0 and metre[0] > 3 else 1
    return compound * 4 * PLACES // metre[1]


def classes_of(metre: Metre) -> NDArray[np.int64]:
    """Return the class of every place of a bar: int64 [P]."""
    places, beat = bar_places(metre), beat_places(metre)
    place = np.arange(places)
    found = np.where(place % beat == 0, 2, 3)
    if metre[0] in (4, 6, 12):
        found[places // 2] = 1
    found[0] = 0
    return found
