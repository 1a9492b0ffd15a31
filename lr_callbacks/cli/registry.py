"""Subcommands of `lr-callbacks` in addition to fit, validate, test and predict: one file each, entered in `COMMANDS`.

A command is a function. Its name on the command line is its key in `COMMANDS`, its help is the first line of its
docstring, and its keyword-only arguments are its flags (typed and documented: jsonargparse reads both):

    def count(cli, model, datamodule=None, *, times: int = 1) -> None:
        \"\"\"Count the parameters.\"\"\"
        print(*[sum(p.numel() for p in model.parameters())] * times)

    COMMANDS["count"] = count

`cli` is the running `LRCallbacksCLI`: `cli.trainer`, `cli.config` and `cli.parser` are ready, `--config`, `--model`,
`--data`, `--trainer` and `--name` have been read as for `fit`. Heavy imports belong inside the function, so that
`lr-callbacks --help` stays quick. A flag that takes several words (`--lr 0.01 0.1`) is beyond what a signature can say:
its options for `add_argument` go to `FLAGS`, and the function takes it by its name.
"""

from collections.abc import Callable
from typing import Any

from lr_callbacks.cli import sweep
from lr_callbacks.cli.plot import plot
from lr_callbacks.cli.range_test import range_test

COMMANDS: dict[str, Callable[..., Any]] = {"plot": plot, "range-test": range_test, "sweep": sweep.sweep}
"""Name on the command line -> function (cli, model, datamodule=None, *, flags)."""

FLAGS: dict[str, dict[str, dict[str, Any]]] = {"sweep": sweep.FLAGS}
"""Name on the command line -> flag -> options for `add_argument`."""

ONE_BY_ONE = frozenset({"plot"})
"""Commands that are given no model, and build what each `--config` describes by `cli.each_configuration()`."""

SHARED_ARGUMENTS = frozenset({"model", "datamodule"})
"""What every command is given, and no flag is made of."""
