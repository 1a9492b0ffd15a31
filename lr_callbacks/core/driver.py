"""The one rule and the one clock, for one optimizer: LR = base LR × the product of the factors, after each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch.optim import Optimizer

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.base_values import read_configured, take_configured, take_restored
from lr_callbacks.core.group_checks import check_numbers, require_lrs
from lr_callbacks.core.horizon import Horizon
from lr_callbacks.core.lanes import Lane, build_lanes
from lr_callbacks.core.segment import Segment
from lr_callbacks.core.wall_clock import WallClock
from lr_callbacks.core.writer import Writer

if TYPE_CHECKING:
    from lr_callbacks.callbacks.base import LRCallback


class Driver:
    """Drives the LRs of one optimizer from ``on_fit_start`` to the end of the fit.

    Args:
        optimizer: The optimizer as torch knows it.
        index: Its place in ``trainer.optimizers``.
        callbacks: All LR callbacks that drive it, in any order.

    Attributes:
        step: How often the optimizer has really stepped.
        now: Where the schedules are: `step`, or the milliseconds of a run that goes by the wall clock.
        clock: The wall clock, if the run goes by it.
        taken: Steps taken since the training started, also those that a state loaded in between does not count.
        lanes: Its groups, by the factors that they share.
        horizon: The length of the run in its steps.
    """

    def __init__(self, optimizer: Optimizer, index: int, callbacks: Sequence[LRCallback]) -> None:
        self.optimizer = optimizer
        self.index = index
        self.callbacks = sorted(callbacks, key=lambda callback: (type(callback).__qualname__, repr(callback)))
        self.step = self.now = 0
        self.clock: WallClock | None = None
        self.taken = 0
        self.lanes: list[Lane] = []
        self.horizon = Horizon()
        self._advancing = tuple(callback for callback in self.callbacks if callback.advances)
        self._plan: list[str] = []
        self._finetuned = False
        self._look = False
        self._warned = False
        self._bases: list[float] = []
        self._writers: list[Writer] = []
        self._hooks: list[Callable[[], None]] = []
        require_lrs(optimizer, self.name)
        check_numbers(optimizer)
        self._configured = read_configured(optimizer, self.name)
        self._configured_momenta = [pg.get_momentum(group) for group in optimizer.param_groups]

    @property
    def name(self) -> str:
        """How messages name the optimizer."""
        return f"optimizer {self.index} ({type(self.optimizer).__name__})"

    # ------------------------------------------------------------------ the start of the training
    def start(
        self,
        horizon: Horizon,
        *,
        resumed: bool,
        finetuned: bool,
        steps_if_not_restored: int | None,
        clock: WallClock | None = None,
    ) -> None:
        """Find the base LRs and the count, resolve the schedules, write the LRs and momenta, and start the clock.

        Args:
            horizon: The length of the run.
            resumed: Whether the trainer has loaded a checkpoint.
            finetuned: Whether a finetuning callback of Lightning's sets LRs of groups that it has added.
            steps_if_not_restored: What to count from if no count was restored; None if nobody can know.
            clock: The wall clock, if the run goes by it.

        Raises:
            MisconfigurationException: If the count is needed and not known, or a callback cannot be resolved.
        """
        self.horizon, self._finetuned = horizon, finetuned
        groups = self.optimizer.param_groups
        check_numbers(self.optimizer)
        restored = pg.get_count(self.optimizer)
        lrs_then, plan_then, same = [pg.get_lr(group) for group in groups], pg.get_plan(self.optimizer), False
        if restored is None:
            self.step = self._count_without_restore(steps_if_not_restored)
            take_configured(self.optimizer, self._configured, believe_the_lr_found=not resumed)
        else:
            self.step = restored
            wanted = (pg.select(self.optimizer, c.wanted_groups, who=repr(c)) for c in self.callbacks)
            driven = {number for numbers in wanted for number in numbers}
            same = take_restored(self.optimizer, self._configured, driven, self.name)
        self.taken, self.clock = 0, clock
        self.now = self.step if clock is None else clock.elapsed
        for callback in self._advancing:
            callback.begin(self)
        self.resolve()
        self._plan = [callback.plan_line(self) for callback in self.callbacks]
        for callback in self._advancing:
            callback.advance(self)
        self._look = finetuned and same and self._plan == plan_then
        self.adopt()
        for lane in self.lanes:
            lane.check(self.now)
            pg.unshare_tensors(self.optimizer, lane.groups)
        self.write()
        if plan_then is not None and plan_then != self._plan:
            self._tell_what_changed(plan_then, lrs_then)
        pg.forget_count(self.optimizer)
        self._start_clock()

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

    def _tell_what_changed(self, then: list[str], lrs: list[float]) -> None:
        gone = "; ".join(line for line in then if line not in self._plan) or "nothing"
        come = "; ".join(line for line in self._plan if line not in then) or "nothing"
        new_lrs = [pg.get_lr(group) for group in self.optimizer.param_groups]
        rank_zero_warn(
            f"The LR plan of {self.name} has changed since the checkpoint was written; today's is used. Then: {gone}."
            f" Now: {come}. LR at step {self.step}: {_text(lrs)} then, {_text(new_lrs)} now."
        )

    # ------------------------------------------------------------------ the clock
    def _start_clock(self) -> None:
        try:
            self._hooks = [
                pg.on_step(self.optimizer, self._after_step),
                pg.on_save(self.optimizer, self._carry),
                pg.on_load(self.optimizer, self._after_load),
            ]
        except TypeError as error:
            raise MisconfigurationException(str(error)) from None

    def _after_step(self, optimizer: Optimizer) -> None:
        """One more real step: the LR of the next one is written before anybody looks."""
        groups = optimizer.param_groups
        if self._look or self._has_new_groups():
            self.adopt()
        self.step = now = self.step + 1
        self.taken += 1
        self.now = now = now if self.clock is None else self.clock.step()
        for callback in self._advancing:
            callback.advance(self)
        for writer in self._writers or self._new_writers():
            writer.write(groups, now)

    def _carry(self, groups: list[dict[str, Any]]) -> None:
        """What a state of the optimizer carries for us."""
        pg.write_count(groups, self.step, self._plan, None if self.clock is None else self.clock.read())

    def _after_load(self, optimizer: Optimizer) -> None:
        """Somebody has loaded another state in mid-training: go on from its count, or from ours if it has none."""
        check_numbers(optimizer)
        count = pg.get_count(optimizer)
        self.step = self.step if count is None else count
        self.now = self.step if self.clock is None else self.clock.elapsed
        pg.forget_count(optimizer)
        for group, base in zip(optimizer.param_groups, self._bases, strict=False):
            group.setdefault(pg.BASE_LR, base)
        self.adopt()
        self.write()

    def rewrite(self, *, resolve: bool) -> None:
        """Write anew between two steps, after a factor has changed; `resolve`: which groups share it may have too."""
        if self._has_new_groups():
            self.adopt()
        elif resolve:
            self.resolve()
        self.write()

    def look_at_next_step(self) -> None:
        """After the next step, look for LRs that somebody else has written."""
        self._look = True

    def write(self) -> None:
        """Write the LR (and momentum) that the next step will use into every driven group."""
        for writer in self._writers or self._new_writers():
            writer.write(self.optimizer.param_groups, self.now)

    def _new_writers(self) -> list[Writer]:
        groups = self.optimizer.param_groups
        self._writers = [Writer(lane, groups, one_by_one=self.clock is None) for lane in self.lanes if lane.callbacks]
        return self._writers

    # ------------------------------------------------------------------ groups and LRs of others
    def _has_new_groups(self) -> bool:
        """Whether groups have come or gone since they were taken up; one that comes is the last."""
        groups = self.optimizer.param_groups
        return len(groups) != len(self._bases) or bool(groups and pg.BASE_LR not in groups[-1])

    def resolve(self) -> None:
        """Work out anew which groups share which factors."""
        self.lanes, self._writers = build_lanes(self.optimizer, self.index, self.callbacks, self.horizon), []

    def segments_of(self, callback: LRCallback) -> list[Segment]:
        """The callback's segments in this optimizer, one a lane."""
        return [lane.segments[lane.callbacks.index(callback)] for lane in self.lanes if callback in lane.callbacks]

    def lane_of(self, number: int) -> Lane:
        """The lane of group `number`."""
        return next(lane for lane in self.lanes if number in lane.groups)

    def adopt(self) -> None:
        """Take up groups that were added or removed, and LRs that a finetuning callback has rewritten, as they are now.

        The base LR of an added group is the LR that it has now divided by the factor in force (the LR itself if that is
        0); absolute LRs of schedules (``eta_min``) are scaled for it as for the first group, so ratios stay as asked.
        """
        groups, first = self.optimizer.param_groups, self._bases[0] if self._bases else 0.0
        added = [number for number, group in enumerate(groups) if pg.BASE_LR not in group]
        for number in added:
            groups[number][pg.REFERENCE_LR] = groups[0].get(pg.REFERENCE_LR, groups[0].get(pg.BASE_LR, first))
        if added or len(groups) != len(self._bases):
            self.resolve()
        for number in added:
            self._rebase(number)
            if pg.get_lr(groups[number]) == 0 and self.lane_of(number).callbacks:
                rank_zero_warn(
                    f"Group {number} was added to {self.name} with LR 0 and stays there; give it an LR above 0 (a"
                    " finetuning callback took a share of an LR that was 0 at that step)."
                )
        self._take_momenta()
        if self._look:
            self._look = False
            self._find_foreign_lrs(added)
        self._bases, self._writers = [group[pg.BASE_LR] for group in groups], []

    def _rebase(self, number: int) -> None:
        group, lane = self.optimizer.param_groups[number], self.lane_of(number)
        factor = dict(zip(lane.groups, lane.factors_of_groups(self.now), strict=True))[number]
        lr = pg.get_lr(group)
        group[pg.BASE_LR] = lr / factor if factor != 0 else lr

    def _find_foreign_lrs(self, added: list[int]) -> None:
        for lane in self.lanes:
            if not lane.callbacks:
                continue
            for number, factor in zip(lane.groups, lane.factors_of_groups(self.now), strict=True):
                group = self.optimizer.param_groups[number]
                ours = group[pg.BASE_LR] * factor
                if number in added or pg.holds_lr(group, ours):
                    continue
                if self._finetuned:
                    self._rebase(number)
                elif not self._warned:
                    self._warned = True
                    rank_zero_warn(
                        f"Somebody else has set the LR of group {number} of {self.name} to {pg.get_lr(group):g}, where"
                        f" the LR callbacks had set {ours:g}; they go on setting it. Remove one of the two."
                    )

    def _take_momenta(self) -> None:
        """Note what to give back for each group whose momentum a schedule moves; give back where none does any more."""
        for lane in self.lanes:
            for number in lane.groups:
                group = self.optimizer.param_groups[number]
                if lane.mover is None:
                    if pg.CONFIGURED_MOMENTUM in group:
                        pg.set_momentum(group, group.pop(pg.CONFIGURED_MOMENTUM))
                elif pg.CONFIGURED_MOMENTUM not in group and pg.get_momentum(group) is not None:
                    known = number < len(self._configured_momenta)
                    group[pg.CONFIGURED_MOMENTUM] = (
                        self._configured_momenta[number] if known else pg.get_momentum(group)
                    )

    # ------------------------------------------------------------------ the end
    def end(self) -> None:
        """Stop the clock and give the momentum back; LRs and count stay: a checkpoint written now can resume."""
        if not self._hooks:
            return
        while self._hooks:
            self._hooks.pop()()
        groups = self.optimizer.param_groups
        self._carry(groups)
        for group in groups:
            if pg.CONFIGURED_MOMENTUM in group:
                pg.set_momentum(group, group[pg.CONFIGURED_MOMENTUM])


def _text(lrs: list[float]) -> str:
    return ", ".join(f"{lr:.6g}" for lr in lrs)
