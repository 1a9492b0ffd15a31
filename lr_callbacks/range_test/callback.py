"""`LRRangeTest`: find the maximum LR before the training, apply it, and leave no other trace."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from torch.optim import Optimizer

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core import lightning_internals as private
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import state_of
from lr_callbacks.core.lightning_names import LightningModule, MisconfigurationException, Trainer, rank_zero_info
from lr_callbacks.range_test.log import log_result
from lr_callbacks.range_test.refusals import refuse_before_the_test
from lr_callbacks.range_test.result import RangeTestResult
from lr_callbacks.range_test.runner import run_range_test
from lr_callbacks.range_test.settings import Judged, Mode, RuleName, Settings
from lr_callbacks.range_test.shared_message import SharedMessage
from lr_callbacks.range_test.signals import SignalCameError
from lr_callbacks.range_test.state_snapshot import StateSnapshot


class LRRangeTest(LRCallback):
    """Find the maximum learning rate (LR) in a short sweep before the training, and train with it.

    In ``on_fit_start`` the module is trained for `num_steps` optimizer steps while the LR rises from `min_lr` to
    `max_lr`: at step k of n it is ``min_lr * (max_lr / min_lr) ** (k / (n - 1))`` (exponential) or
    ``min_lr + (max_lr - min_lr) * k / (n - 1)`` (linear), k = 0 … n - 1, so both ends are used. That is the LR of the
    group whose LR is largest; the others keep their ratio to it. The sweep ends early when learning is over. If the
    curve asks for LRs beyond one end of the range, the test is run once more with that end 100 times further out.

    A batch for which ``training_step`` returns None is passed over. Where a step raises, the same steps are taken at
    `min_lr`: if they raise as well, the exception is the module's own and is raised; if not, the LR was too high, and
    the sweep ends there (on one device; in several processes every exception is raised).

    Then everything is given back: weights, buffers, optimizers, random states, attributes of the module, data order.
    With ``apply=False`` the fit that follows is bit-identical to one without this callback. With ``apply=True`` and a
    suggestion, the LR of every group is set, ratios kept, so that every schedule in the Trainer peaks there. A fit that
    is resumed from a checkpoint (at a step above 0) is not tested again. ``Trainer(fast_dev_run=True)`` skips the test.

    Args:
        min_lr: First LR of the sweep, above 0.
        max_lr: Last LR of the sweep, above `min_lr`.
        num_steps: Optimizer steps of the sweep, at least 10; the loader is gone through again if it is shorter.
        mode: ``"exponential"`` or ``"linear"`` growth.
        rule: How the LR is read off the curve: ``"blend"``, ``"descent"``, ``"edge"``, ``"steepest"``, ``"minimum"``,
            ``"valley"``, ``"slide"`` or ``"smith"``. The result holds what each says.
        apply: Whether to set the LRs.
        widen: Whether the range may be widened; False keeps every step within it, and there may be no suggestion.
        optimizer: Index of the optimizer to sweep, counted from 0; None if there is only one.
        judge: What is judged after each step: ``"probe"``, the loss of ``training_step`` on fixed batches, without
            gradients; ``"training"``, the loss of the training batches (always, under manual optimization);
            ``"validation"``, the loss of ``validation_step`` on fixed batches.
        monitor: Name of the logged value to judge, lower being better; None for the loss that the step returns
            (``val_loss`` where the validation step logs it).
        probe_samples: Samples on which the probe is evaluated, over all ranks: the first batches, at least one.
        offload: Whether the copy of weights and optimizer state is kept in the CPU's memory during the test; None for
            where their device has less than twice its size left.
        trials: Short trainings to be made at most after the sweep, at least 3; 0 for none. They begin with the same
            weights, random states and data, and go through the Trainer's own annealed schedule (one-cycle, if it has
            none) in their own length, with peaks at the sweep's LR, half a decade below and above, and on while the
            best lies at an end. They are judged at their ends, on the samples of the probe and on validation data.
        trial_steps: Length of a trial, at least 50 steps: an int (optimizer steps), ``"2 epochs"`` or ``"10%"`` of the
            run. The longer, the better: a tenth of the run is not much, a quarter is good.
        trial_limit: Time after which no trial goes on, such as ``"10 min"``; None for no limit.

    Attributes:
        result: The `RangeTestResult`; None before the test, and where it was skipped without a result to keep.

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the fit: several optimizers and none named, data that cannot be read
            without disturbing the fit, nothing to judge, a strategy that shards the weights, another master of the LR.

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
    ) -> None:
        super().__init__(optimizer=optimizer)
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
        self.settings()  # checks
        self._result: RangeTestResult | None = None
        self._shared = SharedMessage(8192 + 200 * num_steps)

    def settings(self) -> Settings:
        """The arguments, checked."""
        return Settings(**{field.name: getattr(self, field.name) for field in fields(Settings)})

    @property
    def result(self) -> RangeTestResult | None:
        """What the last test found; also in the process that called ``fit`` when that ran in spawned processes."""
        if self._result is None:
            message = self._shared.read()
            return None if message is None else RangeTestResult.from_dict(message)
        return self._result

    @property
    def sets_lr(self) -> bool:
        """Whether the LR that is found is set."""
        return self.apply

    # ------------------------------------------------------------------ the test
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Test and apply, unless the fit is resumed."""
        super().on_fit_start(trainer, pl_module)
        if private.step_to_resume_at(trainer) > 0:
            kept = "no result" if self._result is None else f"LR {self._result.suggestion}"
            rank_zero_info(f"LRRangeTest: the fit is resumed, the test is skipped; its checkpoint holds {kept}.")
            if self._result is not None and trainer.is_global_zero:
                self._shared.write(self._result.to_dict())
            return
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            rank_zero_info("LRRangeTest: fast_dev_run, the test is skipped.")
            return
        self._result = None
        optimizer = self._swept(trainer)
        refuse_before_the_test(self, trainer, optimizer, applies=self.apply)
        try:
            schedules = trainer.callbacks if self.schedules is None else self.schedules  # type: ignore[attr-defined]
            self._result = result = run_range_test(
                self.settings(), trainer, pl_module, optimizer, schedules=schedules, known=self.known
            )
        except SignalCameError:
            rank_zero_info("LRRangeTest: a signal has come; the test has ended without a result, all is as before it.")
            return
        if trainer.is_global_zero:
            self._shared.write(result.to_dict())
            log_result(trainer, result)
        if self.apply and result.suggestion is not None:
            set_largest_lr(optimizer, result.suggestion)
        if self.verbose:
            rank_zero_info(f"LRRangeTest: {result}")

    def _swept(self, trainer: Trainer) -> Optimizer:
        if self.optimizer is None and len(trainer.optimizers) != 1:
            raise MisconfigurationException(
                f"LRRangeTest: the module has {len(trainer.optimizers)} optimizers; name the one to sweep by"
                " optimizer=0 (counted from 0), and use one LRRangeTest for each if all are to be tested"
            )
        return trainer.optimizers[self.optimizer or 0]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "known": None}

    # ------------------------------------------------------------------ state: what was found
    @property
    def state_key(self) -> str:
        """One state for each optimizer that is tested."""
        return self._generate_state_key(optimizer=self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """The result as plain numbers, strings and lists."""
        return {} if self._result is None else {"result": self._result.to_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a fit that is resumed had found.

        Raises:
            ValueError: If the state is not one of a range test.
        """
        self._result = RangeTestResult.from_dict(state_of("LRRangeTest", state_dict).get("result", {}))

    def describe(self) -> str:
        """What was found, or what will be swept."""
        if self.result is None:
            return f"LR range test from {self.min_lr:g} to {self.max_lr:g} in {self.num_steps} steps"
        return self.result.verdict


def set_largest_lr(optimizer: Optimizer, lr: float) -> None:
    """Set the LR of the group whose LR is largest to `lr`; the others keep their ratio to it.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([{"params": [torch.ones(1)], "lr": lr} for lr in (0.1, 0.2)])
        >>> set_largest_lr(optimizer, 1.0)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.5, 1.0]
    """
    lrs = [pg.get_lr(group) for group in optimizer.param_groups]
    for group, mine in zip(optimizer.param_groups, lrs, strict=True):
        pg.set_lr(group, lr * (mine / max(lrs)))
