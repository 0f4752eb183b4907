"""Hostile and odd MIDI files, spelt byte by byte: `refused` must be told in one sentence, `odd` must be taken."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

END = b"\x00\xff\x2f\x00"
A_NOTE = b"\x00\x90\x3c\x50\x83\x60\x80\x3c\x00"  # a quarter of middle C at 480 to the quarter
Event = tuple[int, bytes]


def vlq(value: int) -> bytes:
    """Spell a number as a variable-length quantity, as long as it takes."""
    out = [value & 127]
    while value := value >> 7:
        out.append(value & 127 | 128)
    return bytes(reversed(out))


def chunk(body: bytes, *, kind: bytes = b"MTrk", size: int | None = None) -> bytes:
    """Spell a chunk; `size` may lie."""
    return kind + struct.pack(">I", len(body) if size is None else size) + body


def header(n_tracks: int = 1, *, division: int = 480, kind: int = 1, size: int = 6, more: bytes = b"") -> bytes:
    """Spell a header; `size` may lie."""
    return b"MThd" + struct.pack(">IHHH", size, kind, n_tracks, division) + more


def file(*bodies: bytes, division: int = 480, kind: int = 1) -> bytes:
    """Spell a file of track bodies, each given whole with its end of track."""
    return header(len(bodies), division=division, kind=kind) + b"".join(map(chunk, bodies))


def body(events: Iterable[Event]) -> bytes:
    """Spell events (tick, bytes), in order of their ticks, and the end of the track."""
    out, now = bytearray(), 0
    for tick, raw in sorted(events, key=lambda event: event[0]):
        out += vlq(tick - now) + raw
        now = tick
    return bytes(out) + END


def scale(n_bars: int = 4, *, quarter: int = 480, channel: int = 0) -> list[Event]:
    """Return bars of four quarters, up and down the scale of C."""
    events = []
    for beat in range(4 * n_bars):
        pitch = 60 + (0, 2, 4, 5, 7, 5, 4, 2)[beat % 8]
        events.append((beat * quarter, bytes((0x90 | channel, pitch, 64 + beat % 32))))
        events.append(((beat + 1) * quarter, bytes((0x80 | channel, pitch, 0))))
    return events


def meta(kind: int, payload: bytes) -> bytes:
    """Spell a meta event."""
    return bytes((0xFF, kind)) + vlq(len(payload)) + payload


def tempo(bpm: float) -> bytes:
    """Spell a tempo."""
    return meta(0x51, round(60e6 / bpm).to_bytes(3, "big"))


def metre(numerator: int, power: int) -> bytes:
    """Spell a metre; the denominator is 2 to that power."""
    return meta(0x58, bytes((numerator, power, 24, 8)))


def refused() -> dict[str, bytes]:
    """Return files that are no piano MIDI: name -> bytes."""
    good = file(body(scale()))
    lone = header()
    damaged = {
        "a status that is no event": b"\x00\x3c\x50",
        "running status after a text": b"\x00\xff\x01\x01a\x00\x3c\x50",
        "a data byte above 127": b"\x00\x90\x3c\xd0",
        "a delta of five bytes": b"\x81\x82\x83\x84\x05\x90\x3c\x50",
        "a delta that never ends": b"\xff" * 40,
        "a note cut off": b"\x00\x90\x3c",
        "a delta and nothing": b"\x00",
        "a text longer than its track": b"\x00\xff\x01\x7fabc",
        "a text of 256 MB": b"\x00\xff\x01\xff\xff\xff\x7fabc",
        "a SysEx that never ends": b"\x00\xf0\xff\xff\xff\x7f\x01\x02",
        "a meta kind above 127": b"\x00\xff\x80\x00",
    }
    return {
        "empty": b"",
        "one byte": b"M",
        "the letters MThd": b"MThd",
        "a PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200),
        "a JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(200),
        "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
        "a web page": b"<!doctype html><html><body>404 Not Found</body></html>",
        "a text": "Für Elise, als Datei gespeichert\n".encode(),
        "UTF-16": "MThd".encode("utf-16"),
        "a ZIP": b"PK\x03\x04" + bytes(100),
        "zeros": bytes(4096),
        "header of size 0": header(size=0) + chunk(body(scale())),
        "header of 4 GB": header(size=0xFFFFFFFF) + chunk(body(scale())),
        "header cut off": header()[:11],
        "header alone": header(),
        "format 2": file(body(scale()), kind=2),
        "format 65535": file(body(scale()), kind=0xFFFF),
        "SMPTE 25 frames": file(body(scale()), division=0xE728),
        "SMPTE 29.97 frames": file(body(scale()), division=0xE304),
        "no ticks": file(body(scale()), division=0),
        "no tracks": header(0),
        "65535 tracks": header(65535),
        "a track too many": header(2) + chunk(body(scale())),
        "a track of 4 GB": header() + chunk(body(scale()), size=0xFFFFFFFF),
        "a track one byte too long": header() + chunk(body(scale()), size=len(body(scale())) + 1),
        "only a strange chunk": header() + chunk(bytes(10), kind=b"XFIH"),
        "half a file": good[: len(good) // 2],
        "no notes": file(body([(0, tempo(120)), (0, metre(3, 2))])),
        "only note-offs": file(body([(i * 480, b"\x80\x3c\x00") for i in range(8)])),
        "only drums": file(body(scale(channel=9))),
        "a million bars": file(body([*scale(1), (2**28 - 1, b"\x90\x3c\x50"), (2**28, b"\x80\x3c\x00")])),
        "beyond all ticks": file(body([(i * 2**27, b"\x90\x3c\x50") for i in range(12)])),
        "RIFF of nothing": b"RIFF\x10\0\0\0RMIDLIST\0\0\0\0",
        "RIFF that claims 4 GB": b"RIFF\xff\xff\xff\xffRMIDLIST\xff\xff\xff\xff",
        **{name: lone + chunk(bytes_) for name, bytes_ in damaged.items()},
    }


def odd() -> dict[str, bytes]:
    """Return files that are odd and legal, or so common that they count as legal: name -> bytes."""
    tune = scale(6)
    quarters = [(i * 480, (i + 1) * 480) for i in range(24)]
    texts = {
        "latin": b"\xc9tude \xe9",
        "utf-8": "练习曲 🎹".encode(),
        "gb2312": "练习曲".encode("gb2312"),
        "zero": b"a\0b",
    }
    riff = file(body(tune))
    files = {
        "plain": file(body(tune)),
        "format 0": file(body(tune), kind=0),
        "no end of track": header() + chunk(body(tune)[: -len(END)]),
        "bytes behind the end": file(body(tune) + b"\xde\xad\xbe\xef") + b"trailing rubbish \xff\x00",
        "a longer header": header(size=10, more=b"\1\2\3\4") + chunk(body(tune)),
        "strange chunks between": header()
        + chunk(b"vendor", kind=b"XFIH")
        + chunk(body(tune))
        + chunk(b"x", kind=b"?\0\xff!"),
        "running status": file(
            b"\x00\x90"
            + b"".join(bytes((60 + i % 8, 80)) + b"\x83\x60" + bytes((60 + i % 8, 0)) + b"\x00" for i in range(24))[:-1]
            + END
        ),
        "one tick a quarter": file(body(scale(6, quarter=1)), division=1),
        "24 ticks a quarter": file(body(scale(6, quarter=24)), division=24),
        "32767 ticks a quarter": file(body(scale(6, quarter=32767)), division=32767),
        "10 bpm": file(body([(0, tempo(10)), *tune])),
        "400 bpm": file(body([(0, tempo(400)), *tune])),
        "the slowest tempo": file(body([(0, meta(0x51, b"\xff\xff\xff")), *tune])),
        "a tempo of 0 and of 1": file(
            body([(0, meta(0x51, bytes(3))), (480, meta(0x51, b"\0\0\1")), (960, tempo(120)), *tune])
        ),
        "a tempo every tick": file(body([*((i, tempo(60 + i % 120)) for i in range(4000)), *tune])),
        "a metre every quarter": file(body([*((i * 480, metre(1 + i % 7, 2)) for i in range(1000)), *scale(40)])),
        "metres without meaning": file(
            body([(0, metre(0, 2)), (0, metre(4, 200)), (480, metre(255, 6)), (960, metre(1, 6)), *tune])
        ),
        "short meta events": file(
            body(
                [
                    (0, meta(0x51, b"\1")),
                    (0, meta(0x58, b"")),
                    (0, meta(0x59, b"\x09\x07")),
                    (0, meta(0x54, b"")),
                    (0, meta(0x00, b"")),
                    *tune,
                ]
            )
        ),
        "unknown meta events": file(body([*((i, meta(i, bytes(i))) for i in range(0x60, 0x80)), *tune])),
        "keys without meaning": file(body([(0, meta(0x59, b"\x7f\x01")), (1, meta(0x59, b"\xf9\x01")), *tune])),
        "SysEx and packets": file(
            body([(0, b"\xf0\x05\x7e\x7f\x09\x01\xf7"), (10, b"\xf7\x02\x01\xf7"), (20, b"\xf0\x00"), *tune])
        ),
        "system messages": file(body([(0, b"\xf8"), (10, b"\xf2\x01\x02"), (20, b"\xf3\x05"), (30, b"\xfe"), *tune])),
        "aftertouch and bends": file(
            body(
                [
                    *((i * 7, b"\xa0\x3c\x40") for i in range(50)),
                    *((i * 9, b"\xe0\x00\x40") for i in range(50)),
                    (5, b"\xd0\x11"),
                    *tune,
                ]
            )
        ),
        "notes of no length": file(
            body([event for i in range(24) for event in ((i * 480, b"\x90\x3c\x50"), (i * 480, b"\x80\x3c\x00"))])
        ),
        "notes never ended": file(
            body([(start, bytes((0x90, 60 + i % 12, 70))) for i, (start, _) in enumerate(quarters)])
        ),
        "one key struck again and again": file(
            body([*((i * 480, b"\x90\x3c\x50") for i in range(24)), *((12000 + i, b"\x80\x3c\x00") for i in range(24))])
        ),
        "offs before ons": file(body([(0, b"\x80\x3c\x00"), (0, b"\x80\x40\x00"), *tune])),
        "offs doubled": file(body([*tune, *((end, b"\x80\x3c\x00") for _, end in quarters)])),
        "a note of an hour": file(body([*tune, (0, b"\x90\x24\x40"), (480 * 2 * 3600, b"\x80\x24\x00")])),
        "two hours between notes": file(
            body([*scale(2), (480 * 2 * 7200, b"\x90\x3c\x50"), (480 * 2 * 7200 + 480, b"\x80\x3c\x00")])
        ),
        "all 128 keys at once": file(
            body(
                [
                    event
                    for at in (0, 1920, 3840)
                    for p in range(128)
                    for event in ((at, bytes((0x90, p, 1))), (at + 960, bytes((0x80, p, 127))))
                ]
            )
        ),
        "only keys no piano has": file(
            body([event for i in range(24) for event in ((i * 480, b"\x90\x03\x50"), (i * 480 + 240, b"\x80\x03\x00"))])
        ),
        "sixteen channels": file(*(body(scale(4, channel=c)) for c in range(16))),
        "300 tracks": file(*(body([(0, meta(3, b"empty")), *(scale(4) if c == 299 else [])]) for c in range(300))),
        "an empty track": file(END, body(tune), END),
        "a track of no bytes": header(2) + chunk(b"") + chunk(body(tune)),
        "pedals pressed and never let go": file(body([*((i * 480, b"\xb0\x40\x7f") for i in range(20)), *tune])),
        "a pedal every tick": file(body([*((i, bytes((0xB0, 0x40, 127 * (i % 2)))) for i in range(8000)), *tune])),
        "end of track far behind": file(body([*tune, (480 * 400, meta(1, b"far"))])),
        "RIFF": b"RIFF" + struct.pack("<I", len(riff) + 12) + b"RMIDdata" + struct.pack("<I", len(riff)) + riff,
    }
    for name, text in texts.items():
        files[f"names in {name}"] = file(body([(0, meta(3, text)), (0, meta(1, text)), (0, meta(5, text)), *tune]))
    return files


def large() -> dict[str, Callable[[], bytes]]:
    """Return files at the bounds and beyond, made when they are asked for: name -> maker."""

    def many(n: int, spacing: int) -> bytes:
        rows = b"".join(
            bytes((0x90, 36 + i % 48, 70)) + vlq(spacing) + bytes((0x80, 36 + i % 48, 0)) + b"\x00" for i in range(n)
        )
        return file(b"\x00" + rows[:-1] + END)

    return {
        "half a million notes": lambda: many(500_000, 12),
        "larger than any file": lambda: file(body([(0, meta(1, bytes(9 * 2**20))), *scale()])),
        "a million empty texts": lambda: file(b"\x00\xff\x01\x00" * 1_100_000 + END),
    }
