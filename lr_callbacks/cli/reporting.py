"""Output of the command line: errors that name the way out, and no noise."""

import logging
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import yaml
from jsonargparse import Namespace

import lr_callbacks
from lr_callbacks import LRCallback
from lr_callbacks.cli.errors import (
    file_of,
    missing_argument,
    missing_file,
    not_used_here,
    syntax_error,
    unknown_command,
    wrong_value,
)
from lr_callbacks.cli.help import shortened
from lr_callbacks.core.lightning_names import (
    Callback,
    LightningArgumentParser,
    derives,
    overrides,
)
from lr_callbacks.core.messages import LOGGERS
from lr_callbacks.core.parameters import parameters_of
from lr_callbacks.other_names import hint as elsewhere

NOISE = (
    # Worker processes slow down a data set that lies in memory.
    "does not have many workers",
    # Lightning's own call of a name that torch has deprecated.
    "isinstance(treespec, LeafSpec)` is deprecated",
    # A resumed run writes into a new folder on purpose, so that it overwrites nothing.
    "The dirpath has changed from",
    # Offers of other products.
    "Tip: For seamless cloud",
)

NOISE_OF_TRAINING = ("Seed set to", "GPU available", "TPU available", "`Trainer", "💡 Tip")
"""Messages of Lightning about a training, for commands that train nothing."""

KEYWORDS = ("best", "last", "hpc", "registry")
"""What Lightning accepts as a checkpoint in addition to a file name."""


@contextmanager
def without_noise(*, of_training: bool = False) -> Iterator[None]:
    """Drop messages that a user at a terminal cannot act on, and the source line of warnings.

    Args:
        of_training: Whether to drop those about a training as well, for a command that trains nothing.
    """
    noises = (*NOISE, *NOISE_OF_TRAINING) if of_training else NOISE

    def is_wanted(record: logging.LogRecord) -> bool:
        return not any(noise in record.getMessage() for noise in noises)

    loggers = [logging.getLogger(name) for name in LOGGERS]
    handlers = [handler for logger in loggers for handler in logger.handlers]
    for handler in handlers:
        handler.addFilter(is_wanted)
    formatted, warnings.formatwarning = warnings.formatwarning, _without_source
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # meant for developers, such as Lightning's
            for noise in NOISE:
                warnings.filterwarnings("ignore", message="(?s).*" + re.escape(noise))
            yield
    finally:
        warnings.formatwarning = formatted
        for handler in handlers:
            handler.removeFilter(is_wanted)


def _without_source(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> str:
    """A warning as a user of the command line needs it: without the place in the code that raised it."""
    return f"{category.__name__.replace('User', '')}: {message}\n"


class ShortErrorParser(LightningArgumentParser):
    """A parser whose errors are the message and the way out, without the usage of all options."""

    files: ClassVar[list[str]] = []
    """The configurations that were read, for all parsers of a command line."""
    reading: str | None = None
    """The configuration that is being read."""
    command: str | None = None
    """The command whose parser it is."""

    def format_help(self, *args: Any, **kwargs: Any) -> str:
        """The short help of a command; all of it for others."""
        if self.command is None:
            return str(super().format_help(*args, **kwargs))
        with shortened(self, self.command):
            return str(super().format_help(*args, **kwargs))

    def print_all_help(self) -> None:
        """Print the help with all options."""
        sys.stdout.write(super().format_help())

    def parse_path(self, path: Any, *args: Any, **kwargs: Any) -> Namespace:
        """Read a configuration; a file that is not text, such as a checkpoint, is rejected by its name."""
        self.reading = str(path)
        try:
            parsed: Namespace = super().parse_path(path, *args, **kwargs)
            self.files.append(str(path))
            return parsed
        except UnicodeDecodeError:
            self.error(f"config must be a YAML file, got {str(path)!r}, which is not text")
        finally:
            self.reading = None

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the message to stderr and exit with status 2."""
        if not self.exit_on_error:
            super().error(message, ex)
        parser = getattr(ex, "subcommand_parser", None) or self
        more = f"All options: {parser.prog.replace(' [options]', '')} --help"
        file = self.reading or file_of(message, contents(self.files))
        where = f"{file}: " if file else ""
        options = [name for action in parser._actions for name in action.option_strings]
        hint = _hint(message) or _nearest(message, options)
        self.exit(2, f"error: {where}{_short(message)}\n{hint}{more}\n")


def contents(files: Sequence[str]) -> list[tuple[str, Any]]:
    """Name and content of those configurations that are files in YAML; others are addresses, or pipes."""
    contents = []
    for file in files:
        with suppress(OSError, ValueError, yaml.YAMLError):
            contents.append((file, yaml.safe_load(Path(file).read_text(encoding="utf-8"))))
    return contents


def _short(message: str) -> str:
    r"""The reason alone, without jsonargparse's list of all types that were tried.

    Example:
        >>> long = (
        ...     'Parser key "trainer.callbacks":\\n  Does not validate against any of the Union subtypes\n'
        ...     "    - Problem with given class_path 'lr_callbacks.Warmup':\n        required: duration"
        ...     "\n    - Expected a <class 'NoneType'>"
        ... )
        >>> _short(long)
        "trainer.callbacks, class 'lr_callbacks.Warmup': required: duration"
    """
    for answer in (not_used_here, unknown_command, missing_file, missing_argument):
        if said := answer(message):
            return said
    key = re.match(r'Parser key "(\S+)":', message)
    if unknown := _unknown_class(message):
        return f"{unknown[0]}: unknown class {unknown[1]}"
    if plain := syntax_error(message) or wrong_value(message):
        return plain
    reasons = re.findall(r"Problem with given class_path ('\S+'):\s+(?!\s|Parser key|Does not)(.+)", message)
    factories = re.findall(r"callable class: (.+)\. Got value: \w+\(class_path=('[^']+')", message)
    reasons += [(factory, reason) for reason, factory in factories]
    if early := re.match(
        r"'lightning\.(?:pytorch\.)?Callback': Option '(\w+)' is not", ": ".join((*reasons, ("",))[0])
    ):
        return f"--trainer.callbacks.{early[1]} comes before any callback; put it after --trainer.callbacks+=OneCycle"
    return f"{key[1]}, class {reasons[0][0]}: {reasons[0][1]}" if key and reasons else message


def _unknown_class(message: str) -> tuple[str, str] | None:
    r"""The option, and the name that was given to it where a class is wanted.

    Example:
        >>> _unknown_class('Parser key "model": Parser key "optimizer": Expected a dot import path string: SGDD')
        ('model.optimizer', 'SGDD')
    """
    name = re.search(r"Expected a dot import path string: (\S+)", message)
    keys = re.findall(r'Parser key "(\S+)":', message)
    is_plain = re.search(r"Expected an? <class '(int|float|str|bool)'>", message)  # or, among others, a class
    return (".".join(keys), name[1]) if name and keys and not is_plain else None


def _hint(message: str) -> str:
    """The way out, where the message of jsonargparse has none."""
    refused = re.search(r"Problem with given class_path '(?:\w+\.)+(\w+)':\s+Option '\w+' is not accepted", message)
    callback = vars(lr_callbacks).get(refused[1]) if refused else None
    if isinstance(callback, type):
        return f"{callback.__name__} takes: {', '.join(parameters_of(callback))}.\n"
    if unknown := _unknown_class(message):
        option, name = unknown
        known = _known_callbacks() if option == "trainer.callbacks" else []
        near = get_close_matches(name, known, n=1)
        return (
            (elsewhere(name) or (f"Did you mean {near[0]}? " if near else ""))
            + (f"Callbacks of this package: {', '.join(known)}.\n" if known else "")
            + f"A class of your own needs its import path, such as my_module.{name} with my_module.py in this folder.\n"
        )
    if re.search(r"arguments are required: \w+\.model$", message):
        return "--data needs a model: add --model=my_module.Net, or --model=DigitsClassifier for the sample network.\n"
    module = re.search(r"No module named '(\S+)'", message)
    if module:
        return f"{module[1]} is neither in this folder ({Path.cwd()}) nor an installed package.\n"
    return ""


def _nearest(message: str, options: Sequence[str]) -> str:
    r"""The options that were probably meant by those that do not exist.

    Example:
        >>> _nearest("unrecognized arguments: --confg a.yaml --x=1", ["--config", "--trainer.max_epochs"])
        'Did you mean --config?\n'
    """
    if "unrecognized arguments" not in message or not_used_here(message):
        return ""
    unknown = [word.partition("=")[0] for word in message.split() if word.startswith("--")]
    near = [match for word in unknown for match in get_close_matches(word, options, n=1)]
    return f"Did you mean {' '.join(near)}?\n" if near else ""


def _known_callbacks() -> list[str]:
    """Names of the package's callbacks that can be used as they are."""
    public = {name: vars(lr_callbacks).get(name) for name in sorted(lr_callbacks.__all__)}
    classes = {name: value for name, value in public.items() if isinstance(value, type)}
    return [name for name, value in classes.items() if value is not LRCallback and derives(value, Callback)]


def require_checkpoint(path: str | None) -> None:
    """Raise if the checkpoint to continue from does not exist, before anything is set up.

    Args:
        path: Value of `--ckpt_path`: a file, an address (``s3://...``), or a word such as ``last``.

    Raises:
        ValueError: If it is a file that does not exist.
    """
    if path is not None and "://" not in path and path not in KEYWORDS and not Path(path).exists():
        raise ValueError(
            f"Checkpoint not found: {path} (looked in {Path.cwd()}). --ckpt_path last takes the newest one"
        )


def refuse_twins(callbacks: Sequence[Callback]) -> None:
    """Raise if two callbacks would share an entry in a checkpoint, before Lightning does so without a way out.

    Raises:
        ValueError: Naming both and the argument that tells them apart.

    Example:
        >>> from lr_callbacks import ReduceLROnPlateau
        >>> refuse_twins([ReduceLROnPlateau("a"), ReduceLROnPlateau("b"), ReduceLROnPlateau("a", name="second")])
    """
    seen: dict[str, Callback] = {}
    for callback in callbacks:
        if isinstance(callback, LRCallback) and overrides("state_dict", callback, "Callback"):
            if callback.state_key in seen:
                named = "name" in parameters_of(type(callback))
                way_out = "give one of them a name, such as name: second" if named else "remove one"
                raise ValueError(
                    f"{seen[callback.state_key]!r} and {callback!r} would share an entry in a checkpoint; {way_out}"
                )
            seen[callback.state_key] = callback
