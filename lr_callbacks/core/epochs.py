"""Epochs as they really begin: where the timeline has them elsewhere, it is tied to them."""

from __future__ import annotations

import math

from lr_callbacks.core.lightning_names import rank_zero_info
from lr_callbacks.core.run_length import EpochLengths, RunLength
from lr_callbacks.core.timeline import ROUNDING, Beginning, Timeline


def at_beginning(
    timeline: Timeline, now: Beginning, today: RunLength, *, exact: bool, batches: int, name: str
) -> Timeline:
    """The timeline from the beginning of an epoch on.

    Args:
        timeline: The timeline until now.
        now: The epoch that begins.
        today: The length of the run by the loaders of this epoch.
        exact: Whether the plan knows how many steps an epoch takes; not where fp16 skips some.
        batches: Batches of the epoch that has ended.
        name: Name of the optimizer, for messages.
    """
    lengths, began, step = lengths_today(timeline, today), timeline.began, now.step
    if today.assumed and began is not None and began.epoch == now.epoch - 1 and step > began.step and batches:
        taken, of_all = step - began.step, now.all_steps - began.all_steps
        shown = lengths_shown(timeline, began.epoch, taken, batches, today)
        if shown != lengths:
            rank_zero_info(
                f"{name} took {taken} step{'s' * (taken != 1)} in the {batches} batch{'es' * (batches != 1)} of epoch"
                f" {began.epoch}; lengths in epochs and % of the run go by that from here."
            )
        lengths = shown
        if today.all_steps is not None and of_all > 0:  # each optimizer has its share of max_steps
            timeline = timeline.with_max_steps(step + math.ceil((today.all_steps - now.all_steps) * taken / of_all))
    fits = timeline.with_hold(None).position("epochs", step) == timeline.run.steps_before_epoch(now.epoch)
    as_known = timeline.goes_on_with(lengths, now.epoch)
    if not as_known or (exact and not (fits and timeline.ends_as_planned(step, now.epoch))):
        is_ahead = timeline.position("epochs", step) > timeline.run.steps_before_epoch(now.epoch)
        left = RunLength(epochs=lengths).steps_in_epoch(now.epoch) if is_ahead else None  # an epoch that begins again
        timeline = timeline.with_epoch(step=step, epoch=now.epoch, lengths=lengths, left=left)
    timeline = timeline.with_nominal(today.epochs).with_beginning(now)
    if today.assumed:
        timeline = timeline.with_hold(step + max(RunLength(epochs=lengths).steps_in_epoch(now.epoch), 1) - 1)
    return timeline


def in_the_middle(timeline: Timeline, step: int, epoch: int, today: RunLength, batches_left: float) -> Timeline:
    """Return the timeline of a run that continues in the middle of an epoch; its length may have changed.

    Args:
        timeline: The timeline that the checkpoint has brought.
        step: The count now.
        epoch: The epoch, 0-based.
        today: The length of the run by the loaders of today.
        batches_left: Batches that are left of the epoch.
    """
    lengths = lengths_today(timeline, today)
    if timeline.goes_on_with(lengths, epoch):
        return timeline
    share = batches_left / max(today.batches, 1)
    left = math.ceil(share * RunLength(epochs=lengths).steps_in_epoch(epoch) - ROUNDING)
    timeline = timeline.with_epoch(step=step, epoch=epoch, lengths=lengths, left=left).with_beginning(None)
    if today.assumed:
        timeline = timeline.with_hold(step + max(left, 1) - 1)
    return timeline.with_nominal(today.epochs)


def lengths_today(timeline: Timeline, today: RunLength) -> EpochLengths:
    """Epoch lengths by the loaders of today; under manual optimization in the ratio that an epoch has shown."""
    if not today.assumed:
        return today.epochs
    if today.epochs == timeline.nominal:
        return timeline.lengths
    shown, nominal = RunLength(epochs=timeline.lengths), RunLength(epochs=timeline.nominal)
    ratios = [shown.steps_in_epoch(first) / max(nominal.steps_in_epoch(first), 1) for first, _ in today.epochs]
    return tuple(
        (first, max(round(steps * ratio), 1)) for (first, steps), ratio in zip(today.epochs, ratios, strict=True)
    )


def lengths_shown(timeline: Timeline, epoch: int, taken: int, batches: int, today: RunLength) -> EpochLengths:
    """Epoch lengths in the ratio of steps to batches that an epoch has shown.

    Args:
        timeline: The timeline until now.
        epoch: The epoch that has ended.
        taken: Its steps.
        batches: Its batches.
        today: The length of the run by the loaders of today.
    """
    known, share = lengths_today(timeline, today), batches / max(today.batches, 1)
    if taken == math.ceil(share * RunLength(epochs=known).steps_in_epoch(epoch) - ROUNDING):
        return known
    thought = max(math.ceil(share * today.steps_in_epoch(epoch) - ROUNDING), 1)
    return tuple((first, max(round(steps * taken / thought), 1)) for first, steps in today.epochs)
