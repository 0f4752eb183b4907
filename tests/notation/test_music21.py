"""music21 opens what is written without a warning and hears the same notes, and we hear in its files what it does.

Where music21 is installed.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from tests.notation.musicxml_reader import read_back
from tests.notation.sheets import ROOT

from pianomuse.midi.read import read_midi
from pianomuse.notation.read_musicxml import read_musicxml
from pianomuse.render.sheet import sheet_of, write_sheet

music21 = pytest.importorskip("music21")


@pytest.mark.parametrize("name", ["waltz-pickup", "gap-of-four-bars", "expressive-pedal"])
def test_music21_reads_the_same_notes(name: str, tmp_path: Path) -> None:
    path = write_sheet(tmp_path / f"{name}.musicxml", sheet_of(read_midi(ROOT / "examples" / f"{name}.mid")))
    with warnings.catch_warnings():
        warnings.simplefilter("error", music21.musicxml.xmlObjects.MusicXMLWarning)
        heard = music21.converter.parse(path, forceSource=True)
    back = read_back(path.read_bytes())
    struck = []
    for part in heard.parts:
        for element in part.recurse().notes:
            for note in element.notes if element.isChord else [element]:
                if note.tie is None or note.tie.type == "start":
                    struck.append((float(element.getOffsetInHierarchy(part)), note.pitch.midi))
    assert sorted(struck) == sorted((float(onset), pitch) for _, _, pitch, onset, _ in back.notes)
    assert len(heard.parts[0].getElementsByClass("Measure")) == len(back.bars)


def with_endings(part: music21.stream.Part) -> None:
    part.getElementsByClass("Measure")[1].rightBarline = music21.bar.Repeat(direction="end")
    music21.repeat.insertRepeatEnding(part, 2, 2, 1)
    music21.repeat.insertRepeatEnding(part, 3, 3, 2)


PIECES = {
    "repeat with endings": "tinyNotation: 3/4 c4 d e f2. g4 a b c'2.",
    "tuplets and ties": "tinyNotation: 4/4 trip{c8 d e} f4~ f2 g8. a16 b2.",
    "compound": "tinyNotation: 6/8 c8 d e f4 g8 a4. b4.",
}


@pytest.mark.parametrize("name", PIECES)
def test_files_of_music21_are_heard_as_it_hears_them(name: str, tmp_path: Path) -> None:
    stream = music21.converter.parse(PIECES[name])
    if "repeat" in name:
        with_endings(stream)
    path = stream.write("musicxml", fp=tmp_path / "x.musicxml")
    piece = read_midi(read_musicxml(Path(path)).midi)
    notes, quarter = piece.score.tracks[0].notes.numpy(), piece.grid.ticks_per_quarter
    ours = sorted(zip((notes["time"] / quarter).round(4).tolist(), notes["pitch"].tolist(), strict=True))
    heard = music21.converter.parse(path, forceSource=True).parts[0]
    expanded = heard.expandRepeats() if "repeat" in name else heard
    theirs = sorted(
        (round(float(note.getOffsetInHierarchy(expanded)), 4), note.pitch.midi)
        for note in expanded.stripTies().recurse().notes
    )
    assert ours == theirs


def test_a_clarinet_of_music21_sounds_where_it_sounds(tmp_path: Path) -> None:
    part = music21.stream.Part([music21.instrument.Clarinet(), music21.note.Note("D5", type="whole")])
    score = music21.stream.Score([part])
    path = score.write("musicxml", fp=tmp_path / "x.musicxml")
    theirs = [note.pitch.midi for note in music21.converter.parse(path).toSoundingPitch().recurse().notes]
    piece = read_midi(read_musicxml(Path(path)).midi)
    assert piece.score.tracks[0].notes.numpy()["pitch"].tolist() == theirs == [72]
