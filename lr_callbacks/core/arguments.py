"""Checks of constructor arguments; each error names the argument, the rule and the value."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from numbers import Integral, Real
from typing import Any, get_args

LARGEST_COUNT = 2**53
MOST_TO_CATCH_UP = 10**8
"""Most steps that a step-by-step schedule replays; this takes minutes, and no training has more."""


def require(ok: bool, name: str, rule: str, value: object) -> None:
    """Raise a ValueError that names the argument, its rule and the value given, unless `ok`.

    Example:
        >>> require(False, "pct_start", "between 0 and 1", 1.5)
        Traceback (most recent call last):
        ...
        ValueError: pct_start must be between 0 and 1, got 1.5
    """
    if not ok:
        raise ValueError(f"{name} must be {rule}, got {value!r}")


def is_finite(value: object) -> bool:
    """Whether a value is a real number of any type that a float can hold: no bool, no NaN, nothing infinite or huge.

    Example:
        >>> is_finite(1), is_finite(True), is_finite(float("nan")), is_finite(10**400)
        (True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_count(value: object) -> bool:
    """Whether a value is a whole number from 0 to 2**53, beyond which a float no longer counts."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_COUNT


def require_near(steps: int, who: str) -> None:
    """Raise if asked to replay more steps one by one than a training has.

    Raises:
        ValueError: If the replay would take hours or more.

    Example:
        >>> require_near(2**53, "MultiplicativeFactor")
        Traceback (most recent call last):
        ...
        ValueError: MultiplicativeFactor cannot replay 9007199254740992 steps (limit 100,000,000). If the count came \
from a checkpoint, the checkpoint is corrupt.
    """
    if steps > MOST_TO_CATCH_UP:
        raise ValueError(
            f"{who} cannot replay {steps} steps (limit {MOST_TO_CATCH_UP:,}). If the count came from a checkpoint, the"
            " checkpoint is corrupt."
        )


def plain_container(value: Any) -> Any:
    """Any sequence as a list and any mapping as a dict, at every depth; what is a list, tuple or dict stays itself.

    Configuration libraries have containers of their own: Hydra's ``ListConfig`` and ``DictConfig``.

    Example:
        >>> from collections import UserDict, UserList
        >>> plain_container(UserDict(milestones=UserList([1, 2]))), plain_container((3, 4)), plain_container("ab")
        ({'milestones': [1, 2]}, (3, 4), 'ab')
    """
    if isinstance(value, Mapping):
        found = {key: plain_container(held) for key, held in value.items()}
        return value if type(value) is dict and all(found[key] is held for key, held in value.items()) else found
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        held = [plain_container(each) for each in value]
        same = isinstance(value, list | tuple) and all(one is other for one, other in zip(held, value, strict=True))
        return value if same else held
    return value


def state_of(what: str, state: object) -> dict[str, Any]:
    """Return a state from a checkpoint as a new dict.

    Raises:
        ValueError: If it is not a dict with str keys.
    """
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        raise ValueError(f"the state of {what} must be a dict with names as keys, got {state!r}")
    return dict(state)


def require_number(name: str, value: object, *, finite: bool = True) -> float:
    """Return the value as a float; it must be finite unless `finite` is False.

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is NaN or infinite.
    """
    if isinstance(value, bool | Fraction) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    require(not finite or is_finite(value), name, "finite", value)
    return float(value)


def require_int(name: str, value: object, *, minimum: int = 0) -> int:
    """Return the value as an int that is at least `minimum`.

    Raises:
        TypeError: If it is not an int.
        ValueError: If it is too small.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an int, got {value!r}")
    require(int(value) >= minimum, name, f"at least {minimum}", value)
    return int(value)


_SHARE = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*%\s*")


def floor(name: str, value: object, *, most: int = 100) -> None:
    """Require a lowest value: a number of at least 0, or a share of each group's base value, such as ``"1%"``.

    Raises:
        TypeError: If it is neither a number nor a string.
        ValueError: If it is negative or not finite, or no share of at most `most` percent.

    Example:
        >>> floor("eta_min", "1%")
        >>> floor("eta_min", "1 epoch")
        Traceback (most recent call last):
        ...
        ValueError: eta_min must be at least 0, or a share of each group's base value from '0%' to '100%', got '1 epoch'
    """
    if isinstance(value, str):
        share = _SHARE.fullmatch(value)
        rule = f"at least 0, or a share of each group's base value from '0%' to '{most}%'"
        require(share is not None and float(share[1]) <= most, name, rule, value)
    else:
        require(require_number(name, value) >= 0, name, "at least 0", value)


def fraction(name: str, value: object) -> float:
    """A fraction of a whole: a number from 0 to 1, or a share such as ``"30%"``.

    Raises:
        TypeError: If it is neither a number nor a string.
        ValueError: If it is outside that range, or no share.

    Example:
        >>> fraction("pct_start", 0.3), fraction("pct_start", "30%")
        (0.3, 0.3)
    """
    if isinstance(value, str):
        share = _SHARE.fullmatch(value)
        require(share is not None and float(share[1]) <= 100, name, "between 0 and 1, or a share such as '30%'", value)
        return float(value.strip(" %")) / 100
    require(0 <= require_number(name, value) <= 1, name, "between 0 and 1", value)
    return require_number(name, value)


def floor_text(value: float | str) -> str:
    """A lowest value for the plan.

    Example:
        >>> floor_text(1e-05), floor_text("1%")
        ('1e-05', '1% of each base value')
    """
    return f"{value.strip()} of each base value" if isinstance(value, str) else f"{value:g}"


def require_at_most_one(**given: object) -> None:
    """Reject two arguments that say the same thing."""
    if sum(value is not None for value in given.values()) > 1:
        both = " and ".join(f"{name}={value!r}" for name, value in given.items())
        raise ValueError(f"at most one of {' and '.join(given)} may be given, got {both}")


def require_bool(name: str, value: object) -> bool:
    """Return the value as a bool; a str such as ``"false"`` would count as true.

    Raises:
        TypeError: If it is not a bool.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def require_name(name: str, value: object) -> None:
    """Require a str or None.

    Raises:
        TypeError: If it is neither.
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be a str or None, got {value!r}")


def require_choice(name: str, value: object, choices: object) -> None:
    """Require one of the values of a ``Literal``.

    Raises:
        ValueError: Listing the values.
    """
    values = get_args(choices)
    require(value in values, name, "one of " + ", ".join(map(repr, values)), value)
