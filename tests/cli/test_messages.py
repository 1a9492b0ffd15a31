"""What a user reads: the help of every option, the errors about what was typed, and how long a run is by default."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import QUIET, SHORT, run
from test_cli_errors import fails

from lr_callbacks.cli.app import LRCallbacksCLI
from lr_callbacks.cli.registry import COMMANDS


class OnlyParsers(LRCallbacksCLI):
    """The command line, left when its parsers are made."""

    def parse_arguments(self, parser, args):
        raise StopIteration


class SetUp(LRCallbacksCLI):
    """The command line up to the training."""

    def fit(self, **kwargs):
        pass

    def after_fit(self):
        pass


@pytest.fixture(scope="module")
def parsers():
    """Command -> its parser; the whole command line is under an empty name."""
    made = OnlyParsers.__new__(OnlyParsers)
    with pytest.raises(StopIteration):
        made.__init__(["fit"])
    return {"": made.parser, **made._subcommand_parsers}


def test_every_command_is_there_with_a_sentence(parsers):
    listed = {action.dest: action.help for action in parsers[""]._subcommands_action._choices_actions}
    assert set(listed) == {"fit", "validate", "test", "predict", *COMMANDS}
    for command, text in listed.items():
        assert re.fullmatch(r"[A-Z].*\.", text), (command, text)
        assert parsers[command].description == text


def test_every_option_of_every_command_has_a_help_text_that_is_a_sentence(parsers):
    seen = 0
    for command, parser in parsers.items():
        for action in parser._actions:
            if action.dest == "help" or action.help == "==SUPPRESS==":
                continue  # argparse's own
            if action is parser._subcommands_action:
                continue
            text = " ".join((action.help or "").split())
            assert re.fullmatch(r"[A-Z].*\.", text), (command, action.option_strings, text)
            assert not re.search(r"``|:\w+:`", text), (command, action.option_strings, text)
            seen += 1
    assert seen > 300


def test_the_groups_of_options_have_titles_that_fit_in_a_line(parsers):
    for command in set(parsers) - {""}:
        titles = [group.title for group in parsers[command]._action_groups if group._group_actions]
        assert titles[1:] == [
            "Trainer: how long, on what, with which callbacks and loggers", "Model", "Data", f"Options of {command}",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "epochs"),
    [
        (("--trainer.max_time=00:00:00:20",), -1),
        (("--trainer.max_steps=3",), -1),
        (("--trainer.max_steps=3", "--trainer.max_epochs=2"), 2),
        ((), 10),
    ],
)
def test_a_run_has_ten_epochs_unless_something_else_ends_it(workplace, flags, epochs):
    cli = SetUp(["fit", *QUIET, *flags])
    assert cli.trainer.max_epochs == epochs
    assert cli.config["fit"]["trainer"]["max_epochs"] == epochs  # what is saved beside the run


def test_a_limit_of_steps_alone_is_reached_whatever_the_epochs(workplace):
    short = ("--trainer.limit_train_batches=2", "--trainer.limit_val_batches=0")
    assert run("fit", *QUIET, "--trainer.max_steps=23", *short).trainer.global_step == 23


PLATEAU = ("--trainer.callbacks+=lr_callbacks.ReduceLROnPlateau", "--trainer.callbacks.monitor=val_loss")


def test_two_callbacks_of_one_checkpoint_entry_are_answered_with_the_name_that_tells_them_apart(workplace, capsys):
    said = fails(capsys, "fit", *SHORT, *PLATEAU, *PLATEAU)
    assert said.splitlines()[-1] == (
        "error: ReduceLROnPlateau(monitor='val_loss') and ReduceLROnPlateau(monitor='val_loss') would share an entry in"
        " a checkpoint; give one of them a name, such as name: second"
    )
    run("fit", *SHORT, *PLATEAU, *PLATEAU, "--trainer.callbacks.name=second")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("fit", "--ckpt_path=nope.ckpt"), "Checkpoint not found: nope.ckpt (looked in "),
        (("fit", "--trainer.accelerator=nonsense"), "nonsense"),
        (("plot", "--png=x.foo"), "png must be a file whose name ends with one of .png, .svg, .pdf, got 'x.foo'"),
    ],
)
def test_what_cannot_be_is_said_in_a_line_without_a_traceback(workplace, capsys, command, reason):
    last = fails(capsys, *command).splitlines()[-1]
    assert last.startswith("error: ")
    assert reason in last


def test_a_missing_argument_of_a_callback_is_named_with_its_class_alone(workplace, capsys):
    assert fails(capsys, "fit", "--trainer.callbacks+=Warmup").splitlines()[:1] == [
        "error: Warmup needs duration. Write --trainer.callbacks.duration=VALUE after --trainer.callbacks+=Warmup"
    ]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (
            ("fitt",),
            "error: no command is called 'fitt'. Did you mean fit? Commands: init, fit, validate, test, predict",
        ),
        (("fit", "--config=nope.yaml"), "/nope.yaml. To write a commented one: lr-callbacks init"),
        (
            ("fit", "--trainer.callbacks+=OneCycle", "--trainer.callbacks.anneal_strategy=cosine"),
            "error: trainer.callbacks.anneal_strategy must be 'cos' or 'linear', got 'cosine'. Did you mean 'cos'?",
        ),
        (("fit", "--confg=mine.yaml"), "error: unrecognized arguments: --confg=mine.yaml\nDid you mean --config?\n"),
        (("fit", "--max_epochs", "3"), "Did you mean --trainer.max_epochs?\n"),
        (("init", "one-cycle"), "error: no configuration is called 'one-cycle'. Did you mean one_cycle? Names: "),
    ],
)
def test_a_slip_is_answered_with_what_was_probably_meant(workplace, capsys, command, answer):
    assert answer in fails(capsys, *command)


def test_a_warning_is_shown_without_the_place_in_the_code(workplace):
    flags = ("--trainer.callbacks+=Warmup", "--trainer.callbacks.duration=500")
    words = [sys.executable, "-m", "lr_callbacks", "fit", *SHORT, *flags]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stderr
    assert "\nWarning: The LR plan is never reached in full:\n" in said
    assert "rank_zero_warn(" not in said
    assert ".py:" not in said


def test_a_misspelt_argument_of_a_callback_is_answered_with_all_of_them(workplace, capsys):
    said = fails(capsys, "fit", "--trainer.callbacks+=Warmup", "--trainer.callbacks.durations=3").splitlines()
    assert said[0] == "error: trainer.callbacks, class 'lr_callbacks.Warmup': Option 'durations' is not accepted"
    options = "param, interval, start, end, outside, floor, ceiling, optimizer, groups"
    assert said[1] == f"Warmup takes: duration, shape, start_factor, end_factor, start_lr, {options}."


def test_a_misspelt_argument_of_the_optimizer_is_named_with_the_optimizer(workplace, capsys):
    said = fails(capsys, "fit", "--model.optimizer=SGD", "--model.optimizer.momentun=3").splitlines()
    assert said[0] == "error: model, class 'torch.optim.SGD': Option 'momentun' is not accepted"


TWO_OPTIMIZERS = """
import torch
from lightning.pytorch import LightningModule
from torch.utils.data import DataLoader, TensorDataset

class Two(LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.one, self.other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)

    def training_step(self, batch, batch_idx):
        raise AssertionError("plot trains nothing")

    def configure_optimizers(self):
        return [torch.optim.SGD(part.parameters(), lr=0.1) for part in (self.one, self.other)]

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.zeros(40, 2)), batch_size=4)
"""
BY_EPOCHS = ("--trainer.callbacks+=TorchScheduler", "--trainer.callbacks.scheduler=StepLR",
             "--trainer.callbacks.scheduler.step_size=1", "--trainer.callbacks.interval=epoch")  # fmt: skip


def test_a_plot_over_epochs_assumes_a_step_per_batch_of_each_optimizer_unless_a_flag_says_otherwise(workplace):
    Path("two_optimizers.py").write_text(TWO_OPTIMIZERS)
    flags = ("--model=two_optimizers.Two", "--data=null", "--total_steps=30", *QUIET, *BY_EPOCHS)
    for more, epochs in ((), 3), (("--steps_per_epoch=5",), 6):
        run("plot", *flags, *more, "--csv=two.csv")
        rows = Path("two.csv").read_text().splitlines()
        assert len({row.split(",")[1] for row in rows[1:]}) == epochs
