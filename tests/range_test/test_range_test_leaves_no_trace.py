"""With apply=False the fit after a range test is bit-identical to the fit without it."""

from __future__ import annotations

import random
import shutil

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule
from lightning.pytorch.callbacks import GradientAccumulationScheduler, ModelCheckpoint
from lightning.pytorch.plugins import MixedPrecision
from support import trainer
from torch.utils.data import DataLoader
from trace_support import (
    Busy,
    BusyManual,
    CountedStream,
    MemoryLogger,
    OwnGenerator,
    RandomAugmentation,
    Watcher,
    everything,
    plain,
    sampled,
    samples,
    seed_all,
    seeded_random_sampler,
    shuffled,
)

from lr_callbacks import OneCycle, Warmup
from lr_callbacks.range_test import runner
from lr_callbacks.range_test.callback import LRRangeTest
from lr_callbacks.range_test.rules import RULES
from lr_callbacks.range_test.verdict import Verdict

pytestmark = pytest.mark.filterwarnings("ignore:The total number of parameters detected:UserWarning")


class Estimates(Busy):
    """Asks for the length of the run in configure_optimizers, which makes Lightning set the loader up early."""

    def configure_optimizers(self):
        self.planned = self.trainer.estimated_stepping_batches
        return super().configure_optimizers()


class HasNativeScheduler(Busy):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class StepsItsScheduler(BusyManual):
    """Manual optimization that steps a scheduler itself."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.lr_schedulers().step()
        return loss

    def configure_optimizers(self):
        first, second = super().configure_optimizers()
        return [first, second], [torch.optim.lr_scheduler.StepLR(first, 3)]


class DrawsInHooks(Busy):
    """Draws random numbers in hooks that run before the training, and makes its loader in a hook."""

    def on_fit_start(self):
        self.drawn = torch.rand(3)

    def on_train_start(self):
        self.started = float(np.random.rand()) + random.random()

    def train_dataloader(self):
        self.loaders_made = getattr(self, "loaders_made", 0) + 1
        return DataLoader(samples(), batch_size=4, sampler=torch.randperm(40).tolist())


class Counting(LightningDataModule):
    """Counts what is asked of it and keeps its own random generator."""

    def __init__(self):
        super().__init__()
        self.asked, self.generator = [], torch.Generator().manual_seed(1)

    def train_dataloader(self):
        self.asked.append("train")
        return DataLoader(samples(), batch_size=4, shuffle=True, generator=self.generator)

    def on_after_batch_transfer(self, batch, dataloader_idx):
        self.asked.append("transfer")
        return batch


class StopsItself(Busy):
    """Asks the trainer to stop once it has seen enough steps; a range test sees them sooner."""

    def training_step(self, batch, batch_idx):
        if self.steps_seen == 13:
            self.trainer.should_stop = True
        return super().training_step(batch, batch_idx)


class WritesMetricsItself(Busy):
    """Leaves values where callbacks and loggers look for them, past self.log."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.trainer.callback_metrics["running_loss"] = loss.detach()
        self.trainer.logged_metrics["last_loss"] = loss.detach()
        return loss


class CountsFits(Callback):
    """Has a state of its own."""

    def __init__(self):
        self.batches = 0

    def on_train_batch_end(self, *args):
        self.batches += 1

    def state_dict(self):
        return {"batches": self.batches}


def checkpoint(tmp_path):
    return ModelCheckpoint(tmp_path, monitor="val_loss", save_top_k=-1, every_n_train_steps=None)


CASES = {
    "dropout, batch norm, shuffling, metrics": (Busy, shuffled, {}),
    "Adam": (lambda: Busy(optimizer=torch.optim.Adam), shuffled, {}),
    "momentum and two groups": (lambda: Busy((0.05, 0.01), momentum=0.9), shuffled, {}),
    "workers": (Busy, lambda: shuffled(num_workers=2), {}),
    "persistent workers": (Busy, lambda: shuffled(num_workers=2, persistent_workers=True), {}),
    "workers with a generator": (Busy, lambda: shuffled(num_workers=2, generator=torch.Generator().manual_seed(6)), {}),
    "iterable data": (Busy, lambda: DataLoader(CountedStream(), batch_size=4), {}),
    "iterable data in workers": (Busy, lambda: DataLoader(CountedStream(), batch_size=4, num_workers=1), {}),
    "iterable data, limited": (Busy, lambda: DataLoader(CountedStream(), batch_size=4), {"limit_train_batches": 5}),
    "a data set with its own random generator": (Busy, lambda: DataLoader(RandomAugmentation(), batch_size=4), {}),
    "a sampler with its own generator": (Busy, lambda: sampled(OwnGenerator()), {}),
    "a seeded RandomSampler": (Busy, lambda: sampled(seeded_random_sampler()), {}),
    "accumulation": (Busy, shuffled, {"accumulate_grad_batches": 3}),
    "scheduled accumulation": (Busy, shuffled, {"callbacks": lambda _: [GradientAccumulationScheduler({0: 2, 1: 1})]}),
    "clipping and bf16": (Busy, shuffled, {"gradient_clip_val": 0.5, "precision": "bf16-mixed"}),
    "manual optimization, two optimizers": (BusyManual, shuffled, {"test": {"optimizer": 0}}),
    "manual optimization, second optimizer": (BusyManual, shuffled, {"test": {"optimizer": 1}}),
    "manual optimization, a scheduler": (StepsItsScheduler, shuffled, {"test": {"optimizer": 0}}),
    "a native scheduler": (HasNativeScheduler, shuffled, {}),
    "the loader set up early": (Estimates, shuffled, {}),
    "the loader set up early, persistent": (Estimates, lambda: shuffled(num_workers=1, persistent_workers=True), {}),
    "iterable data set up early": (
        Estimates,
        lambda: DataLoader(CountedStream(), batch_size=4),
        {"limit_train_batches": 7},
    ),
    "random numbers in hooks": (DrawsInHooks, lambda: None, {}),
    "a data module": (Busy, Counting, {}),
    "a module that stops the trainer": (StopsItself, shuffled, {"max_epochs": 4}),
    "a module that writes metrics past self.log": (WritesMetricsItself, shuffled, {"num_sanity_val_steps": 0}),
    "validation loss": (Busy, shuffled, {"test": {"judge": "validation"}}),
    "a widened range": (Busy, shuffled, {"test": {"min_lr": 1e-6, "max_lr": 1e-5, "num_steps": 10}}),
    "a gradient scaler that skips steps": (
        Busy,
        shuffled,
        {"plugins": lambda: MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", 2.0**40, growth_interval=2))},
    ),
    "copies kept on the CPU": (Busy, shuffled, {"test": {"offload": True}}),
    "schedule, counter, checkpoint": (
        Busy,
        shuffled,
        {
            "callbacks": lambda path: [Warmup(5), OneCycle(), CountsFits(), checkpoint(path)],
            "enable_checkpointing": True,
        },
    ),
}

if torch.cuda.is_available():
    CASES["fp16 on a GPU"] = (Busy, shuffled, {"accelerator": "gpu", "devices": 1, "precision": "16-mixed"})
    CASES["fp16 on a GPU, copies on the CPU"] = (
        *CASES["fp16 on a GPU"][:2],
        {**CASES["fp16 on a GPU"][2], "test": {"offload": True}},
    )


def train(case, tmp_path, *more, expect=None):
    """Train for real; everything that there is to see afterwards."""
    make_module, make_data, options = CASES[case]
    options = {"max_epochs": 2, "log_every_n_steps": 1, **options}
    options.pop("test", None)
    if "plugins" in options:
        options["plugins"] = options["plugins"]()
    own = options.pop("callbacks", lambda path: [])(tmp_path)
    shutil.rmtree(tmp_path, ignore_errors=True)
    seed_all()
    module, data, watcher, logger = make_module(), make_data(), Watcher(), MemoryLogger()
    run = trainer(*own, watcher, *more, logger=logger, default_root_dir=str(tmp_path), **options)
    val = DataLoader(samples(), batch_size=22)
    given = {"datamodule": data} if isinstance(data, LightningDataModule) else {"train_dataloaders": data}
    if not isinstance(data, LightningDataModule):
        given["val_dataloaders"] = val
    if expect is None:
        run.fit(module, **given)
    else:
        with pytest.raises(expect):
            run.fit(module, **given)
    seen = everything(run, module, data if data is not None else val, watcher, logger)
    for callback in own:
        seen[type(callback).__name__] = callback.state_dict()
    seen["files"] = {str(path.relative_to(tmp_path)): contents(path) for path in sorted(tmp_path.rglob("*.*"))}
    return seen


def contents(path):
    """A checkpoint without what the range test itself keeps in it."""
    held = torch.load(path, weights_only=True)
    held["callbacks"] = {key: value for key, value in held["callbacks"].items() if "LRRangeTest" not in key}
    return plain(held)


def assert_same(ours, theirs):
    for what, value in theirs.items():
        assert ours[what] == value, f"{what} differs"


@pytest.mark.filterwarnings("ignore:.*Total length of.*:UserWarning", "ignore:You defined a .validation_step.*")
@pytest.mark.parametrize("case", CASES)
def test_a_fit_after_a_range_test_is_the_fit_without_it(case, tmp_path):
    test = LRRangeTest(**{"apply": False, "num_steps": 25, "min_lr": 1e-5, **CASES[case][2].get("test", {})})
    tested = train(case, tmp_path / "run", test)
    plain_fit = train(case, tmp_path / "run")
    assert len(test.result.lrs) >= 10
    assert len(set(test.result.losses)) > 5
    assert_same(tested, plain_fit)


WITH_TRIALS = (
    *("Adam", "persistent workers", "iterable data", "a data set with its own random generator", "accumulation"),
    *(
        "manual optimization, two optimizers",
        "a native scheduler",
        "a data module",
        "a gradient scaler that skips steps",
    ),
    *("random numbers in hooks", "schedule, counter, checkpoint"),
)


@pytest.mark.filterwarnings("ignore:.*Total length of.*:UserWarning", "ignore:You defined a .validation_step.*")
@pytest.mark.parametrize("case", WITH_TRIALS)
def test_a_fit_after_trials_is_the_fit_without_them(case, tmp_path, monkeypatch):
    # a suggestion there must be, whatever the curve says
    found = Verdict(0.01, "blend", "found", "Maximum LR", dict.fromkeys(RULES), interval=(0.001, 0.1))
    monkeypatch.setattr(runner, "suggest", lambda *_: found)
    options = {"num_steps": 10, "min_lr": 1e-5, "trials": 3, "trial_steps": 50, **CASES[case][2].get("test", {})}
    test = LRRangeTest(apply=False, **options)
    tested = train(case, tmp_path / "run", test)
    monkeypatch.undo()
    assert len(test.result.trials) == 3
    assert_same(tested, train(case, tmp_path / "run"))


class Leaky(Callback):
    """What a careless range test would do."""

    def __init__(self, what):
        self.what = what

    def on_fit_start(self, trainer, pl_module):
        self.what(trainer, pl_module)


LEAKS = {
    "a random number": lambda trainer, module: torch.rand(1),
    "a Python random number": lambda trainer, module: random.random(),
    "an attribute": lambda trainer, module: module.losses.append(0.0),
    "a new attribute": lambda trainer, module: setattr(module, "found", 1.0),
    "a metric's state": lambda trainer, module: module.values(torch.tensor(1.0)),
    "a generator of the module": lambda trainer, module: module.rng.normal(),
    "the last bit of a weight": lambda trainer, module: module.head.bias.data.copy_(
        torch.nextafter(module.head.bias.data, torch.tensor(9.0))
    ),
    "a running statistic": lambda trainer, module: module.net[1].running_mean.add_(1e-6),
    "the optimizer's LR": lambda trainer, module: trainer.optimizers[0].param_groups[0].update(lr=0.0500001),
    "a hook on the optimizer": lambda trainer, module: trainer.optimizers[0].register_step_pre_hook(lambda *_: None),
    "the progress of the loops": lambda trainer, module: trainer.fit_loop.epoch_loop.batch_progress.increment_ready(),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_the_comparison_sees(leak, tmp_path):
    case = "dropout, batch norm, shuffling, metrics"
    with pytest.raises(AssertionError, match="differs"):
        assert_same(train(case, tmp_path / "run", Leaky(LEAKS[leak])), train(case, tmp_path / "run"))
