"""How long something lasts, as a user writes it: ``500``, ``"500 steps"``, ``"5 epochs"``, ``"10%"``, ``"30 min"``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from typing import Literal

Unit = Literal["steps", "epochs", "percent", "seconds", "samples", "tokens"]

_UNITS: dict[str, Unit] = {
    "": "steps",
    "step": "steps",
    "steps": "steps",
    "epoch": "epochs",
    "epochs": "epochs",
    "%": "percent",
}
_PATTERN = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([a-zA-Z%]*)\s*")
_COUNTED = re.compile(r"\s*((?:\d+\.?\d*|\.\d+)(?:[eE]\+?\d+)?)\s*([kKMGB]?)\s*(sample|token)s?\s*")
_THOUSANDS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}
_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
_TIME = re.compile(r"(?:\s*(?:\d+\.?\d*|\.\d+)\s*[a-zA-Z]+)+\s*")
_TIME_PART = re.compile(r"(\d+\.?\d*|\.\d+)\s*([a-zA-Z]+)")
LONGEST = 1e15
"""Steps, epochs or seconds that no run has, and that a float still counts one by one."""
WAYS_OUT = "write 500 (optimizer steps), '2 epochs', '5%' (of the run) or '30 min' (of max_time)"


@dataclass(frozen=True)
class Duration:
    """A length with its unit; the run that it is part of turns it into optimizer steps.

    Attributes:
        value: The number that the user wrote; never negative.
        unit: ``"steps"`` (optimizer steps), ``"epochs"``, ``"percent"`` (of the whole run, 0 to 100), ``"seconds"``
            (by the wall clock), ``"samples"`` or ``"tokens"`` (of the training data, on all devices together).

    Example:
        >>> Duration.parse("10%")
        Duration(value=10.0, unit='percent')
        >>> Duration.parse(500) == Duration.parse("500 steps")
        True
        >>> str(Duration.parse("1.5 epochs"))
        '1.5 epochs'
        >>> Duration.parse("1h30m"), str(Duration.parse("90 min"))
        (Duration(value=5400.0, unit='seconds'), '1.5 h')
    """

    value: float
    unit: Unit

    @classmethod
    def parse(cls, value: int | str, *, name: str = "duration", minimum: int = 0) -> Duration:
        """Read a duration from what a user wrote.

        Args:
            value: An ``int`` (optimizer steps) or a string with a unit: ``"500 steps"``, ``"5 epochs"``, ``"10%"``,
                ``"30 min"``, ``"11h30m"``, ``"50k samples"``, ``"2B tokens"``.
            name: The argument's name, for error messages.
            minimum: 0, or 1 where a length of nothing makes no sense.

        Returns:
            The duration, not yet in steps.

        Raises:
            TypeError: If `value` is neither an ``int`` nor a ``str``: ``1`` and ``1.0`` must not mean different things.
            ValueError: If the unit is unknown, the number is negative, zero where `minimum` is 1, not whole for steps,
                above 100 %, or longer than any run.

        Example:
            >>> Duration.parse(0.1, name="warmup")
            Traceback (most recent call last):
            ...
            TypeError: warmup must be an int or a string with a unit, got 0.1. Did you mean '10%' of the run? ...
        """
        if isinstance(value, bool) or not isinstance(value, Integral | str):
            raise TypeError(f"{name} must be an int or a string with a unit, got {value!r}{_meant(value)} {WAYS_OUT}")
        seconds = _seconds(str(value))
        match = _PATTERN.fullmatch(str(value))
        unit = _UNITS.get(match[2].lower()) if match else None
        counted = _COUNTED.fullmatch(str(value))
        if counted is not None:
            unit = "samples" if counted[3] == "sample" else "tokens"
            count = float(counted[1]) * _THOUSANDS[counted[2]]
            if count == 0 and minimum > 0:
                raise ValueError(f"{name} must be positive, got {value!r}; {WAYS_OUT}")
            if count >= LONGEST or not count.is_integer():
                raise ValueError(
                    f"{name} must be a whole number of {unit} below {LONGEST:g}, got {value!r}; {WAYS_OUT}"
                )
            return cls(count, unit)
        if seconds is not None:
            if seconds == 0 and minimum > 0:
                raise ValueError(f"{name} must be positive, got {value!r}; {WAYS_OUT}")
            if seconds >= LONGEST:
                raise ValueError(f"{name} must be below {LONGEST:g} seconds, got {value!r}; {WAYS_OUT}")
            return cls(seconds, "seconds")
        if match is None or unit is None:
            raise ValueError(f"{name} has an unknown unit, got {value!r}; {WAYS_OUT}")
        number = float(match[1])
        if number < 0:
            raise ValueError(f"{name} must not be negative, got {value!r}; {WAYS_OUT}")
        if number == 0 and minimum > 0:
            raise ValueError(f"{name} must be positive, got {value!r}; {WAYS_OUT}")
        if unit != "percent" and number >= LONGEST:
            raise ValueError(f"{name} must be below {LONGEST:g}, got {value!r}; {WAYS_OUT}")
        if unit == "percent" and number > 100:
            raise ValueError(f"{name} must be at most 100% of the run, got {value!r}; {WAYS_OUT}")
        if unit == "steps" and not number.is_integer():
            raise ValueError(f"{name} must be a whole number of steps, got {value!r}{_meant(number)} {WAYS_OUT}")
        return cls(number, unit)

    @classmethod
    def find(cls, text: str) -> Duration | None:
        """Return the duration that a string with a unit describes, or None if it describes none.

        Raises:
            ValueError: If its unit is known and its number is negative, not whole for steps, or above 100 %.
        """
        if _seconds(text) is not None or _COUNTED.fullmatch(text):
            return cls.parse(text)
        match = _PATTERN.fullmatch(text)
        return cls.parse(text) if match and match[2] and match[2].lower() in _UNITS else None

    def __str__(self) -> str:
        if self.unit == "seconds":
            return time_text(self.value)
        number = f"{self.value:.12g}"
        return f"{number}%" if self.unit == "percent" else f"{number} {self.unit}"


def time_text(seconds: float) -> str:
    """A time as a reader wants it.

    Example:
        >>> time_text(90), time_text(0.25), time_text(41400), time_text(45)
        ('1.5 min', '0.25 s', '11.5 h', '45 s')
    """
    if seconds < 60:
        return f"{seconds:.4g} s"
    number, unit = (seconds / 60, "min") if seconds < 3600 else (seconds / 3600, "h")
    return f"{number:.4g} {unit}" if number < 9999.5 else f"{number:.0f} {unit}"


def _seconds(text: str) -> float | None:
    """The seconds of a time such as ``"90 s"`` or ``"11h30m"``, larger units first; None for anything else."""
    if not _TIME.fullmatch(text):
        return None
    parts = [(float(number), _SECONDS.get(unit.lower())) for number, unit in _TIME_PART.findall(text)]
    units = [unit for _, unit in parts if unit is not None]
    in_order = len(units) == len(parts) and all(one > next_one for one, next_one in pairwise(units))
    total = sum(number * (unit or 0) for number, unit in parts)
    return total if in_order and math.isfinite(total) else None


def _meant(value: object) -> str:
    """The share of the run that a fraction probably stands for, between what is wrong and the ways out."""
    if isinstance(value, float) and 0 < value < 1:
        return f". Did you mean '{100 * value:g}%' of the run? Otherwise"
    return ";"
