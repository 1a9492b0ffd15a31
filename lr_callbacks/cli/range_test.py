"""`lr-callbacks range-test`: suggest a peak LR for a configuration, show why, and train nothing."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from lr_callbacks.range_test.callback import LRRangeTest
    from lr_callbacks.range_test.result import RangeTestResult

MEANINGS = {
    "blend": "weighted geometric mean of descent (4), edge (1), minimum (1)",
    "descent": "where most of the first descent is made; lower for a narrow descent",
    "edge": "where the loss has risen again by 10 % of its total drop, / 5.6",
    "steepest": "where the loss falls fastest per decade",
    "minimum": "where the loss is lowest, / 10",
    "valley": "middle of the longest descent (fastai); a good constant LR",
    "slide": "where a window sliding down from the end finds no bend (fastai)",
    "smith": "where the loss turns up",
}
"""Rule -> how it is read off the curve, for the table."""
CONFIDENCE = {
    "guess": "guess, from the sweep alone (--trials 5 measures it)",
    "low": "low: the trials disagree, or the best one is the outermost",
    "fair": "fair: training loss, validation loss and sweep do not all agree",
    "high": "high: training loss, validation loss and sweep agree",
}
"""Confidence of a result, explained."""


def range_test(
    cli: Any,
    model: Any,
    datamodule: Any = None,
    *,
    min_lr: float | None = None,
    max_lr: float | None = None,
    num_steps: int | None = None,
    rule: Literal["blend", "descent", "edge", "steepest", "minimum", "valley", "slide", "smith"] | None = None,
    judge: Literal["probe", "training", "validation"] | None = None,
    optimizer: int | None = None,
    groups: list[int | str] | int | str | None = None,
    widen: bool | None = None,
    trials: int | None = None,
    trial_steps: int | str | None = None,
    trial_limit: str | None = None,
    rules: bool = False,
) -> None:
    """Suggest a peak learning rate, and show why, without training.

    Flags override the LRRangeTest among the Trainer's callbacks, if there is one, and else its defaults.

    Args:
        cli: The command line that runs.
        model: The module to test; its weights are restored.
        datamodule: Its data.
        min_lr: First LR of the sweep (default 1e-7).
        max_lr: Last LR of the sweep (default 10).
        num_steps: Optimizer steps of the sweep (default 100).
        rule: How the LR is read off the curve (default blend).
        judge: Loss to judge by: of fixed training batches (probe, the default), of each training batch (training), or
            of validation batches (validation).
        optimizer: Index of the optimizer to sweep, counted from 0; required if there are several.
        groups: Parameter groups to sweep (index, name, pattern or a list); the others keep their LR.
        widen: Whether the range may be extended once if it turns out too narrow (default true).
        trials: Maximum number of short trainings after the sweep, at LRs around its suggestion (default 0; 5 is usual).
            They cost what is logged beforehand, and give a better suggestion and a measured interval.
        trial_steps: Length of a trial, in steps, epochs or % of the fit (default 10%; at least 50 steps).
        trial_limit: Time limit for all trials, such as "10 min".
        rules: Show the LR of every rule, in the table and in the picture.
    """
    from lr_callbacks.core.lightning_names import SaveConfigCallback, is_a
    from lr_callbacks.extras import require_extra
    from lr_callbacks.range_test.call import lr_range_test
    from lr_callbacks.range_test.log import log_result

    require_extra("plot", "matplotlib", what="The picture of the range test")
    trainer = cli.trainer
    asked: dict[str, Any] = {"min_lr": min_lr, "max_lr": max_lr, "num_steps": num_steps, "rule": rule, "judge": judge}
    asked |= {"widen": widen, "trials": trials, "trial_steps": trial_steps, "trial_limit": trial_limit}
    changes = {name: value for name, value in asked.items() if value is not None}
    test = asked_for(trainer.callbacks, optimizer, changes, groups)
    result = lr_range_test(trainer, model, datamodule, test=test, verbose=False)
    folder = Path(trainer.log_dir)  # every rank asks: it is broadcast
    for callback in trainer.callbacks:
        if is_a(callback, SaveConfigCallback):
            callback.setup(trainer, model, "fit")
    if not trainer.is_global_zero:
        return
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"range_test{suffix}" for suffix in (".png", ".csv", ".json")]
    result.plot(files[0], rules=rules)
    result.to_csv(files[1])
    result.to_json(files[2])
    log_result(trainer, result)
    for logger in trainer.loggers:
        logger.finalize("success")
    lines = [*report(result, rules=rules), "", *where(files, boards(trainer.loggers))]
    sys.stdout.write("\n".join(["", *lines, ""]))


def asked_for(
    callbacks: Sequence[Any], optimizer: int | None, changes: dict[str, Any], groups: Any = None
) -> LRRangeTest:
    """The test that a configuration names, or a default one, with what the flags change.

    Args:
        callbacks: The Trainer's.
        optimizer: Index of the optimizer to sweep, None for the one that the configured test sweeps.
        changes: Arguments of the test that are given as flags.
        groups: Groups to sweep, None for those that the configured test sweeps.

    Raises:
        ValueError: If several tests are configured and it is not said which.

    Example:
        >>> from lr_callbacks import LRRangeTest
        >>> asked_for([LRRangeTest(num_steps=50, rule="edge")], None, {"num_steps": 200})
        LRRangeTest(num_steps=200, rule='edge')
    """
    from lr_callbacks.range_test.callback import LRRangeTest

    tests = [callback for callback in callbacks if isinstance(callback, LRRangeTest)]
    if len(tests) > 1:
        tests = [test for test in tests if test.optimizer == optimizer and test.groups == groups]
        if len(tests) != 1:
            raise ValueError(
                "Several LRRangeTest are configured, and this command runs one: select it by its --optimizer (counted"
                " from 0) and its --groups."
            )
    given = tests[0].arguments() if tests else {}
    which = {"optimizer": optimizer, "groups": groups}
    return LRRangeTest(**{**given, **{name: value for name, value in which.items() if value is not None}, **changes})


# ---------------------------------------------------------------------- what is shown
def report(result: RangeTestResult, *, rules: bool = False) -> list[str]:
    """Verdict, interval, trials and, if asked for, the LR of every rule, as wide as the terminal.

    Example:
        >>> from lr_callbacks import RangeTestResult
        >>> found = {"descent": 0.3, "smith": None}
        >>> result = RangeTestResult([0.1, 1.0], [2.0, 1.0], [2.0, 1.0], 0.3, found, "Suggested peak LR.", "descent")
        >>> for line in report(result, rules=True):
        ...     print(line)
        Suggested peak LR.
        <BLANKLINE>
           Rule      LR        How it is read off the curve
         * descent   3.00e-01  where most of the first descent is made; lower for a narrow descent
           smith     none      where the loss turns up
    """
    width = min(shutil.get_terminal_size((100, 24)).columns, 100)
    lines = [line for text in str(result).splitlines() for line in textwrap.wrap(text, width)]
    if result.interval is not None and result.suggestion is not None:
        low, high = result.interval
        lines += ["", f"   Peak LR         {result.suggestion:.1e}", f"   Interval        {low:.1e} to {high:.1e}"]
        lines += [f"   Constant LR     {result.constant_lr:.1e}", f"   Confidence      {CONFIDENCE[result.confidence]}"]
    if result.trials:
        lines += ["", "   Trial LR   Training loss   Validation loss"]
        for trial in sorted(result.trials, key=lambda trial: trial.lr):
            lines.append(f"   {trial.lr:.2e}   {_loss(trial.loss):<13}   {_loss(trial.validation_loss)}")
    if rules:
        lines += ["", "   Rule      LR        How it is read off the curve"]
        for rule, lr in result.suggestions.items():
            mark = "*" if rule == result.rule and result.suggestion is not None else " "
            value = "none" if lr is None else f"{lr:.2e}"
            lines.append(f" {mark} {rule:<8}  {value:<8}  {MEANINGS[rule]}{bounds(lr) if rule == 'smith' else ''}")
    return lines


def _loss(loss: float | None) -> str:
    if loss is None:
        return "none"
    return f"{loss:.4g}" if math.isfinite(loss) else "diverged"


def bounds(lr: float | None) -> str:
    """What Smith derives from the LR at the turn.

    Example:
        >>> bounds(1.0)
        '; base_lr 2.5e-01, one-cycle start 4.0e-02 to 1.0e-01'
    """
    from lr_callbacks.range_test.rules import smith_bounds

    if lr is None:
        return ""
    base, low, high = smith_bounds(lr).values()
    return f"; base_lr {base:.1e}, one-cycle start {low:.1e} to {high:.1e}"


def where(files: Sequence[Path], board: str | None) -> list[str]:
    """The files, and how to look at the curve."""
    lines = [f"{name:<12}{file}" for name, file in zip(("Picture", "Table", "Result"), files, strict=True)]
    return lines if board is None else [*lines, f"Curve       tensorboard --logdir {quote(board)}"]


def boards(loggers: Sequence[Any]) -> str | None:
    """The folder for TensorBoard, None where the Trainer does not log there."""
    from lr_callbacks.core.lightning_names import TensorBoardLogger, is_a

    return next((str(logger.save_dir) for logger in loggers if is_a(logger, TensorBoardLogger)), None)
