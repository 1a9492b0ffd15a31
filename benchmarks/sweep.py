"""Overhead of a trial of `grid_search`, compared with plain Optuna; nothing is trained.

    python benchmarks/sweep.py [trials [rounds [URL of a database server]]]

Plain Optuna is `study.optimize` with a `GridSampler`, heartbeats and one stored attribute per trial. Both run in turns,
each time in a new study; the medians over the rounds are shown. Without a URL, each study is an SQLite file of its own.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from lightning.pytorch import Trainer
from sqlalchemy import event
from sqlalchemy.engine import Engine

from lr_callbacks import grid_search
from lr_callbacks.sweep import Outcome, work

statements = [0]


@event.listens_for(Engine, "before_cursor_execute")
def count(*_: Any) -> None:
    """Count the SQL statements."""
    statements[0] += 1


def ours(url: str, folder: Path, lrs: list[float]) -> None:
    """A sweep."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        grid_search(lambda lr: None, {"lr": lrs}, folder=folder, storage=url)  # type: ignore[arg-type,return-value]


def plain(url: str, folder: Path, lrs: list[float]) -> None:
    """The same grid without lr_callbacks."""

    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr("result", {"epochs": 1, "seconds": 0.1, "run": ""})
        return trial.suggest_float("lr", lrs[0], lrs[-1])

    options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_pre_ping": True}
    storage = optuna.storages.RDBStorage(url, options, heartbeat_interval=5, grace_period=30)
    sampler = optuna.samplers.GridSampler({"lr": lrs})
    optuna.create_study(storage=storage, study_name=folder.name, sampler=sampler).optimize(objective, n_trials=len(lrs))


def measured(run: Callable[..., None], url: str | None, lrs: list[float]) -> tuple[float, float, float]:
    """CPU time, wall time (ms) and SQL statements of a trial."""
    with tempfile.TemporaryDirectory() as folder:
        statements[0] = 0
        wall, cpu = time.perf_counter(), time.process_time()
        run(url or f"sqlite:///{folder}/study.db", Path(folder), lrs)
        spent = 1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall), float(statements[0])
    return spent[0] / len(lrs), spent[1] / len(lrs), spent[2] / len(lrs)


def main() -> None:
    """Print a table."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trials, rounds, url = (*sys.argv[1:], *("60", "6", "")[len(sys.argv) - 1 :])
    trainer = Trainer(logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")
    work.run_trial = lambda build, point, **_: Outcome(point["lr"], False, 1, 0.1, "", "", trainer)
    lrs = [1e-6 * (number + 1) for number in range(int(trials))]
    found: dict[str, list[tuple[float, float, float]]] = {"grid_search": [], "plain Optuna": []}
    for _ in range(int(rounds)):
        found["grid_search"].append(measured(ours, url or None, lrs))
        found["plain Optuna"].append(measured(plain, url or None, lrs))
    print("| | CPU ms | wall ms | SQL statements |\n|---|---|---|---|")
    for name, rows in found.items():
        cpu, wall, sql = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"| {name} | {cpu:.1f} | {wall:.0f} | {sql:.0f} |")


if __name__ == "__main__":
    main()
