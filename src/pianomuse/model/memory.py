"""How much memory a training step takes at its highest point: from the sizes alone.

What the forward pass keeps for one token in one layer was counted with PyTorch's saved-tensor hooks, and is exact; what
the backward pass needs beside it (`_BESIDE`) was read off `malloc` after every operation of real steps. Both are tables
below, for the two ways to compute a block (`fuse`), the two precisions, and what is trained: with frozen weights, the
inputs of their products need not be kept. `tests/model/test_memory.py` runs real steps and compares.

The step has several high points, and the largest counts: at the head (`train/head_loss.py`), where everything is kept;
in the backward pass of the last block; in that of the first, where nearly all gradients are there; and at the
optimizer. Without accumulation gradients come as activations go, so the total is less than the sum of the parts.

Legend: L layers, C width, V vocabulary, R rank of DeepEmbed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pianomuse.checkpoint.config import DEEP_EMBED_RANK, ModelConfig, parameter_count, tensor_shapes
from pianomuse.errors import ConfigError

GIGABYTE = 2**30  # as graphics cards count
PRECISIONS, FUSES, METHODS = ("bfloat16", "float32"), ("no", "loops"), ("full", "lora", "state")
OPTIMIZERS, DTYPES = ("adamw", "adamw8bit"), ("float32", "bfloat16")
LOGITS_AT_ONCE = 1 << 25  # as train/head_loss.py computes them
_WIDE = 4  # bytes of a float32

# bytes a channel that a layer keeps for a token: (fuse, precision) -> full, lora, state
_KEPT = {
    ("no", "float32"): (176.3125, 148.3125, 112.3125),
    ("no", "bfloat16"): (140.3125, 116.3125, 98.3125),
    ("loops", "float32"): (156.125, 156.125, 108.125),
    ("loops", "bfloat16"): (110.125, 110.125, 86.125),
}
# bytes a channel and token beside all that, at the highest point of a block's backward pass; and with recomputed blocks
_BESIDE = {
    ("no", "float32"): ((47, 49), (22, 52), (26, 68)),
    ("no", "bfloat16"): ((23.6, 21), (17, 34), (5, 34)),
    ("loops", "float32"): ((19, 15), (22, 40), (6, 36)),
    ("loops", "bfloat16"): ((17, 6), (9, 22), (4.5, 22)),
}
_DEEP_EMBED = {  # bytes a channel more that a layer keeps for a token
    ("no", "float32"): 36,
    ("no", "bfloat16"): 28,
    ("loops", "float32"): 16,
    ("loops", "bfloat16"): 12,
}
_LAST_STATE = 256  # bytes a channel and layer for each row, whatever its length
_BLOCK, _CODES = 256, 256  # numbers that share a scale in 8-bit states; values that a code can stand for
_SMALLEST_QUANTISED = 4096  # numbers of a tensor


@dataclass(frozen=True)
class _Step:
    """What a step is, with its derived sizes."""

    config: ModelConfig
    precision: str
    fuse: str
    method: str
    lora_rank: int
    param_dtype: str
    optimizer: str
    checkpoint_blocks: bool
    n_rows: int  # computed at once
    n_tokens: int
    n_targets: int
    has_gradients: bool  # from pieces before
    logits_at_once: int

    @property
    def width(self) -> int:
        """Bytes of a number that goes into a matrix product."""
        return 2 if self.precision == "bfloat16" else _WIDE

    @property
    def weight_bytes(self) -> int:
        """Bytes of a weight."""
        return 2 if self.param_dtype == "bfloat16" else _WIDE

    @property
    def n_added(self) -> int:
        """Numbers that are trained and are no weights of the model."""
        return 0 if self.method == "full" else sum(_added_sizes(self))

    @property
    def trains_head(self) -> bool:
        """Whether the head learns."""
        return self.method == "full"


def estimate_model_memory(
    n_layer: int,
    n_embd: int,
    vocab_size: int,
    batch_size: int,
    seq_len: int,
    precision: str = "bfloat16",
    *,
    checkpoint_blocks: bool = False,
    completion: int | None = None,
    micro_rows: int = 0,
    accumulate: int = 1,
    method: str = "full",
    lora_rank: int = 16,
    optimizer: str = "adamw",
    param_dtype: str = "float32",
    fuse: str = "no",
    deep_embed: bool = False,
    logits_chunk: int = 0,
) -> dict[str, float]:
    """Return what a training step takes at its highest point.

    Args:
        n_layer: layers.
        n_embd: width, a multiple of 64.
        vocab_size: tokens in the vocabulary.
        batch_size: rows of a batch.
        seq_len: tokens in a row.
        precision: of the matrix products, bfloat16 (weights stay float32) or float32.
        checkpoint_blocks: blocks are recomputed in the backward pass.
        completion: targets in a row, where the rest is cut away before the head; None is all tokens.
        micro_rows: rows computed at once; 0 is the whole batch.
        accumulate: batches whose gradients make one step.
        method: what is trained: full, lora (adapters at the projections), state (the memory before the first token).
        lora_rank: rank of the adapters.
        optimizer: adamw (states in float32) or adamw8bit.
        param_dtype: of weights and gradients, float32 or bfloat16.
        fuse: how blocks are computed: no (plain PyTorch, as on a GPU) or loops (compiled loops, as on a CPU).
        deep_embed: with RWKV-8's DeepEmbed.
        logits_chunk: rows whose logits are in memory together; 0 is 128 MiB of logits.

    Returns:
        `parameters_gb`, `gradients_gb`, `optimizer_gb`, `activations_gb` (with buffers; at their largest), `total_gb`
        at the highest point in units of 2^30 bytes, and `model_params`, the exact number of the model's parameters.

    Example:
        >>> round(estimate_model_memory(12, 384, 761, 8, 1024)["total_gb"], 1)
        5.5
    """
    named = {"precision": PRECISIONS, "method": METHODS, "optimizer": OPTIMIZERS, "param_dtype": DTYPES, "fuse": FUSES}
    given = (precision, method, optimizer, param_dtype, fuse)
    for (name, known), value in zip(named.items(), given, strict=True):
        if value not in known:
            raise ConfigError(f"{name} {value!r} is unknown; choose one of {', '.join(known)}")
    targets = seq_len if completion is None else min(completion, seq_len)
    if min(batch_size, seq_len, targets, accumulate, lora_rank) < 1 or min(micro_rows, logits_chunk) < 0:
        raise ConfigError(
            f"batch_size {batch_size}, seq_len {seq_len}, completion {completion}, accumulate {accumulate} and "
            f"lora_rank {lora_rank} must be at least 1, micro_rows {micro_rows} and logits_chunk {logits_chunk} 0 up"
        )
    rows = min(micro_rows or batch_size, batch_size)
    chunk = logits_chunk or max(1, LOGITS_AT_ONCE // vocab_size)
    step = _Step(
        config=ModelConfig(vocab_size, n_layer, n_embd, deep_embed_rank=DEEP_EMBED_RANK if deep_embed else 0),
        precision=precision,
        fuse=fuse,
        method=method,
        lora_rank=lora_rank,
        param_dtype=param_dtype,
        optimizer=optimizer,
        checkpoint_blocks=checkpoint_blocks,
        n_rows=rows,
        n_tokens=rows * seq_len,
        n_targets=rows * targets,
        has_gradients=accumulate > 1 or rows < batch_size,
        logits_at_once=min(chunk, rows * targets) * vocab_size,
    )
    return _parts(step)


def _parts(step: _Step) -> dict[str, float]:
    n = parameter_count(step.config)
    parameters = step.weight_bytes * n + _WIDE * step.n_added
    gradients = step.weight_bytes * n if step.method == "full" else _WIDE * step.n_added
    optimizer = _optimizer_bytes(step)
    head, last_block, first_block = _at_head(step), _in_block(step, is_first=False), _in_block(step, is_first=True)
    C, V = step.config.n_embd, step.config.vocab_size
    embedding = step.weight_bytes * V * C if step.trains_head else 0  # its gradient comes last
    if step.has_gradients:  # a new one is added to the old: the largest matrix of a block, and at the end the embedding
        of_block = step.weight_bytes * step.config.dim_ffn * C if step.trains_head else 0
        heights = [gradients + max(head, last_block + of_block), gradients + embedding]
    else:
        heights = [head, last_block + embedding, first_block + gradients - embedding]
    parts = {
        "parameters_gb": parameters / GIGABYTE,
        "gradients_gb": gradients / GIGABYTE,
        "optimizer_gb": optimizer / GIGABYTE,
        "activations_gb": max(head, last_block) / GIGABYTE,
        "total_gb": (parameters + optimizer + max(*heights, gradients)) / GIGABYTE,
    }
    return {**parts, "model_params": n}


def _at_head(step: _Step) -> float:
    """Return what is there when the loss is computed: all that is kept, the copies of weights, a chunk of logits."""
    c, w = step.config, step.width
    per_token = _kept_around(step) + (_WIDE * c.n_embd if step.trains_head or step.method == "lora" else 0)
    per_target = (_WIDE + w + (w if w < _WIDE else 0)) * c.n_embd + 10 * _WIDE  # cut out, its gradient, narrow copy
    logits = step.logits_at_once * (_WIDE if w == _WIDE else _WIDE + w)
    head = c.vocab_size * c.n_embd
    of_weight = (_WIDE * head if step.trains_head else 0) + (w * head if w < step.weight_bytes else 0)
    if step.trains_head and w < _WIDE:  # the product of a chunk, before it is added
        logits = max(logits, w * (step.logits_at_once + head))
    kept = step.n_tokens * (per_token + _kept_in_layers(step)) + _kept_for_rows(step)
    return kept + step.n_targets * per_target + logits + of_weight + _narrow_copies(step)


def _in_block(step: _Step, *, is_first: bool) -> float:
    """Return what is there in the backward pass of the last block, or of the first, weights' gradients not counted."""
    c = step.config
    beside = _BESIDE[step.fuse, step.precision][METHODS.index(step.method)][step.checkpoint_blocks]
    tables = _WIDE * c.vocab_size * c.deep_embed_rank**2 if step.n_tokens >= c.vocab_size else 0
    one_layer = step.n_tokens * _kept_by_layer(step, is_first=is_first) + step.n_rows * _LAST_STATE * c.n_embd
    buffers = step.n_tokens * (beside * c.n_embd + _kept_around(step)) + tables
    copies = _narrow_copies(step) / c.n_layer
    if is_first:
        return one_layer + buffers + copies
    if step.checkpoint_blocks:
        return step.n_tokens * _WIDE * c.n_embd * c.n_layer + one_layer + buffers + copies
    kept = step.n_tokens * _kept_in_layers(step) + _kept_for_rows(step)
    return kept + buffers + _narrow_copies(step)


def _kept_in_layers(step: _Step) -> float:
    """Return the bytes that all layers keep for a token."""
    c = step.config
    if step.checkpoint_blocks:  # every block's input, and v_first
        return (_WIDE * c.n_layer + step.width) * c.n_embd
    return _kept_by_layer(step, is_first=True) + (c.n_layer - 1) * _kept_by_layer(step, is_first=False)


def _kept_by_layer(step: _Step, *, is_first: bool) -> float:
    """Return the bytes that a layer keeps for a token."""
    c, w = step.config, step.width
    of_ranks = [c.decay_rank, c.gate_rank]
    if step.method == "full":
        of_ranks += [c.iclr_rank] if is_first else [c.iclr_rank, c.value_rank]
    elif is_first:
        of_ranks = []
    kept = _KEPT[step.fuse, step.precision][METHODS.index(step.method)] * c.n_embd + w * sum(of_ranks) + 16
    if step.method == "lora":
        kept += w * len(("r", "k", "v", "output", "key", "value")) * step.lora_rank
    if R := c.deep_embed_rank:
        kept += _DEEP_EMBED[step.fuse, step.precision] * c.n_embd + w * R * (R + 2)
    return kept


def _kept_around(step: _Step) -> float:
    """Return the bytes that are kept for a token outside the layers, without channels: ids, moments of norms."""
    return 25 if step.method == "full" else 9


def _kept_for_rows(step: _Step) -> float:
    return step.n_rows * (1 if step.checkpoint_blocks else step.config.n_layer) * _LAST_STATE * step.config.n_embd


def _narrow_copies(step: _Step) -> float:
    """Return the bytes of the copies of matrices that autocast makes; embedding and head have none that stays."""
    if step.width >= step.weight_bytes:
        return 0
    tables = ("emb.weight", "head.weight", "s_emb.weight")
    shapes = tensor_shapes(step.config).items()
    n_numbers = sum(math.prod(shape) for name, shape in shapes if len(shape) == 2 and not name.endswith(tables))
    return step.width * (n_numbers + (step.n_added if step.method == "lora" else 0))


def _optimizer_bytes(step: _Step) -> float:
    if step.method == "full":
        sizes = [math.prod(shape) for shape in tensor_shapes(step.config).values()]
    else:
        sizes = _added_sizes(step)
    return 2.0 * sum(_state_bytes(size, step.optimizer) for size in sizes)


def _state_bytes(n_numbers: int, optimizer: str) -> float:
    """Return the bytes of one state of a tensor; small ones, and ones that are no whole blocks, stay in float32."""
    if optimizer == "adamw8bit" and n_numbers >= _SMALLEST_QUANTISED and n_numbers % _BLOCK == 0:
        return n_numbers * (1 + _WIDE / _BLOCK) + _CODES * _WIDE
    return n_numbers * _WIDE


def _added_sizes(step: _Step) -> list[int]:
    """Return the sizes of the tensors that are trained and are no weights of the model."""
    c, C = step.config, step.config.n_embd
    if step.method == "state":
        return [C * c.head_size] * c.n_layer
    widths = [C] * 4 * 2 + [C, c.dim_ffn] * 2  # in and out of four projections and the two matrices of the channel mix
    return [step.lora_rank * width for width in widths] * c.n_layer
