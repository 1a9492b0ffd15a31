"""Pure: the axes of a grid, and the points that they span."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

LR_NAMES = ("lr", "learning_rate", "max_lr")


def lr_range(low: float, high: float, per_decade: int = 3) -> list[float]:
    """Return learning rates (LRs) evenly spaced on a log scale, both ends included.

    Value i of n + 1 is low (high / low)^(i / n), i = 0 ... n, with n = per_decade log10(high / low), rounded, at
    least 1; rounded to 4 significant digits between the ends.

    Raises:
        ValueError: If 0 < low < high does not hold, or `per_decade` is below 1.

    Example:
        >>> lr_range(0.001, 0.1, per_decade=2)
        [0.001, 0.003162, 0.01, 0.03162, 0.1]
    """
    if not (0 < low < high and math.isfinite(high)):
        raise ValueError(f"a range of LRs needs 0 < low < high, got low {low} and high {high}")
    if per_decade < 1:
        raise ValueError(f"per_decade must be at least 1, got {per_decade}; 3 gives 0.001, 0.002154, 0.004642, 0.01")
    steps = max(1, round(per_decade * math.log10(high / low)))
    inner = [float(f"{low * (high / low) ** (step / steps):.4g}") for step in range(1, steps)]
    return [low, *inner, high]


def is_lr(name: str) -> bool:
    """Whether an axis is a learning rate, judged by the last part of its name: "lr" or "model.optimizer.lr"."""
    return name.rpartition(".")[2] in LR_NAMES


def check_grid(grid: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the grid as lists without duplicates; an axis may also be a single value, or an array.

    Raises:
        ValueError: If there is no axis, an axis has no value, or an LR is not a number above 0.
        TypeError: If a value has another type, the values are not a list, or the grid is not a dict.

    Example:
        >>> check_grid({"lr": (0.1, 0.01, 0.1)})
        {'lr': [0.1, 0.01]}
        >>> check_grid({"lr": [0.0]})
        Traceback (most recent call last):
        ValueError: LRs must be numbers above 0, got 0.0 for 'lr'; write for example 0.001 0.01 0.1
    """
    if not isinstance(grid, Mapping) or not all(isinstance(name, str) for name in grid):
        raise TypeError(f"grid must be a dict of axis name and values, got {grid!r}; write {{'lr': [0.001, 0.01]}}")
    if not grid:
        raise ValueError("the grid must have at least one axis, got none; write for example --lr 0.001 0.01 0.1")
    lists: dict[str, list[Any]] = {}
    for name, given in grid.items():
        values = _values(name, given)
        if not values:
            raise ValueError(f"each axis of the grid must have a value, got none for {name!r}; add one or remove it")
        for value in values:
            if value is not None and not isinstance(value, str | bool | int | float):
                raise TypeError(f"values of {name!r} must be numbers, strings, booleans or None, got {value!r}")
            if is_lr(name) and (not isinstance(value, int | float) or value is True or not 0 < value < math.inf):
                raise ValueError(
                    f"LRs must be numbers above 0, got {value!r} for {name!r}; write for example 0.001 0.01 0.1"
                )
        lists[name] = list({json.dumps(value): value for value in values}.values())
        if is_lr(name):
            lists[name] = list(dict.fromkeys(float(value) for value in values))
    return lists


def _values(name: str, given: Any) -> list[Any]:
    """The values of an axis as Python types."""
    if given is None or isinstance(given, str | bool | int | float):
        return [given]
    if not isinstance(given, Iterable) or isinstance(given, Mapping):
        raise TypeError(f"the axis {name!r} must be a list of values, got {given!r}; write [0.001, 0.01]")
    return [value.item() if hasattr(value, "item") else value for value in given]


def check_seeds(seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds of every point from their number (0, 1, ...) or a list.

    Raises:
        TypeError: If it is neither.
        ValueError: If there is none, or one is negative.

    Example:
        >>> check_seeds(2), check_seeds([42])
        ([0, 1], [42])
    """
    given = list(seeds) if isinstance(seeds, Iterable) else [seeds]
    if not all(isinstance(seed, Integral) and not isinstance(seed, bool) for seed in given):
        raise TypeError(f"seeds must be an int or a list of ints, got {seeds!r}")
    listed = list(range(int(seeds))) if isinstance(seeds, Integral) else list(dict.fromkeys(map(int, given)))
    if not listed or min(listed) < 0:
        raise ValueError(f"seeds must be at least 1, or a list of seeds of at least 0, got {seeds!r}")
    return listed


def points(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return all combinations of the values; the first axis changes slowest.

    Example:
        >>> points({"lr": [0.1, 0.2], "width": [8]})
        [{'lr': 0.1, 'width': 8}, {'lr': 0.2, 'width': 8}]
    """
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def short(names: Iterable[str]) -> dict[str, str]:
    """Map names of axes to their last parts, or to the whole names where two parts are equal.

    Example:
        >>> short(["lr", "model.width"]), short(["model.width", "data.width"])["data.width"]
        ({'lr': 'lr', 'model.width': 'width'}, 'data.width')
    """
    last = {name: name.rpartition(".")[2] for name in names}
    return {name: part if list(last.values()).count(part) == 1 else name for name, part in last.items()}


def label(point: Mapping[str, Any]) -> str:
    """Return a point as text: short names, numbers with up to 4 digits.

    Example:
        >>> label({"lr": 0.1, "model.width": 8})
        'lr 0.1, width 8'
    """
    return ", ".join(f"{name} {show(value)}" for name, value in zip(short(point).values(), point.values(), strict=True))


def show(value: Any) -> str:
    """Return a value as text, floats with up to 4 digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
