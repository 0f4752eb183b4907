"""`pianomuse info`: what a model is, how large, and what it was made from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("info", epilog="Example: pianomuse info --model runs/mine")(info)


def info(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME|PATH", help="A model that ships, a checkpoint or a run folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Tell about a model: sizes, vocabulary, data and licences."""
    from pianomuse.api import DEFAULT_MODEL, model_folder

    folder = model_folder(model)
    facts = _facts(folder, DEFAULT_MODEL if model is None else model)
    typer.echo(json.dumps(facts, ensure_ascii=False) if as_json else "\n".join(_lines(facts)))


def _facts(folder: Path, name: str) -> dict[str, Any]:
    from pianomuse.checkpoint.config import parameter_count
    from pianomuse.checkpoint.store import load_checkpoint
    from pianomuse.runtime.state import State
    from pianomuse.tokens.vocabulary import piano_vocabulary

    checkpoint = load_checkpoint(folder)
    state = State.empty(checkpoint.config)
    return {
        "model": name,
        "folder": str(folder),
        "size_bytes": (folder / "model.safetensors").stat().st_size,
        "parameters": parameter_count(checkpoint.config),
        "config": checkpoint.config.to_json(),
        "state_bytes": state.shift.nbytes + state.wkv.nbytes,
        "vocabulary": checkpoint.vocabulary_fingerprint,
        "is_usable_here": checkpoint.vocabulary_fingerprint == piano_vocabulary().fingerprint,
        "card": checkpoint.card,
    }


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    sizes = facts["config"]
    kind = "RWKV-7 with DeepEmbed" if sizes.get("deep_embed_rank") else "RWKV-7"
    yield f"{facts['model']} · {kind}, {sizes['n_layer']} layers of {sizes['n_embd']} · {facts['folder']}"
    yield f"{facts['parameters']:,} parameters · {facts['size_bytes'] / 1e6:.1f} MB on disk"
    yield f"memory of what it has heard: {facts['state_bytes'] / 1e6:.2f} MB, however long the piece is"
    usable = "" if facts["is_usable_here"] else ", another than this version's: it cannot be used here"
    yield f"vocabulary {facts['vocabulary']} ({sizes['vocab_size']} tokens){usable}"
    already_said = ("name", "model", "vocabulary")
    yield from _card_lines({key: value for key, value in facts["card"].items() if key not in already_said})


def _card_lines(card: dict[str, Any], indent: str = "") -> Iterator[str]:
    for key, value in card.items():
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from _card_lines(value, indent + "  ")
        elif isinstance(value, list):
            yield f"{indent}{key}:"
            yield from (f"{indent}  {item if isinstance(item, str) else json.dumps(item)}" for item in value)
        else:
            yield f"{indent}{key}: {value}"
