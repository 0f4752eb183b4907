"""The errors PianoMuse raises on purpose.

Every one of them is the user's input or arguments being wrong; the message says what is wrong, where, and what to
do about it. The command line prints the message as one line and exits with code 2. Anything else that escapes is
our own fault (exit code 1).

    PianoMuseError
    ├── MidiError         a file is not readable as piano MIDI
    ├── RequestError      an argument or a combination of arguments cannot be honoured
    ├── VocabularyError   tokens, data or weights speak another vocabulary
    ├── CheckpointError   weights are missing, damaged or do not fit their configuration
    ├── ConfigError       a setting is unknown or out of range
    ├── DatasetError      a prepared dataset is missing, damaged or of another format version
    ├── StorageError      a file cannot be written: the disk is full, or the folder is not ours
    └── FetchError        a download does not arrive, or is not what was published
"""

from __future__ import annotations

import errno
from pathlib import Path

from pianomuse.coded import Coded, Value, coded


class PianoMuseError(Exception):
    """Base of all errors that the user can mend.

    Args:
        message: what is wrong, where, and what to do about it.
        code: the same for programs, such as pages in another language; empty where no page shows it.
        values: what the message names.

    """

    def __init__(self, message: str = "", code: str = "", **values: Value) -> None:
        """Keep the code with the message."""
        super().__init__(coded(message, code, **values) if code else message)

    @property
    def sentence(self) -> str:
        """The message; `Coded` where it has a code."""
        return self.args[0] if self.args else ""


class MidiError(PianoMuseError):
    """A file is empty, truncated, too large, without notes, or not MIDI at all."""


class RequestError(PianoMuseError):
    """An argument, or a combination of arguments, cannot be honoured."""


class VocabularyError(PianoMuseError):
    """Tokens, data or weights were made with another vocabulary."""


class CheckpointError(PianoMuseError):
    """Weights are missing, damaged, or do not fit their configuration."""


class ConfigError(PianoMuseError):
    """A setting is unknown, of the wrong type, or out of range."""


class DatasetError(PianoMuseError):
    """A prepared dataset is missing, damaged, or of another format version."""


class StorageError(PianoMuseError):
    """A file cannot be written: the disk is full, or the folder does not let us."""


class FetchError(PianoMuseError):
    """A download does not arrive, is not what was published, or holds what no corpus holds."""


def reason_of(error: OSError) -> Coded:
    """Return why the system refused, in its own words."""
    words = error.strerror or str(error)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return coded(words, "disk_full")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return coded(words, "no_permission")
        case errno.ENOENT | errno.ENOTDIR:
            return coded(words, "not_there")
        case errno.EADDRINUSE:
            return coded(words, "address_in_use")
    return coded(words, "system_error", number=error.errno or 0)


def cannot_write(path: Path, error: OSError) -> StorageError:
    """Return the error that a file which the program keeps for people cannot be written."""
    return StorageError(
        f"{path} cannot be written ({error.strerror}): free space there, or export.",
        "cannot_write",
        path=str(path),
        why=reason_of(error),
    )
