"""Which schedule is best? The digits under every schedule at an equal budget, with several seeds, as a ranked table.

    python examples/compare_schedules.py --epochs 10 --seeds 3
    tensorboard --logdir comparison

Every schedule trains the same networks (same seeds: same weights, same order of the data) for the same number of steps
at each of the base LRs, and is ranked at the LR whose validation loss is lowest on average; the test images have no say
in that. `--quick` shows in seconds that everything runs, and says nothing about schedules.
"""

import argparse
import logging
import statistics
import warnings
from pathlib import Path

import matplotlib
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger

from lr_callbacks import (
    SGDR,
    CosineAnnealing,
    CyclicalLR,
    ExponentialDecay,
    InverseSqrt,
    LinearDecay,
    LRMonitor,
    MultiStepDecay,
    OneCycle,
    PolynomialDecay,
    ReduceLROnPlateau,
    Rex,
    Warmup,
    WarmupStableDecay,
)
from lr_callbacks.demo import DigitsClassifier, DigitsDataModule

SCHEDULES = {
    "constant": lambda lr, steps: [],
    "warm-up, constant": lambda lr, steps: [Warmup("5%")],
    "multi-step": lambda lr, steps: [MultiStepDecay(["50%", "75%"])],
    "exponential": lambda lr, steps: [ExponentialDecay(0.01 ** (1 / steps))],
    "inverse sqrt": lambda lr, steps: [Warmup("5%"), InverseSqrt()],
    "linear": lambda lr, steps: [Warmup("5%"), LinearDecay()],
    "polynomial 2": lambda lr, steps: [Warmup("5%"), PolynomialDecay(power=2.0)],
    "cosine": lambda lr, steps: [Warmup("5%"), CosineAnnealing()],
    "rex": lambda lr, steps: [Warmup("5%"), Rex()],
    "warm-up-stable-decay": lambda lr, steps: [WarmupStableDecay("5%", "30%")],
    "one-cycle": lambda lr, steps: [OneCycle()],
    "SGDR": lambda lr, steps: [SGDR(-(-steps // 3), T_mult=2)],  # a third, then two thirds of the run
    "cyclical": lambda lr, steps: [CyclicalLR(lr / 10, step_size_up="25%", cycle_momentum=False)],
    "plateau": lambda lr, steps: [ReduceLROnPlateau("val_loss", factor=0.3, patience=1)],
}


class LRsUsed(Callback):
    """Notes the LR of every step."""

    def __init__(self):
        self.lrs = []

    def on_train_batch_start(self, trainer, *_):
        """Before the step that uses it."""
        self.lrs.append(float(trainer.optimizers[0].param_groups[0]["lr"]))


def train(name: str, lr: float, seed: int, epochs: int, folder: Path) -> dict:
    """One run: its test accuracy, its losses, its LRs."""
    seed_everything(seed, verbose=False)
    data = DigitsDataModule(val_fraction=0.2, test_fraction=0.4)  # few to learn from, many to judge by
    data.setup("fit")
    model = DigitsClassifier(lambda parameters: torch.optim.SGD(parameters, lr=lr, momentum=0.9))
    used = LRsUsed()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=[*SCHEDULES[name](lr, epochs * len(data.train_dataloader())), LRMonitor(), used],
        logger=TensorBoardLogger(folder, name=name.replace(" ", "_"), version=f"lr{lr:g}-seed{seed}"),
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(model, datamodule=data)
    last = trainer.callback_metrics["val_loss"].item()
    tested = trainer.test(model, datamodule=data, verbose=False)[0]
    return {"val_loss": last, "test_loss": tested["test_loss"], "test_acc": tested["test_acc"], "lrs": used.lrs}


def mean_of(runs: list[dict], what: str) -> float:
    """Over the seeds."""
    return statistics.mean(run[what] for run in runs)


def spread_of(runs: list[dict], what: str) -> float:
    """Standard deviation over the seeds."""
    return statistics.stdev(run[what] for run in runs) if len(runs) > 1 else 0.0


def draw(ranked: list[tuple[str, float, list[dict]]], file: Path) -> None:
    """The LRs as they were used, and the results with their spread."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(14, 6), layout="constrained")
    for place, (name, lr, runs) in enumerate(ranked):
        color = pyplot.get_cmap("tab20")(place)
        left.plot([used / lr for used in runs[0]["lrs"]], color=color, label=name)
        accuracies = [100 * run["test_acc"] for run in runs]
        right.errorbar(statistics.mean(accuracies), place, xerr=100 * spread_of(runs, "test_acc"), fmt="o", color=color)
        right.plot(accuracies, [place] * len(runs), "|", color=color)
    left.set(title="LR as used", xlabel="optimizer step", ylabel="LR / base LR")
    figure.legend(*left.get_legend_handles_labels(), loc="outside left upper", fontsize="small")
    right.set(title="test accuracy: mean and standard deviation over the seeds", xlabel="accuracy (%)")
    right.set_yticks(range(len(ranked)), [f"{name} ({lr:g})" for name, lr, _ in ranked])
    right.invert_yaxis()
    figure.savefig(file, dpi=100)


def main() -> None:
    """Train everything, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10, help="length of every run")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each schedule at each LR")
    parser.add_argument("--lrs", type=float, nargs="+", default=[0.02, 0.1], help="base LRs that each may choose from")
    parser.add_argument("--out", type=Path, default=Path("comparison"), help="folder for the curves and the picture")
    parser.add_argument("--quick", action="store_true", help="one epoch, one seed, one LR")
    asked = parser.parse_args()
    if asked.quick:
        asked.epochs, asked.seeds, asked.lrs = 1, 1, asked.lrs[:1]
    warnings.filterwarnings("ignore", ".*(does not have many workers|LeafSpec).*")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    torch.set_num_threads(1)
    ranked = []
    for name in SCHEDULES:
        by_lr = {
            lr: [train(name, lr, seed, asked.epochs, asked.out) for seed in range(asked.seeds)] for lr in asked.lrs
        }
        best = min(by_lr, key=lambda lr: mean_of(by_lr[lr], "val_loss"))
        ranked.append((name, best, by_lr[best]))
        print(f"trained {name}: test accuracy {100 * mean_of(by_lr[best], 'test_acc'):.2f} %", flush=True)
    ranked.sort(key=lambda row: (-mean_of(row[2], "test_acc"), mean_of(row[2], "test_loss")))
    print(f"\n{asked.epochs} epochs, {asked.seeds} seed(s), mean ± standard deviation over the seeds")
    print(f"{'':4}{'schedule':22}{'base LR':>8}{'test accuracy (%)':>20}{'test loss':>18}")
    for place, (name, lr, runs) in enumerate(ranked, start=1):
        accuracy = f"{100 * mean_of(runs, 'test_acc'):.2f} ± {100 * spread_of(runs, 'test_acc'):.2f}"
        loss = f"{mean_of(runs, 'test_loss'):.4f} ± {spread_of(runs, 'test_loss'):.4f}"
        print(f"{place:>2}  {name:22}{lr:>8g}{accuracy:>20}{loss:>18}")
    draw(ranked, asked.out / "comparison.png")
    print(f"\nPicture     {asked.out / 'comparison.png'}\nCurves      tensorboard --logdir {asked.out}")


if __name__ == "__main__":
    main()
