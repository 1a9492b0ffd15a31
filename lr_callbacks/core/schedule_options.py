"""The options that every schedule has: declared and documented once."""

from __future__ import annotations

from typing import Literal, TypedDict

from lr_callbacks.core.schedule_time import Interval

Groups = int | str | list[int | str] | None
Outside = Literal["hold", "one"]


class ScheduleOptions(TypedDict, total=False):
    """Options that every schedule has.

    Args:
        param: What it drives: ``"lr"``, or any other numeric entry of the parameter groups, such as ``"weight_decay"``;
            ``"momentum"`` stands for the first beta in optimizers of Adam's family.
        interval: ``"step"``: it moves at every optimizer step. ``"epoch"``: its time counts epochs, and the factor is
            held over each; the epoch in which it begins is the first. Lengths are then given in epochs or %.
        start: Where it begins, counted from the start of the run: an int (optimizer steps), ``"2 epochs"``, ``"10%"``
            or ``"30 min"``; None for the end of the warm-up of its groups.
        end: Where it ends, counted from the start of the run, in the same units; None for no end but its own. A length
            that is not given is that from `start` to `end`.
        outside: What its factor is before `start` and from `end` on. ``"hold"``: its first and its last. ``"one"``: 1.
        floor: Lowest value that it leads to: absolute, or ``"1%"`` of each group's base value; None for none.
        ceiling: Highest value that it leads to, in the same way.
        optimizer: Index of the optimizer to drive, counted from 0; None for all.
        groups: Parameter groups to drive: an index, a name (``group["name"]``), a pattern of names (``"backbone*"``) or
            a list of them; None for all.
    """

    param: str
    interval: Interval
    start: int | str | None
    end: int | str | None
    outside: Outside
    floor: float | str | None
    ceiling: float | str | None
    optimizer: int | None
    groups: Groups
