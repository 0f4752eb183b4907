"""What fits a card: the most rows at once, and the ways to train each preset."""

from __future__ import annotations

from typing import Any

from pianomuse.model.memory import estimate_model_memory
from pianomuse.model.presets import PRESETS

WAYS: dict[str, dict[str, Any]] = {
    "full AdamW": {},
    "8-bit states": {"optimizer": "adamw8bit"},
    "LoRA": {"method": "lora"},
    "state tuning": {"method": "state"},
}
_MOST_ROWS = 1 << 16


def largest_rows(n_layer: int, n_embd: int, vocab_size: int, seq_len: int, card_gb: float, **options: Any) -> int:
    """Return how many rows can be computed at once on a card; 0 where not even one can.

    Args:
        n_layer: layers.
        n_embd: width.
        vocab_size: tokens in the vocabulary.
        seq_len: tokens in a row.
        card_gb: memory of the card, in units of 2^30 bytes.
        options: of `estimate_model_memory`.
    """

    def fits(rows: int) -> bool:
        return estimate_model_memory(n_layer, n_embd, vocab_size, rows, seq_len, **options)["total_gb"] <= card_gb

    if not fits(1):
        return 0
    low, high = 1, 2
    while high < _MOST_ROWS and fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def fitting_presets(vocab_size: int, seq_len: int, card_gb: float) -> list[dict[str, Any]]:
    """Return for every preset what each way of training takes, one row at once with recomputed blocks, in bfloat16."""
    found = []
    for name, size in PRESETS.items():
        ways = []
        for way, options in WAYS.items():
            estimate = estimate_model_memory(
                size.n_layer, size.n_embd, vocab_size, 1, seq_len, checkpoint_blocks=True, accumulate=2, **options
            )
            ways.append({"name": way, "total_gb": estimate["total_gb"], "fits": estimate["total_gb"] <= card_gb})
        found.append({"preset": name, "model_params": estimate["model_params"], "ways": ways})
    return found
