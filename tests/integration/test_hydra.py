"""Containers of configuration libraries: any sequence or mapping is taken where a list or dict is, and Hydra's own."""

from collections import UserDict, UserList

import pytest
import torch
from support import Net, fit, loader, sgd, trainer
from torch.optim import lr_scheduler

from lr_callbacks import (
    CosineAnnealing,
    LambdaFactor,
    MultiStepDecay,
    Piecewise,
    ReduceLROnPlateau,
    Restarts,
    Sequential,
    StepDecay,
    TorchScheduler,
    Warmup,
    attach,
    param_groups,
    preview,
)


def power(step, exponent=1.0):
    return 1 / (step + 1) ** exponent


def groups():
    return torch.optim.SGD([{"params": [torch.ones(1)], "name": name} for name in ("a", "b")], lr=0.1)


KINDS = {
    "milestones": lambda several: MultiStepDecay(several([2, "50%"])),
    "min_lr": lambda several: ReduceLROnPlateau("loss", min_lr=several([0.01, 0.02])),
    "options": lambda several: LambdaFactor(power, several({"exponent": 0.5})),
    "groups": lambda several: Warmup(3, groups=several([0, 1])),
    "points": lambda several: Piecewise(several([several([0, 1.0]), several([5, 0.5])]), several(["linear"])),
    "lengths": lambda several: Restarts(CosineAnnealing(), lengths=several([3, 4]), peaks=several([1.0, 0.5])),
    "schedules": lambda several: Sequential(several([Warmup(3), CosineAnnealing()]), several([3])),
    "torch": lambda several: TorchScheduler(lr_scheduler.MultiStepLR, milestones=several([2, 4])),
    "torch, several": lambda several: TorchScheduler(
        schedulers=several([lambda o: lr_scheduler.ConstantLR(o), lambda o: lr_scheduler.StepLR(o, 2)]),
        milestones=several([3]),
    ),
}  # fmt: skip


def other(value):
    """A sequence or mapping that is no list or dict."""
    return UserDict(value) if isinstance(value, dict) else UserList(value)


def as_tuple(value):
    return value if isinstance(value, dict) else tuple(value)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("several", [other, as_tuple])
def test_any_sequence_or_mapping_does_what_a_list_or_dict_does(name, several):
    expected = KINDS[name](lambda value: value)
    given = KINDS[name](several)
    metrics = [1.0] * 4
    lrs = [preview([each], [0.1, 0.2], 20, 5, metrics=metrics).tolist() for each in (given, expected)]
    assert lrs[0] == lrs[1]
    if name not in ("torch, several", "schedules"):  # lambdas and schedules are shown by their names alone
        assert str(list(given.arguments())) == str(list(expected.arguments()))


def test_functions_take_them_too():
    assert (
        preview(UserList([Warmup(2)]), UserList([0.1, 0.2]), 3).tolist() == preview([Warmup(2)], [0.1, 0.2], 3).tolist()
    )
    assert preview([Warmup(2)], UserDict(a=0.1), 3).shape == (3, 1)
    assert attach(UserList([groups()]), UserList([StepDecay(2)]), 3).lrs == [0.1, 0.1]
    net = torch.nn.Sequential(torch.nn.Linear(2, 2))
    assert len(param_groups(net, layer_decay=0.5, no_decay=UserList(["0.*"]), layers=UserList(["0.*"]))) == 1


@pytest.mark.parametrize("wrong", ["ab", 3, {"a": 1}])
def test_what_is_none_is_still_refused(wrong):
    with pytest.raises((TypeError, ValueError), match="milestones must be a list"):
        MultiStepDecay(wrong)


# ---------------------------------------------------------------------- Hydra itself
CONFIG = """
trainer:
  _target_: lightning.pytorch.Trainer
  max_epochs: 2
  logger: false
  enable_checkpointing: false
  enable_progress_bar: false
  enable_model_summary: false
  accelerator: cpu
callbacks:
  warmup: {_target_: lr_callbacks.Warmup, duration: 10%, groups: [0, 1]}
  steps: {_target_: lr_callbacks.MultiStepDecay, milestones: [50%, "1.5 epochs"], gamma: 0.5}
  plateau: {_target_: lr_callbacks.ReduceLROnPlateau, monitor: train_loss, patience: 1, min_lr: [0.001, 0.002]}
  torch:
    _target_: lr_callbacks.TorchScheduler
    scheduler: {_target_: torch.optim.lr_scheduler.MultiStepLR, _partial_: true, milestones: [15]}
"""


@pytest.mark.parametrize("convert", ["none", "partial", "all"])
def test_a_hydra_configuration_trains(convert):
    hydra_utils = pytest.importorskip("hydra.utils")
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create(CONFIG)
    callbacks = [hydra_utils.instantiate(each, _convert_=convert) for each in config.callbacks.values()]
    run = hydra_utils.instantiate(config.trainer, callbacks=callbacks, _convert_=convert)
    lrs = []
    module = Net(sgd((0.1, 0.02)))
    module.on_before_optimizer_step = lambda optimizer: lrs.append([group["lr"] for group in optimizer.param_groups])
    run.fit(module, loader(10))
    ours = [
        Warmup("10%", groups=[0, 1]),
        MultiStepDecay(["50%", "1.5 epochs"], gamma=0.5),
        ReduceLROnPlateau("train_loss", patience=1, min_lr=[0.001, 0.002]),
        TorchScheduler(lr_scheduler.MultiStepLR, milestones=[15]),
    ]
    torch.manual_seed(0)
    assert lrs == fit(*ours, module=Net(sgd((0.1, 0.02))), max_epochs=2).lrs[0]


def test_a_checkpoint_of_a_hydra_run_loads_with_weights_only(tmp_path):
    omegaconf = pytest.importorskip("omegaconf")
    milestones = omegaconf.OmegaConf.create([3, 5])
    run = trainer(MultiStepDecay(milestones), TorchScheduler("MultiStepLR", milestones=milestones), max_epochs=1)
    run.fit(Net(), loader(6))
    run.save_checkpoint(tmp_path / "last.ckpt")
    torch.load(tmp_path / "last.ckpt", weights_only=True)
