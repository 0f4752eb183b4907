"""`pianomuse convert`."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.notation.musicxml_reader import read_back

from pianomuse.cli import main


def test_writes_sheet_music_that_reads_back(examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "siciliano.musicxml"
    assert main(["convert", str(examples / "gap-of-four-bars.mid"), str(sheet), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["sheet"], report["bars"], report["approximate"]) == (str(sheet), 20, False)
    back = read_back(sheet.read_bytes())
    assert (len(back.bars), len(back.notes), back.faults) == (20, 196, [])
    assert ET.parse(sheet).findtext("work/work-title") == "gap-of-four-bars"


def test_a_compressed_sheet_holds_the_same_document(examples: Path, tmp_path: Path) -> None:
    source = str(examples / "waltz-pickup.mid")
    plain, packed = tmp_path / "waltz.musicxml", tmp_path / "waltz.mxl"
    assert main(["convert", source, str(plain), "--title", "A Waltz"]) == 0
    assert main(["convert", source, str(packed), "--title", "A Waltz"]) == 0
    with zipfile.ZipFile(io.BytesIO(packed.read_bytes())) as archive:
        container = ET.fromstring(archive.read("META-INF/container.xml"))
        place = container.find("rootfiles/rootfile")
        assert place is not None
        assert archive.read(place.get("full-path", "")) == plain.read_bytes()
    assert b"A Waltz" in plain.read_bytes()


def test_a_performance_is_called_approximate(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "gymnopedie.musicxml"
    assert main(["convert", str(examples / "expressive-pedal.mid"), str(sheet)]) == 0
    assert "Approximate" in capsys.readouterr().err
    assert b"Approximate" in sheet.read_bytes()


def test_a_first_downbeat_makes_a_pickup(examples: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "moved.xml"
    assert main(["convert", str(examples / "broken-off-on-beat-3.mid"), str(sheet), "--first-downbeat", "1"]) == 0
    assert [number for number, _ in read_back(sheet.read_bytes()).bars][:2] == ["0", "1"]


def test_never_writes_over_a_file_unasked(examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "march.musicxml"
    sheet.write_text("mine")
    assert main(["convert", str(examples / "right-hand.mid"), str(sheet)]) == 2
    assert sheet.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert main(["convert", str(examples / "right-hand.mid"), str(sheet), "--force"]) == 0
    assert len(read_back(sheet.read_bytes()).notes) == 70


def test_never_writes_over_its_input(examples: Path, tmp_path: Path) -> None:
    piece = tmp_path / "march.xml"
    piece.write_bytes((examples / "right-hand.mid").read_bytes())
    assert main(["convert", str(piece), str(piece), "--force"]) == 2
    assert piece.read_bytes() == (examples / "right-hand.mid").read_bytes()


@pytest.mark.parametrize("name", ["sheet.pdf", "sheet"])
def test_says_which_names_it_writes(
    name: str, examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(examples / "right-hand.mid"), str(tmp_path / name)]) == 2
    assert ".musicxml" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_a_broken_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    assert main(["convert", str(tmp_path / "broken.mid"), str(tmp_path / "out.musicxml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out.musicxml").exists()
