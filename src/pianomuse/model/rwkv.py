"""PianoMuseRWKV: an RWKV-7 (x070) language model with the official tensor names, DeepEmbed (x070a) on request.

One set of weights, two modes with the same result: a whole sequence in parallel (training, prefill) and one token
at a time with a state of constant size.

Legend: B batch, T time, C width, V vocabulary, L layers, H heads, N head size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.errors import RequestError
from pianomuse.model.deep_embed import Tokens, tokens_of
from pianomuse.model.initial import initial_tensor
from pianomuse.model.layers import LAYER_NORM_EPS, Block
from pianomuse.model.sampling import sample_next


@dataclass(frozen=True)
class ModelState:
    """Everything the model remembers: constant in size, whatever was read.

    shift: [L, 2, B, C], the last inputs of time mix (0) and channel mix (1); wkv: float32 [L, B, H, N(value), N(key)].
    """

    shift: Tensor
    wkv: Tensor

    def detach(self) -> ModelState:
        """Return the same state cut off from the graph."""
        return ModelState(self.shift.detach(), self.wkv.detach())


class PianoMuseRWKV(nn.Module):
    """RWKV-7 over token ids; `state_dict()` has exactly the official names and shapes."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        dropout: float = 0.0,
        wkv: str | None = None,
        checkpoint_blocks: bool = False,
        seed: int = 0,
    ) -> None:
        """Build the model with the initial values of RWKV-7.

        Args:
            config: the sizes.
            dropout: share of the residual stream dropped while training (strong; a quarter of the usual value).
            wkv: operator backend; None chooses the fastest that is there.
            checkpoint_blocks: recompute each block in the backward pass: less memory, about a third slower.
            seed: of the random initial values.
        """
        super().__init__()
        self.config, self.wkv, self.checkpoint_blocks = config, wkv, checkpoint_blocks
        self.dropout = dropout
        self.emb = nn.Embedding(config.vocab_size, config.n_embd)
        self.blocks = nn.ModuleList(Block(config, layer, dropout) for layer in range(config.n_layer))
        self.ln_out = nn.LayerNorm(config.n_embd, eps=LAYER_NORM_EPS)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(initial_tensor(name, config, generator))

    def forward(
        self,
        input_ids: Tensor,
        ctx_lengths: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_hidden: bool = False,
        padding_token_id: int = 0,
        *,
        state: ModelState | None = None,
        return_state: bool = False,
    ) -> Tensor | tuple[Tensor, ModelState]:
        """Return logits, and the state after the sequence where `return_state`.

        Args:
            input_ids: int64 [B, T]. For training, what is read: a sequence without its last token, which is only a
                target (as `CopilotDataset` and `collate_fn` give it).
            ctx_lengths: int64 [B], tokens of context. While training, hidden states 0 .. ctx_length-2 and those of
                padding are cut away before the head. The last context token's stays, it predicts the first completion
                token; the completion's last token is not among the input. So the logits are [sum of completion
                lengths, V], one sequence after the other.
            attention_mask: [B, T], 0 at padding on either side. Padding on the right changes no logits; the state
                returned is that after the last real token. Without a mask, tokens equal to `padding_token_id` count
                as padding for the cutting, and nothing else is masked.
            return_hidden: return the hidden states in front of the head ([..., C]) in place of the logits.
            padding_token_id: see `attention_mask`.
            state: what came before; None is the beginning.
            return_state: also return the state.

        Raises:
            RequestError: no tokens, a mask with holes, or a context length outside the sequence.
        """
        if input_ids.dim() != 2 or input_ids.shape[1] == 0:
            raise RequestError(f"input_ids: [B, T] with T >= 1 is needed, not {list(input_ids.shape)}")
        mask = self._mask(attention_mask, input_ids, always=return_state)
        x = self.emb(input_ids)
        if self.training and self.dropout > 0:
            x = nn.functional.dropout(x, self.dropout)
        x, after = self._blocks(x, mask, state, return_state, self._tokens(input_ids))
        if self.training and ctx_lengths is not None:
            x = x[self._completion_places(input_ids, ctx_lengths, attention_mask, padding_token_id)]
        x = self.ln_out(x)
        out: Tensor = x if return_hidden else self.head(x)
        return (out, after) if after is not None else out

    def empty_state(self, batch: int) -> ModelState:
        """Return the state before any token: zeros, or a tuned memory (`adapters.py`)."""
        c, device = self.config, self.emb.weight.device
        zeros = torch.zeros(batch, c.n_head, c.head_size, c.head_size, device=device)
        memories = [cast(Block, block).att.beginning(batch) for block in self.blocks]
        return ModelState(
            torch.zeros(c.n_layer, 2, batch, c.n_embd, device=device),
            torch.stack([zeros if memory is None else memory for memory in memories]),
        )

    @torch.no_grad()
    def generate(
        self,
        context_tokens: Tensor,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int = 0,
        *,
        seed: int = 0,
        end_token_id: int | None = None,
    ) -> Tensor:
        """Continue each sequence token by token at constant memory.

        Args:
            context_tokens: int64 [B, T] or [T], T >= 1.
            max_new_tokens: how many tokens to write.
            temperature: 0.5 careful .. 1.0 as learnt .. 1.5 adventurous; 0 takes the likeliest token.
            top_p: keep the likeliest tokens up to this total probability, in (0, 1].
            top_k: keep the k likeliest tokens; 0 keeps all.
            seed: the same seed gives the same tokens.
            end_token_id: stop when every sequence has written it (later tokens repeat it).

        Returns:
            int64 [B, n] (or [n]): the new tokens only, n <= max_new_tokens.
        """
        ids = context_tokens.to(self.emb.weight.device)
        ids = ids[None] if ids.dim() == 1 else ids
        generator = torch.Generator(device=ids.device).manual_seed(seed)
        was_training = self.training
        self.eval()
        logits, state = cast(tuple[Tensor, ModelState], self(ids, return_state=True))
        written: list[Tensor] = []
        ended = torch.zeros(ids.shape[0], dtype=torch.bool, device=ids.device)
        for _ in range(max_new_tokens):
            token = sample_next(logits[:, -1].float(), temperature, top_p, top_k, generator)
            if end_token_id is not None:
                token = torch.where(ended, end_token_id, token)
                ended |= token == end_token_id
            written.append(token)
            if end_token_id is not None and bool(ended.all()):
                break
            logits, state = cast(tuple[Tensor, ModelState], self(token[:, None], state=state, return_state=True))
        self.train(was_training)
        new = torch.stack(written, dim=1) if written else ids[:, :0]
        return new[0] if context_tokens.dim() == 1 else new

    def _tokens(self, input_ids: Tensor) -> Tokens | None:
        """Return what DeepEmbed wants to know; None in a model without it."""
        if self.config.deep_embed_rank == 0:
            return None
        return tokens_of(input_ids, self.emb, cast(Block, self.blocks[0]).ln0)

    def _blocks(
        self,
        x: Tensor,
        mask: Tensor | None,
        state: ModelState | None,
        return_state: bool,
        tokens: Tokens | None,
    ) -> tuple[Tensor, ModelState | None]:
        v_first: Tensor | None = None
        shifts, memories = [], []
        for layer, module in enumerate(self.blocks):
            block = cast(Block, module)
            if state is None:
                shift, memory = None, block.att.beginning(x.shape[0])
            else:
                shift, memory = state.shift[layer], state.wkv[layer]
            run = (x, v_first, shift, memory, mask, tokens, self.wkv)
            if self.checkpoint_blocks and self.training:
                x, first, q, q2, memory = checkpoint(block, *run, use_reentrant=False)
            else:
                x, first, q, q2, memory = block(*run)
            v_first = v_first if first is None else first
            if return_state:
                shifts.append(torch.stack((_last(q, mask, shift, 0), _last(q2, mask, shift, 1))))
                memories.append(memory)
        return x, ModelState(torch.stack(shifts), torch.stack(memories)) if return_state else None

    def _mask(self, attention_mask: Tensor | None, input_ids: Tensor, *, always: bool) -> Tensor | None:
        """Return [B, T, 1], or None where nothing has to be masked (padding on the right, no state wanted)."""
        if attention_mask is None:
            return None
        keep = attention_mask.to(torch.bool)
        if keep.shape != input_ids.shape:
            raise RequestError(f"attention_mask: shape {list(keep.shape)} is not that of input_ids")
        starts = keep[:, 1:] & ~keep[:, :-1]
        on_the_right_only = bool(keep[:, 0].all()) and not bool(starts.any())
        if bool((starts.sum(dim=1) + keep[:, 0].long() > 1).any()):
            raise RequestError("attention_mask: padding inside a sequence; pad on the left or on the right")
        if on_the_right_only and not always:
            return None
        return keep.unsqueeze(-1).to(self.emb.weight.dtype)

    @staticmethod
    def _completion_places(
        input_ids: Tensor, ctx_lengths: Tensor, attention_mask: Tensor | None, padding_token_id: int
    ) -> Tensor:
        """Return bool [B, T]: true where a completion token is predicted, last context token to last real one."""
        real = input_ids != padding_token_id if attention_mask is None else attention_mask.to(torch.bool)
        if bool((ctx_lengths < 1).any()) or bool((ctx_lengths > real.sum(dim=1)).any()):
            raise RequestError("ctx_lengths: each must lie between 1 and the number of real tokens")
        order = real.long().cumsum(dim=1)  # 1 at the first real token
        return real & (order >= ctx_lengths.to(order)[:, None])


def _last(q: Tensor, mask: Tensor | None, shift: Tensor | None, which: int) -> Tensor:
    """Return q [B, C] at the last real token; where there is none, what was carried."""
    if mask is None:
        return q[:, -1]
    steps = torch.arange(1, q.shape[1] + 1, device=q.device)
    last = (mask[..., 0] * steps).argmax(dim=1)
    found = q[torch.arange(q.shape[0], device=q.device), last]
    empty = mask[:, :, 0].sum(dim=1, keepdim=True) == 0
    carried = torch.zeros_like(found) if shift is None else shift[which].to(found.dtype)
    return torch.where(empty, carried, found)
