"""One process at a time: a lock file that the system lets go when its process ends, however it ends.

    with held(folder / ".lock", "the folder is being written"):
        ...

A process that is killed leaves an empty file behind and no lock. Locks are of the process: what it forks does not hold
them. Where a file system knows no locks, nobody is kept out.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pianomuse.errors import RequestError, StorageError

_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_POLL_S = 0.05


class Lock:
    """A lock that is held until `release`, or until the process ends.

    Args:
        path: the lock file; its folder must be there.
        busy: what to say while another process holds it.
        patience_s: how long to wait for that process.

    Raises:
        RequestError: another process holds it.
        StorageError: the file cannot be made.

    """

    def __init__(self, path: Path, busy: str, *, patience_s: float = 0.0) -> None:
        """Take it."""
        self._path = path
        given_up = time.monotonic() + patience_s
        while (handle := _taken(path)) is None:
            if time.monotonic() >= given_up:
                raise RequestError(busy)
            time.sleep(_POLL_S)
        self._handle: int | None = handle

    def release(self) -> None:
        """Let it go and remove the file; again does nothing."""
        if self._handle is not None:
            with suppress(OSError):
                self._path.unlink()  # before it is let go: whoever waits for this file sees that it is no longer it
            os.close(self._handle)
            self._handle = None


@contextmanager
def held(path: Path, busy: str, *, patience_s: float = 0.0) -> Iterator[None]:
    """Hold a lock; see `Lock`."""
    lock = Lock(path, busy, patience_s=patience_s)
    try:
        yield
    finally:
        lock.release()


def _taken(path: Path) -> int | None:
    """Open and lock a file; None while another process holds it, or has just removed it."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StorageError(f"{path} cannot be made ({error.strerror}): choose a folder that you may write") from error
    try:
        _lock(handle)
        if _is_still(path, handle):
            return handle
    except OSError as error:
        if error.errno not in _TAKEN:  # no locks here
            return handle
    os.close(handle)
    return None


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_still(path: Path, handle: int) -> bool:
    try:
        return sys.platform == "win32" or os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
