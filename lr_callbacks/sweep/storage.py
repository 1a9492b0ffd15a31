"""Where a study lives: a journal file, or any other storage of Optuna's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalRedisBackend
from optuna.study import StudyDirection

from lr_callbacks.sweep.locks import FileLock, JournalLock

STUDY = "sweep"


def open_storage(where: str, folder: Path) -> BaseStorage:
    """Open a storage, or make it.

    Args:
        where: A path (an Optuna journal file), or a URL: sqlite, mysql, postgresql, redis.
        folder: The folder of the sweep, for the lock that keeps SQLite to one worker.

    Raises:
        ValueError: If it cannot be reached, or another worker is using the SQLite file.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if where.startswith("sqlite") and not _only_worker(folder):
        raise ValueError(
            f"storage must not be SQLite for several workers, got {where!r}, and another worker is using it; leave "
            "--storage out (a journal file, safe for many) or name a MySQL or PostgreSQL server"
        )
    try:
        if where.startswith("redis"):
            return JournalStorage(JournalRedisBackend(where))
        if "://" in where:
            return optuna.storages.RDBStorage(where)
        path = Path(where).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path), lock_obj=cast(Any, JournalLock(path))))
    except Exception as error:  # of whatever database driver it is
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"storage must be reachable, got {where!r}: {reason}; write the path of a journal file in a folder that "
            "exists or can be made, or a URL such as postgresql://user:password@host/database"
        ) from error


_sqlite_locks: dict[Path, FileLock] = {}


def _only_worker(folder: Path) -> bool:
    """Whether this process is the only one that uses the folder; it stays so until the process ends."""
    lock = _sqlite_locks.setdefault(folder.resolve(), FileLock(folder / "locks" / "sqlite.lock"))
    return lock.held or lock.acquire(wait=False)


def open_study(storage: BaseStorage, settings: dict[str, Any], **kwargs: Any) -> optuna.Study:
    """Join the study of a storage, or make it; to be called under a lock.

    Args:
        storage: From `open_storage`.
        settings: What the results depend on: metric, mode, and for the command line the whole configuration.
        kwargs: Name and pruner of the study.

    Raises:
        ValueError: If the study was begun with other settings.
    """
    direction = StudyDirection.MAXIMIZE if settings["mode"] == "max" else StudyDirection.MINIMIZE
    study = optuna.create_study(storage=storage, direction=direction, load_if_exists=True, **kwargs)
    before = study.user_attrs.get("settings")
    if before is None:
        study.set_user_attr("settings", settings)
    elif before != settings:
        changed = "; ".join(_differences(before, settings))
        raise ValueError(
            f"a sweep that goes on must have the settings that it began with, got changes ({changed}); undo them, or "
            "give the new sweep a folder or --name of its own"
        )
    return study


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(key for key in now if key not in before)]
        return [
            text
            for key in keys
            if before.get(key) != now.get(key)
            for text in _differences(before.get(key), now.get(key), f"{name}.{key}" if name else str(key))
        ]
    return [f"{name}: {before!r} before, {now!r} now"]
