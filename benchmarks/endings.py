"""Does music asked for as an ending end? The control token `Ending_Final` against none, at the same places.

    python benchmarks/endings.py MIDI_DIR [--model CKPT] [--works 20] [--ideas 2]

Four bars are written in the middle of works and at their true ends, once with the token in the request and once
without, from the same seeds. Counted is what tells an end: the last bass note is the tonic of the context's key;
nothing begins in the second half of the last bar; how long the last strike is. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from pianomuse.api import Muse, load
from pianomuse.evaluate.bootstrap import mean
from pianomuse.evaluate.tasks import CONTEXT_BARS, CONTINUATION, ENDS, Place, find_place
from pianomuse.evaluate.works import load_works
from pianomuse.generate.caret import find_caret
from pianomuse.generate.decode import decode
from pianomuse.generate.key import heard_key
from pianomuse.generate.prompt import write_request
from pianomuse.generate.tempo import idea_tempo
from pianomuse.measure.passage import Passage, passage
from pianomuse.measure.style import closes
from pianomuse.tokens.vocabulary import GRID

SIGNS = ("closes on the tonic", "nothing begins in the second half of the last bar", "last strike, quarters")
KINDS = ("truth", "open", "final")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi_dir", type=Path)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--works", type=int, default=20)
    parser.add_argument("--ideas", type=int, default=2, help="at each place, of each kind")
    parser.add_argument("--exclude", action="append", default=[], help="sub-folder to leave out")
    options = parser.parse_args()
    muse = load(options.model)
    works = load_works(options.midi_dir, n_pieces=options.works, exclude=tuple(options.exclude)).works
    results: dict[str, Any] = {}
    for task in (CONTINUATION, ENDS):
        places = [place for work in works if (place := find_place(work, task)) is not None]
        rows = [(place.work.work_id, signs(muse, place, options.ideas)) for place in places]
        print(f"{task.name}: {len(places)} places, {options.ideas} ideas of each kind")
        for number, sign in enumerate(SIGNS):
            values = {kind: [np.mean([s[number] for s in row[kind]]) for _, row in rows] for kind in KINDS}
            values["final - open"] = list(np.array(values["final"]) - np.array(values["open"]))
            found = {kind: mean(column, [name for name, _ in rows]).to_json() for kind, column in values.items()}
            print(f"  {sign}: " + ", ".join(f"{k} {v['value']} ({v['low']} … {v['high']})" for k, v in found.items()))
            results.setdefault(task.name, {"places": len(places)})[sign] = found
    print(json.dumps({"ideas_of_each_kind_at_each_place": options.ideas, **results}))


def signs(muse: Muse, place: Place, n_ideas: int) -> dict[str, list[tuple[float, ...]]]:
    """Return the signs of an end in the true bars, and in ideas asked for without and with the token."""
    music, first = place.work.music, place.first_bar
    context = music.bars(max(first - CONTEXT_BARS, 0), first)
    ideas = {kind: written(muse, place, n_ideas, is_final=kind == "final") for kind in ("open", "final")}
    return {kind: [_signs(context, new) for new in found] for kind, found in {"truth": [place.truth], **ideas}.items()}


def written(muse: Muse, place: Place, n_ideas: int, *, is_final: bool) -> list[Passage]:
    """Return ideas; the token stands where training puts it, before the number of bars."""
    piece = place.work.piece
    caret = find_caret(piece, at_bar=place.first_bar, bars=place.n_bars)
    request = write_request(piece, muse.tokenizer, caret, idea_tempo(piece, caret), heard_key(piece, caret.tick))
    token = muse.tokenizer.vocabulary.id("Ending_Final")
    ids = np.insert(request.ids, len(request.ids) - 1, token) if is_final else request.ids
    logits, state = muse.engine.prefill(ids)
    lines = np.array(request.plan.bar_starts)
    found = decode(muse.engine, state, logits, request.plan, n_ideas, 1)
    tables = [
        np.array([(n.onset, n.duration, n.pitch, n.velocity) for n in idea.notes]) for idea in found if idea.notes
    ]
    return [passage(*table.astype(np.int64).T, lines) for table in tables]


def _signs(context: Passage, new: Passage) -> tuple[float, ...]:
    last = int(new.onset.max())
    middle = (int(new.bar_starts[-1]) + int(new.bar_starts[-2])) / 2
    return closes(context, new), float(last <= middle), float(new.duration[new.onset == last].max()) / GRID


if __name__ == "__main__":
    main()
