"""What searches have found: every fault, with the bytes that showed it. See docs/log/0006-fuzzing.md."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import corpus
import pytest

from pianomuse.api import Muse
from pianomuse.errors import MidiError, RequestError
from pianomuse.generate.asked import read_asked
from pianomuse.midi.read import read_midi
from pianomuse.notation.marks import dynamics_marks
from pianomuse.notation.measures import UNITS, Measure
from pianomuse.notation.musicxml import _inside
from pianomuse.notation.read_musicxml import read_musicxml
from pianomuse.notation.rhythm import WrittenNote
from pianomuse.render.sheet import sheet_of

fastapi = pytest.importorskip("fastapi.testclient", reason="the server needs the extra `studio`")

JSON = {"content-type": "application/json"}
PROGRAM = "<midi-instrument><midi-program>{}</midi-program></midi-instrument>"
TIES = (("start", "1"), ("stop", "0.5"))  # a bar of half a quarter: nothing ends where these begin
TIE = '<tie type="{}"/>'
JUMPS = "<sound segno='a' coda='b' dalsegno='c' tocoda='d'/>"


def score(*bars: str, parts: int = 1, head: str = "") -> bytes:
    """Spell a score whose parts all have these bars."""
    listed = "".join(f'<score-part id="P{n}"><part-name>Piano</part-name>{head}</score-part>' for n in range(parts))
    body = "".join(f"<measure>{bar}</measure>" for bar in bars)
    played = "".join(f'<part id="P{n}">{body}</part>' for n in range(parts))
    return f"<score-partwise><part-list>{listed}</part-list>{played}</score-partwise>".encode()


def note(more: str = "", *, duration: str = "1", octave: int = 4) -> str:
    pitch = f"<pitch><step>C</step><octave>{octave}</octave></pitch>"
    return f"<note>{pitch}<duration>{duration}</duration>{more}</note>"


def packed(document: bytes, method: int, *, damaged: bool = False) -> bytes:
    """Pack a score as .mxl files are, or nearly."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        container = '<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>'
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("a.xml", document, compress_type=method)
    data = buffer.getvalue()
    at = data.index(b"a.xml", data.index(b"</container>")) + 20
    return data[:at] + bytes(8) + data[at + 8 :] if damaged else data


def divided(n: int) -> str:
    return f"<attributes><divisions>{n}</divisions></attributes>" + note()


REFUSED = {
    "a duration without end": score(note(duration="1e99999999")),
    "divisions without end": score("<attributes><divisions>1e-99999999</divisions></attributes>" + note()),
    "places too fine": score("".join(map(divided, (99_991, 99_989, 99_971)))),
    "Shift JIS": b'<?xml version="1.0" encoding="shift_jis"?>' + score(note()),
    "hex": b'<?xml version="1.0" encoding="hex"?>' + score(note()),
    "LZMA": packed(score(note()), zipfile.ZIP_LZMA, damaged=True),
    "bzip2": packed(score(note()), zipfile.ZIP_BZIP2, damaged=True),
    "bars": score(*[""] * 20_001, parts=2),
}
READ = {
    "program 1000": score(note(), head=PROGRAM.format("01000")),
    "a program of 5000 digits": score(note(), head=PROGRAM.format("0001" + "0" * 5000)),
    "2000 staves": score("".join(note(f"<staff>{n}</staff>") for n in range(2000))),
    "open ties": score(*[note(TIE.format(kind), duration=length) for kind, length in TIES for _ in range(4000)]),
    "a tempo years away": score(note() + "<direction><offset>999999999</offset><sound tempo='90'/></direction>"),
    "jumps to nowhere": score(*[f"<direction>{JUMPS}</direction>" + note()] * 4000),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_sheet_music_that_is_refused_in_a_sentence(name: str) -> None:
    begun = time.process_time()
    with pytest.raises(MidiError) as told:
        read_musicxml(REFUSED[name])
    assert "\n" not in str(told.value)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("name", list(READ))
def test_sheet_music_that_is_read_in_little_time(name: str) -> None:
    begun = time.process_time()
    assert read_midi(read_musicxml(READ[name]).midi).grid.n_bars
    assert time.process_time() - begun < 3


def test_the_page_of_a_long_piece_takes_time_in_proportion() -> None:
    n_bars = 12_000
    bars = [Measure(UNITS * i, UNITS, (1, 4), 0, i, i, i + 1) for i in range(n_bars)]
    notes = [WrittenNote(UNITS * i, UNITS * (i + 1), 60, 20 + 100 * (i // 2 % 2)) for i in range(n_bars)]
    begun = time.process_time()
    dynamics = dynamics_marks(notes, bars)
    assert len(dynamics) == n_bars // 2
    written = [mark for bar in bars for mark in _inside(dynamics, bar)]
    assert written == dynamics
    assert time.process_time() - begun < 3


def test_a_thousand_notes_held_for_thousands_of_bars_are_not_printed() -> None:
    events = [(480 + 2 * n, bytes((0x90 | n // 88, 21 + n % 88, 80))) for n in range(9 * 88)]  # nine channels
    events += [(2**23 + tick, bytes((0x80 | raw[0] & 15, raw[1], 0))) for tick, raw in events]
    begun = time.process_time()
    with pytest.raises(MidiError, match="shorten them"):
        sheet_of(read_midi(corpus.file(corpus.body(events))), "x")
    assert time.process_time() - begun < 5


def test_a_bar_of_two_lines_in_its_number_is_named_in_one() -> None:
    data = score(note(octave=99)).replace(b"<measure>", b'<measure number="1&#10;2">')
    with pytest.raises(MidiError, match="bar 1 2"):
        read_musicxml(data.replace(b"<step>C", b"<step>H"))


def test_a_pitch_of_thousands_of_digits_is_no_note() -> None:
    with pytest.raises(RequestError, match="is no note"):
        read_asked(range="C3-" + "9" * 5000)


@pytest.fixture
def client(muse: Muse) -> Iterator[Any]:
    from pianomuse.server.app import create_app, guarded
    from pianomuse.server.state import State

    with fastapi.TestClient(
        guarded(create_app(State(muse))), base_url="http://127.0.0.1", raise_server_exceptions=False
    ) as client:
        yield client


def test_notes_that_no_piano_has_cannot_be_harmonised(client: Any) -> None:
    note = {"tick": 0, "duration": 480, "pitch": 0, "velocity": 64, "track": 0}
    told = client.post("/api/v1/harmonise", json={"project": {"notes": [note]}, "candidates": 1})
    assert (told.status_code, told.json()["error"]["code"]) == (400, "request")
    assert "no notes to harmonise" in told.json()["error"]["message"]


def test_a_title_of_half_a_character_does_not_hide_the_works(client: Any) -> None:
    kept = b'{"work": "12345678", "project": {"title": "\\ud800", "notes": []}}'
    assert client.put("/api/v1/session", content=kept, headers=JSON).status_code == 204
    assert [work["work"] for work in client.get("/api/v1/works").json()] == ["12345678"]


@pytest.mark.parametrize("document", [b'{"x": NaN}', '{"x": 1}'.encode("utf-16")], ids=["not a number", "UTF-16"])
def test_what_a_browser_could_not_read_again_is_not_kept(client: Any, document: bytes, own_config: Path) -> None:
    assert client.put("/api/v1/session", content=document, headers=JSON).status_code == 400
    assert client.get("/api/v1/session").json() is None


@pytest.mark.parametrize("tempo", ["nan", "inf", "1e400"])
def test_a_tempo_that_is_no_number_is_refused_in_a_sentence(client: Any, tempo: str) -> None:
    data, kind = corpus.odd()["plain"], {"content-type": "audio/midi"}
    told = client.post(f"/api/v1/import?tempo={tempo}", content=data, headers=kind)
    assert (told.status_code, told.json()["error"]["code"]) == (400, "request")


def test_another_method_is_told_which_ones_there_are(client: Any) -> None:
    told = client.patch("/api/v1/info")
    assert (told.status_code, told.headers["allow"]) == (405, "GET")


def test_the_document_says_what_is_sent_and_what_comes(client: Any) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert "requestBody" in paths["/api/v1/style/file"]["put"]
    assert paths["/api/v1/style/file"]["get"]["responses"]["200"]["content"]
    assert "501" in paths["/api/v1/style/tune"]["post"]["responses"]
    session = paths["/api/v1/session"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert session["type"] == ["object", "null"]
