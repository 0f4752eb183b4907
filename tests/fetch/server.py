"""A web server on this machine that behaves as badly as real ones: one list of faults, a request each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server has and how it answers.

    Args:
        files: by path.
        faults: taken one after the other, one a request: "503", "429 7" (with Retry-After), "404", "cut" (half of what
            was asked), "stall" (half, then nothing until the end), "no ranges", "wrong range", "corrupt", "gzip",
            "endless".
        redirects: path to address.
        headers: sent with redirects.
        etag: changes when the file does.
        asked: what came, as `path range`.

    """

    files: dict[str, bytes]
    faults: list[str] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = '"one"'
    asked: list[str] = field(default_factory=list)
    url: str = ""
    has_stopped: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Run the site until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, site)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.has_stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(request: BaseHTTPRequestHandler, site: Site) -> None:
    wanted = request.headers.get("Range", "")
    site.asked.append(f"{request.path} {wanted}".strip())
    request.close_connection = True
    if request.path in site.redirects:
        _head(request, 302, {"Location": site.redirects[request.path], "Content-Length": "0", **site.headers})
        return
    fault = site.faults.pop(0) if site.faults else ""
    code, _, rest = fault.partition(" ")
    if code.isdecimal():
        _head(request, int(code), {"Content-Length": "0"} | ({"Retry-After": rest} if rest else {}))
        return
    if request.path not in site.files:
        _head(request, 404, {"Content-Length": "0"})
        return
    data = site.files[request.path]
    is_part = bool(wanted) and fault != "no ranges" and request.headers.get("If-Range", site.etag) == site.etag
    start = int(wanted.removeprefix("bytes=").rstrip("-")) if is_part else 0
    if start >= len(data) and start:
        _head(request, 416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
        return
    body = data[start:]
    headers = {"ETag": site.etag, "Content-Length": str(len(body))}
    if fault == "gzip":
        headers["Content-Encoding"] = "gzip"
    if is_part:
        told = start + 1 if fault == "wrong range" else start
        headers["Content-Range"] = f"bytes {told}-{len(data) - 1}/{len(data)}"
    if fault == "endless":
        del headers["Content-Length"]
        body = body * 50
    if fault == "corrupt":
        body = bytes(len(body))
    _head(request, 206 if is_part else 200, headers)
    _send(request, body, fault, site)


def _head(request: BaseHTTPRequestHandler, code: int, headers: dict[str, str]) -> None:
    request.send_response(code)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Connection", "close")
    request.end_headers()


def _send(request: BaseHTTPRequestHandler, body: bytes, fault: str, site: Site) -> None:
    try:
        if fault in ("cut", "stall"):
            request.wfile.write(body[: len(body) // 2])
            request.wfile.flush()
            if fault == "stall":
                site.has_stopped.wait()
            return
        request.wfile.write(body)
    except (BrokenPipeError, ConnectionResetError):
        pass
