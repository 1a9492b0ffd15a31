"""Optuna's samplers and pruners by name."""

from __future__ import annotations

from collections.abc import Callable

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

SAMPLERS: dict[str, Callable[..., BaseSampler]] = {
    "grid": optuna.samplers.RandomSampler,  # has nothing to choose: the points are queued
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "gp": optuna.samplers.GPSampler,
}
PRUNERS: dict[str | None, Callable[[], BasePruner]] = {
    None: optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "successive_halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}


def make_sampler(name: str, seed: int) -> BaseSampler:
    """The sampler of that name.

    Raises:
        ValueError: If there is none; the message lists them.
    """
    if not isinstance(name, str) or name not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {name!r}")
    return SAMPLERS[name](seed=seed)


def make_pruner(name: str | None) -> BasePruner:
    """The pruner of that name; None never prunes.

    Raises:
        ValueError: If there is none; the message lists them.
    """
    if not (name is None or isinstance(name, str)) or name not in PRUNERS:
        raise ValueError(f"pruner must be one of {', '.join(filter(None, PRUNERS))}, or None, got {name!r}")
    return PRUNERS[name]()
