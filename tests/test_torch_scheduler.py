"""TorchScheduler against the schedulers run natively, in a real Trainer: values, composition, resume, new groups."""

from __future__ import annotations

import warnings

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, adam, fit, native, sgd
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import ExponentialLR, OneCycleLR, StepLR
from torch_schedulers import CASES, IDS

from lr_callbacks import ReduceLROnPlateau, TorchScheduler, Warmup

LRS = (0.1, 0.02)


def from_yaml(**arguments):
    """A TorchScheduler as a configuration file makes it."""
    import yaml
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--callbacks", type=list[Callback])
    node = {"class_path": "lr_callbacks.TorchScheduler", "init_args": arguments}
    config = parser.parse_string(yaml.safe_dump({"callbacks": [node]}))
    return parser.instantiate(config).callbacks[0]


def assert_close(lrs, expected):
    assert len(lrs) == len(expected) > 0
    for step, (ours, theirs) in enumerate(zip(lrs, expected, strict=True)):
        assert ours == pytest.approx(theirs, rel=1e-12, abs=0), f"step {step}"


@pytest.mark.parametrize("make", [sgd, adam], ids=["sgd", "adam"])
@pytest.mark.parametrize("origin", ["python", "yaml"])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_lrs_and_momenta_equal_those_of_the_native_scheduler(case, origin, make):
    callback = TorchScheduler(**case.in_python()) if origin == "python" else from_yaml(**case.in_yaml())
    recorder = fit(callback, module=Net(make(LRS)), batches=12)
    lrs, momenta = native(case.native, 12, make(LRS))
    assert_close(recorder.lrs[0], lrs)
    assert_close(recorder.momenta[0], momenta)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_by_epoch_it_steps_after_the_last_step_of_each_epoch(case):
    recorder = fit(TorchScheduler(interval="epoch", **case.in_python()), module=Net(sgd(LRS)), batches=2, max_epochs=12)
    lrs, momenta = native(case.native, 12, sgd(LRS))
    assert_close(recorder.lrs[0], [lr for lr in lrs for _ in range(2)])
    assert_close(recorder.momenta[0], [m for m in momenta for _ in range(2)])


@pytest.mark.parametrize("accumulate", [1, 3])
def test_under_accumulation_it_steps_with_the_optimizer(accumulate):
    recorder = fit(TorchScheduler(ExponentialLR, gamma=0.5), batches=6 * accumulate, accumulate_grad_batches=accumulate)
    assert_close(recorder.of_group(), [0.1 * 0.5**step for step in range(6)])


def test_frequency_steps_it_once_in_so_many_steps():
    recorder = fit(TorchScheduler(ExponentialLR, frequency=3, gamma=0.5), batches=8)
    assert_close(recorder.of_group(), [0.1 * 0.5 ** (step // 3) for step in range(8)])


def test_past_its_end_one_cycle_holds_its_last_value():
    recorder = fit(TorchScheduler(OneCycleLR, max_lr=0.1, total_steps=5), batches=9)
    lrs = recorder.of_group()
    assert lrs[4:] == [lrs[4]] * 5
    assert lrs[4] < 1e-6


def test_a_chained_one_cycle_holds_while_the_others_go_on():
    parts = [lambda o: OneCycleLR(o, max_lr=0.1, total_steps=4), lambda o: ExponentialLR(o, gamma=0.5)]
    lrs = fit(TorchScheduler(schedulers=parts), batches=8).of_group()
    assert lrs[5:] == [pytest.approx(lrs[4] * 0.5**past) for past in (1, 2, 3)]


# ---------------------------------------------------------------------- composition
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_after_a_warmup_it_starts_at_its_beginning_and_multiplies(case):
    scheduler, ramp = TorchScheduler(**case.in_python()), Warmup(4)
    recorder = fit(scheduler, ramp, module=Net(sgd(LRS)), batches=12)
    lrs, _ = native(case.native, 8, sgd(LRS))
    ramped = [[lr * (1 / 3 + (1 - 1 / 3) * step / 4) for lr in lrs[0]] for step in range(4)]
    assert_close(recorder.lrs[0], ramped + lrs)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_plateau_reduction_multiplies_with_it(case):
    plateau = ReduceLROnPlateau("scripted", patience=0, factor=0.5)
    module = Net(sgd(LRS), metrics=[1.0, 1.0, 0.5, 0.5])
    recorder = fit(TorchScheduler(**case.in_python()), plateau, module=module, batches=3, max_epochs=4, val=True)
    lrs, _ = native(case.native, 12, sgd(LRS))
    reduced = [1.0, 1.0, 0.5, 0.5]
    assert_close(recorder.lrs[0], [[lr * reduced[step // 3] for lr in of_step] for step, of_step in enumerate(lrs)])


def test_the_order_of_the_callbacks_changes_nothing():
    def run(*order):
        made = [TorchScheduler(StepLR, step_size=3), TorchScheduler(ExponentialLR, gamma=0.9), Warmup(3)]
        return fit(*(made[place] for place in order), batches=9).lrs

    assert run(0, 1, 2) == run(2, 1, 0) == run(1, 2, 0)


def test_groups_get_schedulers_of_their_own():
    recorder = fit(
        TorchScheduler(ExponentialLR, gamma=0.5, groups=0),
        TorchScheduler(ExponentialLR, gamma=0.9, groups=1),
        module=Net(sgd(LRS)),
        batches=4,
    )
    assert_close(recorder.lrs[0], [[0.1 * 0.5**step, 0.02 * 0.9**step] for step in range(4)])


# ---------------------------------------------------------------------- plateau
PLATEAU = [1.0, 0.9, 0.95, 0.95, 0.95, 0.8, 0.85, 0.85]


def plateau_lrs(**arguments):
    lrs = []
    optimizer = sgd(LRS)([nn.Linear(2, 2), nn.Linear(2, 2)])
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **arguments)
    for value in PLATEAU:
        lrs.append([group["lr"] for group in optimizer.param_groups])
        scheduler.step(value)
    return lrs


@pytest.mark.parametrize("origin", ["python", "yaml"])
def test_torch_plateau_decides_as_it_does_natively(origin):
    arguments = {"patience": 1, "factor": 0.5, "min_lr": 0.008}
    node = {"class_path": "torch.optim.lr_scheduler.ReduceLROnPlateau", "init_args": arguments}
    if origin == "python":
        callback = TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="scripted", **arguments)
    else:
        callback = from_yaml(scheduler=node, monitor="scripted")
    recorder = fit(callback, module=Net(sgd(LRS), PLATEAU), batches=2, max_epochs=len(PLATEAU), val=True)
    expected = plateau_lrs(**arguments)
    assert expected[-1] != expected[0]
    assert_close(recorder.lrs[0], [lrs for lrs in expected for _ in range(2)])


def test_frequency_passes_only_every_second_evaluation_on():
    callback = TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="scripted", frequency=2, patience=0, factor=0.5)
    recorder = fit(callback, module=Net(metrics=[1.0]), batches=1, max_epochs=7, val=True)
    assert_close(recorder.of_group(), [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025])


def test_a_metric_that_nobody_logs_is_an_error_that_lists_what_is_logged():
    with pytest.raises(MisconfigurationException, match=r"monitors 'nothing'.*logged are: .*val_loss"):
        fit(TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="nothing"), val=True, max_epochs=2)


# ---------------------------------------------------------------------- resume
def resumed_everywhere(make_callbacks, tmp_path, batches=3, epochs=4, module=lambda: Net(sgd(LRS)), **kwargs):
    """Trace of a run, and of runs resumed from a checkpoint of every step and every epoch: (step, trace)."""

    def saver(folder):
        return ModelCheckpoint(folder, "{step}", save_top_k=-1, every_n_train_steps=1)

    whole = fit(
        *make_callbacks(),
        saver(tmp_path),
        module=module(),
        batches=batches,
        max_epochs=epochs,
        enable_checkpointing=True,
        **kwargs,
    )
    for path in sorted(tmp_path.glob("*.ckpt")):
        torch.load(path, weights_only=True)
        step = int(path.stem.partition("=")[2].partition("-")[0])
        if step < len(whole.lrs[0]):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*(mid-epoch checkpoint|dirpath has changed).*")
                part = fit(
                    *make_callbacks(),
                    saver(tmp_path / f"again_{step}"),
                    module=module(),
                    batches=batches,
                    max_epochs=epochs,
                    ckpt_path=path,
                    enable_checkpointing=True,
                    **kwargs,
                )
            yield step, whole, part


@pytest.mark.parametrize("interval", ["step", "epoch"])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_resumed_from_a_checkpoint_of_any_step_it_goes_on_bit_for_bit(case, interval, tmp_path):
    def callbacks():
        return [TorchScheduler(interval=interval, **case.in_python()), Warmup(2)]

    seen = 0
    for step, whole, part in resumed_everywhere(callbacks, tmp_path, batches=2, epochs=3):
        assert part.lrs[0] == whole.lrs[0][step:], f"resumed at step {step}"
        assert part.momenta[0] == whole.momenta[0][step:], f"resumed at step {step}"
        seen += 1
    assert seen == 5
