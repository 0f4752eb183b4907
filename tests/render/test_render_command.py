"""`pianomuse render`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from pianomuse.cli import main


def test_writes_a_wav_of_the_whole_piece(examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = tmp_path / "march.wav"
    assert main(["render", str(examples / "right-hand.mid"), str(wav), "--json", "--sample-rate", "22050"]) == 0
    report = json.loads(capsys.readouterr().out)
    info = soundfile.info(wav)
    assert (info.samplerate, info.channels, info.subtype) == (22_050, 2, "PCM_16")
    assert info.duration == pytest.approx(report["length_seconds"], abs=0.01)
    assert info.duration > 15


def test_never_writes_over_a_file_unasked(examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = tmp_path / "march.wav"
    wav.write_text("mine")
    assert main(["render", str(examples / "right-hand.mid"), str(wav)]) == 2
    assert wav.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert main(["render", str(examples / "right-hand.mid"), str(wav), "--force"]) == 0
    assert soundfile.info(wav).duration > 15
