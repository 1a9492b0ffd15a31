"""What a checkpoint carries of a timeline: plain numbers in lists, looked at before they are believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from lr_callbacks.core.arguments import is_count, is_finite
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.timeline import STRAIGHT, Beginning, Knot, Timeline

WIDTHS = {"planned": 2, "lengths": 2, "nominal": 2, "epochs": 4, "share": 4, "hold": 1, "began": 3}
"""Numbers in a row of each entry."""


def to_dict(timeline: Timeline) -> dict[str, Any]:
    """Plain numbers in lists of rows."""
    return {
        "planned": [list(each) for each in timeline.run.epochs],
        "lengths": [list(each) for each in timeline.lengths],
        "nominal": [list(each) for each in timeline.nominal],
        "epochs": _numbers(timeline.epochs),
        "share": _numbers(timeline.share),
        "hold": [] if timeline.hold is None else [[timeline.hold]],
        "began": [] if timeline.began is None else [list(timeline.began)],
    }


def from_dict(saved: object, today: RunLength) -> Timeline:
    """The timeline that a checkpoint carries, under the limits of today.

    Raises:
        ValueError: If it is not one.
    """
    keys = list(WIDTHS)
    if not isinstance(saved, Mapping) or sorted(map(str, saved)) != sorted(keys):
        raise ValueError(f"the timeline in the optimizer's state must be a dict with the keys {keys}, got {saved!r}")
    for key, width in WIDTHS.items():
        if not _are_rows(saved[key], width):
            raise ValueError(f"{key} in the timeline of the optimizer's state is damaged, got {saved[key]!r}")
    planned, lengths, nominal = (tuple((first, steps) for first, steps in saved[key]) for key in keys[:3])
    hold = next((count for (count,) in saved["hold"]), None) if today.assumed else None
    began = next((Beginning(*row) for row in saved["began"]), None)
    epochs, share = _knots_of(saved["epochs"]), _knots_of(saved["share"])
    return Timeline(replace(today, epochs=planned), lengths, nominal, epochs, share, hold, began).with_limits(today)


def _numbers(knots: tuple[Knot, ...]) -> list[list[float]]:
    return [] if knots is STRAIGHT else [[knot.step, knot.position, knot.rise, knot.steps] for knot in knots]


def _knots_of(rows: list[list[float]]) -> tuple[Knot, ...]:
    return tuple(Knot(int(step), position, rise, steps) for step, position, rise, steps in rows) or STRAIGHT


def _are_rows(rows: object, width: int) -> bool:
    """Whether something is a list of rows of numbers as a timeline has them, in rising order."""
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == width for row in rows):
        return False
    numbers = [number for row in rows for number in row]
    if width != 4 and not all(map(is_count, numbers)):
        return False
    if not all(is_finite(number) and number >= 0 for number in numbers) or not all(is_count(row[0]) for row in rows):
        return False
    rising = all(one[0] <= other[0] for one, other in pairwise(rows))
    return rising and (width != 4 or all(row[3] > 0 for row in rows))
