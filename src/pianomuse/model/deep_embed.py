"""DeepEmbed, RWKV-8's gate of the channel mix by the token that is read (form x070a).

Source: BlinkDL/RWKV-LM, RWKV-v7/rwkv_v7a_demo.py; equal to the package `rwkv` under RWKV_DE_VERSION=1 in float32.

Every token has a matrix of its own in every layer, M = s_emb[token] + s_emb_x · ln0(embedding of the token). The
channel mix's input q is brought down to R numbers, goes through M, and comes up again as a factor of every hidden
number: gate = ((q s1) M) s2 + s0. It costs no state: a token's matrix is looked up when the token is read.

Legend: B batch, T time, C width, F width of the channel mix, V vocabulary, R rank.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pianomuse.checkpoint.config import ModelConfig


class Tokens(NamedTuple):
    """The tokens that are read: ids int64 [B, T], and ln0 of their embeddings: [B, T, C], or of all tokens [V, C]."""

    ids: Tensor
    embedded: Tensor


def tokens_of(ids: Tensor, embedding: nn.Embedding, ln0: nn.LayerNorm) -> Tokens:
    """Look the tokens up; where there are more than the vocabulary has, all of the vocabulary is less work."""
    is_long = ids.numel() >= embedding.num_embeddings
    return Tokens(ids, ln0(embedding.weight if is_long else embedding(ids)))


class DeepEmbed(nn.Module):
    """Base of the channel mix that owns the gate, so that its tensors have the official names `ffn.s*`."""

    def __init__(self, config: ModelConfig) -> None:
        """Allocate the parameters where the model has DeepEmbed; `initial.py` fills them."""
        super().__init__()
        self.rank = R = config.deep_embed_rank
        if R:
            self.s0 = nn.Parameter(torch.empty(1, 1, config.dim_ffn))
            self.s1 = nn.Parameter(torch.empty(config.n_embd, R))
            self.s2 = nn.Parameter(torch.empty(R, config.dim_ffn))
            self.s_emb = nn.Embedding(config.vocab_size, R * R)
            self.s_emb_x = nn.Linear(config.n_embd, R * R, bias=False)

    def gate(self, q: Tensor, tokens: Tokens) -> Tensor:
        """Return the gate without s0, [B, T, F]; q [B, T, C] is the normalised input, not shifted."""
        B, T, R = *q.shape[:2], self.rank
        if tokens.embedded.dim() == 2:
            table = self.s_emb.weight + self.s_emb_x(tokens.embedded)  # [V, R²]
            rows = functional.embedding(tokens.ids, table)
        else:
            rows = self.s_emb(tokens.ids) + self.s_emb_x(tokens.embedded)
        inner = (q @ self.s1).view(B, T, 1, R) @ rows.view(B, T, R, R)
        return inner.view(B, T, R) @ self.s2
