"""The command line: `pianomuse COMMAND`, one module per command.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 our fault, 2 the user's input or arguments are
wrong (one line on stderr, never a traceback), 130 interrupted. A command module has `register(app)` and imports what
is heavy inside the command, so that `pianomuse --help` stays under 0.3 s.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from pianomuse.cli.endings import INTERRUPTED, one_line, stopped
from pianomuse.cli.streams import flush_stdout, prepare_streams

# in the order of the help
COMMANDS = (
    "complete",
    "fill",
    "vary",
    "harmonise",
    "fetch",
    "prepare",
    "train",
    "tune",
    "evaluate",
    "mirex",
    "surprise",
    "render",
    "convert",
    "export",
    "taste",
    "studio",
    "serve",
    "info",
    "vocab",
    "memory",
    "bench",
    "doctor",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    `--traceback` may stand anywhere on the command line; it shows where an error came from, for a bug report.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    wants_traceback = "--traceback" in words
    if wants_traceback:
        words = ["--traceback", *(word for word in words if word != "--traceback")]
    prepare_streams(is_json="--json" in words)
    try:
        result = build_app()(words, prog_name="pianomuse", standalone_mode=False)
        flush_stdout()
        if result == INTERRUPTED:  # Typer heard Ctrl-C
            return stopped()
    except KeyboardInterrupt:
        return stopped()
    except (Exception, typer.Abort) as error:
        if wants_traceback:
            logging.getLogger("pianomuse").error("The traceback asked for:", exc_info=error)
        line, code = one_line(error, words)
        typer.echo(line, err=True)
        return code
    return result if isinstance(result, int) else 0


def build_app() -> typer.Typer:
    """Make the Typer application with every command registered."""
    app = typer.Typer(
        help="PianoMuse completes piano music the way an editor completes code.",
        epilog="Start with: pianomuse complete your-piece.mid",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    for name in COMMANDS:
        importlib.import_module(f"pianomuse.cli.{name}").register(app)
    return app


def _root(
    context: typer.Context,
    is_version_asked: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    is_traceback_asked: Annotated[
        bool, typer.Option("--traceback", help="Show where an error came from, for a bug report.")
    ] = False,
) -> None:
    """Answer the options that stand before a command; `main` has already read --traceback."""
    if is_version_asked:
        from importlib.metadata import version

        typer.echo(f"pianomuse {version('pianomuse')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
