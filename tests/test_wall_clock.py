"""Runs that go by the wall clock: schedules over time, on a clock that the tests move."""

from __future__ import annotations

import pytest
from lightning.pytorch import Callback
from support import fit

from lr_callbacks import (
    SGDR,
    CosineAnnealing,
    CyclicalLR,
    ExponentialDecay,
    LinearDecay,
    OneCycle,
    PolynomialDecay,
    Rex,
    StepDecay,
    Warmup,
    WarmupStableDecay,
    preview,
    wall_clock,
)

BUDGET = 20.0  # seconds; a step of the fake clock takes one


class Clock:
    """A clock that stands still unless it is moved."""

    def __init__(self, seconds=1000.0):
        self.seconds = seconds

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(wall_clock, "now", clock)
    return clock


class Pace(Callback):
    """Each batch takes so many seconds, the last number again and again; the training is stopped after some steps."""

    def __init__(self, clock, seconds=(1.0,), stop_after=None):
        self.clock, self.seconds, self.stop_after = clock, list(seconds), stop_after

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.clock.seconds += self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.stop_after:
            trainer.should_stop = True


def timed(*callbacks, clock, steps=25, seconds=(1.0,), max_time=BUDGET, module=None, **kwargs):
    """A fit under a time limit that is far longer, by the real clock, than the fit lasts."""
    pace = Pace(clock, seconds)
    limit = {"max_time": {"seconds": max_time}} if max_time else {}
    options = {"max_epochs": -1 if max_time else 1, "limit_train_batches": steps, "batches": 30, **limit, **kwargs}
    stop = Pace(clock, (0.0,), stop_after=kwargs.pop("stop_after", steps))
    options.pop("stop_after", None)
    return fit(pace, stop, *callbacks, module=module, **options)


SHAPES = [
    lambda: [LinearDecay()],
    lambda: [CosineAnnealing(eta_min=0.01)],
    lambda: [CosineAnnealing(total_steps="10 s")],
    lambda: [PolynomialDecay(power=2.0, total_steps="0.25 min")],
    lambda: [OneCycle(max_lr=0.3)],
    lambda: [WarmupStableDecay("10%", "5 s")],
    lambda: [Rex()],
    lambda: [SGDR("4 s", T_mult=2, cycle_warmup="1 s")],
    lambda: [StepDecay("3 s", gamma=0.5)],
    lambda: [CyclicalLR(0.01, step_size_up="4 s")],
    lambda: [ExponentialDecay(0.5, step_size="4 s")],
    lambda: [Warmup("5 s"), CosineAnnealing()],
    lambda: [Warmup("10%", start_factor=0.0), OneCycle()],
    lambda: [Warmup("4 s"), SGDR("6 s")],
]


@pytest.mark.parametrize("shape", SHAPES)
def test_at_an_even_pace_a_schedule_over_time_has_the_lrs_of_the_same_schedule_over_steps(shape, clock):
    used = timed(*shape(), clock=clock, steps=20).of_group()
    text = repr([shape()]).replace(" s'", "000'").replace("'0.25 min'", "'15000'")
    over_steps = eval(text)[0]  # the same, in steps of a millisecond
    expected = preview(over_steps, 0.1, 20_000)[:, 0][::1000].tolist()
    assert used == pytest.approx(expected, rel=1e-12)
    assert preview(shape(), 0.1, 20, max_time="20 s")[:, 0].tolist() == pytest.approx(expected, rel=1e-12)


def test_the_lr_follows_the_time_however_uneven_the_pace_is(clock):
    used = timed(LinearDecay(), clock=clock, steps=5, seconds=(1.0, 4.0, 0.5, 10.0, 30.0)).of_group()
    assert used == pytest.approx([0.1 * (1 - t / BUDGET) for t in (0, 1, 5, 5.5, 15.5)], rel=1e-12)


def test_when_the_time_is_over_the_end_value_is_held(clock):
    used = timed(CosineAnnealing(eta_min=0.02), clock=clock, steps=4, seconds=(15.0,)).of_group()
    assert used[2:] == [0.02, 0.02]
