"""`pianomuse fetch`: a folder that `prepare` and `train` take, there as a whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.fetch import corpora
from tests.fetch.server import Site, serve

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.checkpoint.official import write_pth
from pianomuse.cli import main
from pianomuse.data.prepare import process_midi_directory
from pianomuse.data.store import PieceStore
from pianomuse.errors import FetchError, PianoMuseError, RequestError, StorageError
from pianomuse.fetch import sources, whole
from pianomuse.fetch.sources import SOURCES
from pianomuse.midi.read import read_midi

ARCHIVES = {"maestro": corpora.maestro, "asap": corpora.asap, "pop909": corpora.pop909}


@pytest.fixture(autouse=True)
def small_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The archives of these tests are not those with the published digests, and small."""
    for name, source in SOURCES.items():
        monkeypatch.setitem(SOURCES, name, replace(source, sha256="", about_bytes=1000))


def site_of(name: str) -> Site:
    return Site({f"/{SOURCES[name].file_name}": ARCHIVES[name]()})


def get(name: str, site: Site, out: Path) -> whole.Fetched:
    return whole.fetch(SOURCES[name], out, mirror=site.url, sleep=lambda seconds: None)


def test_maestro_keeps_its_published_split(tmp_path: Path) -> None:
    with serve(site_of("maestro")) as site:
        receipt = get("maestro", site, tmp_path / "maestro").receipt
    assert receipt["files"] == {"performance": 4}
    assert (tmp_path / "maestro" / "LICENSE").read_text() == "CC BY-NC-SA 4.0"
    report = process_midi_directory(tmp_path / "maestro", tmp_path / "dataset", jobs=1)
    assert report.pieces == {"train": 2, "valid": 1}
    assert report.dropped == {"kept for testing by manifest.csv": 1}
    works = {piece.work_id for piece in PieceStore(tmp_path / "dataset", "train")}
    assert works == {'Liszt, "Franz": Piece 1'}


def test_asap_has_scores_and_performances_on_their_beats(tmp_path: Path) -> None:
    with serve(site_of("asap")) as site:
        receipt = get("asap", site, tmp_path / "asap").receipt
    assert receipt["files"] == {"score": 2, "performance on its beats": 2}
    assert receipt["left_out"] == {"annotations or file that cannot be read": 1}
    score = tmp_path / "asap" / "Bach" / "Fugue" / "bwv_0"
    assert (score / "midi_score.mid").read_bytes() == corpora.PIECES[0].read_bytes()
    played = read_midi(score / "Shi05.mid")
    assert played.grid.metres[1] == (3, 4)
    assert played.grid.pickup_ticks
    assert len(played.score.tracks[0].notes) == len(read_midi(corpora.PIECES[0]).score.tracks[0].notes)
    with (tmp_path / "asap" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        works = {row["path"]: row["work_id"] for row in csv.DictReader(file)}
    assert works["Bach/Fugue/bwv_0/midi_score.mid"] == works["Bach/Fugue/bwv_0/Shi05.mid"] == "Bach: Fugue_0"
    report = process_midi_directory(tmp_path / "asap", tmp_path / "dataset", jobs=1)
    assert report.pieces == {"train": 2, "valid": 2}


def test_pop909_has_every_song_once_on_its_beats(tmp_path: Path) -> None:
    with serve(site_of("pop909")) as site:
        receipt = get("pop909", site, tmp_path / "pop909").receipt
    assert receipt["files"] == {"performance on its beats": 2}
    assert receipt["left_out"] == {"without its file or its annotations in the archive": 1}
    assert sorted(path.name for path in (tmp_path / "pop909").iterdir()) == [
        "001.mid",
        "002.mid",
        "LICENSE",
        "fetched.json",
    ]
    assert set(read_midi(tmp_path / "pop909" / "001.mid").grid.metres) == {(4, 4)}
    assert process_midi_directory(tmp_path / "pop909", tmp_path / "dataset", jobs=1).files == 2


def test_weights_are_looked_into_and_kept(tmp_path: Path) -> None:
    config = ModelConfig(vocab_size=48, n_layer=2, n_embd=64)
    zeros = {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes(config).items()}
    data = write_pth(tmp_path / "w.pth", zeros).read_bytes()
    name = SOURCES["rwkv7-g1"].file_name
    with serve(Site({f"/{name}": b"no weights"})) as site:
        with pytest.raises(FetchError, match="not an RWKV-7 file"):
            get("rwkv7-g1", site, tmp_path / "weights")
        site.files[f"/{name}"] = data
        receipt = get("rwkv7-g1", site, tmp_path / "weights").receipt
    assert (receipt["n_layer"], receipt["n_embd"]) == (2, 64)
    assert (tmp_path / "weights" / name).read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.pth", "weights"]


def test_what_is_there_is_not_fetched_again_and_nothing_else_is_touched(tmp_path: Path) -> None:
    with serve(site_of("pop909")) as site:
        get("pop909", site, tmp_path / "pop909")
        assert get("pop909", site, tmp_path / "pop909").was_there
        assert len(site.asked) == 1
        (tmp_path / "mine").mkdir()
        for folder, name in (("mine", "pop909"), ("pop909", "asap")):
            with pytest.raises(RequestError, match="is there already and is not"):
                get(name, site, tmp_path / folder)


def test_stopped_while_laying_out_leaves_no_folder_and_goes_on_without_a_new_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        (tmp_path / ".pop909.fetching" / "laid out" / "half.mid").write_bytes(b"half")
        raise KeyboardInterrupt

    with serve(site_of("pop909")) as site:
        with monkeypatch.context() as patch:
            patch.setattr(whole, "arrange", stop)
            with pytest.raises(KeyboardInterrupt):
                get("pop909", site, tmp_path / "pop909")
        assert not (tmp_path / "pop909").exists()
        get("pop909", site, tmp_path / "pop909")
        assert len(site.asked) == 1
    assert not (tmp_path / "pop909" / "half.mid").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["pop909"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL; TerminateProcess is the same there")
def test_killed_while_downloading_goes_on_from_there(tmp_path: Path) -> None:
    site = site_of("pop909")
    name = f"/{SOURCES['pop909'].file_name}"
    site.faults = ["stall"]
    words = [sys.executable, "-m", "pianomuse", "fetch", "pop909", "--yes", "--out", str(tmp_path / "pop909")]
    part = tmp_path / ".pop909.fetching" / f".{SOURCES['pop909'].file_name}.part"
    with serve(site):
        process = subprocess.Popen([*words, "--mirror", site.url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while time.monotonic() < until and not (part.exists() and part.stat().st_size):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "pop909").exists()
        there = part.stat().st_size
        assert 0 < there < len(site.files[name])
        get("pop909", site, tmp_path / "pop909")
        assert site.asked[-1] == f"{name} bytes={there}-"
    assert (tmp_path / "pop909" / "001.mid").exists()


def test_a_second_fetch_of_the_same_folder_waits_its_turn(tmp_path: Path) -> None:
    work = tmp_path / ".pop909.fetching"
    work.mkdir()
    with serve(site_of("pop909")) as site, whole._alone(work), pytest.raises(FetchError, match="another fetch"):
        get("pop909", site, tmp_path / "pop909")


def test_a_disk_without_room_is_refused_before_anything_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "pop909", replace(SOURCES["pop909"], about_bytes=2**60))
    with serve(site_of("pop909")) as site, pytest.raises(StorageError, match="MiB are free"):
        get("pop909", site, tmp_path / "pop909")
    assert site.asked == []


def test_an_archive_of_something_else_is_refused_and_not_kept(tmp_path: Path) -> None:
    site = Site({f"/{SOURCES['maestro'].file_name}": corpora.pop909()})
    with serve(site), pytest.raises(FetchError, match="table of performances"):
        get("maestro", site, tmp_path / "maestro")
    assert not (tmp_path / "maestro").exists()
    site = Site({f"/{SOURCES['maestro'].file_name}": b"<html>"})
    with serve(site), pytest.raises(FetchError, match="fetch it again"):
        get("maestro", site, tmp_path / "other")
    assert not (tmp_path / ".other.fetching" / SOURCES["maestro"].file_name).exists()


def test_the_published_digest_of_maestro_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "maestro", replace(SOURCES["maestro"], sha256="70" * 32))
    with serve(site_of("maestro")) as site, pytest.raises(FetchError, match="not the one that was published"):
        get("maestro", site, tmp_path / "maestro")


@pytest.mark.parametrize("mirror", ["ftp://example.org", "file:///etc", "corpora"])
def test_a_mirror_is_a_web_address(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(RequestError, match="web address"):
        whole.fetch(SOURCES["asap"], tmp_path / "asap", mirror=mirror)


def test_the_command_asks_for_the_licence_and_tells_what_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "asap")
    with serve(site_of("asap")) as site:
        assert main(["fetch", "asap", "--out", out, "--mirror", site.url]) == 2
        said = capsys.readouterr().err
        assert "CC BY-NC-SA 4.0" in said
        assert "--yes" in said
        assert site.asked == []
        assert main(["fetch", "asap", "--out", out, "--mirror", site.url, "--yes", "--json"]) == 0
    told = capsys.readouterr()
    document = json.loads(told.out)
    archive = site.files[f"/{SOURCES['asap'].file_name}"]
    assert document["sha256"] == hashlib.sha256(archive).hexdigest()
    assert document["checked_by"] == ""
    assert "its publisher names none" in told.err
    assert f"pianomuse prepare {out}" in told.err
    assert main(["fetch", "asap", "--out", out]) == 0
    assert "nothing was downloaded" in capsys.readouterr().err


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["fetch", "beethoven"]) == 2
    assert "choose one of maestro, asap, pop909, rwkv7-g1" in capsys.readouterr().err
    with pytest.raises(PianoMuseError):
        sources.source_named("x")


def test_sources_are_published_over_https_with_licence_and_credit() -> None:
    for source in SOURCES.values():
        assert source.url.startswith("https://")
        assert source.url.endswith(source.file_name) or "github.com" in source.url
        assert source.licence
        assert source.licence_url.startswith("https://")
        assert source.credit
