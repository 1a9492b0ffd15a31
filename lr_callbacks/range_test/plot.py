"""The picture of a range test; the only file of the range test that needs matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from lr_callbacks.extras import require_extra
from lr_callbacks.range_test.settle import Trial

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
    interval: tuple[float, float] | None = None,
    trials: Sequence[Trial] = (),
) -> Figure:
    """Loss against LR, the training loss behind it, a line at the suggestion, a mark on the curve for each other rule.

    The interval is shaded. With trials, their final losses are drawn over the same axis, and the other rules are left
    out. The arguments are the fields of a `RangeTestResult`.

    Raises:
        ModuleNotFoundError: If matplotlib is missing; the message names the extra.
    """
    require_extra("plot", "matplotlib", what="The picture of a range test")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), dpi=120, layout="constrained")
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
    if interval is not None and suggestion is not None:
        axes.axvspan(*interval, color="C1", alpha=0.12, linewidth=0, label="interval")
    if trials:
        _draw_trials(axes, trials)
    for number, (name, lr) in enumerate(({} if trials else suggestions).items()):
        if lr is not None and not (name == rule and suggestion is not None):
            [mark] = axes.plot(lr, loss_at(lrs, losses, lr), MARKERS[number % len(MARKERS)], label=f"{name}: {lr:.2e}")
            mark.set(color=f"C{number + 2}", markersize=9, markeredgecolor="white")
    finite = [loss for loss in losses if math.isfinite(loss)]
    ends = [loss for trial in trials for loss in (trial.loss, trial.validation_loss) if _is_finite(loss)]
    if finite and max(finite) > min(finite):
        low, start = min([*finite, *ends]), finite[0]
        margin = (start - low) or (max(finite) - low)
        axes.set_ylim(low - 0.1 * margin, min(max(finite), start + HEADROOM * margin) + 0.1 * margin)
    axes.set_title("no suggestion" if suggestion is None else f"suggested peak learning rate {suggestion:.1e}")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    return figure


def _draw_trials(axes: Any, trials: Sequence[Trial]) -> None:
    """Final losses of the trials against their peak LR; a cross at the bottom for one that diverged."""
    made = sorted((trial for trial in trials if not trial.diverged), key=lambda trial: trial.lr)
    lrs = [trial.lr for trial in made]
    axes.plot(lrs, [trial.loss for trial in made], "o-", color="C2", markersize=8, label="trials: training samples")
    validated = [(trial.lr, trial.validation_loss) for trial in made if trial.validation_loss is not None]
    if validated:
        axes.plot(*zip(*validated, strict=True), "s--", color="C3", markersize=7, label="trials: validation")
    diverged = [trial.lr for trial in trials if trial.diverged]
    if diverged:
        where = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(diverged, [0.02] * len(diverged), "x", color="C3", markersize=10, label="trials: diverged", **where)


def _is_finite(loss: float | None) -> TypeGuard[float]:
    return loss is not None and math.isfinite(loss)


def loss_at(lrs: Sequence[float], losses: Sequence[float], lr: float) -> float:
    """The loss of the recorded step that is nearest to an LR, in log LR."""
    return min(zip(lrs, losses, strict=True), key=lambda point: abs(math.log(point[0] / lr)))[1]
