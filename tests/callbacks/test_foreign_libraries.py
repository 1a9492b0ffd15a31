"""Schedulers of timm and mmengine through TorchScheduler: the same values, and exact over a resume."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from support import Net, fit, sgd

from lr_callbacks import TorchScheduler, Warmup

STEPS, LRS = 12, (0.1, 0.02)
WARM = {"warmup_t": 3, "warmup_lr_init": 1e-3}
TIMM: dict[str, dict[str, Any]] = {
    "CosineLRScheduler": {"t_initial": 5, "lr_min": 1e-3, "cycle_mul": 2, "cycle_decay": 0.5, "cycle_limit": 2},
    "TanhLRScheduler": {"t_initial": 10, "lr_min": 1e-3},
    "PolyLRScheduler": {"t_initial": 10, "power": 0.5, "k_decay": 2.0},
    "StepLRScheduler": {"decay_t": 3, "decay_rate": 0.5},
    "MultiStepLRScheduler": {"decay_t": [3, 8], "decay_rate": 0.5},
    "WSDLRScheduler": {"t_initial": 9, "decay_t": 4},
}
MMENGINE: dict[str, dict[str, Any]] = {
    "ConstantLR": {"factor": 0.5, "end": 5},
    "CosineAnnealingLR": {"T_max": 6, "eta_min": 1e-3, "begin": 4, "end": 10},
    "CosineRestartLR": {"periods": [4, 6], "restart_weights": [1, 0.5], "eta_min": 1e-3},
    "ExponentialLR": {"gamma": 0.9, "begin": 2, "end": 8},
    "LinearLR": {"start_factor": 0.5, "end": 5},
    "MultiStepLR": {"milestones": [3, 8], "gamma": 0.5},
    "OneCycleLR": {"eta_max": 0.1, "total_steps": 14},
    "PolyLR": {"power": 0.9, "eta_min": 1e-3, "end": 9},
    "StepLR": {"step_size": 3, "gamma": 0.5},
}


def found(library: str, name: str) -> Any:
    return getattr(pytest.importorskip(library, exc_type=Exception), name)


def whole_and_rest(folder: Any, make: Any) -> tuple[Any, Any]:
    """What every step of a whole run saw, and what those of one that is resumed at step 5 saw."""
    saver = ModelCheckpoint(folder, "{step}", every_n_train_steps=5, save_top_k=-1)
    common = {"batches": 6, "max_epochs": 2}
    whole = fit(*make(), saver, module=Net(sgd(LRS)), enable_checkpointing=True, **common)
    rest = fit(*make(), module=Net(sgd(LRS)), ckpt_path=folder / "step=5.ckpt", **common)
    return whole, rest


def beside(make: Any, step: Any) -> list[list[float]]:
    """The LRs of a scheduler that is stepped by hand, after each step of an optimizer."""
    optimizer = sgd(LRS)([torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)])
    scheduler, seen = make(optimizer), []
    for count in range(1, STEPS + 1):
        seen.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        step(scheduler, count)
    return seen


@pytest.mark.parametrize("warm", [False, True], ids=["plain", "warm-up"])
@pytest.mark.parametrize("name", TIMM)
def test_a_scheduler_of_timm_is_the_same_and_resumes_exactly(name, warm, tmp_path):
    make = found("timm.scheduler", name)
    arguments = {**TIMM[name], **(WARM if warm or name.startswith("WSD") else {}), "t_in_epochs": False}
    whole, rest = whole_and_rest(tmp_path, lambda: [TorchScheduler(make, **arguments)])
    native = beside(lambda optimizer: make(optimizer, **arguments), lambda scheduler, n: scheduler.step_update(n))
    assert [lr for lrs in whole.lrs[0] for lr in lrs] == pytest.approx([lr for lrs in native for lr in lrs], rel=1e-12)
    assert rest.lrs[0] == whole.lrs[0][5:]
    assert len({lrs[0] for lrs in native}) > 2


@pytest.mark.parametrize("name", MMENGINE)
def test_a_scheduler_of_mmengine_is_the_same_and_resumes_exactly(name, tmp_path):
    make, arguments = found("mmengine.optim.scheduler", name), MMENGINE[name]
    whole, rest = whole_and_rest(tmp_path, lambda: [TorchScheduler(make, **arguments)])
    native = beside(lambda optimizer: make(optimizer, **arguments), lambda scheduler, n: scheduler.step())
    assert [lr for lrs in whole.lrs[0] for lr in lrs] == pytest.approx([lr for lrs in native for lr in lrs], rel=1e-12)
    assert rest.lrs[0] == whole.lrs[0][5:]
    assert len({lrs[0] for lrs in native}) > 1


def test_a_scheduler_of_mmengine_multiplies_with_a_warm_up_of_ours(tmp_path):
    make = found("mmengine.optim.scheduler", "StepLR")
    whole, rest = whole_and_rest(tmp_path, lambda: [Warmup(4, start_factor=0.0), TorchScheduler(make, step_size=3)])
    expected = [0.1 * min(1, t / 4) * 0.1 ** (max(t - 4, 0) // 3) for t in range(STEPS)]
    assert whole.of_group() == pytest.approx(expected, rel=1e-12)
    assert rest.lrs[0] == whole.lrs[0][5:]


PLATEAUS = {
    "timm.scheduler": ("PlateauLRScheduler", {"patience_t": 0, "decay_rate": 0.5, "mode": "min"}),
    "mmengine.optim.scheduler": ("ReduceOnPlateauLR", {"patience": 0, "factor": 0.5}),
}


@pytest.mark.filterwarnings("ignore:PlateauLRScheduler is deprecated:FutureWarning")
@pytest.mark.parametrize("library", PLATEAUS)
def test_a_plateau_of_another_library_reduces(library):
    name, arguments = PLATEAUS[library]
    callback = TorchScheduler(found(library, name), monitor="scripted", **arguments)
    module = Net(sgd((0.1,)), [3.0, 2.0, 2.0, 2.0])
    seen = fit(callback, module=module, val=True, batches=2, max_epochs=4).of_group()
    assert seen == pytest.approx([0.1] * 6 + [0.05] * 2)


class WithAMonitor:
    """Reads its metric from a dict, as mmengine's does."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer, self.monitor, self.seen = optimizer, "loss", []

    def step(self, metrics: Any = None) -> None:
        self.seen.append(metrics["loss"])
        for group in self.optimizer.param_groups:
            group["lr"] = 0.1 / (1 + len(self.seen))

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


def test_a_scheduler_that_reads_its_metric_from_a_dict_gets_one():
    callback = TorchScheduler(WithAMonitor, monitor="scripted")
    seen = fit(callback, module=Net(sgd((0.1,)), [3.0, 2.0]), val=True, batches=1, max_epochs=2).of_group()
    assert seen == pytest.approx([0.1, 0.05])
