"""Locks on files that the system gives back when their holder dies, however it dies."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

if sys.platform == "win32":
    import msvcrt

    def _take(handle: int, wait: bool) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(handle: int, wait: bool) -> None:
        # POSIX record locks: a forked data-loading process does not inherit them, so that they end with the worker.
        fcntl.lockf(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
"""What the system says when another process has the lock."""


UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
"""What it says when a file may not be made or changed."""


class FileLock:
    """An exclusive lock between processes, held from `acquire` to `release`, or to the end of the process.

    A process that is killed leaves the file behind, but not the lock. Within one process it excludes nobody.

    Args:
        path: The file; made if missing, with its folder.

    Example:
        >>> import tempfile
        >>> lock = FileLock(Path(tempfile.mkdtemp(), "one.lock"))
        >>> lock.acquire(wait=False)
        True
        >>> lock.release()
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._handle: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._handle is not None

    def acquire(self, wait: bool = True, make: bool = True) -> bool:
        """Take the lock.

        Args:
            wait: Whether to wait until another process has released it.
            make: Whether to make the file if it is missing; otherwise a missing file is not taken.

        Returns:
            Whether it was taken.

        Raises:
            ValueError: If the file system has no locks.
        """
        if make:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(self.path, os.O_RDWR | (os.O_CREAT if make else 0))
        except FileNotFoundError:
            if make:
                raise
            return False
        while True:
            try:
                _take(handle, wait)
            except OSError as error:
                if error.errno in HELD and wait:  # Windows waits for ten seconds only
                    continue
                os.close(handle)
                if error.errno in HELD:
                    return False
                raise ValueError(
                    f"the folder of a sweep must be on a file system with locks, got {self.path.parent} "
                    f"({error.strerror}); choose another one"
                ) from error
            self._handle = handle
            return True

    def release(self) -> None:
        """Give the lock back; closing the file does."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        if not self.held:
            self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class JournalLock:
    """The lock for an Optuna journal file; it also removes what a worker that was killed had half written.

    Optuna's own lock on the same file stays behind when its holder is killed, and for 30 seconds nobody writes.

    Args:
        path: The journal file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(f"{path}.lock")

    def acquire(self) -> bool:
        """Wait for the lock, and leave the file in order."""
        self._lock.acquire()
        cut_unfinished_line(self._path)
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()


def cut_unfinished_line(path: Path) -> None:
    """Cut a file after its last newline; call it only while nobody writes."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
