"""The peer of the same size that attends: a Llama-style Transformer of Hugging Face's `transformers`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module

import torch
from torch import Tensor

from pianomuse.checkpoint.config import ModelConfig, parameter_count

HEAD_SIZE = 64
_LONGEST = 1 << 16
_READ_AT_ONCE = 512


class Transformer:
    """A LlamaForCausalLM of the depth and width of `config`, with as many parameters.

    A layer has 4 C² numbers in its attention and 3 C F in its feed-forward; F makes up for what RWKV has elsewhere.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Build it with random weights."""
        C, L, V = config.n_embd, config.n_layer, config.vocab_size
        left = (parameter_count(config) - 2 * V * C) / L - 4 * C * C
        self._library = import_module("transformers")
        torch.manual_seed(0)
        self.model = self._library.LlamaForCausalLM(
            self._library.LlamaConfig(
                vocab_size=V,
                hidden_size=C,
                num_hidden_layers=L,
                num_attention_heads=C // HEAD_SIZE,
                intermediate_size=max(64, round(left / (3 * C) / 64) * 64),
                max_position_embeddings=_LONGEST,
                attn_implementation="sdpa",
            )
        )
        forward = inspect.signature(self.model.forward).parameters
        self._cache_name = "cache" if "cache" in forward else "past_key_values"  # renamed in transformers 5

    def logits(self, ids: Tensor) -> Tensor:
        """Return logits [B, T, V] for ids [B, T]."""
        logits: Tensor = self.model(input_ids=ids, use_cache=False).logits
        return logits

    @torch.no_grad()
    def writer(self, length: int) -> Callable[[int], None]:
        """Return a function that writes n tokens behind a context of `length` tokens, and forgets them again."""
        self.model.eval()
        cache = self._library.DynamicCache(config=self.model.config)
        for begin in range(0, length, _READ_AT_ONCE):
            ids = torch.ones(1, min(_READ_AT_ONCE, length - begin), dtype=torch.int64)
            self.model(input_ids=ids, logits_to_keep=1, **{self._cache_name: cache})
        token = torch.ones(1, 1, dtype=torch.int64)

        @torch.no_grad()
        def write(n: int) -> None:
            for _ in range(n):
                self.model(input_ids=token, **{self._cache_name: cache})
            cache.crop(-n)

        return write
