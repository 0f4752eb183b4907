"""`pianomuse vocab`: print every token the model can read or write."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "vocab",
        epilog="Example: pianomuse vocab --kind Task",
    )(vocab)


def vocab(
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="Only tokens of this kind, for example Pitch.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document: fingerprint and tokens.")] = False,
) -> None:
    """Print the vocabulary: number and name of every token."""
    from pianomuse.errors import RequestError
    from pianomuse.tokens.vocabulary import piano_vocabulary

    vocabulary = piano_vocabulary()
    kinds = list(dict.fromkeys(vocabulary.kinds.tolist()))
    if kind is not None and kind not in kinds:
        raise RequestError(f"--kind {kind}: no token is of this kind; the kinds are {', '.join(kinds)}")
    chosen = [
        (number, token) for number, token in enumerate(vocabulary.tokens) if kind in (None, vocabulary.kind(number))
    ]
    if as_json:
        tokens = [{"id": number, "token": token} for number, token in chosen]
        typer.echo(json.dumps({"fingerprint": vocabulary.fingerprint, "size": len(vocabulary), "tokens": tokens}))
        return
    typer.echo("\n".join(f"{number:4d}  {token}" for number, token in chosen))
    typer.echo(f"{len(chosen)} of {len(vocabulary)} tokens, fingerprint {vocabulary.fingerprint}", err=True)
