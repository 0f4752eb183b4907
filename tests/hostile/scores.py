"""Hostile sheet music and recordings, made from bytes; see choices.py."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import corpus
from choices import Choices

NUMBERS = (
    "1", "0", "2", "4", "0.5", "1.000001", "-1", "1e9", "1e99999999", "1/3", "nan", "99991", "99989", "100000", "4096",
    "999999999", "9" * 5000, "", " 3 ", "٣", "x",
)  # fmt: skip
LENGTHS = ("1", "2", "4", "1", "0.5", "0", "3", "1", "2", "1.5")
NAMES = ("", "a", "b", "segno", "Étude 🎹", "&#10;", "&lt;", "x" * 300)
STEPS, NO_STEPS = "CDEFGAB", ("H", "", "Cb")
ALTERS, NO_ALTERS = ("0", "0", "0", "1", "-1", "0.5"), ("5", "nan", "x")
OCTAVES, NO_OCTAVES = ("4", "4", "3", "5", "0", "9"), ("-9", "12", "99999999999", "")
BAR_ENDS = (
    '<repeat direction="forward"/>', '<repeat direction="backward"/>', '<repeat direction="backward" times="999999"/>',
    '<ending type="start" number="1"/>', '<ending type="stop" number="1"/>', '<ending type="start" number="1,2,3"/>',
    '<ending type="start" number="2"/>', '<ending type="discontinue" number="0"/>', "<segno/>", "<coda/>",
)  # fmt: skip
MARKS = (
    '<pedal type="start"/>', '<pedal type="stop"/>', '<pedal type="change"/>', "<dynamics><ffff/></dynamics>",
    "<metronome><beat-unit>quarter</beat-unit><beat-unit-dot/><per-minute>c. 90</per-minute></metronome>", "<segno/>",
    "<words>D.C. al Fine</words>", "<words>dal segno</words>", "<words>To Coda</words>", "<words>Fine</words>",
    "<coda/>",
)  # fmt: skip
SOUNDS = ("tempo", "dynamics", "dacapo", "fine", "segno", "coda", "dalsegno", "tocoda", "damper-pedal")
NOTE_PARTS = (
    "<rest/>", "<chord/>", "<grace/>", "<cue/>", "<unpitched/>", '<tie type="start"/>', '<tie type="stop"/>',
    '<tie type="stop"/><tie type="start"/>', "<notations><ornaments><trill-mark/></ornaments></notations>",
)  # fmt: skip
TIMES = (
    "<beats>4</beats><beat-type>4</beat-type>", "<beats>3</beats><beat-type>8</beat-type>", "<senza-misura/>",
    "<beats>3+2+3</beats><beat-type>8</beat-type>", "<beats>255</beats><beat-type>1</beat-type>",
    "<beats>999</beats><beat-type>64</beat-type>", "<beats>0</beats><beat-type>4</beat-type>",
    "<beats>2</beats><beat-type>4</beat-type><beats>3</beats><beat-type>8</beat-type>",
)  # fmt: skip
HEADS = (
    "", '<?xml version="1.0" encoding="UTF-8"?>', '<?xml version="1.0" encoding="shift_jis"?>',
    '<?xml version="1.0" encoding="latin-1"?>', '<?xml version="1.0" encoding="utf-16"?>',
    '<!DOCTYPE score-partwise [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>',
    '<!DOCTYPE score-partwise [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE score-partwise SYSTEM "http://127.0.0.1:9/x.dtd">',
)  # fmt: skip


def score_from(choices: Choices) -> bytes:
    """Return a MusicXML document."""
    head = choices.of(HEADS) if choices.below(4) == 3 else ""
    n_parts = choices.of((1, 1, 1, 2, 2, 3, 1, 1, 61, 0))
    listed, parts = "", ""
    for number in range(n_parts):
        program = f"<midi-instrument><midi-program>{choices.of(NUMBERS)}</midi-program></midi-instrument>"
        listed += f'<score-part id="P{number}"><part-name>{choices.of(NAMES)}</part-name>{program}</score-part>'
        bars = "".join(_bar(choices) for _ in range(1 + choices.below(8)))
        parts += f'<part id="P{number}">{bars * choices.of((1, 1, 1, 2, 30))}</part>'
    kind = choices.of(("score-partwise",) * 9 + ("score-timewise",))
    return f"{head}<{kind}><part-list>{listed}</part-list>{parts}</{kind}>".encode()


def _bar(choices: Choices) -> str:
    attributes = ' implicit="yes"' if choices.below(4) == 3 else f' number="{choices.of(NAMES)}"'
    return f"<measure{attributes}>{''.join(_element(choices) for _ in range(choices.below(10)))}</measure>"


def _element(choices: Choices) -> str:
    what = choices.below(10)
    if what < 4:
        return _note(choices)
    if what == 4:
        kind = choices.of(("backup", "forward"))
        return f"<{kind}><duration>{_number(choices)}</duration></{kind}>"
    if what == 5:
        key = f"<key><fifths>{choices.of(('0', '-7', '7', '99', 'x'))}</fifths></key>"
        moved = f"<transpose><chromatic>{choices.of(NUMBERS)}</chromatic></transpose>" if choices.below(4) == 3 else ""
        return (
            f"<attributes><divisions>{_number(choices)}</divisions>{key}<time>{choices.of(TIMES)}</time>{moved}"
            "</attributes>"
        )
    if what == 6:
        return f"<barline>{choices.of(BAR_ENDS)}{choices.of(BAR_ENDS) if choices.below(2) else ''}</barline>"
    if what == 7:
        return f"<direction><direction-type>{choices.of(MARKS)}</direction-type></direction>"
    sound = f'<sound {choices.of(SOUNDS)}="{choices.of((*NAMES[:4], "yes", "90", *NUMBERS))}"/>'
    return f"<direction><offset>{choices.of(NUMBERS)}</offset>{sound}</direction>" if what == 8 else sound


def _note(choices: Choices) -> str:
    step, alter, octave = (
        _seldom(choices, good, bad) for good, bad in ((STEPS, NO_STEPS), (ALTERS, NO_ALTERS), (OCTAVES, NO_OCTAVES))
    )
    pitch = f"<pitch><step>{step}</step><alter>{alter}</alter><octave>{octave}</octave></pitch>"
    parts = "".join(choices.of(NOTE_PARTS) for _ in range(choices.of((0, 0, 1, 2))))
    staff = f"<staff>{choices.of(NUMBERS)}</staff>" if choices.below(3) == 2 else ""
    length = f"<duration>{_number(choices)}</duration>"
    return f'<note dynamics="{choices.of(NUMBERS)}">{pitch}{length}{parts}{staff}</note>'


def archive_from(choices: Choices) -> bytes:
    """Return a compressed score, or what looks like one."""
    place = choices.of(("score.xml", "../../score.xml", "/etc/passwd", "", "a" * 1000, "META-INF/container.xml", "x/"))
    root = choices.of((f'<rootfile full-path="{place}"/>', "<rootfile/>", f'<rootfile full-path="{place}"/>' * 1000))
    container = f"<container><rootfiles>{root}</rootfiles></container>".encode()
    method = choices.of((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    what = choices.below(6)
    at, value = choices.below(2**16), choices.below(256)
    bomb = b"<score-partwise>" + b" " * 2**24 if what == 1 else None
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if what != 2:
            archive.writestr("META-INF/container.xml", container, compress_type=zipfile.ZIP_DEFLATED)
        if place and not place.startswith("META"):
            archive.writestr(place, score_from(choices) if bomb is None else bomb, compress_type=method)
    data = bytearray(buffer.getvalue())
    if what > 2:  # damaged: a byte, the headers at the end, or cut off
        data[at % len(data) if what == 3 else -1 - at % min(len(data), 300)] = value
    return bytes(data[: at % len(data)] if what == 5 else data)


def recording_from(choices: Choices) -> bytes:
    """Return a MIDI file that was played, or that nobody could play."""
    quarter = choices.of((480, 1, 96, 960, 32_767))
    steps = (0, 1, 3, 10, quarter // 4, quarter // 2, quarter, 7 * quarter)
    events = [(0, corpus.tempo(choices.of((120, 119.9, 4, 999, 60))))] if choices.below(2) else []
    tick = 0
    for _ in range(choices.of((20, 60, 30, 5, 4, 1))):
        far = choices.of((2**14, 2**20, 2**27)) if choices.below(256) == 255 else 0
        tick = min(tick + choices.of(steps) + choices.below(60) + far, 2**29)
        pitch = choices.of((60, 36, 48, 64, 67, 72, 0, 21, 108, 127))
        events.append((tick, bytes((0x90, pitch, 1 + choices.below(127)))))
        events.append((min(tick + choices.of(steps) + 1, 2**29), bytes((0x80, pitch, 0))))
    return corpus.file(corpus.body(events), division=quarter)


def _number(choices: Choices) -> str:
    return _seldom(choices, LENGTHS, NUMBERS)


def _seldom(choices: Choices, good: Sequence[str], bad: Sequence[str]) -> str:
    """Return one of the bad ones once in 64 times: where one of them ends all, nothing behind it is looked at."""
    return choices.of(good if choices.below(64) < 63 else bad)
