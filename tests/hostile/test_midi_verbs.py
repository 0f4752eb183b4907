"""Every verb that reads MIDI: hostile files get one line and exit code 2, odd ones a result; nothing is left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import corpus
import pytest

from pianomuse.api import Muse
from pianomuse.errors import PianoMuseError
from pianomuse.midi.events import TEMPO, parse
from pianomuse.midi.parts import is_sustain, pair_notes
from pianomuse.midi.read import Piece, read_midi

STRANGE_METRES = "metres without meaning"  # 255/64 and 1/64: music, but none that tokens can say
IDEAS = ("complete", "fill", "vary", "harmonise")


def words(verb: str, midi: Path, out: Path, model: Path) -> list[object]:
    """Return a short command of that verb."""
    few = ["--candidates", 1, "--seed", 1, "--model", model, "--out", out]
    bars = ["--from-bar", 2, "--to-bar", 2]
    return {
        "complete": ["complete", midi, "--bars", 1, *few],
        "fill": ["fill", midi, *bars, *few],
        "vary": ["vary", midi, *bars, "--keep", "rhythm", *few],
        "harmonise": ["harmonise", midi, *bars, *few],
        "surprise": ["surprise", midi, "--model", model],
        "render": ["render", midi, out.with_suffix(".wav"), "--sample-rate", 8000],
        "convert": ["convert", midi, out.with_suffix(".musicxml")],
        "prepare": ["prepare", midi.parent, "--out", out, "--jobs", 1],
    }[verb]


def written(folder: Path, files: dict[str, bytes]) -> list[Path]:
    """Write files, each alone in a folder; none of their names is ASCII."""
    paths = []
    for number, data in enumerate(files.values()):
        path = folder / f"№ {number}" / "Étude 练习 🎹.mid"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        paths.append(path)
    return paths


def is_one_sentence(told: dict[str, Any]) -> bool:
    lines = told["err"].splitlines()
    return told["code"] == 2 and told["out"] == "" and len(lines) == 1 and "Traceback" not in lines[0]


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_hostile_files_get_one_line_from_every_verb(
    tmp_path: Path, model_folder: Path, bounded: Callable[..., list[dict[str, Any]]]
) -> None:
    paths = written(tmp_path / "in", corpus.refused())
    before = everything(tmp_path)
    turns = ("vary", "harmonise", "surprise", "render")  # one of them each: all read files in one place
    commands = [
        words(verb, path, tmp_path / f"{verb} {number}", model_folder)
        for number, path in enumerate(paths)
        for verb in ("complete", "convert", "prepare", turns[number % len(turns)])
    ]
    for command, told in zip(commands, bounded(commands), strict=True):
        assert is_one_sentence(told), (command, told)
        assert told["seconds"] < 5, command
    assert everything(tmp_path) == before


@pytest.mark.parametrize("verb", ["surprise", "render", "convert", "prepare"])
def test_odd_files_are_taken_by_verbs_that_read(
    verb: str, tmp_path: Path, model_folder: Path, bounded: Callable[..., list[dict[str, Any]]]
) -> None:
    files = corpus.odd()
    del files["the slowest tempo"]  # seven minutes of sound
    if verb in ("render", "surprise"):  # slow, and read as all others do
        files = dict(list(files.items())[:: 4 if verb == "render" else 2])
    cannot = {
        "surprise": [],
        "render": ["a note of an hour", "two hours between notes"],
        "convert": [],
        "prepare": [STRANGE_METRES, "only keys no piano has"],
    }[verb]
    paths = written(tmp_path / "in", files)
    commands = [words(verb, path, tmp_path / f"out {i}", model_folder) for i, path in enumerate(paths)]
    for name, told in zip(files, bounded(commands), strict=True):
        if name in cannot:
            assert is_one_sentence(told), (name, told)
        else:
            assert told["code"] == 0, (name, told)
    assert not list(tmp_path.rglob(".*"))


def test_odd_files_are_taken_by_verbs_that_write_ideas(
    tmp_path: Path, model_folder: Path, bounded: Callable[..., list[dict[str, Any]]]
) -> None:
    names = ["a metre every quarter", "notes never ended", "300 tracks", "names in gb2312"]
    paths = written(tmp_path / "in", {name: corpus.odd()[name] for name in names})
    commands = [
        words(verb, path, tmp_path / f"{verb} {number}", model_folder)
        for number, path in enumerate(paths)
        for verb in (IDEAS if number == 1 else ("complete",))
    ]
    for command, told in zip(commands, bounded(commands), strict=True):
        assert told["code"] == 0, (command, told)
    assert not list(tmp_path.rglob(".*"))


def kept(piece: Piece, data: bytes, span: tuple[int, int]) -> list[Any]:
    """Return, track by track, the notes that start outside a span and, in their order, what else there is.

    Inside the span the pedal and the tempo belong to the idea.
    """
    found: list[Any] = []
    file = parse(data)
    for chunk in file.chunks:
        parts = pair_notes(chunk.events, file.ticks_per_quarter)
        notes = Counter(
            (stroke.onset, stroke.end, stroke.pitch, stroke.velocity, stroke.channel)
            for stroke in parts.strokes
            if not span[0] <= stroke.onset < span[1]
        )
        others = [
            chunk.events[index]
            for index in parts.others
            if not (
                span[0] <= chunk.events[index][0] <= span[1]
                and (is_sustain(chunk.events[index][1]) or chunk.events[index][1][:2] == bytes((0xFF, TEMPO)))
            )
        ]
        found.append((notes, others))
    return found


@pytest.mark.parametrize("name", list(corpus.odd()))
def test_what_is_odd_survives_outside_the_new_bars(name: str, muse: Muse) -> None:
    data = corpus.odd()[name]
    piece = read_midi(data)
    if name == STRANGE_METRES:
        with pytest.raises(PianoMuseError, match="the metre 1/64 is not among"):
            muse.fill(data, 2, 2, candidates=1, seed=1)
        return
    idea = muse.fill(data, 2, 2, candidates=1, seed=1)[0]
    span = piece.grid.start_of(1), piece.grid.start_of(2)
    assert parse(idea.with_completion).ticks_per_quarter == parse(piece.data).ticks_per_quarter
    assert kept(piece, idea.with_completion, span) == kept(piece, piece.data, span)


@pytest.mark.parametrize("name", list(corpus.large()))
def test_files_beyond_the_bounds_are_refused_in_little_time(
    name: str, tmp_path: Path, bounded: Callable[..., list[dict[str, Any]]]
) -> None:
    (path,) = written(tmp_path / "in", {name: corpus.large()[name]()})
    (told,) = bounded([words("convert", path, tmp_path / "out", tmp_path)])
    assert is_one_sentence(told), told
    assert "shorter piece" in told["err"]
    assert told["seconds"] < 15
