"""Runs that go by the wall clock: schedules over time, on a clock that the tests move."""

from __future__ import annotations

import time
import warnings
from itertools import pairwise

import pytest
import torch
from ddp_scripts import Exact, RankClock, whole_numbers
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint, Timer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, sgd, trainer

from lr_callbacks import (
    SGDR,
    CosineAnnealing,
    CyclicalLR,
    ExponentialDecay,
    LambdaFactor,
    LinearDecay,
    OneCycle,
    PolynomialDecay,
    ReduceLROnPlateau,
    Rex,
    SnapshotCheckpoint,
    StepDecay,
    TorchScheduler,
    Warmup,
    WarmupStableDecay,
    preview,
)
from lr_callbacks.core import wall_clock

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


def test_a_run_by_the_clock_without_limit_needs_none_where_every_length_is_given(clock):
    used = timed(Warmup("4 s", start_factor=0.0), clock=clock, steps=6, max_time=None).of_group()
    assert used == pytest.approx([0.0, 0.025, 0.05, 0.075, 0.1, 0.1], rel=1e-12)


def test_the_time_limit_is_not_the_horizon_of_a_run_whose_steps_are_known(clock):
    used = timed(LinearDecay(), clock=clock, steps=4, max_epochs=1).of_group()
    assert used == pytest.approx([0.1, 0.075, 0.05, 0.025], rel=1e-12)


def test_steps_stay_steps_under_a_time_limit_where_nobody_asks_for_the_end(clock):
    used = timed(Warmup(4, start_factor=0.0), clock=clock, steps=5).of_group()
    assert used == pytest.approx([0.0, 0.025, 0.05, 0.075, 0.1], rel=1e-12)


def test_a_timer_callback_limits_as_max_time_does(clock):
    timer = Timer({"seconds": 20})
    used = timed(LinearDecay(), timer, clock=clock, steps=3, max_time=None, max_epochs=-1).of_group()
    assert used == pytest.approx([0.1, 0.095, 0.09], rel=1e-12)


def test_a_group_named_like_a_time_is_no_time(clock):
    used = timed(Warmup(2, start_factor=0.0, groups=0), LinearDecay(groups=[0]), clock=clock, max_epochs=1, steps=4)
    assert used.of_group() == pytest.approx([0.0, 0.05, 0.1, 0.05], rel=1e-12)
    assert Warmup(2, groups="1d").durations() == {}


@pytest.mark.filterwarnings("ignore:.*exists and is not empty")
def test_two_resumes_go_on_where_the_elapsed_time_stood(clock, tmp_path):
    file = tmp_path / "last.ckpt"

    def part(until, ckpt_path=None):
        saver = ModelCheckpoint(tmp_path, filename="last", every_n_train_steps=1, enable_version_counter=False)
        used = timed(
            Warmup("4 s"),
            CosineAnnealing(),
            saver,
            clock=clock,
            steps=30,
            stop_after=until,
            ckpt_path=ckpt_path,
            enable_checkpointing=True,
        )
        return used.of_group()

    used = part(6)
    clock.seconds += 5000  # what passes between two runs does not count
    used += part(11, file)
    clock.seconds -= 9000  # another machine's clock begins anywhere
    used += part(18, file)
    whole = preview([Warmup("4 s"), CosineAnnealing()], 0.1, 20, max_time="20 s")[:, 0].tolist()
    assert used == pytest.approx(whole[:18], rel=1e-12)


def test_a_checkpoint_holds_plain_numbers_and_a_wrong_one_is_refused(clock, tmp_path):
    saver = ModelCheckpoint(tmp_path, filename="last", every_n_train_steps=1, enable_version_counter=False)
    timed(LinearDecay(), saver, clock=clock, steps=3, enable_checkpointing=True)
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    group = saved["optimizer_states"][0]["param_groups"][0]
    assert (group["lr_callbacks_elapsed"], group["lr_callbacks_step"]) == (3000, 3)
    for wrong in (-1, 2.5, "long", True):
        group["lr_callbacks_elapsed"] = wrong
        torch.save(saved, tmp_path / "wrong.ckpt")
        with pytest.raises(ValueError, match=f"elapsed milliseconds .* whole and >= 0, got {wrong!r}"):
            timed(LinearDecay(), clock=clock, ckpt_path=tmp_path / "wrong.ckpt")


def test_a_checkpoint_without_us_brings_the_time_of_its_timer(clock, tmp_path):
    saver = ModelCheckpoint(tmp_path, filename="bare", every_n_train_steps=1, enable_version_counter=False)
    timed(saver, clock=clock, steps=3, enable_checkpointing=True)
    saved = torch.load(tmp_path / "bare.ckpt", weights_only=True)
    saved["callbacks"]["Timer"]["time_elapsed"]["train"] = 10.0
    torch.save(saved, tmp_path / "bare.ckpt")
    used = timed(LinearDecay(), clock=clock, steps=30, stop_after=5, ckpt_path=tmp_path / "bare.ckpt").of_group()
    assert used == pytest.approx([0.05, 0.045], rel=1e-12)


@pytest.mark.parametrize(
    ("callbacks", "says"),
    [
        ([Warmup("4 s"), CosineAnnealing(total_steps="3 epochs")], "total_steps='3 epochs' counts epochs"),
        ([Warmup(100), LinearDecay()], r"Warmup: duration='100 steps' counts steps.*Write '30 s', '10 min' or '5%'"),
        (
            [SGDR("4 s"), LambdaFactor(abs)],
            "LambdaFactor.* cannot be used in a run that is measured in time.* its function counts",
        ),
        ([Warmup("4 s"), TorchScheduler(torch.optim.lr_scheduler.StepLR, step_size=3)], "a torch scheduler counts"),
        ([Warmup("4 s"), CosineAnnealing(interval="epoch")], "interval='epoch' counts epochs"),
        ([Warmup("4 s"), ExponentialDecay(0.9)], "without step_size its decay is one for every step"),
        ([CyclicalLR(0.01, step_size_up="4 s", mode="exp_range", gamma=0.9)], "its gamma is one for every step"),
    ],
)
def test_what_cannot_go_by_time_is_refused_with_the_reason(callbacks, says, clock):
    with pytest.raises(MisconfigurationException, match=says):
        timed(*callbacks, clock=clock)


def test_without_a_limit_the_rest_of_the_run_is_refused_with_the_way_out(clock):
    with pytest.raises(MisconfigurationException, match=r"no time limit.*set Trainer\(max_time=\.\.\.\)"):
        timed(Warmup("4 s"), CosineAnnealing(), clock=clock, max_time=None)
    with pytest.raises(ValueError, match="max_time must be given where a length is a time"):
        preview([Warmup("4 s")], 0.1, 10)
    with pytest.raises(ValueError, match="max_time must be a time such as '30 min'"):
        preview([Warmup("4 s")], 0.1, 10, max_time="5%")


def test_the_plan_speaks_of_time(clock, caplog):
    with caplog.at_level("INFO", logger="lightning.pytorch.utilities.rank_zero"):
        timed(Warmup("90 s"), OneCycle(), clock=clock, steps=1, max_time=1800.0)
    plan = next(text for text in caplog.messages if text.startswith("LR plan"))
    assert plan.splitlines()[0] == "LR plan: 30 min, measured in time"
    assert "    Warmup 0 s to 1.5 min: linear" in plan
    assert "OneCycle 1.5 min to 30 min" in plan
    assert "after 30 min" in plan
    assert "step" not in plan.replace("optimizer", "")


def test_plateau_reduction_waits_for_a_warm_up_over_time(clock):
    used = timed(
        Warmup("8 s", start_factor=1.0),
        ReduceLROnPlateau("scripted", patience=0, every_n_steps=None),
        clock=clock,
        module=Net(metrics=[1.0]),
        steps=5,
        val=True,
        max_time=None,
        max_epochs=4,
        stop_after=20,
    ).of_group()
    assert used == pytest.approx([0.1] * 15 + [0.01] * 5, rel=1e-12)  # judged from epoch 1 on, worse in epoch 2


def test_several_ranks_share_a_reading_for_as_many_steps_as_take_a_tenth_of_a_second(clock):
    sent = []

    def share(news):
        sent.append(news)
        return news

    shared = wall_clock.WallClock(500, share)
    readings = []
    for _ in range(30):
        clock.seconds += 0.01
        readings.append(shared.step())
    assert readings == [510] * 11 + [620] * 11 + [730] * 8
    assert sent == [(500, 0), (510, 10), (620, 10), (730, 10)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*barrier.*")
@pytest.mark.parametrize(("seconds", "held"), [(0.5, 1), (0.025, 4)])
def test_two_ranks_whose_clocks_differ_use_the_same_lr_at_every_step(seconds, held, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = trainer(
            Warmup("2 s", start_factor=0.0),
            RankClock(str(tmp_path), seconds),
            strategy="ddp_fork",
            devices=2,
            max_epochs=2,
        )
        run.fit(Exact(), whole_numbers())
    first, second = (torch.load(tmp_path / f"lrs{rank}.pt") for rank in (0, 1))
    assert first == second
    assert len(first) == 12
    by_the_clock_of_rank_zero = [min(1.0, step * seconds / 2) * 2.0**-6 for step in range(12)]
    assert first[:2] == pytest.approx(by_the_clock_of_rank_zero[:2], rel=1e-12)
    changes = sum(one != other for one, other in pairwise(first))
    assert (changes == 4) if held == 1 else (changes == 3)  # up to 2 s; after steps 1, 6 and 11


def test_a_real_run_under_a_time_limit_ends_annealed():
    class Slow(Callback):
        def on_train_batch_start(self, *_):
            time.sleep(0.005)

    began = time.monotonic()
    used = fit(
        Warmup("10%"), CosineAnnealing(), Slow(), module=Net(sgd((0.1,))), max_time={"seconds": 2}, max_epochs=-1
    )
    assert 2 <= time.monotonic() - began < 30
    lrs = used.of_group()
    assert len(lrs) > 20
    assert max(lrs) > 0.09
    assert lrs[-1] < 0.02  # a busy machine may let half a second pass without a step
    assert lrs[0] < 0.05


class TwoSpeeds(Net):
    """The second optimizer steps twice in each batch."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        first, second = self.optimizers()
        for optimizer in (first, second, second):
            optimizer.zero_grad()
            self.manual_backward((self(batch[0]) - batch[1]).square().mean())
            optimizer.step()

    def configure_optimizers(self):
        return [torch.optim.SGD(part.parameters(), lr=0.1) for part in (self.body, self.head)]


def test_two_optimizers_under_manual_optimization_go_by_one_clock(clock):
    used = timed(LinearDecay(), clock=clock, module=TwoSpeeds(), stop_after=12)
    over_time = [0.1, 0.095, 0.09, 0.085]
    assert used.of_group(optimizer=0) == pytest.approx(over_time, rel=1e-12)
    assert used.of_group(optimizer=1)[1::2] == pytest.approx([*over_time[1:], 0.08], rel=0.1)
    assert used.of_group(optimizer=1)[2::2] == pytest.approx(over_time[1:], rel=1e-12)


def test_a_snapshot_is_saved_when_the_time_of_a_cycle_is_over(clock, tmp_path):
    snapshots = SnapshotCheckpoint(tmp_path)
    timed(SGDR("4 s", T_mult=2), snapshots, clock=clock, steps=14, enable_checkpointing=True)
    assert [torch.load(path, weights_only=True)["global_step"] for path in snapshots.paths] == [4, 12, 14]
