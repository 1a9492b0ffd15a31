"""The one rule and the one clock, for one optimizer: LR = base LR × the product of the factors, after each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch.optim import Optimizer

from lr_callbacks import param_groups as pg
from lr_callbacks.horizon import Horizon
from lr_callbacks.segment import Group, Segment

if TYPE_CHECKING:
    from lr_callbacks.callbacks.base import LRCallback


@dataclass(frozen=True)
class Lane:
    """Groups of one optimizer that share all factors."""

    groups: tuple[int, ...]
    callbacks: tuple[LRCallback, ...]
    segments: tuple[Segment, ...]

    def factor_at(self, step: int) -> float:
        """The product of all factors, in an order that does not depend on the Trainer's list."""
        product = 1.0
        for segment in self.segments:
            since = step - segment.start
            product *= segment.factor(since if since > 0 else 0)
        return product

    @cached_property
    def moves_momentum(self) -> bool:
        """Whether a segment moves the momentum."""
        return any(segment.momentum is not None for segment in self.segments)

    def momentum_at(self, step: int) -> float:
        """The momentum at a step, where a segment moves it."""
        for segment in self.segments:
            if segment.momentum is not None:
                return segment.momentum(max(0, step - segment.start))
        raise LookupError("no segment of this lane moves the momentum")


class Driver:
    """Drives the LRs of one optimizer from ``on_fit_start`` to the end of the fit.

    Args:
        optimizer: The optimizer as torch knows it.
        index: Its place in ``trainer.optimizers``.
        callbacks: All LR callbacks that drive it, in any order.
    """

    def __init__(self, optimizer: Optimizer, index: int, callbacks: Sequence[LRCallback]) -> None:
        self.optimizer = optimizer
        self.index = index
        self.callbacks = sorted(callbacks, key=lambda callback: (type(callback).__qualname__, repr(callback)))
        self.lanes: list[Lane] = []
        self.horizon = Horizon()
        self.step = 0
        self.first_step = 0
        self._finetuned = False
        self._look = False
        self._advancing = tuple(callback for callback in self.callbacks if callback.advances)
        self._remove_hook: Callable[[], None] = lambda: None
        self._num_groups = 0
        self._warned: set[str] = set()
        self._configured: list[float] = self._read_configured()
        self._configured_momentum = [pg.get_momentum(group) for group in optimizer.param_groups]

    @property
    def name(self) -> str:
        """How messages name the optimizer."""
        return f"optimizer {self.index} ({type(self.optimizer).__name__})"

    def _read_configured(self) -> list[float]:
        """What the user configured; our keys of an earlier fit are cleared, and its base LRs taken up again.

        An optimizer object that an earlier fit has left at the end of its schedule would otherwise start from there.
        """
        groups = self.optimizer.param_groups
        for number, group in enumerate(groups if pg.is_ours(self.optimizer) else ()):
            ours, base = pg.left_by_us(self.optimizer, number), group.get(pg.CONFIGURED_LR, group.get(pg.BASE_LR))
            if ours is not False and base is not None and base != pg.get_lr(group):
                if ours:
                    rank_zero_info(
                        f"Group {number} of {self.name} comes from an earlier fit, which left it at LR"
                        f" {pg.get_lr(group):g}; its configured LR {base:g} is the base LR again."
                    )
                pg.set_lr(group, base)
        pg.forget(self.optimizer)
        return [pg.get_lr(group) for group in groups]

    # ------------------------------------------------------------------ the start of the training
    def start(self, horizon: Horizon, *, resumed: bool, finetuned: bool, steps_if_not_restored: int | None) -> None:
        """Find the base LRs and the count, resolve the schedules, write the LRs and momenta, and start the clock.

        Args:
            horizon: The length of the run.
            resumed: Whether the trainer has loaded a checkpoint.
            finetuned: Whether a finetuning callback of Lightning's sets LRs of groups that it has added.
            steps_if_not_restored: What to count from if no count was restored; None if nobody can know.

        Raises:
            MisconfigurationException: If the count is needed and not known, or a callback cannot be resolved.
        """
        self.horizon, self._finetuned = horizon, finetuned
        restored_step = pg.get_step(self.optimizer)
        restored_plan = self.optimizer.param_groups[0].get(pg.PLAN)
        restored_lrs = [pg.get_lr(group) for group in self.optimizer.param_groups]
        if restored_step is None:
            self.step = self._count_without_restore(steps_if_not_restored)
            self._take_configured(believe_the_lr_found=not resumed)
        else:
            self.step = int(restored_step)
            self._take_restored()
        self.first_step = self.step
        self._num_groups = len(self.optimizer.param_groups)
        for callback in self._advancing:
            callback.begin(self)
        self.resolve()
        for callback in self._advancing:
            callback.advance(self)
        self.adopt()
        plan = [f"{callback!r} {callback.span(self)}" for callback in self.callbacks]
        first = self.optimizer.param_groups[0]
        first[pg.STEP], first[pg.PLAN] = self.step, plan
        self._take_momentum()
        self.write()
        if restored_plan is not None:
            self._tell_what_changed(restored_plan, plan, restored_lrs)
        try:
            self._remove_hook = pg.on_step(self.optimizer, self._after_step)
        except TypeError as error:
            raise MisconfigurationException(str(error)) from None

    def _count_without_restore(self, steps: int | None) -> int:
        if steps is None:
            raise MisconfigurationException(
                f"{self.name} has already stepped, but nothing says how often: the count is kept in the optimizer's"
                " checkpoint, and this one has none. Resume from a checkpoint that was written with LR callbacks in"
                " the Trainer, or start with a new Trainer."
            )
        if steps:
            rank_zero_info(
                f"{self.name} carries no step count of LR callbacks; its schedules go on from step {steps}"
                " (trainer.global_step), from the LRs that are configured now."
            )
        return steps

    def _take_configured(self, *, believe_the_lr_found: bool) -> None:
        """A fresh optimizer, or one restored from a run without us: the base LR is the one that is configured now.

        In a fresh fit, an LR that somebody has found since (a range test) is the base LR; the configured one stays
        beside.
        """
        for number, group in enumerate(self.optimizer.param_groups):
            known = number < len(self._configured)
            found = pg.get_lr(group)
            group[pg.BASE_LR] = found if believe_the_lr_found or not known else self._configured[number]
            if known:
                group[pg.CONFIGURED_LR] = self._configured[number]

    def _take_restored(self) -> None:
        """A checkpoint of ours: its base LRs hold as long as what is configured has not changed; else today's do."""
        for number, group in enumerate(self.optimizer.param_groups):
            if number >= len(self._configured) or pg.CONFIGURED_LR not in group:
                continue  # a group that was added in mid-training: its base LR stands in the checkpoint
            today, then = self._configured[number], group[pg.CONFIGURED_LR]
            if today != then:
                rank_zero_warn(
                    f"Group {number} of {self.name} was configured with LR {then:g} when the checkpoint was written and"
                    f" is with {today:g} now; {today:g} is used."
                )
                group[pg.BASE_LR] = group[pg.CONFIGURED_LR] = today

    def _tell_what_changed(self, then: list[str], now: list[str], lrs: list[float]) -> None:
        if then == now:
            return
        gone = "; ".join(line for line in then if line not in now) or "nothing"
        come = "; ".join(line for line in now if line not in then) or "nothing"
        new_lrs = [pg.get_lr(group) for group in self.optimizer.param_groups]
        rank_zero_warn(
            f"The LR plan of {self.name} has changed since the checkpoint was written; today's is used. Then: {gone}."
            f" Now: {come}. LR at step {self.step}: {_lrs(lrs)} then, {_lrs(new_lrs)} now."
        )

    # ------------------------------------------------------------------ factors
    def resolve(self) -> None:
        """Give each group its segments; groups that share all of them go into one lane."""
        groups = self.optimizer.param_groups
        chosen = [(c, pg.select(self.optimizer, c.wanted_groups, who=repr(c))) for c in self.callbacks]
        driven = {c: {number: position for position, number in enumerate(numbers)} for c, numbers in chosen}
        bases = [group.get(pg.REFERENCE_LR, group.get(pg.BASE_LR, 0.0)) for group in groups]
        largest = {c: max((bases[number] for number in numbers), default=0.0) for c, numbers in chosen}
        shared: dict[tuple[object, ...], list[int]] = {}
        for number, base in enumerate(bases):
            mine = tuple(callback for callback in self.callbacks if number in driven[callback])
            key = (mine, *(callback.lane_key(driven[callback][number], base) for callback in mine))
            shared.setdefault(key, []).append(number)
        self.lanes = [self._lane(tuple(numbers), driven, bases, largest) for numbers in shared.values()]

    def _lane(
        self,
        numbers: tuple[int, ...],
        driven: dict[LRCallback, dict[int, int]],
        bases: list[float],
        largest: dict[LRCallback, float],
    ) -> Lane:
        first = numbers[0]
        mine = tuple(callback for callback in self.callbacks if first in driven[callback])
        warmup_end = 0
        segments: dict[LRCallback, Segment] = {}
        for callback in sorted(mine, key=lambda callback: not callback.is_warmup):
            group = Group(driven[callback][first], bases[first], largest[callback], warmup_end, self.index)
            segments[callback] = callback.segment(self.horizon, group)
            if callback.is_warmup:
                warmup_end = max(warmup_end, segments[callback].end or 0)
        return Lane(numbers, mine, tuple(segments[callback] for callback in mine))

    def segments_of(self, callback: LRCallback) -> list[Segment]:
        """The callback's segments in this optimizer, one a lane."""
        return [lane.segments[lane.callbacks.index(callback)] for lane in self.lanes if callback in lane.callbacks]

    def lane_of(self, number: int) -> Lane:
        """The lane that drives group `number`."""
        return next(lane for lane in self.lanes if number in lane.groups)

    # ------------------------------------------------------------------ the clock
    def _after_step(self, optimizer: Optimizer) -> None:
        """One more real step: the LR of the next one is written before anybody looks."""
        groups = optimizer.param_groups
        before = groups[0].get(pg.STEP, self.step)
        if self._look or len(groups) != self._num_groups:
            self.step = before
            self.adopt()
        self.step = groups[0][pg.STEP] = before + 1
        for callback in self._advancing:
            callback.advance(self)
        self.write()

    def look_at_next_step(self) -> None:
        """After the next step, look for LRs that somebody else has written."""
        self._look = True

    def write(self) -> None:
        """Write the LR (and momentum) that the next step will use into every driven group."""
        groups = self.optimizer.param_groups
        for lane in self.lanes:
            mine = groups if len(lane.groups) == len(groups) else [groups[number] for number in lane.groups]
            pg.scale_lrs(mine, lane.factor_at(self.step))
            if lane.moves_momentum:
                pg.set_momenta(mine, lane.momentum_at(self.step))

    # ------------------------------------------------------------------ groups and LRs of others
    def adopt(self) -> None:
        """Take up groups that were added, and LRs that a finetuning callback has rewritten, as they are now.

        Their base LR is the LR that they have now divided by the factor in force (the LR itself if that is 0); absolute
        LRs of schedules (``eta_min``) are scaled for them as for the group that they follow, so ratios stay as asked.
        """
        groups = self.optimizer.param_groups
        new = [number for number, group in enumerate(groups) if pg.BASE_LR not in group]
        for number in new:
            groups[number][pg.REFERENCE_LR] = groups[0].get(pg.REFERENCE_LR, groups[0].get(pg.BASE_LR, 0.0))
        if new:
            self.resolve()
            for number in new:
                self._rebase(number)
            self._take_momentum()
        self._num_groups = len(groups)
        if self._look:
            self._look = False
            self._find_foreign_lrs()

    def _rebase(self, number: int) -> None:
        group = self.optimizer.param_groups[number]
        factor = self.lane_of(number).factor_at(self.step)
        lr = pg.get_lr(group)
        group[pg.BASE_LR] = lr / factor if factor != 0 else lr

    def _find_foreign_lrs(self) -> None:
        for lane in self.lanes:
            if not lane.callbacks:
                continue
            factor = lane.factor_at(self.step)
            for number in lane.groups:
                group = self.optimizer.param_groups[number]
                ours = group[pg.BASE_LR] * factor
                if pg.holds_lr(group, ours):
                    continue
                if self._finetuned:
                    self._rebase(number)
                elif "foreign" not in self._warned:
                    self._warned.add("foreign")
                    rank_zero_warn(
                        f"Somebody else has set the LR of group {number} of {self.name} to {pg.get_lr(group):g}, where"
                        f" the LR callbacks had set {ours:g}; they go on setting it. Remove one of the two."
                    )

    def _take_momentum(self) -> None:
        """Note what to give back for each group whose momentum a schedule moves; give back where none does any more."""
        for lane in self.lanes:
            moves = lane.moves_momentum
            for number in lane.groups:
                group = self.optimizer.param_groups[number]
                if moves and pg.CONFIGURED_MOMENTUM not in group and pg.get_momentum(group) is not None:
                    known = number < len(self._configured_momentum)
                    configured = self._configured_momentum[number] if known else pg.get_momentum(group)
                    group[pg.CONFIGURED_MOMENTUM] = configured
                elif not moves and pg.CONFIGURED_MOMENTUM in group:
                    pg.set_momentum(group, group.pop(pg.CONFIGURED_MOMENTUM))

    # ------------------------------------------------------------------ the end
    def end(self) -> None:
        """Stop the clock and give the momentum back; LRs and count stay: a checkpoint written now can resume."""
        self._remove_hook()
        self._remove_hook = lambda: None
        for group in self.optimizer.param_groups:
            if pg.CONFIGURED_MOMENTUM in group:
                pg.set_momentum(group, group[pg.CONFIGURED_MOMENTUM])
        pg.leave(self.optimizer)


def _lrs(lrs: list[float]) -> str:
    return ", ".join(f"{lr:.6g}" for lr in lrs)
