"""Factors from a user's function, given directly or by its import path."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Any

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import plain_container, require_near
from lr_callbacks.core.schedule import ScheduleOptions
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime


class LambdaFactor(LRCallback):
    """Multiply the learning rate by the value of a user's function.

    The factor at time t is ``function(t, **options)``. First step: that of t = 0. It has no end: the function is asked
    for every t of the run, in any order and more than once for the same t, so it must depend on nothing but t.

    The values are those of torch ``LambdaLR``.

    Args:
        function: The import path of a function, ``"my_package.schedules.halve"``, or the function itself (for a
            callback that can be pickled: not a lambda). It gets t, an int, and returns a number of at least 0.
        options: Further arguments of the function, by name; the functions of `lr_callbacks.schedules` take theirs so.
        **shared: Options of every schedule, see `LRCallback`; with ``interval="epoch"`` t counts epochs.

    Raises:
        TypeError: If `function` is neither a string nor callable, its path leads to something that is not callable, or
            `options` is no dict.
        ValueError: If nothing can be imported from its path, or (in the fit) it returns no number of at least 0.
        MisconfigurationException: At the start of the training, if ``interval="epoch"`` and the length of an epoch is
            not known.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> def halve(epoch):
        ...     return 0.5**epoch
        >>> trainer = Trainer(callbacks=[LambdaFactor(halve, interval="epoch")], logger=False)
        >>> LambdaFactor("lr_callbacks.schedules.rex_factor", {"total_steps": 400})
        LambdaFactor(function='lr_callbacks.schedules.rex_factor', options={'total_steps': 400})
        >>> from lr_callbacks import preview
        >>> [round(lr, 6) for lr in preview([LambdaFactor(halve)], 0.1, total_steps=4)[:, 0].tolist()]
        [0.1, 0.05, 0.025, 0.0125]

    References:
        torch ``LambdaLR``.
    """

    def __init__(
        self,
        function: str | Callable[..., float],
        options: dict[str, Any] | None = None,
        **shared: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**shared)
        imported(function)
        options = plain_container(options)
        if options is not None and not isinstance(options, dict):
            raise TypeError(f"options must be a dict of the function's arguments by name, got {options!r}")
        self.function = function
        self.options = options
        self._called: Checked | None = None

    @property
    def looks_ahead(self) -> bool:
        """Whether the function is marked as a pure one, as those of `lr_callbacks.schedules` are."""
        return bool(getattr(imported(self.function), "lookahead", False))

    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """What a marked function says of many steps at once."""
        function: Callable[..., Array] = imported(self.function)  # type: ignore[assignment]
        return function(t, **(self.options or {}))

    def factor_at(self, t: int, time: ScheduleTime, groups: GroupRows) -> float:
        """What the function says, checked."""
        return self._checked()(int(t))

    @property
    def why_not_by_time(self) -> str | None:
        """The function counts."""
        return "its function counts steps or epochs"

    @property
    def why_not_stretched(self) -> str | None:
        """The function counts."""
        return self.why_not_by_time

    def _checked(self) -> Checked:
        if self._called is None:
            self._called = Checked(partial(imported(self.function), **(self.options or {})), self._name)
        return self._called

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_called": None}

    @property
    def _name(self) -> str:
        """The function's import path."""
        return path_of(self.function)

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments, the function by its path."""
        return {**super().arguments(), "function": self._name}

    def describe(self) -> str:
        """Which function."""
        return f"{self._name}({self.interval})"


class MultiplicativeFactor(LambdaFactor):
    """Multiply the learning rate, step after step, by the value of a user's function.

    The factor at time t is ``function(1) * function(2) * ... * function(t)``. First step: 1. It has no end: the
    function must depend on nothing but t.

    The values are those of torch ``MultiplicativeLR``.

    Args:
        function: The import path of a function, ``"my_package.schedules.shrink"``, or the function itself (for a
            callback that can be pickled: not a lambda). It gets t, an int >= 1, and returns a number of at least 0.
        options: Further arguments of the function, by name.
        **shared: Options of every schedule, see `LRCallback`; with ``interval="epoch"`` t counts epochs.

    Raises:
        TypeError: If `function` is neither a string nor callable, its path leads to something that is not callable, or
            `options` is no dict.
        ValueError: If nothing can be imported from its path, or (in the fit) it returns no number of at least 0.
        MisconfigurationException: At the start of the training, if ``interval="epoch"`` and the length of an epoch is
            not known.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> def shrink(step):
        ...     return 1 - 1 / (step + 100)
        >>> trainer = Trainer(callbacks=[MultiplicativeFactor(shrink)], logger=False)
        >>> from lr_callbacks import preview
        >>> [round(lr, 6) for lr in preview([MultiplicativeFactor(shrink)], 0.1, total_steps=4)[:, 0].tolist()]
        [0.1, 0.09901, 0.098039, 0.097087]

    References:
        torch ``MultiplicativeLR``.
    """

    looks_ahead = False
    _products: Mapping[object, RunningProduct] = MappingProxyType({})

    def factor_at(self, t: int, time: ScheduleTime, groups: GroupRows) -> float:
        """The running product."""
        key = (groups.optimizer, groups.positions, time.start)
        if key not in self._products:
            self._products = {**self._products, key: RunningProduct(self._checked())}
        return self._products[key](int(t))

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_products": {}}

    def describe(self) -> str:
        """Which function."""
        return f"product of {self._name}({self.interval})"


def path_of(function: str | Callable[..., float]) -> str:
    """The import path of a function: without an address in memory, so that a resumed run knows it again.

    Example:
        >>> import math
        >>> path_of(math.exp)
        'math.exp'
    """
    if isinstance(function, str):
        return function
    kind = function if hasattr(function, "__qualname__") else type(function)
    return f"{kind.__module__}.{kind.__qualname__}"


def imported(function: str | Callable[..., float], argument: str = "function") -> Callable[..., float]:
    """The function that an import path names, or the one given.

    Raises:
        TypeError: If it is neither a string nor callable, or the path leads to something that is not callable.
        ValueError: If nothing can be imported from the path.

    Example:
        >>> imported("math.exp")(0)
        1.0
        >>> imported("exp")
        Traceback (most recent call last):
        ...
        ValueError: function must be an import path such as 'my_package.my_module.my_function', got 'exp'
    """
    if not isinstance(function, str):
        if not callable(function):
            raise TypeError(f"{argument} must be a function of one int, or the import path of one, got {function!r}")
        return function
    module, _, name = function.rpartition(".")
    if not module or not name or module.startswith("."):
        raise ValueError(
            f"{argument} must be an import path such as 'my_package.my_module.my_function', got {function!r}"
        )
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{argument} must be an import path that leads somewhere, got {function!r}: {error}; is its folder on the"
            " Python path?"
        ) from error
    if not callable(found):
        raise TypeError(f"{argument} must lead to something that can be called, got {function!r}, which is {found!r}")
    return found  # type: ignore[no-any-return]


class Checked:
    """A user's function that is checked: each value must be a finite number of at least 0."""

    def __init__(self, function: Callable[[int], float], name: str) -> None:
        self._function, self._name = function, name

    def __call__(self, step: int) -> float:
        """The factor at a step."""
        value = self._function(step)
        try:
            factor = float(value)
        except (TypeError, ValueError):
            factor = math.nan
        if not (math.isfinite(factor) and factor >= 0):
            raise ValueError(f"{self._name}({step}) must be a finite number of at least 0, got {value!r}")
        return factor


class RunningProduct:
    """``function(1) * ... * function(step)``; the next step costs one multiplication, an earlier one starts again."""

    def __init__(self, function: Callable[[int], float]) -> None:
        self._function = function
        self._step, self._product = 0, 1.0

    def __call__(self, step: int) -> float:
        """The product up to a step."""
        if step < self._step:
            self._step, self._product = 0, 1.0
        require_near(step - self._step, "MultiplicativeFactor")
        for each in range(self._step + 1, step + 1):
            self._product *= self._function(each)
        self._step = max(self._step, step)
        return self._product
