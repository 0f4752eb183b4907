"""The command line: `pianomuse COMMAND`, one module per command.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 our fault, 2 the user's input or arguments are
wrong (one line on stderr, never a traceback), 130 interrupted. A command module has `register(app)` and imports what
is heavy inside the command, so that `pianomuse --help` stays under 0.3 s.
"""

from __future__ import annotations

import importlib
import io
import logging
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from pianomuse.errors import PianoMuseError

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
    _prepare_streams()
    try:
        result = build_app()(words, prog_name="pianomuse", standalone_mode=False)
    except KeyboardInterrupt:
        return 130
    except (Exception, typer.Abort) as error:
        if wants_traceback:
            logging.getLogger("pianomuse").error("The traceback asked for:", exc_info=error)
        line, code = _one_line(error)
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


def _prepare_streams() -> None:
    """Let note and bar symbols through on consoles that lack them, and send log lines to stderr as they are."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")


def _one_line(error: BaseException) -> tuple[str, int]:
    """Say in one line what went wrong and give the exit code."""
    if isinstance(error, PianoMuseError):
        return _joined(str(error)), 2
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "pianomuse"
        return f"{_joined(error.format_message()).rstrip('.')}. See: {command} --help", 2
    if isinstance(error, typer.Abort):
        return "Stopped.", 130
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}. Check the path, its permissions and the space left.", 2
    name = type(error).__name__
    what = _joined(f"{name}: {error}" if str(error) else name)
    return f"This is a fault in PianoMuse ({what}). Run it again with --traceback and report what it prints.", 1


def _joined(text: str) -> str:
    return " ".join(text.split())
