"""music21 opens what is written without a warning and hears the same notes; where music21 is installed."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from tests.notation.musicxml_reader import read_back
from tests.notation.sheets import ROOT

from pianomuse.midi.read import read_midi
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
