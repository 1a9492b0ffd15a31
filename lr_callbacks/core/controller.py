"""One optimizer: its clock, its timeline, and the tables from which the values of each step are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer

from lr_callbacks.core import epochs, saved_state, timeline_state
from lr_callbacks.core import optimizer_hooks as hooks
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.base_values import give_back, note_configured, read_configured, take_configured, take_restored
from lr_callbacks.core.foreign_lrs import ForeignLRs, take_as_base, warn_of_zero
from lr_callbacks.core.group_checks import check_numbers, require_lrs
from lr_callbacks.core.lr_scale import mark_scales, scale_added_group
from lr_callbacks.core.native_schedulers import TakenOut, momentum_after_native_run
from lr_callbacks.core.plan import plan_records, tell_of_another_plan
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.schedule import LRSchedule
from lr_callbacks.core.table import HyperTable, make_tables
from lr_callbacks.core.terms import Term, build_terms
from lr_callbacks.core.timeline import Beginning, Timeline
from lr_callbacks.core.wall_clock import WallClock


class Controller:
    """Drives the hyper-parameters of one optimizer from ``on_fit_start`` to the end of the fit.

    Args:
        optimizer: The optimizer as torch knows it.
        index: Its place in ``trainer.optimizers``.
        schedules: All schedules that drive it, in any order.

    Attributes:
        optimizer: The optimizer whose hooks see the steps; not the one given where that is a wrapper without hooks.
        given: The optimizer as ``configure_optimizers`` has returned it.
        step: How often the optimizer has really stepped.
        now: Where the schedules are: `step`, or the milliseconds of a run that is measured in time.
        clock: The wall clock, if the run is measured in time.
        taken: Steps taken since the training started, also those that a state loaded in between does not count.
        timeline: Where in the run a step lies.
        terms: What each schedule does to which groups, in the order of multiplication.
        replaced: The module's schedulers that were taken out of the run.
        scales: The ``lr_scale`` of each group, which is part of its base LR; None where a group has none.
    """

    def __init__(self, optimizer: Optimizer, index: int, schedules: Sequence[LRSchedule]) -> None:
        self.optimizer = hooks.stepping(optimizer)
        self.given = optimizer
        self.index = index
        self.schedules = sorted(schedules, key=lambda schedule: type(schedule).__qualname__)
        self.step = self.now = 0
        self.clock: WallClock | None = None
        self.taken = 0
        self.timeline = Timeline(RunLength())
        self.terms: list[Term] = []
        self.replaced: list[TakenOut] = []
        self.plan: list[dict[str, Any]] = []
        self._advancing = tuple(schedule for schedule in self.schedules if schedule.advances)
        self._look = False
        self._foreign = ForeignLRs(self.optimizer, self.name)
        self._bases: list[float] = []
        self._tables: list[HyperTable] = []
        self.hooks = hooks.HookSet(self.optimizer, self._after_step, self._carry, self._after_load)
        require_lrs(self.optimizer, self.name)
        check_numbers(self.optimizer)
        self.scales = read_configured(self.optimizer, self.name)
        self._configured = [pg.get_lr(group) for group in self.optimizer.param_groups]
        self._configured_others = [pg.numbers_of(group) for group in self.optimizer.param_groups]

    @property
    def name(self) -> str:
        """How messages name the optimizer."""
        return f"optimizer {self.index} ({type(self.given).__name__})"

    @property
    def run(self) -> RunLength:
        """The run as it was planned at its first step."""
        return self.timeline.run

    # ------------------------------------------------------------------ the start of the training
    def start(
        self,
        run: RunLength,
        *,
        resumed: bool,
        finetuned: bool = False,
        steps_if_not_restored: int | None = 0,
        clock: WallClock | None = None,
        before: saved_state.Carried | None = None,
    ) -> None:
        """Find the base values and the count, resolve the schedules, write the first values, and start the clock.

        Args:
            run: The length of the run, as it is known today.
            resumed: Whether the fit continues from steps taken before.
            finetuned: Whether a finetuning callback of Lightning sets LRs of groups that it has added.
            steps_if_not_restored: What to count from if no count was restored; None if it is unknown.
            clock: The wall clock, if the run is measured in time.
            before: What an earlier fit of the same Trainer has left, where no checkpoint was loaded.

        Raises:
            MisconfigurationException: If the count is needed and not known, or a schedule cannot be resolved.
        """
        self._foreign.finetuned = finetuned
        groups = self.optimizer.param_groups
        check_numbers(self.optimizer)
        restored, same = saved_state.get_carried(self.optimizer), False
        mark_scales(self.optimizer, self.scales, self._configured)
        lrs_then = [pg.get_lr(group) for group in groups]
        if restored is None:
            restored = before
            for scheduler in self.replaced if resumed and before is None else ():
                momentum_after_native_run(scheduler)
            take_configured(self.optimizer, self._configured, believe_the_lr_found=not resumed or before is not None)
        else:
            driven = {n for s in self.schedules for n in pg.select(self.optimizer, s.wanted_groups, who=repr(s))}
            same = take_restored(self.optimizer, self._configured, driven, self.name)
        self.step = restored.step if restored else saved_state.count_without(steps_if_not_restored, self.name)
        self.timeline = Timeline(run, run.epochs, run.epochs)
        if restored is not None and restored.timeline is not None and clock is None:
            self.timeline = timeline_state.from_dict(restored.timeline, run)
        self.taken, self.clock = 0, clock
        self.now = self.step if clock is None else clock.elapsed
        for schedule in self.schedules:
            schedule.begin(self)
        self.resolve()
        self.plan = plan_records(self.terms, self.schedules)
        for schedule in self._advancing:
            schedule.advance(self)
        plan_then = restored.plan if restored else None
        self._look = finetuned and same and self.plan == plan_then
        self.adopt()
        for table in self._tables or self._new_tables():
            table.check(self.now)
            pg.unshare_tensors(self.optimizer, table.driven)
        self.write()
        if plan_then is not None and plan_then != self.plan:
            lrs = [pg.get_lr(group) for group in groups]
            old = lrs_then if restored is not before else None
            tell_of_another_plan(self.name, self.step, plan_then, self.plan, old, lrs)
        saved_state.forget_carried(self.optimizer)
        self.hooks.put()

    # ------------------------------------------------------------------ the clock
    def _after_step(self, optimizer: Optimizer) -> None:
        """One more real step: the values of the next one are written before anybody looks."""
        groups = optimizer.param_groups
        if self._look or len(groups) != len(self._bases) or (groups and pg.BASE_LR not in groups[-1]):
            self.adopt()
        self.step = now = self.step + 1
        self.taken += 1
        self.now = now = now if self.clock is None else self.clock.step()
        for schedule in self._advancing:
            schedule.advance(self)
        for table in self._tables or self._new_tables():
            table.write(groups, now)

    def carried(self) -> saved_state.Carried:
        """What a state of the optimizer carries for us."""
        elapsed = None if self.clock is None else self.clock.read()
        timeline = timeline_state.to_dict(self.timeline) if self.run.epochs and self.clock is None else None
        return saved_state.Carried(self.step, self.plan, timeline, elapsed)

    def _carry(self, groups: list[pg.ParamGroup]) -> None:
        saved_state.write_carried(groups, self.carried())

    def _after_load(self, optimizer: Optimizer) -> None:
        """Continue from the count of a state loaded during training, or from the current count if it has none."""
        check_numbers(optimizer)
        carried = saved_state.get_carried(optimizer)
        self.step = self.step if carried is None else carried.step
        self.now = self.step if self.clock is None else self.clock.elapsed
        saved_state.forget_carried(optimizer)
        for group, base in zip(optimizer.param_groups, self._bases, strict=False):
            group.setdefault(pg.BASE_LR, base)
        self.resolve()  # absolute LRs are other factors of other base LRs
        mark_scales(self.optimizer, self.scales, self._configured)
        self.adopt()
        self.write()

    # ------------------------------------------------------------------ epochs as they really begin
    def begin_epoch(self, epoch: int, today: RunLength, *, exact: bool, batches: int, all_steps: int) -> None:
        """Tie the step of now to the epoch that begins; see `epochs.at_beginning`."""
        if self._knows_epochs(today):
            now = Beginning(epoch, self.step, all_steps)
            self.retime(epochs.at_beginning(self.timeline, now, today, exact=exact, batches=batches, name=self.name))

    def resume_in_epoch(self, epoch: int, today: RunLength, batches_left: float) -> None:
        """Tie the current step to the epoch in which a resumed run continues; see `epochs.in_the_middle`."""
        if self._knows_epochs(today):
            self.retime(epochs.in_the_middle(self.timeline, self.step, epoch, today, batches_left))

    def is_behind(self, epoch: int) -> bool:
        """Whether the last epoch whose beginning was seen lies before an epoch."""
        return self.timeline.began is not None and self.timeline.began.epoch < epoch

    def _knows_epochs(self, today: RunLength) -> bool:
        return self.clock is None and bool(self.timeline.run.epochs and today.epochs)

    def retime(self, timeline: Timeline) -> None:
        """Continue on another timeline from the current step."""
        if timeline != self.timeline:
            self.timeline = timeline
            self.resolve()
            for schedule in self._advancing:
                schedule.advance(self)
            self.write()

    # ------------------------------------------------------------------ writing
    def rewrite(self, *, resolve: bool = False) -> None:
        """Write again between two steps, after a factor has changed."""
        if self._has_new_groups():
            self.adopt()
        elif resolve:
            self.resolve()
        self.write()

    def look_at_next_step(self) -> None:
        """After the next step, look for LRs that other code has written in place, into tensors."""
        self._look = True

    def write(self) -> None:
        """Write the values that the next step will use into every driven group."""
        for table in self._tables or self._new_tables():
            table.write(self.optimizer.param_groups, self.now)

    def _new_tables(self) -> list[HyperTable]:
        end = self.run.total_steps if self.clock is not None else self.timeline.end
        groups, one_by_one = self.optimizer.param_groups, self.clock is None
        self._tables = make_tables(self.terms, groups, one_by_one=one_by_one, end=end, on_foreign=self._foreign.report)
        return self._tables

    def table_of(self, param: str) -> HyperTable | None:
        """The table of an entry, if anything drives it."""
        return next((table for table in self._tables or self._new_tables() if table.param == param), None)

    # ------------------------------------------------------------------ groups and LRs of others
    def _has_new_groups(self) -> bool:
        """Whether groups have come or gone since they were taken up; one that comes is the last."""
        groups = self.optimizer.param_groups
        return len(groups) != len(self._bases) or bool(groups and pg.BASE_LR not in groups[-1])

    def resolve(self) -> None:
        """Work out again what each schedule does to which groups."""
        self.terms, self._tables = build_terms(self.optimizer, self.index, self.schedules, self.timeline), []

    def follow_more(self) -> None:
        """Resolve again after a schedule has begun to set another entry, what is configured for it noted before."""
        self.resolve()
        note_configured(self.optimizer, self.terms, self._configured_others, self.name)

    def terms_of(self, schedule: LRSchedule) -> list[Term]:
        """The terms of a schedule in this optimizer, one for each start."""
        return [term for term in self.terms if term.schedule is schedule and not term.absolute]

    def adopt(self) -> None:
        """Take up groups that were added or removed, and LRs that a finetuning callback has rewritten, as they are now.

        The base LR of an added group is the LR that it has now divided by the factor in force (the LR itself if that is
        0); absolute LRs of schedules (``eta_min``) are scaled for it as for the first group, so ratios stay as asked.
        """
        groups, first = self.optimizer.param_groups, self._bases[0] if self._bases else 0.0
        added = [number for number, group in enumerate(groups) if pg.BASE_LR not in group]
        for number in added:
            scale_added_group(self.optimizer, number, self.name)
            groups[number][pg.REFERENCE_LR] = pg.reference_value(groups[0], "lr") if number else first
        if added or len(groups) != len(self._bases):
            self.resolve()
        note_configured(self.optimizer, self.terms, self._configured_others, self.name)
        factors = self._factors() if added or self._look else {}
        for number in added:
            take_as_base(groups[number], factors.get(number, 1.0))
            if number in factors:
                warn_of_zero(groups[number], number, self.name)
        if self._look:
            self._look = False
            self._foreign.look([number for number in factors if number not in added], factors)
        self._bases, self._tables = [group[pg.BASE_LR] for group in groups], []

    def _factors(self) -> dict[int, float]:
        """The product of the factors of the LR of each driven group, now; by a table that is not kept."""
        table = next((table for table in self._new_tables() if table.param == "lr"), None)
        self._tables = []
        return {} if table is None else dict(zip(table.driven, table.factors(self.now).tolist(), strict=True))

    # ------------------------------------------------------------------ the end
    def end(self) -> None:
        """Stop the clock and restore all but the LR; LRs and count stay, for a checkpoint that is written now."""
        if not self.hooks.are_on:
            return
        self.hooks.remove()
        self._carry(self.optimizer.param_groups)
        give_back(self.optimizer)
