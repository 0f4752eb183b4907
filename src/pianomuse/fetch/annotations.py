"""Beat annotations as ASAP and POP909 publish them.

ASAP (`NAME_annotations.txt`): a line a beat, `SECOND <tab> SECOND <tab> LABEL[,METRE[,SHARPS]]`, where the label is
`db` for a downbeat, `b` for another beat, `bR` for a beat of a bar that does not fill its metre.
POP909 (`beat_midi.txt`): a line a beat, `SECOND IS_FIRST_OF_TWO IS_FIRST_OF_BAR`, the last
column in the bars of the song.
"""

from __future__ import annotations

import math
import re

from pianomuse.errors import MidiError
from pianomuse.midi.bars import Metre
from pianomuse.midi.beats import Beat

_METRE = re.compile(r"(\d{1,2})/(1|2|4|8|16|32)")


def asap_beats(text: str, name: str) -> list[Beat]:
    """Read the annotations of one ASAP performance; lines that mark no beat are passed over.

    Raises:
        MidiError: not such a file.
    """
    found = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if not line.strip():
            continue
        columns = line.split("\t")
        label, *changes = columns[-1].strip().split(",")
        if len(columns) != 3 or label not in ("b", "db", "bR"):
            raise MidiError(f"{name}, line {number}: not a beat of ASAP ({line[:40]!r})")
        metre, sharps = _changes(changes)
        found.append(Beat(_second(columns[0], name, number), label == "db", metre, sharps))
    return found


def pop909_beats(text: str, name: str) -> list[Beat]:
    """Read the beats of one song of POP909.

    Raises:
        MidiError: not such a file, or bars that contradict the beats.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        columns = line.split()
        if not columns:
            continue
        if len(columns) != 3 or any(flag not in ("0.0", "1.0", "0", "1") for flag in columns[1:]):
            raise MidiError(f"{name}, line {number}: not a beat of POP909 ({line[:40]!r})")
        is_strong, is_downbeat = (float(flag) == 1 for flag in columns[1:])
        if is_downbeat and not is_strong:
            raise MidiError(f"{name}, line {number}: a bar that begins on a weak beat")
        found.append(Beat(_second(columns[0], name, number), is_downbeat))
    return found


def _second(text: str, name: str, number: int) -> float:
    try:
        second = float(text)
    except ValueError:
        second = math.nan
    if not 0 <= second < 1e5:
        raise MidiError(f"{name}, line {number}: {text[:20]!r} is no time in seconds")
    return second


def _changes(fields: list[str]) -> tuple[Metre | None, int | None]:
    """Read what stands behind a label: a metre, a key as its sharps, either of them empty."""
    metre: Metre | None = None
    sharps: int | None = None
    for text in fields:
        if (match := _METRE.fullmatch(text.strip())) and int(match[1]):
            metre = int(match[1]), int(match[2])
        elif re.fullmatch(r"-?\d{1,2}", text.strip()):
            sharps = int(text)
    return metre, sharps
