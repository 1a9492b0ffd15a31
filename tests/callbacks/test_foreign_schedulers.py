"""Schedulers of other packages through TorchScheduler: what they move besides the LR, and how they resume."""

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, Recorder, adamw, fit, sgd
from torch.optim import lr_scheduler

from lr_callbacks import LRRangeTest, OneCycle, StepDecay, TorchScheduler, Warmup, preview

STEPS = 10


def saver(folder):
    return ModelCheckpoint(folder, "{step}", every_n_train_steps=4, save_top_k=-1)


def whole_and_rest(folder, make, module):
    """The LRs of a whole run from step 4 on, and those of one that is resumed there."""
    whole = fit(make(), saver(folder), module=module(), val=True, batches=5, max_epochs=2, enable_checkpointing=True)
    rest = fit(make(), module=module(), val=True, batches=5, max_epochs=2, ckpt_path=folder / "step=4.ckpt")
    return whole, rest


# ---------------------------------------------------------------------- by name
def test_a_scheduler_of_torchs_by_its_name():
    seen = fit(TorchScheduler("CosineAnnealingLR", T_max=10))
    assert seen.lrs == fit(TorchScheduler(lr_scheduler.CosineAnnealingLR, T_max=10)).lrs


# ---------------------------------------------------------------------- one that restores the LR by itself
class Raises:
    """Writes the LR in its own load_state_dict, as transformers' GreedyLR and Megatron's scheduler do."""

    def __init__(self, optimizer):
        self.optimizer, self.last_lr = optimizer, [group["lr"] for group in optimizer.param_groups]

    def step(self):
        for group in self.optimizer.param_groups:
            group["lr"] *= 1.5
        self.last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self):
        return {"last_lr": self.last_lr}

    def load_state_dict(self, state):
        self.last_lr = state["last_lr"]
        for group, lr in zip(self.optimizer.param_groups, self.last_lr, strict=True):
            group["lr"] = lr


def test_a_scheduler_that_writes_the_lr_when_its_state_is_loaded_resumes_exactly(tmp_path):
    whole, rest = whole_and_rest(tmp_path, lambda: TorchScheduler(Raises), Net)
    assert rest.lrs[0] == whole.lrs[0][4:]


# ---------------------------------------------------------------------- what it moves besides the LR
class MovesAll:
    """Moves momentum (or both betas) and weight decay, from its third step on."""

    def __init__(self, optimizer):
        self.optimizer, self.count = optimizer, 0

    def step(self):
        self.count += 1
        for group in self.optimizer.param_groups if self.count >= 3 else ():
            group["weight_decay"] += 0.1
            if "betas" in group:
                group["betas"] = (group["betas"][0] * 0.5, group["betas"][1] * 0.9)
            else:
                group["momentum"] *= 0.5


class Watch(Recorder):
    """Writes down all that a step used."""

    def _recording(self, index):
        self.used = []

        def record(optimizer, args, kwargs):
            group = optimizer.param_groups[0]
            self.used.append((group.get("momentum", group.get("betas")), group["weight_decay"]))

        return record


def native_values(optimizer):
    scheduler, used = MovesAll(optimizer), []
    group = optimizer.param_groups[0]
    for _ in range(STEPS):
        used.append((group.get("momentum", group.get("betas")), group["weight_decay"]))
        optimizer.step()
        scheduler.step()
    return used


@pytest.mark.parametrize("make", [sgd, adamw])
def test_momentum_betas_and_weight_decay_are_followed_and_given_back(make, caplog):
    module, watch = Net(make((0.1, 0.02), weight_decay=0.01)), Watch()
    with caplog.at_level("INFO"):
        fit(TorchScheduler(MovesAll), watch, module=module)
    expected = native_values(make((0.1,), weight_decay=0.01)([torch.nn.Linear(1, 1)]))
    for (ours, decay), (theirs, native_decay) in zip(watch.used, expected, strict=True):
        assert ours == pytest.approx(theirs)
        assert decay == pytest.approx(native_decay)
    group = module.trainer.optimizers[0].param_groups[0]
    assert (group.get("momentum", group.get("betas")), group["weight_decay"]) == expected[0]
    assert "too, which is followed from step 3 and restored at the end" in caplog.text


@pytest.mark.parametrize("make", [sgd, adamw])
def test_they_resume_exactly(make, tmp_path):
    def module():
        return Net(make((0.1, 0.02), weight_decay=0.01))

    whole, rest = Watch(), Watch()
    fit(TorchScheduler(MovesAll), whole, saver(tmp_path), module=module(), enable_checkpointing=True)
    fit(TorchScheduler(MovesAll), rest, module=module(), ckpt_path=tmp_path / "step=4.ckpt")
    assert rest.used == whole.used[4:]


def test_two_owners_of_what_it_moves_are_refused_when_it_does():
    with pytest.raises(MisconfigurationException, match=r"conflict in group 0 .* sets the weight_decay"):
        fit(TorchScheduler(MovesAll), StepDecay(3, param="weight_decay"), module=Net(sgd(weight_decay=0.1)))


# ---------------------------------------------------------------------- absolute LRs where the LR is 0
@pytest.mark.parametrize("start", [None, 3])
def test_absolute_lrs_for_an_optimizer_that_is_configured_with_0_are_refused(start):
    cyclic = TorchScheduler(lr_scheduler.CyclicLR, base_lr=0.01, max_lr=0.1, start=start)
    with pytest.raises(MisconfigurationException, match=r"CyclicLR sets the LR of group 0 to 0.01, .* LRs above 0"):
        fit(cyclic, module=Net(sgd((0.0,))))
    assert fit(TorchScheduler("StepLR", step_size=3), module=Net(sgd((0.0, 0.1)))).lrs[0][9] == [
        0.0,
        pytest.approx(1e-4),
    ]


# ---------------------------------------------------------------------- schedulers that look at the defaults
class Ends:
    """Ends at an absolute LR, which it takes as a share of ``optimizer.defaults["lr"]``, as transformers' do."""

    def __new__(cls, optimizer, lr_end=0.01):
        share = lr_end / optimizer.defaults["lr"]
        return lr_scheduler.LambdaLR(optimizer, lambda step: 1 - (1 - share) * min(step / (STEPS - 1), 1))


def test_the_defaults_are_those_of_the_real_optimizer():
    assert fit(TorchScheduler(Ends), module=Net(sgd((0.5,)))).of_group()[-1] == pytest.approx(0.01)
    assert preview([TorchScheduler(Ends)], 0.5, total_steps=STEPS)[-1, 0].item() == pytest.approx(0.01)


def test_the_defaults_follow_an_lr_that_was_found():
    test = LRRangeTest(num_steps=20, max_lr=1.0)
    seen = fit(test, TorchScheduler(Ends), module=Net(sgd((0.5,))))
    assert seen.of_group()[0] == pytest.approx(test.result.suggestion)
    assert seen.of_group()[-1] == pytest.approx(0.01)


# ---------------------------------------------------------------------- transformers
WARM = {"num_warmup_steps": 2}
RUN = {**WARM, "num_training_steps": STEPS}
TRANSFORMERS = {
    "get_constant_schedule": {},
    "get_constant_schedule_with_warmup": WARM,
    "get_linear_schedule_with_warmup": RUN,
    "get_cosine_schedule_with_warmup": RUN,
    "get_cosine_with_hard_restarts_schedule_with_warmup": {**RUN, "num_cycles": 2},
    "get_polynomial_decay_schedule_with_warmup": RUN,
    "get_inverse_sqrt_schedule": WARM,
    "get_cosine_with_min_lr_schedule_with_warmup": {**RUN, "min_lr": 0.01},
    "get_cosine_with_min_lr_schedule_with_warmup_lr_rate": {**RUN, "min_lr": 0.01},
    "get_wsd_schedule": {**WARM, "num_decay_steps": 3, "num_stable_steps": 5},
}
METRIC = {"get_reduce_on_plateau_schedule": {"patience": 0}, "get_greedy_schedule": {"patience": 0, "min_lr": 1e-6}}


def of_transformers(name):
    return getattr(pytest.importorskip("transformers.optimization", exc_type=Exception), name)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_schedule_of_transformers_is_the_same_and_resumes_exactly(name, tmp_path):
    make, arguments = of_transformers(name), TRANSFORMERS[name]
    optimizer = adamw((0.3,))([torch.nn.Linear(1, 1)])
    scheduler, native = make(optimizer, **arguments), []
    for _ in range(STEPS):
        native.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    whole, rest = whole_and_rest(tmp_path, lambda: TorchScheduler(make, **arguments), lambda: Net(adamw((0.3,))))
    assert whole.of_group() == pytest.approx(native, rel=1e-12)
    assert rest.lrs[0] == whole.lrs[0][4:]


@pytest.mark.parametrize("name", METRIC)
def test_a_schedule_of_transformers_that_takes_a_metric_is_the_same_and_resumes_exactly(name, tmp_path):
    make, arguments, metrics = of_transformers(name), METRIC[name], [5.0, 4.0, 3.0, 3.0, 3.0, 2.0]

    def callback():
        return TorchScheduler(make, monitor="scripted", **arguments)

    def run(*callbacks, ckpt_path=None):
        module = Net(adamw((0.3,)), metrics)
        return fit(*callbacks, module=module, val=True, batches=2, max_epochs=6, ckpt_path=ckpt_path,
                   enable_checkpointing=ckpt_path is None)  # fmt: skip

    optimizer = adamw((0.3,))([torch.nn.Linear(1, 1)])
    scheduler, native = make(optimizer, **arguments), []
    for metric in metrics:
        native += [optimizer.param_groups[0]["lr"]] * 2
        optimizer.step()
        scheduler.step(metric)
    whole = run(callback(), saver(tmp_path))
    assert whole.of_group() == pytest.approx(native, rel=1e-12)
    assert len(set(native)) > 1
    rest = run(callback(), ckpt_path=tmp_path / "step=8.ckpt")
    assert rest.lrs[0] == whole.lrs[0][8:]


def test_a_scheduler_that_needs_a_metric_asks_for_its_name():
    class Needs:
        def __init__(self, optimizer):
            self.optimizer = optimizer

        def step(self, metrics):
            raise AssertionError

    with pytest.raises(MisconfigurationException, match="Needs needs the name of a logged metric: write monitor="):
        fit(TorchScheduler(Needs))


def test_it_multiplies_with_our_own():
    warm = preview([Warmup(4), TorchScheduler("StepLR", step_size=2)], 0.1, total_steps=8)[:, 0].tolist()
    assert fit(Warmup(4), TorchScheduler("StepLR", step_size=2), batches=8).of_group() == pytest.approx(warm)
    with pytest.raises(MisconfigurationException, match=" conflict in "):
        fit(OneCycle(), TorchScheduler("OneCycleLR", max_lr=0.1, total_steps=10))
