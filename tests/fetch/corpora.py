"""The corpora as their publishers pack them, with a handful of files that ship with the tests."""

from __future__ import annotations

import csv
import io
import random
import zipfile
from pathlib import Path

from pianomuse.midi.read import read_midi

ROOT = Path(__file__).resolve().parents[2]
PIECES = sorted((ROOT / "tests" / "corpus").glob("*/*.mid"))


def maestro() -> bytes:
    """Four performances: two of one work, in training; one in validation; one in test."""
    columns = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration"
    rows, files = [columns.split(",")], {}
    for number, split in enumerate(("train", "train", "validation", "test")):
        name = f"2004/MIDI-Unprocessed_{number}.midi"
        files[f"maestro-v3.0.0/{name}"] = PIECES[number].read_bytes()
        rows.append(['Liszt, "Franz"', f"Piece {max(number, 1)}", split, "2004", name, "x.wav", "60.5"])
    files["maestro-v3.0.0/maestro-v3.0.0.csv"] = _csv(rows)
    files["maestro-v3.0.0/LICENSE"] = b"CC BY-NC-SA 4.0"
    files["maestro-v3.0.0/README"] = b"MAESTRO"
    return _zip(files)


def asap() -> bytes:
    """Two works with a score and performances; one performance's annotations are damaged."""
    rows, files = [["composer", "title", "midi_score", "midi_performance", "performance_annotations"]], {}
    for work, names in enumerate((("Shi05", "Lee01"), ("Ko04",))):
        folder = f"Bach/Fugue/bwv_{work}"
        data = PIECES[work].read_bytes()
        files[f"asap-dataset-1.1/{folder}/midi_score.mid"] = data
        files[f"asap-dataset-1.1/{folder}/midi_score_annotations.txt"] = b"0\t0\tb"
        files[f"asap-dataset-1.1/{folder}/xml_score.musicxml"] = b"<score-partwise/>"
        for name in names:
            files[f"asap-dataset-1.1/{folder}/{name}.mid"] = data
            text = "no beats" if name == "Lee01" else asap_annotations(data)
            files[f"asap-dataset-1.1/{folder}/{name}_annotations.txt"] = text.encode()
            midi, beats = f"{folder}/{name}.mid", f"{folder}/{name}_annotations.txt"
            rows.append(["Bach", f"Fugue_{work}", f"{folder}/midi_score.mid", midi, beats])
    files["asap-dataset-1.1/metadata.csv"] = _csv(rows)
    return _zip(files)


def pop909() -> bytes:
    """Three songs, one with another version, one without its beats."""
    files = {
        "POP909-Dataset-master/LICENSE": b"MIT License",
        "POP909-Dataset-master/POP909/index.xlsx": random.Random(1).randbytes(200_000),
    }
    for number in (1, 2, 3):
        folder = f"POP909-Dataset-master/POP909/{number:03}"
        data = PIECES[number].read_bytes()
        files[f"{folder}/{number:03}.mid"] = data
        if number != 3:
            beats = [f"{0.5 * n} {float(n % 2 == 0)} {float(n % 4 == 0)}\n" for n in range(_seconds(data) * 2)]
            files[f"{folder}/beat_midi.txt"] = "".join(beats).encode()
        files[f"{folder}/versions/{number:03}-v1.mid"] = data
    return _zip(files)


def asap_annotations(data: bytes) -> str:
    """Annotate every half second, three to a bar, with a metre and a key at the first downbeat."""
    lines = []
    for index in range(_seconds(data) * 2):
        label = "db,3/4,-2" if index == 1 else "db" if index % 3 == 1 else "b"
        lines.append(f"{0.5 * index}\t{0.5 * index}\t{label}\n")
    return "".join(lines)


def _seconds(data: bytes) -> int:
    return int(read_midi(data).score.to("second").end()) + 2


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
