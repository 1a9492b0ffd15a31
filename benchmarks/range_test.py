"""What a range test costs, beside a plain fit, a bare loop and Lightning's own finder, in one run on one machine.

    python benchmarks/range_test.py [--repeats 5] [--steps 100] [--batches 16,64,256] [--widths 16,500,2000]

Every figure is the best of several repeats, which are taken in turn. A sweep that ends early is scaled up to all its
steps; that is the range test in a fit, without the fit's own start-up. The plain fit has the same number of steps, its
start-up included. The bound is ``range test <= 1.3 * plain fit``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.tuner import Tuner
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lr_callbacks.range_test.callback import LRRangeTest

FEATURES, BOUND = 64, 1.3


class MLP(LightningModule):
    """Two hidden layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lr = 0.01
        self.net = nn.Sequential(
            nn.Linear(FEATURES, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
        )

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = nn.functional.cross_entropy(self.net(x), y)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def data(steps: int, batch: int) -> DataLoader:
    x = torch.randn(batch * steps, FEATURES)
    return DataLoader(TensorDataset(x, x[:, :10].argmax(1)), batch_size=batch, shuffle=True)


def trainer(steps: int, *callbacks) -> Trainer:
    return Trainer(
        accelerator="cpu",
        max_steps=steps,
        max_epochs=-1,
        logger=False,
        callbacks=list(callbacks),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tempfile.gettempdir(),
    )


class OneTest(LRRangeTest):
    """Notes how long the test itself took, within a fit."""

    seconds = 0.0

    def on_fit_start(self, trainer, pl_module):
        begin = time.perf_counter()
        super().on_fit_start(trainer, pl_module)
        self.seconds = time.perf_counter() - begin


def timed(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure(width: int, batch: int, steps: int) -> dict[str, float]:
    loader = data(steps, batch)
    test = OneTest(num_steps=steps, apply=False, widen=False)

    def bare() -> None:
        net = MLP(width).net
        optimizer = torch.optim.Adam(net.parameters())
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()

    def lr_find() -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            Tuner(trainer(steps)).lr_find(MLP(width), loader, num_training=steps, early_stop_threshold=None)

    times = {
        "bare loop": timed(bare),
        "plain fit": timed(lambda: trainer(steps).fit(MLP(width), loader)),
        "lr_find": timed(lr_find),
    }
    trainer(1, test).fit(MLP(width), loader)
    assert test.result is not None
    times["range test"] = test.seconds * steps / len(test.result.lrs)
    return times


def memory(width: int) -> tuple[int, int]:
    """Bytes of weights, buffers and optimizer state; bytes of the snapshot that the test takes of them."""
    from lr_callbacks.range_test.state_snapshot import StateSnapshot

    module = MLP(width)
    optimizer = torch.optim.Adam(module.parameters())
    module.training_step = lambda batch, index: None
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    state = [value for entry in optimizer.state.values() for value in entry.values()]
    held = sum(t.numel() * t.element_size() for t in [*module.parameters(), *state])
    copied = 0
    clone = torch.Tensor.clone

    def counting(tensor, *args, **kwargs):
        nonlocal copied
        copied += tensor.numel() * tensor.element_size()
        return clone(tensor, *args, **kwargs)

    torch.Tensor.clone = counting
    try:
        StateSnapshot({"module": module, "optimizer": optimizer})
    finally:
        torch.Tensor.clone = clone
    return held, copied


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batches", default="16,64,256")
    parser.add_argument("--widths", default="16,500,2000")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    print("| width | batch | bare loop | plain fit | lr_find | range test | / plain fit |\n" + "|---" * 7 + "|")
    for width in map(int, arguments.widths.split(",")):
        for batch in map(int, arguments.batches.split(",")):
            runs = [measure(width, batch, arguments.steps) for _ in range(arguments.repeats)]
            best = {name: min(run[name] for run in runs) for name in runs[0]}
            ratio = best["range test"] / best["plain fit"]
            seconds = " | ".join(f"{value:.3f} s" for value in best.values())
            verdict = "" if ratio <= BOUND else f" (above {BOUND})"
            print(f"| {width} | {batch} | {seconds} | {ratio:.2f}{verdict} |", flush=True)
    for width in map(int, arguments.widths.split(",")):
        held, copied = memory(width)
        print(f"width {width}: weights and optimizer state {held / 1e6:.1f} MB, copies taken {copied / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
