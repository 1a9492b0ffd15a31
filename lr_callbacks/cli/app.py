"""The command line: Lightning's commands and those of the registry."""

from __future__ import annotations

from collections.abc import Iterator
from types import MethodType
from typing import Any, NamedTuple

from jsonargparse import Namespace
from typing_extensions import override

from lr_callbacks.cli import help as help_texts
from lr_callbacks.cli.registry import COMMANDS, FLAGS, ONE_BY_ONE, SHARED_ARGUMENTS
from lr_callbacks.cli.reporting import ShortErrorParser
from lr_callbacks.cli.training import TrainingCLI
from lr_callbacks.cli.words import one_by_one
from lr_callbacks.core.lightning_names import (
    LightningArgumentParser,
    LightningCLI,
    LightningDataModule,
    LightningModule,
    Trainer,
)


class CommandTrainer(Trainer):
    """Customize every aspect of training via flags.

    Beside a Trainer's methods it has those that our own subcommands take their flags from.
    """


class LRCallbacksCLI(TrainingCLI):
    """Train with learning-rate callbacks from the command line or a YAML file.

    Args:
        args: Arguments without the program's name, or a configuration; None takes the arguments of the process.
    """

    trainer_type = CommandTrainer
    trainer: Any

    def __init__(self, args: list[str] | dict[str, Any] | None = None) -> None:
        for name, command in COMMANDS.items():
            setattr(CommandTrainer, name, command)
            setattr(self, name, MethodType(command, self))
        super().__init__(args)

    @staticmethod
    @override
    def subcommands() -> dict[str, set[str]]:
        flags = {name: {flag.replace("-", "_") for flag in FLAGS.get(name, {})} for name in COMMANDS}
        return LightningCLI.subcommands() | {name: flags[name] | SHARED_ARGUMENTS for name in COMMANDS}

    @override
    def _add_subcommands(self, parser: LightningArgumentParser, **kwargs: Any) -> None:
        # Private, but Lightning gives the list of subcommands a text of its own making.
        super()._add_subcommands(parser, **kwargs)
        if parser._subcommands_action is not None:
            for listed in parser._subcommands_action._choices_actions:
                listed.help = help_texts.DESCRIPTIONS.get(listed.dest, listed.help)

    @override
    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        # Private, but the only place that knows both the parser and the name of its subcommand.
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        own = parser._action_groups[-1]
        for name, options in FLAGS.get(subcommand, {}).items():
            own.add_argument(f"--{name.replace('-', '_')}", **options)
            self._subcommand_method_arguments[subcommand].append(name.replace("-", "_"))
        parser.add_argument("--help-all", "--help_all", action=help_texts.HelpAll)
        help_texts.improve(parser, subcommand)
        if isinstance(parser, ShortErrorParser):
            parser.command = subcommand
        return parser

    @override
    def parsed(self, words: list[str]) -> Namespace:
        self.command_lines = one_by_one(words) if self.builds_one_by_one(words) else [words]
        return super().parsed(self.command_lines[0])

    @override
    def is_quiet(self, words: list[str]) -> bool:
        return self.builds_one_by_one(words)

    def builds_one_by_one(self, words: list[str]) -> bool:
        """Whether the command of a command line builds each configuration by itself."""
        return next((word for word in words if word in self.subcommands()), None) in ONE_BY_ONE

    @override
    def instantiate_classes(self) -> None:
        if self.subcommand in ONE_BY_ONE:
            self.config_init, self.model, self.datamodule = self.config, None, None
            self.trainer = self.trainer_type  # where Lightning looks for a method of the command's name
        else:
            super().instantiate_classes()

    def each_configuration(self) -> Iterator[Built]:
        """Build what each `--config` describes, one after another and each once."""
        for number, words in enumerate(self.command_lines):
            if number > 0:
                self.config = super().parsed(words)
                self.before_instantiate_classes()
            super().instantiate_classes()
            yield Built(str(self._options["name"]), self.trainer, self.model, self.datamodule)


class Built(NamedTuple):
    """What a configuration describes."""

    name: str
    trainer: Trainer
    model: LightningModule
    datamodule: LightningDataModule | None
