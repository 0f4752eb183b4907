"""A download arrives whole and checked, or says why not; what has arrived is never fetched twice."""

from __future__ import annotations

import hashlib
import random
import time
import urllib.request
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest
from tests.fetch.server import Site, serve

from pianomuse.errors import FetchError, StorageError
from pianomuse.fetch import answers
from pianomuse.fetch import download as module
from pianomuse.fetch.download import Arrived, Wanted, download

DATA = random.Random(1).randbytes(1_000_000)
DIGEST = hashlib.sha256(DATA).hexdigest()


class Waits(list[float]):
    """Remembers waits instead of waiting."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def get(site: Site, folder: Path, *, sha256: str = DIGEST, waits: Waits | None = None, path: str = "/x.zip") -> Arrived:
    wanted = Wanted(site.url + path, 2_000_000, sha256)
    timeout_s = 1.0 if "stall" in site.faults else 30.0
    return download(wanted, folder / "x.zip", sleep=waits if waits is not None else Waits(), timeout_s=timeout_s)


def test_arrives_whole_with_progress_and_leaves_nothing_else(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with serve(Site({"/x.zip": DATA})) as site:
        wanted = Wanted(f"{site.url}/x.zip", 2_000_000, DIGEST)
        arrived = download(wanted, tmp_path / "x.zip", progress=lambda done, total: seen.append((done, total)))
    assert arrived == Arrived(tmp_path / "x.zip", len(DATA), DIGEST, "publisher")
    assert (tmp_path / "x.zip").read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]
    assert seen[0] == (0, len(DATA))
    assert seen[-1] == (len(DATA), len(DATA))


@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_goes_on_from_where_the_connection_broke(tmp_path: Path, fault: str) -> None:
    with serve(Site({"/x.zip": DATA}, [fault, fault, "503", fault])) as site:
        get(site, tmp_path)
    assert (tmp_path / "x.zip").read_bytes() == DATA
    ranges = [line.partition("bytes=")[2].rstrip("-") for line in site.asked]
    starts = [int(start or 0) for start in ranges]
    assert starts == sorted(starts)
    assert starts[:3] == [0, len(DATA) // 2, len(DATA) * 3 // 4]


@pytest.mark.parametrize("fault", ["no ranges", "wrong range"])
def test_a_server_that_does_ranges_wrong_is_read_from_the_beginning(tmp_path: Path, fault: str) -> None:
    with serve(Site({"/x.zip": DATA}, ["cut", fault])) as site:
        get(site, tmp_path)
    assert (tmp_path / "x.zip").read_bytes() == DATA


def test_a_killed_download_is_resumed_by_the_next_run(tmp_path: Path) -> None:
    with serve(Site({"/x.zip": DATA}, ["cut", "404"])) as site:
        with pytest.raises(FetchError, match="does not have it"):
            get(site, tmp_path)
        assert (tmp_path / ".x.zip.part").stat().st_size == len(DATA) // 2
        get(site, tmp_path)
        assert site.asked[-1] == f"/x.zip bytes={len(DATA) // 2}-"
    assert (tmp_path / "x.zip").read_bytes() == DATA


def test_another_version_on_the_server_is_not_mixed_with_the_old(tmp_path: Path) -> None:
    new = DATA[::-1]
    with serve(Site({"/x.zip": DATA}, ["cut", "404"])) as site:
        with pytest.raises(FetchError):
            get(site, tmp_path)
        site.files["/x.zip"], site.etag = new, '"two"'
        get(site, tmp_path, sha256="")
    assert (tmp_path / "x.zip").read_bytes() == new


def test_a_file_killed_between_its_last_byte_and_its_name_is_not_fetched_again(tmp_path: Path) -> None:
    with serve(Site({"/x.zip": DATA}, ["cut", "404"])) as site:
        with pytest.raises(FetchError):
            get(site, tmp_path)
        (tmp_path / ".x.zip.part").write_bytes(DATA)
        assert get(site, tmp_path).checked_by == "publisher"
        assert len(site.asked) == 3


def test_a_corrupt_file_is_refused_and_not_kept(tmp_path: Path) -> None:
    with serve(Site({"/x.zip": DATA}, ["corrupt"])) as site, pytest.raises(FetchError, match=f"should be {DIGEST}"):
        get(site, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_corrupt_rest_is_fetched_again_from_the_beginning(tmp_path: Path) -> None:
    with serve(Site({"/x.zip": DATA}, ["cut", "404"])) as site:
        with pytest.raises(FetchError):
            get(site, tmp_path)
        site.faults = ["corrupt"]
        get(site, tmp_path)
    assert (tmp_path / "x.zip").read_bytes() == DATA


def test_waits_as_the_server_asks_and_longer_every_time_without_that(tmp_path: Path) -> None:
    waits = Waits()
    date = formatdate(time.time() + 40, usegmt=True)
    with serve(Site({"/x.zip": DATA}, ["503", "503", "429 7", f"503 {date}", "503"])) as site:
        get(site, tmp_path, waits=waits)
    assert waits[:3] == [2, 4, 7]
    assert 30 < waits[3] <= 40
    assert waits[4] == 32


def test_gives_up_after_some_tries_without_a_byte_and_keeps_what_came(tmp_path: Path) -> None:
    waits = Waits()
    with serve(Site({"/x.zip": DATA}, ["cut", *["503"] * 20])) as site:
        with pytest.raises(FetchError, match=r"run the same command again \(it goes on"):
            get(site, tmp_path, waits=waits)
        assert len(site.asked) == 1 + module.MAX_IDLE_TRIES
    assert (tmp_path / ".x.zip.part").stat().st_size == len(DATA) // 2


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("404", "does not have it"),
        ("403", "refuses it"),
        ("451", "answers 451"),
        ("429 4000", "asks to wait 4000 s"),
        ("gzip", "comes as gzip"),
        ("endless", "more than 2,000,000 bytes came"),
    ],
)
def test_what_waiting_does_not_mend_is_one_clear_error(tmp_path: Path, fault: str, what: str) -> None:
    with serve(Site({"/x.zip": DATA}, [fault])) as site, pytest.raises(FetchError, match=what):
        get(site, tmp_path)
    assert not (tmp_path / "x.zip").exists()
    assert len(site.asked) == 1


def test_a_file_larger_than_it_can_be_is_not_begun(tmp_path: Path) -> None:
    with serve(Site({"/x.zip": bytes(2_000_001)})) as site, pytest.raises(FetchError, match="more than the 2,000,000"):
        get(site, tmp_path)


def test_nobody_at_the_address_is_one_clear_error(tmp_path: Path) -> None:
    with serve(Site({})) as site:
        pass
    with pytest.raises(FetchError, match="the connection failed"):
        get(site, tmp_path)


def test_follows_redirects_and_compares_with_the_digest_named_beside_them(tmp_path: Path) -> None:
    with serve(Site({"/far.zip": DATA}, ["cut"], {"/x.zip": "/far.zip"}, {"X-Linked-Etag": f'"{DIGEST}"'})) as site:
        assert get(site, tmp_path, sha256="").checked_by == "server"
        assert site.asked[2:] == ["/x.zip bytes=500000-", "/far.zip bytes=500000-"]
        (tmp_path / "x.zip").unlink()
        site.headers["X-Linked-Etag"] = '"' + "0" * 64 + '"'
        with pytest.raises(FetchError, match="should be 0000"):
            get(site, tmp_path, sha256="")


def test_a_circle_of_redirects_ends(tmp_path: Path) -> None:
    with serve(Site({}, [], {"/x.zip": "/y.zip", "/y.zip": "/x.zip"})) as site, pytest.raises(FetchError, match="302"):
        get(site, tmp_path)


def test_is_never_sent_from_https_to_http() -> None:
    handler = answers.Redirects(answers.Said())
    request = urllib.request.Request("https://example.org/x.zip")
    with pytest.raises(FetchError, match="not encrypted"):
        handler.redirect_request(request, None, 302, "", {}, "http://example.org/x.zip")


def test_a_full_disk_says_so_and_keeps_what_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write: Callable[..., None] = module._write
    written = []

    def full(file: object, block: bytes, *, is_last: bool = False) -> None:
        if len(written) == 2:

            class Full:
                name = "x"

                def write(self, block: bytes) -> None:
                    raise OSError(28, "No space left on device")

            file = Full()
        written.append(len(block))
        write(file, block, is_last=is_last)

    monkeypatch.setattr(module, "_write", full)
    with serve(Site({"/x.zip": DATA})) as site, pytest.raises(StorageError, match="No space left"):
        get(site, tmp_path)
    assert (tmp_path / ".x.zip.part").stat().st_size == sum(written[:2])
