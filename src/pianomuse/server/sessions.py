"""Pieces that were asked about lately: of a piece that is open, only what an edit changed is read again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from pianomuse.api import Muse
from pianomuse.generate.session import Session
from pianomuse.generate.stream import Stream
from pianomuse.server import bounds
from pianomuse.server.project_file import ProjectFile
from pianomuse.server.schema import Project


class Sessions:
    """A few sessions, the one asked last in front; only that one reads ahead.

    Args:
        muse: the model.
        most: how many are kept.

    """

    def __init__(self, muse: Muse, most: int = bounds.SESSIONS) -> None:
        """Begin without any."""
        self._muse, self._most = muse, most
        self._sessions: OrderedDict[int, Session] = OrderedDict()
        self._lock = Lock()

    def ask(self, project: Project, file: ProjectFile, ask: Callable[[Session], Stream]) -> Stream:
        """Return a stream of ideas for a project, in the session of that project.

        Args:
            project: what the composer has; its imported file, or its title, tells which session it is.
            file: the project as a file; where it is as it was, nothing is read again.
            ask: asks the session.

        """
        key = hash(project.source or (project.title, project.ppq))
        with self._lock:
            session = self._sessions.pop(key, None)
            for other in self._sessions.values():
                other.close()
            if session is None:
                session = self._muse.session(file.read(), budget_mb=bounds.SESSION_MB)
            elif session.piece.data != file.data:
                session.edit(file.read())
            self._sessions[key] = session
            while len(self._sessions) > self._most:
                self._sessions.popitem(last=False)[1].close()
            return ask(session)

    def close(self) -> None:
        """Stop all reading."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()
