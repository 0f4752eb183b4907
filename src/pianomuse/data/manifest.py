"""`manifest.csv`: what somebody says about the files of a folder, one row each."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from pianomuse.errors import DatasetError
from pianomuse.reading import read_bounded

NAME = "manifest.csv"
_MAX_BYTES = 256 * 2**20


def manifest_rows(folder: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a folder's manifest.

    Args:
        folder: that may hold one.
        columns: it must have; one without them is about something else, and there are no rows.

    Raises:
        DatasetError: it cannot be read, or a row lacks an entry or its path.

    """
    path = folder / NAME
    if not os.path.lexists(path):
        return []
    try:
        table = csv.DictReader(io.StringIO(read_bounded(path, _MAX_BYTES).decode("utf-8-sig"), newline=""))
        if not set(columns) <= set(table.fieldnames or ()):
            return []
        rows = list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path} cannot be read ({reason}); mend it, or take it away to go without") from None
    for number, row in enumerate(rows, start=2):
        if any(row[column] is None for column in columns) or not row["path"]:
            raise DatasetError(f"{path}: row {number} has no entry for each of {', '.join(columns)}; mend it")
    return rows
