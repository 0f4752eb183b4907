"""Archives of strangers: what is no plain file inside the folder condemns the archive before anything is written."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from pianomuse.errors import FetchError
from pianomuse.fetch.unpack import unpack


def archive(folder: Path, files: dict[str, bytes], *, modes: dict[str, int] | None = None) -> Path:
    path = folder / "corpus.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename = name  # as a hostile writer would: ZipInfo's own constructor tidies names up
            info.external_attr = (modes or {}).get(name, 0o100644) << 16
            opened.writestr(info, data, zipfile.ZIP_DEFLATED)
    return path


def everything(path: PurePosixPath) -> PurePosixPath | None:
    return path


def test_writes_what_is_chosen_without_the_top_folder(tmp_path: Path) -> None:
    path = archive(tmp_path, {"top/a/x.mid": b"one", "top/b.txt": b"two", "top/c/": b"", "top/y.mid": b"three"})
    seen: list[tuple[int, int]] = []

    def choose(inside: PurePosixPath) -> PurePosixPath | None:
        return inside if inside.suffix == ".mid" else None

    out = tmp_path / "out"
    assert unpack(path, out, choose, max_bytes=100, progress=lambda done, total: seen.append((done, total))) == 2
    assert {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*.*")} == {"a/x.mid": b"one", "y.mid": b"three"}
    assert seen[-1] == (8, 8)


@pytest.mark.parametrize(
    "name",
    [
        "top/../../evil.mid",
        "../evil.mid",
        "/etc/evil.mid",
        "top//evil.mid",
        "top/./evil.mid",
        "C:/evil.mid",
        "top\\..\\evil.mid",
        "top/con.mid",
        "top/evil.mid ",
        "top/evil.",
        "top/ev\x1bil.mid",
        "top/" + "a/" * 150 + "x.mid",
    ],
)
def test_a_name_that_leads_elsewhere_condemns_the_archive(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path, {"top/good.mid": b"good", name: b"evil"})
    with pytest.raises(FetchError, match="not the corpus"):
        unpack(path, tmp_path / "out", everything, max_bytes=100)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["corpus.zip"]


@pytest.mark.parametrize("mode", [0o120777, 0o020644, 0o010644])
def test_links_and_devices_condemn_the_archive(tmp_path: Path, mode: int) -> None:
    path = archive(tmp_path, {"top/link.mid": b"/etc/passwd"}, modes={"top/link.mid": mode})
    with pytest.raises(FetchError, match="a link or a device"):
        unpack(path, tmp_path / "out", everything, max_bytes=100)


def test_bombs_are_not_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path, {"top/bomb.mid": bytes(8 * 2**20)})
    with pytest.raises(FetchError, match="zip bomb"):
        unpack(path, tmp_path / "out", everything, max_bytes=2**30)
    path = archive(tmp_path, {f"top/{n}.mid": bytes([n]) * 40 for n in range(20)})
    with pytest.raises(FetchError, match="unpacks to 800 bytes, more than 799"):
        unpack(path, tmp_path / "out", everything, max_bytes=799)


def test_a_size_that_lies_is_found_while_writing(tmp_path: Path) -> None:
    path = archive(tmp_path, {"top/x.mid": b"0123456789" * 1000})
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 10)  # what the central directory says of its size
    path.write_bytes(data)
    with pytest.raises(FetchError):
        unpack(path, tmp_path / "out", everything, max_bytes=100)


@pytest.mark.parametrize("damage", ["not a zip", "cut", "bit"])
def test_a_damaged_archive_is_one_clear_error(tmp_path: Path, damage: str) -> None:
    path = archive(tmp_path, {"top/x.mid": bytes(range(256)) * 20})
    data = bytearray(path.read_bytes())
    if damage == "bit":
        data[60] ^= 1
    path.write_bytes(b"<html>" if damage == "not a zip" else data[:-30] if damage == "cut" else data)
    with pytest.raises(FetchError, match="fetch it again"):
        unpack(path, tmp_path / "out", everything, max_bytes=10_000)


def test_an_encrypted_or_doubled_entry_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, {"top/x.mid": b"x", "top/X.mid": b"y"})
    with pytest.raises(FetchError, match="there twice"):
        unpack(path, tmp_path / "out", everything, max_bytes=100)
    path = archive(tmp_path, {"top/x.mid": b"x"})
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(FetchError, match="encrypted"):
        unpack(path, tmp_path / "out", everything, max_bytes=100)


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pianomuse.fetch.unpack.MAX_ENTRIES", 3)
    path = archive(tmp_path, {f"top/{n}.mid": b"" for n in range(4)})
    with pytest.raises(FetchError, match="4 entries"):
        unpack(path, tmp_path / "out", everything, max_bytes=100)
    assert zipfile.is_zipfile(io.BytesIO(path.read_bytes()))


def test_an_odd_name_that_nobody_wants_does_no_harm(tmp_path: Path) -> None:
    path = archive(tmp_path, {"top/x.mid": b"x", "top/what: a title?.pdf": b"y", "top/con.txt": b"z"})
    assert unpack(path, tmp_path / "out", lambda inside: inside if inside.suffix == ".mid" else None, max_bytes=9) == 1
