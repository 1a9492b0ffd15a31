"""The command line without a terminal: a configuration in, trainer, model and data out."""

from typing import Any

from lightning.pytorch.cli import LightningArgumentParser
from typing_extensions import override

from lr_callbacks.cli import LRCallbacksCLI


class TrialCLI(LRCallbacksCLI):
    """Make what a `fit` needs from a configuration, and do not train.

    Args:
        config: Resolved configuration, as `lr-callbacks fit --config` takes it.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__({"subcommand": "fit", "fit": config})

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parser.parse_object(args)

    def fit(self, **kwargs: Any) -> None:
        """Leave the training to the caller."""

    @override
    def before_fit(self) -> None: ...

    @override
    def after_fit(self) -> None: ...
