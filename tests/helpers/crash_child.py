"""One life of a training that may be killed at any moment: it writes down what each step used, and goes on when it can.

All of this runs in a process of its own. It dies of SIGKILL, sent by itself at a named point or by its parent at any
time, so nothing is flushed, closed or cleaned up.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import torch
from fsspec.implementations.local import LocalFileOpener
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.model_helpers import is_overridden
from support import loader

from lr_callbacks import LRCallback

BATCHES, BATCH_SIZE = 6, 4


class Bomb:
    """Counts how often each point is reached, and kills this process at the n-th time of one of them."""

    point: ClassVar[str | None] = None
    nth: ClassVar[int] = 0
    counts: ClassVar[Counter[str]] = Counter()

    @classmethod
    def reached(cls, point: str) -> None:
        cls.counts[point] += 1
        if point == cls.point and cls.counts[point] == cls.nth:
            os.kill(os.getpid(), signal.SIGKILL)


class Loader:
    """Batches in another order each epoch, and a place in it that a checkpoint brings back."""

    def __init__(self, batches: int = BATCHES) -> None:
        generator = torch.Generator().manual_seed(0)
        self.batches = batches
        self.x = torch.randn(batches * BATCH_SIZE, 4, generator=generator)
        self.sampler = self  # Lightning tells samplers the epoch
        self.epoch = self.started = self.batch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if self.started != self.epoch:
            self.started, self.batch = self.epoch, 0
        order = torch.randperm(len(self.x), generator=torch.Generator().manual_seed(self.epoch))
        for rows in order.split(BATCH_SIZE)[self.batch :]:
            self.batch += 1
            yield self.x[rows], self.x[rows].sum(1, keepdim=True)

    def state_dict(self) -> dict[str, int]:
        return {"started": self.started, "batch": self.batch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.started, self.batch = state["started"], state["batch"]


class Trace(Callback):
    """Appends LR and momentum of every real step to a file, by a count of steps of its own."""

    def __init__(self, file: Path) -> None:
        self.file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.steps: list[int] = []

    def write(self, *entry: Any) -> None:
        os.write(self.file, (json.dumps(entry) + "\n").encode())

    def on_train_start(self, trainer: Trainer, *_: Any) -> None:
        self.steps = self.steps or [0] * len(trainer.optimizers)
        self.write("life", self.steps)
        for number, optimizer in enumerate(trainer.optimizers):
            optimizer.register_step_pre_hook(self._before(number))
            optimizer.register_step_post_hook(self._after(number))

    def _before(self, number: int) -> Callable[..., None]:
        def before(optimizer: Any, *_: Any) -> None:
            momenta = [float(g["betas"][0] if "betas" in g else g["momentum"]) for g in optimizer.param_groups]
            lrs = [float(group["lr"]) for group in optimizer.param_groups]
            self.write("step", number, self.steps[number], lrs, momenta)
            Bomb.reached("in the step, before the weights change")

        return before

    def _after(self, number: int) -> Callable[..., None]:
        def after(*_: Any) -> None:
            self.steps[number] += 1

        return after

    def state_dict(self) -> dict[str, list[int]]:
        return {"steps": list(self.steps)}

    def load_state_dict(self, state: dict[str, list[int]]) -> None:
        self.steps = list(state["steps"])


class Mines(Callback):
    """Points on one side of the other callbacks."""

    def __init__(self, side: str) -> None:
        self.side = side

    def on_train_start(self, trainer: Trainer, *_: Any) -> None:
        Bomb.reached(f"on_train_start, {self.side}")
        for optimizer in trainer.optimizers:
            optimizer.register_step_post_hook(lambda *_: Bomb.reached(f"after the weights have changed, {self.side}"))


def _mine(hook: str) -> Callable[..., None]:
    return lambda self, *_, **__: Bomb.reached(f"{hook}, {self.side}")


for _hook in (
    "on_fit_start",
    "on_train_epoch_start",
    "on_train_batch_start",
    "on_after_backward",
    "on_train_batch_end",
    "on_validation_start",
    "on_validation_batch_end",
    "on_validation_epoch_end",
    "on_validation_end",
    "on_train_epoch_end",
    "on_train_end",
    "on_save_checkpoint",
    "on_load_checkpoint",
):
    setattr(Mines, _hook, _mine(_hook))


def mine_the_files() -> None:
    """Points in the writing of a file: half of it, all of it but not in its place, in its place."""
    write, commit = LocalFileOpener.write, LocalFileOpener.commit

    def in_halves(self: Any, data: bytes) -> int:
        half = len(data) // 2
        write(self, data[:half])
        self.f.flush()
        Bomb.reached("half of a checkpoint is written")
        return half + write(self, data[half:])

    def in_place(self: Any) -> None:
        Bomb.reached("a checkpoint is written but not in its place")
        commit(self)
        Bomb.reached("a checkpoint is in its place")

    LocalFileOpener.write, LocalFileOpener.commit = in_halves, in_place


class StepCheckpoint(ModelCheckpoint):
    """Saves each so many steps, where Lightning itself can go on from twice.

    Not after the last batch of an epoch: resumed from there, and again in the next epoch, Lightning 2.6 begins that
    epoch again, with or without callbacks of ours. Not between two batches of one step: nobody saves the gradients.
    """

    def on_train_batch_end(self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if not trainer.is_last_batch and (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            super().on_train_batch_end(trainer, module, outputs, batch, batch_idx)


def savers(folder: Path, every: int | None) -> list[ModelCheckpoint]:
    """What saves: the end of each validation, and each so many steps."""
    place: dict[str, Any] = {"dirpath": folder / "checkpoints", "save_last": True}
    validations = ModelCheckpoint(**place, every_n_epochs=1, save_on_train_epoch_end=False)
    return [validations, StepCheckpoint(**place, every_n_train_steps=every)] if every else [validations]


def live(job: Any, folder: str, point: str | None = None, nth: int = 0) -> None:
    """Train, from the last checkpoint if there is one; at the end leave everything in ``end.pt``."""
    here = Path(folder)
    log = os.open(here / "log.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    tempfile.tempdir = str(here)  # on the file system of the checkpoints, so that they are moved and not copied
    torch.set_num_threads(1)
    random.seed(0)
    torch.manual_seed(0)
    Bomb.point, Bomb.nth = point, nth
    mine_the_files()
    for ours in (
        "Resuming .* a different schedule",
        ".* was changed from .* by other code",
        ".* lengths in epochs or % .* off",
    ):
        warnings.filterwarnings("error", ours)
    callbacks = job.callbacks(str(here))
    trace = Trace(here / "trace.jsonl")
    options = {"max_epochs": 5, "num_sanity_val_steps": 1, **job.trainer}
    trainer = Trainer(
        callbacks=[trace, Mines("before ours"), *callbacks, Mines("after ours"), *savers(here, job.save_every)],
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        **{name: made() if callable(made) else made for name, made in options.items()},
    )
    module = job.module()
    data = None if is_overridden("train_dataloader", module) else Loader()
    trainer.fit(module, data, loader(2), ckpt_path="last")
    optimizers = [optimizer.state_dict() for optimizer in trainer.optimizers]
    for group in (group for state in optimizers for group in state["param_groups"]):
        for momentum in ("momentum", "betas"):  # a life that finds nothing left to train has none to give back
            group.pop(momentum, None)
    end = {
        "weights": module.state_dict(),
        "optimizers": optimizers,
        "learnt": {c.state_key: c.state_dict() for c in callbacks if isinstance(c, LRCallback)},
    }
    torch.save(end, here / "unfinished.pt")
    (here / "unfinished.pt").rename(here / "end.pt")
    (here / "counts.json").write_text(json.dumps(Bomb.counts))
