"""Copies that the range test uses up instead of objects whose state cannot be restored in place."""

from __future__ import annotations

from collections.abc import Callable

from lr_callbacks.range_test.state_kinds import copy_of


class StandIns:
    """Objects, and the places that hold them.

    Example:
        >>> holder = {"numbers": iter([1, 2, 3])}
        >>> original, stand_ins = holder["numbers"], StandIns()
        >>> stand_ins.add(original, lambda copy: holder.update(numbers=copy))
        >>> stand_ins.put()
        >>> next(holder["numbers"]), next(holder["numbers"]), next(original)
        (1, 2, 1)
    """

    def __init__(self) -> None:
        self._held: dict[int, tuple[object, list[Callable[[object], None]]]] = {}

    def add(self, thing: object, put: Callable[[object], None]) -> None:
        """Note an object of a kind that can be copied, and what puts another into its place."""
        self._held.setdefault(id(thing), (thing, []))[1].append(put)

    def put(self) -> None:
        """Put a copy into every place of each object; whoever restores the places puts the originals back."""
        for thing, places in self._held.values():
            copy = copy_of(thing)
            for place in places:
                place(copy)
