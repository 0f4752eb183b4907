"""Read what `pianomuse complete --json` printed and see that every file it names is there and says something."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mido


def main() -> int:
    """Check the document on stdin; return the exit code."""
    document = json.load(sys.stdin)
    assert document["candidates"], "no ideas"
    for idea in document["candidates"]:
        for key in ("midi", "with_completion"):
            notes = [event for event in mido.MidiFile(idea[key]) if event.type == "note_on" and event.velocity]
            assert notes, f"{idea[key]} has no notes"
        assert idea["notes"] > 0
    for key in ("picture", "page"):
        assert Path(document[key]).stat().st_size > 1000, f"{document[key]} is empty"
    print(f"{len(document['candidates'])} ideas in {document['seconds']:.1f} s, all files there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
