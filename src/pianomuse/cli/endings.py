"""How a command ends when it does not end well: one line on stderr, and the exit code."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence

import typer

from pianomuse.errors import PianoMuseError

# the machine's state or the user's rights, wherever they show
_NOT_OURS = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE,
    errno.ENFILE, errno.ENAMETOOLONG,
)  # fmt: skip
_NO_MEMORY = re.compile("can't allocate memory|out of memory", re.IGNORECASE)  # as PyTorch says it
INTERRUPTED = 130
_ADVICE = "Check the path, its permissions and the space left."


def stopped() -> int:
    """Say that Ctrl-C was heard; return the exit code."""
    typer.echo("Stopped.", err=True)
    return INTERRUPTED


def one_line(error: BaseException, words: Sequence[str] = ()) -> tuple[str, int]:
    """Say in one line what went wrong and give the exit code.

    Args:
        error: what was raised.
        words: of the command line.

    """
    if isinstance(error, PianoMuseError):
        return _joined(str(error)), 2
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "pianomuse"
        dashed = next((word for word in words if word.startswith("-") and os.path.lexists(word)), None)
        advice = "" if dashed is None else f". For the file of that name write ./{dashed}"
        return f"{_joined(error.format_message()).rstrip('.')}{advice}. See: {command} --help", 2
    if isinstance(error, typer.Abort):
        return "Stopped.", INTERRUPTED
    if isinstance(error, OSError) and error.filename is not None:
        return _joined(f"{error.filename}: {error.strerror}. {_ADVICE}"), 2
    if isinstance(error, OSError) and error.errno in _NOT_OURS:
        return f"{error.strerror}. {_ADVICE}", 2
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error))):
        return "There is not enough memory for this: close other programs, or ask for less at once.", 2
    name = type(error).__name__
    what = _joined(f"{name}: {error}" if str(error) else name)
    return f"This is a fault in PianoMuse ({what}). Run it again with --traceback and report what it prints.", 1


def _joined(text: str) -> str:
    return " ".join(text.split())
