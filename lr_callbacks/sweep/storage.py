"""Where a study lives: a journal file, or any other storage of Optuna's."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalRedisBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError, ProgrammingError

from lr_callbacks.sweep.locks import FileLock, JournalLock
from lr_callbacks.sweep.work import say

STUDY = "sweep"


def open_storage(where: str) -> BaseStorage:
    """Open a storage, or make it.

    Args:
        where: A path (an Optuna journal file), or a URL: sqlite, mysql, postgresql, redis.

    Raises:
        ValueError: If it cannot be reached, or another worker is using the SQLite file.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if _scheme(where) in ("redis", "rediss"):
            return JournalStorage(JournalRedisBackend(where))
        if not _scheme(where):
            if re.match(r"(sqlite|mysql|mariadb|postgres|postgresql|redis|rediss)(\+\w+)?:", where):
                raise ValueError("a URL has '://' in it, as in sqlite:///study.db")
            path = Path(where).expanduser()
            path.parent.mkdir(parents=True, exist_ok=True)
            _check_journal(path)
            return JournalStorage(JournalFileBackend(str(path), lock_obj=cast(Any, JournalLock(path))))
        if _only_worker(where):
            return _database(where)
    except Exception as error:  # of whatever database driver it is
        first = error if error.__cause__ is None else error.__cause__  # Optuna's own words name no driver
        reason = without_password((str(first).strip() or type(first).__name__).splitlines()[0].rstrip("."))
        raise ValueError(
            f"storage must be reachable, got {without_password(where)!r}: {reason}; write the path of a journal file "
            "in a folder that exists or can be made, or a URL such as postgresql://user:password@host/database"
        ) from error
    raise ValueError(
        f"storage must not be SQLite for several workers, got {where!r}, and another worker is using it; leave "
        "--storage out (a journal file, safe for many) or name a MySQL or PostgreSQL server"
    )


def _check_journal(path: Path) -> None:
    """Refuse a file that is something else, for what looks half written in a journal is cut off."""
    if path.is_file():
        with path.open("rb") as file:
            if file.read(1) not in (b"", b"{"):
                raise ValueError("it is a file, and no journal of Optuna's; a database needs a URL, sqlite:///study.db")


def _database(where: str, pauses: tuple[float, ...] = (0.5, 2.0)) -> BaseStorage:
    """Open a database; where two workers make its tables at the same moment, one of them has to try again."""
    try:
        return optuna.storages.RDBStorage(where)
    except (IntegrityError, ProgrammingError):
        if not pauses:
            raise
        time.sleep(pauses[0])
        return _database(where, pauses[1:])


def lock_folder(where: str, folder: Path) -> Path:
    """Where the lock files of the workers lie: beside the study where that is a file, so that all its workers see them.

    Args:
        where: As for `open_storage`.
        folder: The folder of the sweep, which serves if the study is in a server.

    Example:
        >>> lock_folder("study.journal", Path("runs")).name, lock_folder("mysql://server/x", Path("runs")).name
        ('study.journal.locks', 'locks')
    """
    path = sqlite_file(where) if _scheme(where) else Path(where).expanduser()
    return folder / "locks" if path is None else Path(f"{path}.locks")


def without_password(text: str) -> str:
    """The text without the passwords of its URLs.

    Example:
        >>> without_password("postgresql://me:secret@server/sweeps")
        'postgresql://me:***@server/sweeps'
    """
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)


def sqlite_file(where: str) -> Path | None:
    """The file of an SQLite URL; None for another URL, and for a database in memory.

    Example:
        >>> sqlite_file("sqlite:///folder/study.db").parts[-2:], sqlite_file("sqlite://")
        (('folder', 'study.db'), None)
    """
    if _scheme(where).partition("+")[0] != "sqlite":
        return None
    database = where.partition("://")[2].partition("/")[2].partition("?")[0].removeprefix("file:")
    return None if database in ("", ":memory:") else Path(database).resolve()


def _scheme(where: str) -> str:
    """The first part of a URL, or "" if it is a path."""
    scheme, mark, _ = where.partition("://")
    return scheme if mark else ""


_sqlite_locks: dict[Path, FileLock] = {}


def _only_worker(where: str) -> bool:
    """Whether this process is the only one that uses a database of SQLite; it stays so until the process ends."""
    path = sqlite_file(where)
    if path is None or not path.parent.is_dir():
        return True
    lock = _sqlite_locks.setdefault(path, FileLock(lock_folder(where, path.parent) / "worker.lock"))
    return lock.held or lock.acquire(wait=False)


def open_study(storage: BaseStorage, settings: dict[str, Any], **kwargs: Any) -> optuna.Study:
    """Join the study of a storage, or make it; to be called under a lock.

    One with other settings in which nothing was trained yet, as where the metric had a wrong name, is made anew, and
    that is said.

    Args:
        storage: From `open_storage`.
        settings: What the results depend on: metric, mode, and for the command line the whole configuration.
        kwargs: Name and pruner of the study.

    Raises:
        ValueError: If the study has trials with other settings.
    """
    direction = StudyDirection.MAXIMIZE if settings["mode"] == "max" else StudyDirection.MINIMIZE
    study = optuna.create_study(storage=storage, direction=direction, load_if_exists=True, **kwargs)
    if "settings" not in study.user_attrs:
        study.set_user_attr("settings", settings)
    elif not _has(study, settings):
        if all(trial.state in (TrialState.WAITING, TrialState.FAIL) for trial in study.get_trials(deepcopy=False)):
            say(
                f"Begun anew, for nothing has been trained yet; the settings have changed: {_changes(study, settings)}."
            )
            optuna.delete_study(study_name=study.study_name, storage=storage)
            return open_study(storage, settings, **kwargs)
        _refuse_changes(study, settings)
    return study


def read_study(storage: BaseStorage, settings: dict[str, Any], **kwargs: Any) -> optuna.Study:
    """As `open_study`, for a storage that cannot be written to.

    Raises:
        ValueError: If there is no such study, or it has other settings.
    """
    try:
        study = optuna.load_study(storage=storage, **kwargs)
    except KeyError:
        raise ValueError("the folder of a sweep must be writable where it is new; name another one") from None
    if not _has(study, settings):
        _refuse_changes(study, settings)
    return study


def _has(study: optuna.Study, settings: dict[str, Any]) -> bool:
    """Whether a study was begun with these settings; compared as text, for NaN != NaN."""
    return json.dumps(study.user_attrs.get("settings"), sort_keys=True) == json.dumps(settings, sort_keys=True)


def _refuse_changes(study: optuna.Study, settings: dict[str, Any]) -> None:
    raise ValueError(
        f"a sweep that goes on must have the settings that it began with, got changes ({_changes(study, settings)});"
        " undo them, or give the new sweep a folder or --name of its own"
    )


def _changes(study: optuna.Study, settings: dict[str, Any]) -> str:
    return "; ".join(_differences(study.user_attrs.get("settings"), settings))


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(key for key in now if key not in before)]
        return [
            text
            for key in keys
            if key not in before or key not in now or json.dumps(before[key]) != json.dumps(now[key])
            for text in _differences(before.get(key), now.get(key), f"{name}.{key}" if name else str(key))
        ]
    return [f"{name}: {before!r} before, {now!r} now"]
