"""What `--help` says where the help that Lightning's docstrings make is cut off, says nothing, or is not true here."""

from __future__ import annotations

import re
from argparse import ArgumentParser

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
"""How the title of a group of options begins -> what it says instead."""

OPTIONS = {
    "seed_everything": "Seed all random generators with this number; true draws one, false sets none.",
    "trainer.max_epochs": "Train for this many epochs; -1 sets no limit. Default: 10, or no limit where max_steps or "
    "max_time is given.",
    "trainer.max_time": "Stop when this time is up: DD:HH:MM:SS (days, hours, minutes, seconds), or a dictionary such "
    'as {"minutes": 30}. Schedules that last to the end of the run then end with it.',
    "trainer.barebones": "Switch off everything that costs time beside the training itself (checkpoints, loggers, "
    "progress bar, self.log and more), to measure how fast the Trainer is.",
    "trainer.default_root_dir": "Folder for the runs. Default: runs.",
    "ckpt_path": "Continue from, or evaluate, this checkpoint; last takes the newest one of the runs of this name.",
    "sampler": "Choose the points by a grid, or by one of Optuna's samplers: tpe, random, gp.",
}
"""Name of an option -> its help."""


def improve(parser: ArgumentParser, command: str) -> None:
    """Rewrite the help of a command's parser where it is no help.

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
