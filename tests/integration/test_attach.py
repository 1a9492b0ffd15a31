"""`attach`: schedules in a loop without a Trainer, and under Fabric: the same LRs, exactly, also over a resume."""

import pickle

import pytest
import torch
from lightning.fabric import Fabric
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn
from torch.optim.lr_scheduler import CyclicLR, StepLR
from torch.optim.lr_scheduler import ReduceLROnPlateau as TorchPlateau

from lr_callbacks import (
    SGDR,
    CosineAnnealing,
    LRMonitor,
    MultiplicativeFactor,
    OneCycle,
    ReduceLROnPlateau,
    StepDecay,
    TorchScheduler,
    Warmup,
    attach,
    preview,
)

STEPS, EPOCH = 20, 5
METRICS = [3.0, 2.0, 2.0, 2.0]


@pytest.fixture(autouse=True)
def no_trainer(monkeypatch):
    def refuse(self, *args, **kwargs):
        raise AssertionError("nothing here needs a Trainer")

    monkeypatch.setattr(Trainer, "__init__", refuse)


def sgd(*lrs, **kwargs):
    layers = [nn.Linear(2, 1) for _ in lrs or (0.1,)]
    groups = [{"params": layer.parameters(), "lr": lr} for layer, lr in zip(layers, lrs or (0.1,), strict=True)]
    return torch.optim.SGD(groups, lr=0.1, **{"momentum": 0.9, **kwargs})


def halved(step):
    return 0.9


CASES = {
    "warm-up and cosine": lambda: [Warmup("10%"), CosineAnnealing(eta_min=0.001)],
    "epochs": lambda: [Warmup(2), SGDR("1 epoch", T_mult=2)],
    "one cycle, momentum": lambda: [OneCycle()],
    "by epoch": lambda: [StepDecay("1 epoch", gamma=0.5)],
    "plateau": lambda: [Warmup(3), ReduceLROnPlateau("loss", patience=0)],
    "torch": lambda: [TorchScheduler(StepLR, step_size=3)],
    "torch, by epoch": lambda: [TorchScheduler(StepLR, interval="epoch", step_size=1), Warmup(3)],
    "torch, momentum": lambda: [TorchScheduler(CyclicLR, base_lr=0.01, max_lr=0.1, step_size_up=4)],
    "torch, plateau": lambda: [TorchScheduler(TorchPlateau, monitor="loss", patience=0)],
    "a product": lambda: [MultiplicativeFactor(halved), Warmup(3)],
}


def loop(optimizer, attached, steps, first=0):
    """LR and momentum of each step, with an evaluation at the end of each epoch."""
    seen = []
    for step in range(first, first + steps):
        seen.append([(group["lr"], group["momentum"]) for group in optimizer.param_groups])
        optimizer.step()
        if (step + 1) % EPOCH == 0 and any(getattr(each, "monitor", None) for each in attached.callbacks):
            attached.metric(torch.tensor(METRICS[step // EPOCH]), "loss")
    return seen


def whole(name, lrs=(0.1, 0.02)):
    optimizer = sgd(*lrs)
    with attach(optimizer, CASES[name](), STEPS, EPOCH) as attached:
        return loop(optimizer, attached, STEPS)


@pytest.mark.parametrize("name", CASES)
def test_a_loop_has_the_lrs_of_the_preview(name):
    planned = preview(CASES[name](), [0.1, 0.02], STEPS, EPOCH, metrics=METRICS).tolist()
    assert [[lr for lr, _ in row] for row in whole(name)] == planned


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("attached_first", [True, False])
def test_the_state_of_the_optimizer_resumes_it_exactly(name, attached_first):
    before = sgd(0.1, 0.02)
    with attach(before, CASES[name](), STEPS, EPOCH) as attached:
        loop(before, attached, 12)
        state = pickle.dumps(before.state_dict())
    optimizer = sgd(0.1, 0.02)
    if not attached_first:
        optimizer.load_state_dict(pickle.loads(state))
    attached = attach(optimizer, CASES[name](), STEPS, EPOCH)
    if attached_first:
        optimizer.load_state_dict(pickle.loads(state))
    assert attached.step == 12
    assert loop(optimizer, attached, 8, first=12) == whole(name)[12:]


def test_a_state_saved_after_the_schedules_were_removed_resumes_too():
    before = sgd()
    with attach(before, CASES["plateau"](), STEPS, EPOCH) as attached:
        loop(before, attached, 12)
    optimizer = sgd()
    optimizer.load_state_dict(before.state_dict())
    attached = attach(optimizer, CASES["plateau"](), STEPS, EPOCH)
    assert loop(optimizer, attached, 8, first=12) == whole("plateau", (0.1,))[12:]


def test_going_back_to_an_earlier_state_in_mid_run():
    optimizer = sgd(0.1, 0.02)
    attached = attach(optimizer, CASES["torch"](), STEPS, EPOCH)
    loop(optimizer, attached, 4)
    state = pickle.dumps(optimizer.state_dict())
    loop(optimizer, attached, 10)
    optimizer.load_state_dict(pickle.loads(state))
    assert loop(optimizer, attached, 16, first=4) == whole("torch")[4:]


def test_the_state_loads_with_weights_only(tmp_path):
    optimizer = sgd()
    with attach(optimizer, CASES["torch, plateau"](), STEPS, EPOCH) as attached:
        loop(optimizer, attached, 12)
        torch.save(optimizer.state_dict(), tmp_path / "state")
    torch.load(tmp_path / "state", weights_only=True)


@pytest.mark.parametrize("name", ["one cycle, momentum", "plateau", "epochs"])
def test_under_fabric_it_is_the_same(name):
    fabric = Fabric(accelerator="cpu", devices=1)
    inner = sgd(0.1, 0.02)
    _, optimizer = fabric.setup(nn.Linear(2, 1), inner)
    with attach(optimizer, CASES[name](), STEPS, EPOCH) as attached:
        assert loop(optimizer, attached, STEPS) == whole(name)
        assert attached.step == STEPS


def test_a_step_that_a_scaler_skips_does_not_count():
    layer = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    with attach(optimizer, [CosineAnnealing()], 10) as attached:
        for broken in (False, True, False):
            optimizer.zero_grad()
            scaler.scale(layer(torch.ones(1, 2)).sum() * (float("inf") if broken else 1.0)).backward()
            scaler.step(optimizer)
            scaler.update()
        assert attached.step == 2


def test_several_optimizers_each_have_their_count():
    first, second = sgd(0.1), sgd(0.2)
    attached = attach([first, second], [StepDecay(2, gamma=0.5), Warmup(2, start_factor=0.5, optimizer=1)], STEPS)
    first.step()
    first.step()
    assert attached.lrs == [0.05, 0.1]
    assert attached.step == 0


def test_by_the_wall_clock(monkeypatch):
    optimizer = sgd()
    time = [100.0]
    monkeypatch.setattr("lr_callbacks.core.wall_clock.now", lambda: time[0])
    with attach(optimizer, [Warmup("2 min", start_factor=0.0)], max_time="4 min") as attached:
        for minute in (1, 2, 3):
            time[0] = 100.0 + 60 * minute
            optimizer.step()
            assert attached.lrs[0] == pytest.approx(min(0.1, 0.05 * minute))


def test_when_it_is_removed_the_lr_stays_and_momentum_is_given_back():
    optimizer = sgd()
    with attach(optimizer, [OneCycle()], STEPS) as attached:
        loop(optimizer, attached, 6)
        lr = optimizer.param_groups[0]["lr"]
        assert optimizer.param_groups[0]["momentum"] != 0.9
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]) == (lr, 0.9)
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] == lr
    again = attach(optimizer, [OneCycle()], STEPS)
    assert again.step == 6
    again.remove()
    again.remove()
    assert attach(optimizer, [StepDecay(5)], STEPS, resume=False).lrs == [0.1]


def test_what_other_code_writes_is_said():
    optimizer = sgd()
    with attach(optimizer, [CosineAnnealing()], STEPS):
        optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.5
        with pytest.warns(UserWarning, match="The LR of group 0 .* was changed from .* to 0.5 by other code"):
            optimizer.step()


def test_the_plan_is_logged(caplog):
    with caplog.at_level("INFO"):
        attach(sgd(), [Warmup("10%"), CosineAnnealing()], STEPS, EPOCH)
        assert "LR plan: 20 steps, 5 per epoch" in caplog.text
        caplog.clear()
        attach(sgd(), [Warmup("10%")], STEPS, plan=False)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, [OneCycle()]), "optimizer must be a torch optimizer, or a list of them"),
        ((sgd(), [LRMonitor()]), "callbacks must be a list of schedules .* other callbacks need a Trainer"),
        ((sgd(), [OneCycle()]), r"total_steps is not given .* attach\(\) was not given total_steps or steps_per_epoch"),
        ((sgd(), [Warmup("1 epoch")], 10), r"needs the length of an epoch.*Ways out: give steps_per_epoch=\.\.\."),
        ((sgd(), [OneCycle()], 0), "total_steps must be at least 1"),
        (
            (sgd(), [OneCycle(optimizer=1)], 5),
            r"optimizer=1 does not exist; attach\(\) was given 1 optimizer,",
        ),
        ((sgd(), [OneCycle(), SGDR("1 epoch"), CosineAnnealing()], 20, 5), " conflict in "),
        ((sgd(0.1, 0.2), [ReduceLROnPlateau("loss", min_lr=[0.1])], 20, 5), "min_lr has 1 value, but"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises((TypeError, ValueError, MisconfigurationException), match=message):
        attach(*arguments)


def test_one_optimizer_has_one_owner_and_a_schedule_one_optimizer():
    optimizer, schedule = sgd(), Warmup(3)
    attached = attach(optimizer, schedule, STEPS)
    with pytest.raises(MisconfigurationException, match="is driven by LR callbacks already"):
        attach(optimizer, [OneCycle()], STEPS)
    with pytest.raises(MisconfigurationException, match="drives an optimizer already; make another one"):
        attach(sgd(), schedule, STEPS)
    with pytest.raises(
        ValueError,
        match=r"monitor must be the metric of .* \(there is nothing\), .*; leave it out",
    ):
        attached.metric(1.0)
    attached.remove()
    attach(sgd(), schedule, STEPS).remove()


def test_an_attach_that_was_refused_leaves_the_optimizer_alone():
    optimizer = sgd()
    with pytest.raises(MisconfigurationException):
        attach(optimizer, [OneCycle(), CosineAnnealing()], STEPS)
    assert attach(optimizer, [OneCycle()], STEPS, resume=False).step == 0
