"""`grid_search`: train at every point of a grid, alone or with other workers, and rank the points."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Literal

import optuna
from filelock import FileLock
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from lr_callbacks.core.arguments import require, require_bool, require_int
from lr_callbacks.core.lightning_names import isolate_rng
from lr_callbacks.range_test.result import RangeTestResult
from lr_callbacks.sweep.axes import check_grid, check_seeds, points
from lr_callbacks.sweep.build import Build, caller
from lr_callbacks.sweep.ledger import Ledger, Slot
from lr_callbacks.sweep.storage import is_writable, open_storage, open_study, patiently, say, shown
from lr_callbacks.sweep.table import SweepTable
from lr_callbacks.sweep.work import Worker, fail

NAMELESS = "runs/sweep"
STUDY = "study.db"
SAMPLERS: dict[str, Callable[..., BaseSampler]] = {
    "grid": optuna.samplers.RandomSampler,  # never asked: the points are queued
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "gp": optuna.samplers.GPSampler,
}
PRUNERS: dict[str | None, Callable[[], BasePruner]] = {
    None: optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "successive_halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}


def grid_search(
    build: Build,
    grid: Mapping[str, Any],
    *,
    metric: str = "val_loss",
    mode: Literal["min", "max"] = "min",
    seeds: int | Sequence[int] = 1,
    folder: str | Path | None = None,
    storage: str | Path | BaseStorage | None = None,
    sampler: str = "grid",
    trials: int | None = None,
    pruner: str | None = None,
    max_deaths: int = 3,
    take_over: bool = False,
    settings: Mapping[str, Any] | None = None,
    suggest: Callable[[], Any] | None = None,
) -> SweepTable:
    """Train at every point of a grid and rank the points by a metric.

    With a `folder`, the same call continues a stopped sweep: finished trainings are kept, the training of a killed
    process is repeated. Several processes with the same call share the work: each point is trained once, and each call
    returns the whole table. Changes inside `build` are not detected, so use a new folder after one. A training that
    diverges ranks last. The random states of the process are restored afterwards.

    Args:
        build: Called after the seed is set, with the axes as keyword arguments, ``build(lr=0.1)``, or with one dict,
            ``build({"lr": 0.1})``, according to its signature. Returns a new Trainer, a new module, and the other
            arguments of ``trainer.fit``: none, a datamodule, or the loaders.
        grid: Axis -> list of values, or a single value: numbers, strings, booleans, None. Any names; "lr" is checked
            and is the x axis of the picture.
        metric: Logged metric to rank by; its last value counts.
        mode: "min": lower is better, "max": higher is better.
        seeds: Number of trainings per point (seeds 0, 1, ...), or a list of seeds.
        folder: Folder of the study, to continue or join a sweep. None: a new folder for each call,
            runs/sweep/version_0 and up; with a `storage`, runs/sweep.
        storage: Where else to keep the study (named after the folder): URL of a database server that many machines
            share, path of an SQLite file, or an Optuna storage; one without heartbeats cannot tell which worker died.
            None: an SQLite file in `folder`, for the workers of one machine.
        sampler: "grid", or an Optuna sampler that chooses points between the lowest and the highest LR (log scale)
            and among the values of the other axes: "tpe", "random", "gp".
        trials: Number of points (tpe, random, gp only).
        pruner: Stop hopeless trainings early: "median", "successive_halving" or "hyperband". A point pruned for one
            seed is not trained for the remaining ones.
        max_deaths: Give a point up after this many crashes or out-of-memory errors; other points are trained first.
        take_over: Repeat at once the trainings that other workers seem to be running, instead of 30 seconds after
            their last heartbeat. Only for when all of them are dead.
        settings: Other settings that affect the results, as numbers and strings; they must be the same to continue.
        suggest: Called once before the trials; the LR or range test result that it returns is marked in the picture.

    Returns:
        The ranked points; `best` is the first.

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If the grid is empty, an LR is not above 0, another argument is out of range, the storage cannot be
            reached, or the sweep was started with another metric, mode, sampler, pruner or settings, or, unless on a
            grid, with other axes.
        MisconfigurationException: If the metric is not logged (at the first trial).

    Example:
        >>> import tempfile, torch
        >>> from lightning.pytorch import Trainer
        >>> from lr_callbacks.demo import DigitsClassifier, DigitsDataModule
        >>> def build(point):
        ...     trainer = Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        ...                       enable_progress_bar=False, enable_model_summary=False)
        ...     model = DigitsClassifier(lambda params: torch.optim.SGD(params, lr=point["lr"]), channels=4)
        ...     return trainer, model, DigitsDataModule()
        >>> folder = tempfile.mkdtemp()
        >>> table = grid_search(build, {"lr": [1e-5, 0.1]}, folder=folder)  # doctest: +ELLIPSIS
        lr 1e-05, seed 0: val_loss 2..., 1 epoch, ... s
        lr 0.1, seed 0: val_loss 0..., 1 epoch, ... s
        >>> table.best.point
        {'lr': 0.1}

    References: T. Akiba et al., Optuna, 2019, arXiv:1907.10902.
    """
    axes = check_grid(grid)
    for name, value, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        if not isinstance(value, str | None) or value not in known:
            names = ", ".join(filter(None, known)) + (", or None" if None in known else "")
            raise ValueError(f"{name} must be one of {names}, got {value!r}")
    if mode not in ("min", "max"):
        raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
    require_int("max_deaths", max_deaths, minimum=1)
    _check(build, metric, folder, storage, suggest)
    caller(build, axes)
    require_bool("take_over", take_over)
    slots = slots_of(axes, check_seeds(seeds), sampler, trials)
    folder, fresh = _folder(folder, storage)
    kept = {"metric": metric, "mode": mode, "sampler": sampler, "pruner": pruner, **_plain(settings)}
    if sampler != "grid":  # a drawn point does not tell from which range it was drawn
        kept["axes"] = json.loads(json.dumps(axes))
    writable = is_writable(folder)
    lock = FileLock(folder / "sweep.lock", timeout=60)
    if Path(lock.lock_file).is_symlink():
        raise ValueError(f"the lock of a sweep must be a file, got a symbolic link, {lock.lock_file}; remove it")

    def opened() -> tuple[BaseStorage, optuna.Study]:  # the lock is free between two tries
        with lock if writable else nullcontext():
            store = open_storage(storage or folder / STUDY, writable)
            name = folder.resolve().name if storage else "sweep"
            return store, open_study(store, kept, name, writable, PRUNERS[pruner]())

    with _silent_optuna(), isolate_rng():
        store, study = patiently(opened)
        if writable and suggest is not None and "suggestion" not in study.user_attrs:
            study.set_user_attr("suggestion", _lrs(suggest()))
        ledger = patiently(lambda: Ledger(study, slots, axes, max_deaths))
        for trial in study.get_trials(deepcopy=False) if writable and take_over else []:
            if trial.state == TrialState.RUNNING:
                fail(study, trial.number)
        left = _greet(ledger, shown(storage or folder), fresh)
        if left and not writable:
            raise ValueError(
                f"the folder of a sweep must be writable, got {folder}, where {left} of {len(slots)} trainings are "
                "missing; make it writable, or choose another one"
            )
        if left:
            beats = getattr(store, "get_heartbeat_interval", lambda: None)() is not None
            Worker(ledger, build, metric, lambda seed: SAMPLERS[sampler](seed=seed), lock, beats).run()
        return ledger.table(metric, mode)


@contextmanager
def _silent_optuna() -> Iterator[None]:
    """Silence Optuna's log of each trial; the sweep prints its own."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _lrs(found: Any) -> list[float]:
    """A suggestion as stored in a study: the LR and, if known, the ends of its interval."""
    if not isinstance(found, RangeTestResult):
        return [] if found is None else [float(found)]
    return [found.suggestion, *(found.interval or ())] if found.suggestion else []


def _check(build: Any, metric: Any, folder: Any, storage: Any, suggest: Any) -> None:
    """Reject arguments of wrong types."""
    for name, function, says in (("build", build, ""), ("suggest", suggest, ", or None")):
        if not (callable(function) or (says and function is None)):
            raise TypeError(f"{name} must be a function{says}, got {function!r}")
    require(isinstance(metric, str) and metric != "", "metric", "the name of a logged metric", metric)
    if not isinstance(folder, str | Path | None):
        raise TypeError(f"folder must be a path, or None, got {folder!r}")
    if not isinstance(storage, str | Path | BaseStorage | None):
        raise TypeError(f"storage must be a path, a URL, an Optuna storage or None, got {storage!r}")


def _plain(settings: Any) -> dict[str, Any]:
    """The settings, if a study can store them."""
    if not isinstance(settings, Mapping | None) or not all(isinstance(key, str) for key in settings or {}):
        raise TypeError(f"settings must be a dict with str keys, got {settings!r}")
    try:
        return dict(json.loads(json.dumps(dict(settings or {}))))
    except (TypeError, ValueError) as error:
        raise TypeError(f"settings must be JSON values (numbers, strings, lists, dicts): {error}") from None


def _folder(folder: str | Path | None, storage: Any) -> tuple[Path, bool]:
    """The folder of a sweep, and whether it was just made because none was given."""
    if folder is not None or storage is not None:
        return Path(folder or NAMELESS), False
    for number in itertools.count():
        new = Path(NAMELESS, f"version_{number}")
        with suppress(FileExistsError):
            new.mkdir(parents=True)
            return new, True
    raise AssertionError


def _greet(ledger: Ledger, place: str, fresh: bool) -> int:
    """Print how much of the sweep was already there; return the number of trainings left."""
    total, had, left = len(ledger.slots), len(ledger.finished), len(ledger.left())
    if fresh:
        say(f"New sweep in {place}. To resume it later: grid_search(..., folder={place!r}).")
    elif left and had:
        say(f"{had} of {total} trainings were already in {place}; {left} to go.")
    elif had:
        known = f"{had} of {total} trainings were already in {place}, and the others are given up"
        known = f"All {total} trainings were already in {place}" if had == total else known
        say(f"{known}: nothing to train. To train again, use another folder.")
    return left


def slots_of(axes: dict[str, list[Any]], seeds: list[int], sampler: str, trials: int | None) -> list[Slot]:
    """The trainings of a sweep.

    Raises:
        ValueError: If `trials` does not go with the sampler, or several seeds do not.
    """
    if sampler == "grid":
        if trials is not None:
            raise ValueError(f"trials must be left out for sampler 'grid', got {trials}; the grid says how many")
        return [Slot(point, seed) for seed in seeds for point in points(axes)]
    if trials is None:
        raise ValueError(f"trials must be given for sampler {sampler!r}: the number of points, e.g. 20")
    require_int("trials", trials, minimum=1)
    if len(seeds) > 1:
        raise ValueError(f"seeds must be 1 for sampler {sampler!r}, got {len(seeds)}; compare seeds on a grid")
    return [Slot(None, seeds[0], index) for index in range(trials)]
