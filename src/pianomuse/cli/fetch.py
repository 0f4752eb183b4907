"""`pianomuse fetch`: public corpora and weights, checked and laid out for `prepare` and `train --init`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pianomuse.fetch.sources import Source
    from pianomuse.fetch.whole import Fetched


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("fetch", epilog="Example: pianomuse fetch asap --out corpora/asap")(fetch)


def fetch(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="maestro, asap or pop909 (music), or rwkv7-g1 (text weights).")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Folder to make; default: corpora/WHAT.")
    ] = None,
    mirror: Annotated[
        str, typer.Option("--mirror", metavar="URL", help="Take the file from here: its address, or its folder's.")
    ] = "",
    is_accepted: Annotated[bool, typer.Option("--yes", help="Accept the licence without being asked.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document when done.")] = False,
) -> None:
    """Download a public corpus or weights; resumed when interrupted, checked, and there as a whole or not at all."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from pianomuse.fetch.sources import source_named
    from pianomuse.fetch.whole import fetch as fetch_whole

    source = source_named(what)
    folder = out or Path("corpora") / source.name
    _ask(source, is_accepted=is_accepted or (folder / "fetched.json").exists())
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = {step: bar.add_task(step, total=None, visible=False) for step in ("download", "unpack", "lay out")}
        fetched = fetch_whole(
            source,
            folder,
            mirror=mirror,
            progress=lambda step: (
                lambda done, total: bar.update(tasks[step], completed=done, total=total, visible=True)
            ),
            say=lambda line: typer.echo(line, err=True),
        )
    _tell(source, fetched)
    typer.echo(
        json.dumps({"folder": str(fetched.folder), "was_there": fetched.was_there, **fetched.receipt})
        if as_json
        else str(fetched.folder)
    )


def _ask(source: Source, *, is_accepted: bool) -> None:
    """Show the licence, and go on only when it is accepted."""
    from pianomuse.errors import RequestError

    typer.echo(f"{source.title}\n{source.page}", err=True)
    typer.echo(f"Licence: {source.licence} ({source.licence_url})\nCredit: {source.credit}", err=True)
    if source.remark:
        typer.echo(source.remark, err=True)
    if is_accepted:
        return
    if not sys.stdin.isatty():
        raise RequestError(f"fetch {source.name}: say --yes to accept its licence, {source.licence}")
    megabytes = round(source.about_bytes / 2**20)
    typer.confirm(f"Download about {megabytes} MB and accept the licence?", abort=True, err=True)


def _tell(source: Source, fetched: Fetched) -> None:
    """Say what is there, how sure that is, and what to do with it."""
    receipt = fetched.receipt
    if fetched.was_there:
        typer.echo(f"{fetched.folder} is there since {receipt.get('fetched_at')}; nothing was downloaded.", err=True)
        return
    checked = {
        "publisher": "the one its publisher names",
        "server": "the one its server names",
    }.get(str(receipt["checked_by"]), "recorded now; its publisher names none, so the archive's own checksums counted")
    typer.echo(f"SHA-256 {receipt['sha256']}: {checked}.", err=True)
    _tell_counts(receipt)
    if source.is_archive:
        typer.echo(f"Go on with: pianomuse prepare {fetched.folder} --out datasets/{source.name}", err=True)
    else:
        weights = fetched.folder / str(receipt["weights"])
        typer.echo(f"Go on with: pianomuse train DATASET --out runs/from-text --init {weights}", err=True)


def _tell_counts(receipt: dict[str, object]) -> None:
    files, left_out, examples = (receipt.get(key) or {} for key in ("files", "left_out", "examples"))
    assert isinstance(files, dict)
    assert isinstance(left_out, dict)
    assert isinstance(examples, dict)
    typer.echo("; ".join(f"{count:,} × {kind}" for kind, count in files.items()), err=True)
    for reason, count in left_out.items():
        typer.echo(f"  left out {count:,}: {reason} (such as {examples.get(reason)})", err=True)
    if receipt.get("split"):
        typer.echo(f"Split {receipt['split']}.", err=True)
