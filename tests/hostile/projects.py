"""Hostile requests of the studio, made from bytes; see choices.py."""

from __future__ import annotations

import base64
import copy
import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import corpus
from choices import Choices

from pianomuse.server.project import project_of

FILES = Path(__file__).resolve().parents[1] / "files"
Project = dict[str, Any]

TICKS = (0, 1, 7, 240, 479, 480, 481, 1919, 1920, 1921, 10_000, 2**20, 2**28, 2**29 - 1, 2**29)
BAR_LINES = (0, 1920, 3840, 5760, 1440, 2880, 2**29, *TICKS)
PITCHES = (0, 20, 21, 48, 60, 60, 61, 64, 67, 108, 109, 127)
METRES = ((1, 1), (1, 64), (2, 2), (3, 4), (4, 4), (5, 8), (7, 8), (12, 8), (15, 16), (255, 64), (256, 4))
TEMPOS = (3.5, 3.6, 17.0, 59.999, 120, 300, 999.9, 60_000_000)
PPQS = (1, 2, 3, 24, 96, 480, 960, 10_080, 32_767)
TEXTS = (
    "",
    "x",
    "Étude № 1 — 练习曲 🎹",
    "\0",
    "\ud800",
    "</title>&amp;<b>",
    "../../etc/passwd",
    "\r\nX: y",
    "'\"",
    "a" * 200,
)
KEYS = (None, "", "C", "Am", "F#m", "Cb", "H", "C# minor", "Bb major", "ü", "C" * 40, "D dorian")
NO_NUMBERS = (
    None, True, False, -1, -(2**63), 2**53, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, math.nan, math.inf, -math.inf,
    "", "1", "NaN", [], {}, [[]],
)  # fmt: skip
LIMITS: dict[str, Sequence[Any]] = {
    "key": ("C", "F# minor", "|", "C | Am | free", "%", "H"),
    "scale": ("D dorian", "A blues", "C", "C D E G A", "C |"),
    "chromatic": ("passing",),
    "chords": ("Am | F C/E | G7 |", "N.C.", "%", ". . . .", "C C C C C C C C C C", "Am/Am", "C13#11b9/F#", "|" * 500),
    "chords_strict": (True,),
    "range": ("C3-E5", "E5-C3", "C-1-G9", "A0-A0", "C4", "-"),
    "hand": ("left", "right"),
    "notes_per_bar": ("4-8", "0", "1", "200-", 0, 10**18, -3, "8-4", "1-1 | 2-2 | free"),
    "keep": ("rhythm", "contour", "pitches", "harmony"),
    "keep_from": (1, 2, 20_000),
    "ending": ("open", "half", "close", "final"),
    "to": ("bar 2: Am/E, melody C5", "bar 1 beat 3: bass G2", "bar 0: C", "bar 2 beat 99: melody C5", "bar 99999: C"),
    "voices": ("1", "1-3", 1, 100, "2-", 0),
}  # fmt: skip


@cache
def begun() -> tuple[str, ...]:
    """Return projects to begin with, as JSON: a new piece, real files, and odd ones that are read."""
    paths = sorted(FILES.glob("*.mid"), key=lambda path: path.stat().st_size)[:2]
    odd = corpus.odd()
    names = ("plain", "running status", "300 tracks", "notes never ended", "names in gb2312", "a metre every quarter")
    files = [path.read_bytes() for path in paths] + [odd[name] for name in names]
    lists = ("notes", "pedals", "tempos", "metres", "tracks")
    blank = {"title": "", "ppq": 480, "source": None} | {name: [] for name in lists}
    return (json.dumps(blank), *(project_of(data)[0].model_dump_json() for data in files))


def project_from(choices: Choices) -> Project:
    """Return a project that was edited by somebody who means harm."""
    project: Project = json.loads(choices.of(begun()))
    if project["source"] is None:
        project["ppq"] = choices.of(PPQS)
        note = {"tick": 0, "duration": 480, "pitch": 60, "velocity": 64, "track": 0}
        project["notes"] = [note | {"tick": 480 * n, "pitch": 60 + n % 5} for n in range(choices.below(20))]
    for _ in range(choices.below(7)):
        choices.of(EDITS)(project, choices)
    for _ in range(max(choices.below(8) - 5, 0)):
        _spoil(project, choices)
    return project


def _add_note(project: Project, choices: Choices) -> None:
    tick, duration, pitch = choices.of(TICKS), choices.of(TICKS), choices.of(PITCHES)
    note = {"tick": tick, "duration": duration, "pitch": pitch, "velocity": 1 + choices.below(127)}
    project["notes"].append(note | {"track": choices.of((0, 0, 0, 0, 1, 255))})


def _add_run(project: Project, choices: Choices) -> None:
    n, step, length = choices.below(1500), choices.of((0, 1, 5, 60, 480, 1920, 20_000)), choices.of(TICKS)
    first, pitch, rise = choices.of(TICKS), choices.of(PITCHES), choices.below(5)
    note = {"duration": length, "velocity": 64, "track": 0}
    project["notes"] += [
        note | {"tick": min(first + i * step, 2**29), "pitch": (pitch + rise * i) % 128} for i in range(n)
    ]


def _take_notes(project: Project, choices: Choices) -> None:
    first = choices.below(len(project["notes"]) + 1)
    del project["notes"][first : first + choices.below(600)]


def _stretch(project: Project, choices: Choices) -> None:
    num, den, by = 1 + choices.below(9), 1 + choices.below(9), choices.of(TICKS)
    for note in project["notes"]:
        note["tick"] = min(note["tick"] * num // den + by, 2**29)
        note["duration"] = min(note["duration"] * num // den, 2**29)


def _tempos(project: Project, choices: Choices) -> None:
    n, step = choices.of((1, 2, 50, 3000)), choices.of(TICKS)
    project["tempos"] += [{"tick": min(i * step, 2**29), "bpm": choices.of(TEMPOS)} for i in range(n)]


def _metres(project: Project, choices: Choices) -> None:
    n, step = choices.of((1, 2, 50, 3000)), choices.of(TICKS)
    for i in range(n):
        numerator, denominator = choices.of(METRES)
        project["metres"].append({"tick": min(i * step, 2**29), "numerator": numerator, "denominator": denominator})


def _pedals(project: Project, choices: Choices) -> None:
    if choices.below(4) == 0:
        project["pedals"] = []
    for _ in range(choices.of((1, 2, 40))):
        project["pedals"].append({"tick": choices.of(TICKS), "down": bool(choices.below(2))})


def _tracks(project: Project, choices: Choices) -> None:
    tracks = project["tracks"]
    what = choices.below(6)
    if what == 0 and tracks:
        del tracks[choices.below(len(tracks))]
    elif what == 1 and tracks:
        choices.of(tracks)["channel"] = choices.below(16)
    elif what == 2 and tracks:
        choices.of(tracks)["program"] = choices.below(128)
    elif what == 3 and tracks:
        choices.of(tracks)["name"] = choices.of(TEXTS)
    elif what == 4:
        tracks.reverse()
    else:
        tracks.append({"name": choices.of(TEXTS), "program": choices.below(128), "channel": choices.below(16)})


def _words(project: Project, choices: Choices) -> None:
    project["title"], project["key"] = choices.of(TEXTS), choices.of(KEYS)


def _source(project: Project, choices: Choices) -> None:
    raw = base64.b64decode(project["source"] or "", validate=False) if (project["source"] or "").isascii() else b""
    what, at, value = choices.below(5), choices.below(max(len(raw), 1)), choices.below(256)
    if what == 0:
        raw = raw[:at] + bytes((value,)) + raw[at + 1 :]
    elif what == 1:
        raw = raw[:at]
    elif what == 2:
        raw = raw[:at] + choices.rest()[:64] + raw[at:]
    project["source"] = "ü!" if what == 3 else None if what == 4 else base64.b64encode(raw).decode()


def _ppq(project: Project, choices: Choices) -> None:
    if project["source"] is None or choices.below(8) == 7:
        project["ppq"] = choices.of(PPQS)


def _spoil(project: Project, choices: Choices) -> None:
    """Put a value of a wrong kind somewhere."""
    where: Any = project
    name: Any = choices.of(sorted(project))
    while isinstance(where[name], list | dict) and where[name] and choices.below(5):
        where = where[name]
        name = choices.below(len(where)) if isinstance(where, list) else choices.of(sorted(where))
    where[name] = copy.deepcopy(choices.of(NO_NUMBERS))


EDITS: tuple[Callable[[Project, Choices], None], ...] = (
    _add_note, _add_note, _add_run, _take_notes, _stretch, _tempos, _metres, _pedals, _tracks, _words, _source, _ppq,
)  # fmt: skip
WRITING = ("complete", "fill", "vary", "harmonise", "like")
VERBS = (*WRITING, "sheet", "export/midi", "export/musicxml", "export/wav", "session")
BARS = (1, 2, 3, 4, 5, 8, 17, 64, 999, 20_000)


def wish_from(choices: Choices, verb: str, project: Project) -> Any:
    """Return what is asked for, as the body of one of the addresses."""
    if verb.startswith("export"):
        return project
    if verb == "session":
        return {"work": choices.of(("12345678", "a" * 64, "short", "../../../x", "", 5)), "project": project}
    wish: dict[str, Any] = {"project": project}
    if verb in ("fill", "vary", "harmonise", "sheet"):
        first = choices.of(BARS)
        wish |= {"from_bar": first, "to_bar": min(first + choices.of((0, 0, 1, 3, 30, -1, 20_000)), 20_000)}
    if verb == "sheet":
        return wish
    if verb == "complete":
        wish |= {
            "at_bar": choices.of((None, 0, *BARS)),
            "bars": choices.of((1, 2, 4, 32)),
            "insert": choices.of((None, True, False)),
        }
    elif verb == "vary":
        wish["keep"] = choices.of(("rhythm", "contour", "harmony"))
    elif verb == "like":
        wish |= {
            "start_tick": choices.of(BAR_LINES), "end_tick": choices.of(BAR_LINES[1:]),
            "beats": choices.of((1, 2, 512)), "same": choices.of(("start", "rhythm", "harmony", None)),
            "mood": choices.of((None, "calmer", "bolder")),
        }  # fmt: skip
    wish |= {"seed": 1, "candidates": choices.of((1, 1, 2, 16))}
    if choices.below(3) == 2:
        wish |= {"temperature": choices.of((0, 1e-300, 0.5, 5)), "top_p": choices.of((1, 1e-300, 0.5))}
    if choices.below(3) == 2:
        names = [choices.of(sorted(LIMITS)) for _ in range(1 + choices.below(4))]
        wish["limits"] = {name: choices.of(LIMITS[name]) for name in names}
    return wish


def request_from(data: bytes) -> tuple[str, bytes]:
    """Return an address behind /api/v1/ and the body that is sent there."""
    choices = Choices(data)
    verb = choices.of(VERBS)
    project = project_from(choices)
    text = json.dumps(wish_from(choices, verb, copy.deepcopy(project)))
    what = choices.below(40)
    if what == 1:
        text = text[: choices.below(len(text))]
    elif what == 2:
        text = text[:-1] + f', "project": {text}, "notes": [], "ppq": 3}}'  # keys twice
    elif what == 3:
        depth = choices.of((10, 100, 1_000, 100_000))
        text = text[:-1] + ', "more": ' + "[" * depth + "]" * depth + "}"
    elif what == 4:
        text = "\ufeff" + text
    body = text.encode("utf-8", "surrogatepass")
    return verb, body + b"\xff" if what == 5 else body
