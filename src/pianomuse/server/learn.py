"""Learn a style in a process of its own: `python -m pianomuse.server.learn MODEL PIECES OUT MINUTES`.

The server starts it and reads one JSON object a line: `{"done", "minutes_left"}` at every step, at the end `{"style"}`
with what was learnt, or `{"error"}` with what went wrong. Ending the process ends the learning; the memory it took is
free then.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pianomuse.train.loop import Report

_NICENESS = 5
"""Ideas that are asked for meanwhile come first."""


def main(model: str, pieces: str, out: str, minutes: str) -> None:
    """Read the pieces, learn, write the style file."""
    from pianomuse.checkpoint.store import load_checkpoint
    from pianomuse.checkpoint.style import save_style
    from pianomuse.data.own_pieces import read_own_pieces
    from pianomuse.errors import PianoMuseError
    from pianomuse.server.faults import Told, code_of, detail_of
    from pianomuse.train.tune import RECIPE, tune

    if hasattr(os, "nice"):
        os.nice(_NICENESS)

    def heard(report: Report) -> None:
        _tell(done=round(report.done, 4), minutes_left=round(report.minutes_left, 3))

    try:
        found, dropped = read_own_pieces(Path(pieces))
        settings = replace(RECIPE, max_minutes=float(minutes), log_every=1)
        style, learnt = tune(load_checkpoint(Path(model)), found, settings, listener=heard)
        save_style(Path(out), style)
    except PianoMuseError as error:
        message = str(error).replace(f"{pieces}/", "").replace(pieces, "your pieces")
        told = Told(code=code_of(error), message=message, **detail_of(error.sentence))
        _tell(error=told.model_dump())
        return
    facts = {"pieces": len(found), "left_out": sum(dropped.values())}
    _tell(done=1.0, minutes_left=0.0, style=facts | {"before": learnt.before, "after": learnt.after})


def _tell(**values: Any) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
