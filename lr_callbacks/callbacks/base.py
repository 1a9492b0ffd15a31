"""The hooks that connect a schedule to the session of a Trainer, and nothing else."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from torch.optim import Optimizer
from typing_extensions import Unpack

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.lightning_names import Callback, LightningModule, MisconfigurationException, Trainer
from lr_callbacks.core.parameters import parameters_of
from lr_callbacks.core.schedule import LRSchedule, ScheduleOptions
from lr_callbacks.core.session import Session, join_session, session_of
from lr_callbacks.core.terms import Term


class LRCallback(LRSchedule, Callback):
    """A schedule among a Trainer's callbacks: the value of a group is its base value times the factors of all of them.

    A subclass takes its arguments (kept under their own names, never changed), checks them, and gives `factors`.

    Args:
        **options: Those that every schedule has, each explained in `ScheduleOptions`: ``param``, ``interval``,
            ``start``, ``end``, ``outside``, ``floor``, ``ceiling``, ``optimizer``, ``groups``.

    Raises:
        TypeError: If an option has a wrong type, or there is no argument of that name.
        ValueError: If an option is outside its range.

    Example:
        >>> import numpy as np
        >>> from lr_callbacks import preview
        >>> class Tenth(LRCallback):
        ...     def factors(self, t, time, groups):
        ...         return np.where(t < 2, 0.1, 1.0)
        >>> preview([Tenth()], base_lrs=0.1, total_steps=4)[:, 0].tolist()
        [0.010000000000000002, 0.010000000000000002, 0.1, 0.1]
    """

    _session: Session | None = None

    def __init__(self, **options: Unpack[ScheduleOptions]) -> None:
        for name in sorted(options.keys() - ScheduleOptions.__annotations__.keys()):
            known = list(parameters_of(type(self)))
            near = get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(known)}"
            raise TypeError(f"{type(self).__name__} takes no argument {name!r}; {hint}")
        super().__init__(**options)

    # ------------------------------------------------------------------ what it reports
    @property
    def current_lr(self) -> float | None:
        """The LR that the next step will use in the first group that this callback drives; None outside a fit."""
        return next((pg.get_lr(c.optimizer.param_groups[term.groups[0]]) for c, term in self._driven()), None)

    @property
    def phase(self) -> str | None:
        """What the schedule is doing now in the first group that it drives; None outside a fit."""
        return next((term.phase_at(controller.now) for controller, term in self._driven()), None)

    def _driven(self) -> list[tuple[Controller, Term]]:
        """Its terms, with the controllers of their optimizers."""
        controllers = self._session.controllers if self._session else []
        return [(controller, term) for controller in controllers for term in controller.terms_of(self)]

    def _moves(self, controller: Controller) -> bool:
        """Whether it drives groups of an optimizer, and no other schedule has taken over."""
        terms = controller.terms_of(self)
        return bool(terms) and not any(term.is_held(controller.now) for term in terms)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_session": None}

    # ------------------------------------------------------------------ hooks
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start with fresh state, unless the fit continues; a checkpoint, if there is one, is loaded after this."""
        last = session_of(trainer)
        goes_on = trainer.global_step > 0 and last is not None and any(self is each for each in last.schedules)
        if stage == "fit" and not goes_on:
            self.forget()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read what the user configured, before anything is restored."""
        self._session = join_session(trainer, self)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Resolve the schedules and write the first values: here everything is restored."""
        self._session = session_of(trainer)
        if self._session is not None:
            self._session.start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tie the clock to the epoch."""
        self._session = session_of(trainer)
        if self._session is None or not any(self is each for each in self._session.schedules):
            raise MisconfigurationException(
                f"{self!r} was added to the Trainer's callbacks after the fit had started, so it would do nothing. Add"
                " it before fit."
            )
        self._session.on_epoch_start(trainer)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """See an optimizer that has replaced another before it steps."""
        if self._session is not None:
            self._session.check_optimizer(optimizer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Make sure that the clock runs."""
        if self._session is not None:
            self._session.on_batch_end(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warn about an optimizer that did not step."""
        if self._session is not None:
            self._session.on_epoch_end(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the hooks off the optimizers; a checkpoint that is written now still has all that is known."""
        if self._session is not None:
            self._session.end()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the hooks off the optimizers."""
        if self._session is not None:
            self._session.release()
        self._session = None
