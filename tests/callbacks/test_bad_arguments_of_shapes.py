"""Bad arguments of the closed-form schedules: each message names the argument, its rule and the value given."""

from __future__ import annotations

import re

import pytest
from battery_trainers import Stream
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, sgd, trainer
from torch.utils.data import DataLoader

import lr_callbacks as lc

WAYS = "write 500 (optimizer steps), '2 epochs', '5%' (of the run) or '30 min' (of max_time)"
MEANT = "Did you mean '50%' of the run? Otherwise"
DURATIONS = {
    lc.StepDecay: ("step_size", {}),
    lc.ExponentialDecay: ("step_size", {"gamma": 0.9}),
    lc.PolynomialDecay: ("total_steps", {}),
    lc.LinearDecay: ("total_steps", {}),
    lc.ConstantFactor: ("total_steps", {}),
    lc.CosineAnnealing: ("total_steps", {}),
    lc.Rex: ("total_steps", {}),
    lc.InverseSqrt: ("timescale", {}),
    lc.WarmupStableDecay: ("total_steps", {"warmup_steps": 1, "decay_steps": 1}),
    lc.CyclicalLR: ("step_size_up", {"base_lr": 0.01}),
}
BAD = [
    (lc.StepDecay, {"step_size": 5, "gamma": 0.0}, ValueError, "gamma must be above 0, got 0.0"),
    (lc.StepDecay, {"step_size": 5, "gamma": "x"}, TypeError, "gamma must be a number, got 'x'"),
    (lc.StepDecay, {"step_size": 5, "offset": 2}, ValueError, "offset must be one of 0, 1, got 2"),
    (lc.MultiStepDecay, {"milestones": []}, ValueError, "milestones must be a list of at least one duration, got []"),
    (
        lc.MultiStepDecay,
        {"milestones": "50%"},
        TypeError,
        "milestones must be a list of durations, got '50%'; write ['50%', '75%']",
    ),
    (
        lc.MultiStepDecay,
        {"milestones": [5, 0.5]},
        TypeError,
        f"milestones[1] must be an int or a string with a unit, got 0.5. {MEANT} {WAYS}",
    ),
    (lc.MultiStepDecay, {"milestones": [-1]}, ValueError, f"milestones[0] must not be negative, got -1; {WAYS}"),
    (lc.MultiStepDecay, {"milestones": [5], "gamma": -0.1}, ValueError, "gamma must be above 0, got -0.1"),
    (
        lc.ExponentialDecay,
        {},
        ValueError,
        "exactly one of gamma and rate must be given, got gamma=None and rate=None",
    ),
    (
        lc.ExponentialDecay,
        {"gamma": 0.9, "rate": 0.1},
        ValueError,
        "exactly one of gamma and rate must be given, got gamma=0.9 and rate=0.1",
    ),
    (lc.ExponentialDecay, {"gamma": 0}, ValueError, "gamma must be above 0, got 0"),
    (lc.ExponentialDecay, {"rate": -1.0}, ValueError, "rate must be at least 0, got -1.0"),
    (lc.ExponentialDecay, {"rate": 1.0, "offset": -1}, ValueError, "offset must be one of 0, 1, got -1"),
    (lc.PolynomialDecay, {"power": 0}, ValueError, "power must be above 0, got 0"),
    (lc.PolynomialDecay, {"power": float("nan")}, ValueError, "power must be finite, got nan"),
    (lc.PolynomialDecay, {"end_factor": -0.1}, ValueError, "end_factor must be at least 0, got -0.1"),
    (lc.PolynomialDecay, {"end_lr": -0.1}, ValueError, "end_lr must be at least 0, got -0.1"),
    (
        lc.PolynomialDecay,
        {"end_lr": 0.1, "end_factor": 0.2},
        ValueError,
        "at most one of end_factor and end_lr may be given, got end_factor=0.2 and end_lr=0.1",
    ),
    (lc.LinearDecay, {"end_factor": -1}, ValueError, "end_factor must be at least 0, got -1"),
    (lc.LinearDecay, {"start_factor": -1}, ValueError, "start_factor must be at least 0, got -1"),
    (lc.ConstantFactor, {"total_steps": 5, "factor": -1}, ValueError, "factor must be at least 0, got -1"),
    (lc.CosineAnnealing, {"eta_min": -1}, ValueError, "eta_min must be at least 0, got -1"),
    (lc.Rex, {"end_factor": -1}, ValueError, "end_factor must be at least 0, got -1"),
    (
        lc.WarmupStableDecay,
        {"warmup_steps": 1, "decay_steps": -1},
        ValueError,
        f"decay_steps must not be negative, got -1; {WAYS}",
    ),
    (
        lc.WarmupStableDecay,
        {"warmup_steps": 1, "decay_steps": 1, "decay_shape": "sqrt"},
        ValueError,
        "decay_shape must be one of 'linear', 'cosine', '1-sqrt', 'exponential', got 'sqrt'",
    ),
    (
        lc.WarmupStableDecay,
        {"warmup_steps": 1, "decay_steps": 1, "end_factor": 2},
        ValueError,
        "end_factor must be between 0 and 1, got 2",
    ),
    (lc.CyclicalLR, {"base_lr": -0.1}, ValueError, "base_lr must be at least 0, got -0.1"),
    (
        lc.CyclicalLR,
        {"base_lr": 0.1, "max_lr": 0.1},
        ValueError,
        "max_lr must be above base_lr=0.1 (None for the optimizer's own LR), got 0.1",
    ),
    (
        lc.CyclicalLR,
        {"base_lr": 0.1, "mode": "square"},
        ValueError,
        "mode must be one of 'triangular', 'triangular2', 'exp_range', got 'square'",
    ),
    (lc.CyclicalLR, {"base_lr": 0.1, "gamma": 1.1}, ValueError, "gamma must be above 0 and at most 1, got 1.1"),
    (
        lc.CyclicalLR,
        {"base_lr": 0.1, "base_momentum": 1.0},
        ValueError,
        "base_momentum must be at least 0 and below 1, got 1.0",
    ),
    (
        lc.CyclicalLR,
        {"base_lr": 0.1, "step_size_down": 0},
        ValueError,
        f"step_size_down must be positive, got 0; {WAYS}",
    ),
    (
        lc.LambdaFactor,
        {"function": 3},
        TypeError,
        "function must be a function of one int, or the import path of one, got 3",
    ),
    (
        lc.LambdaFactor,
        {"function": "exp"},
        ValueError,
        "function must be an import path such as 'my_package.my_module.my_function', got 'exp'",
    ),
    (
        lc.LambdaFactor,
        {"function": "no_such_module.exp"},
        ValueError,
        "function must be an import path that leads somewhere, got 'no_such_module.exp': No module named"
        " 'no_such_module'; is its folder on the Python path?",
    ),
    (
        lc.MultiplicativeFactor,
        {"function": "math.nothing"},
        ValueError,
        "function must be an import path that leads somewhere, got 'math.nothing': module 'math' has no attribute"
        " 'nothing'; is its folder on the Python path?",
    ),
    (
        lc.LambdaFactor,
        {"function": "math.pi"},
        TypeError,
        "function must lead to something that can be called, got 'math.pi', which is 3.141592653589793",
    ),
    *[
        (
            cls,
            {**others, name: 0.5},
            TypeError,
            f"{name} must be an int or a string with a unit, got 0.5. {MEANT} {WAYS}",
        )
        for cls, (name, others) in DURATIONS.items()
    ],
    *[
        (cls, {**others, name: 0}, ValueError, f"{name} must be positive, got 0; {WAYS}")
        for cls, (name, others) in DURATIONS.items()
    ],
    *[
        (
            cls,
            {**{k: "1 epoch" if "steps" in k else v for k, v in others.items()}, name: 30, "interval": "epoch"},
            ValueError,
            f"{name} must be in epochs or % with interval='epoch', such as '30 epochs', got 30",
        )
        for cls, (name, others) in DURATIONS.items()
    ],
    *[
        (
            cls,
            {**others, name: 30, "interval": "batch"},
            ValueError,
            "interval must be one of 'step', 'epoch', got 'batch'",
        )
        for cls, (name, others) in DURATIONS.items()
    ],
    (
        lc.MultiStepDecay,
        {"milestones": ["1.5 epochs"], "interval": "epoch"},
        ValueError,
        "milestones[0] must be a whole number of epochs with interval='epoch', got '1.5 epochs'",
    ),
]


@pytest.mark.parametrize(("cls", "arguments", "error", "message"), BAD, ids=lambda v: getattr(v, "__name__", None))
def test_a_bad_argument_is_refused_with_its_name_its_rule_and_the_value(cls, arguments, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        cls(**arguments)


AT_THE_START = [
    (
        lc.StepDecay("1%"),
        "StepDecay: step_size='1%' is 0 steps of 20 steps, 10 per epoch; make it longer",
    ),
    (
        lc.StepDecay("10%", interval="epoch"),
        "StepDecay: step_size='10%' is 0 epochs of 20 steps, 10 per epoch; make it longer",
    ),
    (
        lc.WarmupStableDecay("60%", 9),
        "WarmupStableDecay: warmup_steps='60%' (12 steps) and decay_steps=9 (9 steps) are together longer than the"
        " 20 steps of the schedule; make them shorter",
    ),
    (
        lc.SGDR("5 steps", cycle_warmup="50%"),
        "SGDR: cycle_warmup='50%' (10 steps) must be shorter than T_0='5 steps' (5 steps)",
    ),
    (
        lc.InverseSqrt(),
        "InverseSqrt: timescale is not given and is the length of the warm-up by default, but no Warmup drives this"
        " group; write InverseSqrt(timescale=1000), or put a Warmup among the Trainer's callbacks",
    ),
    (
        lc.CyclicalLR(0.1),
        "CyclicalLR: base_lr=0.1 must be below the top, which is the largest LR of the optimizer (0.1) where max_lr is"
        " not given; lower base_lr or give max_lr",
    ),
]


@pytest.mark.parametrize(("callback", "message"), AT_THE_START, ids=lambda v: repr(v)[:40])
def test_what_does_not_fit_the_run_is_refused_with_the_lengths_in_its_ticks(callback, message):
    with pytest.raises(MisconfigurationException, match=f"^{re.escape(message)}$"):
        lc.preview([callback], 0.1, total_steps=20, steps_per_epoch=10)
    with pytest.raises(MisconfigurationException, match=f"^{re.escape(message)}$"):
        fit(callback, module=Net(sgd((0.1,))), batches=10, max_epochs=2)


WAYS_OUT = (
    ". Ways out: give the length in optimizer steps (500), set Trainer(max_steps=...), or give the train dataloader a"
    " length (limit_train_batches=... does)."
)
UNKNOWN = [
    (
        lc.CosineAnnealing(),
        {"max_epochs": 2},
        "CosineAnnealing: total_steps is not given and lasts to the end of the run by default, which is not known here:"
        " the train dataloader has no length",
    ),
    (
        lc.StepDecay("2 epochs", interval="epoch"),
        {"max_epochs": 2},
        "StepDecay: interval='epoch' needs the length of an epoch, which is not known here: the train dataloader has no"
        " length",
    ),
    (
        lc.MultiStepDecay(["50%"], interval="epoch"),
        {"max_epochs": -1, "limit_train_batches": 10},
        "MultiStepDecay: milestones[0]='50%' needs the length of the run, which is not known here: the run has no end"
        " (neither max_epochs nor max_steps is set)",
    ),
]


@pytest.mark.parametrize(("callback", "options", "message"), UNKNOWN, ids=lambda v: repr(v)[:40])
def test_what_the_run_cannot_give_is_refused_with_the_ways_out(callback, options, message):
    endless = DataLoader(Stream(100), batch_size=2)
    with pytest.raises(MisconfigurationException, match=f"^{re.escape(message + WAYS_OUT)}$"):
        trainer(callback, **options).fit(Net(sgd((0.1,))), endless)


def test_bounds_cannot_scale_lrs_that_are_all_0():
    message = "CyclicalLR: base_lr=0.0 and max_lr=0.1 cannot scale groups with LRs of 0; configure LRs above 0"
    with pytest.raises(MisconfigurationException, match=f"^{re.escape(message)}$"):
        fit(lc.CyclicalLR(0.0, 0.1, 2), module=Net(sgd((0.0, 0.0))))


def negative(step):
    return -1.0 if step == 3 else 1.0


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), -1.0, "x"])
def test_a_function_that_gives_no_factor_is_named_with_the_step_and_the_value(value):
    def function(step):
        return value if step == 7 else 1.0

    with pytest.raises(ValueError, match=rf"function\(7\) must be a finite number of at least 0, got {value!r}$"):
        lc.preview([lc.LambdaFactor(function)], 0.1, total_steps=10)


def test_a_function_that_turns_negative_stops_the_fit_at_that_step():
    with pytest.raises(ValueError, match=r"^test_bad_arguments_of_shapes\.negative\(3\) must be a finite number"):
        fit(lc.LambdaFactor(negative))
