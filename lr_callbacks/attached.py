"""What `attach` gives: a handle on schedules that drive optimizers of a plain loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from weakref import WeakSet

from torch.optim import Optimizer
from typing_extensions import Self

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.evaluations import EvaluationCallback
from lr_callbacks.callbacks.feedback import FeedbackCallback
from lr_callbacks.core import optimizer_hooks as hooks
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core import saved_state
from lr_callbacks.core.arguments import require_number
from lr_callbacks.core.conflicts import refuse_rivals
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.lightning_names import rank_zero_info
from lr_callbacks.core.plan_text import describe
from lr_callbacks.core.restored import Restored
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.session import Session
from lr_callbacks.core.wall_clock import TimeLimit, WallClock

ATTACHED: WeakSet[Optimizer] = WeakSet()
"""Optimizers that are driven in a plain loop now."""


class Attached:
    """What `attach` gives: schedules that drive optimizers until they are removed; also a context manager.

    Args:
        optimizers: Whose groups are driven.
        callbacks: What drives them.
        run: The length of the run.
        plan: Whether to show the plan.

    Attributes:
        callbacks: What drives the optimizers.
    """

    def __init__(
        self, optimizers: Sequence[Optimizer], callbacks: Sequence[LRCallback], run: RunLength, *, plan: bool
    ) -> None:
        self.callbacks = list(callbacks)
        self._hooks: list[Callable[[], None]] = []
        restored = [Restored(optimizer) for optimizer in optimizers]
        drivers = [each for each in callbacks if each.drives]
        mine = [[each for each in drivers if each.optimizer in (None, index)] for index in range(len(optimizers))]
        self._controllers = [
            Controller(optimizer, index, mine[index]) for index, optimizer in enumerate(optimizers) if mine[index]
        ]
        session = Session(list(self._controllers), list(callbacks))
        for callback in callbacks:
            callback.forget()
            callback._session = session
        try:
            for controller in self._controllers:
                self._start(controller, run, restored[controller.index])
            for callback in callbacks:
                if isinstance(callback, FeedbackCallback):
                    callback.check_bounds()
        except BaseException:
            self.remove()
            raise
        if plan:
            rank_zero_info(describe(run, self._controllers))

    def _start(self, controller: Controller, run: RunLength, restored: Restored) -> None:
        optimizer = controller.optimizer
        restored.put_back()
        self._load(restored.feedback)
        clock = WallClock(saved_state.get_elapsed(optimizer) or 0) if isinstance(run, TimeLimit) else None
        ATTACHED.add(optimizer)
        self._hooks.append(hooks.on_load(optimizer, lambda loaded: self._before_load(controller)))
        controller.start(run, resumed=restored.step is not None, clock=clock)
        refuse_rivals(controller)
        self._hooks.append(hooks.on_load(optimizer, lambda loaded: self._after_load(controller)))
        self._hooks.append(hooks.on_save(optimizer, self._save))

    # ------------------------------------------------------------------ what a state of the optimizer carries
    def _save(self, groups: list[pg.ParamGroup]) -> None:
        """Let a state carry what schedules with feedback have learnt."""
        states = {callback.state_key: callback.state_dict() for callback in self.callbacks}
        learnt = {key: state for key, state in states.items() if state}
        if learnt:
            groups[0][pg.FEEDBACK] = learnt

    def _load(self, states: object) -> None:
        """Take up what a state has brought."""
        known = states if isinstance(states, Mapping) else {}
        for callback in self.callbacks:
            if callback.state_key in known:
                callback.load_state_dict(dict(known[callback.state_key]))

    def _before_load(self, controller: Controller) -> None:
        states = controller.optimizer.param_groups[0].get(pg.FEEDBACK)
        self._load(states)
        for callback in self.callbacks:  # a state of a run without it, in which it has not begun
            if callback.begun and not (isinstance(states, Mapping) and callback.state_key in states):
                callback.begun.pop(controller.index, None)

    def _after_load(self, controller: Controller) -> None:
        for schedule in controller.schedules:
            schedule.begin(controller)
        controller.rewrite(resolve=True)
        for schedule in controller.schedules:
            if schedule.advances:
                schedule.advance(controller)
        controller.rewrite()

    # ------------------------------------------------------------------ what a loop uses
    @property
    def step(self) -> int:
        """How often the optimizer has really stepped (the slowest of several)."""
        return min((controller.step for controller in self._controllers), default=0)

    @property
    def lrs(self) -> list[float]:
        """The LR of each parameter group, of one optimizer after the other, that the next step will use."""
        return [pg.get_lr(group) for c in self._controllers for group in c.optimizer.param_groups]

    def metric(self, value: float, monitor: str | None = None) -> None:
        """Give a schedule with feedback, such as `ReduceLROnPlateau`, the value of an evaluation.

        On several ranks give all the same value.

        Args:
            value: The value; a tensor of one number too. NaN counts as no improvement.
            monitor: The name of the metric, where schedules monitor different ones; None for all.

        Raises:
            TypeError: If `value` is no number.
            ValueError: If no schedule monitors it.

        Example:
            >>> import torch
            >>> from lr_callbacks import ReduceLROnPlateau, attach
            >>> optimizer = torch.optim.SGD([torch.ones(1)], lr=0.1)
            >>> with attach(optimizer, [ReduceLROnPlateau("loss", patience=0)], plan=False) as attached:
            ...     attached.metric(1.0)
            ...     attached.metric(2.0)
            ...     [round(lr, 6) for lr in attached.lrs]
            [0.01]
        """
        item = getattr(value, "item", None)
        found = require_number("value", item() if callable(item) else value, finite=False)
        listening = [each for each in self.callbacks if isinstance(each, EvaluationCallback) and each.monitor]
        wanted = [each for each in listening if monitor in (None, each.monitor)]
        if not wanted:
            names = ", ".join(repr(each.monitor) for each in listening) or "nothing"
            raise ValueError(
                f"monitor must be the metric of a schedule with feedback (there is {names}), got {monitor!r}; leave it"
                " out to give the value to all of them"
            )
        for callback in wanted:
            callback.judge(found)

    def remove(self) -> None:
        """Stop driving: the LRs stay where they are, momentum and the like are as configured again."""
        while self._hooks:
            self._hooks.pop()()
        for controller in self._controllers:
            controller.end()
            if controller.optimizer in ATTACHED:
                self._save(controller.optimizer.param_groups)
            ATTACHED.discard(controller.optimizer)
        for callback in self.callbacks:
            callback._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
