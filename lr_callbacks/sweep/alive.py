"""Who lives: what tells the machines and the lock folders apart, and a sign of life that other machines can see."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from pathlib import Path

from typing_extensions import Self

from lr_callbacks.sweep.locks import FileLock

BEAT_SECONDS = 5.0
PATIENCE_SECONDS = 60.0
"""How long a worker on another machine may give no sign of life."""

_process = uuid.uuid4().hex


def machine() -> str:
    """What tells the running systems apart: between processes with the same answer, locks on files are exact.

    A name does not: two machines may have the same one, and a container gets a new one each time it is made. Where the
    system gives no number to its start, each process counts as a machine of its own.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _process


def folder_id(folder: Path) -> str:
    """The random number of a lock folder, drawn when it is made: the same folder, by whatever path it is reached."""
    path = folder / "id"
    with FileLock(folder / "setup.lock"):
        if not path.exists():
            path.write_text(uuid.uuid4().hex)
        return path.read_text()


class Pulse:
    """Touch a file every few seconds, in a thread, for as long as this process lives or until the end of the block.

    Args:
        path: The file, which must exist; nothing happens once it is gone.
        seconds: Time between two touches.
    """

    def __init__(self, path: Path, seconds: float = BEAT_SECONDS) -> None:
        self._path, self._seconds = path, seconds
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._beat, name="sweep-pulse", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def _beat(self) -> None:
        while not self._stop.wait(self._seconds):
            with contextlib.suppress(OSError):
                os.utime(self._path)


class Stillness:
    """For how long each of some files has given no sign of life, on a clock of our own.

    Args:
        patience: In seconds; what is still for longer counts as dead.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._seen: dict[Path, tuple[int | None, float]] = {}

    def is_dead(self, path: Path) -> bool:
        """Whether the file has been as it is for longer than our patience; a missing one is still, too."""
        try:
            sign: int | None = path.stat().st_mtime_ns
        except OSError:
            sign = None
        now = time.monotonic()
        before = self._seen.get(path)
        if before is None or before[0] != sign:
            self._seen[path] = before = (sign, now)
        return now - before[1] > self._patience
