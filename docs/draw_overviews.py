"""Draw the two overviews of README and guide: the shapes of the schedules, and a range test on the digits.

    python docs/draw_overviews.py

writes ``docs/pictures/schedules.png`` (from `preview`) and ``docs/pictures/range_test.png`` (from a real test, some
seconds). Both carry what they were drawn from as their description, which a test compares with today's values.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")

from lightning.pytorch import Callback, Trainer, seed_everything

from lr_callbacks import (
    SGDR,
    CosineAnnealing,
    CyclicalLR,
    ExponentialDecay,
    InverseSqrt,
    LinearDecay,
    MultiStepDecay,
    OneCycle,
    RangeTestResult,
    ReduceLROnPlateau,
    Rex,
    Warmup,
    WarmupStableDecay,
    lr_range_test,
    preview,
)
from lr_callbacks.demo import DigitsClassifier, DigitsDataModule

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURES = Path(__file__).resolve().parent / "pictures"
STEPS, STEPS_PER_EPOCH = 400, 20
LOSSES = [1.0, 0.8, 0.6, 0.5, 0.45, 0.4, 0.36, 0.33, 0.33, 0.33, 0.33, 0.3, 0.28, 0.28, 0.28, 0.28, 0.28, 0.28, 0.28]
"""The metric of the plateau reduction, epoch by epoch: a loss that stalls twice."""
GRAY = "#808080"
"""Of axes and text: readable on a light page and on a dark one, as the pictures have no background."""
SHAPES: dict[str, list[Callback]] = {
    'Warmup("10%")': [Warmup("10%")],
    "OneCycle()": [OneCycle()],
    'SGDR("15%", T_mult=2)': [SGDR("15%", T_mult=2)],
    'CyclicalLR(0.01,\nstep_size_up="12.5%")': [CyclicalLR(0.01, step_size_up="12.5%")],
    "LinearDecay()": [LinearDecay()],
    "CosineAnnealing()": [CosineAnnealing()],
    "Rex()": [Rex()],
    "ExponentialDecay(0.99)": [ExponentialDecay(0.99)],
    'WarmupStableDecay("10%", "30%")': [WarmupStableDecay("10%", "30%")],
    'Warmup("10%"), InverseSqrt()': [Warmup("10%"), InverseSqrt()],
    'MultiStepDecay(["50%", "75%"])': [MultiStepDecay(["50%", "75%"])],
    'ReduceLROnPlateau("val_loss",\nfactor=0.5, patience=1)': [
        ReduceLROnPlateau("val_loss", factor=0.5, patience=1),
    ],
    'Warmup("10%"), SGDR("15%", T_mult=2), ReduceLROnPlateau("val_loss", factor=0.5, patience=1)': [
        Warmup("10%"),
        SGDR("15%", T_mult=2),
        ReduceLROnPlateau("val_loss", factor=0.5, patience=1),
    ],
}
"""Title -> callbacks; the last panel is wide: three schedules combined."""


def curves() -> dict[str, list[float]]:
    """Title -> the LR at each step, the base LR being 0.1."""
    return {
        title: preview(callbacks, 0.1, STEPS, STEPS_PER_EPOCH, metrics=LOSSES)[:, 0].tolist()
        for title, callbacks in SHAPES.items()
    }


def checksum(drawn: dict[str, list[float]]) -> str:
    """SHA-256 of titles and LRs, these to 6 digits: the last bits may differ between machines."""
    text = "\n".join(f"{title} " + " ".join(f"{lr:.5e}" for lr in lrs) for title, lrs in drawn.items())
    return hashlib.sha256(text.encode()).hexdigest()


def overview(drawn: dict[str, list[float]]) -> Figure:
    """A panel for each shape, and a wide one for all together."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7.2), layout="constrained")
    grid = figure.add_gridspec(4, 4, height_ratios=[1, 1, 1, 1.4])
    *single, together = drawn.items()
    panels = [(figure.add_subplot(grid[place // 4, place % 4]), *drawing) for place, drawing in enumerate(single)]
    panels.append((figure.add_subplot(grid[3, :]), *together))
    for axes, title, lrs in panels:
        axes.plot(lrs, color="#2a7ae2", linewidth=2, drawstyle="steps-post")
        axes.set_title(title, fontsize=9, fontfamily="monospace", color=GRAY)
        axes.set_ylim(0, 0.106)
        axes.set_yticks([0, 0.1], ["0", "lr"], fontsize=8)
        axes.set_ylabel("LR", fontsize=8, labelpad=-4)
        axes.set_xticks([0, STEPS], ["0", str(STEPS)], fontsize=8)
        axes.set_xlabel("optimizer step", fontsize=8, labelpad=-8)
        in_gray(axes)
    return figure


def in_gray(axes: Axes) -> None:
    """Draw axes and labels so that they can be read on any page."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRAY)
    axes.tick_params(colors=GRAY)
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(GRAY)


def range_test() -> RangeTestResult:
    """The range test of the digits, as `lr-callbacks range-test --config configs/range_test.yaml` runs it."""
    warnings.filterwarnings("ignore", ".*(does not have many workers|LeafSpec).*")
    seed_everything(42, verbose=False)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = Trainer(accelerator="cpu", max_epochs=1, logger=False, **quiet)
    return lr_range_test(trainer, DigitsClassifier(), DigitsDataModule(), verbose=False)


def save(figure: Figure, name: str, drawn_from: str, *, transparent: bool = True) -> None:
    """Write a small PNG with a description, without a background unless `transparent` is False."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    drawn, description = io.BytesIO(), PngInfo()
    figure.savefig(drawn, dpi=120, transparent=transparent)
    description.add_text("Description", drawn_from)
    Image.open(drawn).quantize(64, Image.Quantize.FASTOCTREE).save(PICTURES / name, optimize=True, pnginfo=description)


def main() -> None:
    """Draw both again."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    PICTURES.mkdir(exist_ok=True)
    drawn = curves()
    save(overview(drawn), "schedules.png", checksum(drawn))
    result = range_test()
    save(result.plot(), "range_test.png", f"{result.suggestion:.3e}", transparent=False)
    print(result.verdict)


if __name__ == "__main__":
    main()
