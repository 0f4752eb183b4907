"""How much memory training takes: exact counts of what is kept, from the sizes alone.

Bytes of one token in one layer were counted with PyTorch's saved-tensor hooks on the plain form of the block (widths 64
to 256; `tests/model/test_memory.py` counts again). They include what the compiled operator keeps: its state every 16
steps and after the last, and one vector a step. Not included: the few buffers that live only inside one operation,
about one activation of the channel mix.

Legend: L layers, C width, V vocabulary.
"""

from __future__ import annotations

from pianomuse.checkpoint.config import ModelConfig, parameter_count, tensor_shapes
from pianomuse.errors import ConfigError

GIGABYTE = 2**30  # as graphics cards count
_BYTES_PER_CHANNEL = {"float32": 176.3125, "bfloat16": 140.3125}
_LAST_STATE_BYTES_PER_CHANNEL = 256  # for each row, whatever its length
_BYTES_PER_RANK = {"float32": 4, "bfloat16": 2}
_BLOCK_INPUT_BYTES_PER_CHANNEL = 4  # the stream stays float32


def estimate_model_memory(
    n_layer: int,
    n_embd: int,
    vocab_size: int,
    batch_size: int,
    seq_len: int,
    precision: str = "bfloat16",
    *,
    checkpoint_blocks: bool = False,
) -> dict[str, float]:
    """Return what training with full AdamW in float32 takes.

    Args:
        n_layer: layers.
        n_embd: width, a multiple of 64.
        vocab_size: tokens in the vocabulary.
        batch_size: rows computed at once.
        seq_len: tokens in a row.
        precision: of the matrix products, bfloat16 (weights stay float32) or float32.
        checkpoint_blocks: blocks are recomputed in the backward pass.

    Returns:
        `parameters_gb`, `gradients_gb`, `optimizer_gb`, `activations_gb`, `total_gb` in units of 2^30 bytes, and
        `model_params`, the exact number of parameters.

    Example:
        >>> round(estimate_model_memory(12, 384, 761, 8, 1024)["total_gb"], 1)
        5.4
    """
    if precision not in _BYTES_PER_CHANNEL:
        raise ConfigError(f"precision {precision!r} is unknown; choose one of {', '.join(_BYTES_PER_CHANNEL)}")
    if batch_size < 1 or seq_len < 1:
        raise ConfigError(f"batch_size {batch_size} and seq_len {seq_len} must be at least 1")
    config = ModelConfig(vocab_size=vocab_size, n_layer=n_layer, n_embd=n_embd)
    parameters = parameter_count(config)
    activations = batch_size * seq_len * _bytes_per_token(config, precision, checkpoint_blocks)
    activations += batch_size * (1 if checkpoint_blocks else n_layer) * _LAST_STATE_BYTES_PER_CHANNEL * n_embd
    if precision == "bfloat16":  # autocast keeps a narrow copy of every matrix
        activations += 2 * sum(_size(shape) for shape in tensor_shapes(config).values() if len(shape) == 2)
    parts = {
        "parameters_gb": 4 * parameters / GIGABYTE,
        "gradients_gb": 4 * parameters / GIGABYTE,
        "optimizer_gb": 8 * parameters / GIGABYTE,
        "activations_gb": activations / GIGABYTE,
    }
    return {**parts, "total_gb": sum(parts.values()), "model_params": parameters}


def _bytes_per_token(config: ModelConfig, precision: str, checkpoint_blocks: bool) -> float:
    """Return what the forward pass keeps for one token, over all layers, embedding and loss included."""
    ranks = config.decay_rank + config.iclr_rank + config.value_rank + config.gate_rank
    layer = _BYTES_PER_CHANNEL[precision] * config.n_embd + _BYTES_PER_RANK[precision] * ranks + 16
    around = 2 * _BYTES_PER_RANK[precision] * config.n_embd / 2 + 4 * config.vocab_size + 24
    around -= _BYTES_PER_RANK[precision] * config.value_rank  # layer 0 has no value residual
    if checkpoint_blocks:  # every block's input and v_first, and one block in full
        inputs = _BLOCK_INPUT_BYTES_PER_CHANNEL * config.n_embd * (config.n_layer + 1)
        return inputs + layer + around
    return config.n_layer * layer + around


def _size(shape: tuple[int, ...]) -> int:
    return shape[0] * shape[1]
