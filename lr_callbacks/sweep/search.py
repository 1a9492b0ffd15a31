"""`grid_search`: train at every point of a grid, alone or together with other workers, and rank the points."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import optuna
from lightning.pytorch.utilities.seed import isolate_rng
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from lr_callbacks.sweep.axes import check_grid, check_seeds, is_lr, label, points
from lr_callbacks.sweep.engines import make_pruner, make_sampler
from lr_callbacks.sweep.locks import FileLock
from lr_callbacks.sweep.queue import Claim, Slot, TrialQueue
from lr_callbacks.sweep.storage import STUDY, open_storage, open_study
from lr_callbacks.sweep.table import Row, State, SweepTable
from lr_callbacks.sweep.trial import Build, Outcome, run_trial

WAIT_SECONDS = 0.5


def grid_search(
    build: Build,
    grid: Mapping[str, Iterable[Any]],
    *,
    metric: str = "val_loss",
    mode: Literal["min", "max"] = "min",
    seeds: int | Sequence[int] = 1,
    folder: str | Path = "runs/sweep",
    storage: str | None = None,
    sampler: str = "grid",
    trials: int | None = None,
    pruner: str | None = None,
    take_over: bool = False,
    settings: Mapping[str, Any] | None = None,
    suggest: Callable[[], float | None] | None = None,
) -> SweepTable:
    """Train at every point of a grid and rank the points by a metric.

    Call it with the same folder again, and it goes on where it was stopped: what is trained stays, a trial whose
    process was killed is repeated. Call it in several processes at the same time, and they share the work: each point
    is trained once, and all of them return the whole table. A training that diverges ranks last. The random states of
    the process are afterwards as before.

    Args:
        build: Called with a point such as ``{"lr": 0.1}``, after the seed was set. It returns a new Trainer, a new
            module, and what else ``trainer.fit`` takes: nothing, a datamodule, or the loaders.
        grid: Axis -> values: numbers, strings, booleans, None. Any names; "lr" is checked, and the axis of the picture.
        metric: What to rank by, as the module logs it; its last value counts.
        mode: "min" if less is better, "max" if more is.
        seeds: How many trainings per point (seeds 0, 1, ...), or the seeds themselves.
        folder: Where the study and its lock files are kept.
        storage: Another place for the study: the path of an Optuna journal file, or a database URL of Optuna's.
            None is a journal file in `folder`. SQLite serves one worker; for many machines take a journal file on a
            shared disk or a database server.
        sampler: "grid", or one of Optuna's that chooses points between the smallest and the largest LR, on a
            logarithmic axis, and among the values of other axes: "tpe", "random", "gp".
        trials: How many points such a sampler chooses.
        pruner: Stop hopeless trainings early: "median", "successive_halving" or "hyperband".
        take_over: Whether to repeat what other machines seem to be running. They cannot be seen from here: use it
            when one of them died, and none runs.
        settings: What else the results depend on, as numbers and strings; a sweep that goes on must have the same.
        suggest: Called once, before the trials, for the learning rate to mark in the picture, such as a range test's.

    Returns:
        The ranked points; `best` of it is the first.

    Raises:
        ValueError: If the grid is empty, an LR is not above 0, another argument is out of range, the storage cannot be
            reached, or the sweep was begun with another metric, mode, sampler or settings.
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
    if mode not in ("min", "max"):
        raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
    slots = _slots(axes, check_seeds(seeds), sampler, trials)
    folder = Path(folder)
    store = open_storage(storage or str(folder / "study.journal"), folder)
    kept = {"metric": metric, "mode": mode, "sampler": sampler, "pruner": pruner, **(settings or {})}
    with isolate_rng(), FileLock(folder / "locks" / "setup.lock"):
        study = open_study(store, json.loads(json.dumps(kept)), study_name=STUDY, pruner=make_pruner(pruner))
        if suggest is not None and "suggestion" not in study.user_attrs:
            study.set_user_attr("suggestion", suggest())
    queue = TrialQueue(study, store, slots, folder / "locks")
    queue.bury(take_over)
    with isolate_rng():
        _work(queue, build, axes, metric, sampler)
    return _table(queue, metric, mode)


def _slots(axes: dict[str, list[Any]], seeds: list[int], sampler: str, trials: int | None) -> list[Slot]:
    if sampler == "grid":
        if trials is not None:
            raise ValueError(f"trials must be left out for sampler 'grid', got {trials}; the grid says how many")
        return [Slot(point, seed) for seed in seeds for point in points(axes)]
    if trials is None or trials < 1:
        raise ValueError(f"trials must be at least 1 for sampler {sampler!r}, got {trials}; write for example 20")
    if len(seeds) > 1:
        raise ValueError(f"seeds must be 1 for sampler {sampler!r}, got {len(seeds)}; compare seeds on a grid")
    return [Slot(None, seeds[0], index) for index in range(trials)]


def _work(queue: TrialQueue, build: Build, axes: dict[str, list[Any]], metric: str, sampler: str) -> None:
    """Run what waits; at the end wait for the other workers, and repeat what they leave behind."""
    with tqdm(total=len(queue.slots), desc="sweep", unit="trial", disable=None) as bar:
        while True:
            queue.bury()
            queue.fill()
            claim = queue.claim()
            if claim is not None:
                # A seed of its own for every place, or all workers would draw the same points, and a restarted one too.
                queue.study.sampler = make_sampler(sampler, claim.slot.seed + claim.slot.index)
                _run(queue, claim, build, axes, metric)
            done = [trial for trial in queue.trials().values() if trial.state.is_finished()]
            bar.update(len(done) - bar.n)
            if len(done) == len(queue.slots):
                return
            if claim is None:
                running = [trial for trial in queue.trials().values() if trial.state == TrialState.RUNNING]
                hosts = {str(trial.user_attrs.get("host")) for trial in running}
                bar.set_postfix_str(f"waiting for {len(running)} on {', '.join(sorted(hosts))}")
                time.sleep(WAIT_SECONDS)


def _run(queue: TrialQueue, claim: Claim, build: Build, axes: dict[str, list[Any]], metric: str) -> None:
    trial, pruned = claim.trial, False
    try:
        point = _point(trial, claim.slot, axes)

        def report(step: int, value: float) -> bool:
            trial.report(value, step)
            return bool(trial.should_prune())

        with _quiet():
            outcome = run_trial(build, point, claim.slot.seed, metric, report)
        pruned = outcome.pruned
    except BaseException as error:
        queue.finish(claim, TrialState.FAIL, error=f"{type(error).__name__}: {error}")
        raise
    worst = math.inf if trial.study.direction == optuna.study.StudyDirection.MINIMIZE else -math.inf
    queue.finish(
        claim,
        TrialState.PRUNED if pruned else TrialState.COMPLETE,
        worst if outcome.diverged else outcome.value,
        epochs=outcome.epochs,
        seconds=round(outcome.seconds, 3),
        run=outcome.run,
    )
    tqdm.write(f"{label(point)}, seed {claim.slot.seed}: {_said(outcome, metric)}", file=sys.stdout)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what Lightning says at the start and the end of every fit; warnings stay."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _point(trial: optuna.Trial, slot: Slot, axes: dict[str, list[Any]]) -> dict[str, Any]:
    """The values of this trial, told to Optuna too, so that its own tools show them."""
    if slot.point is None:
        chosen = {name: _choose(trial, name, values) for name, values in axes.items()}
    else:
        chosen = slot.point
        for name, value in chosen.items():
            if isinstance(value, float):
                trial.suggest_float(name, value, value)
            elif isinstance(value, int) and not isinstance(value, bool):
                trial.suggest_int(name, value, value)
    trial.set_user_attr("point", chosen)
    return chosen


def _choose(trial: optuna.Trial, name: str, values: list[Any]) -> Any:
    if is_lr(name) and len(values) > 1:
        return trial.suggest_float(name, min(values), max(values), log=True)
    return trial.suggest_categorical(name, values)


def _said(outcome: Outcome, metric: str) -> str:
    value = "diverged" if outcome.diverged else f"{metric} {outcome.value:.4g}"
    pruned, s = " (pruned)" if outcome.pruned else "", "" if outcome.epochs == 1 else "s"
    return f"{value}{pruned}, {outcome.epochs} epoch{s}, {outcome.seconds:.1f} s"


def _table(queue: TrialQueue, metric: str, mode: Literal["min", "max"]) -> SweepTable:
    by_point: dict[str, list[FrozenTrial]] = {}
    for trial in queue.trials().values():
        by_point.setdefault(json.dumps(trial.user_attrs["point"]), []).append(trial)
    suggestion = queue.study.user_attrs.get("suggestion")
    return SweepTable.ranked(metric, mode, [_row(trials) for trials in by_point.values()], suggestion)


def _row(trials: list[FrozenTrial]) -> Row:
    values = [trial.value if trial.value is not None and math.isfinite(trial.value) else math.nan for trial in trials]
    states: list[State] = ["pruned" if trial.state == TrialState.PRUNED else "complete" for trial in trials]
    state: State = "diverged" if any(map(math.isnan, values)) else "pruned" if "pruned" in states else "complete"
    facts = [trial.user_attrs for trial in trials]
    return Row(
        point=facts[0]["point"],
        values=values,
        state=state,
        epochs=sum(fact["epochs"] for fact in facts),
        seconds=sum(fact["seconds"] for fact in facts),
        runs=[fact["run"] for fact in facts],
    )
