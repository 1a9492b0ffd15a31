"""Draw the LR of each configuration with the code of `lr-callbacks plot`, and fill the table of docs/choosing.md.

    python configs/draw_pictures.py

writes one small SVG for each configuration into ``configs/pictures`` and the table of schedules between two markers in
``docs/choosing.md``. Each picture carries a checksum of its LRs, which a test compares with the current ones.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import yaml

from lr_callbacks.cli.app import LRCallbacksCLI

CONFIGS = Path(__file__).resolve().parent
PICTURES = CONFIGS / "pictures"
PAGE = CONFIGS.parent / "docs" / "choosing.md"
NO_SCHEDULES = ("range_test", "sweep", "one_cycle_auto")
"""Configurations that find an LR by training, which cannot be drawn before."""
LOSSES = [1.0, 0.6, 0.4, 0.3, 0.3, 0.3, 0.25, 0.25, 0.25, 0.22, 0.22, 0.22, 0.2, 0.2, 0.2]
LOSSES += [0.22, 0.22, 0.23, 0.18, 0.16, 0.18, 0.19, 0.18, 0.19, 0.15, 0.14, 0.16, 0.17, 0.16, 0.17]
"""What the plateau reductions are shown: a loss that stalls now and then; the second line is for runs of 30 epochs."""
WIDTH, HEIGHT = 250, 110
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 20
"""Room around the curve, for the labels of the axes."""
GRAY = "#808080"
"""Of axes and labels: readable on a light page and on a dark one, as the picture has no background."""
BEGIN, END = "<!-- schedules: drawn by configs/draw_pictures.py -->", "<!-- end of schedules -->"


def schedules() -> list[Path]:
    """Every configuration that has a schedule, the package's own before torch's."""
    found = [path for path in CONFIGS.glob("*.yaml") if path.stem not in NO_SCHEDULES]
    return sorted(found, key=lambda path: (is_torch(path), path.stem))


def is_torch(path: Path) -> bool:
    """Whether a configuration is one of torch's schedulers."""
    return path.stem.startswith("torch_")


def lrs_of(path: Path) -> list[float]:
    """The LR at each step of the run that a configuration describes, as `lr-callbacks plot` has it."""
    quiet = ["--trainer.accelerator=cpu", "--png=null", "--csv=null"]
    with redirect_stdout(StringIO()):
        drawn = LRCallbacksCLI(["plot", *quiet, f"--config={path}", f"--metrics={LOSSES}"])
    ((_, lrs),) = drawn.curves
    return lrs


def checksum(lrs: list[float]) -> str:
    """SHA-256 of the LRs as CSV, to 6 digits: the last bits may differ between machines."""
    table = "step,lr\n" + "".join(f"{step},{lr:.5e}\n" for step, lr in enumerate(lrs))
    return hashlib.sha256(table.encode()).hexdigest()


def picture(lrs: list[float], over: str = "optimizer step", end: str | None = None) -> str:
    """The LRs over the steps from 0 up as an SVG: each step's LR is held until the next step.

    Args:
        lrs: LR at each step.
        over: Label of the horizontal axis.
        end: Label of its end; None for the number of steps.
    """
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    across, up = (right - LEFT) / len(lrs), (bottom - TOP) / max(lrs)
    heights = [f"{bottom - lr * up:.4g}" for lr in lrs]
    path = f"M{LEFT} {heights[0]}"
    for step in range(1, len(lrs)):
        if heights[step] != heights[step - 1]:
            path += f"H{LEFT + step * across:.4g}V{heights[step]}"
    path += f"H{right}"
    labels = [
        (LEFT - 5, TOP + 4, "end", f"{max(lrs):.2g}"),
        (LEFT - 5, (TOP + bottom) // 2 + 4, "end", "LR"),
        (LEFT - 5, bottom + 4, "end", "0"),
        (LEFT, HEIGHT - 5, "start", "0"),
        ((LEFT + right) // 2, HEIGHT - 5, "middle", over),
        (right, HEIGHT - 5, "end", end or str(len(lrs))),
    ]
    texts = "".join(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>' for x, y, anchor, text in labels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' fill="none">\n<metadata>{checksum(lrs)}</metadata>\n'
        f'<g fill="{GRAY}" font-family="sans-serif" font-size="11">{texts}</g>\n'
        f'<path d="M{LEFT} {TOP}V{bottom}H{right}" stroke="{GRAY}"/>\n'
        f'<path d="{path}" stroke="#2a7ae2" stroke-width="2" stroke-linejoin="round"/>\n</svg>\n'
    )


def row(path: Path) -> str:
    """A row of the table; name and sentence are those of the comment that the configuration begins with."""
    comment = " ".join(line[1:].strip() for line in path.read_text(encoding="utf-8").split("\n#\n")[0].splitlines())
    name, _, text = re.sub(r" \([^)]*\d{4}[^)]*\)| \(the same values[^)]*\)", "", comment).partition(": ")
    text = text.split(". ")[0].rstrip(".")
    callbacks = yaml.safe_load(path.read_text(encoding="utf-8"))["trainer"]["callbacks"]
    classes = "".join(f" `{callback['class_path'].rpartition('.')[2]}`" for callback in callbacks)
    shown = f"![LR over the run: {path.stem}](../configs/pictures/{path.stem}.svg)"
    what = f"{name}: {text}" if is_torch(path) else f"**{name}**{classes}<br>{text}"
    return f"| {what} | {shown} | [{path.name}](../configs/{path.name}) |"


def table() -> str:
    """The table of all schedules: first those of this package, then torch's."""
    head = "| schedule | LR over the run | config |\n|---|---|---|\n"
    own, torchs = (
        head + "\n".join(row(path) for path in schedules() if is_torch(path) is wanted) for wanted in (False, True)
    )
    return f"{own}\n\n## torch's schedulers, by `TorchScheduler`\n\n{torchs}"


def with_table(page: str) -> str:
    """A page whose table is today's."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Draw everything again."""
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.svg"):
        old.unlink()
    for path in schedules():
        drawn = picture(lrs_of(path), *(("time", "max_time") if "max_time:" in path.read_text("utf-8") else ()))
        (PICTURES / f"{path.stem}.svg").write_text(drawn, encoding="utf-8")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
