"""The Markov reference: an interpolated n-gram model over the same tokens, as strong as counting gets.

    P_n(w | h) = p_n(w | h) + γ_n(h) · P_{n−1}(w | h'),   P_0 = uniform

where h is the n − 1 tokens before w, h' is h without its first, and h never reaches over the beginning of a piece.
Two ways of counting are built and the better one on held-out works of the training split is taken, with its best order:

- Witten–Bell (Witten & Bell 1991, method C): p = c(hw) / (c(h) + t(h)), γ = t(h) / (c(h) + t(h)), t the number of
  different tokens seen after h.
- Modified Kneser–Ney (Chen & Goodman 1999): discounts D1, D2, D3+ from counts of counts, and below the highest order
  the number of different tokens seen before hw in place of c(hw).

Counts live in sorted arrays of 64-bit hashes of n-grams; with 15 million tokens two of them collide with a probability
of about 10⁻⁵. `MarkovModel` is an engine as generation knows it (pianomuse.evaluate.markov_engine), so the same grammar
and the same limits hold for what it writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Floats = NDArray[np.float64]
Ids = NDArray[np.integer]
Method = Literal["kneser-ney", "witten-bell"]
METHODS: tuple[Method, ...] = get_args(Method)

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


@dataclass(frozen=True, eq=False)
class Level:
    """All n-grams of one length.

    Args:
        keys: uint64 [m], sorted hashes of the n-grams.
        shares: float64 [m], p of each.
        contexts: uint64 [c], sorted hashes of what stands before the last token.
        rests: float64 [c], γ of each; a context that is not listed has p = 0 and γ = 1.
        owners: int32 [m], for each n-gram the index of its context; empty in a table that was read from a file.

    """

    keys: Hashes
    shares: Floats
    contexts: Hashes
    rests: Floats
    owners: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class MarkovModel:
    """An interpolated Markov model.

    Args:
        levels: for n = 1 … order.
        vocab_size: number of tokens V.
        hash_bits: how many of the upper bits of a hash the levels keep.

    """

    levels: tuple[Level, ...]
    vocab_size: int
    hash_bits: int = 64

    @property
    def order(self) -> int:
        """Length of the longest n-gram: the token and what is looked at before it."""
        return len(self.levels)

    def bits(self, ids: Ids) -> Floats:
        """Return −log2 P of every token given those before it: float64 [T]."""
        chances = np.full(len(ids), 1 / self.vocab_size)
        for n, level in enumerate(self.levels, start=1):
            chances = _interpolate(level, n, ids, chances, self.hash_bits)
        bits: Floats = -np.log2(chances)
        return bits

    def distribution(self, history: Ids) -> Floats:
        """Return P of every token after a history: float64 [V]."""
        chances = np.full(self.vocab_size, 1 / self.vocab_size)
        tokens = np.arange(self.vocab_size)
        for n, level in enumerate(self.levels, start=1):
            if len(history) < n - 1:
                break
            context = _hash_windows(history[len(history) - n + 1 :], n - 1)[:1]
            rest, is_known = _look_up(level.contexts, level.rests, self._short(context))
            if is_known[0]:
                share, _ = _look_up(level.keys, level.shares, self._short(_append(context, tokens)))
                chances = share + rest[0] * chances
        return chances

    def _short(self, hashes: Hashes) -> Hashes:
        return hashes >> np.uint64(64 - self.hash_bits)


def train_markov(pieces: Sequence[Ids], vocab_size: int, order: int, method: Method = "kneser-ney") -> MarkovModel:
    """Count n-grams and make the model.

    Args:
        pieces: ids of each piece, from BOS on.
        vocab_size: number of tokens V.
        order: length of the longest n-grams, at least 1.
        method: how to discount.

    """
    ids, places = lay_out(pieces)
    levels = []
    for n in range(1, order + 1):
        counts = (
            _continuations(ids, places, n) if method == "kneser-ney" and n < order else _occurrences(ids, places, n)
        )
        levels.append(_level(*counts, method=method))
    return MarkovModel(tuple(levels), vocab_size)


def held_out_bits(
    pieces: Sequence[Ids], held_out: Sequence[Ids], vocab_size: int, max_order: int, method: Method
) -> list[float]:
    """Return the bits per token on held-out pieces of the models of order 1 … max_order trained on the others."""
    ids, places = lay_out(pieces)
    totals = np.zeros(max_order)
    shorter = [np.full(len(piece), 1 / vocab_size) for piece in held_out]
    for n in range(1, max_order + 1):
        top = _level(*_occurrences(ids, places, n), method=method)
        totals[n - 1] = sum(-np.log2(_interpolate(top, n, p, c)).sum() for p, c in zip(held_out, shorter, strict=True))
        if n < max_order:
            below = top if method == "witten-bell" else _level(*_continuations(ids, places, n), method=method)
            shorter = [_interpolate(below, n, p, c) for p, c in zip(held_out, shorter, strict=True)]
    n_tokens = sum(map(len, held_out))
    return [float(total) / n_tokens for total in totals]


def lay_out(pieces: Sequence[Ids]) -> tuple[Ids, Ids]:
    """Put pieces one after another: their ids, and the place of each id within its piece."""
    return np.concatenate(list(pieces)).astype(np.int64), np.concatenate([np.arange(len(piece)) for piece in pieces])


def _interpolate(level: Level, n: int, ids: Ids, chances: Floats, hash_bits: int = 64) -> Floats:
    """Return P_n of every token of a piece from its P_{n−1}, float64 [T]."""
    if len(ids) < n:
        return chances
    shift = np.uint64(64 - hash_bits)
    context = _hash_windows(ids, n - 1)[: len(ids) - n + 1]
    share, _ = _look_up(level.keys, level.shares, _append(context, ids[n - 1 :]) >> shift)
    rest, is_known = _look_up(level.contexts, level.rests, context >> shift)
    mixed = share * is_known + np.where(is_known, rest, 1.0) * chances[n - 1 :]
    return np.concatenate([chances[: n - 1], mixed])


def level_at_places(
    level: Level, ids: Ids, places: Ids, n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]:
    """Look up every n-gram of the text a level was counted in.

    Args:
        level: of n-grams of length n.
        ids: the pieces one after another.
        places: of each id, its index within its piece.
        n: length of the n-grams.

    Returns:
        Where in the text the n-grams end, their indices in the level, their p, and γ of their contexts.

    """
    _, key = _ngrams(ids, places, n)
    at = np.searchsorted(level.keys, key)
    ends = np.flatnonzero(places[n - 1 :] >= n - 1) + n - 1
    return ends, at, level.shares[at], level.rests[level.owners[at]]


def _occurrences(ids: Ids, places: Ids, n: int) -> tuple[Hashes, Hashes, Floats]:
    """Return the different n-grams with their contexts and counts: uint64 [m], uint64 [m], float64 [m]."""
    context, key = _ngrams(ids, places, n)
    keys, first, counts = np.unique(key, return_index=True, return_counts=True)
    return keys, context[first], counts.astype(np.float64)


def _continuations(ids: Ids, places: Ids, n: int) -> tuple[Hashes, Hashes, Floats]:
    """Return the different n-grams with contexts and the number of tokens seen before each.

    An n-gram at the beginning of a piece has nothing before it; its beginnings count once.
    """
    longer = _hash_windows(ids, n + 1)
    longer, first = np.unique(longer[places[n:] >= n], return_index=True)
    ends = np.flatnonzero(places[n:] >= n)[first] + n
    windows = _hash_windows(ids, n - 1)[: len(ids) - n + 1]
    context = np.concatenate([windows[ends - n + 1], windows[places[: len(windows)] == 0]])
    last = np.concatenate([ids[ends], ids[n - 1 :][places[: len(windows)] == 0]])
    key = _append(context, last)
    n_inner = len(ends)
    # Beginnings of pieces are one kind of "token before", however many pieces begin so.
    begins, begin_at = np.unique(key[n_inner:], return_index=True)
    key = np.concatenate([key[:n_inner], begins])
    context = np.concatenate([context[:n_inner], context[n_inner:][begin_at]])
    keys, at, counts = np.unique(key, return_index=True, return_counts=True)
    return keys, context[at], counts.astype(np.float64)


def _ngrams(ids: Ids, places: Ids, n: int) -> tuple[Hashes, Hashes]:
    """Return context and n-gram hashes of all windows of n tokens inside a piece."""
    inside = places[n - 1 :] >= n - 1
    context = _hash_windows(ids, n - 1)[: len(ids) - n + 1][inside]
    return context, _append(context, ids[n - 1 :][inside])


def _level(keys: Hashes, context: Hashes, counts: Floats, *, method: Method) -> Level:
    contexts, group = np.unique(context, return_inverse=True)
    owners = group.astype(np.int32)
    totals = np.bincount(group, weights=counts, minlength=len(contexts))
    if method == "witten-bell":
        kinds = np.bincount(group, minlength=len(contexts)).astype(np.float64)
        return Level(keys, counts / (totals + kinds)[group], contexts, kinds / (totals + kinds), owners)
    discount = _discounts(counts)[np.minimum(counts, 3).astype(np.int64) - 1]
    taken = np.bincount(group, weights=discount, minlength=len(contexts))
    return Level(keys, (counts - discount) / totals[group], contexts, taken / totals, owners)


def _discounts(counts: Floats) -> Floats:
    """Return D1, D2, D3+ by Chen & Goodman's formula; 0.5, 1, 1.5 where counts of counts cannot give them."""
    n1, n2, n3, n4 = (float((counts == c).sum()) for c in (1, 2, 3, 4))
    if min(n1, n2, n3, n4) == 0:
        return np.array([0.5, 1.0, 1.5])
    y = n1 / (n1 + 2 * n2)
    found = np.array([1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    clipped: Floats = np.clip(found, 0.05, [0.95, 1.95, 2.95])
    return clipped


def _hash_windows(ids: Ids, n: int) -> Hashes:
    """Return a hash of every window of n ids, read from left to right: uint64 [T − n + 1]; all equal for n = 0."""
    length = len(ids) - n + 1
    hashes = np.full(length, n + 1, dtype=np.uint64)
    for place in range(n):
        hashes = _append(hashes, ids[place : place + length])
    return hashes


def _append(hashes: Hashes, ids: Ids) -> Hashes:
    mixed = (hashes * _FACTOR + np.asarray(ids).astype(np.uint64) + np.uint64(1)) * _MIX
    scrambled: Hashes = mixed ^ (mixed >> np.uint64(29))
    return scrambled * _FACTOR


def _look_up(keys: Hashes, values: Floats, wanted: Hashes) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the value of each wanted key, 0 where it is missing, and whether it is there."""
    if len(keys) == 0:
        return np.zeros(len(wanted)), np.zeros(len(wanted), dtype=bool)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    is_known = keys[at] == wanted
    return np.where(is_known, values[at], 0.0), is_known
