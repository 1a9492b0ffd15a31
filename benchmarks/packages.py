"""Modules of other packages under two callbacks: the LRs beside torch's own, and those of a resumed run.

Each module is taken as its package makes it, with the scheduler that it brings. Run it in an environment of its own:

    pip install chemprop darts gluonts pytorch-forecasting scvi-tools timm transformers
    python benchmarks/packages.py

A package that is not installed is a row that says so. Some minutes on a CPU.
"""

from __future__ import annotations

import copy
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.utils.data import DataLoader, TensorDataset

from lr_callbacks import CosineAnnealing, ReplaceSchedulers, TorchScheduler, Warmup

STEPS, WARMUP, SAVED = 12, 3, 5
Made = tuple[LightningModule, Any]


def chemprop() -> Made:
    """A message-passing network; it brings a Noam-like schedule."""
    from chemprop import data, models, nn

    points = [data.MoleculeDatapoint.from_smi("C" * n + "O", [float(n)]) for n in range(1, 25)]
    loader = data.build_dataloader(data.MoleculeDataset(points), batch_size=2, shuffle=False, num_workers=0)
    return models.MPNN(nn.BondMessagePassing(), nn.MeanAggregation(), nn.RegressionFFN()), loader


def darts() -> Made:
    """A forecaster that is a module of ``pytorch_lightning``; here it brings ``ExponentialLR``."""
    import numpy
    import pytorch_lightning
    from darts import TimeSeries
    from darts.models import NBEATSModel

    class Catch(pytorch_lightning.Trainer):
        def fit(self, model: Any, datamodule: Any, **options: Any) -> None:
            self.made = model, datamodule

    size = {"num_stacks": 1, "num_blocks": 1, "num_layers": 1, "layer_widths": 8, "batch_size": 2}
    decay = {"lr_scheduler_cls": torch.optim.lr_scheduler.ExponentialLR, "lr_scheduler_kwargs": {"gamma": 0.9}}
    model = NBEATSModel(input_chunk_length=4, output_chunk_length=2, **size, **decay)
    catch = Catch(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    model.fit(TimeSeries.from_values(numpy.arange(29, dtype=numpy.float32) % 7), trainer=catch)
    return catch.made


def gluonts() -> Made:
    """A feed-forward forecaster; it brings ``ReduceLROnPlateau``."""
    from gluonts.torch.model.simple_feedforward import SimpleFeedForwardLightningModule

    module = SimpleFeedForwardLightningModule({"prediction_length": 2, "context_length": 4})
    rows = [
        {
            "past_target": torch.randn(4),
            "past_observed_values": torch.ones(4),
            "future_target": torch.randn(2),
            "future_observed_values": torch.ones(2),
        }
        for _ in range(24)
    ]
    return module, DataLoader(rows, batch_size=2)  # type: ignore[arg-type]


def pytorch_forecasting() -> Made:
    """A temporal fusion transformer; it brings ``ReduceLROnPlateau``."""
    import pandas
    from pytorch_forecasting import TemporalFusionTransformer, TimeSeriesDataSet

    frame = pandas.DataFrame({"t": range(60), "series": "a", "value": [float(n % 7) for n in range(60)]})
    data = TimeSeriesDataSet(
        frame,
        time_idx="t",
        target="value",
        group_ids=["series"],
        max_encoder_length=6,
        max_prediction_length=2,
        time_varying_unknown_reals=["value"],
    )
    module = TemporalFusionTransformer.from_dataset(data, learning_rate=0.01, hidden_size=4, attention_head_size=1)
    return module, data.to_dataloader(train=False, batch_size=4, num_workers=0)


def scvi() -> Made:
    """A variational autoencoder of counts of genes; here it brings ``ReduceLROnPlateau``."""
    import anndata
    import numpy
    from scvi.dataloaders import AnnDataLoader
    from scvi.model import SCVI
    from scvi.train import TrainingPlan

    counts = anndata.AnnData(numpy.random.default_rng(0).poisson(2, (24, 8)).astype(numpy.float32))
    SCVI.setup_anndata(counts)
    model = SCVI(counts, n_hidden=8, n_latent=2)
    plan = TrainingPlan(model.module, reduce_lr_on_plateau=True, lr_scheduler_metric="train_loss_epoch")
    return plan, AnnDataLoader(model.adata_manager, batch_size=2)


class Around(LightningModule):
    """A network of a package that has no module of Lightning's."""

    def __init__(self, net: torch.nn.Module, optimizer: Callable[[torch.nn.Module], Any]) -> None:
        super().__init__()
        self.net, self.make = net, optimizer

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        found = self.net(batch[0])
        return getattr(found, "logits", found).float().square().mean()

    def configure_optimizers(self) -> Any:
        return self.make(self.net)


def timm() -> Made:
    """A vision transformer with timm's layer-wise decay of the LR."""
    import timm as package
    from timm.optim import create_optimizer_v2

    net = package.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=2)
    data = DataLoader(TensorDataset(torch.randn(24, 3, 32, 32)), batch_size=2)
    return Around(net, lambda net: create_optimizer_v2(net, "adamw", lr=0.01, layer_decay=0.5)), data


def transformers() -> Made:
    """A small BERT, and a schedule of transformers returned by the module."""
    from transformers import BertConfig, BertForSequenceClassification, get_linear_schedule_with_warmup

    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}

    def optimizers(net: torch.nn.Module) -> Any:
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
        return [optimizer], [get_linear_schedule_with_warmup(optimizer, 2, 10)]

    net = BertForSequenceClassification(BertConfig(vocab_size=20, **size))
    return Around(net, optimizers), DataLoader(TensorDataset(torch.randint(0, 20, (24, 5))), batch_size=2)


PACKAGES: dict[str, Callable[[], Made]] = {
    "chemprop": chemprop,
    "darts": darts,
    "gluonts": gluonts,
    "pytorch-forecasting": pytorch_forecasting,
    "scvi-tools": scvi,
    "timm": timm,
    "transformers": transformers,
}


class Record(Callback):
    """Writes down the LRs that each step uses, and those that are configured."""

    def __init__(self) -> None:
        self.lrs: list[list[float]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.bases = [float(group["initial_lr"]) for group in trainer.optimizers[0].param_groups]
        trainer.optimizers[0].register_step_pre_hook(
            lambda optimizer, args, kwargs: self.lrs.append([float(group["lr"]) for group in optimizer.param_groups])
        )


def fit(module: LightningModule, loader: Any, *callbacks: Callback, ckpt_path: Path | None = None) -> Record:
    """Train for `STEPS` steps."""
    record = Record()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    saves = any(isinstance(callback, ModelCheckpoint) for callback in callbacks)
    foreign = any(kind.__module__.startswith("pytorch_lightning.") for kind in type(module).__mro__)
    trainer = (import_module("pytorch_lightning").Trainer if foreign else Trainer)(
        accelerator="cpu", max_steps=STEPS, callbacks=[*callbacks, record], enable_checkpointing=saves, **quiet
    )
    trainer.fit(module, loader, ckpt_path=None if ckpt_path is None else str(ckpt_path), weights_only=False)
    return record


def largest_difference(ours: list[list[float]], theirs: list[list[float]]) -> float:
    """The largest relative difference of two series of LRs."""
    pairs = [(a, b) for one, other in zip(ours, theirs, strict=True) for a, b in zip(one, other, strict=True)]
    return max(abs(a - b) / b if b else abs(a - b) for a, b in pairs)


def native(bases: list[float]) -> list[list[float]]:
    """The same by torch's schedulers."""
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "lr": base} for base in bases], lr=1.0)
    ramp = LinearLR(optimizer, start_factor=1 / 3, total_iters=WARMUP)
    cosine = CosineAnnealingLR(optimizer, T_max=STEPS - WARMUP)
    scheduler, lrs = SequentialLR(optimizer, [ramp, cosine], milestones=[WARMUP]), []
    for _ in range(STEPS):
        lrs.append([float(group["lr"]) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return lrs


def row(name: str) -> str:
    """A row of the table."""
    try:
        number = version(name)
    except PackageNotFoundError:
        return f"| {name} | not installed | | | |"
    module, loader = PACKAGES[name]()

    def callbacks() -> list[Callback]:
        return [ReplaceSchedulers(), Warmup(WARMUP, start_factor=1 / 3), CosineAnnealing()]

    with tempfile.TemporaryDirectory() as folder:
        saver = ModelCheckpoint(folder, "{step}", every_n_train_steps=SAVED, save_top_k=-1)
        whole = fit(copy.deepcopy(module), loader, *callbacks(), saver)
        rest = fit(copy.deepcopy(module), loader, *callbacks(), ckpt_path=Path(folder, f"step={SAVED}.ckpt"))
    wrapped = fit(copy.deepcopy(module), loader, ReplaceSchedulers(), TorchScheduler("StepLR", step_size=4))
    halves = [[base * 0.1 ** (step // 4) for base in wrapped.bases] for step in range(STEPS)]
    resumed = "equal" if rest.lrs == whole.lrs[SAVED:] else "DIFFERENT"
    ours, stepped = largest_difference(whole.lrs, native(whole.bases)), largest_difference(wrapped.lrs, halves)
    return f"| {name} {number} | {len(whole.bases)} | {ours:.0e} | {resumed} | {stepped:.0e} |"


def main(names: Sequence[str]) -> None:
    """Print the table of some packages, or of all."""
    warnings.simplefilter("ignore")
    for package in ("lightning.pytorch", "pytorch_lightning"):
        logging.getLogger(package).setLevel(logging.ERROR)
    print("| package | groups | warm-up and cosine: largest relative difference to torch | resumed | StepLR |")
    print("|---|---|---|---|---|")
    for name in names or PACKAGES:
        try:
            print(row(name), flush=True)
        except Exception as error:  # noqa: PERF203  a row of its own
            print(f"| {name} | {type(error).__name__}: {str(error).splitlines()[0][:120]} | | | |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
