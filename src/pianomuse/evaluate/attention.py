"""The attention reference: a Transformer of the same size, trained on the same batches, that a model has to beat.

Llama's block (Touvron et al. 2023) in plain PyTorch: RMSNorm in front of each half, causal attention with rotary
positions (Su et al. 2021, base 10,000), SwiGLU, no biases, embedding and head apart. Depth and width are those of the
RWKV-7 model it is compared with, and the width of the SwiGLU makes up the number of parameters. It is trained by
`scripts/train_attention.py` with the loop, the data and the examples of `pianomuse train`, and does not ship.

What it cannot do: it was trained on sequences up to `ctx_len` tokens, and rotary positions do not carry over to longer
ones, so it is only ever asked about windows of that length (pianomuse.evaluate.attention_engine).

Legend: B batch, T time, C width, H heads, N head size, V vocabulary, L layers, F width of the SwiGLU.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pianomuse.errors import CheckpointError

FORMAT = "pianomuse-attention"
VERSION = 1
_ROPE_BASE = 10_000.0
_NORM_EPS = 1e-5
_STD = 0.02


@dataclass(frozen=True)
class AttentionConfig:
    """Sizes; `ctx_len` is the longest sequence it was trained on."""

    vocab_size: int
    n_layer: int
    n_embd: int
    dim_ffn: int
    ctx_len: int
    head_size: int = 64

    @property
    def n_head(self) -> int:
        """Number of heads H."""
        return self.n_embd // self.head_size

    @property
    def n_parameters(self) -> int:
        """Exact number of parameters."""
        block = 4 * self.n_embd**2 + 3 * self.n_embd * self.dim_ffn + 2 * self.n_embd
        return 2 * self.vocab_size * self.n_embd + self.n_layer * block + self.n_embd


def matched_config(n_parameters: int, *, vocab_size: int, n_layer: int, n_embd: int, ctx_len: int) -> AttentionConfig:
    """Return the sizes whose number of parameters is next to this one, by the width of the SwiGLU.

    >>> matched_config(7_359_744, vocab_size=761, n_layer=8, n_embd=256, ctx_len=2048).n_parameters
    7357184
    """
    empty = AttentionConfig(vocab_size, n_layer, n_embd, 0, ctx_len)
    dim_ffn = max(8, 8 * round((n_parameters - empty.n_parameters) / (n_layer * 3 * n_embd) / 8))
    return AttentionConfig(vocab_size, n_layer, n_embd, dim_ffn, ctx_len)


@dataclass(eq=False)
class Cache:
    """Keys and values of the last tokens, at most a window of them; what the model remembers.

    Args:
        keys: [L, B, H, window, N], already rotated.
        values: [L, B, H, window, N].
        held: how many tokens are in them.
        length: how many tokens were read in all: the position of the next one.

    """

    keys: Tensor
    values: Tensor
    held: int = 0
    length: int = 0

    @classmethod
    def empty(cls, config: AttentionConfig, device: torch.device) -> Cache:
        """Return the cache of one lane before any token."""
        shape = (config.n_layer, 1, config.n_head, config.ctx_len, config.head_size)
        return cls(torch.zeros(shape, device=device), torch.zeros(shape, device=device))

    @property
    def batch(self) -> int:
        """Number of lanes."""
        return int(self.keys.shape[1])

    def repeat(self, n: int, /) -> Cache:
        """Return n lanes like this one."""
        return self.take([0] * n)

    def take(self, indices: Sequence[int] | NDArray[np.intp], /) -> Cache:
        """Return only these lanes."""
        lanes = torch.as_tensor(np.asarray(indices, dtype=np.int64), device=self.keys.device)
        return Cache(self.keys[:, lanes], self.values[:, lanes], self.held, self.length)

    def make_room(self, n_new: int) -> None:
        """Forget the oldest tokens where a window would not hold these new ones beside them."""
        surplus = min(max(self.held + n_new - self.keys.shape[3], 0), self.held)
        if surplus:
            for part in (self.keys, self.values):
                part[:, :, :, : self.held - surplus] = part[:, :, :, surplus : self.held].clone()
            self.held -= surplus

    def add(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keep the keys and values of new tokens; return all that a layer holds with them, [B, H, T, N] each."""
        end = self.held + keys.shape[2]
        self.keys[layer, :, :, self.held : end] = keys
        self.values[layer, :, :, self.held : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


class AttentionModel(nn.Module):
    """A Llama-style Transformer; the training loop sees the same calls as on PianoMuseRWKV."""

    def __init__(self, config: AttentionConfig, *, seed: int = 0) -> None:
        """Build it with normal initial values (0.02; what writes into the residual stream divided by √(2 L))."""
        super().__init__()
        self.config = config
        self.emb = nn.Embedding(config.vocab_size, config.n_embd)
        self.blocks = nn.ModuleList(_Block(config, layer) for layer in range(config.n_layer))
        self.norm_out = nn.RMSNorm(config.n_embd, eps=_NORM_EPS)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if parameter.dim() == 1:
                    parameter.fill_(1.0)
                    continue
                is_last = name.endswith(("output.weight", "down.weight"))
                parameter.normal_(0.0, _STD / math.sqrt(2 * config.n_layer if is_last else 1), generator=generator)

    def forward(self, input_ids: Tensor, return_hidden: bool = False, *, cache: Cache | None = None) -> Tensor:
        """Return logits [B, T, V], or with `return_hidden` what stands before the head, [B, T, C].

        Args:
            input_ids: int64 [B, T]; with a cache at most a window.
            return_hidden: see above.
            cache: what was read before; these tokens are added to it.

        """
        n_new = input_ids.shape[1]
        if cache is not None:
            cache.make_room(n_new)
        x = self.emb(input_ids)
        turns = _turns(0 if cache is None else cache.length, n_new, self.config.head_size, x.device)
        for block in self.blocks:
            x = cast(_Block, block)(x, turns, cache)
        if cache is not None:
            cache.held, cache.length = cache.held + n_new, cache.length + n_new
        x = self.norm_out(x)
        return cast(Tensor, x if return_hidden else self.head(x))


class _Block(nn.Module):
    """Attention, then SwiGLU, each added to the residual stream."""

    def __init__(self, config: AttentionConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        width, inner = config.n_embd, config.dim_ffn
        self.head_size = config.head_size
        self.norm_att = nn.RMSNorm(width, eps=_NORM_EPS)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.norm_ffn = nn.RMSNorm(width, eps=_NORM_EPS)
        self.gate = nn.Linear(width, inner, bias=False)
        self.up = nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor], cache: Cache | None) -> Tensor:
        normed = self.norm_att(x)
        q, k, v = (self._heads(part(normed)) for part in (self.query, self.key, self.value))
        q, k = _rotate(q, turns), _rotate(k, turns)
        if cache is not None:
            k, v = cache.add(self.layer, k, v)
        mask = _mask(q, k)
        is_causal = mask is None and q.shape[2] > 1
        heard = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=is_causal)
        x = x + self.output(heard.transpose(1, 2).flatten(2))
        normed = self.norm_ffn(x)
        hidden: Tensor = nn.functional.silu(self.gate(normed)) * self.up(normed)
        return x + cast(Tensor, self.down(hidden))

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], -1, self.head_size).transpose(1, 2)


def _mask(q: Tensor, k: Tensor) -> Tensor | None:
    """Return which keys each of several new tokens may see behind a past; None where all, or the causal rule, do."""
    new, all_keys = q.shape[2], k.shape[2]
    if new in (1, all_keys):
        return None
    return torch.ones(new, all_keys, dtype=torch.bool, device=q.device).tril(all_keys - new)


def _turns(first: int, length: int, head_size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of every position and pair of channels, float32 [T, N/2] each."""
    pairs = torch.arange(0, head_size, 2, device=device, dtype=torch.float32) / head_size
    angles = torch.arange(first, first + length, device=device)[:, None] * _ROPE_BASE**-pairs
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair of channels (i, i + N/2) by its position's angle; in float32."""
    one, two = x.float().chunk(2, dim=-1)
    cos, sin = turns
    return torch.cat((one * cos - two * sin, two * cos + one * sin), dim=-1).to(x.dtype)


def save_attention(
    folder: Path,
    model: AttentionModel,
    *,
    tokenizer_json: Mapping[str, object],
    card: Mapping[str, object] | None = None,
    more_files: Mapping[str, bytes | Path] | None = None,
) -> Path:
    """Write a checkpoint folder (model.safetensors, config.json, tokenizer.json); it appears whole or not at all."""
    aside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()},
              aside / "model.safetensors")  # fmt: skip
    header = {"format": FORMAT, "version": VERSION, "model": asdict(model.config)}
    documents = {"config.json": header, "tokenizer.json": tokenizer_json, "card.json": card}
    for name, document in documents.items():
        if document is not None:
            (aside / name).write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    for name, content in (more_files or {}).items():
        if isinstance(content, Path):
            content.rename(aside / name)
        else:
            (aside / name).write_bytes(content)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
    return folder


def load_attention(folder: str | Path, fingerprint: str) -> AttentionModel:
    """Read a checkpoint folder, or the best one of a run folder.

    Args:
        folder: what `save_attention` wrote, or a run folder with such a ``best``.
        fingerprint: of the vocabulary it must speak.

    Raises:
        CheckpointError: missing, damaged, of another kind, or of another vocabulary.

    """
    path = Path(folder)
    path = path / "best" if (path / "best").is_dir() else path
    try:
        header = json.loads((path / "config.json").read_text(encoding="utf-8"))
        vocabulary = json.loads((path / "tokenizer.json").read_text(encoding="utf-8"))["fingerprint"]
        config = _config(header)
        tensors = load_file(path / "model.safetensors")
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder}: no attention reference can be read there ({error}); train one with scripts/train_attention.py"
        ) from None
    if vocabulary != fingerprint:
        raise CheckpointError(f"{folder}: the attention reference speaks another vocabulary; train it again")
    model = AttentionModel(config)
    own = model.state_dict()
    wrong = own.keys() ^ tensors.keys() or {n for n in own if own[n].shape != tensors[n].shape}
    if wrong:
        raise CheckpointError(f"{folder}: {sorted(wrong)[:3]} do not fit config.json; use an intact checkpoint")
    model.load_state_dict(tensors)
    return model.eval()


def _config(header: Any) -> AttentionConfig:
    names = {item.name for item in fields(AttentionConfig)}
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise ValueError(f"config.json is not of format {FORMAT}, version {VERSION}")
    sizes = header["model"]
    if sizes.keys() != names or not all(type(size) is int and 0 < size <= 1_048_576 for size in sizes.values()):
        raise ValueError("the sizes in config.json are not those of an attention model")
    if sizes["n_embd"] % sizes["head_size"] or sizes["n_layer"] > 256 or sizes["n_embd"] > 16_384:
        raise ValueError("the sizes in config.json do not go together")
    return AttentionConfig(**sizes)
