"""N → M windows of bars, and the dataset that a training loop of one's own can read.

``[N bars context] → [M bars completion]``, sliding by bars. Notes that ring across the cut, and a pedal held across
it, belong to the context and need no special treatment: a token says where a note begins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pianomuse.errors import DatasetError
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import require_same

if TYPE_CHECKING:
    import torch

IGNORE = -100
_FORMAT = 1


@dataclass(frozen=True)
class Pair:
    """A context and its completion, both music ids (int32); the context begins with metre and tempo in force."""

    context: NDArray[np.int32]
    completion: NDArray[np.int32]


def create_context_completion_pairs(
    ids: ArrayLike,
    tokenizer: PianoTokenizer,
    n_context_bars: int = 4,
    n_completion_bars: int = 2,
    step: int = 1,
) -> list[Pair]:
    """Cut a piece into windows of ``n_context_bars`` and the ``n_completion_bars`` after them.

    The last window runs to the end of the piece; a piece shorter than both together gives none.

    Args:
        ids: music ids of a piece, int [T].
        tokenizer: finds the bars.
        n_context_bars: N, at least 1.
        n_completion_bars: M, at least 1.
        step: bars between the beginnings of windows, at least 1.

    Raises:
        ValueError: a number of bars or the step is less than 1.

    """
    if min(n_context_bars, n_completion_bars, step) < 1:
        raise ValueError("n_context_bars, n_completion_bars and step must be 1 or more")
    array = np.asarray(ids, dtype=np.int32)
    bars = [*tokenizer.find_bar_indices(array).tolist(), len(array)]
    pairs = []
    for first in range(0, len(bars) - 1 - n_context_bars - n_completion_bars + 1, step):
        begin, cut = bars[first], bars[first + n_context_bars]
        last = first + step + n_context_bars + n_completion_bars > len(bars) - 1
        end = len(array) if last else bars[first + n_context_bars + n_completion_bars]
        # The metre of a bar stands right after its Bar token, the tempo before it.
        head = tokenizer.extract_metadata_tokens(array, begin)
        metre = int(array[begin + 1]) if begin + 1 < cut else None
        if metre is not None and tokenizer.vocabulary.kind(metre) == "TimeSig":
            head = [metre, *head[-1:]] if head else [metre]
        pairs.append(Pair(np.concatenate([np.array(head, dtype=np.int32), array[begin:cut]]), array[cut:end]))
    return pairs


def save_dataset(pairs: Iterable[Pair], path: str | Path, tokenizer: PianoTokenizer) -> int:
    """Write pairs as JSON Lines, a header line first; return how many were written."""
    from pianomuse.midi.write import write_atomically

    header = {"format": _FORMAT, "kind": "pianomuse-pairs", "vocabulary": tokenizer.vocabulary.fingerprint}
    lines = [json.dumps(header)]
    lines += [json.dumps({"context": p.context.tolist(), "completion": p.completion.tolist()}) for p in pairs]
    write_atomically(Path(path), ("\n".join(lines) + "\n").encode())
    return len(lines) - 1


def load_dataset(path: str | Path) -> list[Pair]:
    """Read what `save_dataset` wrote.

    Raises:
        DatasetError: the file is missing or damaged; the line is named.
        VocabularyError: made with another vocabulary.

    """
    tokenizer = PianoTokenizer()
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); give a file written by save_dataset") from None
    documents = [_parse(path, number, line) for number, line in enumerate(lines, start=1)]
    if not documents or documents[0].get("kind") != "pianomuse-pairs" or documents[0].get("format") != _FORMAT:
        raise DatasetError(f"{path}: line 1 is not the header of a pairs file; write it with save_dataset")
    require_same(str(documents[0].get("vocabulary")), tokenizer.vocabulary.fingerprint, f"the dataset {path}")
    size = tokenizer.get_vocab_size()
    return [_pair(path, number, document, size) for number, document in enumerate(documents[1:], start=2)]


def _parse(path: str | Path, number: int, line: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise DatasetError(f"{path}: line {number} is not a JSON object; the file is damaged, write it again")
    return document


def _pair(path: str | Path, number: int, document: dict[str, Any], vocab_size: int) -> Pair:
    parts = []
    for key in ("context", "completion"):
        values = document.get(key)
        if not isinstance(values, list) or not all(type(v) is int and 0 <= v < vocab_size for v in values):
            raise DatasetError(f"{path}: line {number}: {key} must be a list of ids 0 … {vocab_size - 1}")
        parts.append(np.array(values, dtype=np.int32))
    return Pair(*parts)


class CopilotDataset:
    """Pairs as training items: ``input_ids``, ``target_ids`` shifted by one, ``ctx_len``.

    An item longer than ``max_seq_len`` loses context from its far end, at a bar line where there is one and never
    inside a note's tokens; metre and tempo stay. A very long completion is cut at its end instead, so that at least a
    quarter of the length stays for context. ``ctx_len`` is the context's length after that.

    Args:
        pairs: contexts and completions.
        tokenizer: names the tokens.
        max_seq_len: most tokens of an item, at least 16.

    """

    def __init__(self, pairs: Sequence[Pair], tokenizer: PianoTokenizer, max_seq_len: int = 1024) -> None:
        if max_seq_len < 16:
            raise ValueError("max_seq_len must be 16 or more")
        self.pairs = pairs
        self.tokenizer = tokenizer
        self.max_seq_len = max_seq_len

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return ``input_ids`` and ``target_ids`` (int64 arrays of one length) and ``ctx_len``."""
        pair = self.pairs[index]
        context, completion = self._fit(pair.context, pair.completion)
        ids = np.concatenate([context, completion]).astype(np.int64)
        return {"input_ids": ids[:-1], "target_ids": ids[1:], "ctx_len": len(context)}

    def _fit(
        self, context: NDArray[np.int32], completion: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        limit = self.max_seq_len + 1  # one more than the input: the last id is only a target
        if len(context) + len(completion) <= limit:
            return context, completion
        for_context = min(len(context), max(limit - len(completion), limit // 4))
        context = self._cut_far_end(context, for_context)
        room = limit - len(context)
        if len(completion) > room:
            completion = completion[: _last_boundary(completion, room, self.tokenizer)]
        return context, completion

    def _cut_far_end(self, context: NDArray[np.int32], limit: int) -> NDArray[np.int32]:
        """Keep at most ``limit`` tokens: metre and tempo, then whole bars if possible, else whole notes."""
        if len(context) <= limit:
            return context
        room = limit - 2
        bars = self.tokenizer.find_bar_indices(context)
        fitting = bars[bars >= len(context) - room]
        kinds = self.tokenizer.vocabulary.kinds[context]
        starts = fitting if len(fitting) else np.flatnonzero(kinds == "Position")
        starts = starts[starts >= len(context) - room]
        begin = int(starts[0]) if len(starts) else len(context)
        head = self.tokenizer.extract_metadata_tokens(context, begin + 2)
        return np.concatenate([np.array(head, dtype=np.int32), context[begin:]])


def _last_boundary(ids: NDArray[np.int32], limit: int, tokenizer: PianoTokenizer) -> int:
    """Return the largest cut of at most ``limit`` ids that does not fall inside a note."""
    kinds = tokenizer.vocabulary.kinds
    cut = min(limit, len(ids))
    while 0 < cut < len(ids) and str(kinds[ids[cut]]) in ("Velocity", "Duration"):
        cut -= 1
    return cut


def collate_fn(items: Sequence[dict[str, Any]], padding_token_id: int = 0) -> dict[str, torch.Tensor]:
    """Pad items on the right: input_ids, target_ids, attention_mask int64 [B, T], ctx_lengths int64 [B].

    Padded targets are −100, which PyTorch's losses pass over.
    """
    import torch

    longest = max(len(item["input_ids"]) for item in items)
    shape = (len(items), longest)
    input_ids = torch.full(shape, padding_token_id, dtype=torch.int64)
    target_ids = torch.full(shape, IGNORE, dtype=torch.int64)
    attention_mask = torch.zeros(shape, dtype=torch.int64)
    for row, item in enumerate(items):
        length = len(item["input_ids"])
        input_ids[row, :length] = torch.from_numpy(item["input_ids"])
        target_ids[row, :length] = torch.from_numpy(item["target_ids"])
        attention_mask[row, :length] = 1
    ctx_lengths = torch.tensor([int(item["ctx_len"]) for item in items], dtype=torch.int64)
    return {
        "input_ids": input_ids,
        "target_ids": target_ids,
        "attention_mask": attention_mask,
        "ctx_lengths": ctx_lengths,
    }
