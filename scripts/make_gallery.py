"""Make the gallery: twelve completions that a seed chose, not taste, as pictures and MIDI with an index page.

    python scripts/make_gallery.py MIDI_DIR            validation works of a folder with manifest.csv
    python scripts/make_gallery.py                     the bundled pieces (tests/corpus; most were trained on)

Only pieces under CC0, in the public domain or under CC BY are drawn from, since excerpts of them are shown. Of each the
four bars in its middle are replaced: the first idea of the seed, whatever it is. The page has a line for a comment on
each; whoever makes the gallery listens and says what is there, also where it is bad. Another model makes other ideas,
so the comments are begun anew.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pianomuse.api import Muse, load
from pianomuse.evaluate.tasks import CONTINUATION, find_place
from pianomuse.evaluate.works import Work
from pianomuse.generate.ideas import Ideas
from pianomuse.generate.show import idea_rows
from pianomuse.midi.bars import cut
from pianomuse.midi.read import read_midi
from pianomuse.midi.write import score_bytes
from pianomuse.render.picture import ideas_picture

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "tests" / "corpus"
FREE = re.compile(r"CC0|Public domain|CC BY \d")
BARS, HEARD_BARS = 4, 4
N_COLOURS = 64


@dataclass(frozen=True)
class Item:
    """One completion of the gallery."""

    row: dict[str, str]
    at_bar: int
    ideas: Ideas
    stem: str


def main() -> int:
    """Draw, complete, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi_dir", type=Path, nargs="?", default=BUNDLED)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "gallery")
    parser.add_argument("--model", default=None)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--items", type=int, default=12)
    arguments = parser.parse_args()
    muse = load(arguments.model)
    rows = free_rows(arguments.midi_dir, everything=arguments.midi_dir == BUNDLED)
    order = np.random.default_rng(arguments.seed).permutation(len(rows))
    items: list[Item] = []
    for index in order.tolist():
        item = complete(muse, arguments.midi_dir, rows[index], len(items) + 1, arguments.seed)
        if item is not None:
            items.append(item)
        if len(items) == arguments.items:
            break
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    for item in items:
        write(item, arguments.out)
    (arguments.out / "README.md").write_text(page(items, arguments.seed, muse.name), encoding="utf-8")
    size = sum(path.stat().st_size for path in arguments.out.iterdir())
    print(f"{arguments.out / 'README.md'}: {len(items)} completions, {size / 1000:.0f} kB")
    return 0


def free_rows(folder: Path, *, everything: bool) -> list[dict[str, str]]:
    """Return the rows of the manifest that may be shown, one for each work, those of validation unless `everything`."""
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if FREE.match(row["licence"])]
    rows = [row for row in rows if everything or row["split"] == "valid"]
    return list({row["work_id"]: row for row in sorted(rows, key=lambda row: row["path"], reverse=True)}.values())


def complete(muse: Muse, folder: Path, row: dict[str, str], number: int, seed: int) -> Item | None:
    """Complete a piece in its middle; None where it is too short for it."""
    data = (folder / row["path"]).read_bytes()
    ids = muse.tokenizer.tokenize_midi(folder / row["path"])
    place = find_place(Work(row["path"], row["work_id"], "", ids, data), CONTINUATION)
    if place is None:
        return None
    ideas = muse.complete(data, at_bar=place.first_bar, bars=BARS, candidates=1, seed=seed)
    return Item(row, place.first_bar, ideas, f"{number:02d}-{Path(row['path']).stem.lower()[:24].strip('_-')}")


def write(item: Item, out: Path) -> None:
    """Write the picture, and a MIDI file of the last bars before the idea and the idea."""
    picture = ideas_picture(idea_rows(item.ideas, [1]), title=f"{item.row['composer']}: {item.row['title']}")
    picture.convert("RGB").quantize(N_COLOURS).save(out / f"{item.stem}.png", optimize=True)
    piece = read_midi(item.ideas[0].with_completion)
    begin, end = (piece.grid.start_of(bar) for bar in (item.at_bar - HEARD_BARS, item.at_bar + BARS))
    (out / f"{item.stem}.mid").write_bytes(score_bytes(cut(piece.score, begin, end)))


def page(items: list[Item], seed: int, model: str) -> str:
    """Return the index page."""
    lines = [
        "# Gallery",
        "",
        f"{len(items)} completions by the model `{model}`, drawn and written with seed {seed} by "
        "`scripts/make_gallery.py`: the pieces, the bars and the ideas are what chance gave, the bad ones too. Each "
        f"picture and MIDI file has {HEARD_BARS} bars of the composer's and then {BARS} new ones; the model heard the "
        "whole piece up to there.",
        "",
    ]
    for number, item in enumerate(items, start=1):
        row, idea = item.row, item.ideas[0]
        split = "validation, not trained on" if row["split"] == "valid" else "**trained on**"
        lines += [
            f"## {number}. {row['composer']}: {row['title']}",
            "",
            f"![the last bars and the idea]({item.stem}.png)",
            "",
            f"New bars {item.at_bar + 1}–{item.at_bar + BARS} · [MIDI]({item.stem}.mid) · {idea.reason}, "
            f"{len(idea.notes)} notes · {row['source']}, {row['licence']}; {split}",
            "",
            "> Comment: not listened to yet.",
            "",
        ]
    lines += [
        "## Credits",
        "",
        "Changed from the sources: converted to MIDI, cut, and completed by PianoMuse. Full attributions are in "
        "[NOTICE](../../NOTICE). " + " ".join(f"{name}: {credit}." for name, credit in credits(items).items()),
    ]
    return "\n".join(lines) + "\n"


def credits(items: list[Item]) -> dict[str, str]:
    """Return for each source the licences and who made the scores."""
    found: dict[str, list[str]] = {}
    for item in items:
        maker = item.row.get("source_file", "").partition("| ")[2]
        said = found.setdefault(item.row["source"], [])
        for text in (item.row["licence"], maker):
            if text and text not in said:
                said.append(text)
    return {source: ", ".join(texts) for source, texts in sorted(found.items())}


if __name__ == "__main__":
    sys.exit(main())
