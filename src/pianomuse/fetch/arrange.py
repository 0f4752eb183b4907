"""Lay an unpacked corpus out for `pianomuse prepare`: MIDI files with real bars where beats are known, works, splits.

maestro   files as they are; works and splits from its own table, as published
asap      scores as they are, performances on their annotated beats; a work is a composer and a title, and is
          drawn into training or validation as a whole, since ASAP publishes no split
pop909    every song on its annotated beats; no split is published: `prepare` finds the works by their melodies
"""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pianomuse.errors import FetchError, MidiError
from pianomuse.fetch.annotations import asap_beats, pop909_beats
from pianomuse.midi.beats import Beat, warp
from pianomuse.midi.write import write_atomically

MANIFEST = "manifest.csv"
_COLUMNS = ("path", "work_id", "split", "composer", "title", "kind")
_DOCUMENTS = ("license", "license.txt", "license.md", "readme", "readme.md")

Progress = Callable[[int, int], None]
"""Called with files done and files in all."""


@dataclass
class Layout:
    """What became of a corpus: files by kind, files left out by reason with an example, and how it is split."""

    files: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    split: str = ""

    def leave_out(self, reason: str, name: str) -> None:
        """Count a file that is not laid out."""
        self.left_out[reason] += 1
        self.examples.setdefault(reason, name)


def choose(name: str) -> Callable[[PurePosixPath], PurePosixPath | None]:
    """Return which entries of a corpus' archive are wanted, and where they go."""
    return {"maestro": _of_maestro, "asap": _of_asap, "pop909": _of_pop909}[name]


def arrange(name: str, unpacked: Path, out: Path, progress: Progress = lambda done, total: None) -> Layout:
    """Lay a corpus out in a new folder.

    Raises:
        FetchError: what was unpacked is not this corpus.
    """
    layout = Layout()
    rows = {"maestro": _maestro, "asap": _asap, "pop909": _pop909}[name](unpacked, out, layout, progress)
    if not layout.files:
        raise FetchError(f"{name}: no music in the archive; look whether its publisher has changed it")
    if rows:
        with (out / MANIFEST).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(rows, key=lambda row: row["path"]))
    for path in unpacked.iterdir():
        if path.name.lower() in _DOCUMENTS:
            shutil.copyfile(path, out / path.name)
    return layout


def _of_maestro(path: PurePosixPath) -> PurePosixPath | None:
    is_table = len(path.parts) == 1 and path.suffix == ".csv"
    return path if path.suffix in (".midi", ".mid") or is_table or _is_document(path) else None


def _of_asap(path: PurePosixPath) -> PurePosixPath | None:
    is_beats = path.name.endswith("_annotations.txt") and path.name != "midi_score_annotations.txt"
    return path if path.suffix == ".mid" or is_beats or path.name == "metadata.csv" or _is_document(path) else None


def _of_pop909(path: PurePosixPath) -> PurePosixPath | None:
    if _is_document(path):
        return path
    if len(path.parts) != 3 or path.parts[0] != "POP909":
        return None  # other versions of the songs, which have no annotations of their own
    is_song = path.name == f"{path.parts[1]}.mid"
    return PurePosixPath(*path.parts[1:]) if is_song or path.name == "beat_midi.txt" else None


def _is_document(path: PurePosixPath) -> bool:
    return len(path.parts) == 1 and path.name.lower() in _DOCUMENTS


def _maestro(unpacked: Path, out: Path, layout: Layout, progress: Progress) -> list[dict[str, str]]:
    table = next(iter(sorted(unpacked.glob("maestro*.csv"))), None)
    if table is None:
        raise FetchError("maestro: its table of performances is not in the archive; fetch it again")
    rows = []
    listed = list(_table(table, ("canonical_composer", "canonical_title", "split", "midi_filename")))
    for number, row in enumerate(listed, 1):
        if _move(unpacked, out, row["midi_filename"], "performance", layout):
            work = f"{row['canonical_composer']}: {row['canonical_title']}"
            split = "valid" if row["split"] == "validation" else row["split"]
            composer, title = row["canonical_composer"], row["canonical_title"]
            rows.append(_row(row["midi_filename"], work, split, composer, title, "performance"))
        progress(number, len(listed))
    layout.split = "as published: train, validation and test; prepare leaves test out"
    return rows


def _asap(unpacked: Path, out: Path, layout: Layout, progress: Progress) -> list[dict[str, str]]:
    table = unpacked / "metadata.csv"
    if not table.is_file():
        raise FetchError("asap: metadata.csv is not in the archive; fetch it again")
    columns = ("composer", "title", "midi_score", "midi_performance", "performance_annotations")
    listed = list(_table(table, columns))
    rows: dict[str, dict[str, str]] = {}
    for number, row in enumerate(listed, 1):
        work, score, played = f"{row['composer']}: {row['title']}", row["midi_score"], row["midi_performance"]
        if score and score not in rows and _move(unpacked, out, score, "score", layout):
            rows[score] = _row(score, work, "", row["composer"], row["title"], "score")
        if played and played not in rows:
            notes = row["performance_annotations"]
            if _on_beats(unpacked, out, (played, notes, played), asap_beats, layout):
                rows[played] = _row(played, work, "", row["composer"], row["title"], "performance on its beats")
        progress(number, len(listed))
    layout.split = "by work (composer and title), drawn by prepare; ASAP publishes none"
    return list(rows.values())


def _pop909(unpacked: Path, out: Path, layout: Layout, progress: Progress) -> list[dict[str, str]]:
    songs = sorted(path for path in unpacked.glob("*/*.mid") if path.stem == path.parent.name)
    for number, song in enumerate(songs, 1):
        name = song.stem
        _on_beats(unpacked, out, (f"{name}/{name}.mid", f"{name}/beat_midi.txt", f"{name}.mid"), pop909_beats, layout)
        progress(number, len(songs))
    layout.split = "by work (songs that share melodies), drawn by prepare; POP909 publishes none"
    return []


def _table(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Read a corpus' own table.

    Raises:
        FetchError: it lacks a column.
    """
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            missing = [column for column in columns if row.get(column) is None]
            if missing:
                raise FetchError(f"{path.name}: no column {missing[0]}; its publisher has changed it")
            yield row


def _row(path: str, work_id: str, split: str, composer: str, title: str, kind: str) -> dict[str, str]:
    return dict(zip(_COLUMNS, (path, work_id, split, composer, title, kind), strict=True))


def _move(unpacked: Path, out: Path, name: str, kind: str, layout: Layout) -> bool:
    """Move a file as it is; tell whether it was there."""
    source = _inside(unpacked, name)
    if source is None:
        layout.leave_out("listed, but not in the archive", name)
        return False
    target = out / name
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    layout.files[kind] += 1
    return True


def _on_beats(
    unpacked: Path,
    out: Path,
    names: tuple[str, str, str],
    read: Callable[[str, str], list[Beat]],
    layout: Layout,
) -> bool:
    """Write a performance on its annotated beats; names: of its file, of its annotations, of what is written."""
    played, notes, target = names
    source, annotations = _inside(unpacked, played), _inside(unpacked, notes)
    if source is None or annotations is None:
        layout.leave_out("without its file or its annotations in the archive", played)
        return False
    try:
        beats = read(annotations.read_text(encoding="utf-8"), notes)
        data = warp(source.read_bytes(), beats, played)
    except (MidiError, UnicodeDecodeError) as error:
        layout.leave_out("annotations or file that cannot be read", f"{played}: {error}")
        return False
    write_atomically(out / target, data)
    layout.files["performance on its beats"] += 1
    return True


def _inside(folder: Path, name: str) -> Path | None:
    """Return a listed file, if it is one of those that were unpacked: a table may name anything."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        return None
    found = folder.joinpath(*path.parts)
    return found if found.is_file() else None
