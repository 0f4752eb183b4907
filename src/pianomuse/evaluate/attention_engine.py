"""The attention reference as an engine: it reads and writes through the same protocol as the model.

It hears a window of at most `ctx_len` tokens, the length it was trained on. Longer music is read in windows that
overlap by half, each beginning at a bar line with what stands at the beginning of every training example: BOS, the
metre and the tempo in force. So every token but those of the first window is judged after at least about half a window
of true context, and nothing is known of what came before. A request that is too long for a window loses bars behind
its beginning in the same way, with room left for what is to be written.

Legend: B lanes, T time, H heads, N head size, V vocabulary, L layers.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pianomuse.errors import RequestError
from pianomuse.evaluate.attention import AttentionModel, Cache
from pianomuse.tokens.tokenizer import PianoTokenizer

Floats = NDArray[np.float32]
_TO_WRITE = 512
"""Tokens of a window that are kept free for writing, at most a quarter of it."""


class AttentionEngine:
    """Let the attention reference read and write.

    Args:
        model: its weights decide the device.
        tokenizer: finds bars, metre and tempo.

    """

    def __init__(self, model: AttentionModel, tokenizer: PianoTokenizer) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self._begin = tokenizer.vocabulary.id("BOS_None")
        self._device = model.head.weight.device

    @property
    def vocab_size(self) -> int:
        """Number of tokens the logits cover."""
        return self.model.config.vocab_size

    @torch.inference_mode()
    def prefill(self, ids: NDArray[np.integer], state: Cache | None = None, /) -> tuple[Floats, Cache]:
        """Read ids int [T], the last window of them; return logits float32 [V] after the last, and the state."""
        if len(ids) == 0:
            raise RequestError("prefill: no ids; give one or more")
        if state is None:
            window = self.model.config.ctx_len
            ids = self._shortened(np.asarray(ids), window - min(_TO_WRITE, window // 4))
            state = self._empty()
        else:
            state = state.take([0])
        return self._read(self._row(ids), state)[0, -1].numpy(), state

    @torch.inference_mode()
    def step(self, ids: NDArray[np.integer], state: Cache, /) -> Floats:
        """Read one id per lane; return logits float32 [B, V]. The state is updated in place."""
        return self._read(torch.as_tensor(np.asarray(ids, dtype=np.int64))[:, None], state)[:, -1].numpy()

    @torch.inference_mode()
    def prefill_all(self, ids: NDArray[np.integer], state: None = None, /) -> tuple[Floats, None]:
        """Read ids int [T] in overlapping windows; return logits float32 [T, V] after every token, and no state."""
        array = np.asarray(ids)
        window = self.model.config.ctx_len
        logits = np.empty((len(array), self.vocab_size), np.float32)
        done = 0
        while done < len(array):
            first = 0 if done == 0 else self._bar_from(array, done - window // 2)
            head = self._head(array, first)
            end = min(first + window - len(head), len(array))
            text = np.concatenate([head, array[first:end]])
            read = self._read(self._row(text), self._empty())[0].numpy()
            logits[done:end] = read[len(head) + done - first :]
            done = end
        return logits, None

    def _read(self, ids: Tensor, state: Cache) -> Tensor:
        """Return logits float32 [B, T, V] on the CPU."""
        logits: Tensor = self.model(ids.to(self._device), cache=state)
        return logits.float().cpu()

    def _empty(self) -> Cache:
        return Cache.empty(self.model.config, self._device)

    def _row(self, ids: NDArray[np.integer]) -> Tensor:
        return torch.as_tensor(np.asarray(ids, dtype=np.int64))[None]

    def _shortened(self, ids: NDArray[np.integer], limit: int) -> NDArray[np.integer]:
        """Return ids of at most about this many tokens: a beginning, then the last bars that fit."""
        if len(ids) <= limit:
            return ids
        first = self._bar_from(ids, len(ids) - limit + 3)
        return np.concatenate([self._head(ids, first), ids[first:]])

    def _bar_from(self, ids: NDArray[np.integer], at: int) -> int:
        """Return the first bar line at `at` or later, `at` itself where there is none near."""
        bars = self.tokenizer.find_bar_indices(ids)
        later = bars[bars >= at]
        return int(later[0]) if len(later) and later[0] - at < self.model.config.ctx_len // 4 else at

    def _head(self, ids: NDArray[np.integer], first: int) -> NDArray[np.integer]:
        """Return what is put before a window that begins inside: BOS, metre and tempo in force."""
        if first == 0:
            return ids[:0]
        in_force = self.tokenizer.extract_metadata_tokens(ids, first + 2)
        return np.array([self._begin, *in_force], dtype=ids.dtype)
