"""What the command line says: errors that name the way out, no noise, and a result at the end."""

import logging
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import Any, ClassVar, NoReturn

import torch
import yaml
from jsonargparse import Namespace

import lr_callbacks
from lr_callbacks import LRCallback
from lr_callbacks.cli.errors import file_of, not_used_here, syntax_error, wrong_value
from lr_callbacks.cli.help import shortened
from lr_callbacks.core.lightning_names import (
    Callback,
    LearningRateMonitor,
    LightningArgumentParser,
    TensorBoardLogger,
    Trainer,
    derives,
    is_a,
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
    # A resumed run writes into a new folder, so that it overwrites nothing: that is what we do on purpose.
    "The dirpath has changed from",
    # Offers of other products.
    "Tip: For seamless cloud",
)

NOISE_OF_TRAINING = ("Seed set to", "GPU available", "TPU available", "`Trainer", "💡 Tip")
"""What Lightning says of a training, where none takes place."""

KEYWORDS = ("best", "last", "hpc", "registry")
"""What Lightning takes for a checkpoint beside the name of a file."""


@contextmanager
def without_noise(*, of_training: bool = False) -> Iterator[None]:
    """Drop the messages about which nobody at a terminal can, or needs to, do anything.

    Args:
        of_training: Whether to drop those about a training too, for a command that trains nothing.
    """
    noises = (*NOISE, *NOISE_OF_TRAINING) if of_training else NOISE

    def tells_something(record: logging.LogRecord) -> bool:
        return not any(noise in record.getMessage() for noise in noises)

    loggers = [logging.getLogger(name) for name in LOGGERS]
    handlers = [handler for logger in loggers for handler in logger.handlers]
    for handler in handlers:
        handler.addFilter(tells_something)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # meant for developers, such as Lightning's
            for noise in NOISE:
                warnings.filterwarnings("ignore", message="(?s).*" + re.escape(noise))
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(tells_something)


class ShortErrorParser(LightningArgumentParser):
    """A parser whose errors are the message and the way out, without two screens of usage before them."""

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
        """Read a configuration; a file that is no text, a checkpoint for one, is refused by its name."""
        self.reading = str(path)
        try:
            parsed: Namespace = super().parse_path(path, *args, **kwargs)
            self.files.append(str(path))
            return parsed
        except UnicodeDecodeError:
            self.error(f"config must be a text file, in YAML, got {str(path)!r}")
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
        self.exit(2, f"error: {where}{_short(message)}\n{_hint(message)}{more}\n")


def contents(files: Sequence[str]) -> list[tuple[str, Any]]:
    """Name and content of those configurations that are files in YAML; others are addresses, or pipes."""
    contents = []
    for file in files:
        with suppress(OSError, ValueError, yaml.YAMLError):
            contents.append((file, yaml.safe_load(Path(file).read_text(encoding="utf-8"))))
    return contents


def _short(message: str) -> str:
    r"""The reason alone, where jsonargparse tells of everything that a class might have been instead.

    Example:
        >>> long = (
        ...     'Parser key "trainer.callbacks":\\n  Does not validate against any of the Union subtypes\n'
        ...     "    - Problem with given class_path 'lr_callbacks.Warmup':\n        required: duration"
        ...     "\n    - Expected a <class 'NoneType'>"
        ... )
        >>> _short(long)
        "trainer.callbacks, class 'lr_callbacks.Warmup': required: duration"
    """
    if answer := not_used_here(message):
        return answer
    key = re.match(r'Parser key "(\S+)":', message)
    if unknown := _unknown_class(message):
        return f"{unknown[0]}: no class is known by the short name {unknown[1]}"
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
    """The way out, where jsonargparse only says what is wrong."""
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
        return (
            "Data of your own need a model: add --model=my_module.Net, or --model=DigitsClassifier for the sample "
            "network.\n"
        )
    module = re.search(r"No module named '(\S+)'", message)
    if module:
        return f"{module[1]} is looked for in this folder ({Path.cwd()}) and among the installed packages.\n"
    return ""


def _known_callbacks() -> list[str]:
    """Names of the package's callbacks that can be used as they are."""
    public = {name: vars(lr_callbacks).get(name) for name in sorted(lr_callbacks.__all__)}
    classes = {name: value for name, value in public.items() if isinstance(value, type)}
    return [name for name, value in classes.items() if value is not LRCallback and derives(value, Callback)]


def require_checkpoint(path: str | None) -> None:
    """Raise where a file that is to be gone on from is not there, before anything is set up.

    Args:
        path: What `--ckpt_path` says: a file, an address (``s3://...``), or a word such as ``last``.

    Raises:
        ValueError: If it is a file that does not exist.
    """
    if path is not None and "://" not in path and path not in KEYWORDS and not Path(path).exists():
        raise ValueError(
            f"Checkpoint not found: {path} (looked in {Path.cwd()}). --ckpt_path last takes the newest one"
        )


def refuse_twins(callbacks: Sequence[Callback]) -> None:
    """Raise where two callbacks would share an entry in a checkpoint, before Lightning does: it knows no way out.

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
                    f"{seen[callback.state_key]!r} and {callback!r} would share an entry in a checkpoint: {way_out}"
                )
            seen[callback.state_key] = callback


def report_fit(trainer: Trainer, seconds: float) -> None:
    """Say how a training ended, where it is, and how to look at it.

    Args:
        trainer: The trainer after `fit`.
        seconds: Duration of the fit.
    """
    if not trainer.is_global_zero:
        return
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    monitors = [callback for callback in callbacks if is_a(callback, LearningRateMonitor)]
    rates = {name for monitor in monitors for name in (*monitor.lrs, *monitor.last_momentum_values)}
    metrics = {name: value.item() for name, value in sorted(trainer.callback_metrics.items()) if name not in rates}
    lines = [f"Trained {trainer.current_epoch} epochs, {trainer.global_step} optimizer steps, in {seconds:.1f} s."]
    if metrics:
        lines.append("Result      " + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
    checkpoint = getattr(trainer.checkpoint_callback, "best_model_path", "")
    folder = trainer.log_dir if trainer.logger else None
    if folder:
        lines.append(f"Run         {trainer.log_dir}")
    if checkpoint:
        lines.append(f"Checkpoint  {checkpoint}")
        if folder and overrides("test_step", trainer.lightning_module):
            config = str(Path(folder, "config.yaml"))
            lines.append(f"Test it     lr-callbacks test --config {quote(config)} --ckpt_path {quote(checkpoint)}")
    if folder and is_a(trainer.logger, TensorBoardLogger):
        lines.append(f"Curves      tensorboard --logdir {quote(str(trainer.logger.save_dir))}")
    say(lines)


def report_predictions(trainer: Trainer) -> None:
    """Say how many predictions there are, and the first ones if they are a tensor of numbers per sample.

    Args:
        trainer: The trainer after `predict`.
    """
    batches = trainer.predict_loop.predictions
    if not trainer.is_global_zero or not batches:
        return
    if all(isinstance(batch, torch.Tensor) and batch.ndim == 1 for batch in batches):
        values = torch.cat([batch for batch in batches if isinstance(batch, torch.Tensor)]).tolist()
        say([f"Predicted {len(values)} samples. The first: {' '.join(f'{value:.4g}' for value in values[:20])}"])
    else:
        say([f"Predicted {len(batches)} batches."])


def warn_untrained(newest: Path | None) -> None:
    """Say that an evaluation without a checkpoint is one of an untrained network.

    Args:
        newest: The newest checkpoint of the runs of this name, if there is one.
    """
    way_out = "To evaluate a trained one: --ckpt_path FILE" if newest is None else f"Latest checkpoint: {newest}"
    say([f"Warning: no --ckpt_path is given, so this evaluates an untrained model. {way_out}"])


def say(lines: list[str]) -> None:
    """Print lines after an empty one."""
    sys.stdout.write("\n".join(["", *lines, ""]))
    sys.stdout.flush()
