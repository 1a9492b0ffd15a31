"""A foreign scheduler on a stand-in optimizer: it steps there, and what it does to the LRs is read off as factors."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from lr_callbacks.callbacks.foreign_state import is_plain, plain, put_back, same
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import is_count, is_finite, require
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.native_schedulers import CYCLE_KEYS
from lr_callbacks.core.timeline import Timeline

STATE_KEYS = ("count", "initial", "now")
_PARAMS = frozenset({"params"})


class StandIn(Optimizer):
    """Dummy optimizer with groups that a wrapped scheduler may modify freely.

    Args:
        groups: Entries of the groups other than their parameters.
        defaults: Those of the real optimizer; schedulers look there for ``lr``, ``momentum`` and ``betas``.
    """

    def __init__(self, groups: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any]) -> None:
        nothing = [{**group, "params": [torch.zeros(0)]} for group in groups]
        lr = defaults.get("lr")
        known = isinstance(lr, torch.Tensor) or is_finite(lr)
        super().__init__(nothing, {**defaults, "lr": float(lr if known else groups[0]["lr"])})  # type: ignore[arg-type]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Do nothing; torch's schedulers want to have seen a call."""


class Foreign:
    """One foreign scheduler, and the factors and momenta that it gives.

    Args:
        make: Builds the scheduler on an optimizer.
        groups: What the driven groups hold, with the base LR as ``lr``.
        defaults: Those of the real optimizer.

    Attributes:
        start: Optimizer step at which it begins.
        count: How often it has been stepped.
        factors: The LR of each group over its base LR (1 where both are 0).
        moved: The entries other than the LR that it has moved, or says that it will.

    Raises:
        TypeError: If `make` gives something without a ``step`` method.
        MisconfigurationException: If it sets the LR of a group whose base LR is 0.
    """

    def __init__(
        self, make: Callable[[Optimizer], Any], groups: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any]
    ) -> None:
        self.start = 0
        self.count = 0
        self._bases = [float(group["lr"]) for group in groups]
        self._configured = [pg.numbers_of(dict(group)) for group in groups]
        self._optimizer = StandIn(groups, defaults)
        self.scheduler = make(self._optimizer)
        if not callable(getattr(self.scheduler, "step", None)):
            raise TypeError(f"it must build a scheduler with a step method, got {self.scheduler!r}")
        self._optimizer.step()  # the one that torch's schedulers watch for
        for part in _parts(self.scheduler):
            if isinstance(part, OneCycleLR):
                _hold_past_the_end(part)
        cycles = any(getattr(part, "cycle_momentum", False) for part in _parts(self.scheduler))
        self.moved: list[str] = ["momentum"] if cycles else []
        parameters = inspect.signature(self.scheduler.step).parameters.values()
        metrics = [each for each in parameters if "metric" in each.name]
        self.takes_metric = bool(metrics)
        self.wants_metric = any(each.default is each.empty for each in metrics)
        self._initial = self._snapshot()
        self._read()

    def step(self, metric: float | None = None) -> None:
        """One step of the scheduler: a plain one, or an evaluation's."""
        self.count += 1
        if hasattr(self.scheduler, "step_update"):  # timm: gets the count of steps or of epochs, whichever it uses
            if metric is None:
                self.scheduler.step_update(self.count)
            self.scheduler.step(self.count, metric)
        elif metric is None:
            self.scheduler.step()
        else:
            name = getattr(self.scheduler, "monitor", None)  # mmengine's reads its metric from a dict
            self.scheduler.step({name: metric} if isinstance(name, str) else metric)
        self._read()

    def factor(self, position: int) -> float:
        """The factor of a group, by its place; that of the first for a group that was added later."""
        return self.factors[position if position < len(self.factors) else 0]

    def value(self, param: str, position: int) -> float:
        """Another entry of a group, by its place."""
        groups = self._optimizer.param_groups
        return pg.get_value(groups[position if position < len(groups) else 0], param) or 0.0

    def check_monitor(self, monitor: object, who: str) -> None:
        """Reject a metric for a scheduler that takes none, and none for one that needs it.

        Raises:
            MisconfigurationException: With the way out.
        """
        name = type(self.scheduler).__name__
        if self.wants_metric and monitor is None:
            raise MisconfigurationException(
                f"{who}: {name} needs the name of a logged metric: write monitor='val_loss'"
            )
        if monitor is not None and not self.takes_metric:
            raise MisconfigurationException(f"{who}: {name} takes no metric; remove monitor={monitor!r}")

    def steps_since_start(self, timeline: Timeline, step: int) -> int:
        """Steps that it has been running at an optimizer step; it is not stepped for one behind the last of the run."""
        last = math.inf if timeline.end is None else max(timeline.end - 1, 0)
        return int(max(0, min(step, last) - self.start))

    def epochs_since_start(self, timeline: Timeline, step: int) -> int | None:
        """Epochs that have ended while it was running; None where their length is not known."""
        running = self.steps_since_start(timeline, step)
        if not timeline.run.epochs:
            return None if running else 0
        return timeline.epoch_at(self.start + running) - timeline.epoch_at(self.start) if running else 0

    def _read(self) -> None:
        groups = list(zip(self._optimizer.param_groups, self._bases, strict=True))
        for number, (group, base) in enumerate(groups):
            if base == 0 and pg.get_lr(group) != 0:
                raise MisconfigurationException(
                    f"{type(self.scheduler).__name__} sets the LR of group {number} to {pg.get_lr(group):g}, and the"
                    " optimizer is configured with LR 0 there, so that no factor leads to it; configure LRs above 0"
                )
        self.factors = [pg.get_lr(group) / base if base != 0 else 1.0 for group, base in groups]
        for group, configured in zip(self._optimizer.param_groups, self._configured, strict=True):
            for param, value in configured.items():
                own = param == "lr" or param in CYCLE_KEYS or param in self.moved
                if not own and pg.get_value(group, param) not in (None, value):
                    self.moved.append(param)

    # ------------------------------------------------------------------ what a checkpoint carries
    def _snapshot(self) -> dict[str, Any]:
        groups = [{key: held for key, held in g.items() if key != "params"} for g in self._optimizer.param_groups]
        return {"scheduler": plain(_state_of(self.scheduler)), "groups": plain(groups)}

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers: how often it has been stepped, what it was when it was built, and what it is now."""
        return {"count": self.count, "initial": self._initial, "now": self._snapshot()}

    def was_configured_alike(self, state: Mapping[str, Any]) -> bool:
        """Whether the scheduler that left this state was built just like this one."""
        return same(self._initial, state["initial"])

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what another one has become; what it was configured with stays today's.

        Raises:
            ValueError: If the state does not fit the scheduler.
        """
        initial, now = state["initial"], state["now"]
        if len(now["groups"]) != len(self._optimizer.param_groups):
            raise ValueError(
                f"the state is of {len(now['groups'])} parameter groups, but {len(self._optimizer.param_groups)} are"
                " driven"
            )
        self.count = state["count"]
        held = [{key: value for key, value in g.items() if key != "params"} for g in self._optimizer.param_groups]
        todays = [pg.get_lr(group) for group in self._optimizer.param_groups]  # before the scheduler writes its own
        methods = {name for part in _parts(self.scheduler) for name in dir(type(part))}
        closed = frozenset({"optimizer", *methods})
        state_now = put_back(_state_of(self.scheduler), initial["scheduler"], now["scheduler"], closed=closed)
        if hasattr(self.scheduler, "load_state_dict"):
            self.scheduler.load_state_dict(state_now)
        else:
            self.scheduler.__dict__.update(state_now)
        groups = zip(self._optimizer.param_groups, held, todays, initial["groups"], now["groups"], strict=True)
        for group, mine, today, before, after in groups:
            group.update(put_back(mine, before, after, closed=_PARAMS))
            if after["lr"] != before["lr"] and before["lr"] not in (0, today):
                group["lr"] = after["lr"] / before["lr"] * today  # another base LR is configured today
        self._read()


def foreign_of(optimizer: Optimizer, groups: Sequence[pg.ParamGroup], make: Callable[[Optimizer], Any]) -> Foreign:
    """A scheduler on a stand-in that starts at the base LRs of an optimizer's groups, those added later left out."""
    from_the_start = [group for group in groups if not pg.was_added_later(group)] or groups
    defaults = {**optimizer.defaults}
    if is_finite(defaults.get("lr")) or isinstance(defaults.get("lr"), torch.Tensor):
        defaults["lr"] = float(defaults["lr"]) * (pg.found_ratio(from_the_start[0]) if from_the_start else 1.0)
    copies = [pg.copy_for_stand_in(group) for group in from_the_start]
    for copy, group in zip(copies, from_the_start, strict=True):
        if pg.SCALED_LR in group:
            del copy[pg.LR_SCALE]  # it is part of the base LR, and is not applied twice
    return Foreign(make, copies, defaults)


def validated_parts(state: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """What the state of a `TorchScheduler` says of each optimizer, if it is one.

    Raises:
        ValueError: Saying what is wrong.
    """
    optimizers, closed = state.get("optimizers"), state.get("epochs_closed", 0)
    require(is_count(closed), "epochs_closed in the state of a TorchScheduler", "a whole number >= 0", closed)
    if not isinstance(optimizers, Mapping) or not isinstance(state.get("validation_due"), bool):
        raise ValueError(
            "the state of a TorchScheduler must have optimizers and validation_due (True or False), got"
            f" {dict(state)!r}"
        )
    parts = {}
    for index, part in optimizers.items():
        if not str(index).isdecimal() or not isinstance(part, Mapping) or set(part) != {"rounds", "foreign"}:
            raise ValueError(
                "the state of a TorchScheduler must map the indices of optimizers to rounds and foreign, got"
                f" {index!r}: {part!r}"
            )
        rounds = part["rounds"]
        require(is_count(rounds), "rounds in the state of a TorchScheduler", "a whole number >= 0", rounds)
        parts[int(index)] = {"rounds": rounds, "foreign": validated(part["foreign"])}
    return parts


def validated(state: object) -> dict[str, Any]:
    """The state of a `Foreign`, if it is one.

    Raises:
        ValueError: Saying what is wrong.
    """
    if not isinstance(state, Mapping) or set(state) != set(STATE_KEYS):
        raise ValueError(f"the state of a foreign scheduler must have just the keys {list(STATE_KEYS)}, got {state!r}")
    count = state["count"]
    if not is_count(count):
        raise ValueError(f"the state of a foreign scheduler is damaged: count must be an int >= 0, got {count!r}")
    for name in ("initial", "now"):
        part = state[name]
        if not (
            isinstance(part, Mapping)
            and set(part) == {"scheduler", "groups"}
            and isinstance(part["scheduler"], dict)
            and isinstance(part["groups"], list)
            and all(isinstance(g, dict) and is_finite(g.get("lr")) for g in part["groups"])
            and is_plain(part["scheduler"])
            and is_plain(part["groups"])
        ):
            raise ValueError(
                f"the state of a foreign scheduler is damaged: {name} must hold a scheduler and groups with their LRs,"
                f" in plain numbers, got {part!r}"
            )
    return dict(state)


def _state_of(scheduler: Any) -> dict[str, Any]:
    """Its own ``state_dict``, or all that it holds but the optimizer."""
    if hasattr(scheduler, "state_dict"):
        return dict(scheduler.state_dict())
    return {key: held for key, held in vars(scheduler).items() if key != "optimizer"}


def _parts(scheduler: Any) -> list[Any]:
    """The scheduler and those inside it (``SequentialLR``, ``ChainedScheduler``), at any depth."""
    inner = getattr(scheduler, "_schedulers", None) or []
    return [scheduler, *(part for each in inner for part in _parts(each))]


def _hold_past_the_end(scheduler: OneCycleLR) -> None:
    """Past its last step a one-cycle holds: torch's rebounds once, and raises after that."""
    step = scheduler.step

    def held(*args: Any) -> None:
        if scheduler.last_epoch < scheduler.total_steps - 1:
            step(*args)

    scheduler.step = held  # type: ignore[method-assign,assignment]
