"""What every LR callback is: its arguments, a segment for each group, and the hooks that let the conductor lead."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from lightning.pytorch import Callback, LightningModule, Trainer

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import require, whole
from lr_callbacks.core.conductor import Conductor
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.horizon import Horizon
from lr_callbacks.core.lightning_internals import EMPTY_HOOKS, HOOKS_OF_A_BATCH, call_all_hooks, leave_out_hooks
from lr_callbacks.core.plan import span
from lr_callbacks.core.segment import Group, Segment

if TYPE_CHECKING:
    from lr_callbacks.core.driver import Driver

NAMES = ("groups", "monitor", "name")
"""Arguments that are no lengths, even where a text looks like one: a group may be named ``"1d"``."""
Groups = int | str | list[int | str] | None


@cache
def _parameters(kind: type[object]) -> Mapping[str, inspect.Parameter]:
    """The constructor's parameters: looked up for each text that names a callback, and slow to find."""
    return inspect.signature(kind).parameters


class LRCallback(Callback):
    """A callback that drives the LR: the LR of a group is its base LR times the product of all factors that drive it.

    A subclass takes its arguments (kept under their own names, never changed), checks them, and gives `segment`. Hooks
    of a batch that it leaves empty are None on the object while the training lasts: Lightning passes over them.

    Args:
        optimizer: Index of the optimizer to drive, counted from 0; None for all.
        groups: Parameter groups to drive: an index, a name (``group["name"]``) or a list of them; None for all.

    Attributes:
        anneals_to_end: Whether it brings the LR to its end by the end of the run; two such on one group are refused.
        is_warmup: Whether schedules on the same group begin after it.
        drives: Whether it has factors at all.
        advances: Whether it goes step by step, and so is called by `begin` and `advance`.
        looks_far: Whether a factor far ahead costs no more than the next one; if not, the plan shows none.

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If `optimizer` is negative or `groups` is empty.

    Example:
        >>> from lr_callbacks import preview
        >>> class Tenth(LRCallback):
        ...     def segment(self, horizon, group):
        ...         return Segment(start=0, end=2, factor=lambda t: 0.1 if t < 2 else 1.0)
        >>> preview([Tenth()], base_lrs=0.1, total_steps=4)[:, 0].tolist()
        [0.010000000000000002, 0.010000000000000002, 0.1, 0.1]
    """

    anneals_to_end: ClassVar[bool] = False
    is_warmup: ClassVar[bool] = False
    drives: ClassVar[bool] = True
    advances: ClassVar[bool] = False
    looks_far: ClassVar[bool] = True

    def __init__(self, *, optimizer: int | None = None, groups: Groups = None) -> None:
        if optimizer is not None:
            whole("optimizer", optimizer)
        wanted = groups if isinstance(groups, list) else [groups]
        right = all(which is None or (isinstance(which, int | str) and which is not True) for which in wanted)
        require(wanted != [] and right, "groups", "an index, a name or a list of them (None for all)", groups)
        self.optimizer = optimizer
        self.groups = groups
        self._conductor: Conductor | None = None
        self._leads = False
        self._ended = True

    # ------------------------------------------------------------------ what a subclass says
    def segment(self, horizon: Horizon, group: Group) -> Segment:
        """What this callback does to a group of the run: where it starts and ends, and its factor. Pure.

        Raises:
            MisconfigurationException: If a duration needs a length of the run that is not known.
        """
        raise NotImplementedError(f"{type(self).__name__} must define segment(horizon, group)")

    def forget(self) -> None:
        """Forget what an earlier fit has taught it (only where there is a state)."""

    def begin(self, driver: Driver) -> None:
        """Before the segments in an optimizer are asked for at the start of the training (only if it `advances`)."""

    def advance(self, driver: Driver) -> None:
        """After the count has been found, and after each real step, before the factor is read (if it `advances`)."""

    def lane_key(self, position: int, base_lr: float) -> Hashable:
        """Of groups of one base LR, those for which this is equal share one factor."""
        return None

    def describe(self) -> str:
        """One short clause for the plan."""
        return repr(self)

    def phase_at(self, step: int, segment: Segment) -> str:
        """In a word or two, what the schedule does at optimizer step `step`."""
        if step < segment.start:
            return "waiting"
        return "done" if segment.end is not None and step >= segment.end else "running"

    # ------------------------------------------------------------------ what it tells
    @property
    def wanted_groups(self) -> list[int | str] | None:
        """`groups` as a list."""
        return [self.groups] if isinstance(self.groups, int | str) else self.groups

    @property
    def current_lr(self) -> float | None:
        """The LR that the next step will use in the first group that this callback drives; None outside a fit."""
        for driver, number in self._driven():
            return pg.get_lr(driver.optimizer.param_groups[number])
        return None

    @property
    def phase(self) -> str | None:
        """What the schedule is doing now in the first group that it drives; None outside a fit."""
        for driver, number in self._driven():
            lane = driver.lane_of(number)
            return self.phase_at(driver.now, lane.segments[lane.callbacks.index(self)])
        return None

    def _driven(self) -> list[tuple[Driver, int]]:
        drivers = self._conductor.drivers if self._conductor else []
        return [(d, lane.groups[0]) for d in drivers for lane in d.lanes if self in lane.callbacks]

    def plan_line(self, driver: Driver) -> str:
        """What it is and does in an optimizer, with all lengths in steps: what a checkpoint remembers of it."""
        run, lengths = driver.horizon, ""
        for name, found in self.durations().items():
            lengths += f", {name} " + "/".join(run.length(run.steps(duration, name)) for duration in found)
        return f"{self!r} {span(run, driver.segments_of(self))}{lengths}"

    def durations(self) -> dict[str, list[Duration]]:
        """Those of its arguments that are lengths with a unit."""
        lengths = {}
        for name, value in self.arguments().items():
            texts = [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
            found = [duration for duration in map(Duration.find, texts) if duration is not None]
            if found and name not in NAMES:
                lengths[name] = found
        return lengths

    @property
    def lasts_to_end(self) -> bool:
        """Whether its length is the rest of the run."""
        return getattr(self, "total_steps", 0) is None

    @property
    def why_not_by_time(self) -> str | None:
        """Why it cannot be used in a run that goes by the wall clock; None if it can."""
        return None

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments that differ from their defaults, in their order."""
        parameters = _parameters(type(self))  # type: ignore[arg-type]  # mypy takes no class for hashable
        given = {name: getattr(self, name) for name in parameters if hasattr(self, name)}
        return {name: value for name, value in given.items() if value != parameters[name].default}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.arguments().items())})"

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: held for name, held in vars(self).items() if held is not None or name not in HOOKS_OF_A_BATCH}
        return {**kept, "_conductor": None, "_leads": False, "_ended": True}

    # ------------------------------------------------------------------ hooks: one conductor leads all of us
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read what the user configured, before anything is restored."""
        if self._conductor is None or self._conductor.trainer is not trainer or self._ended:
            callbacks = [c for c in trainer.callbacks if isinstance(c, LRCallback)]  # type: ignore[attr-defined]
            for callback in callbacks:
                callback._end()
            conductor = Conductor(trainer, callbacks)
            for callback in callbacks:
                callback._conductor, callback._leads, callback._ended = conductor, callback is self, False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Resolve the schedules and write the first LRs: here everything is restored."""
        if self._conductor:
            self._conductor.start(trainer, pl_module)
        self._leave_out_hooks()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Once an epoch, look for LRs that somebody else has written."""
        if self._leads and self._conductor:
            self._conductor.on_train_epoch_start(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Make sure that the clock runs."""
        if self._leads and self._conductor and self._conductor.watches:
            self._conductor.on_train_batch_end(trainer)
            self._leave_out_hooks()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hold the plan against what really happened."""
        if self._leads and self._conductor:
            self._conductor.on_train_epoch_end(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the hooks off the optimizers; who saves a checkpoint now still finds all that we know."""
        self._ended = True
        call_all_hooks(self)
        if self._conductor:
            self._conductor.end()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the hooks off the optimizers."""
        self._end()

    def _leave_out_hooks(self) -> None:
        """Those that Lightning gives us and, once it is known that the clock runs, ours."""
        watches = self._leads and self._conductor is not None and self._conductor.watches
        leave_out_hooks(self, EMPTY_HOOKS if watches else (*EMPTY_HOOKS, WATCH))

    def _end(self) -> None:
        call_all_hooks(self)
        if self._conductor:
            self._conductor.end()
        self._conductor, self._leads, self._ended = None, False, True


WATCH: object = LRCallback.on_train_batch_end
"""Ours, which has nothing to do once it is known that the clock runs."""


class ScheduleCallback(LRCallback):
    """An LR callback with a beginning: by default the end of the warm-up of its group.

    Args:
        start: Where the schedule begins, counted from the start of the run: an int (optimizer steps), ``"2 epochs"``,
            ``"10%"`` or ``"30 min"``; None for the end of the group's warm-up (0 without one). Before it, the schedule
            holds its first value.
        optimizer: Index of the optimizer to drive, counted from 0; None for all.
        groups: Parameter groups to drive: an index, a name (``group["name"]``) or a list of them; None for all.

    Raises:
        TypeError: If `start` is a bare float or an argument has a wrong type.
        ValueError: If `start` is no length, `optimizer` is negative or `groups` is empty.

    Example:
        >>> from lr_callbacks import preview
        >>> class Halved(ScheduleCallback):
        ...     def segment(self, horizon, group):
        ...         return Segment(start=self.start_step(horizon, group), factor=lambda t: 0.5**t)
        >>> preview([Halved(start="50%")], base_lrs=0.1, total_steps=4)[:, 0].tolist()
        [0.1, 0.1, 0.1, 0.05]
    """

    def __init__(self, *, start: int | str | None = None, optimizer: int | None = None, groups: Groups = None) -> None:
        super().__init__(optimizer=optimizer, groups=groups)
        if start is not None:
            Duration.parse(start, name="start")
        self.start = start

    def start_step(self, horizon: Horizon, group: Group) -> int:
        """The optimizer step at which the schedule begins in a group."""
        if self.start is None:
            return group.warmup_end
        return self.steps(horizon, "start", self.start)

    def steps(self, horizon: Horizon, name: str, value: int | str) -> int:
        """One of the callback's durations in optimizer steps.

        Raises:
            MisconfigurationException: If it needs a length of the run that is not known.
        """
        return horizon.steps(Duration.parse(value, name=name), f"{type(self).__name__}: {name}")
