"""`LRRangeTest`: suggest a peak LR before the training, apply it, and leave no other trace."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from torch.optim import Optimizer

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core import lightning_internals as private
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import state_of
from lr_callbacks.core.lightning_names import LightningModule, MisconfigurationException, Trainer, rank_zero_info
from lr_callbacks.core.mid_fit import paused
from lr_callbacks.core.schedule import Groups
from lr_callbacks.range_test.apply import ratios_of, set_largest_lr
from lr_callbacks.range_test.log import log_result
from lr_callbacks.range_test.refusals import refuse_before_the_test
from lr_callbacks.range_test.result import RangeTestResult
from lr_callbacks.range_test.runner import run_range_test
from lr_callbacks.range_test.settings import Judged, Mode, RuleName, Settings
from lr_callbacks.range_test.shared_message import SharedMessage
from lr_callbacks.range_test.signals import SignalCameError
from lr_callbacks.range_test.state_snapshot import StateSnapshot


class LRRangeTest(LRCallback):
    """Suggest a peak learning rate (LR) from a short sweep before the training, and train with it.

    In ``on_fit_start`` the module is trained for `num_steps` optimizer steps while the LR rises from `min_lr` to
    `max_lr`: at step k of n it is ``min_lr * (max_lr / min_lr) ** (k / (n - 1))`` (exponential) or
    ``min_lr + (max_lr - min_lr) * k / (n - 1)`` (linear), k = 0 … n - 1, so both ends are used. That is the LR of the
    group whose LR is largest; the others keep their ratio to it. The sweep ends early when learning is over. If the
    curve needs LRs beyond one end of the range, the sweep is repeated once with that end 100 times further out.

    A batch for which ``training_step`` returns None is skipped. If a step raises, the same steps are taken at `min_lr`:
    if they raise as well, so does the test; if not, the LR was too high, and the sweep ends there (on one device; with
    several processes every exception is raised).

    Then everything is restored: weights, buffers, optimizers, random states, attributes of the module, data order (not
    module-level globals, files and databases). With ``apply=False`` the fit that follows is bit-identical to one
    without this callback. With ``apply=True`` and a suggestion, the LR of every group is set, ratios kept, so that
    every schedule in the Trainer peaks there. A fit that is resumed from a checkpoint (at a step above 0) is not tested
    again. ``Trainer(fast_dev_run=True)`` skips the test.

    Args:
        min_lr: First LR of the sweep, above 0.
        max_lr: Last LR of the sweep, above `min_lr`.
        num_steps: Optimizer steps of the sweep, at least 10; a shorter loader is repeated.
        mode: ``"exponential"`` or ``"linear"`` growth.
        rule: How the LR is read off the curve: ``"blend"``, ``"descent"``, ``"edge"``, ``"steepest"``, ``"minimum"``,
            ``"valley"``, ``"slide"`` or ``"smith"``. ``result.suggestions`` has the LR of each.
        apply: Whether to set the LRs.
        widen: Whether the range may be extended; False keeps every step within it.
        optimizer: Index of the optimizer to sweep, counted from 0; None if there is only one.
        judge: What is judged after each step: ``"probe"``, the loss of ``training_step`` on fixed batches, without
            gradients; ``"training"``, the loss of the training batches (always, under manual optimization);
            ``"validation"``, the loss of ``validation_step`` on fixed batches.
        monitor: Name of the logged value to judge, lower being better; None for the loss that the step returns
            (``val_loss`` where the validation step logs it).
        probe_samples: Samples of the probe, over all ranks: the first batches, at least one.
        offload: Whether the copy of weights and optimizer state is kept in CPU memory during the test; None for yes if
            their device has less than twice its size left.
        trials: Maximum number of short trainings after the sweep, at least 3; 0 for none. Each starts from the same
            weights, random states and data, and runs the Trainer's own annealed schedule (one-cycle, if it has none) in
            `trial_steps` steps, with peaks at the sweep's LR, half a decade below and above, and further out while the
            best one is the outermost. They are judged at their end, on the samples of the probe and on validation data.
        trial_steps: Length of a trial, at least 50 steps: an int (optimizer steps), ``"2 epochs"`` or ``"10%"`` of the
            run. Longer trials are better; a quarter of the run is good.
        trial_limit: Time limit for all trials, such as ``"10 min"``; None for no limit.
        groups: Parameter groups to sweep: an index, a name, a pattern of names or a list of them; None for all. The
            others keep their LR. Several tests, each with its own groups, range and rule, run one after another.
        milestones: Epochs before which to test, counted from 0, such as ``[0, 10]`` for the phases of a fine-tuning;
            None for once, before the first step. In the middle of a fit the suggestion becomes the base LR from which
            schedules continue.

    Attributes:
        result: The `RangeTestResult` of the last test; None if there was none.

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the fit: several optimizers and none selected, something that cannot
            be restored, nothing to judge, a strategy whose weights cannot be restored, other code that sets the LR.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from lr_callbacks import OneCycle
        >>> trainer = Trainer(callbacks=[LRRangeTest(), OneCycle()], logger=False)

    References:
        Smith, Cyclical Learning Rates, 2017, arXiv:1506.01186, section 3.3; Smith, A disciplined approach, 2018,
        arXiv:1803.09820.
    """

    drives = False
    verbose = True
    known: StateSnapshot | None = None
    """A snapshot whose copies of the weights the test may share."""
    schedules: list[Any] | None = None
    """Callbacks whose schedule the trials go through; None for the Trainer's."""

    def __init__(
        self,
        min_lr: float = 1e-7,
        max_lr: float = 10.0,
        num_steps: int = 100,
        mode: Mode = "exponential",
        rule: RuleName = "blend",
        apply: bool = True,
        *,
        widen: bool = True,
        optimizer: int | None = None,
        judge: Judged = "probe",
        monitor: str | None = None,
        probe_samples: int = 256,
        offload: bool | None = None,
        trials: int = 0,
        trial_steps: int | str = "10%",
        trial_limit: str | None = None,
        groups: Groups = None,
        milestones: list[int] | None = None,
    ) -> None:
        super().__init__(optimizer=optimizer, groups=groups)
        self.min_lr = min_lr
        self.max_lr = max_lr
        self.num_steps = num_steps
        self.mode = mode
        self.rule = rule
        self.apply = apply
        self.widen = widen
        self.judge = judge
        self.monitor = monitor
        self.probe_samples = probe_samples
        self.offload = offload
        self.trials = trials
        self.trial_steps = trial_steps
        self.trial_limit = trial_limit
        self.milestones = milestones
        self.settings()  # checks
        self._result: RangeTestResult | None = None
        self._shared = SharedMessage(8192 + 200 * num_steps)

    def settings(self) -> Settings:
        """The arguments, checked."""
        return Settings(**{field.name: getattr(self, field.name) for field in fields(Settings)})

    @property
    def result(self) -> RangeTestResult | None:
        """The result of the last test; also in the process that called ``fit`` if that ran in spawned processes."""
        if self._result is None:
            message = self._shared.read()
            return None if message is None else RangeTestResult.from_dict(message)
        return self._result

    @property
    def sets_lr(self) -> bool:
        """Whether the suggested LR is set."""
        return self.apply

    # ------------------------------------------------------------------ the test
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Test and apply, unless the fit is resumed or `milestones` begin later."""
        super().on_fit_start(trainer, pl_module)
        optimizer = self._swept(trainer)
        at_start = self.milestones is None or (0 in self.milestones and trainer.current_epoch == 0)
        if private.step_to_resume_at(trainer) > 0:
            if self.milestones is None:
                kept = "no result" if self._result is None else f"LR {self._result.suggestion}"
                rank_zero_info(f"LRRangeTest: skipped, because the fit is resumed; its checkpoint holds {kept}.")
            if self._result is not None and trainer.is_global_zero:
                self._shared.write(self._result.to_dict())
        elif trainer.fast_dev_run:  # type: ignore[attr-defined]
            rank_zero_info("LRRangeTest: skipped, because of fast_dev_run.")
        elif at_start:
            self._result = None
            self._test(trainer, pl_module, optimizer)
        else:
            self._result = None
            refuse_before_the_test(self, trainer, optimizer, None)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Test and apply at the milestones after the first epoch."""
        super().on_train_epoch_start(trainer, pl_module)
        if trainer.current_epoch > 0 and trainer.current_epoch in (self.milestones or ()):
            self._test(trainer, pl_module, self._swept(trainer))

    def _test(self, trainer: Trainer, module: LightningModule, optimizer: Optimizer) -> None:
        session = self._session
        controllers = session.controllers if session is not None else []
        controller = next((each for each in controllers if each.given is optimizer), None)
        groups = pg.select(optimizer, self.wanted_groups, who=repr(self))
        refuse_before_the_test(self, trainer, optimizer, groups)
        ratios = ratios_of(optimizer, groups, controller)
        schedules = trainer.callbacks if self.schedules is None else self.schedules  # type: ignore[attr-defined]
        try:
            with paused(controllers):
                result = run_range_test(
                    *(self.settings(), trainer, module, optimizer), ratios=ratios, schedules=schedules, known=self.known
                )
        except SignalCameError:
            rank_zero_info("LRRangeTest: stopped by a signal, without a result; everything is as before.")
            return
        self._result = result
        if trainer.is_global_zero:
            self._shared.write(result.to_dict())
            log_result(trainer, result, self._name_in_logs(trainer))
        if self.apply and result.suggestion is not None:
            set_largest_lr(optimizer, result.suggestion, ratios, controller)
        if self.verbose:
            rank_zero_info(f"{self._title(trainer)}: {result}")

    def _which(self, trainer: Trainer) -> list[str]:
        of = [] if self.optimizer is None else [f"optimizer {self.optimizer}"]
        of += [f"group {group}" for group in self.wanted_groups or ()]
        return of if self.milestones is None else [*of, f"epoch {trainer.current_epoch}"]

    def _title(self, trainer: Trainer) -> str:
        of = self._which(trainer)
        return f"LRRangeTest ({', '.join(of)})" if of else "LRRangeTest"

    def _name_in_logs(self, trainer: Trainer) -> str:
        """The name of the result in the loggers: its own where there are several."""
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        several = self.milestones is not None or sum(isinstance(each, LRRangeTest) for each in callbacks) > 1
        return re.sub(r"[^\w.-]+", "_", "_".join(["range_test", *(self._which(trainer) if several else ())]))

    def _swept(self, trainer: Trainer) -> Optimizer:
        if self.optimizer is None and len(trainer.optimizers) != 1:
            raise MisconfigurationException(
                f"LRRangeTest: the module has {len(trainer.optimizers)} optimizers. Select one with optimizer=0 "
                "(counted from 0); to test all, add one LRRangeTest for each."
            )
        return trainer.optimizers[self.optimizer or 0]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "known": None}

    # ------------------------------------------------------------------ state: the result
    @property
    def state_key(self) -> str:
        """One state for each optimizer that is tested."""
        groups = {} if self.groups is None else {"groups": self.groups}
        return self._generate_state_key(optimizer=self.optimizer, **groups)

    def state_dict(self) -> dict[str, Any]:
        """The result as plain numbers, strings and lists."""
        return {} if self._result is None else {"result": self._result.to_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the result of the fit that is resumed.

        Raises:
            ValueError: If the state is not one of a range test.
        """
        self._result = RangeTestResult.from_dict(state_of("LRRangeTest", state_dict).get("result", {}))

    def describe(self) -> str:
        """The result, or what will be swept."""
        if self.result is None:
            return f"LR range test from {self.min_lr:g} to {self.max_lr:g} in {self.num_steps} steps"
        return self.result.verdict
