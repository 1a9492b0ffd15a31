"""`lr-callbacks range-test`: find the maximum LR of a configuration, show why, and train nothing."""

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
    "blend": "mean of descent (4 parts), edge and minimum (1 each)",
    "descent": "most of the first descent is made; less the narrower it is",
    "edge": "a tenth of the gain is lost again, divided by 5.6",
    "steepest": "the loss falls fastest",
    "minimum": "the loss is lowest, divided by 10",
    "valley": "middle of the longest descent (fastai): a good constant LR",
    "slide": "a window from the right finds no bend any more (fastai)",
    "smith": "the loss turns up",
}
"""Rule -> where on the curve it reads its LR, for the table."""
SURE = {
    "guess": "a guess, from the sweep alone (--trials 5 would measure it)",
    "low": "not very: the trials disagree, or the best is the outermost",
    "fair": "fairly: the trials' two losses, or they and the sweep, disagree",
    "high": "quite: the trials' losses and the sweep agree",
}
"""Confidence of a result, in words."""


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
    widen: bool | None = None,
    trials: int | None = None,
    trial_steps: int | str | None = None,
    trial_limit: str | None = None,
    rules: bool = False,
) -> None:
    """Find the largest learning rate that trains, and show why, without training.

    A flag that is left out is as in the LRRangeTest among the Trainer's callbacks; without one, it has its default.

    Args:
        cli: The command line that runs.
        model: The module to test; its weights are afterwards as before.
        datamodule: Its data.
        min_lr: Begin the sweep at this LR (default 1e-7).
        max_lr: End the sweep at this LR (default 10).
        num_steps: Take this many optimizer steps (default 100).
        rule: Read the LR off the curve by this rule (default blend).
        judge: Judge by the loss of fixed training batches (probe, the default), of each training batch (training), or
            of the validation batches (validation).
        optimizer: Sweep the optimizer with this index, counted from 0; needed where there are several.
        widen: Whether the range may be widened once where it turns out too narrow (default true).
        trials: After the sweep, train for a short while with up to so many LRs around its answer (default 0: none; 5 is
            usual). It costs what it says beforehand, and the answer is better, with an interval that is measured.
        trial_steps: Make each trial so long, in steps, epochs or % of the fit (default 10%; at least 50 steps).
        trial_limit: Begin and continue no trial after this time, such as "10 min".
        rules: Show what every rule reads off the sweep.
    """
    from lr_callbacks.core.lightning_names import SaveConfigCallback, is_a
    from lr_callbacks.extras import require_extra
    from lr_callbacks.range_test.call import lr_range_test
    from lr_callbacks.range_test.log import log_result

    require_extra("plot", "matplotlib", what="The picture of the range test")
    trainer = cli.trainer
    asked: dict[str, Any] = {"min_lr": min_lr, "max_lr": max_lr, "num_steps": num_steps, "rule": rule, "judge": judge}
    asked |= {"widen": widen, "trials": trials, "trial_steps": trial_steps, "trial_limit": trial_limit}
    test = asked_for(trainer.callbacks, optimizer, {name: value for name, value in asked.items() if value is not None})
    result = lr_range_test(trainer, model, datamodule, test=test, verbose=False)
    folder = Path(trainer.log_dir)  # every rank asks: it is broadcast
    for callback in trainer.callbacks:
        if is_a(callback, SaveConfigCallback):
            callback.setup(trainer, model, "fit")
    if not trainer.is_global_zero:
        return
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"range_test{suffix}" for suffix in (".png", ".csv", ".json")]
    for write, file in zip((result.plot, result.to_csv, result.to_json), files, strict=True):
        write(file)
    log_result(trainer, result)
    for logger in trainer.loggers:
        logger.finalize("success")
    lines = [*report(result, rules=rules), "", *where(files, boards(trainer.loggers))]
    sys.stdout.write("\n".join(["", *lines, ""]))


def asked_for(callbacks: Sequence[Any], optimizer: int | None, changes: dict[str, Any]) -> LRRangeTest:
    """The test that a configuration names, or a default one, with what the flags change.

    Args:
        callbacks: The Trainer's.
        optimizer: Index of the optimizer to sweep, None for the one that the configured test sweeps.
        changes: Arguments of the test that are given as flags.

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
        tests = [test for test in tests if test.optimizer == optimizer]
        if len(tests) != 1:
            raise ValueError(
                "Several LRRangeTest are configured and one is run at a time: say which by --optimizer=0 (counted from"
                " 0), the optimizer= of one of them"
            )
    given = tests[0].arguments() if tests else {}
    return LRRangeTest(**{**given, **({} if optimizer is None else {"optimizer": optimizer}), **changes})


# ---------------------------------------------------------------------- what is shown
def report(result: RangeTestResult, *, rules: bool = False) -> list[str]:
    """Verdict, interval, trials and, if asked for, what every rule says, as wide as the terminal.

    Example:
        >>> from lr_callbacks import RangeTestResult
        >>> found = {"descent": 0.3, "smith": None}
        >>> result = RangeTestResult([0.1, 1.0], [2.0, 1.0], [2.0, 1.0], 0.3, found, "Maximum LR 3.0e-01.", "descent")
        >>> for line in report(result, rules=True):
        ...     print(line)
        Maximum LR 3.0e-01.
        <BLANKLINE>
           Rule      LR        The LR at which
         * descent   3.00e-01  most of the first descent is made; less the narrower it is
           smith     none      the loss turns up
    """
    width = min(shutil.get_terminal_size((100, 24)).columns, 100)
    lines = [line for text in (result.verdict, *result.notes) for line in textwrap.wrap(text, width)]
    if result.interval is not None and result.suggestion is not None:
        low, high = result.interval
        lines += ["", f"   Peak LR         {result.suggestion:.2e}", f"   Good range      {low:.1e} to {high:.1e}"]
        lines += [f"   Constant LR     {result.constant_lr:.1e}", f"   How sure        {SURE[result.confidence]}"]
    if result.trials:
        lines += ["", "   Trial LR   Training loss   Validation loss"]
        for trial in sorted(result.trials, key=lambda trial: trial.lr):
            lines.append(f"   {trial.lr:.2e}   {_loss(trial.loss):<13}   {_loss(trial.validation_loss)}")
    if rules:
        lines += ["", "   Rule      LR        The LR at which"]
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
        '; base LR 2.50e-01, one-cycle starts at 4.00e-02 to 1.00e-01'
    """
    from lr_callbacks.range_test.rules import smith_bounds

    if lr is None:
        return ""
    base, low, high = smith_bounds(lr).values()
    return f"; base LR {base:.2e}, one-cycle starts at {low:.2e} to {high:.2e}"


def where(files: Sequence[Path], board: str | None) -> list[str]:
    """The files, and how to look at the curve."""
    lines = [f"{name:<12}{file}" for name, file in zip(("Picture", "Table", "Result"), files, strict=True)]
    return lines if board is None else [*lines, f"Curve       tensorboard --logdir {quote(board)}"]


def boards(loggers: Sequence[Any]) -> str | None:
    """The folder for TensorBoard, None where the Trainer does not log there."""
    from lr_callbacks.core.lightning_names import TensorBoardLogger, is_a

    return next((str(logger.save_dir) for logger in loggers if is_a(logger, TensorBoardLogger)), None)
