"""Every argument of every public class and function refuses what is no good, with its name, its rule and the value."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from bad_arguments import NO_RULE, REQUIRED, ROWS, Row
from torch.optim.lr_scheduler import StepLR

import lr_callbacks as lc
from lr_callbacks.core.parameters import parameters_of

TABLE = [(name, argument, row) for name, rows in ROWS.items() for argument, of in rows.items() for row in of]


def arguments_for(name: str, argument: str, value: Any) -> dict[str, Any]:
    """What to call it with, the bad value among it."""
    given = REQUIRED.get(name, dict)()
    if (name, argument) == ("grid_search", "trials"):
        given["sampler"] = "tpe"
    if (name, argument) == ("ExponentialDecay", "rate"):
        given = {}
    if name == "TorchScheduler" and argument in ("schedulers", "milestones"):
        given = {"schedulers": [lambda o: StepLR(o, 1)] * 3}
    if (name, argument) == ("TorchScheduler", "scheduler"):
        given = {}
    return {**given, **(value if argument == "kwargs" else {argument: value})}


@pytest.mark.parametrize(("name", "argument", "row"), TABLE, ids=[f"{n}-{a}-{r[0]!r:.20}" for n, a, r in TABLE])
def test_a_bad_value_is_refused_with_name_rule_and_value(name: str, argument: str, row: Row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value, error, rule = row
    with pytest.raises(error) as refused:
        getattr(lc, name)(**arguments_for(name, argument, value))
    said = str(refused.value)
    if rule:
        assert (name, argument) == ("grid_search", "grid") or re.match(rf"`?{argument}`?(\[1\])? ", said), said
        assert rule.removeprefix("[1] ") in said
    hidden = argument == "storage" and "://" in str(value)  # a URL may hold a password
    if name != "LRMonitor" and not hidden and isinstance(value, int | float | str) and len(repr(value)) < 50:
        assert f"got {value!r}" in said.replace("`", "")


@pytest.mark.parametrize("name", sorted(set(lc.__all__) - {"RangeTestResult"}))
def test_every_argument_stands_in_the_table(name):
    part = getattr(lc, name)
    arguments = set(inspect.signature(part).parameters)
    # those that it shares are `**options`, or `**shared`
    if inspect.isclass(part) and issubclass(part, lc.LRCallback) and part is not lc.TorchScheduler:
        shared = {"shared"} if issubclass(part, lc.LambdaFactor) else {"options"}
        arguments = arguments - shared | set(parameters_of(part))
    if name in NO_RULE:
        arguments -= set(re.findall(r"\w+", NO_RULE[name].partition(":")[0]))
    assert set(ROWS.get(name, {})) == arguments


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (
            lambda: lc.ExponentialDecay(),
            ValueError,
            "exactly one of gamma and rate must be given, got gamma=None and rate=None",
        ),
        (
            lambda: lc.PolynomialDecay(end_lr=0.1, end_factor=0.2),
            ValueError,
            "at most one of end_factor and end_lr may be given, got end_factor=0.2 and end_lr=0.1",
        ),
        (
            lambda: lc.OneCycle(pct_start=0.6, three_phase=True),
            ValueError,
            "pct_start must be at most 0.5 with three_phase=True, or two phases overlap, got 0.6",
        ),
        (
            lambda: lc.Warmup(5, shape="exponential", start_factor=0),
            ValueError,
            "start_factor must be above 0 for the exponential shape, got 0",
        ),
        (
            lambda: lc.Warmup(5, start_factor=0.1, start_lr=0.1),
            ValueError,
            "at most one of start_factor and start_lr may be given, got start_factor=0.1 and start_lr=0.1",
        ),
        (
            lambda: lc.OneCycle(pct_start="40%", pct_final=0.3, three_phase=True),
            ValueError,
            "pct_final must be at least pct_start='40%', got 0.3",
        ),
        (
            lambda: lc.WarmupStableDecay(5, 5, "exponential"),
            ValueError,
            "end_factor must be above 0 and below 1 for the exponential decay without decay_ratio, got 0.0",
        ),
        (
            lambda: lc.FinalDecay(5, "exponential"),
            ValueError,
            "end_factor must be above 0 and below 1 for the exponential shape, got 0.0",
        ),
        (
            lambda: lc.ReduceLROnPlateau("loss", smooth=3, ema_decay=0.5),
            ValueError,
            "at most one of smooth and ema_decay may be given, got smooth=3 and ema_decay=0.5",
        ),
        (
            lambda: lc.CosineAnnealing(floor=0.2, ceiling=0.1),
            ValueError,
            "floor must be at most ceiling=0.1, got 0.2",
        ),
        (
            lambda: lc.Restarts(lc.Rex()),
            ValueError,
            "exactly one of T_0, lengths and num_cycles must say how long a cycle is, got T_0=None and lengths=None;"
            " write Restarts(..., T_0='2 epochs') or Restarts(..., num_cycles=3)",
        ),
        (
            lambda: lc.TorchScheduler(),
            ValueError,
            "TorchScheduler takes either scheduler (one) or schedulers (a list), got neither",
        ),
        (
            lambda: lc.TorchScheduler(StepLR, schedulers=[StepLR]),
            ValueError,
            "TorchScheduler takes either scheduler (one) or schedulers (a list), got both",
        ),
        (
            lambda: lc.TorchScheduler(schedulers=[StepLR], step_size=3),
            ValueError,
            "the keyword arguments must be given to each of schedulers on its own, got {'step_size': 3}",
        ),
        (
            lambda: lc.TorchScheduler(StepLR),
            TypeError,
            "StepLR() cannot be built: missing a required argument: 'step_size'",
        ),
        (
            lambda: lc.MultiStepDecay(["1.5 epochs"], interval="epoch"),
            ValueError,
            "milestones[0] must be a whole number of epochs with interval='epoch', got '1.5 epochs'",
        ),
        (
            lambda: lc.StepDecay("30 s", interval="epoch"),
            ValueError,
            "step_size must be in epochs or % with interval='epoch', got '30 s'",
        ),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(build, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        build()


@pytest.mark.parametrize("name", sorted(REQUIRED.keys() - {"lr_range_test", "preview", "grid_search"}))
def test_what_the_rows_stand_beside_is_itself_right(name):
    assert getattr(lc, name)(**REQUIRED[name]()) is not None
