"""The shapes that torch does not have, in a real Trainer; every shape after a warm-up and after a resume."""

from __future__ import annotations

import warnings

import pytest
import references as ref
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, adam, fit, sgd
from terms import term_of

import lr_callbacks as lc
from lr_callbacks.core.run_length import RunLength

LRS = (0.1, 0.02)


def fade(step, half_life=4):
    return half_life / (half_life + step)


CALLBACKS = {
    "step": lambda: lc.StepDecay(3, gamma=0.5, offset=1),
    "multi-step": lambda: lc.MultiStepDecay(["50%", 16]),
    "exponential": lambda: lc.ExponentialDecay(rate=0.3, step_size="1 epoch"),
    "polynomial": lambda: lc.PolynomialDecay(power=2.0, end_lr=0.001),
    "linear": lambda: lc.LinearDecay(end_factor=0.1),
    "constant": lambda: lc.ConstantFactor("50%", factor=0.2),
    "cosine": lambda: lc.CosineAnnealing(eta_min=0.001),
    "cosine by epoch": lambda: lc.CosineAnnealing(interval="epoch"),
    "one-cycle": lambda: lc.OneCycle(0.3, div_factor=10.0),
    "one-cycle by epoch": lambda: lc.OneCycle(interval="epoch", anneal_strategy="linear"),
    "restarts": lambda: lc.SGDR(4, T_mult=1.5, eta_min=0.001, cycle_decay=0.8, cycle_warmup=2),
    "restarts by epoch": lambda: lc.SGDR("2 epochs", interval="epoch"),
    "cyclical": lambda: lc.CyclicalLR(0.01, step_size_up=3, mode="triangular2"),
    "cyclical, of a function": lambda: lc.CyclicalLR(0.01, step_size_up=3, scale_fn="math.erf", cycle_momentum=False),
    "inverse square root": lambda: lc.InverseSqrt(),
    "warm-up stable decay": lambda: lc.WarmupStableDecay(2, "25%", decay_shape="1-sqrt"),
    "rex": lambda: lc.Rex(),
    "waves": lambda: lc.CosineAnnealing(eta_min="1%", num_cycles=1.5, power=2.0, k_decay=1.5),
    "polynomial that repeats": lambda: lc.PolynomialDecay(2.0, total_steps=4, k_decay=2.0, cycle=True),
    "tanh": lambda: lc.TanhDecay(eta_min=0.001),
    "noise": lambda: lc.Noise(0.5, distribution="uniform", outside="hold"),
    "inverse power": lambda: lc.InversePower(3, power=0.7, staircase=True, floor=0.01),
    "tri-stage": lambda: lc.WarmupStableDecay(2, "25%", "exponential", end_factor=0.1, warmup_shape="1-sqrt"),
    "sequence": lambda: lc.Sequential([lc.LinearDecay(0.5), lc.CosineAnnealing(floor=0.01)], ["40%"], join="continue"),
    "points": lambda: lc.Piecewise([[0, 0.2], ["1 epoch", 0.5], ["90%", 0.0]], "cosine", absolute=True),
    "cycles": lambda: lc.Restarts(lc.Rex(), 3, T_mult=1.5, cycle_decay=0.8, cycle_warmup=1),
    "function": lambda: lc.LambdaFactor(fade, {"half_life": 9}),
    "product": lambda: lc.MultiplicativeFactor("math.tanh"),
}


@pytest.mark.parametrize("group", [0, 1])
@pytest.mark.parametrize(
    ("callback", "formula"),
    [
        (lc.Rex(end_factor=0.1), lambda t: ref.rex(t, 20, 0.1)),
        (lc.InverseSqrt(7), lambda t: ref.inverse_sqrt(t, 7)),
        (lc.ExponentialDecay(rate=0.2), lambda t: ref.natural_exponential(t, 0.2)),
        (
            lc.ExponentialDecay(rate=0.2, step_size=3, staircase=True, offset=1),
            lambda t: ref.staircase_exponential(t, 0.2, 3, 1),
        ),
        (lc.StepDecay(3, gamma=0.5, offset=1), lambda t: ref.step_decay(t, 0.5, 3, 1)),
        *[
            (
                lc.WarmupStableDecay(4, "30%", decay_shape=shape, end_factor=0.1),
                lambda t, shape=shape: ref.warmup_stable_decay(t, 20, 4, 6, shape, 0.0, 0.1),
            )
            for shape in ("linear", "cosine", "1-sqrt")
        ],
    ],
    ids=lambda value: repr(value) if isinstance(value, lc.LRCallback) else "",
)
def test_each_group_is_trained_with_the_lrs_of_the_formula(callback, formula, group):
    recorder = fit(callback, module=Net(sgd(LRS)), batches=10, max_epochs=2)
    assert recorder.of_group(group) == pytest.approx([LRS[group] * formula(t) for t in range(20)], rel=1e-12, abs=0)


@pytest.mark.parametrize("name", CALLBACKS)
def test_it_begins_where_the_warm_up_ends_with_the_values_that_it_has_without_one(name):
    start = {"start": 5} if name != "inverse square root" else {"start": 5, "timescale": 5}
    alone = CALLBACKS[name]()
    alone = type(alone)(**{**{k: v for k, v in vars(alone).items() if k in alone.arguments()}, **start})
    expected = fit(alone, module=Net(sgd(LRS)), batches=10, max_epochs=2)
    recorder = fit(lc.Warmup(5), CALLBACKS[name](), module=Net(sgd(LRS)), batches=10, max_epochs=2)
    assert recorder.lrs[0][5:] == expected.lrs[0][5:]
    assert recorder.lrs[0][0] < expected.lrs[0][0] or expected.lrs[0][0][0] == 0


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_resumed_run_goes_on_with_the_same_lrs_and_no_warning_of_a_changed_plan(name, tmp_path):
    whole = fit(lc.Warmup(2), CALLBACKS[name](), module=Net(adam(LRS)), batches=5, max_epochs=4)
    save = ModelCheckpoint(tmp_path, save_top_k=-1, every_n_train_steps=7)
    fit(
        lc.Warmup(2), CALLBACKS[name](), save, module=Net(adam(LRS)), batches=5, max_epochs=4, enable_checkpointing=True
    )
    checkpoint = next(path for path in tmp_path.iterdir() if "step=7" in path.name)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        rest = fit(
            lc.Warmup(2),
            CALLBACKS[name](),
            module=Net(adam(LRS)),
            batches=5,
            max_epochs=4,
            ckpt_path=str(checkpoint),
        )
    assert rest.lrs[0] == whole.lrs[0][7:]
    assert rest.momenta[0] == whole.momenta[0][7:]
    assert not [w for w in seen if "LR plan of" in str(w.message)]


def test_the_momentum_that_a_cycle_has_moved_is_given_back_at_the_end():
    module = Net(sgd(LRS, momentum=0.33))
    recorder = fit(lc.CyclicalLR(0.01, step_size_up=3), module=module)
    assert recorder.momenta[0][3] == pytest.approx([0.8, 0.8], rel=1e-12)
    assert [group["momentum"] for group in module.trainer.optimizers[0].param_groups] == [0.33, 0.33]


def test_the_phase_of_a_cycle_is_told_by_the_way_that_it_goes():
    term = term_of(lc.CyclicalLR(0.01, step_size_up=2, step_size_down=3, start=1), RunLength(20))
    phases = [term.phase_at(step) for step in range(8)]
    assert phases == ["waiting", "climbing", "climbing", "falling", "falling", "falling", "climbing", "climbing"]


@pytest.mark.parametrize(
    "schedule",
    [lc.CosineAnnealing, lc.LinearDecay, lc.PolynomialDecay, lc.Rex, lc.OneCycle],
    ids=lambda cls: cls.__name__,
)
def test_after_a_warm_up_that_is_longer_than_the_run_a_schedule_has_yet_to_begin(schedule):
    recorder = fit(lc.Warmup(8, start_factor=0.5), schedule(), module=Net(sgd((0.1,))), batches=4)
    assert recorder.of_group() == pytest.approx([0.05, 0.05625, 0.0625, 0.06875], rel=1e-12)


def test_two_that_anneal_to_the_end_are_refused():
    with pytest.raises(MisconfigurationException, match="each of them anneals to the end of the run"):
        fit(lc.Rex(), lc.CosineAnnealing())


ELSEWHERE = {
    lc.LRCallback,
    lc.Warmup,  # it is what the others begin after
    lc.UntunedWarmup,  # it does not wait for a warm-up: tests/schedules/test_peers_shapes.py
    lc.ReduceLROnPlateau,  # tests/callbacks/test_plateau.py
    lc.GreedyLR,  # tests/callbacks/test_greedy_lr.py
    lc.FinalDecay,  # it does not wait for a warm-up: tests/callbacks/test_final_decay.py
    lc.TorchScheduler,  # tests/callbacks/test_torch_scheduler.py
}


def test_every_schedule_that_is_a_function_of_time_is_in_the_table():
    public = [getattr(lc, name) for name in lc.__all__]
    schedules = {cls for cls in public if isinstance(cls, type) and issubclass(cls, lc.LRCallback) and cls.drives}
    assert {type(make()) for make in CALLBACKS.values()} == schedules - ELSEWHERE


class StopsAtOnce(Callback):
    def on_train_batch_end(self, trainer, *_):
        trainer.should_stop = True


def near(step):
    assert step < 100, "far ahead"
    return 0.9


def test_a_product_is_not_worked_out_to_the_end_of_a_run_of_a_billion_steps_to_show_its_plan():
    callback = lc.MultiplicativeFactor(near)
    seen = fit(callback, StopsAtOnce(), module=Net(sgd((0.1,))), batches=3, max_epochs=-1, max_steps=10**9)
    assert seen.of_group() == pytest.approx([0.1])
