"""Write ideas as files, tell about them on stderr, and as JSON on stdout.

Everything is written aside, in a hidden folder inside the target, and moved into place when it is complete. A file that
exists is never written over: numbers go on, also where several processes write into one folder.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from pianomuse.api import load
from pianomuse.cli.choices import Device
from pianomuse.generate.ideas import Ideas
from pianomuse.generate.show import idea_rows
from pianomuse.lock import held
from pianomuse.midi.write import unused_path
from pianomuse.notation.read_musicxml import read_piece
from pianomuse.render.clip import clip_of, clip_sound
from pianomuse.render.page import ideas_page
from pianomuse.render.piano import write_wav
from pianomuse.render.picture import ideas_picture

_PATIENCE_S = 60.0  # sixteen ideas with sound take ten


@dataclass(frozen=True)
class Written:
    """Where everything of one call is; lists have one entry per idea."""

    numbers: list[int]
    midi: list[Path]
    with_completion: list[Path]
    scores: list[Path]
    audio: list[Path]
    picture: Path
    page: Path


def write(
    verb: str,
    midi: Path,
    *place: int | None,
    model: str | None,
    device: Device,
    out: Path | None,
    audio: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Ask a model for ideas, write the files of the call and report them.

    Args:
        verb: which method of `Muse` is asked.
        midi: the composer's file, as given.
        place: where in it, as the verb takes it.
        model: its name or path; None: the default model.
        device: where it runs.
        out: the folder; None: `<stem> ideas` beside the file.
        audio: write WAV files too.
        as_json: print a JSON document on stdout.
        options: of the verb, as they were typed.

    """
    started = time.perf_counter()
    read_piece(midi)  # a file that cannot be read is refused before the model is loaded
    ideas: Ideas = getattr(load(model, device.value), verb)(midi, *place, **_spoken(options))
    written = write_ideas(ideas, midi, out, audio=audio)
    for line in talk(ideas, written):
        typer.echo(line, err=True)
    if as_json:
        typer.echo(json.dumps(report(ideas, midi, written, time.perf_counter() - started), ensure_ascii=False))


def _spoken(options: dict[str, Any]) -> dict[str, Any]:
    """Return options as Python takes them: words for choices, a list of tracks."""
    words = {name: value.value if isinstance(value, StrEnum) else value for name, value in options.items()}
    return {**words, "tracks": tuple(filter(None, map(str.strip, (words["tracks"] or "").split(","))))}


def write_ideas(ideas: Ideas, midi: Path, out: Path | None, *, audio: bool) -> Written:
    """Write MIDI files, picture, page and sound; all of them or, if something fails, none."""
    folder = out if out is not None else midi.parent / f"{midi.stem} ideas"
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / ".ideas.part"
    try:
        with held(folder / ".lock", f"{folder}: another process writes there; try again", patience_s=_PATIENCE_S):
            try:
                return _written(ideas, midi, folder, aside, audio=audio)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    finally:
        if is_new:
            with suppress(OSError):  # a folder that holds something stays
                folder.rmdir()


def _written(ideas: Ideas, midi: Path, folder: Path, aside: Path, *, audio: bool) -> Written:
    """Write everything aside under names that are free, and move it into place."""
    names = _names(folder, midi.stem, len(ideas), audio=audio, scores=ideas.piece.recording is not None)
    shutil.rmtree(aside, ignore_errors=True)  # what a crash left
    aside.mkdir()
    for idea, alone, whole in zip(ideas, names.midi, names.with_completion, strict=True):
        (aside / alone.name).write_bytes(idea.midi)
        (aside / whole.name).write_bytes(idea.with_completion)
    for idea, path in zip(ideas, names.scores, strict=False):
        (aside / path.name).write_bytes(idea.as_score or b"")
    rows = idea_rows(ideas, names.numbers)
    ideas_picture(rows, title=midi.name).save(aside / names.picture.name, optimize=True)
    kinds = [names.midi, names.with_completion, *([names.scores] if names.scores else [])]
    links = [[path.name for path in paths] for paths in zip(*kinds, strict=True)]
    page = ideas_page(rows, title=midi.name, lines=_page_lines(ideas), files=links)
    (aside / names.page.name).write_text(page, encoding="utf-8")
    for row, path in zip(rows, names.audio, strict=False):
        write_wav(aside / path.name, clip_sound(clip_of(row)))
    for path in sorted(aside.iterdir()):
        path.rename(folder / path.name)
    return names


def _page_lines(ideas: Ideas) -> list[str]:
    recording = ideas.piece.recording
    return [ideas.summary, *([recording.notice] if recording is not None else []), ideas.headline]


def talk(ideas: Ideas, written: Written) -> list[str]:
    """Return what the composer reads: the piece, what to know, a line per idea, and how to go on."""
    width = max((len(idea.reason) for idea in ideas), default=0)
    notes = max((len(f"{len(idea.notes)}") for idea in ideas), default=0)
    span = max((len(idea.range) for idea in ideas), default=0)
    lines = [ideas.summary, *ideas.warnings, ideas.headline]
    for number, idea in zip(written.numbers, ideas, strict=True):
        count = f"{len(idea.notes):>{notes}} note{' ' if len(idea.notes) == 1 else 's'}"
        lines.append(f"{number:>2}  {idea.reason:<{width}}  {count}  {idea.range:<{span}}  {idea.ending}")
    if written.scores:
        lines.append(f"As a score, on the bars that were found: {written.scores[0]} and its like")
    again = f"These again: --seed {ideas.seed}"
    return [*lines, f"Listen: {written.page}    More ideas: run again    {again}"]


def report(ideas: Ideas, midi: Path, written: Written, seconds: float) -> dict[str, object]:
    """Return the JSON document of a call."""
    candidates = []
    for index, idea in enumerate(ideas):
        entry: dict[str, object] = {
            "midi": str(written.midi[index]),
            "with_completion": str(written.with_completion[index]),
            "notes": len(idea.notes),
            "reason": idea.reason,
            "range": idea.range,
            "ending": idea.ending,
            "log_prob_per_note": round(idea.log_prob_per_note, 4),
            "figures": asdict(idea.figures) if idea.figures is not None else None,
            "seconds": round(idea.seconds, 4),
        }
        if written.scores:
            entry["score"] = str(written.scores[index])
        if written.audio:
            entry["audio"] = str(written.audio[index])
        candidates.append(entry)
    first_note = ideas.seconds_to_first_note
    return {
        "input": str(midi),
        "model": ideas.model,
        "style": ideas.style or None,
        "device": ideas.device,
        "seed": ideas.seed,
        "context_bars": ideas.context_bars,
        "bars": ideas.bars,
        "at_bar": ideas.caret.at_bar,
        "starts_at": ideas.starts_at,
        "grid": _grid(ideas),
        "limits": dict(ideas.limits),
        "candidates": candidates,
        "picture": str(written.picture),
        "page": str(written.page),
        "seconds": round(seconds, 4),
        "seconds_to_first_note": None if first_note is None else round(first_note, 4),
        "warnings": list(ideas.warnings),
    }


def _grid(ideas: Ideas) -> dict[str, object]:
    """Say whose bars were used and, of a recording, what was found."""
    recording = ideas.piece.recording
    if recording is None:
        return {"bars": "file"}
    return {
        "bars": "found",
        "metre": f"{recording.metre[0]}/{recording.metre[1]}",
        "tempo_bpm": round(recording.tempo_bpm, 1),
        "first_downbeat_s": round(recording.first_downbeat_s, 3),
    }


def _names(folder: Path, stem: str, n_ideas: int, *, audio: bool, scores: bool) -> Written:
    """Choose names that no file in the folder has."""
    pattern = re.compile(re.escape(stem) + r"\.(?:(?:with-)?completion|score)-(\d{1,9})\.(?:mid|wav)")
    taken = [int(found[1]) for path in _entries(folder) if (found := pattern.fullmatch(path))]
    first = max(taken, default=0) + 1
    numbers = list(range(first, first + n_ideas))
    return Written(
        numbers=numbers,
        midi=[folder / f"{stem}.completion-{number}.mid" for number in numbers],
        with_completion=[folder / f"{stem}.with-completion-{number}.mid" for number in numbers],
        scores=[folder / f"{stem}.score-{number}.mid" for number in numbers] if scores else [],
        audio=[folder / f"{stem}.completion-{number}.wav" for number in numbers] if audio else [],
        picture=unused_path(folder / f"{stem}.ideas.png"),
        page=unused_path(folder / "ideas.html"),
    )


def _entries(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []
