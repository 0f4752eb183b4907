"""The openings that ship with the project, for a first try."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pianomuse.midi.read import read_midi

_PACKAGE = Path(__file__).parents[1]
FOLDERS = (_PACKAGE / "examples", _PACKAGE.parents[1] / "examples")
"""In an installed package, and in a checkout of the sources."""
TITLES = {
    "finished-phrase": "Kinkel: Abschied",
    "broken-off-on-beat-3": "Burgmüller: Progrès",
    "right-hand": "March from the Notebook for Anna Magdalena Bach",
    "waltz-pickup": "Spagnoletti: The Countess of Farnham's Waltz",
    "expressive-pedal": "Satie: Gymnopédie no. 1",
    "gap-of-four-bars": "Müller: Siciliano",
}


@cache
def examples() -> tuple[tuple[str, str, int], ...]:
    """Return name, title and number of bars of every example."""
    return tuple((name, title, read_midi(example(name)).grid.n_bars) for name, title in TITLES.items() if example(name))


def example(name: str) -> bytes:
    """Return the MIDI file of an example, nothing where there is none of that name."""
    paths = (folder / f"{name}.mid" for folder in FOLDERS) if name in TITLES else ()
    return next((path.read_bytes() for path in paths if path.is_file()), b"")
