"""Nobody else may set the LRs that LR callbacks set: who tries is refused before the first step, with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import StochasticWeightAveraging
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.lightning_internals import schedulers_on

if TYPE_CHECKING:
    from lr_callbacks.callbacks.base import LRCallback
    from lr_callbacks.core.driver import Driver


def refuse_other_masters(trainer: Trainer, drivers: Sequence[Driver]) -> None:
    """Refuse native schedulers, weight averaging with its own LR, strategies that step elsewhere, and rivals among us.

    Raises:
        MisconfigurationException: Naming both masters and the way out.
    """
    strategy = type(trainer.strategy).__name__
    if "DeepSpeed" in strategy:
        raise MisconfigurationException(
            f"{strategy} steps the optimizer inside its own engine, where steps cannot be counted, so LR callbacks"
            " would leave the LR frozen. Use another strategy (DDP, FSDP), or DeepSpeed's own scheduler instead."
        )
    for driver in drivers:
        ours = ", ".join(type(callback).__name__ for callback in driver.callbacks)
        native = [c.scheduler for c in trainer.lr_scheduler_configs if c.scheduler.optimizer is driver.optimizer]
        for scheduler in native or schedulers_on(driver.optimizer):
            came = "was returned by configure_optimizers" if native else "was built on it and is still alive"
            name = type(scheduler).__name__
            raise MisconfigurationException(
                f"Two masters for the LR of {driver.name}: {name}, which {came}, and {ours}. Remove {name} there and"
                f" write TorchScheduler(torch.optim.lr_scheduler.{name}, ...) among the Trainer's callbacks, or remove"
                f" {ours}."
            )
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, StochasticWeightAveraging):
                raise MisconfigurationException(
                    f"Two masters for the LR of {driver.name}: StochasticWeightAveraging anneals it to its own swa_lrs,"
                    f" and {ours}. Use lightning's WeightAveraging, which leaves the LR alone, or remove {ours}."
                )


def refuse_rivals(driver: Driver) -> None:
    """Refuse two of our callbacks on one group where only one makes sense.

    Raises:
        MisconfigurationException: If two anneal to the end of the run, or two move the momentum.
    """
    for lane in driver.lanes:
        _at_most_one(
            driver, lane.groups, [c for c in lane.callbacks if c.anneals_to_end], "anneals to the end of the run"
        )
        movers = [c for c, s in zip(lane.callbacks, lane.segments, strict=True) if s.momentum is not None]
        if any(pg.get_momentum(driver.optimizer.param_groups[number]) is not None for number in lane.groups):
            _at_most_one(driver, lane.groups, movers, "cycles the momentum (cycle_momentum=False turns that off)")


def _at_most_one(driver: Driver, groups: Sequence[int], callbacks: Sequence[LRCallback], does: str) -> None:
    if len(callbacks) > 1:
        which = "group " + ", ".join(str(number) for number in groups)
        raise MisconfigurationException(
            f"Two masters for {which} of {driver.name}: {callbacks[0]!r} and {callbacks[1]!r}; each of them {does}."
            " Remove one, or give them different groups= or optimizer=."
        )
