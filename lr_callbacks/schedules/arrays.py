"""What schedules are made of: types of arrays, and libm's functions for each entry of an array."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Times = float | NDArray[Any]
"""One time or an array of times of any shape, ints or floats, at least 0."""
Value = float | Array
"""One number, or a row with an entry for each parameter group."""


Method = TypeVar("Method", bound=Callable[..., Any])


def lookahead(function: Method) -> Method:
    """Mark a function as a pure function of time, so that it may be worked out for many steps at once.

    A function or method without this mark (an override in a subclass of your own, say) is asked at each step, for that
    step only.
    """
    function.__dict__["lookahead"] = True
    return function


def cos(x: Any) -> Array:
    """Return ``math.cos`` of each entry.

    This function, `exp`, `tanh` and `power` call the C library once for each entry: numpy's own versions work on blocks
    and differ in the last bit between processors, so that a value would depend on its neighbours and on the machine.

    Example:
        >>> cos(np.array([0.0, math.pi])).tolist()
        [1.0, -1.0]
    """
    return _each(math.cos, x)


def exp(x: Any) -> Array:
    """Return ``math.exp`` of each entry.

    Example:
        >>> exp(np.array([0, 1])).tolist() == [1.0, math.e]
        True
    """
    return _each(math.exp, x)


def tanh(x: Any) -> Array:
    """Return ``math.tanh`` of each entry.

    Example:
        >>> tanh(np.array([0.0, 20.0])).tolist()
        [0.0, 1.0]
    """
    return _each(math.tanh, x)


def power(base: Any, exponent: Any) -> Array:
    """Return ``base ** exponent`` of each entry, as floats; infinite where that has no float.

    Example:
        >>> power(0.5, np.array([0, 1, 2])).tolist()
        [1.0, 0.5, 0.25]
    """
    try:
        return _each(math.pow, base, exponent)
    except OverflowError:
        return _each(_power_or_inf, base, exponent)


def _power_or_inf(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf


def _each(function: Callable[..., float], *arguments: Any) -> Array:
    arrays = [np.asarray(argument) for argument in arguments]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    entries = [
        np.broadcast_to(array, shape).ravel().tolist() if array.shape else repeat(array.item()) for array in arrays
    ]
    return np.fromiter(map(function, *entries), np.float64, count=math.prod(shape)).reshape(shape)[()]


def until(end: float, t: Times, values: Callable[[NDArray[Any]], Value], after: float) -> Array:
    """Return `values` of the times before `end`, and `after` from `end` on.

    Args:
        end: The first time at which `after` holds.
        t: Times, of any shape.
        values: A function of the times before `end`, a flat array; it is asked for no other times.
        after: What holds from `end` on.

    Example:
        >>> until(2, np.arange(4), lambda t: t / 2, 1.0).tolist()
        [0.0, 0.5, 1.0, 1.0]
    """
    t = np.asarray(t)
    result = np.full(t.shape, after, dtype=np.float64)
    before = t < end
    result[before] = values(t[before])
    return result[()]


def between(low: Value, height: Array) -> Array:
    """Return ``low + (1 - low) * height``: from `low` to 1 as `height` goes from 0 to 1.

    Example:
        >>> between(0.5, np.array([0.0, 0.5, 1.0])).tolist()
        [0.5, 0.75, 1.0]
    """
    return low + (1.0 - low) * height
