"""The configuration of `lr-callbacks sweep`: its grid, its trials, and the files that it writes."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from argparse import ArgumentError
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from tempfile import NamedTemporaryFile
from types import MappingProxyType
from typing import Any

import torch
import yaml

from lr_callbacks.cli.results import say
from lr_callbacks.cli.training import TrainingCLI
from lr_callbacks.cli.trial_cli import TrialCLI
from lr_callbacks.core.lightning_names import TensorBoardLogger, seed_everything
from lr_callbacks.sweep.axes import is_lr, label, short, show
from lr_callbacks.sweep.config import SCHEDULE, at_point, check_peaks, find_lr, place_of
from lr_callbacks.sweep.table import Row, SweepTable
from lr_callbacks.sweep.work import quiet

SECTIONS = ("seed_everything", "trainer", "model", "data")
OF_THE_MACHINE = ("devices", "default_root_dir", "enable_progress_bar", "enable_model_summary", "logger", "profiler")
"""Trainer options that may differ between the workers of a sweep."""


class SweepRun:
    """The configuration of a sweep; makes its trials.

    Raises:
        ValueError: If an axis is not an entry of the configuration, has a value that does not fit, is given twice, or
            would have no effect.
    """

    def __init__(self, cli: TrainingCLI, lr: Any, lr_key: str | None, grid: Any, schedules: Any) -> None:
        dumped = yaml.safe_load(cli.parser.dump(cli.config, skip_none=False))[str(cli.subcommand)]
        self.config: dict[str, Any] = {name: dumped[name] for name in SECTIONS if name in dumped}
        run = Path(str(dumped["name"]))
        if run.is_absolute() or ".." in run.parts:
            raise ValueError(f"--name must be a plain name inside the folder of runs, got {str(run)!r}")
        self.folder = Path(cli.trainer.default_root_dir)
        self.seed = int(self.config["seed_everything"] or 0)
        self.schedules = {name: list(callbacks or []) for name, callbacks in (dumped["schedules"] or {}).items()}
        self.axes: dict[str, list[Any]] = {}
        self.lr_key = lr_key
        if lr is not None:
            self.lr_key = lr_key or find_lr(self.config)
            self.axes["lr"] = lr
        if schedules:
            self.axes[SCHEDULE] = list(self.schedules)
        for name, *values in grid or []:
            if place_of(name) in {place_of(axis, self.lr_key) for axis in self.axes}:
                raise ValueError(f"--grid {name} appears twice, or is the LR of --lr; write all values after one flag")
            if name == "seed_everything":
                raise ValueError("--grid seed_everything: seeds are not an axis; write --seeds 2 for two per point")
            self.axes[str(name)] = [_plain(value) for value in values]
        for name in self.axes:
            place = self.lr_key if name == "lr" else name
            if place and is_lr(place):
                check_peaks(self.config, place, self.schedules)
        self._parser = cli.parser
        self._check_values()

    def _check_values(self) -> None:
        """Reject values that do not fit their entry, before training; of numbers, one of each type is checked."""
        for name, values in self.axes.items():
            kinds = {value if isinstance(value, str) else type(value): value for value in values}
            place = place_of(name, self.lr_key)
            below = [axis for axis in self.axes if place_of(axis, self.lr_key).startswith(f"{place}.")]
            for value in kinds.values():
                self._resolved({name: value}, {axis: self.axes[axis][0] for axis in below})

    def _resolved(self, point: dict[str, Any], arguments: Mapping[str, Any] = MappingProxyType({})) -> Any:
        """Resolve the configuration at a point; an error names the point, not the `arguments` that go with it."""
        config = at_point(self.config, {**point, **arguments}, self.lr_key, self.schedules)
        before, self._parser.exit_on_error = self._parser.exit_on_error, False
        try:
            return self._parser.parse_object({"subcommand": "fit", "fit": config}).fit
        except ArgumentError as error:
            raise ValueError(f"a value of the grid does not fit its entry: {label(point)}: {_reason(error)}") from error
        finally:
            self._parser.exit_on_error = before

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that the results depend on; it must not change while the sweep continues."""
        trainer = {name: value for name, value in self.config["trainer"].items() if name not in OF_THE_MACHINE}
        return {"config": {**self.config, "trainer": trainer}, "lr_key": self.lr_key, "schedules": self.schedules}

    def build(self, point: dict[str, Any], logger: Any = None) -> tuple[Any, ...]:
        """Make trainer, model and data of a trial; its log folder is named after point and seed."""
        seed = torch.initial_seed()  # just set by grid_search
        if logger is None:
            run = self._new_run({**point, "seed": seed})
            logger = TensorBoardLogger(self.folder, name="", version=run, default_hp_metric=False)
        config = at_point(self.config, point, self.lr_key, self.schedules)
        config["trainer"]["default_root_dir"] = str(self.folder)
        made = TrialCLI({**config, "seed_everything": seed, "name": self.folder.name}, logger)
        return made.trainer, made.model, made.datamodule

    def _new_run(self, values: dict[str, Any]) -> str:
        """Create a folder such as "lr=0.1,seed=42"; a repeated training gets "lr=0.1,seed=42,2"."""
        pairs = zip(short(values).values(), values.values(), strict=True)
        name = re.sub(r"[^\w.,=+-]+", "_", ",".join(f"{key}={show(value)}" for key, value in pairs))[:200]
        for number in itertools.count(1):
            run = name if number == 1 else f"{name},{number}"
            with suppress(FileExistsError):
                (self.folder / run).mkdir(parents=True)
                return run
        raise AssertionError

    def range_test(self) -> Any:
        """Run the LR range test for the configuration as it is; the test prints its own report."""
        from lr_callbacks import lr_range_test

        seed_everything(self.seed, workers=True, verbose=False)
        with quiet():
            trainer, model, datamodule = self.build({}, logger=False)
        return lr_range_test(trainer, model, datamodule)

    def report(self, table: SweepTable) -> None:
        """Write table, picture and best configuration, and print where they are.

        Raises:
            ValueError: If there is no best point; table and picture are written all the same.
        """
        lines = [str(table), ""]
        writable = os.access(self.folder, os.W_OK)
        files = [] if writable else [f"{self.folder} is read-only: nothing is written there."]
        if writable:
            _write(self.folder / "table.csv", table.to_csv)
            files.append(f"Table       {self.folder / 'table.csv'}")
        if writable and table.lr_axis():
            _write(self.folder / "sweep.png", table.plot)
            files.append(f"Picture     {self.folder / 'sweep.png'}")
        try:
            best = table.best
        except ValueError:
            say([*lines, *files])
            raise
        if writable:
            files.append(f"Train it    lr-callbacks fit --config {quote(str(self._write_best(table, best)))}")
        files.append(f"Compare     tensorboard --logdir {quote(str(self.folder))}")
        say([*lines, table.verdict(), *files])

    def _write_best(self, table: SweepTable, row: Row) -> Path:
        """Write the complete configuration of the best point."""
        best = self.folder / "best.yaml"
        config = at_point(self.config, row.point, self.lr_key, self.schedules)
        head = f"# Best of {len(table.rows)} points: {label(row.point)}, {table.metric} {row.mean:.4g}.\n"
        head += f"#\n#   lr-callbacks fit --config {quote(str(best))}\n\n"
        text = head + yaml.safe_dump(config, sort_keys=False)
        _write(best, lambda path: path.write_text(text, encoding="utf-8"))
        return best


def _write(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file completely or not at all, also if two workers write it at the same time."""
    with NamedTemporaryFile(dir=path.parent, prefix=".", suffix=path.suffix, delete=False) as file:
        new = Path(file.name)
    try:
        write(new)
        mask = os.umask(0)
        os.umask(mask)
        new.chmod(0o666 & ~mask)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _reason(error: ArgumentError) -> str:
    """What the parser has against a value, from among what it says of all the types that an entry may have."""
    text = str(error)
    wants = re.findall(
        r"Expected an? (?!<class 'NoneType)(?:<class ')?(.+?)(?:'>)?(?:\. Got value.*)?$", text, re.MULTILINE
    )
    if wants:
        return f"it must be {wants[0]}"
    of_classes = re.findall(r"expects a function or a callable class: (.+?)(?:\. Got value.*)?$", text, re.MULTILINE)
    return str(of_classes[0] if of_classes else text.strip().splitlines()[-1].strip())


def _plain(word: Any) -> Any:
    """A word of the command line as the number or boolean that it stands for."""
    if not isinstance(word, str):
        return word
    for read in (json.loads, float):
        with suppress(ValueError):
            return read(word)
    return {"true": True, "false": False, "null": None}.get(word.lower(), word)


@contextmanager
def companions(command_line: list[str], number: int) -> Iterator[None]:
    """Start further processes of the same command that share the work; they end with this one."""
    command = [sys.executable, "-m", "lr_callbacks", *command_line, "--workers=0"]
    null = subprocess.DEVNULL
    before = signal.getsignal(signal.SIGTERM)
    if before is signal.SIG_DFL:  # it would end this process alone, and Lightning ends a training with status 0
        with suppress(ValueError):  # outside of the main thread
            signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    started = [subprocess.Popen(command, stdin=null, stdout=null, stderr=null) for _ in range(number)]
    try:
        yield
        failed = [process.returncode for process in started if process.wait()]
        if failed:
            say([f"{len(failed)} of {number} other workers ended with an error; the sweep is complete all the same."])
    finally:
        for process in started:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, before)
