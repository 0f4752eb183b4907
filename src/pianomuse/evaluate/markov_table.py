"""The Markov reference as one small file: pruned, rounded, and what that costs written beside it.

Of all n-grams the ones are kept that save most bits on the training text (count times log2 of the ratio of their
probability with and without the n-gram, after Seymore & Rosenfeld 1996). The probability of what is dropped goes to the
shorter contexts, so the distribution still sums to one: γ of a context is one minus the shares kept. Shares are stored
in sixteenths of a bit, γ in 1/65,535, n-grams as 40 bits of their hash (a false hit about once in a million look-ups),
written as differences of sorted hashes, one plane per byte, and deflated by NumPy's own `.npz`.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import CheckpointError
from pianomuse.evaluate.markov import Floats, Hashes, Ids, Level, MarkovModel, lay_out, level_at_places
from pianomuse.midi.write import write_atomically
from pianomuse.tokens.vocabulary import require_same

HASH_BITS = 40
FORMAT = 1
MAX_FILE_BYTES = 64_000_000
MAX_ENTRIES = 20_000_000
_STEPS_PER_BIT = 16
_MAX_SHARE_CODE = 255
_REST_SCALE = 65_535
_DISCOUNT = 0.75  # of a count when the saving of an n-gram is estimated from the text it was counted in


def prune(model: MarkovModel, savings: Sequence[Floats], max_entries: int) -> MarkovModel:
    """Keep the n-grams that save most on the training text.

    Args:
        model: what is to be made smaller.
        savings: from `find_savings`.
        max_entries: n-grams to keep over all lengths; those of length 1 are always kept.

    """
    longer = np.concatenate([np.zeros(0), *savings[1:]])
    n_wanted = max_entries - len(savings[0])
    if n_wanted < len(longer):
        least = np.partition(longer, len(longer) - n_wanted)[len(longer) - n_wanted] if n_wanted > 0 else np.inf
    else:
        least = -np.inf
    levels = []
    for n, (level, saving) in enumerate(zip(model.levels, savings, strict=True)):
        codes = _share_codes(level.shares)
        kept = (codes <= _MAX_SHARE_CODE) & ((saving >= max(least, 0.0)) | (n == 0))
        levels.append(_shorten(level, kept, codes))
    return MarkovModel(tuple(levels), model.vocab_size, HASH_BITS)


def find_savings(model: MarkovModel, pieces: Sequence[Ids]) -> list[Floats]:
    """Return how many bits every n-gram saves on the pieces it was counted in: per level float64 [m]."""
    ids, places = lay_out(pieces)
    chances = np.full(len(ids), 1 / model.vocab_size)
    savings = []
    for n, level in enumerate(model.levels, start=1):
        inside, at, share, rest = level_at_places(level, ids, places, n)
        lower = rest * chances[inside]
        ratio = np.zeros(len(level.keys))
        ratio[at] = np.log2((share + lower) / lower)
        counts = np.bincount(at, minlength=len(level.keys))
        savings.append(np.maximum(counts - _DISCOUNT, 0.0) * ratio)
        chances[inside] = share + lower
    return savings


def _shorten(level: Level, kept: NDArray[np.bool_], codes: NDArray[np.int64]) -> Level:
    """Return a level of the kept n-grams only, with short hashes and rounded shares."""
    order = np.flatnonzero(kept)
    owner = level.owners[order]
    shares = _shares_of(codes[order])
    sums = np.bincount(owner, weights=shares, minlength=len(level.contexts))
    rests = np.floor(np.maximum(1 - sums, 0.0) * _REST_SCALE) / _REST_SCALE
    has_any = np.bincount(owner, minlength=len(level.contexts)) > 0
    shift = np.uint64(64 - HASH_BITS)
    contexts = level.contexts[has_any] >> shift
    new_owner = (np.cumsum(has_any) - 1)[owner].astype(np.int32)
    return Level(level.keys[order] >> shift, shares, contexts, rests[has_any], new_owner)


def _share_codes(shares: Floats) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = np.ceil(-np.log2(np.maximum(shares, 1e-12)) * _STEPS_PER_BIT - 1e-6).astype(np.int64)
    return codes


def _shares_of(codes: NDArray[np.integer]) -> Floats:
    return np.asarray(2.0 ** (-codes.astype(np.float64) / _STEPS_PER_BIT))


def save_markov(model: MarkovModel, path: str | Path, facts: Mapping[str, Any]) -> int:
    """Write a pruned model and what is known about it; return the size in bytes.

    Args:
        model: from `prune`.
        path: the file, `.npz`.
        facts: JSON for `load_markov`, at least ``vocabulary`` (its fingerprint).

    """
    header = {"format": FORMAT, "order": model.order, "vocab_size": model.vocab_size, **facts}
    arrays: dict[str, Any] = {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)}
    for n, level in enumerate(model.levels, start=1):
        arrays[f"keys{n}"] = _pack(level.keys)
        arrays[f"shares{n}"] = _share_codes(level.shares).astype(np.uint8)
        arrays[f"contexts{n}"] = _pack(level.contexts)
        arrays[f"rests{n}"] = np.round(level.rests * _REST_SCALE).astype(np.uint16).reshape(-1, 1).view(np.uint8).T
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(path, buffer.getvalue())
    return len(buffer.getvalue())


def load_markov(path: str | Path, vocabulary_fingerprint: str) -> tuple[MarkovModel, dict[str, Any]]:
    """Read what `save_markov` wrote: the model and its facts.

    Raises:
        CheckpointError: missing, damaged or too large.
        VocabularyError: counted with another vocabulary.

    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise CheckpointError(f"{path}: too large for a Markov table; build one with `make reference-markov`")
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            facts = json.loads(bytes(stored["header"]))
            require_same(str(facts["vocabulary"]), vocabulary_fingerprint, f"the Markov reference {path}")
            levels = tuple(_read_level(stored, n) for n in range(1, int(facts["order"]) + 1))
            return MarkovModel(levels, int(facts["vocab_size"]), HASH_BITS), facts
    except OSError as error:
        what = error.strerror or str(error)
        raise CheckpointError(f"{path}: {what}; build the Markov reference with `make reference-markov`") from None
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: damaged ({error}); build it again with `make reference-markov`") from None


def _read_level(stored: Mapping[str, NDArray[Any]], n: int) -> Level:
    keys, contexts = _unpack(stored[f"keys{n}"]), _unpack(stored[f"contexts{n}"])
    codes, rests = stored[f"shares{n}"], stored[f"rests{n}"]
    if len(codes) != len(keys) or rests.shape != (2, len(contexts)) or len(keys) > MAX_ENTRIES:
        raise ValueError(f"arrays of length {n} do not belong together")
    numbers = np.ascontiguousarray(rests.T).view(np.uint16).reshape(-1)
    return Level(keys, _shares_of(codes), contexts, numbers / _REST_SCALE, np.zeros(0, dtype=np.int32))


def _pack(hashes: Hashes) -> NDArray[np.uint8]:
    """Return differences of sorted 40-bit hashes as byte planes: uint8 [5, m]."""
    steps = np.diff(hashes, prepend=np.uint64(0)).astype("<u8")
    return np.ascontiguousarray(steps.view(np.uint8).reshape(-1, 8)[:, : HASH_BITS // 8].T)


def _unpack(planes: NDArray[np.uint8]) -> Hashes:
    if planes.ndim != 2 or len(planes) != HASH_BITS // 8:
        raise ValueError("hashes have another width")
    steps = np.zeros((planes.shape[1], 8), dtype=np.uint8)
    steps[:, : HASH_BITS // 8] = planes.T
    return np.cumsum(steps.view("<u8").reshape(-1), dtype=np.uint64)
