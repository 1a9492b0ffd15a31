"""`lr-callbacks sweep`: find the best learning rate of a grid by full trainings."""

from typing import Any, Literal

FLAGS: dict[str, dict[str, Any]] = {
    "lr": {"nargs": "+", "type": float, "default": None, "help": "Learning rates to try: --lr 0.001 0.01 0.1."},
    "grid": {
        "nargs": "+",
        "action": "append",
        "default": None,
        "metavar": ("ENTRY", "VALUE"),
        "help": "Another axis: an entry of the configuration and its values, --grid model.width 32 64. Repeatable.",
    },
    "with-range-test": {"action": "store_true", "help": "Run the LR range test and mark its suggestion."},
    "take-over": {
        "action": "store_true",
        "help": "Repeat at once the trainings that other workers seem to be running, instead of 30 seconds after their "
        "last heartbeat. Only for when all of them are dead.",
    },
}
"""Flags that take several words or none, which no signature can express."""


def sweep(
    cli: Any,
    model: Any,
    datamodule: Any = None,
    *,
    lr: list[float] | None = None,
    grid: list[list[Any]] | None = None,
    lr_low: float | None = None,
    lr_high: float | None = None,
    lr_per_decade: int = 3,
    lr_key: str | None = None,
    schedules: dict[str, Any] | None = None,
    metric: str = "val_loss",
    mode: Literal["min", "max"] = "min",
    seeds: int = 1,
    workers: int = 1,
    storage: str | None = None,
    sampler: Literal["grid", "tpe", "random", "gp"] = "grid",
    trials: int | None = None,
    pruner: Literal["median", "successive_halving", "hyperband"] | None = None,
    max_deaths: int = 3,
    take_over: bool = False,
    with_range_test: bool = False,
) -> None:
    """Train at each learning rate of a grid and rank them.

    Args:
        cli: The running command line.
        model: Unused; each trial makes its own.
        datamodule: Unused.
        lr: Learning rates (LRs) to try.
        grid: Other axes, each an entry of the configuration and its values.
        lr_low: Lowest LR of a range, instead of --lr.
        lr_high: Highest LR of the range.
        lr_per_decade: LRs per decade in the range.
        lr_key: Entry of the configuration that holds the LR. Default: model.optimizer.lr, model.lr or
            model.learning_rate.
        schedules: Schedules to try with every LR, as name: [list of callbacks].
        metric: Logged metric to rank by; the value after the last epoch counts.
        mode: Whether lower (min) or higher (max) values are better.
        seeds: Trainings per point (seeds seed_everything, seed_everything + 1, ...).
        workers: Processes on this machine that share the work; 0 joins a sweep without printing the result. The same
            command in another terminal joins too; started again, it continues.
        storage: URL of a database server that many machines share, or path of an SQLite file. Default: study.db in the
            folder of the run. On a server the study has the name of the run.
        sampler: How points are chosen, by the grid or by a sampler of Optuna.
        trials: Number of trials (tpe, random, gp only).
        pruner: Stop hopeless trials early: median, successive_halving or hyperband, of Optuna. A point pruned for one
            seed is not trained for the others.
        max_deaths: Give a point up after this many crashes or out-of-memory errors.
        take_over: Repeat at once the trainings that other workers seem to be running; only if all of them are dead.
        with_range_test: Run the LR range test and mark its suggestion.
    """
    from lr_callbacks.extras import require_extra

    require_extra("sweep", "optuna", "matplotlib", what="lr-callbacks sweep")
    from lr_callbacks.cli.sweep_run import SweepRun, companions
    from lr_callbacks.sweep import grid_search
    from lr_callbacks.sweep.axes import check_grid, check_seeds, lr_range
    from lr_callbacks.sweep.search import slots_of

    if lr_low is not None or lr_high is not None:
        if lr is not None or lr_low is None or lr_high is None:
            raise ValueError(
                f"LRs must be given either as --lr or as --lr_low and --lr_high, got lr {lr}, lr_low {lr_low}, "
                f"lr_high {lr_high}"
            )
        lr = lr_range(lr_low, lr_high, lr_per_decade)
    if workers < 0:
        raise ValueError(f"workers must be at least 0, got {workers}")
    run = SweepRun(cli, lr=lr, lr_key=lr_key, grid=grid, schedules=schedules)
    seeds_of_points = [run.seed + offset for offset in check_seeds(seeds)]
    trainings = len(slots_of(check_grid(run.axes), seeds_of_points, sampler, trials))
    if workers > trainings:
        raise ValueError(f"workers must be at most {trainings}, one for each training of this sweep, got {workers}")
    with companions(cli.command_line, workers - 1):
        table = grid_search(
            run.build,
            run.axes,
            metric=metric,
            mode=mode,
            seeds=seeds_of_points,
            folder=run.folder,
            storage=storage,
            sampler=sampler,
            trials=trials,
            pruner=pruner,
            max_deaths=max_deaths,
            take_over=take_over and workers > 0,
            settings=run.settings,
            suggest=run.range_test if with_range_test and workers else None,
        )
    if workers:
        run.report(table)
