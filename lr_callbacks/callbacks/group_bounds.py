"""Bounds and factors of parameter groups, one for all or one for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lr_callbacks.core.arguments import floor, is_finite, plain_container, require
from lr_callbacks.core.schedule_time import Array, GroupRows

Bound = float | str | list[float | str]


def checked_bound(name: str, value: Bound, *, most: int = 100) -> Bound:
    """Return a bound as a number, a share such as ``"1%"``, or a list of them.

    Raises:
        TypeError: If one is neither a number nor a string.
        ValueError: If one is negative or not finite, or a share of more than `most` percent.

    Example:
        >>> checked_bound("min_lr", (0.1, "1%"))
        [0.1, '1%']
    """
    value = plain_container(value)
    value = list(value) if isinstance(value, tuple) else value
    require(value != [], name, "one number or one for each group", value)
    for bound in value if isinstance(value, list) else [value]:
        floor(name, bound, most=most)
    return value


def unit_row(groups: GroupRows) -> Array:
    """The value 1 as a factor of each group; 0 where the base value is 0."""
    return np.broadcast_to(groups.factor_of(1.0), (len(groups.positions),))


def bound_row(value: Bound, groups: GroupRows) -> Array:
    """A bound as a factor of each group; a group that was added later has that of the first."""
    bounds, unit = value if isinstance(value, list) else [value], unit_row(groups)
    mine = [bounds[place] if place < len(bounds) else bounds[0] for place in groups.positions]
    return np.array([groups.factor_of(b) if isinstance(b, str) else b * unit[i] for i, b in enumerate(mine)])


class GroupFactors:
    """A factor of each group, by optimizer, where the factor depends on the way to it: 1 at first."""

    def __init__(self, rows: Mapping[int, list[float]] | None = None) -> None:
        self._rows = {index: list(row) for index, row in (rows or {}).items()}

    def of(self, groups: GroupRows) -> Array:
        """The factors of some groups; a group that was added later has that of the first."""
        known = self._rows.get(groups.optimizer) or [1.0]
        return np.array([known[place] if place < len(known) else known[0] for place in groups.positions])

    def set(self, groups: GroupRows, row: Array) -> None:
        """Note other factors of some groups."""
        known = self._rows.setdefault(groups.optimizer, [])
        known += [known[0] if known else 1.0] * (max(groups.positions) + 1 - len(known))
        for place, factor in zip(groups.positions, row.tolist(), strict=True):
            known[place] = factor

    def as_dict(self) -> dict[str, list[float]]:
        """Plain numbers, for a checkpoint."""
        return {str(index): list(row) for index, row in self._rows.items()}

    @classmethod
    def from_dict(cls, saved: object, what: str) -> GroupFactors:
        """What `as_dict` has made a dict of.

        Raises:
            ValueError: If it is damaged.
        """
        rows: Mapping[Any, Any] = saved if isinstance(saved, Mapping) else {"": saved}
        for index, row in rows.items():
            right = isinstance(row, list) and all(is_finite(each) and each >= 0 for each in row)
            rule = f"lists of numbers of at least 0 by optimizer in the state of {what}"
            require(right and str(index).isdecimal(), "factors", rule, saved)
        return cls({int(index): row for index, row in rows.items()})
