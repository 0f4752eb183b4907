"""What a run will take, said before it starts where that is more than there is."""

from __future__ import annotations

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.devices import Device
from pianomuse.model.memory import GIGABYTE, estimate_model_memory
from pianomuse.train.settings import TrainSettings


def memory_warning(
    config: ModelConfig, settings: TrainSettings, device: Device, *, batch_size: int, max_tokens: int, is_looped: bool
) -> list[str]:
    """Return a line where the estimate exceeds the memory of the device; nothing is refused.

    Args:
        config: the model's sizes.
        settings: of the run.
        device: where it will run.
        batch_size: rows of a batch.
        max_tokens: longest row; all rows are taken to be as long, and all tokens to be targets.
        is_looped: blocks use the compiled loops.
    """
    there = device.total_memory_bytes()
    if there is None:
        return []
    needed_gb = estimate_model_memory(
        config.n_layer,
        config.n_embd,
        config.vocab_size,
        batch_size,
        max_tokens,
        "float32" if device.autocast_dtype is None else "bfloat16",
        checkpoint_blocks=settings.checkpoint_blocks,
        micro_rows=settings.micro_rows,
        accumulate=settings.accumulate,
        method="lora" if settings.lora_rank else "full",
        lora_rank=settings.lora_rank or 1,
        optimizer=settings.optimizer,
        fuse="loops" if is_looped else "no",
        deep_embed=config.deep_embed_rank > 0,
        logits_chunk=settings.logits_chunk,
    )["total_gb"]
    if needed_gb * GIGABYTE <= there:
        return []
    return [
        f"Memory: a step may take {needed_gb:.1f} GB and {device.torch_device} has {there / GIGABYTE:.1f} GB; "
        "--set micro_rows=1 or --set checkpoint_blocks=true takes less, `pianomuse memory` tells what fits."
    ]
