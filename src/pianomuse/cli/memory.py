"""`pianomuse memory`: what a training step takes, whether it fits a card, and what would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "memory", epilog="Example: pianomuse memory --preset small --batch-size 8 --seq-len 1024 --checkpoint-blocks"
    )(memory)


def memory(
    preset: Annotated[str, typer.Option("--preset", metavar="NAME", help="Size of the model.")] = "small-piano",
    batch_size: Annotated[int, typer.Option("--batch-size", metavar="B", help="Rows of a batch.")] = 8,
    seq_len: Annotated[int, typer.Option("--seq-len", metavar="T", help="Tokens in a row.")] = 1024,
    vocab_size: Annotated[
        int | None, typer.Option("--vocab-size", metavar="V", help="Tokens; without it those of the piano vocabulary.")
    ] = None,
    completion: Annotated[
        int | None, typer.Option("--completion", metavar="N", help="Targets in a row; without it all tokens.")
    ] = None,
    micro_rows: Annotated[
        int, typer.Option("--micro-rows", metavar="N", help="Rows computed at once; 0 is the whole batch.")
    ] = 0,
    accumulate: Annotated[int, typer.Option("--accumulate", metavar="N", help="Batches that make one step.")] = 1,
    checkpoint_blocks: Annotated[
        bool, typer.Option("--checkpoint-blocks", help="Recompute blocks in the backward pass.")
    ] = False,
    method: Annotated[str, typer.Option("--method", help="What is trained: full, lora or state.")] = "full",
    lora_rank: Annotated[int, typer.Option("--lora-rank", metavar="R", help="Rank of the adapters.")] = 16,
    optimizer: Annotated[str, typer.Option("--optimizer", help="adamw (states in float32) or adamw8bit.")] = "adamw",
    precision: Annotated[str, typer.Option("--precision", help="bfloat16 or float32.")] = "bfloat16",
    fuse: Annotated[str, typer.Option("--fuse", help="no (as on a GPU) or loops (as on a CPU).")] = "no",
    deep_embed: Annotated[bool, typer.Option("--deep-embed", help="With RWKV-8's DeepEmbed.")] = False,
    card: Annotated[float, typer.Option("--card", metavar="GB", help="Memory of the card.")] = 24.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Tell what a training step takes at its highest point, whether it fits a card, and what of every preset does."""
    from pianomuse.errors import RequestError
    from pianomuse.model.fitting import fitting_presets, largest_rows
    from pianomuse.model.memory import estimate_model_memory
    from pianomuse.model.presets import preset_config
    from pianomuse.tokens.vocabulary import piano_vocabulary

    if card <= 0:
        raise RequestError(f"--card {card}: give the card's memory in GB, for example 24")
    size = preset_config(preset, vocab_size or len(piano_vocabulary()))
    sizes = (size.n_layer, size.n_embd, size.vocab_size)
    options: dict[str, Any] = {
        "precision": precision,
        "checkpoint_blocks": checkpoint_blocks,
        "completion": completion,
        "accumulate": accumulate,
        "method": method,
        "lora_rank": lora_rank,
        "optimizer": optimizer,
        "fuse": fuse,
        "deep_embed": deep_embed,
    }
    estimate = estimate_model_memory(*sizes, batch_size, seq_len, micro_rows=micro_rows, **options)
    rows = largest_rows(*sizes, seq_len, card, **options)
    document = {
        "preset": preset,
        "vocab_size": size.vocab_size,
        "batch_size": batch_size,
        "seq_len": seq_len,
        "micro_rows": micro_rows,
        **options,
        **estimate,
        "card_gb": card,
        "fits": estimate["total_gb"] <= card,
        "largest_rows_at_once": rows,
        "presets": fitting_presets(size.vocab_size, seq_len, card),
    }
    typer.echo(json.dumps(document) if as_json else "\n".join(_lines(document)))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    card = f"{found['card_gb']:g} GB"
    yield f"{found['preset']}: {found['model_params']:,} parameters, {found['vocab_size']:,} tokens, {found['method']}"
    for part in ("parameters", "gradients", "optimizer", "activations"):
        yield f"  {part:14}{found[part + '_gb']:8.2f} GB"
    yield f"  {'highest point':14}{found['total_gb']:8.2f} GB   (not all parts are there at once)"
    verdict = "fits" if found["fits"] else "does not fit"
    rows = found["largest_rows_at_once"]
    most = f"at most {rows} rows of {found['seq_len']} tokens at once" if rows else "not even one row at once does"
    yield f"It {verdict} {card}; {most} (--set micro_rows=N)."
    yield f"One row of {found['seq_len']} tokens at once, blocks recomputed, and what trains on {card}:"
    for preset in found["presets"]:
        ways = "   ".join(
            f"{way['name']} {way['total_gb']:.1f} GB{'' if way['fits'] else ' (no)'}" for way in preset["ways"]
        )
        yield f"  {preset['preset']:14}{preset['model_params'] / 1e6:8,.0f}M   {ways}"
