"""The picture of a range test; the only file of the range test that needs matplotlib."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lr_callbacks.range_test.result import RangeTestResult

HEADROOM = 1.5
"""How far above its start the loss is shown, in units of the gain: an explosion would flatten the rest."""


def draw(result: RangeTestResult) -> Figure:
    """Loss against LR, the training loss behind it, one line for each rule.

    Raises:
        ModuleNotFoundError: If matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "plot() needs matplotlib; install the extra: pip install 'lr-callbacks[plot]'"
        ) from error
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel(f"loss ({result.judge})")
    if result.judge != "training":
        axes.plot(result.lrs, result.training_losses, color="0.75", linewidth=1, label="training batch")
    axes.plot(result.lrs, result.losses, color="C0", linewidth=2, label=result.judge)
    others = {name: lr for name, lr in result.suggestions.items() if lr is not None and name != result.rule}
    for number, (name, lr) in enumerate(others.items()):
        axes.axvline(lr, color=f"C{number + 2}", linewidth=1, linestyle=":", label=f"{name}: {lr:.1e}")
    if result.suggestion is not None:
        axes.axvline(result.suggestion, color="C1", linewidth=2, label=f"{result.rule}: {result.suggestion:.2e}")
    finite = [loss for loss in result.losses if math.isfinite(loss)]
    if finite and max(finite) > min(finite):
        low, start = min(finite), finite[0]
        margin = (start - low) or (max(finite) - low)
        axes.set_ylim(low - 0.1 * margin, min(max(finite), start + HEADROOM * margin) + 0.1 * margin)
    axes.set_title("no suggestion" if result.suggestion is None else f"maximum learning rate {result.suggestion:.2e}")
    axes.legend(fontsize="small")
    return figure
