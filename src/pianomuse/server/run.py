"""Open a socket, serve on it, open the browser."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from types import FrameType

import uvicorn

from pianomuse.errors import PianoMuseError, RequestError, reason_of
from pianomuse.server import bounds
from pianomuse.server.app import create_app, guarded
from pianomuse.server.examples import example
from pianomuse.server.guard import LOOPBACK_NAMES
from pianomuse.server.state import State

DEFAULT_PORT = 8642
_SHUTDOWN_S = 2
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Address:
    """Where the server listens.

    Args:
        listening: the socket.
        url: what to open; with the token where one is needed.
        token: what every request has to know; None on this machine alone.
        notice: what is not as one would expect, as a sentence; empty if nothing.

    """

    listening: socket.socket
    url: str
    token: str | None
    notice: str = ""


def listen(host: str = "127.0.0.1", port: int | None = None, token: str | None = None) -> Address:
    """Take an address.

    Args:
        host: this machine by default; another one needs a token.
        port: 0 takes a free one; None: the usual one, or a free one where it is taken.
        token: None: where one is needed, a new one.

    Raises:
        RequestError: the address is not to be had.

    """
    if not is_loopback(host):
        token = token or secrets.token_urlsafe(18)
    notice = ""
    try:
        found = _bound(host, DEFAULT_PORT if port is None else port)
    except OSError as error:
        if port is not None or isinstance(error, socket.gaierror):
            where = f"--host {host} --port {DEFAULT_PORT if port is None else port}"
            raise RequestError(
                f"{where}: {error.strerror}; leave out --port for a free one",
                "address_taken",
                where=where,
                why=reason_of(error),
            ) from error
        found = _bound(host, 0)
        notice = f"Port {DEFAULT_PORT} is taken; using {found.getsockname()[1]} (--port chooses)."
    name = f"[{host}]" if ":" in host else host
    query = f"/?token={token}" if token is not None else "/"
    return Address(found, f"http://{name}:{found.getsockname()[1]}{query}", token, notice)


def serve(state: State, address: Address, *, has_page: bool, when_ready: Callable[[], None] | None = None) -> None:
    """Serve until interrupted.

    Args:
        state: what the server works with.
        address: where it listens.
        has_page: with the page of the studio.
        when_ready: called in a thread of its own as soon as the server answers.

    """
    app = guarded(create_app(state, has_page=has_page), address.token)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=bounds.CONNECTIONS,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    server = _Server(config, state, when_ready)
    server.run(sockets=[address.listening])


def open_browser(url: str) -> bool:
    """Open the page in the browser; tell whether there is one."""
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def warm_up(state: State) -> None:
    """Write two bars that nobody hears: what is compiled at its first use is ready when the composer asks."""
    try:
        data = example("finished-phrase")
        if data:
            state.muse.complete(data, bars=1, candidates=2, seed=1)
    except PianoMuseError as error:
        LOG.warning("warming up failed: %s", error)


def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine's own."""
    try:
        return host in LOOPBACK_NAMES or ip_address(host).is_loopback
    except ValueError:
        return False


class _Server(uvicorn.Server):
    """Says when it answers, and does not wait for answers that have no end."""

    def __init__(self, config: uvicorn.Config, state: State, when_ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._state = state
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._when_ready is not None and self.started:
            threading.Thread(target=self._when_ready, name="pianomuse-ready", daemon=True).start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._state.stop()
        super().handle_exit(sig, frame)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # on Windows, where SO_REUSEADDR lets two programs share a port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(bounds.CONNECTIONS)
    except BaseException:
        found.close()
        raise
    return found
