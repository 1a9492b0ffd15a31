"""The command line without a terminal: a configuration in, trainer, model and data out."""

from typing import Any

from typing_extensions import override

from lr_callbacks.cli.training import TrainingCLI
from lr_callbacks.core.lightning_names import (
    Callback,
    Checkpoint,
    LightningArgumentParser,
    ModelSummary,
    ProgressBar,
    Trainer,
    is_a,
)


def is_quiet(callback: Callback) -> bool:
    """Whether a callback may stay in a training that shows nothing and keeps nothing."""
    return not is_a(callback, ProgressBar, ModelSummary, Checkpoint)


class TrialCLI(TrainingCLI):
    """Make what a `fit` needs from a configuration, and do not train.

    `config` is resolved, as `lr-callbacks fit --config` takes it. The run saves it as it is, so that it can be trained
    by itself, with all its callbacks. `logger` is for the trainer, unless the configuration has one.
    """

    def __init__(self, config: dict[str, Any], logger: Any) -> None:
        quiet = ("enable_progress_bar", "enable_model_summary", "enable_checkpointing")
        self._replaced = {**dict.fromkeys(quiet, False), "logger": logger}
        super().__init__({"subcommand": "fit", "fit": config})

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parser.parse_object(args)

    @override
    def _say_what_is_kept(self) -> None:
        """Stay quiet: the sweep has said it."""

    @override
    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        asked = self.config_init[self.subcommand]["trainer"]
        callbacks = asked["callbacks"] or []
        asked["callbacks"] = list(filter(is_quiet, callbacks if isinstance(callbacks, list) else [callbacks]))
        if asked["logger"] not in (None, True):
            self._replaced.pop("logger")  # that of the configuration is used
        return super().instantiate_trainer(**self._replaced, **kwargs)

    def fit(self, **kwargs: Any) -> None:
        """Leave training, timing and report to the caller."""

    before_fit = after_fit = fit
