"""Optuna storages for a sweep: an SQLite file for one machine, or a database server for many."""

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
"""A trial whose last heartbeat is older than this belongs to a dead worker."""
PATIENCE_SECONDS = 600.0
"""Time limit for retries when the storage fails during the sweep."""
LOST = (StorageInternalError, OSError)
"""Errors of a storage, or of a lock file that cannot be written."""
T = TypeVar("T")


class HeartbeatStorage(RDBStorage):
    """Optuna's storage; a heartbeat that cannot be written is skipped: the next one follows in a few seconds."""

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
    """Return a storage as it may be printed: a path, or a URL with password and query values hidden.

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
    """Whether a storage is meant as a URL, even a malformed one: a colon before the first slash (`C:` is a drive)."""
    return ":" in text.partition("/")[0][2:]


def _url(storage: str | Path) -> URL | None:
    """The URL of a storage, if valid; None if a raw "@" in a password has ended up in the host."""
    try:
        url = make_url(str(storage))
    except (ArgumentError, ValueError):
        return None
    return None if "@" in f"{url.host}{url.database}" else url


def _reason(error: Exception, url: URL | None) -> str:
    """The first line of an error, or only its type if the line could show a secret."""
    first = error.__cause__ or error  # Optuna's own words do not name a missing driver
    line = (str(first).strip() or type(first).__name__).splitlines()[0].rstrip(".")
    given = [] if url is None else [url.password or "", *map(str, url.query.values())]
    secrets = [form for value in given if value for form in (value, quote_plus(value))]
    is_safe = (url is not None or isinstance(error, ValueError)) and not any(form in line for form in secrets)
    return line if is_safe else type(first).__name__


def open_storage(storage: str | Path | BaseStorage, writable: bool = True) -> BaseStorage:
    """Open or create a storage: an SQLite file, a SQLAlchemy URL, or an Optuna storage, which is used as it is.

    Raises:
        ValueError: If it cannot be reached, or does not exist and is not `writable`.
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
            raise ValueError("not a valid URL (SCHEME://USER:PASSWORD@HOST/DATABASE, %40 for @ in a password)")
        return _database(url, writable)
    except Exception as error:  # of any database driver
        raise ValueError(
            f"storage must be reachable, got {shown(storage)!r}: {_reason(error, url)}; write the path of an SQLite "
            "file for one machine, or a URL such as postgresql://USER:PASSWORD@HOST/DATABASE for many"
        ) from None  # the driver's message could show the password


def _check_file(path: Path) -> None:
    """Reject a symbolic link, and a file that is not a database."""
    if path.is_symlink():
        raise ValueError("it is a symbolic link; give the path of the file itself")
    if path.is_file():
        with path.open("rb") as file:
            if file.read(15) not in (b"", b"SQLite format 3"):
                raise ValueError("the file is not an SQLite database; choose another path")


def _database(url: URL, writable: bool, tries: int = 3) -> RDBStorage:
    is_sqlite = url.get_backend_name() == "sqlite"
    sqlite = {"connect_args": {"timeout": 60, "isolation_level": None if writable else ""}}
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")  # Optuna formats it
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
        time.sleep(1)  # another worker is creating the same tables
        return _database(url, writable, tries - 1)
    if is_sqlite and writable:  # with deferred transactions two workers can both start the same waiting trial
        event.listen(made.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return made


def open_study(store: BaseStorage, settings: dict[str, Any], name: str, writable: bool, pruner: Any) -> optuna.Study:
    """Join or create the study; if its settings differ and no training has finished, start it over.

    Raises:
        ValueError: If the study has trials with other settings, or is new and cannot be created.
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
            raise ValueError("the folder of a new sweep must be writable; choose another one") from None
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
            f"a sweep must continue with the settings that it started with, got changes ({changes}); undo them, or "
            "give the new sweep another folder or --name"
        )
    return study


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    """List the differences, compared as text because NaN != NaN."""
    if json.dumps(before, sort_keys=True) == json.dumps(now, sort_keys=True):
        return []
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = [(before.get(key), now.get(key), f"{name}.{key}".lstrip(".")) for key in {**before, **now}]
        return [text for pair in pairs for text in _differences(*pair)]
    return [f"{name}: {before!r} before, {now!r} now"]


def is_writable(folder: Path) -> bool:
    """Whether files can be created in a folder, which is created if missing."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return os.access(folder, os.W_OK)
