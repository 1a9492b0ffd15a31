"""Lightning's commands: a LightningCLI with the digits as default task and a new folder for every run."""

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace, set_parsing_settings
from typing_extensions import override

import lr_callbacks
import lr_callbacks.demo
from lr_callbacks.callbacks.lr_monitor import LRMonitor
from lr_callbacks.cli import help as help_texts
from lr_callbacks.cli.hparams import RunHyperparameters
from lr_callbacks.cli.kept import kept_arguments
from lr_callbacks.cli.progress import OneLineProgressBar
from lr_callbacks.cli.reporting import (
    ShortErrorParser,
    contents,
    refuse_twins,
    require_checkpoint,
    without_noise,
)
from lr_callbacks.cli.results import report_fit, report_predictions, say, warn_untrained
from lr_callbacks.cli.resume import interrupted, newest_checkpoint
from lr_callbacks.cli.sample import SAMPLE, is_sample, names_own_class
from lr_callbacks.cli.words import with_underscores
from lr_callbacks.core.lightning_names import (
    Checkpoint,
    LearningRateMonitor,
    LightningArgumentParser,
    LightningCLI,
    LightningModule,
    ProgressBar,
    SaveConfigCallback,
    TensorBoardLogger,
    Trainer,
    is_a,
    overrides,
    rank_zero_only,
)
from lr_callbacks.core.messages import above_progress_bars

for known in lr_callbacks.__all__:  # jsonargparse knows a class by its short name once it is imported
    if known != "grid_search":  # needs Optuna
        getattr(lr_callbacks, known)

RUNS = "runs"
SEED = 42
MAX_EPOCHS = 10
DESCRIPTION = """\
Train with learning-rate callbacks. Without any flag: a small network on handwritten digits.
Try: lr-callbacks fit --trainer.callbacks+=OneCycle --trainer.callbacks.max_lr=0.1"""
EVALUATIONS = ("validate", "test", "predict")
LOADERS = {"validate": "val_dataloader", "test": "test_dataloader", "predict": "predict_dataloader"}
"""Command -> loader that it needs; the others need `train_dataloader`."""


class SaveRunConfig(SaveConfigCallback):
    """Save the configuration into the folder of the run; without a logger a run has no folder of its own."""

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.loggers:
            super().setup(trainer, pl_module, stage)


class TrainingCLI(LightningCLI):
    """Train and evaluate with learning-rate callbacks: fit, validate, test and predict.

    Args:
        args: Arguments without the program's name, or a configuration; None takes the arguments of the process.
    """

    trainer_type: type[Trainer] = Trainer
    """Has a method for each command, from whose signature Lightning makes the flags."""
    _is_sample = False
    """Whether neither model nor data are named, so that they are those of the sample task."""

    def __init__(self, args: list[str] | dict[str, Any] | None = None) -> None:
        if sys.path[0] != os.getcwd():
            sys.path.insert(0, os.getcwd())  # so that `--model=my_module.Net` finds the user's own file
        ShortErrorParser.files.clear()
        self.command_line = with_underscores(sys.argv[1:] if args is None else list(args))
        if self.command_line and self.command_line[0].startswith("--print_completion"):
            set_parsing_settings(add_print_completion_argument=True)  # jsonargparse writes the script
        with above_progress_bars(), without_noise(of_training=self.is_quiet(self.command_line)):
            super().__init__(
                LightningModule,
                None,  # any datamodule, or none: `--data=null` for a module with loaders of its own
                save_config_callback=SaveRunConfig,
                trainer_class=self.trainer_type,
                trainer_defaults={"log_every_n_steps": 1},
                seed_everything_default=SEED,
                parser_kwargs={
                    "prog": "lr-callbacks",
                    "description": DESCRIPTION,
                    **{name: {"description": text} for name, text in help_texts.DESCRIPTIONS.items()},
                },
                parser_class=ShortErrorParser,
                subclass_mode_model=True,
                auto_configure_optimizers=False,
                args=args,
            )

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--name",
            type=str | None,
            default=None,
            help="Name of the run: it goes to runs/NAME/version_N. Default: the stem of the config file.",
        )

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parser.parse_object(args) if isinstance(args, dict) else self.parsed(self.command_line)
        options = self.config[self.config.subcommand]
        if options.get("ckpt_path") == "last":
            options.ckpt_path = self._newest(options)

    def is_quiet(self, words: list[str]) -> bool:
        """Whether the command trains nothing, so that messages about a training are dropped."""
        return False

    def parsed(self, words: list[str]) -> Namespace:
        """The configuration that a command line describes.

        Args:
            words: Arguments without the program's name.
        """
        self._is_sample = not names_own_class(words)
        for command in self._subcommand_parsers.values():
            command.set_defaults(
                {entry: {"class_path": name} if self._is_sample else None for entry, name in SAMPLE.items()}
            )
        config: Namespace = self.parser.parse_args(words)
        options = config[config.subcommand]
        options.name = options.name or _default_name(options)
        return config

    @override
    def before_instantiate_classes(self) -> None:
        self._refuse_half_a_task()
        trainer = self._options["trainer"]
        if trainer["max_epochs"] is None:
            limited = trainer["max_time"] is not None or trainer["max_steps"] != -1
            trainer["max_epochs"] = -1 if limited else MAX_EPOCHS
        require_checkpoint(self._options.get("ckpt_path"))
        self._say_what_is_kept()
        if is_sample("model", self._options["model"]["class_path"]) and "OMP_NUM_THREADS" not in os.environ:
            # Too small a network for several threads: they gain nothing, and on a busy machine each of many short
            # waits for another thread lasts (measured on two busy cores: 91 s instead of 7 s).
            torch.set_num_threads(1)

    @override
    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        asked = self.config_init[self.subcommand]["trainer"]
        folder = self.runs
        name = self._options["name"]
        callbacks = asked["callbacks"] or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        evaluates = self.subcommand in EVALUATIONS  # these report on the terminal; only a training makes a run
        if asked["logger"] in (None, True):
            asked["logger"] = False if evaluates else TensorBoardLogger(folder, name=name, default_hp_metric=False)
        if evaluates and not any(is_a(callback, Checkpoint) for callback in callbacks):
            asked["enable_checkpointing"] = False
        if not evaluates and not any(is_a(callback, LearningRateMonitor) for callback in callbacks):
            callbacks = [*callbacks, LRMonitor(prog_bar=True)]
        shows_bar = {**asked, **kwargs}["enable_progress_bar"] is not False and not asked["barebones"]
        if shows_bar and not any(is_a(callback, ProgressBar) for callback in callbacks):
            callbacks = [*callbacks, OneLineProgressBar()]
        refuse_twins(callbacks)
        asked["callbacks"] = callbacks
        asked["default_root_dir"] = str(Path(folder, name))
        return super().instantiate_trainer(**kwargs)

    def fit(self, **kwargs: Any) -> None:
        """Train; print how to continue if Ctrl-C ends it."""
        try:
            self.trainer.fit(**kwargs)
        except (KeyboardInterrupt, SystemExit) as end:  # Lightning makes the second of the first
            if isinstance(end, KeyboardInterrupt) or isinstance(end.__context__, KeyboardInterrupt):
                rank_zero_only(say)(interrupted(self.trainer, self.command_line))
            raise

    def before_fit(self) -> None:
        """Start the clock, and log the hyper-parameters of the run."""
        self._hyperparameters = RunHyperparameters()
        self.trainer.callbacks.append(self._hyperparameters)  # type: ignore[attr-defined]
        self._started = time.perf_counter()

    def after_fit(self) -> None:
        """Print the result and where it is."""
        report_fit(
            self.trainer, time.perf_counter() - self._started, began=self._hyperparameters.parameters is not None
        )

    def before_validate(self) -> None:
        """Warn of an untrained network."""
        # The callbacks of the training play no part in an evaluation and need not be named again.
        warnings.filterwarnings("ignore", message=".*callbacks used to create the checkpoint need to be provided")
        if not self._options["ckpt_path"]:
            warn_untrained(newest_checkpoint(self.runs / self._options["name"])[0])

    before_test = before_predict = before_validate

    def after_predict(self) -> None:
        """Show the first predictions."""
        report_predictions(self.trainer)

    def _refuse_half_a_task(self) -> None:
        """Reject a checkpoint of a user's class that is not named: it would be run on the sample data."""
        class_path = self._options["model"]["class_path"]
        if self._is_sample and not is_sample("model", class_path):
            raise ValueError(
                f"The checkpoint is of {class_path}, but the command line names no model. "
                f"Add --model={class_path} --data=my_module.Data"
            )

    def _say_what_is_kept(self) -> None:
        files = contents(ShortErrorParser.files)
        notes = kept_arguments(self._options["model"].as_dict(), self.command_line, files)
        if notes:
            rank_zero_only(say)(notes)

    @override
    def instantiate_classes(self) -> None:
        super().instantiate_classes()
        loader = LOADERS.get(str(self.subcommand), "train_dataloader")
        if self.datamodule is None and not overrides(loader, self.model):
            raise ValueError(
                f"No --data given, and {type(self.model).__name__} has no {loader}. Add --data=my_module.Data, or "
                "--data=DigitsDataModule for the sample data"
            )

    @property
    def runs(self) -> Path:
        """The folder of all runs."""
        return Path(self._options["trainer"]["default_root_dir"] or RUNS)

    @property
    def _options(self) -> Any:
        """The options of the subcommand that runs."""
        return self.config[self.subcommand]

    def _newest(self, options: Namespace) -> str | None:
        """The newest whole checkpoint of the runs of this name; None where a training may begin without.

        Raises:
            ValueError: If there is none and the command needs one.
        """
        folder = Path(options.trainer.default_root_dir or RUNS, options.name)
        path, damaged = newest_checkpoint(folder)
        lines = [f"Skipped an incomplete checkpoint: {each}" for each in damaged]
        if path is None and self.config.subcommand in EVALUATIONS:
            raise ValueError(f"--ckpt_path last: no checkpoint below {folder}. Give a file, or the --name of a run")
        lines.append(
            f"No checkpoint below {folder} yet: training from the start."
            if path is None
            else f"Newest checkpoint: {path}"
        )
        rank_zero_only(say)(lines)
        return None if path is None else str(path)


def _default_name(options: Namespace) -> str:
    """Name of a run without --name: its last configuration, or its model."""
    files = options.config
    return Path(str(files[-1])).stem if files else str(options.model.class_path).rpartition(".")[2]
