"""Junk for every option of the command line ends in a message and an exit code, never in a traceback."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import pytest
from cli_support import QUIET
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from lightning.pytorch import Callback

import lr_callbacks
from lr_callbacks.__main__ import main
from lr_callbacks.cli.registry import COMMANDS

CALLBACKS = {
    name: held
    for name, held in ((name, getattr(lr_callbacks, name)) for name in lr_callbacks.__all__ if name != "LRCallback")
    if isinstance(held, type) and issubclass(held, Callback)
}
NEEDED = {
    "Warmup": ("duration=2",),
    "SGDR": ("T_0=2",),
    "CyclicalLR": ("base_lr=0.001", "step_size_up=2"),
    "StepDecay": ("step_size=2",),
    "MultiStepDecay": ("milestones=[1]",),
    "ExponentialDecay": ("gamma=0.9",),
    "ConstantFactor": ("total_steps=1",),
    "InverseSqrt": ("timescale=2",),
    "WarmupStableDecay": ("warmup_steps=1", "decay_steps=1"),
    "LambdaFactor": ("function=math.exp",),
    "MultiplicativeFactor": ("function=math.tanh",),
    "ReduceLROnPlateau": ("monitor=val_loss",),
    "TorchScheduler": ("scheduler=StepLR", "scheduler.step_size=2"),
}
ARGUMENTS = [
    (name, argument)
    for name, cls in CALLBACKS.items()
    for argument in inspect.signature(cls).parameters
    if argument not in ("kwargs", "dirpath")
]
FLAGS = [
    (command, flag)
    for command, function in COMMANDS.items()
    for flag, parameter in inspect.signature(function).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY and flag not in ("png", "csv", "storage", "take_over", "refit")
]
LITTLE = (*QUIET, "--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.limit_val_batches=1")
WORDS = ["", " ", "null", "true", "-1", "0", "1", "1e999", "nan", "-inf", "0.5", "5%", "120%", "2 epochs", "30 s", "["]
WORDS += ["[]", "[1, x]", "{", "{a: 1}", "!!python/object:os.system", "'", "x" * 300, "torch", "math.pi", "--help "]
JUNK = st.one_of(
    st.sampled_from(WORDS),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12),
    st.integers(-(10**6), 10**6).map(str),
    st.floats(width=16).map(repr),  # an LR that no float32 can hold is torch's own error
)
FUZZ = {
    "deadline": None,
    "database": None,
    "phases": [Phase.explicit, Phase.generate],  # each example takes half a second: none is made smaller
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


def ends_well(*words: str) -> None:
    """It returns, or it exits with a message or one of the codes of a parser."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            main([*words])
        except SystemExit as ended:
            assert ended.code in (0, 2) or str(ended.code).startswith(("error: ", "lr-callbacks: "))  # noqa: PT017


def fit_with(name: str, argument: str, junk: str) -> None:
    needed = [word for word in NEEDED.get(name, ()) if not word.startswith(f"{argument}=")]
    given = [f"--trainer.callbacks.{word}" for word in [*needed, f"{argument}={junk}"]]
    ends_well("fit", *LITTLE, "--trainer.logger=false", f"--trainer.callbacks+={name}", *given)


def command_with(command: str, flag: str, junk: str) -> None:
    needed = {"sweep": ("--lr", "0.1"), "range-test": ("--num_steps", "10")}.get(command, ())
    flag = {"take_over": "take-over", "with_range_test": "with-range-test"}.get(flag, flag)
    words = ["--" + flag] if flag == "with-range-test" else [f"--{flag}", "model.width", junk] if flag == "grid" else []
    ends_well(command, *LITTLE, *needed, *(words or [f"--{flag}={junk}"]))


@settings(max_examples=20, **FUZZ)
@given(pair=st.sampled_from(ARGUMENTS), junk=JUNK)
def test_junk_for_an_argument_of_a_callback_ends_in_a_message(pair, junk, workplace, capsys):
    fit_with(*pair, junk)


@settings(max_examples=10, **FUZZ)
@given(pair=st.sampled_from(FLAGS), junk=JUNK)
def test_junk_for_a_flag_of_a_command_ends_in_a_message(pair, junk, workplace, capsys):
    command_with(*pair, junk)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@settings(max_examples=600, **FUZZ)
@given(argument=st.sampled_from(ARGUMENTS), flag=st.sampled_from(FLAGS), junk=JUNK)
def test_much_junk_ends_in_a_message(argument, flag, junk, workplace, capsys):
    fit_with(*argument, junk)
    command_with(*flag, junk)


@settings(max_examples=8, **FUZZ)
@given(words=st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8), max_size=4))
@example(words=["sweep"])
@example(words=["fit", "--config"])
@example(words=["plot", "--config", "."])
def test_a_command_line_of_junk_ends_in_a_message(words: list[Any], workplace, capsys):
    ends_well(*words, *(LITTLE if words and words[0] in ("sweep", "plot") else ()))
