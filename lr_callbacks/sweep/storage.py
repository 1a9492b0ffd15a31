"""Where a study is kept, through Optuna: an SQLite file shared on one machine, or a database server shared by many."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote_plus

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError
from tqdm import tqdm

HEARTBEAT_SECONDS = 5
GRACE_SECONDS = 30
"""A trial without a heartbeat for this long counts as that of a dead worker."""
PATIENCE_SECONDS = 600.0
"""How long to wait for a storage that fails in mid-sweep."""
LOST = (StorageInternalError, OSError)
"""What is raised where a storage fails, or a lock file cannot be written."""
T = TypeVar("T")


class HeartbeatStorage(RDBStorage):
    """Optuna's storage; a heartbeat that cannot be written is left out, for the next one follows in a few seconds."""

    def record_heartbeat(self, trial_id: int) -> None:  # noqa: D102
        with suppress(StorageInternalError):
            super().record_heartbeat(trial_id)


def patiently(step: Callable[[], T]) -> T:
    """Call a function that uses the storage; if the storage fails, say so once and retry every second, up to a limit.

    Raises:
        StorageInternalError: If the storage still fails at the limit. The driver's own error could show a password.
    """
    started: float | None = None
    while True:
        try:
            return step()
        except LOST as error:  # noqa: PERF203
            if started is None:
                started = time.monotonic()
                say(
                    f"The storage of the sweep fails ({_said(error)}); trying again for up to "
                    f"{PATIENCE_SECONDS / 60:g} minutes. Finished trainings are kept."
                )
            time.sleep(1)
            if time.monotonic() - started > PATIENCE_SECONDS:
                raise StorageInternalError(
                    f"the storage of the sweep still fails ({_said(error)}). Finished trainings are kept; the same "
                    "call or command continues the sweep"
                ) from None


def _said(error: Exception) -> str:
    """The text of an error of SQLite or the file system; of others only the type, for a driver may show a secret."""
    found = getattr(error.__cause__, "orig", None) or error.__cause__ or error
    return str(found) if isinstance(found, sqlite3.Error | OSError) else type(found).__name__


def say(line: str) -> None:
    """Print a line above the progress bar."""
    tqdm.write(line, file=sys.stdout)


def shown(storage: str | Path | BaseStorage) -> str:
    """Return a storage as it may be printed: a path, or a URL without its password and the values of its query.

    Example:
        >>> shown("postgresql://me:secret@server/sweeps?sslpassword=secret")
        'postgresql://me:***@server/sweeps?sslpassword=***'
        >>> shown("postgresql://me:se@cret@server/sweeps"), shown("postgresql:me:secret@server")
        ('postgresql://***', 'postgresql:***')
    """
    if isinstance(storage, BaseStorage):
        return type(storage).__name__
    text, url = str(storage), _url(storage)
    if url is not None:
        return url.set(query=dict.fromkeys(url.query, "***")).render_as_string(hide_password=True).replace("%2A", "*")
    scheme, mark, _ = text.partition("://" if "://" in text else ":")
    return f"{scheme}{mark}***" if _is_url(text) else text


def _is_url(text: str) -> bool:
    """Whether a storage is meant as a URL, however wrong: it has a colon before the first slash (`C:` is a drive)."""
    return ":" in text.partition("/")[0][2:]


def _url(storage: str | Path) -> URL | None:
    """The URL of a storage, if it is a sound one; a raw "@" in a password would end up in the host."""
    try:
        url = make_url(str(storage))
    except (ArgumentError, ValueError):
        return None
    return None if "@" in f"{url.host}{url.database}" else url


def _reason(error: Exception, url: URL | None) -> str:
    """The first line of an error, or only its type where that might show a secret."""
    first = error.__cause__ or error  # Optuna's own words do not name a missing driver
    line = (str(first).strip() or type(first).__name__).splitlines()[0].rstrip(".")
    given = [] if url is None else [url.password or "", *map(str, url.query.values())]
    is_safe = url is not None or isinstance(error, ValueError)
    return (
        line if is_safe and not any(s in line for v in given if v for s in (v, quote_plus(v))) else type(first).__name__
    )


def open_storage(storage: str | Path | BaseStorage, writable: bool = True) -> BaseStorage:
    """Open a storage, or make it.

    Args:
        storage: Path of an SQLite file, a URL that SQLAlchemy knows, or a storage of Optuna's, which is used as it is.
        writable: Whether it may be written to; otherwise it must exist.

    Raises:
        ValueError: If it cannot be reached.
    """
    if isinstance(storage, BaseStorage):
        return storage
    url = _url(storage)
    try:
        if not _is_url(str(storage)):
            path = Path(storage).expanduser()
            path.parent.mkdir(parents=True, exist_ok=True)
            _check_file(path)
            url = URL.create("sqlite", database=str(path))
        elif url is None:
            raise ValueError("this is no URL (SCHEME://USER:PASSWORD@HOST/DATABASE, with %40 for @)")
        return _database(url, writable)
    except Exception as error:  # of whatever database driver it is
        raise ValueError(
            f"storage must be reachable, got {shown(storage)!r}: {_reason(error, url)}; write the path of an SQLite "
            "file for one machine, or a URL such as postgresql://USER:PASSWORD@HOST/DATABASE for many"
        ) from None  # the driver's own words might show the password


def _check_file(path: Path) -> None:
    """Refuse a file that is elsewhere, or something else."""
    if path.is_symlink():
        raise ValueError("it is a symbolic link; name the file itself")
    if path.is_file():
        with path.open("rb") as file:
            if file.read(15) not in (b"", b"SQLite format 3"):
                raise ValueError("it is a file, and no SQLite database; name another one")


def _database(url: URL, writable: bool, tries: int = 3) -> RDBStorage:
    is_sqlite = url.get_backend_name() == "sqlite"
    sqlite = {"connect_args": {"timeout": 60, "isolation_level": None if writable else ""}}
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")  # a template, for Optuna
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            made = HeartbeatStorage(
                text,
                sqlite if is_sqlite else {"pool_pre_ping": True},
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=GRACE_SECONDS,
                skip_table_creation=not writable,
            )
    except (IntegrityError, ProgrammingError):
        if tries == 1:
            raise
        time.sleep(1)  # another worker is making the same tables
        return _database(url, writable, tries - 1)
    if (
        is_sqlite and writable
    ):  # with other transactions two workers can both read that a trial waits, and both start it
        event.listen(made.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return made


def open_study(store: BaseStorage, settings: dict[str, Any], name: str, writable: bool, pruner: Any) -> optuna.Study:
    """Join the study of a storage, or make it.

    One with other settings in which nothing was trained yet, as where the metric had a wrong name, is begun again, and
    that is said.

    Args:
        store: From `open_storage`.
        settings: What the results depend on: metric, mode, and for the command line the whole configuration.
        name: Of the study.
        writable: Whether the storage may be written to.
        pruner: Of the study.

    Raises:
        ValueError: If the study has trials with other settings, or is new and cannot be made.
    """
    direction = StudyDirection.MAXIMIZE if settings["mode"] == "max" else StudyDirection.MINIMIZE
    if writable:
        study = optuna.create_study(
            storage=store, direction=direction, load_if_exists=True, study_name=name, pruner=pruner
        )
    else:
        try:
            study = optuna.load_study(storage=store, study_name=name, pruner=pruner)
        except KeyError:
            raise ValueError("the folder of a new sweep must be writable; name another one") from None
    if writable and "settings" not in study.user_attrs:
        study.set_user_attr("settings", settings)
    changes = "; ".join(_differences(study.user_attrs.get("settings"), settings))
    nothing = (TrialState.WAITING, TrialState.FAIL)
    if writable and changes and all(trial.state in nothing for trial in study.get_trials(deepcopy=False)):
        say(f"Settings changed before any training finished; starting over: {changes}.")
        optuna.delete_study(study_name=name, storage=store)
        return open_study(store, settings, name, writable, pruner)
    if changes:
        raise ValueError(
            f"a sweep that continues must have the settings that it began with, got changes ({changes}); undo them, or "
            "give the new sweep a folder or --name of its own"
        )
    return study


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    """What differs, compared as text, for NaN != NaN."""
    if json.dumps(before, sort_keys=True) == json.dumps(now, sort_keys=True):
        return []
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = [(before.get(key), now.get(key), f"{name}.{key}".lstrip(".")) for key in {**before, **now}]
        return [text for pair in pairs for text in _differences(*pair)]
    return [f"{name}: {before!r} before, {now!r} now"]


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which is made if missing."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return os.access(folder, os.W_OK)
