"""What a checkpoint carries of a foreign scheduler: plain numbers, and only what moves is ever put back.

What has not moved since the scheduler was built is configuration; it is saved to be compared, never to be loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from lr_callbacks.core.arguments import is_finite

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


def put_back(held: Any, initial: Any, now: Any, *, name: str = "", closed: frozenset[str] = frozenset()) -> Any:
    """A copy of `held` in which what has moved between `initial` and `now` (both plain) has its value in `now`.

    Everything else stays as it is held, as the object that it is; containers keep their types.

    Args:
        held: What is there today.
        initial: What was there when the scheduler that left the state was built.
        now: What was there when it left the state.
        name: What is put back, for the error message.
        closed: Names that nothing may be put back under unless they hold plain values already: a scheduler's methods.

    Raises:
        ValueError: If `now` is of another kind than what is held.

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
        moved = {}
        for key, value in now.items():
            inner = f"{name}[{key!r}]"
            if key in held:
                moved[key] = put_back(held[key], before.get(key), value, name=inner, closed=closed)
            elif key in closed:
                raise ValueError(
                    f"the state of a foreign scheduler is damaged: {inner} must not be there, got {value!r}"
                )
            elif key not in before or not same(before[key], value):
                moved[key] = value  # what it learns only when it is stepped
        return {**held, **moved}
    if isinstance(held, list | tuple) and isinstance(now, list) and len(held) == len(now):
        known = isinstance(initial, list) and len(initial) == len(now)
        return type(held)(
            put_back(value, initial[place] if known else _DROP, now[place], name=f"{name}[{place}]", closed=closed)
            for place, value in enumerate(held)
        )
    rule = _broken_rule(_plain(held), now)
    if rule is not None:
        raise ValueError(f"the state of a foreign scheduler is damaged: {name} must be {rule}, got {now!r}")
    return now


def _broken_rule(held: Any, now: Any) -> str | None:
    """What a value must be to take the place of the one that is held, if it is not; None if it may."""
    if held is _DROP:
        return "left to the scheduler"
    if held is None or held != held:
        return None
    if isinstance(held, bool | str | list | dict):
        kind = {bool: "True or False", str: "a str", list: "a list", dict: "a dict"}[type(held)]
        return None if type(now) is type(held) else kind
    if isinstance(held, int):
        return None if is_finite(now) else "a finite number"
    return None if type(now) in (int, float) and now == now else "a number"
