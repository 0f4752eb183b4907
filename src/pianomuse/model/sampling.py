"""Choose the next token from logits, for `PianoMuseRWKV.generate`.

Composing uses `pianomuse.generate.sampling` (seeded per idea, with the grammar mask); this is the plain form for
research on tensors.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pianomuse.errors import RequestError


def sample_next(logits: Tensor, temperature: float, top_p: float, top_k: int, generator: torch.Generator) -> Tensor:
    """Return one token id for each row: int64 [B].

    Args:
        logits: float32 [B, V].
        temperature: divides the logits; 0 takes the likeliest.
        top_p: in (0, 1]; the smallest set of likeliest tokens that reaches this probability is kept.
        top_k: number of likeliest tokens kept; 0 keeps all.
        generator: source of chance.
    """
    if temperature < 0 or not 0 < top_p <= 1 or top_k < 0:
        raise RequestError(f"temperature {temperature} >= 0, 0 < top_p {top_p} <= 1, top_k {top_k} >= 0 are needed")
    if temperature == 0:
        return logits.argmax(dim=-1)
    ordered, index = (logits / temperature).sort(dim=-1, descending=True)
    probability = ordered.softmax(dim=-1)
    keep = probability.cumsum(dim=-1) - probability < top_p  # the token that crosses top_p stays
    if top_k:
        keep[:, top_k:] = False
    chosen = torch.multinomial(probability * keep, 1, generator=generator)
    return index.gather(-1, chosen).squeeze(-1)
