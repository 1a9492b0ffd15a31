"""Answers that need neither torch nor Lightning: `--version`, `--help` (also of an empty line) and `init`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import lr_callbacks
from lr_callbacks.cli.help import DESCRIPTIONS
from lr_callbacks.cli.registry import COMMANDS

PACKAGE = Path(lr_callbacks.__file__).parent
CONFIGS = next(
    (folder for folder in (PACKAGE / "configs", PACKAGE.parent / "configs") if folder.is_dir()), PACKAGE / "configs"
)
"""The commented configurations: inside an installed package, next to it in a checkout."""

HELP = """\
usage: lr-callbacks COMMAND [options]

Train with learning-rate callbacks. Without any option: a small network on handwritten digits.

Commands:
{commands}

First steps:
  lr-callbacks fit --trainer.callbacks+=OneCycle --trainer.callbacks.max_lr=0.1
  lr-callbacks init one_cycle, then lr-callbacks fit --config one_cycle.yaml
  lr-callbacks fit --model=my_module.Net --data=my_module.Data

Options of a command: lr-callbacks COMMAND --help; all of them: --help-all. Version: lr-callbacks --version
Completion (with shtab installed): lr-callbacks --print_completion=shtab-bash, also -zsh and -tcsh
"""


def answered(words: Sequence[str]) -> bool:
    """Answer a command line that needs no training, and return whether it was one.

    Args:
        words: Arguments without the program's name.
    """
    if list(words) in (["--version"], ["-V"]):
        sys.stdout.write(f"lr-callbacks {lr_callbacks.__version__}\n")
    elif not words or words[0] in ("-h", "--help", "--help-all", "help"):
        sys.stdout.write(top_help())
    elif words[0] == "init":
        init(words[1:])
    else:
        return False
    return True


def top_help() -> str:
    """Every command with a sentence, and first steps."""
    own = {name: (command.__doc__ or "").partition("\n")[0] for name, command in COMMANDS.items()}
    texts = {"init": "Write a commented configuration into this folder.", **DESCRIPTIONS, **own}
    return HELP.format(commands="\n".join(f"  {name:<12}{text}" for name, text in texts.items()))


def configurations() -> list[str]:
    """Names of the commented configurations."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def init(words: Sequence[str]) -> None:
    """Copy a configuration into the working folder.

    Args:
        words: Arguments of the command.
    """
    parser = ArgumentParser("lr-callbacks init", description="Write a commented configuration into this folder.")
    parser.add_argument("name", nargs="?", default="one_cycle", help="a name of --list (default: one_cycle)")
    parser.add_argument("--output", metavar="FILE", help="where to write it (default: NAME.yaml)")
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    parser.add_argument("--list", action="store_true", help="list the names")
    given = parser.parse_args(words)
    if given.list:
        sys.stdout.write("\n".join([*configurations(), ""]))
        return
    if given.name not in configurations():
        near = "".join(f"Did you mean {name}? " for name in get_close_matches(given.name, configurations(), n=1))
        raise SystemExit(
            f"error: no configuration is called {given.name!r}. {near}Names: {', '.join(configurations())}"
        )
    file = Path(given.output or f"{given.name}.yaml")
    if file.exists() and not given.force:
        raise SystemExit(f"error: {file} exists. Write another file (--output other.yaml) or replace it (--force)")
    text = (CONFIGS / f"{given.name}.yaml").read_text(encoding="utf-8")
    text = text.replace(f"configs/{given.name}.yaml", file.as_posix())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    command = text.partition("lr-callbacks ")[2].split()[0]  # the first in its comments
    sys.stdout.write(f"Wrote {file}. Next: lr-callbacks {command} --config {file}\n")
