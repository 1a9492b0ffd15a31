"""Any torch scheduler, or one like it, as one more factor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lr_callbacks.callbacks.evaluations import EvaluationCallback
from lr_callbacks.callbacks.foreign import Foreign, foreign_of, validated_parts
from lr_callbacks.callbacks.foreign_factory import Words, chosen
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import (
    plain_container,
    require_choice,
    require_int,
    require_name,
    require_near,
    state_of,
)
from lr_callbacks.core.conflicts import refuse_rivals
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.lightning_names import LightningModule, MisconfigurationException, Trainer, rank_zero_info
from lr_callbacks.core.schedule import Groups
from lr_callbacks.core.schedule_time import GroupRows, Interval, ScheduleTime
from lr_callbacks.core.timeline import Axis

SchedulerCallable = Callable[[Optimizer], LRScheduler]


class TorchScheduler(EvaluationCallback):
    """Let any torch scheduler, or one like it (transformers, timm), drive the learning rate.

    The scheduler steps on a stand-in optimizer that starts at the base LRs, and what it makes of them is the factor:
    ``factor = LR of the stand-in / base LR``. So nothing else can corrupt it, and it multiplies with all other
    callbacks. First value: what it sets when it is built. Last: as the scheduler has it (``OneCycleLR`` holds it).

    It is stepped after each optimizer step, or at the end of each epoch; ``ReduceLROnPlateau`` after each evaluation of
    `monitor`. It is counted from `start`: a scheduler waits for the warm-up of its groups to end. Momentum (or Adam's
    betas), weight decay and any other number that the scheduler moves is moved as it does, in groups that have it, and
    restored at the end. A group that is added later follows the first one.

    Args:
        scheduler: The scheduler's class (with its arguments as keywords after it), a callable that makes the scheduler
            from an optimizer, the import path of either, or the name of one of torch's (``"CosineAnnealingLR"``); in
            YAML ``class_path`` and ``init_args``.
        interval: ``"step"``: after each optimizer step; ``"epoch"``: after the last optimizer step of each epoch.
        frequency: Step it once per this many steps, epochs or evaluations, >= 1.
        monitor: Name of the metric that ``ReduceLROnPlateau`` gets, once per evaluation whatever the `interval`.
        schedulers: Instead of `scheduler`: several, one after the other (``SequentialLR``, with `milestones`) or all
            together (``ChainedScheduler``, without).
        milestones: The scheduler steps at which the next of `schedulers` takes over, one fewer than there are.
        strict: Whether the metric must have come by the end of the first validation, or of the first training epoch.
        name: Tells apart two instances with the same scheduler on the same groups; part of their checkpoint key.
        param: ``"lr"``, which is what schedulers of torch set.
        start: Where the schedule begins, counted from the start of the run: an int (optimizer steps), ``"2 epochs"``
            or ``"10%"``; None for the end of the last warm-up of its groups.
        optimizer: Index of the optimizer to drive, counted from 0; None for all, with a scheduler for each.
        groups: Parameter groups to drive: an index, a name (``group["name"]``) or a list of them; None for all.
        **kwargs: Keyword arguments of `scheduler`; in YAML ``dict_kwargs``.

    Raises:
        TypeError: If an argument has a wrong type, or the scheduler does not take its arguments.
        ValueError: If an argument is outside its range, or not just one of `scheduler` and `schedulers` is given.
        MisconfigurationException: At the start of the training, if the scheduler cannot be built, or
            ``ReduceLROnPlateau`` has no `monitor`, or the scheduler sets the LR of a group that is configured with 0;
            when an epoch ends, if `monitor` was not logged.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from torch.optim.lr_scheduler import StepLR
        >>> trainer = Trainer(callbacks=[TorchScheduler(StepLR, interval="epoch", step_size=30)], logger=False)
        >>> from lr_callbacks import preview
        >>> [round(lr, 6) for lr in preview([TorchScheduler(StepLR, step_size=2)], 0.1, total_steps=4)[:, 0].tolist()]
        [0.1, 0.1, 0.01, 0.01]

    References:
        torch ``LRScheduler`` and all that derive from it; jsonargparse's callables with a class as their return type.
    """

    advances: ClassVar[bool] = True
    starts_together: ClassVar[bool] = True

    def __init__(
        self,
        scheduler: SchedulerCallable | str | None = None,
        interval: Interval = "step",
        frequency: int = 1,
        monitor: str | None = None,
        schedulers: list[SchedulerCallable] | None = None,
        milestones: list[int] | None = None,
        *,
        strict: bool = True,
        name: str | None = None,
        param: str = "lr",
        start: int | str | None = None,
        optimizer: int | None = None,
        groups: Groups = None,
        **kwargs: Any,
    ) -> None:
        require_name("monitor", monitor)
        super().__init__(monitor, strict, param=param, start=start, optimizer=optimizer, groups=groups)
        if param != "lr":
            raise ValueError(
                f"param must be 'lr' for TorchScheduler, got {param!r}: a torch scheduler sets LRs; use a schedule of"
                " this package for other entries"
            )
        require_choice("interval", interval, Interval)
        require_int("frequency", frequency, minimum=1)
        require_name("name", name)
        schedulers, milestones, kwargs = map(plain_container, (schedulers, milestones, kwargs))
        self._factory, self._scheduler = chosen(scheduler, schedulers, milestones, kwargs)
        self.scheduler, self.schedulers, self.milestones = scheduler, schedulers, milestones
        self.interval, self.frequency, self.name = interval, frequency, name
        self.scheduler_arguments = kwargs
        self._foreign: dict[int, Foreign] = {}
        self._rounds: dict[int, int] = {}  # epochs, or evaluations, that have ended since the start of the schedule
        self._restored: dict[int, dict[str, Any]] = {}
        self._settled: set[int] = set()
        self._epochs_closed = 0  # of the whole run, by the trainer's count

    @property
    def state_key(self) -> str:
        """Tells instances apart in a checkpoint, by what does not change from run to run."""
        what = {"scheduler": self._scheduler.partition("(")[0], "optimizer": self.optimizer, "groups": self.groups}
        return f"{type(self).__qualname__}{what | ({'name': self.name} if self.name else {})}"

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments that differ from their defaults, the scheduler in words."""
        given = super().arguments()
        rest = {key: held for key, held in given.items() if key not in ("scheduler", "schedulers", "milestones")}
        return {"scheduler": Words(self._scheduler), **rest}

    # ------------------------------------------------------------------ the factor
    def begin(self, controller: Controller) -> None:
        """Build the scheduler on a stand-in that starts at the base LRs; that of a continued fit leaves its state."""
        optimizer, last = controller.optimizer, self._foreign.get(controller.index)
        if last is not None and controller.index not in self._restored:
            rounds = self._rounds.get(controller.index, 0)
            self._restored[controller.index] = {"rounds": rounds, "foreign": last.state_dict()}
        groups = [optimizer.param_groups[n] for n in pg.select(optimizer, self.wanted_groups, who=repr(self))]
        try:
            foreign = foreign_of(optimizer, groups, self._factory)
        except (TypeError, ValueError, KeyError, ZeroDivisionError) as error:
            raise MisconfigurationException(
                f"{self!r}: {self._scheduler} cannot be built for {controller.name} with {len(groups)} group"
                f"{'s' * (len(groups) != 1)}: {error}. Its arguments are those of the scheduler's own class."
            ) from error
        foreign.check_monitor(self.monitor, repr(self))
        self._foreign[controller.index] = foreign
        self._settled.discard(controller.index)

    def factor_at(self, t: int, time: ScheduleTime, groups: GroupRows) -> Any:
        """The factors as the stand-in has them now, whatever tick is asked for."""
        foreign = self._foreign[groups.optimizer]
        factors = [foreign.factor(position) for position in groups.positions]
        return factors[0] if len(factors) == 1 else factors

    def absolute_values(self, groups: GroupRows) -> Mapping[str, Callable[..., Any]]:
        """Momentum, weight decay or any other number that the scheduler moves."""
        return {param: partial(self._held, param) for param in self._foreign[groups.optimizer].moved}

    def _held(self, param: str, t: int, time: ScheduleTime, groups: GroupRows) -> Any:
        foreign = self._foreign[groups.optimizer]
        return [foreign.value(param, position) for position in groups.positions]

    @property
    def tick(self) -> Interval:
        """It counts epochs itself."""
        return "step"

    @property
    def axis(self) -> Axis:
        """It counts steps itself."""
        return "steps"

    def describe(self) -> str:
        """The scheduler and when it steps."""
        when = f"evaluation of {self.monitor}" if self.monitor is not None else self.interval
        return f"{self._scheduler}, stepped every {f'{self.frequency} {when}s' if self.frequency > 1 else when}"

    @property
    def why_not_by_time(self) -> str | None:
        """A torch scheduler counts."""
        return "a torch scheduler counts steps, epochs or evaluations"

    why_not_stretched = why_not_by_time

    # ------------------------------------------------------------------ when it steps
    def advance(self, controller: Controller) -> None:
        """Step the scheduler until it has been stepped as often as is due at the controller's step."""
        foreign = self._foreign[controller.index]
        if controller.index not in self._settled:
            self._settle(controller, foreign)
        if self.monitor is None:
            due, known = self._due(controller, foreign), len(foreign.moved)
            require_near(due - foreign.count, repr(self))
            while foreign.count < due:
                foreign.step()
            self._follow(controller, foreign, known)

    def _follow(self, controller: Controller, foreign: Foreign, known: int) -> None:
        """Drive what the scheduler has moved for the first time, and say so."""
        if len(foreign.moved) > known:
            controller.follow_more()
            refuse_rivals(controller)
            rank_zero_info(
                f"{self._scheduler} moves {', '.join(foreign.moved[known:])} of {controller.name} too, which is"
                f" followed from step {controller.step} and restored at the end"
            )

    def _due(self, controller: Controller, foreign: Foreign) -> int:
        """How often a scheduler without metric must have been stepped by now."""
        step = min((int(t.time.until(controller.step)) for t in controller.terms_of(self)), default=controller.step)
        if self.interval == "step":
            return foreign.steps_since_start(controller.timeline, step) // self.frequency
        known = foreign.epochs_since_start(controller.timeline, step)
        return (self._rounds.get(controller.index, 0) if known is None else known) // self.frequency

    def _settle(self, controller: Controller, foreign: Foreign) -> None:
        """The start of the training: take up what a checkpoint says, or catch up from the beginning."""
        self._settled.add(controller.index)
        foreign.start = max((term.start for term in controller.terms_of(self)), default=0)
        state = self._restored.pop(controller.index, None)
        if state is None:
            return
        self._rounds[controller.index] = state["rounds"]
        due = self._due(controller, foreign)
        alike = foreign.was_configured_alike(state["foreign"])
        if self.monitor is not None or (alike and state["foreign"]["count"] == due):
            known = len(foreign.moved)
            foreign.load_state_dict(state["foreign"])
            self._follow(controller, foreign, known)
        trainer = self._session.trainer if self._session else None
        if self.monitor is None and trainer is not None and controller.step > foreign.start:
            self._rounds[controller.index] += max(0, trainer.current_epoch - self._epochs_closed)

    def judge(self, value: float) -> None:
        """Step the scheduler for one evaluation, and update the LRs."""
        assert self._session is not None
        for controller in self._session.controllers:
            foreign = self._foreign.get(controller.index)
            if foreign is not None and self._moves(controller) and controller.step >= foreign.start:
                heard = self._rounds[controller.index] = self._rounds.get(controller.index, 0) + 1
                if heard % self.frequency == 0:
                    known = len(foreign.moved)
                    foreign.step(value)
                    self._follow(controller, foreign, known)
        self._session.rewrite(self)

    def forget(self) -> None:
        """Forget what an earlier fit has taught it."""
        super().forget()
        self._foreign, self._rounds, self._restored, self._settled, self._epochs_closed = {}, {}, {}, set(), 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count an epoch that Lightning does not end when it resumes from the checkpoint of its last batch."""
        super().on_train_start(trainer, pl_module)
        self._epochs_closed = trainer.current_epoch

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One more epoch, for runs whose epochs have no known length."""
        super().on_train_epoch_end(trainer, pl_module)
        self._epochs_closed = trainer.current_epoch + 1
        session = self._session if self.monitor is None else None
        for controller in session.controllers if session else ():
            foreign = self._foreign.get(controller.index)
            if foreign is not None and self._moves(controller) and controller.step > foreign.start:
                self._rounds[controller.index] = self._rounds.get(controller.index, 0) + 1
                self.advance(controller)
                controller.rewrite()

    # ------------------------------------------------------------------ what a checkpoint carries
    def state_dict(self) -> dict[str, Any]:
        """The schedulers' own states and the stand-ins' numbers; an evaluation that is due is judged before."""
        heard = self.evaluation_state()
        optimizers = {str(index): state for index, state in self._restored.items()}  # the training has yet to begin
        for index, foreign in self._foreign.items():
            optimizers[str(index)] = {"rounds": self._rounds.get(index, 0), "foreign": foreign.state_dict()}
        return {"optimizers": optimizers, **heard, "epochs_closed": self._epochs_closed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint has, to be used when the training starts.

        Raises:
            ValueError: If it is not the state of a `TorchScheduler`.
        """
        state_dict = state_of("a TorchScheduler", state_dict)
        restored = validated_parts(state_dict)
        self.load_evaluation_state(state_dict, "a TorchScheduler")
        self._epochs_closed, self._restored = state_dict.get("epochs_closed", 0), restored

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_foreign": {}, "_settled": set()}
