"""What a state of the optimizer carries for us in its first group, so that the optimizer's own checkpoint has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import is_count
from lr_callbacks.core.lightning_names import MisconfigurationException, rank_zero_info


@dataclass(frozen=True)
class Carried:
    """What a state of the optimizer carries for us in its first group.

    Attributes:
        step: How often the optimizer has really stepped.
        plan: A record for each schedule.
        timeline: How the run has gone, as `timeline_state.to_dict` gives it.
        elapsed: Milliseconds that a run by the wall clock has lasted.
    """

    step: int
    plan: list[dict[str, Any]]
    timeline: dict[str, Any] | None = None
    elapsed: int | None = None


def get_count(optimizer: Optimizer) -> int | None:
    """How often the optimizer has stepped, by the count that its state has brought; None if it has brought none.

    Raises:
        ValueError: If what it has brought is no count.
    """
    count = optimizer.param_groups[0].get(pg.STEP)
    if count is not None and not is_count(count):
        raise ValueError(f"the step count in the optimizer's state must be a whole number >= 0, got {count!r}")
    return count


def count_without(steps: int | None, name: str) -> int:
    """What an optimizer counts from where its state has brought no count: the steps that its Trainer says.

    Raises:
        MisconfigurationException: If it has stepped an unknown number of times.
    """
    if steps is None:
        raise MisconfigurationException(
            f"{name} has already stepped, but the number of its steps is unknown: it is stored in the optimizer's"
            " state, and this checkpoint has none. Resume from a checkpoint that was saved with LR callbacks in the"
            " Trainer, or start with a new Trainer."
        )
    if steps:
        rank_zero_info(
            f"This checkpoint was saved without lr_callbacks. Schedules of {name} continue at step {steps}"
            " (trainer.global_step) from the configured LR."
        )
    return steps


def get_elapsed(optimizer: Optimizer) -> int | None:
    """How many milliseconds a run by the wall clock had lasted when the optimizer's state was saved, if it says so.

    Raises:
        ValueError: If what it says is no such number.
    """
    elapsed = optimizer.param_groups[0].get(pg.ELAPSED)
    if elapsed is not None and not is_count(elapsed):
        raise ValueError(f"the elapsed milliseconds in the optimizer's state must be whole and >= 0, got {elapsed!r}")
    return elapsed


def get_plan(optimizer: Optimizer) -> list[dict[str, Any]] | None:
    """The plan that the optimizer's state has brought, if any.

    Raises:
        ValueError: If what it has brought is no list of records.
    """
    plan: list[dict[str, Any]] | None = optimizer.param_groups[0].get(pg.PLAN)
    if plan is not None and not (isinstance(plan, list) and all(isinstance(record, dict) for record in plan)):
        raise ValueError(f"{pg.PLAN} in the optimizer's state must be a list of dicts, got {plan!r}")
    return plan


def get_carried(optimizer: Optimizer) -> Carried | None:
    """What the optimizer's state has brought; None without a count.

    Raises:
        ValueError: If a part of it is damaged.
    """
    count = get_count(optimizer)
    if count is None:
        return None
    timeline = optimizer.param_groups[0].get(pg.TIMELINE)
    return Carried(count, get_plan(optimizer) or [], timeline, get_elapsed(optimizer))


def write_carried(groups: list[pg.ParamGroup], carried: Carried) -> None:
    """Let a state carry count, plan, timeline and time, and the LRs of now; `groups` are the state's.

    The live groups do not hold the count while the training lasts: a compiled ``optimizer.step`` is guarded on what
    they hold, and would be compiled at each step.
    """
    groups[0][pg.STEP], groups[0][pg.PLAN] = carried.step, list(carried.plan)
    if carried.timeline is not None:
        groups[0][pg.TIMELINE] = carried.timeline
    if carried.elapsed is not None:
        groups[0][pg.ELAPSED] = carried.elapsed
    for group in groups:
        group[pg.LEFT_LR] = pg.get_lr(group)


def forget_carried(optimizer: Optimizer) -> None:
    """Take out what only a saved state carries."""
    for group in optimizer.param_groups:
        for key in pg.OF_A_STATE:
            group.pop(key, None)
