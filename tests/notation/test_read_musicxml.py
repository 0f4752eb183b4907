"""Sheet music is read as it is heard: our own pages, and what other programs write."""

from __future__ import annotations

import io
import json
import zipfile
from fractions import Fraction
from pathlib import Path

import pytest
from tests.notation.musicxml_reader import read_back
from tests.notation.sheets import FILES, ROOT

from pianomuse.cli import main
from pianomuse.errors import MidiError
from pianomuse.midi.read import Piece, read_midi
from pianomuse.notation.musicxml import compressed, musicxml
from pianomuse.notation.play_order import Signs, play_order
from pianomuse.notation.read_musicxml import read_musicxml, read_piece
from pianomuse.render.sheet import sheet_of

Note = tuple[Fraction, Fraction, int]


def score(*bars: str, part_list: str = "<score-part id='P1'><part-name>Piano</part-name></score-part>") -> bytes:
    """Make a score of one part that counts in quarters of a quarter, 2/4, from what stands in its bars."""
    first = "<attributes><divisions>4</divisions><time><beats>2</beats><beat-type>4</beat-type></time></attributes>"
    text = "".join(
        f"<measure number='{number}'>{first if number == 1 else ''}{bar}</measure>"
        for number, bar in enumerate(bars, 1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 '
        'Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">'
        f"<score-partwise><part-list>{part_list}</part-list><part id='P1'>{text}</part></score-partwise>"
    ).encode()


def n(pitch: str, length: int = 8, inside: str = "") -> str:
    """Make a note such as C4, in quarters of a quarter."""
    step, octave, alter = pitch[0], pitch[-1], {"#": 1, "b": -1}.get(pitch[1:-1], 0)
    sound = f"<pitch><step>{step}</step><alter>{alter}</alter><octave>{octave}</octave></pitch>"
    before, _, after = inside.rpartition("|")
    return f"<note>{before}{sound}<duration>{length}</duration>{after}</note>"


def heard(piece: Piece) -> list[Note]:
    """Return onset and duration in quarters, and pitch."""
    notes, quarter = piece.score.tracks[0].notes.numpy(), piece.grid.ticks_per_quarter
    rows = zip(notes["time"], notes["duration"], notes["pitch"], strict=True)
    return sorted((Fraction(int(t), quarter), Fraction(int(d), quarter), int(p)) for t, d, p in rows)


def read(*bars: str, **options: str) -> Piece:
    return read_midi(read_musicxml(score(*bars, **options)).midi)


def pitches(*bars: str) -> list[int]:
    return [pitch for _, _, pitch in heard(read(*bars))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_our_own_pages_come_back_with_the_same_notes_and_bars(path: Path) -> None:
    document = musicxml(sheet_of(read_midi(path)))
    page, sheet = read_back(document), read_musicxml(document)
    assert sheet.warnings == ()
    piece = read_midi(sheet.midi)
    struck: dict[tuple[Fraction, int], Fraction] = {}
    for _, _, pitch, onset, duration in page.notes:  # one key struck twice at once is one note in a piece
        struck[onset, pitch] = max(duration or Fraction(1, 8), struck.get((onset, pitch), Fraction(0)))
    assert heard(piece) == sorted((onset, duration, pitch) for (onset, pitch), duration in struck.items())
    starts, at = [], Fraction(0)
    for _, length in page.bars:
        starts.append(at)
        at += length
    lines = [Fraction(int(line), piece.grid.ticks_per_quarter) for line in piece.grid.starts[: len(starts)]]
    assert lines == starts[: len(lines)]
    assert len(starts) - len(lines) <= 1


def test_tempo_metre_key_pedal_and_names_come_back() -> None:
    before = read_midi(ROOT / "examples" / "expressive-pedal.mid")
    after = read_midi(read_musicxml(musicxml(sheet_of(before))).midi)
    assert len(after.score.tracks[0].pedals) > 5
    assert round(after.score.tempos[0].qpm) == round(before.score.tempos[0].qpm)
    assert {track.role for track in after.tracks} == {"right", "left"}
    keys = read("<attributes><key><fifths>-3</fifths><mode>minor</mode></key></attributes>" + n("C4")).score
    assert [(int(key.key), int(key.tonality)) for key in keys.key_signatures] == [(-3, 1)]


def test_ties_join_notes_and_chords_strike_together() -> None:
    piece = read(
        n("C4", 8, "|<tie type='start'/>") + n("E4", 8, "<chord/>|"),
        n("C4", 4, "|<tie type='stop'/>") + n("G4", 4),
    )
    assert heard(piece) == [(0, 2, 64), (0, 3, 60), (3, 1, 67)]


def test_a_tie_without_a_note_to_go_on_to_is_said() -> None:
    sheet = read_musicxml(score(n("C4", 8, "|<tie type='start'/>"), n("D4")))
    assert sheet.warnings == ("Ties without a note to go on to: 1.",)


def test_backup_and_forward_lay_voices_over_one_another() -> None:
    bar = n("C5", 8) + "<backup><duration>8</duration></backup><forward><duration>4</duration></forward>" + n("E4", 4)
    assert heard(read(bar)) == [(0, 2, 72), (1, 1, 64)]


def test_grace_notes_are_short_strokes_on_the_beat() -> None:
    grace = "<note><grace/><pitch><step>D</step><octave>5</octave></pitch></note>"
    assert heard(read(n("G4", 4) + grace + n("C5", 4))) == [(0, 1, 67), (1, Fraction(1, 8), 74), (1, 1, 72)]


def test_transposing_instruments_sound_where_they_sound() -> None:
    clarinet = (
        "<attributes><transpose><chromatic>-2</chromatic><octave-change>-1</octave-change></transpose></attributes>"
    )
    assert pitches(clarinet + n("D5")) == [60]


def test_a_pickup_is_a_short_first_bar_and_irregular_bars_keep_their_length() -> None:
    piece = read(n("C4", 4), n("D4"), n("E4", 12), n("F4"))
    assert list(piece.grid.metres) == [(1, 4), (2, 4), (3, 4), (2, 4)]
    assert piece.grid.pickup_ticks


def test_composite_metres_are_added_up() -> None:
    time = "<attributes><time><beats>3+2</beats><beat-type>8</beat-type></time></attributes>"
    assert read(time + n("C4", 10)).grid.metres[0] == (5, 8)


def test_tempo_and_loudness_are_heard() -> None:
    mark = (
        "<direction><direction-type><metronome><beat-unit>half</beat-unit><per-minute>c. 60</per-minute></metronome>"
        "</direction-type></direction><direction><direction-type><dynamics><pp/></dynamics></direction-type></direction>"
    )
    score_ = read(mark + n("C4"), "<sound tempo='90'/>" + n("D4")).score
    assert [(int(t.time), round(t.qpm)) for t in score_.tempos] == [(0, 120), (960, 90)]
    assert score_.tracks[0].notes.numpy()["velocity"].tolist() == [33, 33]


START = "<barline location='left'><repeat direction='forward'/></barline>"
BACK = "<barline location='right'><repeat direction='backward'/></barline>"


def ending(numbers: str, bar: str, *, is_back: bool) -> str:
    back = "<repeat direction='backward'/>" if is_back else ""
    first = f"<barline location='left'><ending number='{numbers}' type='start'/></barline>"
    return f"{first}{bar}<barline location='right'><ending number='{numbers}' type='stop'/>{back}</barline>"


def test_repeats_and_endings_are_played_out_and_said() -> None:
    bars = (
        n("C4"),
        START + n("D4"),
        ending("1, 2", n("E4"), is_back=True),
        ending("3", n("F4"), is_back=False),
        n("G4"),
    )
    assert pitches(*bars) == [60, 62, 64, 62, 64, 62, 65, 67]
    assert read_musicxml(score(*bars)).warnings[0] == "Repeats and jumps are played out: 5 written bars are 8 heard."


@pytest.mark.parametrize(
    ("bars", "order"),
    [
        ({2: Signs(repeat_times=2)}, [0, 1, 2, 0, 1, 2, 3, 4, 5]),
        ({1: Signs(is_repeat_start=True), 2: Signs(repeat_times=3)}, [0, 1, 2, 1, 2, 1, 2, 3, 4, 5]),
        ({1: Signs(repeat_times=2), 3: Signs(repeat_times=2)}, [0, 1, 0, 1, 2, 3, 2, 3, 4, 5]),
        ({2: Signs(is_fine=True), 5: Signs(is_da_capo=True)}, [0, 1, 2, 3, 4, 5, 0, 1, 2]),
        ({1: Signs(segno="s"), 2: Signs(is_fine=True), 4: Signs(dal_segno="s")}, [0, 1, 2, 3, 4, 1, 2]),
        ({1: Signs(to_coda="c"), 3: Signs(is_da_capo=True), 4: Signs(coda="c")}, [0, 1, 2, 3, 0, 1, 4, 5]),
        ({1: Signs(repeat_times=2), 5: Signs(is_da_capo=True)}, [0, 1, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]),
        (
            {
                1: Signs(endings=frozenset({1}), is_ending_end=True, repeat_times=2),
                2: Signs(endings=frozenset({2}), is_ending_end=True),
                3: Signs(is_da_capo=True),
            },
            [0, 1, 0, 2, 3, 0, 2, 3, 4, 5],
        ),
        (
            {
                1: Signs(endings=frozenset({1}), is_ending_end=True, repeat_times=2),
                2: Signs(endings=frozenset({2}), is_ending_end=True),
                4: Signs(repeat_times=2),
            },
            [0, 1, 0, 2, 3, 4, 3, 4, 5],
        ),
        ({2: Signs(endings=frozenset({1})), 3: Signs(endings=frozenset({2}))}, [0, 1, 2, 3, 4, 5]),
        ({3: Signs(dal_segno="nowhere", to_coda="nowhere")}, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_bars_are_heard_in_the_order_players_know(bars: dict[int, Signs], order: list[int]) -> None:
    assert play_order([bars.get(index, Signs()) for index in range(6)]) == order


def test_repeats_without_end_are_refused() -> None:
    bars = [Signs(is_repeat_start=True, repeat_times=16)] * 2000
    with pytest.raises(MidiError, match="more than 20000 bars"):
        play_order(bars)


def test_jumps_that_are_only_printed_are_understood() -> None:
    def words(text: str) -> str:
        return f"<direction><direction-type><words>{text}</words></direction-type></direction>"

    assert pitches(n("C4"), n("D4") + words("Fine"), n("E4") + words("D.C. al Fine")) == [60, 62, 64, 60, 62]


def test_other_instruments_stay_apart_and_drums_are_left_out() -> None:
    listed = (
        "<score-part id='P1'><part-name>Violin</part-name><midi-instrument id='I'><midi-program>41</midi-program>"
        "</midi-instrument></score-part>"
    )
    assert read(n("C4"), part_list=listed).tracks[0].program == 40
    sheet = read_musicxml(score(n("C4", 4) + "<note><unpitched/><duration>4</duration></note>"))
    assert sheet.warnings == ("Not read: 1 notes without pitch.",)


def test_a_compressed_file_is_read_by_its_container() -> None:
    document = score(n("C4"))
    assert read_musicxml(compressed(document)).midi == read_musicxml(document).midi
    assert heard(read_piece(document)) == heard(read_piece(compressed(document))) == [(0, 2, 60)]


def bomb() -> bytes:
    entities = "".join(f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, 10))
    return f"<!DOCTYPE x [<!ENTITY a0 'ha'>{entities}]><score-partwise>&a9;</score-partwise>".encode()


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr({"container": "META-INF/container.xml"}.get(name, name), data)
    return buffer.getvalue()


CONTAINER = b"<container><rootfiles><rootfile full-path='%s'/></rootfiles></container>"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "not readable as XML"),
        (b"MThd", "not readable as XML"),
        (b"<html/>", "not a MusicXML score"),
        (b"<score-timewise/>", "score-partwise"),
        (b"<score-partwise/>", "0 parts"),
        (b"<score-partwise><part/></score-partwise>", "no bars"),
        (score("<note><rest/><duration>8</duration></note>"), "no notes"),
        (score(n("C4"))[:-40], "not readable as XML"),
        (bomb(), "declares entities"),
        (b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><score-partwise>&e;</score-partwise>", "entities"),
        (b"<a>" * 1000, "larger or deeper"),
        (score(n("C4", -8)), "duration without meaning"),
        (score(n("H4")), "without a pitch"),
        (score("<attributes><divisions>0</divisions></attributes>" + n("C4")), "divisions"),
        (score(n("C4", 10**12)), "duration without meaning"),
        (b"PK\x03\x04", "damaged"),
        (zipped(other=b"x"), "without a score"),
        (zipped(container=CONTAINER % b"../x"), "without a score"),
        (zipped(container=CONTAINER % b"x", x=bytes(2**17) + b"<"), "not readable as XML"),
    ],
)
def test_a_bad_file_is_one_clear_error(data: bytes, what: str) -> None:
    with pytest.raises(MidiError, match=what):
        read_musicxml(data)


def test_an_entry_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pianomuse.notation.xml_file.MAX_DOCUMENT_BYTES", 2**20)
    with pytest.raises(MidiError, match="unpacks to more than 1 MB"):
        read_musicxml(zipped(container=CONTAINER % b"x", x=bytes(2**21)))


def test_the_command_writes_a_midi_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.mxl").write_bytes(compressed(score(n("C4"), n("D4") + BACK)))
    assert main(["convert", str(tmp_path / "x.mxl"), str(tmp_path / "y.mid"), "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["bars"] == 4
    assert "4 heard" in told.err
    assert [p for _, _, p in heard(read_midi(tmp_path / "y.mid"))] == [60, 62, 60, 62]
    assert main(["convert", str(tmp_path / "x.mxl"), str(tmp_path / "y.mid")]) == 2
    assert "--force" in capsys.readouterr().err


def test_sheet_music_is_completed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "waltz.musicxml"
    page.write_bytes(musicxml(sheet_of(read_midi(ROOT / "examples" / "waltz-pickup.mid"))))
    words = ["--bars", "1", "--candidates", "1", "--seed", "1", "--json", "--out", str(tmp_path / "ideas")]
    assert main(["complete", str(page), *words]) == 0
    document = json.loads(capsys.readouterr().out)
    whole = read_midi(document["candidates"][0]["with_completion"])
    begun = heard(read_piece(page))
    assert heard(whole)[: len(begun) - 4] == begun[:-4]
    assert len(heard(whole)) > len(begun)
