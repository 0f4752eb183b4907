"""Stdout and stderr on terminals and pipes of every kind."""

from __future__ import annotations

import codecs
import io
import logging
import os
import sys

_IN_JSON, _IN_TEXT = "pianomuse.json", "pianomuse.text"


def prepare_streams(*, is_json: bool) -> None:
    """Let every character through on consoles that lack some, and send log lines to stderr as they are.

    Args:
        is_json: stdout is one JSON document, where a character that cannot be printed is spelt as an escape.

    """
    codecs.register_error(_IN_JSON, _escaped)
    codecs.register_error(_IN_TEXT, _replaced)
    for stream, errors in ((sys.stdout, _IN_JSON if is_json else _IN_TEXT), (sys.stderr, _IN_TEXT)):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")


def flush_stdout() -> None:
    """Write what is still held back, so that a full disk is told; a reader that has gone has read enough."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes again when it ends


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """Spell characters as JSON does, those beyond 65535 as a pair."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)), error.end


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """Give back the bytes of a file name that was no text, and a question mark for what the console lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return b"".join(bytes((ord(c) - 0xDC00,)) if "\udc80" <= c <= "\udcff" else b"?" for c in characters), error.end
