"""`grid_search`: train at every point of a grid, alone or together with other workers, and rank the points."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.utilities.seed import isolate_rng

from lr_callbacks.core.arguments import flag, optional_name, require, whole
from lr_callbacks.sweep.axes import check_grid, check_seeds, points
from lr_callbacks.sweep.engines import make_pruner, make_sampler
from lr_callbacks.sweep.locks import UNWRITABLE, FileLock
from lr_callbacks.sweep.outcome import table_of
from lr_callbacks.sweep.queue import Slot, TrialQueue
from lr_callbacks.sweep.storage import STUDY, lock_folder, open_storage, open_study, read_study, without_password
from lr_callbacks.sweep.table import SweepTable
from lr_callbacks.sweep.trial import Build
from lr_callbacks.sweep.work import bury, say, work

NAMELESS = "runs/sweep"


def grid_search(
    build: Build,
    grid: Mapping[str, Any],
    *,
    metric: str = "val_loss",
    mode: Literal["min", "max"] = "min",
    seeds: int | Sequence[int] = 1,
    folder: str | Path | None = None,
    storage: str | Path | None = None,
    sampler: str = "grid",
    trials: int | None = None,
    pruner: str | None = None,
    max_deaths: int = 3,
    take_over: bool = False,
    settings: Mapping[str, Any] | None = None,
    suggest: Callable[[], float | None] | None = None,
) -> SweepTable:
    """Train at every point of a grid and rank the points by a metric.

    Name a folder, and the same call goes on where it was stopped: what is trained stays, a trial whose process was
    killed is repeated. Call it in several processes at the same time, and they share the work: each point is trained
    once, and all of them return the whole table. It cannot see a change inside `build`: it says how many trainings
    were there already, and a changed `build` wants a folder of its own, which is what it gets if you name none. A
    training that diverges ranks last. The random states of the process are afterwards as before.

    Args:
        build: Called with a point such as ``{"lr": 0.1}``, after the seed was set. It returns a new Trainer, a new
            module, and what else ``trainer.fit`` takes: nothing, a datamodule, or the loaders.
        grid: Axis -> its values, or a single one: numbers, strings, booleans, None. Any names; "lr" is checked, and the
            axis of the picture.
        metric: What to rank by, as the module logs it; its last value counts.
        mode: "min" if less is better, "max" if more is.
        seeds: How many trainings per point (seeds 0, 1, ...), or the seeds themselves.
        folder: Where the study and its lock files are kept, to go on or to join. None is a new folder for each call,
            runs/sweep/version_0 and up; with a `storage`, it is runs/sweep.
        storage: Another place for the study: the path of an Optuna journal file, or a database URL of Optuna's, where
            the study has the name of the folder. None is a journal file in `folder`. SQLite serves one worker; for
            many machines take a journal file on a shared disk or a database server.
        sampler: "grid", or one of Optuna's that chooses points between the smallest and the largest LR, on a
            logarithmic axis, and among the values of other axes: "tpe", "random", "gp".
        trials: How many points such a sampler chooses.
        pruner: Stop hopeless trainings early: "median", "successive_halving" or "hyperband". A point that was stopped
            under one seed is not trained under those that are left, for its mean can no longer win.
        max_deaths: A point on which the process was killed, or was out of memory, so many times is given up and shown
            as dead; the others are trained first. A larger number tries it again.
        take_over: Whether to repeat what other machines seem to be running. Where they share the folder, one that died
            is noticed after a minute; where they share a database alone, it cannot be seen: use this when one of them
            died, and none runs.
        settings: What else the results depend on, as numbers and strings; a sweep that goes on must have the same.
        suggest: Called once, before the trials, for the learning rate to mark in the picture, such as a range test's.

    Returns:
        The ranked points; `best` of it is the first.

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If the grid is empty, an LR is not above 0, another argument is out of range, the storage cannot be
            reached, or the sweep was begun with another metric, mode, sampler, pruner or settings, or, unless on a
            grid, with other axes.
        MisconfigurationException: If nobody logs the metric (at the first trial; it lists what was logged).

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

    References: J. Bergstra and Y. Bengio, Random Search for Hyper-Parameter Optimization, JMLR 13, 2012, for the
        alternatives; T. Akiba et al., Optuna, 2019, arXiv:1907.10902.
    """
    axes = check_grid(grid)
    make_sampler(sampler, 0)
    make_pruner(pruner)
    if mode not in ("min", "max"):
        raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
    if whole("max_deaths", max_deaths, minimum=-(10**9)) < 1:
        raise ValueError(f"max_deaths must be at least 1, got {max_deaths}; 3 tries a point again twice")
    _check(build, metric, folder, storage, suggest)
    flag("take_over", take_over)
    slots = _slots(axes, check_seeds(seeds), sampler, trials)
    storage = str(storage) if storage else None
    folder, fresh = _folder(folder, storage)
    where = storage or str(folder / "study.journal")
    store, locks = open_storage(where), lock_folder(where, folder)
    kept = {"metric": metric, "mode": mode, "sampler": sampler, "pruner": pruner, **_plain(settings)}
    if sampler != "grid":  # a place that is filled does not say from which values it was
        kept["axes"] = axes
    name = folder.resolve().name if storage else STUDY
    kept, setup = json.loads(json.dumps(kept)), FileLock(locks / "setup.lock")
    writable = _can_be_held(setup)
    with isolate_rng(), setup if writable else nullcontext():
        begin = open_study if writable else read_study
        study = begin(store, kept, study_name=name, pruner=make_pruner(pruner))
        if writable and suggest is not None and "suggestion" not in study.user_attrs:
            study.set_user_attr("suggestion", suggest())
    queue = TrialQueue(study, store, slots, locks, max_deaths)
    left = _greet(queue, without_password(storage or str(folder)), fresh)
    if writable:
        bury(queue, take_over)
        with isolate_rng():
            work(queue, build, axes, metric, sampler)
    elif left:
        raise ValueError(
            f"the folder of a sweep must be writable, got {locks.parent}, where {left} of {len(slots)} trainings are "
            "missing; make it writable, or name another one"
        )
    return table_of(queue, axes, metric, mode)


def _can_be_held(lock: FileLock) -> bool:
    """Take a lock; False if its folder is read-only."""
    try:
        return lock.acquire()
    except OSError as error:
        if error.errno in UNWRITABLE:
            return False
        raise


def _check(build: Any, metric: Any, folder: Any, storage: Any, suggest: Any) -> None:
    """Refuse arguments of wrong types."""
    for name, function, says in (("build", build, ""), ("suggest", suggest, ", or None")):
        if not (callable(function) or (says and function is None)):
            raise TypeError(f"{name} must be a function{says}, got {function!r}")
    require(isinstance(metric, str) and metric != "", "metric", "the name of a logged metric", metric)
    if folder is not None and not isinstance(folder, str | Path):
        raise TypeError(f"folder must be a path, or None, got {folder!r}")
    optional_name("storage", str(storage) if isinstance(storage, Path) else storage)


def _plain(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings, if a study can keep them.

    Raises:
        TypeError: If they are no dict, or hold what JSON cannot.
    """
    if settings is None:
        return {}
    if not isinstance(settings, Mapping) or not all(isinstance(name, str) for name in settings):
        raise TypeError(f"settings must be a dict with names as keys, got {settings!r}")
    try:
        kept: dict[str, Any] = json.loads(json.dumps(dict(settings)))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"settings must be numbers, strings, lists and dicts of them, got {settings!r}: {error}"
        ) from None
    return kept


def _folder(folder: str | Path | None, storage: str | None) -> tuple[Path, bool]:
    """The folder of a sweep, and whether it was just made because none was named."""
    if folder is not None or storage is not None:
        return Path(folder or NAMELESS), False
    for number in itertools.count():
        new = Path(NAMELESS, f"version_{number}")
        try:
            new.mkdir(parents=True)
        except FileExistsError:
            continue
        return new, True
    raise AssertionError


def _greet(queue: TrialQueue, place: str, fresh: bool) -> int:
    """Say what of this sweep was there before, so that nobody takes old results for new ones, and give what is left."""
    had = sum(trial.state.is_finished() for trial in queue.trials().values())
    total, left_out = len(queue.slots), len(queue.left_out())
    left = total - had - left_out
    if fresh:
        say(f"New sweep in {place}; name this folder to go on with it.")
    elif left and had:
        say(f"{had} of {total} trainings were already in {place}; {left} {'is' if left == 1 else 'are'} left.")
    elif had:
        known = f"All {total} trainings were already in {place}"
        if left_out:
            known = f"{had} of {total} trainings were already in {place}, and the others are given up"
        say(f"{known}: nothing is trained. For new ones name another folder.")
    return left


def _slots(axes: dict[str, list[Any]], seeds: list[int], sampler: str, trials: int | None) -> list[Slot]:
    if sampler == "grid":
        if trials is not None:
            raise ValueError(f"trials must be left out for sampler 'grid', got {trials}; the grid says how many")
        return [Slot(point, seed) for seed in seeds for point in points(axes)]
    if trials is not None:
        whole("trials", trials, minimum=-(10**9))
    if trials is None or trials < 1:
        raise ValueError(f"trials must be at least 1 for sampler {sampler!r}, got {trials}; write for example 20")
    if len(seeds) > 1:
        raise ValueError(f"seeds must be 1 for sampler {sampler!r}, got {len(seeds)}; compare seeds on a grid")
    return [Slot(None, seeds[0], index) for index in range(trials)]
