"""The commands: an address is taken, the server answers there, Ctrl+C ends it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from pianomuse.cli import main
from pianomuse.errors import RequestError
from pianomuse.server import run
from pianomuse.server.run import is_loopback, listen


@contextmanager
def taken() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        yield int(other.getsockname()[1])


def test_a_taken_port_is_left_only_where_it_was_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with taken() as port:
        monkeypatch.setattr(run, "DEFAULT_PORT", port)
        address = listen()
        address.listening.close()
        assert address.notice.startswith(f"Port {port} is taken; using ")
        assert address.url != f"http://127.0.0.1:{port}/"
        with pytest.raises(RequestError, match=f"--port {port}: .*leave out --port"):
            listen(port=port)


def test_another_address_needs_a_token() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "10.1.2.3", "nas")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    here, given, new = listen(port=0), listen("0.0.0.0", 0, "secret"), listen("0.0.0.0", 0)
    for address in (here, given, new):
        address.listening.close()
    assert here.token is None
    assert (given.token, given.url.rsplit("/", 1)[1]) == ("secret", "?token=secret")
    assert len(new.token or "") >= 20


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT for another process on Windows")
def test_the_studio_serves_until_interrupted(model_folder: Path) -> None:
    words = [sys.executable, "-m", "pianomuse", "studio", "--no-browser", "--port", "0", "--model", str(model_folder)]
    words += ["--watch", "song.mid"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert httpx.get(f"{url}api/v1/health", timeout=60).json()["ok"] is True
            assert httpx.get(f"{url}static/samples/loud-060.mp3", timeout=60).status_code == 200
            with httpx.stream("GET", f"{url}api/v1/watch", timeout=60) as watching:
                next(watching.iter_lines())
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert said.splitlines() == ["The studio is at this address; Ctrl+C stops it.", "Stopped."]


def test_wrong_words_are_refused_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studio", "--watch", "song.txt"]) == 2
    assert "name a MIDI file" in capsys.readouterr().err
    assert main(["serve", "--style-strength", "0.5", "--port", "0"]) == 2


def test_without_the_extra_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pianomuse.server.run", None)
    assert main(["studio"]) == 2
    assert "pip install 'pianomuse[studio]'" in capsys.readouterr().err
