"""What a composer tends to choose: a few weights by which ideas are put in order, moved a little by every choice.

An idea has features (`FEATURES`), each scaled so that ideas for one place usually differ by about one. Its worth is the
weighted sum. When one idea of several is chosen, the weights move along the gradient of the multinomial logit, the
usual model of choices (McFadden 1974; pairwise: Bradley & Terry 1952), and stay within `FARTHEST` of where they
started. They live in one small file on this machine, and nowhere else.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_config_path

from pianomuse.errors import cannot_write
from pianomuse.midi.write import set_aside, write_atomically
from pianomuse.reading import read_bounded

LOG = logging.getLogger(__name__)

FEATURES = ("likely", "joins", "near", "fuller", "closes")
START = {"likely": 0.5, "joins": 0.25, "near": 0.5, "fuller": 0.0, "closes": 0.0}
FARTHEST = 2.0
_STEP = 0.15
_FORMAT = 1
_MAX_FILE_BYTES = 2**20
_WORDS = {
    "likely": ("what one would expect", "what one would not expect"),
    "joins": ("what leads into the bars behind", "what does not lead into the bars behind"),
    "near": ("what stays close to the bars before", "what moves away from the bars before"),
    "fuller": ("more notes", "fewer notes"),
    "closes": ("closed endings", "open endings"),
}
_NOTICED = 0.1  # a weight that moved less than this is not spoken of

Features = Mapping[str, float]


@dataclass(frozen=True)
class Taste:
    """The weights, and how many choices moved them.

    Args:
        weights: one for each of `FEATURES`.
        n_choices: choices so far.

    """

    weights: Mapping[str, float] = field(default_factory=lambda: dict(START))
    n_choices: int = 0

    def worth(self, features: Features) -> float:
        """Return how much an idea is likely to be wanted; only differences between ideas of one place mean anything."""
        return sum(self.weights[name] * features[name] for name in FEATURES)

    def after(self, chosen: Features, others: Sequence[Features]) -> Taste:
        """Return the taste after an idea was chosen from among others; without others nothing is learnt."""
        if not others:
            return self
        rows = np.array([[features[name] for name in FEATURES] for features in (chosen, *others)])
        moved = np.array([self.weights[name] for name in FEATURES]) + _STEP * (rows[0] - self._expected(rows))
        start = np.array([START[name] for name in FEATURES])
        held = np.clip(moved, start - FARTHEST, start + FARTHEST)
        return replace(self, weights=dict(zip(FEATURES, held.tolist(), strict=True)), n_choices=self.n_choices + 1)

    def in_words(self) -> list[str]:
        """Say what was learnt, strongest first; empty where nothing is noticed yet."""
        moved = {name: self.weights[name] - START[name] for name in FEATURES}
        spoken = sorted((name for name in FEATURES if abs(moved[name]) >= _NOTICED), key=lambda name: -abs(moved[name]))
        return [f"you choose {_WORDS[name][moved[name] < 0]} ({moved[name]:+.2f})" for name in spoken]

    def save(self) -> Path:
        """Write the taste; the file is whole or as it was. Return its path.

        Raises:
            StorageError: it cannot be written.

        """
        path = taste_path()
        document = {"format": _FORMAT, "choices": self.n_choices, "weights": dict(self.weights)}
        try:
            return write_atomically(path, json.dumps(document, indent=1).encode())
        except OSError as error:
            raise cannot_write(path, error) from error

    def _expected(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the features of the idea that these weights would choose, on the average."""
        worth = rows @ np.array([self.weights[name] for name in FEATURES])
        shares = np.exp(worth - worth.max())
        expected: NDArray[np.float64] = (shares / shares.sum()) @ rows
        return expected


def taste_path() -> Path:
    """Return where the taste is kept: in `PIANOMUSE_CONFIG` if that is set, else where this system keeps settings."""
    folder = os.environ.get("PIANOMUSE_CONFIG")
    return (Path(folder) if folder else user_config_path("pianomuse", appauthor=False)) / "taste.json"


def load_taste() -> Taste:
    """Read the taste; where there is none, nothing was chosen yet.

    A file that cannot be read keeps nothing from working and is not written over: it is set aside, and that is said.
    """
    path = taste_path()
    try:
        document = json.loads(read_bounded(path, _MAX_FILE_BYTES))
        weights = {name: float(document["weights"][name]) for name in FEATURES}
        n_choices = int(document["choices"])
        if document["format"] != _FORMAT or not all(abs(w - START[name]) <= FARTHEST for name, w in weights.items()):
            raise ValueError("it is of another version, or its weights are such as no choices give")
    except (FileNotFoundError, NotADirectoryError):
        return Taste()
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        kept = set_aside(path)
        where = f"it is kept as {kept.name}, and choices are learnt anew" if kept else "mend or remove it"
        LOG.warning("%s, what was learnt from your choices, cannot be read (%s): %s.", path, reason, where)
        return Taste()
    return Taste(weights, n_choices)
