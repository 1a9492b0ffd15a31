"""Texts of `--help` where those from Lightning's docstrings are cut off, empty, or wrong here."""

from __future__ import annotations

import re
from argparse import SUPPRESS, Action, ArgumentParser, HelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

DESCRIPTIONS = {
    "fit": "Train, validating after each epoch.",
    "validate": "Evaluate once on the validation data.",
    "test": "Evaluate once on the test data.",
    "predict": "Predict, and show the first predictions.",
}
"""Lightning's own commands in a sentence."""

GROUPS = {
    "Customize every aspect of training via flags": "Trainer: how long, on what, with which callbacks and loggers",
    "<class 'lightning": "Model",
    "A DataModule standardizes": "Data",
}
"""Beginning of the title of a group of options -> its new title."""

OPTIONS = {
    "seed_everything": "Seed of all random generators; true: a random seed, false: none.",
    "trainer.max_epochs": "Number of epochs; -1: no limit. Default: 10, or no limit if max_steps or max_time is given.",
    "trainer.max_time": "Time limit: DD:HH:MM:SS (days, hours, minutes, seconds), or a dictionary such as "
    '{"minutes": 30}. Schedules without a length end at this time.',
    "trainer.barebones": "Switch off everything except the training itself (checkpoints, loggers, progress bar, "
    "self.log and more), to measure the speed of the Trainer.",
    "trainer.default_root_dir": "Folder for the runs. Default: runs.",
    "ckpt_path": "Checkpoint to continue from or to evaluate; last: the newest one of the runs of this name.",
    "weights_only": "Load only tensors and plain types from the checkpoint; false only for one that you trust.",
    "trainer.callbacks": "Add a callback, followed by its arguments: --trainer.callbacks+=OneCycle "
    "--trainer.callbacks.max_lr=0.1. Its arguments: --trainer.callbacks.help=OneCycle.",
    "trainer.accelerator": "Hardware: cpu, gpu, mps, tpu or auto.",
    "trainer.max_steps": "Number of optimizer steps; -1 for no limit.",
    "model": "Class of the module, and its arguments: --model=my_module.Net --model.width=64. Its arguments: "
    "--model.help=my_module.Net.",
    "data": "Class of the datamodule, and its arguments: --data=my_module.Data --data.batch_size=64.",
    "sampler": "How points are chosen: grid, or a sampler of Optuna: tpe, random, gp.",
}
"""Name of an option -> its help."""


COMMON = (
    "help",
    "config",
    "name",
    "seed_everything",
    "trainer.max_epochs",
    "trainer.max_steps",
    "trainer.accelerator",
    "trainer.callbacks",
    "model",
    "data",
)
"""Options that every short help lists, after the command's own."""


FIRST = ("lr", "grid")
"""Options that a command lists before its others."""


class HelpAll(Action):
    """Print the help with all options."""

    def __init__(self, option_strings: list[str], **_: Any) -> None:
        super().__init__(option_strings, dest=SUPPRESS, default=SUPPRESS, nargs=0, help="Show all options and exit.")

    def __call__(self, parser: Any, *_: Any) -> None:
        """Print and exit."""
        parser.print_all_help()
        parser.exit()


class ShortFormatter(HelpFormatter):
    """Help and default of each option, without its type and the list of all possible classes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "max_help_position": 26})

    def _format_action_invocation(self, action: Action) -> str:
        long = [option for option in action.option_strings if option.startswith("--") and not option.endswith("+")]
        return ", ".join([option for option in action.option_strings if len(option) == 2] + long[:1])

    def _get_help_string(self, action: Action) -> str:
        text = (action.help or "").replace("%", "%%")
        plain_default = isinstance(action.default, str | int | float) and not isinstance(action.default, bool)
        known = "efault" in text or not plain_default or action.default == SUPPRESS
        return text if known else f"{text} Default: {str(action.default).rstrip('.')}."


@contextmanager
def shortened(parser: ArgumentParser, command: str) -> Iterator[None]:
    """Meanwhile show only the command's own options and the common ones.

    Args:
        parser: The parser of a command, after `improve`.
        command: Its name on the command line.
    """
    groups, own = parser._action_groups, parser._action_groups[-1]
    shown = {id(action) for action in own._group_actions}
    hidden = [
        (action, action.help)
        for action in parser._actions
        if id(action) not in shown and action.dest not in COMMON and not isinstance(action, HelpAll)
    ]
    for action, _ in hidden:
        action.help = SUPPRESS
    formatter, parser.formatter_class = parser.formatter_class, ShortFormatter
    parser._action_groups, parser.epilog = [own, *groups[:-1]], f"All options: lr-callbacks {command} --help-all"
    try:
        yield
    finally:
        parser._action_groups, parser.epilog, parser.formatter_class = groups, None, formatter
        for action, text in hidden:
            action.help = text


def improve(parser: ArgumentParser, command: str) -> None:
    """Rewrite the help of a command's parser where it does not help.

    Args:
        parser: The parser, with all of its options.
        command: Its name on the command line.
    """
    for group in parser._action_groups:
        for beginning, title in GROUPS.items():
            if str(group.title).startswith(beginning):
                group.title = title
    last = parser._action_groups[-1]
    if last.title not in GROUPS.values():
        last.title = f"Options of {command}"
        last._group_actions.sort(key=lambda action: action.dest not in FIRST)
    parser.usage = f"lr-callbacks {command} [options]"
    for action in parser._actions:
        if action.dest in OPTIONS:
            action.help = OPTIONS[action.dest]
        elif action.help:
            action.help = plain(action.help)


def plain(text: str) -> str:
    """A help text without the marks of a documentation page.

    Example:
        >>> plain("See :class:`~lightning.pytorch.Trainer`; default: ``None``.")
        'See Trainer; default: None.'
    """
    text = re.sub(r":\w+:`~[\w.]*?(\w+)`", r"\1", text)
    text = re.sub(r":\w+:`([^`]+)`", r"\1", text)
    return text.replace("``", "")
