"""What an accelerator asks of us; ``pytest tests/test_on_a_gpu.py`` on a machine with a CUDA device proves it.

Each test also runs on the CPU, by the same code, as far as there is anything to see there: what cannot be seen is
whether the host waits for the device, and a captured CUDA graph.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.plugins.precision import MixedPrecision
from support import Net, fit, loader, trainer
from torch import nn
from torch.optim import Optimizer, lr_scheduler

import lr_callbacks as lc
from lr_callbacks.range_test.call import lr_range_test

NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=NEEDS_CUDA)]
BATCHES = 12

CALLBACKS: dict[str, Callable[[], list[Any]]] = {
    "Warmup": lambda: [lc.Warmup(5)],
    "OneCycle": lambda: [lc.OneCycle()],
    "OneCycle, linear": lambda: [lc.OneCycle(anneal_strategy="linear")],
    "SGDR": lambda: [lc.SGDR(4, eta_min=1e-3)],
    "ReduceLROnPlateau": lambda: [lc.ReduceLROnPlateau("train_loss", min_lr=1e-3)],
    "StepDecay": lambda: [lc.StepDecay(2)],
    "MultiStepDecay": lambda: [lc.MultiStepDecay([2, 5])],
    "ExponentialDecay": lambda: [lc.ExponentialDecay(gamma=0.9)],
    "PolynomialDecay": lambda: [lc.PolynomialDecay(end_lr=1e-3)],
    "LinearDecay": lambda: [lc.LinearDecay()],
    "ConstantFactor": lambda: [lc.ConstantFactor(4)],
    "CosineAnnealing": lambda: [lc.CosineAnnealing(eta_min=1e-3)],
    "CyclicalLR": lambda: [lc.CyclicalLR(base_lr=0.001, step_size_up=3)],
    "InverseSqrt": lambda: [lc.InverseSqrt(timescale=3)],
    "WarmupStableDecay": lambda: [lc.WarmupStableDecay(2, 4)],
    "Rex": lambda: [lc.Rex()],
    "LambdaFactor": lambda: [lc.LambdaFactor("lr_callbacks.schedules.rex_factor", {"total_steps": 12})],
    "TorchScheduler": lambda: [lc.TorchScheduler(lr_scheduler.ExponentialLR, gamma=0.9)],
    "by the wall clock": lambda: [lc.Warmup("1 h")],
    "Warmup x SGDR x plateau": lambda: [lc.Warmup(5), lc.SGDR(4, eta_min=1e-3), lc.ReduceLROnPlateau("train_loss")],
    "Warmup, shown in the bar": lambda: [lc.Warmup(5), lc.LRMonitor(prog_bar=True)],
}


def on(device: str) -> dict[str, Any]:
    return {"accelerator": "gpu" if device == "cuda" else "cpu", "devices": 1}


def parameters(parts: list[nn.Module]) -> list[nn.Parameter]:
    return [parameter for part in parts for parameter in part.parameters()]


def float_lrs(parts: list[nn.Module]) -> Optimizer:
    """Two groups of different base LRs."""
    groups = [{"params": list(part.parameters()), "lr": lr} for part, lr in zip(parts, (0.1, 0.02), strict=True)]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def tensor_lrs(parts: list[nn.Module]) -> Optimizer:
    """Two groups whose LRs are tensors on the device of the parameters, as a captured optimizer has them."""
    device = parameters(parts)[0].device
    groups = [
        {"params": list(part.parameters()), "lr": torch.tensor(lr, device=device)}
        for part, lr in zip(parts, (0.1, 0.02), strict=True)
    ]
    return torch.optim.Adam(groups, lr=0.1, capturable=device.type == "cuda", foreach=device.type == "cuda")


class Quiet(Net):
    """Logs in its first step only, for what Lightning logs it may read from the device; refuses to wait after that.

    The first batches may wait: the state of the optimizer and the libraries are made there.
    """

    def __init__(self, optimizer: Any) -> None:
        super().__init__(optimizer)
        self.watched: list[int] = []

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = (self(batch[0]) - batch[1]).square().mean()
        if batch_idx == 0:
            self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if 3 <= batch_idx < BATCHES - 1:
            watch("error")
            self.watched.append(batch_idx)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        watch("default")


class WatchesOurs(Callback):
    """Stands first: the module's own hook comes after the callbacks', which may wait no more than it."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if 3 <= batch_idx < BATCHES - 1:
            watch("error")


def watch(mode: str) -> None:
    if torch.cuda.is_available():
        torch.cuda.set_sync_debug_mode(mode)


@pytest.fixture(autouse=True)
def _not_watched_any_more() -> Iterator[None]:
    yield
    watch("default")
    torch.compiler.reset()


def lrs_of(module: Net) -> list[torch.Tensor]:
    return [group["lr"] for group in module.trainer.optimizers[0].param_groups]


@NEEDS_CUDA
def test_a_wait_for_the_device_would_be_seen():
    class Waits(Quiet):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            loss = super().training_step(batch, batch_idx)
            loss.item()
            return loss

    with pytest.raises(RuntimeError, match="synchroniz"):
        fit(lc.Warmup(5), module=Waits(float_lrs), batches=BATCHES, **on("cuda"))


@pytest.mark.parametrize("make", [float_lrs, tensor_lrs])
@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize("device", DEVICES)
def test_no_step_waits_for_the_device(device, name, make):
    module = Quiet(make)
    limit = {"max_time": "00:01:00:00"} if name == "by the wall clock" else {}
    run = trainer(WatchesOurs(), *CALLBACKS[name](), max_epochs=1, **on(device), **limit)
    run.fit(module, loader(BATCHES))
    assert module.watched == list(range(3, BATCHES - 1))
    assert run.global_step == BATCHES


@pytest.mark.parametrize("name", [name for name in CALLBACKS if name != "by the wall clock"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_tensor_lr_stays_the_same_tensor_on_its_device_and_moves_as_a_float_does(device, name):
    seen: dict[str, list[Any]] = {"lrs": [], "pointers": [], "floats": []}

    class Looks(Net):
        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            lrs = lrs_of(self)
            if isinstance(lrs[0], torch.Tensor):
                assert {lr.device.type for lr in lrs} == {device}
                seen["pointers"].append([lr.data_ptr() for lr in lrs])
                seen["lrs"].append([lr.item() for lr in lrs])
            else:
                seen["floats"].append(lrs)

    def momentum_adam(parts: list[nn.Module]) -> Optimizer:
        groups = [{"params": list(part.parameters()), "lr": lr} for part, lr in zip(parts, (0.1, 0.02), strict=True)]
        return torch.optim.Adam(groups)

    for make in (tensor_lrs, momentum_adam):
        fit(*CALLBACKS[name](), module=Looks(make), batches=BATCHES, **on(device))
    assert len(seen["lrs"]) == len(seen["floats"]) == BATCHES
    assert seen["pointers"] == [seen["pointers"][0]] * BATCHES
    for held, expected in zip(seen["lrs"], seen["floats"], strict=True):
        assert held == pytest.approx(expected, rel=1e-6)


WATCHED: list[bool] = []
"""Of which steps of a sweep no waiting was allowed; in a module, where the range test does not put it back."""


@pytest.mark.parametrize("judge", ["probe", "training"])
@pytest.mark.parametrize("make", [float_lrs, tensor_lrs])
@pytest.mark.parametrize("device", DEVICES)
def test_the_loop_of_a_range_test_waits_only_where_it_reads_the_losses(device, make, judge):
    """It reads them every ten steps; between the second and the ninth of each ten nothing may wait."""
    WATCHED.clear()

    class Swept(Quiet):
        steps = 0

        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            place = self.steps % 10
            self.steps += 1
            watch("error" if self.steps > 10 and 1 <= place < 9 else "default")
            WATCHED.append(self.steps > 10 and 1 <= place < 9)

        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            """The probe comes after this, and must not wait either."""

    test = lc.LRRangeTest(min_lr=1e-6, max_lr=1e-3, num_steps=30, judge=judge, probe_samples=4)
    result = lr_range_test(
        trainer(max_epochs=1, **on(device)), Swept(make), train_dataloaders=loader(40), test=test, verbose=False
    )
    assert len(result.lrs) >= 29
    assert sum(WATCHED) >= 16


@pytest.mark.parametrize("name", ["Warmup", "OneCycle", "OneCycle, linear", "SGDR", "Warmup x SGDR x plateau"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_compiled_optimizer_follows_the_lr_without_being_compiled_anew(device, name):
    """As often with a schedule as without, and the weights are those of the optimizer that is not compiled."""
    from torch._dynamo.testing import CompileCounter

    def compiled(counter: Any) -> Callable[[list[nn.Module]], Optimizer]:
        def make(parts: list[nn.Module]) -> Optimizer:
            lr = torch.tensor(0.1, device=parameters(parts)[0].device)
            optimizer = torch.optim.SGD(parameters(parts), lr=lr, foreach=False)
            if counter is not None:
                step = torch.compile(optimizer.step, backend=counter, dynamic=False)
                optimizer.step = lambda closure=None: (closure() if closure else None, step())[0]  # type: ignore[method-assign]
            return optimizer

        return make

    frames, weights = [], []
    for callbacks, counter in (
        ([], CompileCounter()),
        (CALLBACKS[name](), CompileCounter()),
        (CALLBACKS[name](), None),
    ):
        torch.compiler.reset()
        module = Net(compiled(counter))
        torch.manual_seed(1)
        for parameter in module.parameters():
            nn.init.normal_(parameter)
        fit(*callbacks, module=module, batches=BATCHES, **on(device))
        frames.append(None if counter is None else counter.frame_count)
        weights.append(torch.cat([parameter.detach().cpu().flatten() for parameter in module.parameters()]))
    assert frames[0] == frames[1]
    assert frames[1] >= 1
    assert torch.allclose(weights[1], weights[2], rtol=1e-5, atol=1e-7)
    assert not torch.allclose(weights[0], weights[1], rtol=1e-3)


class Captured(torch.optim.Adam):
    """Adam whose step is replayed from a CUDA graph; on the CPU it is run as it is."""

    graph: Any = None
    taken = 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        with torch.enable_grad():
            loss = None if closure is None else closure()
        self.taken += 1
        if self.graph is not None:
            self.graph.replay()
        elif self.taken == 3 and self.param_groups[0]["params"][0].is_cuda:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                inspect.unwrap(torch.optim.Adam.step)(self)
            self.graph.replay()
        else:
            inspect.unwrap(torch.optim.Adam.step)(self)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """The graph reads the gradients where they were."""
        super().zero_grad(set_to_none=False)


@pytest.mark.parametrize("name", ["Warmup", "OneCycle, linear", "SGDR", "Warmup x SGDR x plateau"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_captured_optimizer_follows_the_lr(device, name):
    """The weights are those of the optimizer that is not captured, so each replay has used the LR of its step."""
    if name.startswith("OneCycle"):
        callbacks = [lc.OneCycle(anneal_strategy="linear", cycle_momentum=False)]  # a float beta is captured for good
    else:
        callbacks = CALLBACKS[name]()
    weights, graphs = [], []
    for kind in (Captured, torch.optim.Adam):

        def make(parts: list[nn.Module], kind: Any = kind) -> Optimizer:
            device = parameters(parts)[0].device
            lr = torch.tensor(0.1, device=device)
            return kind(parameters(parts), lr=lr, capturable=device.type == "cuda", foreach=device.type == "cuda")

        module = Net(make)
        torch.manual_seed(1)
        for parameter in module.parameters():
            nn.init.normal_(parameter)
        run = trainer(*callbacks, max_epochs=1, **on(device))
        run.fit(module, loader(BATCHES))
        graphs.append(getattr(run.optimizers[0], "graph", None))
        weights.append(torch.cat([parameter.detach().cpu().flatten() for parameter in module.parameters()]))
    assert (graphs[0] is not None) == (device == "cuda")
    assert torch.allclose(weights[0], weights[1], rtol=1e-4, atol=1e-6)


class Overflows(Net):
    """Its loss is infinite in some batches, so that the scaler skips their steps."""

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = super().training_step(batch, batch_idx)
        return loss * float("inf") if batch_idx in (2, 3, 6) else loss


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("device", DEVICES)
def test_steps_that_fp16_skips_do_not_advance_the_schedule(device, kind, fused):
    scaler = torch.amp.GradScaler(device, init_scale=2.0, growth_interval=10**6)
    precision = MixedPrecision("16-mixed", device, scaler=scaler)
    held = []

    class Notes(Overflows):
        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            held.append(float(lrs_of(self)[0]))

    def make(parts: list[nn.Module]) -> Optimizer:
        return kind(parameters(parts), lr=0.1, fused=fused)

    fit(lc.Warmup(100, start_factor=0.0), module=Notes(make), batches=10, plugins=[precision], **on(device))
    steps = [1, 2, 2, 2, 3, 4, 4, 5, 6, 7]
    assert held == pytest.approx([0.1 * step / 100 for step in steps], rel=1e-9)


@pytest.mark.parametrize("lr", [0.1, "tensor"])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("device", DEVICES)
def test_a_fused_optimizer_uses_the_lr_that_the_schedule_gives(device, kind, lr):
    """The weights are those of the optimizer that is not fused."""
    weights = []
    for fused in (True, False):

        def make(parts: list[nn.Module], fused: bool = fused) -> Optimizer:
            given = torch.tensor(0.1, device=parameters(parts)[0].device) if lr == "tensor" else lr
            return kind(parameters(parts), lr=given, fused=fused, foreach=False)

        module = Net(make)
        torch.manual_seed(1)
        for parameter in module.parameters():
            nn.init.normal_(parameter)
        fit(lc.SGDR(4, eta_min=1e-3), module=module, batches=BATCHES, **on(device))
        weights.append(torch.cat([parameter.detach().cpu().flatten() for parameter in module.parameters()]))
    assert torch.allclose(weights[0], weights[1], rtol=1e-4, atol=1e-6)
