"""Draw a picture for each concept of the guide: factor, clock, timeline, lengths.

    python docs/draw_concepts.py

writes ``docs/pictures/concept_*.png``. The numbers come from the package itself: previews, an optimizer under `attach`,
and two fits. Each picture carries a checksum of its numbers, which a test compares with today's.
"""

from __future__ import annotations

import logging
import os
import warnings
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from draw_overviews import GRAY, checksum, in_gray, save
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

from lr_callbacks import CosineAnnealing, LinearDecay, Warmup, attach, preview
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.run_length import RunLength

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE = "#2a7ae2", "#d9822b"
Numbers = dict[str, list[float]]
ACCUMULATED, SKIPPED = 4, 3
"""Batches of an optimizer step; the step, counted from 0, that the gradient scaler skips at first."""
LENGTHS = ("40", "2 epochs", "30%", "the rest of the run")


# ---------------------------------------------------------------------- the numbers
def factor() -> Numbers:
    """Two factors and the LR that they give together."""
    steps = 100
    return {
        'Warmup("20%")': preview([Warmup("20%")], 1.0, steps)[:, 0].tolist(),
        "CosineAnnealing(start=0)": preview([CosineAnnealing(start=0)], 1.0, steps)[:, 0].tolist(),
        "LR = 0.1 × product": preview([Warmup("20%"), CosineAnnealing(start=0)], 0.1, steps)[:, 0].tolist(),
    }


def clock() -> Numbers:
    """The LR at each batch, where four batches make a step and one step is skipped."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    attached = attach(optimizer, [LinearDecay()], total_steps=8)
    lrs, steps = [], [0.0]
    for batch in range(9 * ACCUMULATED):
        lrs.append(optimizer.param_groups[0]["lr"])
        if batch % ACCUMULATED == ACCUMULATED - 1 and batch // ACCUMULATED != SKIPPED:
            optimizer.step()
            steps.append(batch + 1.0)
    attached.remove()
    return {"lr": lrs, "steps": steps}


class Net(LightningModule):
    """A line, which notes the LR of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.lrs = torch.nn.Linear(1, 1), []

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Note the LR."""
        self.lrs.append(self.optimizers().param_groups[0]["lr"])
        return self.layer(batch[0]).square().mean()

    def configure_optimizers(self) -> Any:
        """An optimizer and no scheduler."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


def timeline() -> Numbers:
    """The LR of a run, and of one that is resumed after two of four epochs with twice the batch size."""
    data = TensorDataset(torch.ones(80, 1))

    def fit(batch_size: int, ckpt_path: str | None = None) -> list[float]:
        kept = ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1)
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
        trainer, net = Trainer(max_epochs=4, callbacks=[CosineAnnealing(), kept], **quiet), Net()
        trainer.fit(net, DataLoader(data, batch_size=batch_size), ckpt_path=ckpt_path)
        return net.lrs

    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = fit(4)
        resumed = fit(8, f"{folder}/epoch=1.ckpt")
    return {"whole": whole, "resumed": [*whole[:40], *resumed]}


def lengths() -> Numbers:
    """Steps of each way to give a length, in a run of 10 epochs with 40 steps each."""
    run = RunLength(400, ((0, 40),))
    written = (40, "2 epochs", "30%")
    steps = [float(run.steps(Duration.parse(each, name="length"), "length")) for each in written]
    return {"steps": [*steps, 400.0]}


# ---------------------------------------------------------------------- the pictures
def draw_factor(numbers: Numbers) -> Figure:
    """Factor × factor = LR."""
    figure, panels = panelled(3, (9, 2.3))
    for axes, (title, values), sign in zip(panels, numbers.items(), ("×", "=", ""), strict=True):
        axes.plot(values, color=BLUE, linewidth=2)
        axes.set(title=title, xlabel="optimizer step", ylabel="LR" if title.startswith("LR") else "factor")
        axes.set_ylim(0, 1.05 * max(values))
        axes.text(1.06, 0.5, sign, transform=axes.transAxes, fontsize=18, color=GRAY)
    return figure


def draw_clock(numbers: Numbers) -> Figure:
    """A staircase over batches, which goes down where the optimizer steps."""
    figure, (axes,) = panelled(1, (9, 2.6))
    axes.plot(numbers["lr"], color=BLUE, linewidth=2, drawstyle="steps-post", label="LR")
    for step in numbers["steps"][1:]:
        axes.axvline(step, color=GRAY, alpha=0.4, linewidth=1)
    place = (SKIPPED + 1) * ACCUMULATED
    axes.axvline(place, color=ORANGE, linestyle="--", linewidth=1)
    axes.text(place + 0.2, 0.09, "step skipped (fp16): not counted", color=ORANGE, fontsize=9)
    axes.set(
        xlabel="batch; gray lines: the optimizer has stepped (accumulate_grad_batches=4)", ylabel="LR", ylim=(0, 0.105)
    )
    return figure


def draw_timeline(numbers: Numbers) -> Figure:
    """Position in the run and LR, over steps: each of the larger batches goes twice as far."""
    figure, (left, right) = panelled(2, (9, 2.8))
    whole, resumed = numbers["whole"], numbers["resumed"]
    left.plot([0, len(whole)], [0, 100], color=GRAY, linestyle="--", label="as planned")
    left.plot([0, 40, len(resumed)], [0, 50, 100], color=BLUE, linewidth=2, label="resumed with batches twice as large")
    left.plot([40], [50], "o", color=BLUE)
    left.text(42, 44, "knot", color=GRAY)
    left.set(xlabel="optimizer step", ylabel="position in the run (%)")
    right.plot(whole, color=GRAY, linestyle="--")
    right.plot(resumed, color=BLUE, linewidth=2)
    right.plot([40], [resumed[40]], "o", color=BLUE)
    right.set(xlabel="optimizer step", ylabel="LR", ylim=(0, 0.105))
    figure.legend(loc="outside upper center", ncols=2, frameon=False, labelcolor=GRAY)
    return figure


def draw_lengths(numbers: Numbers) -> Figure:
    """A bar for each way to write a length."""
    figure, (axes,) = panelled(1, (9, 2.1))
    axes.barh(LENGTHS, numbers["steps"], color=BLUE, height=0.5)
    for row, steps in enumerate(numbers["steps"]):
        axes.text(steps + 4, row, f"{steps:.0f} steps", va="center", color=GRAY, fontsize=9)
    axes.invert_yaxis()
    axes.set_xticks(range(0, 401, 40))
    axes.set_xlim(0, 445)
    axes.set_xlabel("optimizer step of a run of 10 epochs with 40 steps each")
    return figure


def panelled(number: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure with panels in a row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(1, number, squeeze=False)[0])


CONCEPTS = {
    "factor": (factor, draw_factor),
    "clock": (clock, draw_clock),
    "timeline": (timeline, draw_timeline),
    "lengths": (lengths, draw_lengths),
}


def main() -> None:
    """Draw all of them again."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.simplefilter("ignore")
    for name, (measure, draw) in CONCEPTS.items():
        numbers = measure()
        figure = draw(numbers)
        for axes in figure.axes:
            in_gray(axes)
        save(figure, f"concept_{name}.png", checksum(numbers))


if __name__ == "__main__":
    main()
