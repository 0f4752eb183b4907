"""Who may talk to the server, how much they may send, and the headers of every answer.

The server listens on this machine, and yet every web page that is open in the browser could send it requests: a page
elsewhere says so in `Origin`, and one that had its own name point here (DNS rebinding) in `Host`. Both are refused.
Bound to another address, the server asks for a token instead of knowing the names it is called by.
"""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pianomuse.server import bounds
from pianomuse.server.faults import Refusal, answer

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
COOKIE = "pianomuse_token"
OPEN_PATHS = ("/api/v1/health",)
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with `no-referrer` Chrome shows an error for localhost
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Stands before an application.

    Args:
        app: what is guarded.
        token: what every request but `/health` has to know; None: only this machine may call, by a loopback name.
        request_bytes: how long a request may be.

    """

    def __init__(self, app: ASGIApp, *, token: str | None = None, request_bytes: int = bounds.REQUEST_BYTES) -> None:
        """Keep the rules."""
        self._app, self._token, self._request_bytes = app, token, request_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is refused, pass on the others."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)
        answered = _with_headers(scope, send)
        if refused is not None:
            await refused(scope, receive, answered)
        else:
            await self._app(scope, self._counted(receive), answered)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._token is None and _name(f"//{host}") not in LOOPBACK_NAMES:
            return answer(403, "host", "This server answers to 127.0.0.1 and localhost only: open it by one of them.")
        is_foreign = origin is not None and _place(origin) != host
        is_link = scope["method"] == "GET" and scope["path"] == "/" and origin is None
        if is_foreign or (headers.get("sec-fetch-site") == "cross-site" and not is_link):
            return answer(403, "origin", "Another web page asked: open the studio itself.")
        if self._token is not None and scope["path"] not in OPEN_PATHS:
            return self._without_token(scope, headers)
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._request_bytes:
            return answer(413, "too_large", self._too_large)
        return None

    def _without_token(self, scope: Scope, headers: Headers) -> Response | None:
        """Return None if the request knows the token; one that says it in its address gets it as a cookie."""
        told = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if scope["method"] == "GET" and scope["path"] == "/" and self._is_token(told):
            response = RedirectResponse("/", 303)
            response.set_cookie(COOKIE, told, httponly=True, samesite="strict")
            return response
        scheme, _, word = headers.get("authorization", "").partition(" ")
        if (scheme.lower() == "bearer" and self._is_token(word.strip())) or self._is_token(_cookie(headers)):
            return None
        return answer(401, "token", "Give the access token that the server printed: Authorization: Bearer TOKEN.")

    def _is_token(self, word: str) -> bool:
        return self._token is not None and hmac.compare_digest(word.encode(), self._token.encode())

    @property
    def _too_large(self) -> str:
        return f"The request is longer than {self._request_bytes >> 20} MB: send a shorter piece."

    def _counted(self, receive: Receive) -> Receive:
        """Count what is received, as a request need not say how long it is."""
        n_bytes = 0

        async def counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._request_bytes:
                raise Refusal(413, "too_large", self._too_large)
            return message

        return counted


def _with_headers(scope: Scope, send: Send) -> Send:
    async def answered(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if scope["path"].startswith("/api/"):
                headers.setdefault("cache-control", "no-store")
        await send(message)

    return answered


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""
