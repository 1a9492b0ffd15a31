"""Schedulers that configure_optimizers has returned: taken out of a run, so that LR callbacks may replace them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR, ReduceLROnPlateau

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import is_finite
from lr_callbacks.core.lightning_names import MisconfigurationException, Trainer
from lr_callbacks.core.optimizer_hooks import forget_scheduler
from lr_callbacks.core.replacement_lines import scheduler_in_words

CYCLE_KEYS = ("max_lr", "min_lr", "max_momentum", "base_momentum")
"""What torch's `OneCycleLR` and `CyclicLR` add to the groups; the values that they overwrite are kept nowhere else."""


class TakenOut:
    """Holds the place of a scheduler that was taken out of a run.

    A module may still read and step it; it never touches the optimizer. A checkpoint keeps the state that the
    scheduler had at the start, and does not change it.

    Args:
        scheduler: The scheduler that it replaces.
    """

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.optimizer: Optimizer = scheduler.optimizer
        self.in_words = scheduler_in_words(scheduler)
        self.configured_momenta: list[float | None] = []

    def step(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    step_update = step

    def get_last_lr(self) -> list[float]:
        """The LRs that the groups have."""
        return [pg.get_lr(group) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The state of the scheduler, which stays as it was."""
        state: dict[str, Any] = self.scheduler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Leave a state where it is."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "scheduler" not in vars(self):
            raise AttributeError(name)
        return getattr(self.scheduler, name)


def native_configs(trainer: Trainer, *optimizers: Optimizer) -> list[Any]:
    """The configurations of all schedulers of an optimizer, or of a wrapper around it, that Lightning steps."""
    return [
        config
        for config in trainer.lr_scheduler_configs
        if not isinstance(config.scheduler, TakenOut)
        and any(getattr(config.scheduler, "optimizer", None) is optimizer for optimizer in optimizers)
    ]


def taken_out(trainer: Trainer, optimizer: Optimizer) -> list[TakenOut]:
    """The schedulers of an optimizer that were taken out of the run."""
    schedulers: list[Any] = [config.scheduler for config in trainer.lr_scheduler_configs]
    return [each for each in schedulers if isinstance(each, TakenOut) and each.optimizer is optimizer]


def take_out(trainer: Trainer, index: int, lr: float | Sequence[float] | None, who: str) -> None:
    """Take the schedulers of an optimizer out of the run, and give it back what was configured before they were built.

    Args:
        trainer: The trainer, in ``on_fit_start``.
        index: The place of the optimizer.
        lr: The LR of each group, where a scheduler has overwritten it; None to find it.
        who: Name of the callback, for error messages.

    Raises:
        MisconfigurationException: If the LRs that were configured cannot be known, or `lr` has another length.
    """
    optimizer = trainer.optimizers[index]
    configs = native_configs(trainer, optimizer)
    if not configs:
        return
    places = [TakenOut(config.scheduler) for config in configs]  # described before anything is restored
    parts = [part for config in configs for part in _parts(config.scheduler)]
    name = f"optimizer {index} ({type(optimizer).__name__})"
    for group, found in zip(optimizer.param_groups, _configured(optimizer, parts, lr, name, who), strict=True):
        pg.set_lr(group, found)
    _give_momentum_back(optimizer, parts)
    for group in optimizer.param_groups:
        for key in CYCLE_KEYS if any(isinstance(part, OneCycleLR | CyclicLR) for part in parts) else ():
            group.pop(key, None)
        if not pg.is_ours(group):
            group.pop(pg.BASE_LR, None)
    forget_scheduler(optimizer)
    for config, place in zip(configs, places, strict=True):
        place.configured_momenta = [pg.get_momentum(group) for group in optimizer.param_groups]
        config.scheduler, config.reduce_on_plateau, config.monitor = place, False, None


def momentum_after_native_run(scheduler: TakenOut) -> None:
    """Restore the momentum that a checkpoint of a run with the scheduler has brought from the middle of its cycle."""
    if any(getattr(part, "cycle_momentum", False) for part in _parts(scheduler.scheduler)):
        for group, momentum in zip(scheduler.optimizer.param_groups, scheduler.configured_momenta, strict=False):
            if momentum is not None:
                pg.set_momentum(group, momentum)


def _parts(scheduler: Any) -> Iterator[Any]:
    """The scheduler and those inside it, at any depth."""
    yield scheduler
    for inner in getattr(scheduler, "_schedulers", None) or ():
        yield from _parts(inner)


def _configured(
    optimizer: Optimizer, parts: Sequence[Any], lr: float | Sequence[float] | None, name: str, who: str
) -> list[float]:
    """The LR of each group before the schedulers were built."""
    groups = optimizer.param_groups
    if lr is not None:
        given = [float(each) for each in lr] if isinstance(lr, Sequence) else [float(lr)] * len(groups)
        if len(given) != len(groups):
            raise MisconfigurationException(
                f"{who}: lr has {len(given)} value{'s' * (len(given) != 1)}, but {name} has {len(groups)} groups; give"
                " one for each"
            )
        return given
    cyclic = next((part for part in parts if isinstance(part, OneCycleLR | CyclicLR)), None)
    if cyclic is not None:
        default = optimizer.defaults.get("lr")
        kept = [group.get(pg.CONFIGURED_LR, default) for group in groups]
        if len({_peak(cyclic, number) for number in range(len(groups))}) > 1 or not all(map(is_finite, kept)):
            raise MisconfigurationException(
                f"{who}: {type(cyclic).__name__} has overwritten the configured LRs of the groups of {name}, and they"
                f" cannot be recovered. Pass them: {type_of(who)}(lr=[...]), one for each of its {len(groups)} groups"
            )
        return [float(each or 0.0) for each in kept]
    changed = any(not isinstance(part, ReduceLROnPlateau) for part in parts)
    return [
        float(group[pg.BASE_LR]) if changed and pg.BASE_LR in group and not pg.is_ours(group) else pg.get_lr(group)
        for group in groups
    ]


def type_of(who: str) -> str:
    """The class in a callback's repr."""
    return who.partition("(")[0]


def _peak(scheduler: Any, number: int) -> float:
    """The LR at which a cycle of a group peaks."""
    if isinstance(scheduler, CyclicLR):
        return float(scheduler.max_lrs[number])
    return float(scheduler.optimizer.param_groups[number]["max_lr"])


def _give_momentum_back(optimizer: Optimizer, parts: Sequence[Any]) -> None:
    """Momentum or first beta, which a cycle has set in all groups, as the optimizer was configured with."""
    if not any(getattr(part, "cycle_momentum", False) for part in parts):
        return
    momentum = pg.get_momentum(optimizer.defaults)
    for group in optimizer.param_groups:
        if "betas" in group and isinstance(group["betas"][0], Tensor):
            continue
        pg.set_momentum(group, 0.0 if momentum is None else momentum)
