"""Every door through which a stranger's bytes come in, as one function each: a result, or a sentence.

`TARGETS` are the doors, `seeds` where a search begins, `WORDS` what it may put in.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import corpus
import projects
from choices import Choices
from pydantic import ValidationError
from scores import archive_from, recording_from, score_from

from pianomuse.cli.endings import one_line
from pianomuse.errors import PianoMuseError
from pianomuse.evaluate.mirex import _score, read_prompt
from pianomuse.generate.caret import find_caret
from pianomuse.generate.compose import set_scene
from pianomuse.generate.options import order_of
from pianomuse.midi.read import read_midi
from pianomuse.midi.write import score_bytes
from pianomuse.notation.musicxml import musicxml
from pianomuse.notation.read_musicxml import read_piece
from pianomuse.performance.grid import read_on_bars
from pianomuse.render.sheet import sheet_of
from pianomuse.server.project_file import file_of
from pianomuse.server.schema import CompleteWish, FillWish, HarmoniseWish, LikeWish, Project, VaryWish
from pianomuse.server.sheets import SheetWish
from pianomuse.tokens.tokenizer import PianoTokenizer

MOST_SECONDS = 10.0
"""Of processor time, instrumented, for one input."""
TOKENIZER = PianoTokenizer()
TUNE = read_midi(corpus.odd()["plain"])
WISHES = {
    "complete": CompleteWish, "fill": FillWish, "vary": VaryWish, "harmonise": HarmoniseWish, "like": LikeWish,
    "sheet": SheetWish,
}  # fmt: skip


def midi(data: bytes) -> None:
    """Read a MIDI file, tokenise it and back, write it as sheet music: what every verb does."""
    piece = read_midi(data)
    ids = TOKENIZER.encode(TOKENIZER.musical(piece.score))
    TOKENIZER.find_bar_indices(ids)
    TOKENIZER.decode(ids)
    musicxml(sheet_of(piece, "x"))


def sheet_music(data: bytes) -> None:
    """Read sheet music that came as a file, and write it again."""
    piece = read_piece(data if data[:2] == b"PK" else b"<" + data.lstrip(b"<"))
    again = musicxml(sheet_of(piece, "x"))
    assert read_piece(again).grid.n_bars >= 1


def made_sheet_music(data: bytes) -> None:
    """The same for scores that are made of what scores have."""
    choices = Choices(data)
    sheet_music(archive_from(choices) if choices.below(4) == 3 else score_from(choices))


def project(data: bytes) -> None:
    """Read what a client sends, write it as a file, read that, lay it out."""
    verb, body = projects.request_from(data)
    model = WISHES.get(verb, Project)
    try:
        wish = model.model_validate_json(body)
    except ValidationError:
        return
    found = wish if isinstance(wish, Project) else wish.project
    file = file_of(found)
    piece = file.read()
    if file.has_notes:
        file.track_numbers(piece)
        read_piece(musicxml(sheet_of(piece, found.title)))


def limits(data: bytes) -> None:
    """Read limits and the options of recordings as they are typed, one a line: `--chords Am | F`."""
    words = (line.partition(" ") for line in data.decode("utf-8", "replace").split("--")[1:])
    said = {name.replace("-", "_"): value.rstrip("\n") for name, _, value in words}
    numbers = {name: float(said.pop(name)) for name in ("tempo",) if _is_number(said.get(name, ""))}
    grid = {name: said.pop(name) for name in ("first_downbeat", "metre") if name in said}
    read_on_bars(TUNE, **grid, **numbers)
    tracks = tuple(filter(None, map(str.strip, said.pop("tracks", "").split(","))))
    known = {name: value for name, value in said.items() if name in projects.LIMITS}
    if known.get("keep_from", "1").isascii() and known.get("keep_from", "1").isdecimal():
        known["keep_from"] = int(known["keep_from"][:9]) if "keep_from" in known else None
    else:
        del known["keep_from"]
    known["chords_strict"] = "chords_strict" in known
    order = order_of({"seed": 1, "tracks": tracks, **known}, is_fill=False)
    set_scene(TUNE, TOKENIZER, find_caret(TUNE, bars=2), order)


def prompt(data: bytes) -> None:
    """Read a prompt of the MIREX task."""
    events = read_prompt(data.decode("utf-8", "replace"))
    read_midi(score_bytes(_score(events, 0)))


def recording(data: bytes) -> None:
    """Find the bars of a recording, with and without corrections, and lay it out."""
    choices = Choices(data)
    told = {
        "tempo": choices.of((None, None, None, 25.0, 119.5, 300.0, 90.0, 1e9)),
        "metre": choices.of((None, None, None, "4/4", "3/4", "6/8", "4/4", "99/99")),
        "first_downbeat": choices.of((None, None, None, None, "0", "0.52s", "64", "1" * 19 + "s")),
    }
    piece = read_on_bars(recording_from(choices), **told).piece
    if piece.recording is not None:
        ticks = piece.recording.in_file(piece.recording.grid_ticks)
        assert (ticks[1:] > ticks[:-1]).all()
    musicxml(sheet_of(piece, "x"))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "midi": midi,
    "sheet-music": sheet_music,
    "made-sheet-music": made_sheet_music,
    "project": project,
    "limits": limits,
    "prompt": prompt,
    "recording": recording,
}
WORDS = (
    "<note>", "</note>", "<duration>", "<divisions>", "<backup>", "<chord/>", "<time>", "<tie type='start'/>",
    "<!ENTITY", "encoding='shift_jis'", "<repeat direction='backward'/>", "MThd", "MTrk", "\xff\x51\x03",
    "\xff\x58\x04",
    "--chords ", "--range ", "--scale ", "--key ", "--to ", "--notes-per-bar ", "--voices ", "--metre ", "--keep ",
    "--first-downbeat ", "--ending ", "--tracks ", " | ", "free", "bar ", "beat ", "melody ", "bass ", "N.C.", "maj7",
    '"start":', '"pitch":', '"duration":', "NaN", "1e999",
)  # fmt: skip


def take(name: str, data: bytes) -> None:
    """Let a target have its bytes; anything but a result or one sentence, in time, raises."""
    begun, said = time.process_time(), "a result"
    try:
        TARGETS[name](data)
    except PianoMuseError as error:
        said, _ = one_line(error)
    assert said.strip(), "nothing is said"
    assert "\n" not in said, said
    seconds = time.process_time() - begun
    assert seconds < MOST_SECONDS, f"{seconds:.0f} s"


def seeds(name: str) -> list[bytes]:
    """Return where a search begins: small files, and choices by chance that are always the same."""
    chance = random.Random(name)
    if name == "midi":
        files = [*corpus.odd().values(), *corpus.refused().values()]
        return [data for data in files if len(data) < 3000]
    if name == "sheet-music":
        written = musicxml(sheet_of(TUNE, "x"))
        return [written, *(score_from(Choices(chance.randbytes(150))) for _ in range(12))]
    if name == "limits":
        pairs = [(key, value) for key, values in projects.LIMITS.items() for value in values]
        typed = [f"--{key.replace('_', '-')} {value}\n".encode() for key, value in pairs]
        return [*typed, b"--metre 3/4\n--tempo 90\n--first-downbeat 0.52s\n--tracks 1\n", b"".join(typed[::3])]
    if name == "prompt":
        note = {"start": 16, "pitch": 60, "duration": 4}
        return [
            json.dumps({"prompt": [note | {"start": 16 + n} for n in range(n_notes)]}).encode() for n_notes in (1, 9)
        ]
    return [chance.randbytes(20 * n) for n in range(1, 13)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def folder_of_seeds(folder: Path, name: str, *, mark: bytes = b"") -> Path:
    """Write the seeds of a target as files; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(name)):
        (folder / f"{name}-{number:03d}").write_bytes(mark + data)
    return folder
