"""The picture of a range test; the only file of the range test that needs matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lr_callbacks.extras import require_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADROOM = 1.5
"""How far above its start the loss is shown, in units of the gain: an explosion would flatten the rest."""

JUDGED = {"probe": "fixed probe batches", "training": "training batches", "validation": "validation batches"}
MARKERS = "osD^vP"


def draw(
    lrs: Sequence[float],
    losses: Sequence[float],
    training_losses: Sequence[float],
    *,
    suggestion: float | None,
    suggestions: dict[str, float | None],
    rule: str,
    judge: str,
) -> Figure:
    """Loss against LR, the training loss behind it, a line at the suggestion, a mark on the curve for each other rule.

    The arguments are the fields of a `RangeTestResult`.

    Raises:
        ModuleNotFoundError: If matplotlib is missing; the message names the extra.
    """
    require_extra("plot", "matplotlib", what="The picture of a range test")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    if judge != "training":
        axes.plot(lrs, training_losses, color="0.75", linewidth=1, label=JUDGED["training"])
    axes.plot(lrs, losses, color="C0", linewidth=2, label=JUDGED[judge])
    if suggestion is not None:
        label = f"{rule}: {suggestion:.2e}"
        axes.axvline(suggestion, color="C1", linewidth=2, zorder=1, label=label)
    for number, (name, lr) in enumerate(suggestions.items()):
        if lr is not None and not (name == rule and suggestion is not None):
            [mark] = axes.plot(lr, loss_at(lrs, losses, lr), MARKERS[number % len(MARKERS)], label=f"{name}: {lr:.2e}")
            mark.set(color=f"C{number + 2}", markersize=9, markeredgecolor="white")
    finite = [loss for loss in losses if math.isfinite(loss)]
    if finite and max(finite) > min(finite):
        low, start = min(finite), finite[0]
        margin = (start - low) or (max(finite) - low)
        axes.set_ylim(low - 0.1 * margin, min(max(finite), start + HEADROOM * margin) + 0.1 * margin)
    axes.set_title("no suggestion" if suggestion is None else f"maximum learning rate {suggestion:.2e}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def loss_at(lrs: Sequence[float], losses: Sequence[float], lr: float) -> float:
    """The loss of the recorded step that is nearest to an LR, in log LR."""
    return min(zip(lrs, losses, strict=True), key=lambda point: abs(math.log(point[0] / lr)))[1]
