"""The command line without a terminal: a configuration in, trainer, model and data out."""

from typing import Any, cast

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelSummary, ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from typing_extensions import override


def is_quiet(callback: Callback) -> bool:
    """Whether a callback may stay in a training that shows nothing and keeps nothing."""
    return not isinstance(callback, ProgressBar | ModelSummary | Checkpoint)


class Trial(LightningCLI):
    """What a command line does differently to make what a `fit` needs from a configuration, without training.

    The configuration that the run saves is the one given: it can be trained on its own, with all its callbacks.
    """

    replaced: dict[str, Any]

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parser.parse_object(args)

    @override
    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        asked = self.config_init[self.subcommand]["trainer"]
        callbacks = asked["callbacks"] or []
        asked["callbacks"] = list(filter(is_quiet, callbacks if isinstance(callbacks, list) else [callbacks]))
        if asked["logger"] not in (None, True):
            self.replaced.pop("logger")  # that of the configuration is used
        return super().instantiate_trainer(**self.replaced, **kwargs)

    def fit(self, **kwargs: Any) -> None:
        """Leave the training, its clock and its report to the caller."""

    before_fit = after_fit = fit


def make_trial(kind: type[LightningCLI], config: dict[str, Any], logger: Any) -> LightningCLI:
    """Make trainer, model and data of a `fit` as a command line does, for a training that shows and keeps nothing.

    Args:
        kind: The class of the command line.
        config: Resolved configuration, as `lr-callbacks fit --config` takes it.
        logger: For the trainer, unless the configuration has one.
    """
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    of_kind = type("TrialCLI", (Trial, kind), {"replaced": {**quiet, "logger": logger}})
    return cast(LightningCLI, of_kind({"subcommand": "fit", "fit": config}))
