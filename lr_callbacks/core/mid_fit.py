"""What a range test in the middle of a fit needs of the controllers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.controller import Controller


@contextmanager
def paused(controllers: Sequence[Controller]) -> Iterator[None]:
    """Inside, steps of the optimizers are not counted, and no values are written."""
    running = [controller for controller in controllers if controller.hooks.are_on]
    for controller in running:
        controller.hooks.remove()
    try:
        yield
    finally:
        for controller in running:
            controller.hooks.put()


def rebase(controller: Controller, lrs: Mapping[int, float]) -> None:
    """Continue from other base LRs of some groups; a group that no schedule drives gets its LR.

    Args:
        controller: A controller that is running.
        lrs: Base LR of each group concerned, by the number of the group.
    """
    controller.adopt()  # groups that were added at the start of this epoch
    table = controller.table_of("lr")
    for number, lr in lrs.items():
        group = controller.optimizer.param_groups[number]
        group[pg.BASE_LR] = lr
        if table is None or number not in table.driven:
            pg.set_lr(group, lr)
    controller.resolve()
    controller.write()
    controller.adopt()
