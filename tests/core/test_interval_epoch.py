"""Schedules held over epochs: where they begin, how long they last, and what a Trainer with them does."""

from __future__ import annotations

import pytest
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, sgd, trainer
from torch.utils.data import DataLoader, IterableDataset

import lr_callbacks as lc
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.schedule_time import ScheduleTime
from lr_callbacks.core.timeline import Timeline

RUN = RunLength(total_steps=50, epochs=((0, 10),))
UNEVEN = RunLength(total_steps=28, epochs=((0, 4), (2, 10)))


def time_of(run: RunLength, start: int) -> ScheduleTime:
    return ScheduleTime(Timeline(run), "epochs", start, "epoch")


@pytest.mark.parametrize("run", [RUN, UNEVEN], ids=str)
@pytest.mark.parametrize("start", [0, 1, 4, 7, 8, 12])
def test_the_first_step_of_a_tick_is_where_the_tick_begins(run, start):
    time = time_of(run, start)
    for tick in range(4):
        position = time.position_of(tick)
        assert time.tick(position) == tick
        assert position == start or time.tick(position - 1) == tick - 1


def test_the_rest_of_the_run_counts_the_epoch_that_the_start_cuts():
    assert [time_of(RUN, start).length("x", None) for start in (0, 9, 10, 49, 50, 99)] == [5, 5, 4, 1, 1, 1]
    assert [time_of(UNEVEN, start).length("x", None) for start in (0, 4, 8, 18)] == [4, 3, 2, 1]


def test_a_duration_in_percent_is_a_share_of_the_epochs():
    assert [time_of(UNEVEN, 0).length("x", value) for value in ("50%", "100%", "3 epochs")] == [2, 4, 3]


def test_epochs_of_different_lengths_are_held_each_over_its_own():
    recorder = fit(
        lc.StepDecay("1 epoch", gamma=0.5, interval="epoch"),
        GradientAccumulationScheduler({0: 1, 1: 2, 2: 5}),
        module=Net(sgd((1.0,))),
        batches=10,
        max_epochs=4,
    )
    assert recorder.of_group() == [1.0] * 10 + [0.5] * 5 + [0.25] * 2 + [0.125] * 2


def test_after_a_warm_up_the_epoch_in_which_the_schedule_begins_is_its_first():
    recorder = fit(
        lc.Warmup(5, start_factor=0.0),
        lc.StepDecay("1 epoch", gamma=0.5, interval="epoch"),
        module=Net(sgd((1.0,))),
        batches=4,
        max_epochs=4,
    )
    ramp = [0.0, 0.2, 0.4, 0.6000000000000001, 0.8]
    assert recorder.of_group() == pytest.approx(ramp + [1.0] * 3 + [0.5] * 4 + [0.25] * 4, rel=1e-12)


def test_the_momentum_of_a_cycle_is_held_over_epochs_too():
    cycle = lc.CyclicalLR(
        0.1, step_size_up="1 epoch", step_size_down="1 epoch", interval="epoch", base_momentum=0.5, max_momentum=0.7
    )
    recorder = fit(cycle, module=Net(sgd((1.0,))), batches=2, max_epochs=3)
    assert [m[0] for m in recorder.momenta[0]] == pytest.approx([0.7, 0.7, 0.5, 0.5, 0.7, 0.7], rel=1e-12)
    assert recorder.of_group() == pytest.approx([0.1, 0.1, 1.0, 1.0, 0.1, 0.1], rel=1e-12)


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield None


class Unsized(Net):
    def train_dataloader(self):
        return DataLoader(Endless(), batch_size=None)


def test_a_run_whose_epochs_have_no_length_refuses_it_before_the_first_step():
    callback = lc.StepDecay("1 epoch", interval="epoch")
    with pytest.raises(MisconfigurationException, match=r"^StepDecay: interval='epoch' needs the length of an epoch"):
        trainer(callback, max_steps=5).fit(Unsized())
