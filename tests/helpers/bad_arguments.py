"""For every argument of every public class and function: values that are no good, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Trainer
from support import Net
from torch.optim.lr_scheduler import StepLR

import lr_callbacks as lc

Row = tuple[Any, type[Exception], str]
"""A value, the error, and its text from after the argument's name up to ``, got <value>``."""

NAN, INF, HUGE = float("nan"), float("inf"), 10**400
WAYS = "; write 500 (optimizer steps), '2 epochs', '5%' (of the run) or '30 min' (of max_time)"


def number(rule: str, *outside: Any) -> list[Row]:
    """A finite number that keeps a rule."""
    wrong: list[Row] = [(value, TypeError, "must be a number") for value in ("x", True, [0.1])]
    wrong += [(value, ValueError, "must be finite") for value in (NAN, INF, HUGE)]
    return wrong + [(value, ValueError, f"must be {rule}") for value in outside]


def whole(minimum: int) -> list[Row]:
    """An int."""
    wrong: list[Row] = [(value, TypeError, "must be an int") for value in (1.0, "1", True, NAN)]
    return [*wrong, (minimum - 1, ValueError, f"must be at least {minimum}")]


def duration(minimum: int = 1, optional: bool = True) -> list[Row]:
    """A length."""
    no = "must be an int or a string with a unit"
    rows: list[Row] = [(value, TypeError, no) for value in (0.5, 1.0, True, [5], *(() if optional else (None,)))]
    unknown = ("5 parsecs", "", "five", "%", "1e999 epochs x", "epochs")
    rows += [(value, ValueError, "has an unknown unit") for value in unknown]
    rows += [(value, ValueError, "must not be negative") for value in (-3, "-2 epochs")]
    rows += [
        ("120%", ValueError, "must be at most 100% of the run"),
        ("1.5", ValueError, "must be a whole number of st"),
    ]
    rows += [(v, ValueError, "must be below 1e+15") for v in ("1e999 epochs", 10**15, HUGE)]
    return rows + ([(v, ValueError, "must be positive") for v in (0, "0%", "0 s")] if minimum else [])


def choice(*values: Any) -> list[Row]:
    """One of some words."""
    rule = "must be one of " + ", ".join(map(repr, values))
    return [(value, ValueError, rule) for value in ("no such thing", None, "")]


FLAG: list[Row] = [(value, TypeError, "must be True or False") for value in ("false", 1, None)]
TEXT: list[Row] = [(value, TypeError, "must be a str or None") for value in (1, ["x"], True)]
GROUPS: list[Row] = [
    (value, ValueError, "must be an index, a name or a list of them (None for all)")
    for value in ([], (), True, 0.5, [[0]], {"a": 1})
]
FUNCTION: list[Row] = [
    (3, TypeError, "must be a function of one int, or the import path of one"),
    ("exp", ValueError, "must be an import path such as 'my_package.my_module.my_function'"),
    ("no_such_module.exp", ValueError, "must be an import path that leads somewhere"),
    ("math.pi", TypeError, "must lead to something that can be called"),
    ("", ValueError, "must be an import path such as 'my_package.my_module.my_function'"),
    (".x", ValueError, "must be an import path such as 'my_package.my_module.my_function'"),
]
OPTIONS: list[Row] = [(v, TypeError, "must be a dict of the function's arguments by name") for v in ([1], "a=1", 3)]
AT_LEAST_0 = number("at least 0", -1)
FLOOR: list[Row] = [row for row in AT_LEAST_0 if row[0] != "x"] + [
    (value, ValueError, "must be at least 0, or a share of each group's base value from '0%' to '100%'")
    for value in ("x", "0.1", "%", "-1%", "101%", "1 epoch")
]
FRACTION = number("between 0 and 1", -0.1, 1.1)
SHARE: list[Row] = [
    *((value, TypeError, "must be a number") for value in (True, [0.1])),
    *((value, ValueError, "must be finite") for value in (NAN, INF, HUGE)),
    *((value, ValueError, "must be between 0 and 1") for value in (-0.1, 1.1)),
    *((value, ValueError, "must be between 0 and 1, or a share such as '30%'") for value in ("x", "0.3", "101%")),
]
GAMMA = number("above 0 and at most 1", 0.0, 1.5, -1)
MOMENTUM = number("at least 0 and below 1", -0.1, 1.0)
OFFSET = choice(0, 1)
PARAM: list[Row] = [(v, ValueError, "must be the name of an entry of parameter groups") for v in ("", None, 3)]
PARTS: list[Row] = [
    (3, TypeError, "must be a schedule of lr_callbacks"),
    (lc.ReduceLROnPlateau("loss"), ValueError, "must be a function of time, which ReduceLROnPlateau is not"),
    (lc.Rex(interval="epoch"), ValueError, "must have the interval of the whole, 'step'"),
    (lc.Rex(groups="head", end=5), ValueError, "must leave end, groups to "),
]
OPTIONS_OF_ALL = {
    "param": PARAM,
    "interval": choice("step", "epoch"),
    "start": duration(0),
    "end": duration(),
    "outside": choice("hold", "one"),
    "floor": FLOOR,
    "ceiling": FLOOR,
    "optimizer": whole(0),
    "groups": GROUPS,
}
MONITOR: list[Row] = [
    (value, ValueError, "must be the name of a logged metric, or a list of names")
    for value in ("", None, 3, [], [""], ["loss", 3])
]
MONITOR.append((["loss", "loss"], ValueError, "must be a list of different names"))
OF_FEEDBACK: dict[str, list[Row]] = {
    "combine": [
        (3, TypeError, "must be a function of numbers, or the import path of one"),
        *(row for row in FUNCTION if row[0] != 3),
    ],
    "smooth": whole(1),
    "ema_decay": number("at least 0 and below 1", -0.1, 1.0),
    "every_n_steps": whole(1),
    "strict": FLAG,
    "name": TEXT,
}

ROWS: dict[str, dict[str, list[Row]]] = {
    "LRCallback": OPTIONS_OF_ALL,
    "Warmup": {
        "duration": duration(0, optional=False),
        "shape": choice("linear", "exponential", "cosine", "1-sqrt", "1-exp", "constant"),
        "start_factor": AT_LEAST_0,
        "end_factor": number("above 0", 0, -1),
        "start_lr": AT_LEAST_0,
        **OPTIONS_OF_ALL,
    },
    "SGDR": {
        "T_0": duration(optional=False),
        "T_mult": number("at least 1", 0.5, 0, -1),
        "eta_min": FLOOR,
        "cycle_decay": number("above 0", 0, -1),
        "cycle_warmup": duration(0, optional=False),
        **OPTIONS_OF_ALL,
    },
    "OneCycle": {
        "max_lr": number("above 0 (None for the optimizer's own LR)", 0, -1),
        "total_steps": duration(),
        "pct_start": SHARE,
        "anneal_strategy": choice("cos", "linear"),
        "cycle_momentum": FLAG,
        "base_momentum": MOMENTUM,
        "max_momentum": MOMENTUM,
        "div_factor": number("above 0", 0, -1),
        "final_div_factor": number("above 0", 0, -1),
        "three_phase": FLAG,
        "pct_final": [
            ("85%", ValueError, "must be None without three_phase=True"),
            (0.5, ValueError, "must be None without three_phase=True"),
        ],
        "final_momentum": MOMENTUM,
        **OPTIONS_OF_ALL,
    },
    "CyclicalLR": {
        "base_lr": AT_LEAST_0,
        "max_lr": number("above base_lr=0.01 (None for the optimizer's own LR)", 0.01, -1),
        "step_size_up": duration(optional=False),
        "step_size_down": duration(),
        "mode": choice("triangular", "triangular2", "exp_range"),
        "scale_fn": [row for row in FUNCTION if row[0] != ""],
        "scale_mode": choice("cycle", "iterations"),
        "gamma": GAMMA,
        "cycle_momentum": FLAG,
        "base_momentum": MOMENTUM,
        "max_momentum": MOMENTUM,
        **OPTIONS_OF_ALL,
    },
    "StepDecay": {
        "step_size": duration(optional=False),
        "gamma": number("above 0", 0.0, -1),
        "offset": OFFSET,
        **OPTIONS_OF_ALL,
    },
    "MultiStepDecay": {
        "milestones": [
            ([], ValueError, "must be a list of at least one duration"),
            ("50%", TypeError, "must be a list of durations"),
            (3, TypeError, "must be a list of durations"),
            *[([5, value], error, f"[1] {rule}") for value, error, rule in duration(0, optional=False)],
        ],
        "gamma": number("above 0", 0.0, -1),
        **OPTIONS_OF_ALL,
    },
    "ExponentialDecay": {
        "gamma": number("above 0", 0.0, -1),
        "rate": AT_LEAST_0,
        "step_size": duration(),
        "staircase": FLAG,
        "offset": OFFSET,
        **OPTIONS_OF_ALL,
    },
    "PolynomialDecay": {
        "power": number("above 0", 0, -1),
        "end_factor": AT_LEAST_0,
        "end_lr": FLOOR,
        "total_steps": duration(),
        "k_decay": number("above 0", 0, -1),
        "cycle": FLAG,
        **OPTIONS_OF_ALL,
    },
    "LinearDecay": {"end_factor": AT_LEAST_0, "start_factor": AT_LEAST_0, "total_steps": duration(), **OPTIONS_OF_ALL},
    "ConstantFactor": {"total_steps": duration(optional=False), "factor": AT_LEAST_0, **OPTIONS_OF_ALL},
    "CosineAnnealing": {
        "eta_min": FLOOR,
        "total_steps": duration(),
        **{name: number("above 0", 0, -1) for name in ("num_cycles", "power", "k_decay")},
        **OPTIONS_OF_ALL,
    },
    "TanhDecay": {
        "eta_min": FLOOR,
        "total_steps": duration(),
        "lower": number("finite"),
        "upper": number("above lower=-7.0", -7, -8),
        **OPTIONS_OF_ALL,
    },
    "Noise": {
        "amount": MOMENTUM,
        "seed": whole(0),
        "distribution": choice("normal", "uniform"),
        "std": number("above 0", 0, -1),
        **OPTIONS_OF_ALL,
    },
    "InversePower": {
        "step_size": duration(optional=False),
        "rate": AT_LEAST_0,
        "power": number("above 0", 0, -1),
        "staircase": FLAG,
        **OPTIONS_OF_ALL,
    },
    "UntunedWarmup": {"kind": choice("linear", "exponential", "radam"), **OPTIONS_OF_ALL},
    "InverseSqrt": {"timescale": duration(), "eta_min": FLOOR, **OPTIONS_OF_ALL},
    "Rex": {"end_factor": AT_LEAST_0, "total_steps": duration(), **OPTIONS_OF_ALL},
    "WarmupStableDecay": {
        "warmup_steps": duration(0, optional=False),
        "decay_steps": duration(0, optional=False),
        "decay_shape": choice("linear", "cosine", "1-sqrt", "exponential"),
        "start_factor": FRACTION,
        "end_factor": FRACTION,
        "total_steps": duration(),
        "warmup_shape": [
            *choice("linear", "exponential", "cosine", "1-sqrt", "1-exp", "constant"),
            ("1-exp", ValueError, "must be a ramp that ends"),
        ],
        "decay_ratio": number("above 0 and below 1", 0, 1),
        **OPTIONS_OF_ALL,
    },
    "FinalDecay": {
        "total_steps": duration(),
        "decay_shape": choice("linear", "cosine", "1-sqrt", "exponential"),
        "end_factor": FRACTION,
        **OPTIONS_OF_ALL,
    },
    "Sequential": {
        "schedules": [
            *((value, ValueError, "must be a list of at least one schedule") for value in ([], 3, "Rex")),
            *(([lc.Rex(), value], error, f"[1] {rule}") for value, error, rule in PARTS),
        ],
        "milestones": [
            (3, TypeError, "must be a list of durations"),
            ([1, 2], ValueError, "must be one fewer than the 2 schedules"),
            ([0.5], TypeError, ""),
        ],
        "join": choice("jump", "continue", "meet"),
        **OPTIONS_OF_ALL,
    },
    "Piecewise": {
        "points": [
            *((value, ValueError, "must be a list of pairs") for value in ([], 3, "x", [3], [[1, 2, 3]])),
            ([[0, 1], [0.5, 1]], TypeError, "[1] must be an int or a string with a unit"),
            ([[0, 1], [1, -1]], ValueError, "[1] must be at least 0"),
        ],
        "interpolation": [
            *choice("linear", "cosine", "constant"),
            (["linear", "cosine"], ValueError, "must be one for all, or one for each of the 1 legs"),
        ],
        "absolute": FLAG,
        **OPTIONS_OF_ALL,
    },
    "Restarts": {
        "schedule": PARTS,
        "T_0": duration(),
        "T_mult": number("at least 1", 0.5, 0, -1),
        "lengths": [(value, ValueError, "must be a list of at least one, or None") for value in ([], 3, "5%")],
        "num_cycles": whole(1),
        "peaks": [
            *((value, ValueError, "must be a list of at least one, or None") for value in ([], 3)),
            ([1, -1], ValueError, "[1] must be at least 0"),
        ],
        "cycle_decay": number("above 0", 0, -1),
        "scaled": choice("peak", "span", "all"),
        "cycle_warmup": duration(0, optional=False),
        "whole_steps": FLAG,
        **OPTIONS_OF_ALL,
    },
    "LambdaFactor": {"function": FUNCTION, "options": OPTIONS, **OPTIONS_OF_ALL},
    "MultiplicativeFactor": {"function": FUNCTION, "options": OPTIONS, **OPTIONS_OF_ALL},
    "ReduceLROnPlateau": {
        "monitor": MONITOR,
        "mode": choice("min", "max"),
        "factor": number("above 0 and below 1 (0.1 divides the LR by ten)", 0, 1, 10, -1),
        "patience": whole(0),
        "threshold": AT_LEAST_0,
        "threshold_mode": choice("rel", "abs"),
        "cooldown": whole(0),
        "min_lr": [
            *(row for row in FLOOR if row[0] != [0.1]),
            ([], ValueError, "must be one number or one for each group"),
        ],
        "eps": AT_LEAST_0,
        "restore_best": FLAG,
        "stop_at_min": FLAG,
        **OF_FEEDBACK,
        **OPTIONS_OF_ALL,
    },
    "GreedyLR": {
        "monitor": MONITOR,
        "mode": choice("min", "max"),
        "factor": number("above 0 and below 1 (0.95 moves the LR by some 5%)", 0, 1, 10, -1),
        "patience": whole(0),
        "threshold": AT_LEAST_0,
        "threshold_mode": choice("rel", "abs"),
        "cooldown": whole(0),
        "warmup": whole(0),
        "min_lr": [
            *(row for row in FLOOR if row[0] != [0.1]),
            ([], ValueError, "must be one number or one for each group"),
        ],
        "max_lr": [
            *(row for row in AT_LEAST_0 if row[0] not in ("x", [0.1])),
            *((v, ValueError, "must be at least 0, or a share of each group's base value") for v in ("x", "-1%")),
            ([], ValueError, "must be one number or one for each group"),
        ],
        "eps": AT_LEAST_0,
        "reset_start": whole(1),
        **OF_FEEDBACK,
        **OPTIONS_OF_ALL,
    },
    "TorchScheduler": {
        "scheduler": [
            (3, TypeError, "must be a scheduler's class or a callable that makes one from an optimizer"),
            ("NoLR", ValueError, "must be a scheduler's class, or the import path of one"),
            ("math.pi", ValueError, "must be a scheduler's class, or the import path of one"),
        ],
        "frequency": whole(1),
        "monitor": TEXT,
        "strict": FLAG,
        "schedulers": [
            ([], ValueError, "must be a list of at least one scheduler"),
            (StepLR, TypeError, "must be a list of schedulers"),
            ([3], TypeError, ""),
        ],
        "milestones": [
            (3, TypeError, "must be a list of numbers of steps"),
            ([2, 1], ValueError, "must be increasing"),
            ([1], ValueError, "must be one fewer than the 3 schedulers"),
        ],
        "name": TEXT,
        "kwargs": [({"step_sise": 3}, TypeError, "")],
        **{name: OPTIONS_OF_ALL[name] for name in ("param", "interval", "start", "optimizer", "groups")},
    },
    "LRMonitor": {
        "logging_interval": [("batch", Exception, "should be `step` or `epoch` or `None`")],
        "log_momentum": FLAG,
        "log_weight_decay": FLAG,
        "prog_bar": FLAG,
    },
    "SnapshotCheckpoint": {
        "dirpath": [(value, TypeError, "must be a path, or None") for value in (3, ["x"])],
        "filename": [(value, TypeError, "must be a str, e.g. 'snapshot-{step}'") for value in (3, None)],
        "save_weights_only": FLAG,
    },
    "LRRangeTest": {
        "min_lr": number("above 0", 0, -1),
        "max_lr": number("above min_lr (1e-07)", 1e-7, 0),
        "num_steps": whole(10),
        "mode": choice("exponential", "linear"),
        "rule": choice("blend", "descent", "edge", "steepest", "minimum", "valley", "slide", "smith"),
        "apply": FLAG,
        "optimizer": whole(0),
        "judge": choice("probe", "training", "validation"),
        "monitor": [(3, ValueError, "must be the name of a logged value, or None")],
        "probe_samples": whole(1),
        "offload": FLAG[:-1],
        "widen": FLAG,
        "trials": [*whole(0), (2, ValueError, "must be 0 (none) or at least 3")],
        "trial_steps": [
            *duration(optional=False),
            ("5 min", ValueError, "must be steps, epochs or a share of the run"),
        ],
        "trial_limit": [
            ("5%", ValueError, "must be a time, such as '5 min', or None"),
            (0.5, TypeError, "must be an int or a string with a unit"),
        ],
        "groups": GROUPS,
        "milestones": [
            (value, ValueError, "must be a list of epochs (ints, at least 0), or None")
            for value in ([], [-1], [1.5], ["1"], 3, "3", [True])
        ],
    },
    "lr_range_test": {
        "trainer": [("trainer", TypeError, "must be a Trainer of lightning.pytorch")],
        "module": [(torch.nn.Linear(1, 1), TypeError, "must be a LightningModule of lightning.pytorch")],
        "test": [("probe", TypeError, "must be an LRRangeTest with the arguments of the test, or None")],
        "verbose": FLAG,
    },
    "preview": {
        "callbacks": [
            (value, TypeError, "must be a list of callbacks") for value in ("OneCycle", lc.OneCycle(), [lc.OneCycle], 3)
        ],
        "base_lrs": [
            ([], ValueError, "must be one LR at least"),
            (-0.1, ValueError, "must be at least 0"),
            ("x", TypeError, "must be a number"),
            ([0.1, NAN], ValueError, "must be finite"),
            ({"head": True}, TypeError, "must be a number"),
        ],
        "total_steps": whole(1),
        "steps_per_epoch": whole(1),
        "max_time": [
            ("5%", ValueError, "must be a time such as '30 min'"),
            (30, ValueError, "must be a time such as '30 min'"),
            (0.5, TypeError, "must be an int or a string with a unit"),
        ],
        "metrics": [(["x"], TypeError, "must be a number"), ([True], TypeError, "must be a number")],
        "optimizer": whole(0),
        "param": PARAM,
        "samples_per_step": whole(1),
        "tokens_per_step": whole(1),
        "base_values": [({"weight_decay": value}, TypeError, "must be a number") for value in ("x", True)],
    },
    "StretchPlan": {
        "planned_for": [
            *[row for row in duration(optional=False) if row[0] not in ("120%", "0%")],
            *[(v, ValueError, "must be a length of its own, such as '90 epochs'") for v in ("50%", "100%")],
        ],
        "keep_warmup": FLAG,
    },
    "ReplaceSchedulers": {
        "optimizer": whole(0),
        "lr": [
            ([], ValueError, "must be one number, or one for each group"),
            (-0.1, ValueError, "must be at least 0"),
            ("x", TypeError, "must be a number"),
            ([0.1, NAN], ValueError, "must be finite"),
        ],
    },
    "attach": {
        "optimizer": [(v, TypeError, "must be a torch optimizer, or a list of them") for v in (None, 3, [], [0.1])],
        "callbacks": [
            (v, TypeError, "must be a list of schedules such as OneCycle()") for v in (None, 3, [lc.OneCycle])
        ],
        "total_steps": whole(1),
        "steps_per_epoch": whole(1),
        "samples_per_step": whole(1),
        "tokens_per_step": whole(1),
        "max_time": [
            ("5%", ValueError, "must be a time such as '30 min'"),
            (30, ValueError, "must be a time such as '30 min'"),
            (0.5, TypeError, "must be an int or a string with a unit"),
        ],
        "resume": FLAG,
        "plan": FLAG,
    },
    "param_groups": {
        "module": [
            (3, TypeError, "must be a torch.nn.Module"),
            (torch.nn.ReLU(), ValueError, "must be one with parameters that need a gradient"),
        ],
        "lr": AT_LEAST_0,
        "layer_decay": GAMMA,
        "weight_decay": AT_LEAST_0,
        "no_decay": [
            (3, TypeError, "must be a list of names or patterns such as 'blocks.0.*'"),
            (["nothing"], ValueError, "must be patterns of parameter names"),
        ],
        "layers": [
            (3, TypeError, "must be a list of names or patterns such as 'blocks.0.*'"),
            ([], ValueError, "must be at least one pattern"),
            (["nothing"], ValueError, "must be patterns of parameter names"),
        ],
    },
    "grid_search": {
        "build": [(value, TypeError, "must be a function") for value in (None, 3, "build")],
        "grid": [
            *((value, TypeError, "must be a dict of axis name and values") for value in (None, "lr", [0.1], {3: [1]})),
            ({}, ValueError, "must have at least one axis"),
            ({"lr": []}, ValueError, "must have a value, got none for 'lr'"),
            *(
                ({"lr": [value]}, ValueError, "LRs must be numbers above 0")
                for value in (0, -1, NAN, INF, "x", True, None)
            ),
            ({"width": {"a": 1}}, TypeError, "the axis 'width' must be a list of values"),
            ({"width": [[1]]}, TypeError, "must be numbers, strings, booleans or None"),
        ],
        "metric": [(value, ValueError, "must be the name of a logged metric") for value in ("", None, 3)],
        "mode": [(value, ValueError, "must be 'min' or 'max'") for value in ("best", None, ["min"])],
        "seeds": [
            *(
                (value, TypeError, "must be an int or a list of ints")
                for value in (True, 1.5, "2", None, [0.5], [True])
            ),
            *(
                (value, ValueError, "must be at least 1, or a list of seeds of at least 0")
                for value in (0, -1, [], [-1])
            ),
        ],
        "folder": [(value, TypeError, "must be a path, or None") for value in (3, ["x"])],
        "storage": [
            *((value, TypeError, "storage must be a path, a URL") for value in (3, True)),
            ("no such://thing", ValueError, "must be reachable, got 'no such://***'"),
            ("/dev/null/study.journal", ValueError, "must be reachable"),
        ],
        "sampler": [(value, ValueError, "must be one of grid, tpe, random, gp") for value in ("magic", None, ["grid"])],
        "trials": [
            *((value, TypeError, "must be an int") for value in ("3", 1.5, True)),
            *((value, ValueError, "trials must be at least 1") for value in (0, -1)),
            (None, ValueError, "must be given for sampler 'tpe'"),
        ],
        "pruner": [(value, ValueError, "must be one of median, ") for value in ("rose", "", 3, ["median"])],
        "max_deaths": [
            *((value, TypeError, "must be an int") for value in ("3", 1.5, True, None)),
            *((value, ValueError, "must be at least 1") for value in (0, -1)),
        ],
        "take_over": FLAG,
        "settings": [
            *((value, TypeError, "must be a dict with str keys") for value in ([1], "a", {3: 4})),
            ({"a": StepLR}, TypeError, "must be JSON values"),
        ],
        "suggest": [(value, TypeError, "must be a function, or None") for value in (0.1, "range test")],
    },
}
"""Public name -> argument -> rows."""


def never(point: dict[str, Any]) -> Any:
    """What a search must refuse its arguments before."""
    raise AssertionError(f"a training at {point} was to be built")


NO_RULE = {
    "RangeTestResult": "a record; from_dict checks what a checkpoint brings (tests/integration/test_crafted_states.py)",
    "lr_range_test": "datamodule, train_dataloaders, val_dataloaders, ckpt_path: Lightning's own, and its own errors",
}
"""What has no rows, and why."""

REQUIRED: dict[str, Callable[[], dict[str, Any]]] = {
    "Warmup": lambda: {"duration": 5},
    "StretchPlan": lambda: {"planned_for": 5},
    "SGDR": lambda: {"T_0": 5},
    "CyclicalLR": lambda: {"base_lr": 0.01},
    "StepDecay": lambda: {"step_size": 5},
    "MultiStepDecay": lambda: {"milestones": [5]},
    "ExponentialDecay": lambda: {"gamma": 0.9},
    "ConstantFactor": lambda: {"total_steps": 5},
    "WarmupStableDecay": lambda: {"warmup_steps": 1, "decay_steps": 1},
    "Sequential": lambda: {"schedules": [lc.Rex(), lc.Rex()], "milestones": ["50%"]},
    "InversePower": lambda: {"step_size": 5},
    "Piecewise": lambda: {"points": [[0, 1.0], [5, 0.1]]},
    "Restarts": lambda: {"schedule": lc.Rex(), "T_0": 5},
    "LambdaFactor": lambda: {"function": "math.exp"},
    "MultiplicativeFactor": lambda: {"function": "math.exp"},
    "ReduceLROnPlateau": lambda: {"monitor": "val_loss"},
    "GreedyLR": lambda: {"monitor": "val_loss"},
    "TorchScheduler": lambda: {"scheduler": StepLR, "step_size": 3},
    "lr_range_test": lambda: {"trainer": Trainer(accelerator="cpu", logger=False), "module": Net()},
    "preview": lambda: {"callbacks": [], "base_lrs": 0.1, "total_steps": 5},
    "attach": lambda: {
        "optimizer": torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1),
        "callbacks": [lc.OneCycle()],
        "total_steps": 5,
    },
    "param_groups": lambda: {"module": Net()},
    "grid_search": lambda: {"build": never, "grid": {"lr": [0.1]}},
}
"""What each needs beside the argument in question."""
