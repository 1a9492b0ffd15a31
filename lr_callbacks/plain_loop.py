"""`attach`: the same schedules in any training loop, without a Trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any
from weakref import WeakSet

from torch.optim import Optimizer
from typing_extensions import Self

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.evaluations import EvaluationCallback
from lr_callbacks.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from lr_callbacks.core import optimizer_hooks as hooks
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core import saved_state
from lr_callbacks.core.arguments import require_bool, require_int, require_number
from lr_callbacks.core.conflicts import refuse_rivals
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.lightning_names import MisconfigurationException, is_wrapped, rank_zero_info
from lr_callbacks.core.plan_text import describe
from lr_callbacks.core.restored import Restored
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.session import Session
from lr_callbacks.core.stretch import stretched
from lr_callbacks.core.wall_clock import TimeLimit, WallClock, goes_by_time, refuse_steppers

_ATTACHED: WeakSet[Optimizer] = WeakSet()


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
        self._loaded: dict[int, dict[str, Any]] = {}
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
                if isinstance(callback, ReduceLROnPlateau):
                    callback.check_floors()
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
        _ATTACHED.add(optimizer)
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
        self._load(controller.optimizer.param_groups[0].get(pg.FEEDBACK))

    def _after_load(self, controller: Controller) -> None:
        for schedule in controller.schedules:
            if schedule.advances:
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
                f"monitor must be the name of a metric that a schedule monitors ({names}), got {monitor!r}"
            )
        for callback in wanted:
            callback.judge(found)

    def remove(self) -> None:
        """Stop driving: the LRs stay where they are, momentum and the like are as configured again."""
        while self._hooks:
            self._hooks.pop()()
        for controller in self._controllers:
            controller.end()
            if controller.optimizer in _ATTACHED:
                self._save(controller.optimizer.param_groups)
            _ATTACHED.discard(controller.optimizer)
        for callback in self.callbacks:
            callback._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def attach(
    optimizer: Optimizer | Sequence[Optimizer],
    callbacks: LRCallback | Sequence[LRCallback],
    total_steps: int | None = None,
    steps_per_epoch: int | None = None,
    *,
    max_time: str | None = None,
    samples_per_step: int | None = None,
    tokens_per_step: int | None = None,
    resume: bool = True,
    plan: bool = True,
) -> Attached:
    """Let LR callbacks drive an optimizer in a training loop of your own, or under ``lightning.fabric``.

    The values are the same as in a Trainer, to the last bit: the LR of the next step is written after each real step of
    the optimizer, so steps that a ``GradScaler`` skips do not count. Nothing has to be called in the loop, but for
    `Attached.metric` where a schedule waits for a metric.

    To resume, load the optimizer's ``state_dict()``, before or after `attach`: it carries the step count, and what
    plateau reductions and torch schedulers have become.

    Args:
        optimizer: The optimizer, of torch or as ``Fabric.setup`` gives it; several in a list.
        callbacks: The schedules, as a Trainer would get them.
        total_steps: Optimizer steps of the whole run; None if no schedule needs to know.
        steps_per_epoch: Optimizer steps of an epoch; needed where a length is in epochs.
        max_time: The time limit of a run that goes by the wall clock, such as ``"30 min"``.
        samples_per_step: Samples of an optimizer step, on all devices; needed where a length is in samples.
        tokens_per_step: Tokens of an optimizer step, on all devices; needed where a length is in tokens.
        resume: Whether to go on from the step count that the optimizer carries, if it does: that of a state which was
            loaded, or of schedules that were removed. False: begin at step 0.
        plan: Whether to log the plan.

    Returns:
        A handle: ``remove()``, ``metric(value)``, ``lrs``, ``step``. As a context manager it is removed at the end.

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If a number is outside its range.
        MisconfigurationException: If the optimizer is driven already, a callback needs a Trainer, or as in a fit.

    Example:
        >>> import torch
        >>> from lr_callbacks import LinearDecay
        >>> layer = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        >>> with attach(optimizer, [LinearDecay()], total_steps=3, plan=False) as attached:
        ...     for _ in range(3):
        ...         print(f"{attached.lrs[0]:.3f}")
        ...         optimizer.step()
        0.100
        0.067
        0.033
    """
    several = [optimizer] if isinstance(optimizer, Optimizer) else optimizer
    if not isinstance(several, Sequence) or not several or not all(isinstance(each, Optimizer) for each in several):
        raise TypeError(f"optimizer must be a torch optimizer, or a list of them, got {optimizer!r}")
    driving = [callbacks] if isinstance(callbacks, LRCallback) else callbacks
    if not isinstance(driving, Sequence) or not all(map(_is_schedule, driving)):
        raise TypeError(
            f"callbacks must be a list of schedules such as OneCycle(), got {callbacks!r}; other callbacks need a"
            " Trainer"
        )
    if total_steps is not None:
        require_int("total_steps", total_steps, minimum=1)
    counts = {"steps_per_epoch": steps_per_epoch, "samples_per_step": samples_per_step}
    for name, count in {**counts, "tokens_per_step": tokens_per_step}.items():
        if count is not None:
            require_int(name, count, minimum=1)
    require_bool("plan", plan)
    require_bool("resume", resume)
    inner = [_inner(each) for each in several]
    _check(inner, driving)
    for each in () if resume else inner:
        saved_state.forget_carried(each)
    run = _run(driving, total_steps, steps_per_epoch, max_time)
    run = replace(run, samples_per_step=samples_per_step, tokens_per_step=tokens_per_step)
    return Attached(inner, driving, stretched(run, driving), plan=plan)


def _is_schedule(callback: object) -> bool:
    return isinstance(callback, LRCallback) and (callback.drives or callback.planned_for is not None)


def _inner(optimizer: Any) -> Optimizer:
    """The optimizer of torch's inside Fabric's: that one steps."""
    inner: Optimizer = optimizer.optimizer if is_wrapped(optimizer) else optimizer
    return inner


def _check(optimizers: Sequence[Optimizer], callbacks: Sequence[LRCallback]) -> None:
    for optimizer in optimizers:
        if optimizer in _ATTACHED:
            raise MisconfigurationException(
                f"{type(optimizer).__name__} is driven by LR callbacks already; give all of them to one attach(), or"
                " remove() the first"
            )
    for place, callback in enumerate(callbacks):
        if callback._session is not None or any(callback is other for other in callbacks[:place]):
            raise MisconfigurationException(f"{callback!r} drives an optimizer already; make another one")
        if callback.optimizer is not None and callback.optimizer >= len(optimizers):
            raise MisconfigurationException(
                f"{callback!r}: optimizer={callback.optimizer} does not exist; attach() was given {len(optimizers)}"
                f" optimizer{'s' * (len(optimizers) != 1)}, counted from 0"
            )


def _run(
    callbacks: Sequence[LRCallback], total_steps: int | None, steps_per_epoch: int | None, max_time: str | None
) -> RunLength:
    """The length of the run as it was given."""
    missing = ["total_steps"] * (total_steps is None) + ["steps_per_epoch"] * (steps_per_epoch is None)
    run = RunLength(
        total_steps,
        () if steps_per_epoch is None else ((0, steps_per_epoch),),
        why_unknown=f"attach() was not given {' or '.join(missing)}",
        ways_out=f"Ways out: give {'=..., '.join(missing)}=..., or every length in optimizer steps (500).",
        max_steps=total_steps,
    )
    limit = None
    if max_time is not None:
        duration = Duration.parse(max_time, name="max_time", minimum=1)
        if duration.unit != "seconds":
            raise ValueError(f"max_time must be a time such as '30 min', got {max_time!r}")
        limit = max(1, round(1000 * duration.value))
    if not goes_by_time(callbacks, run, limit):
        return run
    refuse_steppers(callbacks)
    return TimeLimit(limit)
