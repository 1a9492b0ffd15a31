"""Log the learning rate that every optimizer step used."""

from typing import Any, Literal

from typing_extensions import override

from lr_callbacks.core.arguments import flag
from lr_callbacks.core.lightning_internals import is_accumulating
from lr_callbacks.core.lightning_names import LearningRateMonitor, LightningModule, Trainer


class LRMonitor(LearningRateMonitor):
    """Log learning rate and momentum of each parameter group, once per optimizer step, at the step that used them.

    It is Lightning's `LearningRateMonitor`, and differs where that one is wrong or in the way:

    - its names begin with what is logged, so that TensorBoard shows all LRs side by side: `lr/SGD`, `lr/SGD/head`,
      `momentum/SGD`, `weight_decay/SGD` where that one has `lr-SGD`, `lr-SGD/head`, `lr-SGD-momentum`,
      `lr-SGD-weight_decay`;
    - under gradient accumulation it writes once per optimizer step, not once per batch, and the value in force when
      the step is taken (an evaluation between two batches of one step may have changed it);
    - without a logger it stays quiet instead of raising;
    - momentum (Adam: the first beta) is logged where an optimizer has it, without a warning where it has not;
    - LRs that are tensors are logged as the numbers that they were, and `lrs` keeps the latest value of each name
      instead of growing with the run.

    Step t of the axis is the t-th optimizer step of the run, counted from 0, as for Lightning's own metrics; under
    manual optimization it is the batch, and the value is the one at the beginning of the batch. Only steps that the
    Trainer's `log_every_n_steps` selects are written; 1 gives the whole series.

    Args:
        logging_interval: "step", or "epoch" to write once at the start of each epoch.
        log_momentum: Whether to log momentum or the first beta too.
        log_weight_decay: Whether to log the weight decay too.
        prog_bar: Whether to show the LRs in the progress bar, at every batch and with or without a logger. One is
            called `lr`, several have the names that are logged.

    Raises:
        MisconfigurationException: If `logging_interval` is something else, or if two groups of one optimizer have the
            same `name`.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[LRMonitor(prog_bar=True)], logger=False, enable_checkpointing=False)

    References:
        Lightning ``LearningRateMonitor``.
    """

    def __init__(
        self,
        logging_interval: Literal["step", "epoch"] = "step",
        log_momentum: bool = True,
        log_weight_decay: bool = False,
        prog_bar: bool = False,
    ) -> None:
        flags = {"log_momentum": log_momentum, "log_weight_decay": log_weight_decay, "prog_bar": prog_bar}
        for name, value in flags.items():
            flag(name, value)
        super().__init__(logging_interval, log_momentum, log_weight_decay)
        self.prog_bar = prog_bar

    @override
    def on_train_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Forget what an earlier fit logged, and find groups of one name before the first step."""
        self.lrs, self.last_momentum_values, self.last_weight_decay_values = {}, {}, {}
        self._named_groups(trainer)

    @override
    def on_train_batch_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Write, unless more batches are to come before the optimizer steps."""
        if self.prog_bar:
            named = self._named_groups(trainer)
            for name, group in named:
                # The dictionary that progress bars show: `module.log` would make a tensor of it, shown as 0.000.
                trainer.progress_bar_metrics["lr" if len(named) == 1 else tag("lr", name)] = ShownLR(group["lr"])
        module: LightningModule = args[0] if args else kwargs["pl_module"]
        if trainer.loggers and not is_accumulating(trainer, module):
            super().on_train_batch_start(trainer, *args, **kwargs)

    @override
    def on_train_epoch_start(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Write once per epoch if that was asked for."""
        if trainer.loggers:
            super().on_train_epoch_start(trainer, *args, **kwargs)

    def _named_groups(self, trainer: Trainer) -> list[tuple[str, dict[str, Any]]]:
        """All parameter groups of all optimizers under the names that Lightning gives them."""
        by_scheduler, seen, seen_types = self._find_names_from_schedulers(trainer.lr_scheduler_configs)
        by_optimizer, others = self._find_names_from_optimizers(trainer.optimizers, seen, seen_types)
        optimizers = [config.scheduler.optimizer for config in trainer.lr_scheduler_configs] + others
        return [
            pair
            for optimizer, names in zip(optimizers, by_scheduler + by_optimizer, strict=True)
            for pair in zip(names, optimizer.param_groups, strict=True)
        ]

    @override
    def _extract_lr(self, param_group: dict[str, Any], name: str) -> dict[str, Any]:
        self.lrs.pop(name, None)
        lr, name = float(param_group["lr"]), tag("lr", name)
        self.lrs[name] = [lr]
        return {name: lr}

    @override
    def _extract_momentum(self, param_group: dict[str, Any], name: str, use_betas: bool) -> dict[str, float]:
        if not self.log_momentum or ("betas" not in param_group and "momentum" not in param_group):
            return {}
        momentum = float(param_group["betas"][0] if "betas" in param_group else param_group["momentum"])
        name = tag("momentum", name.removesuffix("-momentum"))
        self.last_momentum_values[name] = momentum  # type: ignore[assignment]
        return {name: momentum}

    @override
    def _extract_weight_decay(self, param_group: dict[str, Any], name: str) -> dict[str, Any]:
        if "weight_decay" not in param_group:
            return {}
        return super()._extract_weight_decay(param_group, tag("weight_decay", name.removesuffix("-weight_decay")))


def tag(kind: str, name: str) -> str:
    """Name of a series, of the name that Lightning gives to the parameter group.

    Example:
        >>> tag("momentum", "lr-SGD/head")
        'momentum/SGD/head'
    """
    return f"{kind}/{name.removeprefix('lr-')}"


class ShownLR(float):
    """An LR that is shown with three significant digits, whatever format a progress bar asks for.

    Example:
        >>> f"{ShownLR(0.0025):.3f}", str(ShownLR(0.0025))
        ('2.50e-03', '2.50e-03')
    """

    def __format__(self, format_spec: str) -> str:
        return format(float(self), ".2e")

    def __str__(self) -> str:
        return format(self)
