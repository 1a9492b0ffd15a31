"""`lr-callbacks sweep`: train at each learning rate of a grid and rank them."""

from typing import Any, Literal

FLAGS: dict[str, dict[str, Any]] = {
    "lr": {"nargs": "+", "type": float, "default": None, "help": "Try these learning rates: --lr 0.001 0.01 0.1."},
    "grid": {
        "nargs": "+",
        "action": "append",
        "default": None,
        "metavar": ("ENTRY", "VALUE"),
        "help": "Another axis, an entry of the configuration and its values: --grid model.width 32 64. Repeatable.",
    },
    "with-range-test": {"action": "store_true", "help": "Mark the suggestion of the LR range test in the picture."},
    "take-over": {
        "action": "store_true",
        "help": "Repeat at once the trials that other workers seem to be running. Only if no other worker is alive; "
        "without this flag a trial is repeated 30 seconds after the last heartbeat of its worker.",
    },
}
"""Flags that take several words or none, which a signature cannot express."""


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
        model: Not used; each trial builds its own.
        datamodule: Likewise.
        lr: Try these learning rates (LRs).
        grid: Other axes, each an entry of the configuration and its values.
        lr_low: Instead of --lr: smallest LR of a range.
        lr_high: Largest LR of the range.
        lr_per_decade: LRs per factor of 10 in the range.
        lr_key: Entry of the configuration that holds the LR. Default: model.optimizer.lr, model.lr or
            model.learning_rate.
        schedules: Schedules to try with every LR, as name: [list of callbacks].
        metric: Rank by this metric, as the module logs it; the value after the last epoch counts.
        mode: Whether a lower (min) or a higher (max) value is better.
        seeds: Trainings per point, with the seeds seed_everything, seed_everything + 1 and so on.
        workers: Number of processes on this machine. The same command in another terminal joins the sweep (0: without
            writing table and picture); after an interruption it continues the sweep.
        storage: Where Optuna keeps the study: URL of a database server that several machines share, or path of an
            SQLite file. Default: study.db in the folder of the run. On a server the study has the name of the run.
        sampler: Choose the points by the grid, or by one of Optuna's samplers.
        trials: Number of points (tpe, random, gp only).
        pruner: Optuna pruner that stops hopeless trials early. A point that was stopped under one seed is not trained
            under the remaining seeds.
        max_deaths: Give a point up after this many crashes or out-of-memory errors.
        take_over: Repeat at once the trials that other workers seem to be running; only if no other worker is alive.
        with_range_test: Mark the suggestion of the LR range test in the picture.
    """
    from lr_callbacks.extras import require_extra

    require_extra("sweep", "optuna", "matplotlib", what="lr-callbacks sweep")
    from lr_callbacks.cli.sweep_run import SweepRun, companions
    from lr_callbacks.sweep import grid_search
    from lr_callbacks.sweep.axes import check_seeds, lr_range

    if lr_low is not None or lr_high is not None:
        if lr is not None or lr_low is None or lr_high is None:
            raise ValueError(
                f"LRs must be given either as --lr or as --lr_low with --lr_high, got lr {lr}, lr_low {lr_low}, "
                f"lr_high {lr_high}"
            )
        lr = lr_range(lr_low, lr_high, lr_per_decade)
    if workers < 0:
        raise ValueError(f"workers must be at least 0, got {workers}; write 4 for four processes")
    run = SweepRun(cli, lr=lr, lr_key=lr_key, grid=grid, schedules=schedules)
    seeds_of_points = [run.seed + offset for offset in check_seeds(seeds)]
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
