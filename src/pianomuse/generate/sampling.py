"""Drawing a token from logits: temperature, top-k, top-p, over what is allowed. Pure functions.

Two likelihoods are reported for a drawn token. ``log_prob`` is the model's own: full softmax over all tokens at
temperature 1, no mask; it is what bits per note are made of. ``sampling_log_prob`` is that of the distribution the
token was drawn from, after mask, temperature, top-k and top-p; it is 0 where only one token was possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import CheckpointError, RequestError


@dataclass(frozen=True)
class SamplingSettings:
    """How boldly tokens are drawn.

    Args:
        temperature: logits are divided by this; 0 takes the likeliest token always. 0.5-0.7 is conservative,
            0.8-0.9 balanced, 1.0-1.5 adventurous.
        top_p: the likeliest tokens whose probabilities reach this sum stay; 1 keeps all.
        top_k: this many of the likeliest tokens stay; 0 keeps all.

    """

    temperature: float = 0.9
    top_p: float = 0.95
    top_k: int = 0

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        if not 0.0 <= self.temperature <= 10.0:
            raise RequestError(
                f"temperature is {self.temperature}; choose 0 to 10, for example 0.9",
                "temperature_outside",
                value=self.temperature,
            )
        if not 0.0 < self.top_p <= 1.0:
            raise RequestError(
                f"top-p is {self.top_p}; choose above 0 and up to 1, for example 0.95",
                "top_p_outside",
                value=self.top_p,
            )
        if self.top_k < 0:
            raise RequestError(
                f"top-k is {self.top_k}; choose 0 (keep all) or more", "top_k_negative", value=self.top_k
            )


class Draw(NamedTuple):
    """One drawn token and its log-probabilities (natural logarithm)."""

    id: int
    log_prob: float
    sampling_log_prob: float


def idea_generator(seed: int, idea: int, draft: int = 0) -> np.random.Generator:
    """Return the generator of a draft of idea ``idea`` (both 0-based) of a seed; it depends on nothing else."""
    return np.random.default_rng([seed, idea, draft] if draft else [seed, idea])


def sample(
    logits: NDArray[np.float32], allowed: NDArray[np.bool_], settings: SamplingSettings, rng: np.random.Generator
) -> Draw:
    """Draw one allowed token.

    Args:
        logits: float32 [V].
        allowed: bool [V], at least one true.
        settings: temperature, top-p, top-k.
        rng: one number is taken from it, unless only one token is allowed or the temperature is 0.

    Raises:
        CheckpointError: the logits of the allowed tokens are not finite numbers.

    >>> draw = sample(np.zeros(3, np.float32), np.array([False, True, False]), SamplingSettings(), idea_generator(1, 0))
    >>> draw.id, draw.sampling_log_prob, round(draw.log_prob, 4)
    (1, 0.0, -1.0986)
    """
    ids = np.flatnonzero(allowed)
    scores = logits[ids].astype(np.float64)
    best = int(scores.argmax())
    if not np.isfinite(scores[best]):
        raise CheckpointError(
            "the model's logits are not finite numbers; the weights are damaged, load others", "weights_damaged"
        )
    if len(ids) == 1 or settings.temperature == 0.0:
        return Draw(int(ids[best]), log_softmax_at(logits, int(ids[best])), 0.0)
    kept, probabilities = distribution(scores, settings)
    cumulative = np.cumsum(probabilities)
    drawn = min(int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")), len(kept) - 1)
    token = int(ids[kept[drawn]])
    return Draw(token, log_softmax_at(logits, token), float(np.log(probabilities[drawn])))


def distribution(
    scores: NDArray[np.float64], settings: SamplingSettings
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return which scores stay, likeliest first, and their probabilities; temperature must not be 0.

    Equal scores keep their order, so that the result never depends on a sorting algorithm. Top-k comes before top-p;
    the token with which the sum reaches top-p stays, so at least one always does.
    """
    order = np.argsort(-scores, kind="stable")
    if settings.top_k:
        order = order[: settings.top_k]
    top = scores[order]
    weights = np.exp((top - top[0]) / settings.temperature)
    weights /= weights.sum()
    if settings.top_p < 1.0:
        n_kept = int(np.searchsorted(np.cumsum(weights), settings.top_p, side="left")) + 1
        order, weights = order[:n_kept], weights[:n_kept]
        weights = weights / weights.sum()
    return order, weights


def log_softmax_at(logits: NDArray[np.float32], token: int) -> float:
    """Return the log-probability of one token under the full softmax; sums in float64."""
    highest = logits.max()
    total = np.exp(logits - highest).sum(dtype=np.float64)
    return float(logits[token] - highest) - float(np.log(total))


def fold(logits: NDArray[np.float32], sources: NDArray[np.intp], target: int) -> NDArray[np.float32]:
    """Return logits in which ``target`` has the probability of all ``sources`` together and those have none.

    The normaliser of the softmax stays as it was.

    Args:
        logits: float32 [V].
        sources: ids, ``target`` among them.
        target: the id that receives their probability.

    """
    folded = logits.copy()
    folded[sources] = -np.inf
    folded[target] = np.logaddexp.reduce(logits[sources].astype(np.float64))
    return folded
