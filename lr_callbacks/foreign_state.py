"""What a checkpoint carries of a foreign scheduler: plain numbers, and only what moves is ever put back.

What has not moved since the scheduler was built is configuration; it is saved to be compared, never to be loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

_DROP = object()


def plain(value: Any) -> Any:
    """The numbers, strings, lists and dicts in a value; callables and other objects are left out.

    Tuples become lists, tensors numbers or lists of numbers, so a checkpoint loads with ``weights_only=True``.

    Example:
        >>> plain({"last_epoch": 3, "betas": (0.9, 0.999), "lr_lambda": print})
        {'last_epoch': 3, 'betas': [0.9, 0.999]}
    """
    kept = _plain(value)
    return {} if kept is _DROP else kept


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.tolist()
    if value is None or type(value) in (bool, int, float, str):
        return value
    if hasattr(value, "item") and not isinstance(value, Mapping | Sequence):  # a number of numpy's
        return value.item() if getattr(value, "ndim", 0) == 0 else value.tolist()
    if isinstance(value, Mapping):
        pairs = ((key, _plain(held)) for key, held in value.items() if isinstance(key, str | int))
        return {key: held for key, held in pairs if held is not _DROP}
    if isinstance(value, list | tuple):
        return [None if held is _DROP else held for held in map(_plain, value)]
    return _DROP


def is_plain(value: object) -> bool:
    """Whether a value is what `plain` gives."""
    if isinstance(value, dict):
        return all(isinstance(key, str | int) and is_plain(held) for key, held in value.items())
    if isinstance(value, list):
        return all(is_plain(held) for held in value)
    return value is None or type(value) in (bool, int, float, str)


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are equal, NaN being equal to itself."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other or (one != one and other != other))


def put_back(held: Any, initial: Any, now: Any) -> Any:
    """A copy of `held` in which what has moved between `initial` and `now` (both plain) has its value in `now`.

    Everything else stays as it is held, as the object that it is; containers keep their types.

    Example:
        >>> put_back({"gamma": 0.5, "last_epoch": 0}, {"gamma": 0.1, "last_epoch": 0}, {"gamma": 0.1, "last_epoch": 7})
        {'gamma': 0.5, 'last_epoch': 7}
        >>> put_back((0.9, 0.999), [0.9, 0.999], [0.85, 0.999])
        (0.85, 0.999)
    """
    if same(initial, now):
        return held
    if isinstance(held, dict) and isinstance(now, dict):
        before = initial if isinstance(initial, dict) else {}
        moved = {key: put_back(held.get(key), before.get(key), value) for key, value in now.items()}
        return {**held, **moved}
    if isinstance(held, list | tuple) and isinstance(now, list) and len(held) == len(now):
        known = isinstance(initial, list) and len(initial) == len(now)
        return type(held)(
            put_back(value, initial[place] if known else _DROP, now[place]) for place, value in enumerate(held)
        )
    return now
