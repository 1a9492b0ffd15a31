"""The command line without a terminal: a configuration in, trainer, model and data out."""

import re
from collections.abc import Callable
from pydoc import locate
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelSummary, ProgressBar
from lightning.pytorch.cli import LightningArgumentParser
from typing_extensions import override

from lr_callbacks.cli.training import TrainingCLI

QUIET: dict[str, Any] = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
}
CHOOSERS = (EarlyStopping, Checkpoint)


def is_quiet(callback: Callback) -> bool:
    """Whether a callback may stay in a training that shows nothing and keeps nothing."""
    return not isinstance(callback, ProgressBar | ModelSummary | Checkpoint)


def needs_no_validation(callback: Callback) -> bool:
    """Whether a callback does its work without validation data; those that stop or choose by them need not stay."""
    return not (isinstance(callback, CHOOSERS) and str(getattr(callback, "monitor", None)).startswith("val"))


def watched_validation(entry: dict[str, Any]) -> str | None:
    """The validation metric by which a callback steers a training, such as its LR; None for one that only chooses.

    Args:
        entry: Of a resolved configuration: class_path and init_args.
    """
    kind = locate(entry["class_path"])
    if isinstance(kind, type) and issubclass(kind, CHOOSERS):
        return None
    found = re.search(r"'monitor': '(val\w*)'", str(entry))
    return found[1] if found else None


class TrialCLI(TrainingCLI):
    """Make what a `fit` needs from a configuration, and do not train.

    The configuration that the run saves is the one given: it can be trained on its own, with all its callbacks.

    Args:
        config: Resolved configuration, as `lr-callbacks fit --config` takes it.
        keep: Which of the callbacks of the configuration the trainer gets.
        trainer: Arguments of the trainer that replace those of the configuration.
    """

    def __init__(self, config: dict[str, Any], keep: Callable[[Callback], bool], **trainer: Any) -> None:
        self._keep, self._replaced = keep, trainer
        super().__init__({"subcommand": "fit", "fit": config})

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parser.parse_object(args)

    @override
    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        asked = self.config_init[self.subcommand]["trainer"]
        callbacks = asked["callbacks"] or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        asked["callbacks"] = [callback for callback in callbacks if self._keep(callback)]
        return super().instantiate_trainer(**self._replaced, **kwargs)

    def fit(self, **kwargs: Any) -> None:
        """Leave the training to the caller."""

    @override
    def before_fit(self) -> None: ...

    @override
    def after_fit(self) -> None: ...
