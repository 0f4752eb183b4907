"""The application: the addresses under /api/v1 and, for the studio, the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.types import ASGIApp

from pianomuse.server import page, routes, sheets, styles, taste, works, writing
from pianomuse.server.faults import Refused, add_handlers
from pianomuse.server.guard import Guard
from pianomuse.server.state import State

_PREFIX = "/api/v1"


def create_app(state: State, *, has_page: bool = True) -> FastAPI:
    """Return the application, unguarded; see `guarded`.

    Args:
        state: what it works with.
        has_page: serve the page of the studio too.

    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        styles.restore(state)
        yield
        state.close()

    app = FastAPI(
        title="PianoMuse",
        version=version("pianomuse"),
        description=__doc__,
        openapi_url=f"{_PREFIX}/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses={"4XX": {"model": Refused}, 422: {"model": Refused, "description": "A field is out of range"}},
    )
    app.state.pianomuse = state
    app.include_router(routes.router, prefix=_PREFIX)
    app.include_router(sheets.router, prefix=_PREFIX)
    app.include_router(styles.router, prefix=_PREFIX)
    app.include_router(taste.router, prefix=_PREFIX)
    app.include_router(works.router, prefix=_PREFIX)
    app.include_router(writing.router, prefix=_PREFIX)
    if has_page:
        app.include_router(page.router)
    add_handlers(app)
    return app


def guarded(app: ASGIApp, token: str | None = None) -> Guard:
    """Return what is put on a socket."""
    return Guard(app, token=token)
