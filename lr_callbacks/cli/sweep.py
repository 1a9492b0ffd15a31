"""`lr-callbacks sweep`: which learning rate is best here, by measurement."""

from typing import Any, Literal

FLAGS: dict[str, dict[str, Any]] = {
    "lr": {"nargs": "+", "type": float, "default": None, "help": "Try these learning rates: --lr 0.001 0.01 0.1."},
    "grid": {
        "nargs": "+",
        "action": "append",
        "default": None,
        "metavar": ("ENTRY", "VALUE"),
        "help": "Another axis, an entry of the configuration and its values: --grid model.width 32 64; also repeated.",
    },
    "with-range-test": {"action": "store_true", "help": "Mark the suggestion of the LR range test in the picture."},
    "take-over": {
        "action": "store_true",
        "help": "Repeat at once what other machines seem to be running; for when one of them died and none runs. "
        "Needed only where they share a database and no folder, or to wait no minute for them.",
    },
    "refit": {
        "action": "store_true",
        "help": "At the end, train with the best values on training and validation data together.",
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
    storage: str | None = None,
    sampler: str = "grid",
    trials: int | None = None,
    pruner: str | None = None,
    max_deaths: int = 3,
    take_over: bool = False,
    with_range_test: bool = False,
    refit: bool = False,
) -> None:
    """Train at each learning rate of a grid and rank them.

    Args:
        cli: The running command line.
        model: Only shows that the configuration is sound; each trial makes its own.
        datamodule: Likewise.
        lr: Try these learning rates (LRs).
        grid: Other axes, each an entry of the configuration and its values.
        lr_low: Instead of --lr, try a range of LRs from this one.
        lr_high: Try LRs up to this one.
        lr_per_decade: Try so many LRs per factor of 10 in the range.
        lr_key: Write the LR to this entry of the configuration. Default: model.optimizer.lr, model.lr or
            model.learning_rate.
        schedules: Try every LR under each of these, given as name: [list of callbacks].
        metric: Rank by this metric, as the module logs it; the value after the last epoch counts.
        mode: Take less of it for better (min), or more (max).
        seeds: Train each point so many times, with seed_everything, seed_everything + 1 and so on.
        storage: Keep the study here: the path of an Optuna journal file or a database URL. Default: a journal file in
            the folder of the run. The same command, started again, joins in or goes on. In a database the study has
            the name of the run.
        sampler: grid, or one of Optuna's: tpe, random, gp.
        trials: Let such a sampler try so many points.
        pruner: Stop hopeless trials early: median, successive_halving or hyperband. A point that was stopped under one
            seed is not trained under those that are left.
        max_deaths: A point whose process was killed, or was out of memory, so many times is given up; a larger number
            tries it again, 1 gives it up at once.
        take_over: Repeat at once what other machines seem to be running; for when one of them died and none runs.
        with_range_test: Mark the suggestion of the LR range test in the picture.
        refit: At the end, train with the best values on training and validation data together.
    """
    from lr_callbacks.extras import require_extra

    require_extra("sweep", "optuna", "matplotlib", what="lr-callbacks sweep")
    from lr_callbacks.cli.sweep_run import SweepRun
    from lr_callbacks.sweep import grid_search
    from lr_callbacks.sweep.axes import check_seeds, lr_range

    if lr_low is not None or lr_high is not None:
        if lr is not None or lr_low is None or lr_high is None:
            raise ValueError(
                f"LRs must be given as --lr or as --lr_low with --lr_high, got lr {lr}, lr_low {lr_low}, "
                f"lr_high {lr_high}; leave the others out"
            )
        lr = lr_range(lr_low, lr_high, lr_per_decade)
    offsets = check_seeds(seeds)
    run = SweepRun(cli, lr=lr, lr_key=lr_key, grid=grid, schedules=schedules)
    if refit:
        run.check_refit()
    table = grid_search(
        run.build,
        run.axes,
        metric=metric,
        mode=mode,
        seeds=[run.seed + offset for offset in offsets],
        folder=run.folder,
        storage=storage,
        sampler=sampler,
        trials=trials,
        pruner=pruner,
        max_deaths=max_deaths,
        take_over=take_over,
        settings=run.settings,
        suggest=run.range_test if with_range_test else None,
    )
    run.report(table)
    if refit:
        run.refit(table)
