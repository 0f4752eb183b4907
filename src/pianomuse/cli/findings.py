"""What a check of `pianomuse doctor` finds, and how it is said without telling where somebody's home is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What one check found; `remedy` says what to do, and is empty where nothing needs to be done."""

    name: str
    mark: Literal["good", "note", "bad"]
    text: str
    remedy: str = ""


def shown(path: Path) -> str:
    """Return a path for a bug report: below the home folder it begins with ~."""
    try:
        return str(Path("~") / path.resolve().relative_to(Path.home().resolve()))
    except (ValueError, RuntimeError, OSError):
        return str(path)


def without_home(document: str) -> str:
    """Return a JSON document in which the home folder is written ~: errors may name files."""
    home = json.dumps(str(Path.home()))[1:-1]
    return document.replace(home, "~") if len(home) > 3 else document
