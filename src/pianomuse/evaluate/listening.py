"""A blind listening test: one page, a key that stays with the tester, and scores from the answers.

Each item plays the four bars before a place and then one continuation: of the model, of a reference, or the composer's
own. Items are shuffled within their place and named by letters, so that nothing on the page, in its file names or in
its order tells who wrote what. Listeners rate how well the music goes on, 1 … 5, and say whether they know the piece;
answers of those who do are left out. The page saves the answers as a file; `score_answers` reads any number of them.

Ratings are means with bootstrap intervals over places. A few listeners at one table are an impression and no study:
their number stands in the result.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from pianomuse.errors import RequestError
from pianomuse.evaluate.bootstrap import Estimate, mean
from pianomuse.evaluate.comparison import Comparison
from pianomuse.evaluate.tasks import Place
from pianomuse.measure.passage import Passage
from pianomuse.midi.bars import tempo_at
from pianomuse.midi.write import write_atomically
from pianomuse.render.clip import Clip, clip_mp3
from pianomuse.render.piano import SoundNote
from pianomuse.tokens.vocabulary import GRID

HEARD_BARS = 4
TAIL_S = 1.2
SCALE = (1, 5)
_LETTERS = "ABCDEFGHIJ"


def write_listening_test(found: Comparison, out: str | Path, *, seed: int = 1, n_places: int = 10) -> tuple[Path, Path]:
    """Write ``listening-test.html`` and ``key.json``; return both paths.

    Args:
        found: a compared task.
        out: folder.
        seed: of the order.
        n_places: places to use at most, evenly spread.

    """
    folder, rng = Path(out), np.random.default_rng(seed)
    chosen = np.unique(np.linspace(0, found.n_places - 1, min(n_places, found.n_places)).round().astype(int))
    key: dict[str, str] = {}
    works: dict[str, str] = {}
    sections = []
    for number, at in enumerate(chosen.tolist(), start=1):
        place = found.places[at]
        writers = [name for name in found.ideas if found.ideas[name][at]]
        items = []
        for letter, which in zip(_LETTERS, rng.permutation(len(writers)).tolist(), strict=False):
            label = f"{number}{letter}"
            key[label], works[label] = writers[which], place.work.work_id
            items.append(_item(label, _sound(place, found.ideas[writers[which]][at][0])))
        sections.append(
            f"<section><h2>Opening {number}</h2>\n{_KNOWN.format(number=number)}\n{''.join(items)}</section>"
        )
    page = _PAGE.format(task=escape(found.task.name), low=SCALE[0], high=SCALE[1], sections="\n".join(sections))
    document = {"seed": seed, "task": found.task.name, "key": key, "works": works}
    return (
        write_atomically(folder / "listening-test.html", page.encode()),
        write_atomically(folder / "key.json", json.dumps(document, indent=1).encode()),
    )


def _sound(place: Place, music: Passage) -> bytes:
    """Play the bars before a place and a continuation at the piece's tempo, MP3."""
    first = place.first_bar
    before = place.work.music.bars(max(first - HEARD_BARS, 0), first)
    whole = before.then(music)
    piece = place.work.piece
    seconds_per_unit = tempo_at(piece.score, piece.grid.start_of(first)) / 1e6 / GRID
    end = float(whole.bar_starts[-1]) * seconds_per_unit
    notes = tuple(
        SoundNote(onset * seconds_per_unit, min(length * seconds_per_unit, end - onset * seconds_per_unit), pitch, vel)
        for onset, length, pitch, vel in zip(
            whole.onset.tolist(), whole.duration.tolist(), whole.pitch.tolist(), whole.velocity.tolist(), strict=True
        )
    )
    idea_s = float(before.bar_starts[-1]) * seconds_per_unit
    return clip_mp3(Clip(notes, (), end + TAIL_S, 0, int(whole.bar_starts[-1]), idea_s, False))


def _item(label: str, sound: bytes) -> str:
    data = base64.b64encode(sound).decode()
    marks = "".join(
        f'<label><input type="radio" name="{label}" value="{mark}">{mark}</label>'
        for mark in range(SCALE[0], SCALE[1] + 1)
    )
    return (
        f'<div class="item"><b>{label}</b><audio controls preload="none" src="data:audio/mpeg;base64,{data}"></audio>'
        f'<span class="marks">{marks}</span></div>\n'
    )


def score_answers(key: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> dict[str, Estimate]:
    """Return the mean rating of each writer, with intervals over works.

    Args:
        key: what ``key.json`` holds.
        answers: what the page saved, one document per listener.

    Raises:
        RequestError: no ratings, a mark outside 1 … 5, or an item that is not in the key.

    """
    marks: dict[str, list[tuple[float, str]]] = {}
    for number, document in enumerate(answers, start=1):
        known = {str(opening) for opening in document.get("known", [])}
        for label, mark in document.get("marks", {}).items():
            if label not in key["key"] or type(mark) is not int or not SCALE[0] <= mark <= SCALE[1]:
                raise RequestError(f"answers {number}: {label}: {mark!r} is no rating of an item of this test")
            if label[:-1] not in known:
                marks.setdefault(key["key"][label], []).append((float(mark), key["works"][label]))
    if not marks:
        raise RequestError("the answers hold no ratings; save them on the page after rating at least one item")
    return {who: mean([mark for mark, _ in rows], [work for _, work in rows]) for who, rows in sorted(marks.items())}


_KNOWN = '<label><input type="checkbox" name="known" value="{number}"> I know this piece</label>'
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Listening test</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }}
.item {{ display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; margin: .5rem 0; }}
.marks label {{ margin-right: .6rem; }}
</style></head><body>
<h1>How well does the music go on?</h1>
<p>Every item begins with the same bars of an opening and then goes on differently. Rate how well it goes on, {low} (it
does not belong) to {high} (it could be the composer's own). Listen to all of an opening before you rate.
Task: {task}.</p>
<form>
{sections}
<p><button type="button" id="save">Save my ratings</button> <span id="told"></span></p>
</form>
<script>
document.getElementById("save").addEventListener("click", () => {{
  const marks = {{}};
  for (const input of document.querySelectorAll("input[type=radio]:checked")) marks[input.name] = Number(input.value);
  const known = [...document.querySelectorAll("input[name=known]:checked")].map((box) => Number(box.value));
  const file = new Blob([JSON.stringify({{ marks, known }}, null, 1)], {{ type: "application/json" }});
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = "ratings.json";
  link.click();
  document.getElementById("told").textContent = `${{Object.keys(marks).length}} ratings saved as ratings.json.`;
}});
</script>
</body></html>
"""
