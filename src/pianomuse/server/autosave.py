"""One slot on disk where the studio keeps the piece that is open, so that nothing is lost when a window closes."""

from __future__ import annotations

import json
import os
from pathlib import Path

from platformdirs import user_data_path

from pianomuse.errors import RequestError, StorageError
from pianomuse.midi.write import write_atomically


def slot_path() -> Path:
    """Return where the slot is: in `PIANOMUSE_CONFIG` if that is set, else where this system keeps users' data."""
    folder = os.environ.get("PIANOMUSE_CONFIG")
    return (Path(folder) if folder else user_data_path("pianomuse", appauthor=False)) / "studio.json"


def keep(document: bytes) -> None:
    """Keep a JSON object; the slot is as it was or whole.

    Raises:
        RequestError: it is no JSON object.
        StorageError: it cannot be written.

    """
    try:
        is_object = isinstance(json.loads(document), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise RequestError("The body is no JSON object: send the project, or an object that holds it.")
    path = slot_path()
    try:
        write_atomically(path, document)
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error.strerror}): free space there, or export.") from error


def kept() -> bytes | None:
    """Return what is kept, None if nothing is.

    Raises:
        StorageError: it cannot be read.

    """
    path = slot_path()
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error
