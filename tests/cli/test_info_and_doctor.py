"""`pianomuse info` tells about a model, `pianomuse doctor` about the set-up."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
from collections.abc import Callable
from importlib.metadata import FileHash, PackageNotFoundError, PackagePath, version
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from pianomuse import devices
from pianomuse.cli import doctor, doctor_machine, main
from pianomuse.wkv import BACKENDS


def test_info_tells_the_sizes_that_are_in_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    tensors = load_file(Path(facts["folder"]) / "model.safetensors")
    assert facts["parameters"] == sum(value.size for name, value in tensors.items() if not name.endswith(".scale"))
    assert facts["is_usable_here"]
    layers, width, heads = (facts["config"][key] for key in ("n_layer", "n_embd", "head_size"))
    assert facts["state_bytes"] == 4 * layers * (2 * width + width * heads)


def test_info_is_readable_by_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("default · RWKV-7, ")
    assert " parameters · " in lines[1]


def test_info_about_a_model_that_is_not_there_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--model", "beethoven"]) == 2
    assert "beethoven" in capsys.readouterr().err


def test_doctor_finds_everything_composing_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert list(checks)[:6] == ["python", "packages", "folder", "sound", "model", "torch"]
    assert {"files", "machine", "cache", "disk", "extras", "browser", "port", "accelerators"} <= set(checks)
    for name in ("python", "packages", "sound", "model", "files", "machine"):
        assert checks[name]["mark"] == "good", checks[name]


def test_doctor_shows_every_backend_of_the_operator_and_why_one_cannot_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices.torch.cuda, "is_available", lambda: False)
    assert main(["doctor", "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    found = {name.removeprefix("wkv "): check for name, check in checks.items() if name.startswith("wkv ")}
    assert set(found) == set(BACKENDS)
    assert [name for name, check in found.items() if "by default" in check["text"]] == ["cpu"]
    for name in ("cuda", "triton"):
        assert found[name]["mark"] == "note"
        assert "no CUDA device" in found[name]["text"]


def without(*missing: str) -> Callable[[str], str]:
    def asked(name: str) -> str:
        if name in missing:
            raise PackageNotFoundError(name)
        return version(name)

    return asked


def test_doctor_says_that_training_needs_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "version", without("torch"))
    finding = doctor._torch()
    assert finding.mark == "note"
    assert "pip install 'pianomuse[train]'" in finding.remedy


def test_doctor_exits_2_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "version", without("symusic"))
    monkeypatch.setattr(doctor, "_model", lambda: doctor.Finding("model", "good", "not looked at"))
    assert main(["doctor"]) == 2
    told = capsys.readouterr()
    assert re.search(r"!!  packages +missing: symusic", told.out)
    assert "pip install symusic" in told.out
    assert told.err.startswith("Not in order: packages")


def test_doctor_names_a_check_that_breaks_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> doctor.Finding:
        raise OSError("libsndfile is missing")

    (finding,) = doctor._guarded(broken)
    assert (finding.name, finding.mark) == ("broken", "bad")
    assert "libsndfile is missing" in finding.text


class Installed:
    """A distribution as pip installs it: every file with its SHA-256."""

    def __init__(self, root: Path, expected: bytes) -> None:
        digest = base64.urlsafe_b64encode(hashlib.sha256(expected).digest()).rstrip(b"=").decode()
        path = PackagePath("pianomuse/web/index.html")
        path.hash = FileHash(f"sha256={digest}")
        path.dist = self  # type: ignore[assignment]
        self.files, self._root = [path], root

    def locate_file(self, path: object) -> Path:
        return self._root / str(path)


@pytest.mark.parametrize(("content", "mark"), [(b"page", "good"), (b"another", "bad"), (None, "bad")])
def test_doctor_finds_files_that_are_not_as_installed(
    content: bytes | None, mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pianomuse" / "web").mkdir(parents=True)
    if content is not None:
        (tmp_path / "pianomuse" / "web" / "index.html").write_bytes(content)
    monkeypatch.setattr(doctor_machine, "distribution", lambda name: Installed(tmp_path, b"page"))
    finding = doctor_machine.files()
    assert finding.mark == mark
    assert ("index.html" in finding.text) == (mark == "bad")


def test_doctor_says_when_compiled_code_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    assert doctor_machine.cache().mark == "good"
    monkeypatch.setattr(doctor_machine.os, "access", lambda path, mode: False)
    finding = doctor_machine.cache()
    assert finding.mark == "note"
    assert "NUMBA_CACHE_DIR" in finding.remedy


def test_doctor_says_when_port_disk_or_memory_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(doctor_machine, "STUDIO_PORT", taken.getsockname()[1])
        assert "--port" in doctor_machine.port().remedy
    monkeypatch.setattr(doctor_machine, "_NEEDED_DISK", 2**60)
    monkeypatch.setattr(doctor_machine, "_NEEDED_MEMORY", 2**60)
    assert doctor_machine.disk().mark == doctor_machine.machine().mark == "note"


def test_doctor_names_the_extras_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_machine, "version", without("fastapi"))
    finding = doctor_machine.extras()
    assert "not installed: studio" in finding.text
    assert "pip install 'pianomuse[studio]'" in finding.remedy
    assert "train" in finding.text.partition(";")[0]


def test_doctor_writes_no_private_path_into_a_bug_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "secret piece").mkdir()
    monkeypatch.chdir(tmp_path / "secret piece")
    monkeypatch.setattr(doctor, "_model", lambda: (_ for _ in ()).throw(OSError(f"{tmp_path}/x is missing")))
    assert main(["doctor", "--json"]) == 2
    told = capsys.readouterr().out
    assert str(tmp_path) not in told
    assert json.loads(told)["to_do"]
