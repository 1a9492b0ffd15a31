"""Hooks on an optimizer: after each real step, when a state is made of it, after a state has been loaded into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.param_groups import ParamGroup

_KNOWS_WHETHER_IT_COMPILES = hasattr(torch.compiler, "is_compiling")
"""Not torch before 2.3: there the hook is always kept out of the compiler."""
_SCHEDULER_MARKS = ("_wrapped_by_lr_sched", "_with_counter")
"""What a torch scheduler leaves on the ``step`` of its optimizer: since torch 2.4, and before."""


def stepping(optimizer: Optimizer) -> Optimizer:
    """Return the optimizer with the step hooks: itself, or the one inside a wrapper that was not built as an optimizer.

    Wrappers such as Lookahead often leave out ``Optimizer.__init__``, so their own hooks are missing or never called;
    they step the optimizer inside, whose groups are theirs.

    Raises:
        MisconfigurationException: If it has no hooks, and no optimizer inside that has.
    """
    try:
        optimizer.register_step_post_hook(_nothing).remove()
    except AttributeError:  # torch itself asks for them in each step of a Trainer
        raise _without(optimizer, "step hooks", "its steps cannot be counted") from None
    except TypeError:
        return _inside(optimizer)  # a plain dict in their place, which torch cannot take a hook off again
    try:
        optimizer.register_state_dict_post_hook(_nothing).remove()
    except AttributeError:
        return _inside(optimizer)
    return optimizer


def _inside(optimizer: Optimizer) -> Optimizer:
    """The optimizer inside a wrapper, whose groups are the wrapper's."""
    for inside in vars(optimizer).values():
        if isinstance(inside, Optimizer) and _same_groups(inside, optimizer):
            return stepping(inside)
    raise _without(optimizer, "state hooks", "its step count cannot be kept")


def _without(optimizer: Optimizer, hooks: str, so: str) -> MisconfigurationException:
    return MisconfigurationException(
        f"{type(optimizer).__name__} has no {hooks} (it does not call torch.optim.Optimizer.__init__), so {so};"
        " derive it from torch.optim.Optimizer and call super().__init__(params, defaults)"
    )


def _nothing(*arguments: Any) -> None:
    return None


def _same_groups(one: Optimizer, other: Optimizer) -> bool:
    pairs = zip(one.param_groups, other.param_groups, strict=False)
    return len(one.param_groups) == len(other.param_groups) and all(mine is theirs for mine, theirs in pairs)


def on_step(optimizer: Optimizer, hook: Callable[[Optimizer], None]) -> Callable[[], None]:
    """Call `hook` after each real step of the optimizer; the returned function takes the hook off again.

    A compiled ``optimizer.step`` stays one graph: the hook itself is never traced. A fused optimizer under a GradScaler
    decides on the device whether to step and calls its hooks either way; there, and only there, the scaler's
    ``found_inf`` is read from the device.
    """

    def unless_skipped(stepped: Optimizer) -> None:
        found_inf = getattr(stepped, "found_inf", None)
        if found_inf is None or not bool(found_inf):
            hook(stepped)

    untraced = torch.compiler.disable(unless_skipped)  # type: ignore[no-untyped-call,unused-ignore]

    def after_step(stepped: Optimizer, args: Any, kwargs: Any) -> None:
        if not _KNOWS_WHETHER_IT_COMPILES or torch.compiler.is_compiling():
            untraced(stepped)  # what keeps the compiler out costs half as much as an update, so only where it compiles
        elif getattr(stepped, "found_inf", None) is None:
            hook(stepped)
        else:
            unless_skipped(stepped)

    return optimizer.register_step_post_hook(after_step).remove


def on_save(optimizer: Optimizer, hook: Callable[[list[ParamGroup]], None]) -> Callable[[], None]:
    """Call `hook` with the groups of each state that is made of the optimizer; returns what takes it off again."""

    def after_state_dict(saved: Optimizer, state: dict[str, Any]) -> None:
        hook(state["param_groups"])

    return optimizer.register_state_dict_post_hook(after_state_dict).remove


def on_load(optimizer: Optimizer, hook: Callable[[Optimizer], None]) -> Callable[[], None]:
    """Call `hook` after a state has been loaded into the optimizer; returns what takes it off again."""
    return optimizer.register_load_state_dict_post_hook(hook).remove


def has_scheduler(optimizer: Optimizer) -> bool:
    """Whether a torch scheduler has ever been built on the optimizer: torch marks its ``step`` then."""
    return any(hasattr(optimizer.step, mark) for mark in _SCHEDULER_MARKS)


def forget_scheduler(optimizer: Optimizer) -> None:
    """Take off the mark that a torch scheduler has left on the optimizer's ``step``."""
    if any(hasattr(vars(optimizer).get("step"), mark) for mark in _SCHEDULER_MARKS):
        del optimizer.step


class HookSet:
    """The hooks of a controller on its optimizer; they can be taken off and put on again.

    Args:
        optimizer: The optimizer.
        after_step: Called after each real step.
        after_save: Called with the groups of each state that is made.
        after_load: Called after a state has been loaded.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        after_step: Callable[[Optimizer], None],
        after_save: Callable[[list[ParamGroup]], None],
        after_load: Callable[[Optimizer], None],
    ) -> None:
        self._optimizer = optimizer
        self._after_step, self._after_save, self._after_load = after_step, after_save, after_load
        self._remove: list[Callable[[], None]] = []

    @property
    def are_on(self) -> bool:
        """Whether the hooks are on the optimizer."""
        return bool(self._remove)

    def put(self) -> None:
        """Put the hooks on the optimizer."""
        self._remove = [
            on_step(self._optimizer, self._after_step),
            on_save(self._optimizer, self._after_save),
            on_load(self._optimizer, self._after_load),
        ]

    def remove(self) -> None:
        """Take them off; safe to call more than once."""
        while self._remove:
            self._remove.pop()()
