"""One fit: which schedules drive which optimizers, when their controllers start and stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from weakref import WeakKeyDictionary, ref

from torch.optim import Optimizer

from lr_callbacks.core import saved_state
from lr_callbacks.core.clock_checks import ClockChecks
from lr_callbacks.core.conflicts import refuse_other_owners, refuse_rivals
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.hparams import log_schedules
from lr_callbacks.core.lightning_internals import (
    batches_left_of_epoch,
    batches_of_epoch,
    begins_epoch,
    has_no_optimizer,
)
from lr_callbacks.core.lightning_names import (
    BaseFinetuning,
    LightningModule,
    MisconfigurationException,
    Trainer,
    is_a,
    rank_zero_info,
    rank_zero_warn,
)
from lr_callbacks.core.lr_scale import take_lr_scales
from lr_callbacks.core.native_schedulers import take_out, taken_out
from lr_callbacks.core.plan_text import describe
from lr_callbacks.core.run_length import RunLength, run_length_of, scales_gradients
from lr_callbacks.core.schedule import LRSchedule
from lr_callbacks.core.stretch import stretched
from lr_callbacks.core.unreached import warn_of_unreached
from lr_callbacks.core.wall_clock import TimeLimit, WallClock, clock_of, goes_by_time, refuse_steppers, time_limit


class Session:
    """Coordinates all LR callbacks during one ``Trainer.fit`` call. Every schedule may call every method.

    Args:
        controllers: One for each optimizer that is driven.
        schedules: What drives them.
        trainer: The trainer of the fit; None in a preview.
        before: What the last fit of the same trainer has left, by the index of the optimizer.

    Attributes:
        is_over: Whether the fit has ended.
        global_step: The trainer's count when the fit ended.
    """

    def __init__(
        self,
        controllers: list[Controller],
        schedules: list[LRSchedule],
        trainer: Trainer | None = None,
        before: Session | None = None,
    ) -> None:
        self.controllers = controllers
        self.schedules = schedules
        self._trainer = None if trainer is None else ref(trainer)
        self.is_over = False
        self.global_step = 0
        self.carried: dict[int, saved_state.Carried] = {}
        self._before = before
        self._is_started = False
        self._epoch = -1
        self._optimizers: list[Optimizer] = list(trainer.optimizers) if trainer is not None else []
        self._checks = ClockChecks(controllers)

    @property
    def trainer(self) -> Trainer | None:
        """The trainer of the fit; it may be gone, as a session does not keep it alive."""
        return None if self._trainer is None else self._trainer()

    # ------------------------------------------------------------------ the beginning
    def start(self, trainer: Trainer, module: LightningModule) -> None:
        """In ``on_train_start``, where everything is restored: resolve, write the first values, show the plan. Once."""
        if self._is_started:
            return
        self._is_started = True
        automatic, num_optimizers = module.automatic_optimization, len(trainer.optimizers)
        run = _of_rank_zero(trainer, run_length_of(trainer))
        run, clock = self._by_time(trainer, run)
        run = stretched(run, self.schedules)
        countable = trainer.global_step == 0 or (automatic and num_optimizers == 1)
        goes_on = self._before is not None and trainer.global_step == self._before.global_step > 0
        left = _shared(trainer, batches_left_of_epoch(trainer))
        for controller in self.controllers:
            controller.start(
                run,
                resumed=trainer.global_step > 0,
                finetuned=any(is_a(callback, BaseFinetuning) for callback in trainer.callbacks),  # type: ignore[attr-defined]
                steps_if_not_restored=trainer.global_step if countable else None,
                clock=clock,
                before=self._before.carried.get(controller.index) if goes_on and self._before is not None else None,
            )
            if left is not None:
                controller.resume_in_epoch(trainer.current_epoch, run, left)
            refuse_rivals(controller)
        if left is not None:
            self._epoch = trainer.current_epoch  # Lightning before 2.5 calls on_train_epoch_start for it once more
        is_next = run.assumed and any(each.is_behind(trainer.current_epoch) for each in self.controllers)
        if is_next or (left is None and begins_epoch(trainer)):
            self._begin_epoch(trainer, run)
        if self.controllers:
            rank_zero_info(describe(run, self.controllers))
            if not trainer.fast_dev_run:  # type: ignore[attr-defined]
                warn_of_unreached(self.controllers)

    def _by_time(self, trainer: Trainer, run: RunLength) -> tuple[RunLength, WallClock | None]:
        """Another length and a clock, if the run is measured in time."""
        schedules = list(dict.fromkeys(s for controller in self.controllers for s in controller.schedules))
        limit = time_limit(trainer)
        if not goes_by_time(schedules, run, limit):
            return run, None
        refuse_steppers(schedules)
        restored = [saved_state.get_elapsed(controller.optimizer) for controller in self.controllers]
        known = [elapsed for elapsed in restored if elapsed is not None]
        return TimeLimit(limit), clock_of(trainer, max(known) if known else None)

    # ------------------------------------------------------------------ on the way
    def on_epoch_start(self, trainer: Trainer) -> None:
        """Tie the clocks to the epoch that begins, and look for LRs that other code has written.

        Raises:
            MisconfigurationException: If the trainer has another optimizer now than when the fit started.
        """
        if not self._is_started or self._epoch == trainer.current_epoch:
            return
        self._epoch = trainer.current_epoch
        for optimizer in trainer.optimizers:
            self.check_optimizer(optimizer)
        run = _shared(trainer, run_length_of(trainer))
        for controller in self.controllers:
            controller.look_at_next_step()
        self._begin_epoch(trainer, run)

    def _begin_epoch(self, trainer: Trainer, run: RunLength) -> None:
        exact, batches = run.assumed or not scales_gradients(trainer), _shared(trainer, batches_of_epoch(trainer))
        for controller in self.controllers:
            controller.begin_epoch(
                trainer.current_epoch, run, exact=exact, batches=batches, all_steps=trainer.global_step
            )

    def check_optimizer(self, optimizer: Optimizer) -> None:
        """Reject a step of an optimizer that was not there when the fit started.

        Raises:
            MisconfigurationException: Saying that it has replaced another one.
        """
        if self._is_started and optimizer not in self._optimizers:
            raise MisconfigurationException(
                f"{type(optimizer).__name__} has replaced an optimizer in the middle of the fit, so its LR would stay"
                " frozen; change the param_groups of the first one instead, or start a new fit"
            )

    def on_batch_end(self, trainer: Trainer) -> None:
        """Make sure that the clocks run; nothing is left to do once all have been seen to.

        Raises:
            MisconfigurationException: If an optimizer has stepped and its hooks were not called.
        """
        if self._checks.are_open:
            self._checks.on_batch_end(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Warn about an optimizer that did not step in the first epoch."""
        if self._checks.are_open:
            self._checks.on_epoch_end(trainer)

    def rewrite(self, schedule: LRSchedule, *, resolve: bool = False) -> None:
        """Write the values again after a schedule's factor has changed between two steps."""
        for controller in self.controllers:
            if any(schedule is each for each in controller.schedules):
                controller.rewrite(resolve=resolve)

    # ------------------------------------------------------------------ the end
    def end(self) -> None:
        """Take all hooks off; safe to call at any time and more than once."""
        if not self.is_over:
            self.is_over = True
            self.global_step = self.trainer.global_step if self.trainer is not None else 0
            before = {} if self._before is None else self._before.carried
            self.carried = {c.index: c.carried() for c in self.controllers} if self._is_started else before
            self._before = None
        self._checks.close()
        for controller in self.controllers:
            controller.end()

    def release(self) -> None:
        """End, and keep only what a later fit needs to continue."""
        self.end()
        self.controllers, self._optimizers, self._before = [], [], None


T = TypeVar("T")
_SESSIONS: WeakKeyDictionary[Trainer, Session] = WeakKeyDictionary()


def session_of(trainer: Trainer) -> Session | None:
    """The session of the fit that a trainer is in, or of its last one."""
    return _SESSIONS.get(trainer)


def join_session(trainer: Trainer, schedule: LRSchedule) -> Session:
    """The session of the fit that begins, with this schedule in it: in ``on_fit_start``, before anything is restored.

    A schedule inside another callback is not in ``trainer.callbacks``; it joins when its own hook is called.

    Raises:
        MisconfigurationException: If there is no optimizer, a schedule wants one that does not exist or is there twice,
            or something else sets the LR too.
    """
    session = _SESSIONS.get(trainer)
    if session is not None and not session.is_over and any(schedule is each for each in session.schedules):
        return session
    if session is None or session.is_over:
        schedules = [callback for callback in trainer.callbacks if isinstance(callback, LRSchedule)]  # type: ignore[attr-defined]
        before = session
    else:
        schedules, before = session.schedules, session._before
    if not any(schedule is each for each in schedules):
        schedules = [*schedules, schedule]
    _SESSIONS[trainer] = joined = Session(_controllers(trainer, schedules), schedules, trainer, before)
    log_schedules(trainer, schedules)
    return joined


def _controllers(trainer: Trainer, schedules: Sequence[LRSchedule]) -> list[Controller]:
    """One controller for each optimizer that is driven."""
    if has_no_optimizer(trainer):
        raise MisconfigurationException(
            f"configure_optimizers returned no optimizer, so there is no LR to drive; return one, or remove"
            f" {', '.join(type(schedule).__name__ for schedule in schedules)} from the Trainer's callbacks"
        )
    for place, schedule in enumerate(schedules):
        if any(schedule is other for other in schedules[:place]):
            raise MisconfigurationException(f"{schedule!r} appears twice in Trainer(callbacks=[...]). Remove one.")
        if schedule.optimizer is not None and schedule.optimizer >= len(trainer.optimizers):
            count = len(trainer.optimizers)
            raise MisconfigurationException(
                f"{schedule!r}: optimizer={schedule.optimizer} does not exist; the module has {count}"
                f" optimizer{'s' * (count != 1)}, counted from 0"
            )
    for schedule in schedules:
        if schedule.takes_out:
            _take_out(trainer, schedule, schedules)
    controllers = []
    for index, optimizer in enumerate(trainer.optimizers):
        mine = [each for each in schedules if each.drives and each.optimizer in (None, index)]
        if mine:
            controllers.append(Controller(optimizer, index, mine))
            controllers[-1].replaced = taken_out(trainer, optimizer)
        elif any(each.sets_lr and each.optimizer in (None, index) for each in schedules):
            take_lr_scales(optimizer, f"optimizer {index} ({type(optimizer).__name__})")
    refuse_other_owners(trainer, controllers)
    return controllers


def _shared(trainer: Trainer, mine: T) -> T:
    """What rank zero has, on all ranks."""
    return mine if trainer.world_size == 1 else trainer.strategy.broadcast(mine)


def _take_out(trainer: Trainer, replacer: LRSchedule, schedules: Sequence[LRSchedule]) -> None:
    """Take the module's schedulers out of the run for each optimizer with an LR that a schedule sets."""
    found = False
    for index in range(len(trainer.optimizers)):
        ours = any(each.sets_lr and each.optimizer in (None, index) for each in schedules)
        if replacer.optimizer == index or (replacer.optimizer is None and ours):
            found = True
            take_out(trainer, index, getattr(replacer, "lr", None), repr(replacer))
    if not found and trainer.lr_scheduler_configs:
        rank_zero_warn(
            f"{replacer!r} takes nothing out of the run: no LR callback sets the LR of an optimizer. Add one, such as"
            f" OneCycle(), or name the optimizer: {type(replacer).__name__}(optimizer=0)."
        )


def _of_rank_zero(trainer: Trainer, run: RunLength) -> RunLength:
    """Return rank zero's length on all ranks: LRs must not differ where loaders differ in length."""
    if trainer.world_size == 1:
        return run
    leader = trainer.strategy.broadcast(run)
    if not trainer.strategy.reduce_boolean_decision(leader == run):
        rank_zero_warn(
            f"The ranks have train dataloaders of different lengths; the LR plan is made for rank zero's ({leader})."
            " Unless max_steps ends the run before, Lightning waits without end for the rank that has run out of"
            " batches: give all ranks the same number, or set limit_train_batches to the smallest."
        )
    return leader
