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
"""What the plateau reductions are shown: a loss that stalls now and then."""
WIDTH, HEIGHT, EDGE = 240, 80, 4
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


def picture(lrs: list[float]) -> str:
    """The LRs over the steps from 0 up as an SVG without text: each step's LR is held until the next step."""
    across, up = (WIDTH - 2 * EDGE) / len(lrs), (HEIGHT - 2 * EDGE) / max(lrs)
    heights = [f"{HEIGHT - EDGE - lr * up:.4g}" for lr in lrs]
    path = f"M{EDGE} {heights[0]}"
    for step in range(1, len(lrs)):
        if heights[step] != heights[step - 1]:
            path += f"H{EDGE + step * across:.4g}V{heights[step]}"
    path += f"H{WIDTH - EDGE}"
    axes = f"M{EDGE} {EDGE}V{HEIGHT - EDGE}H{WIDTH - EDGE}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' fill="none">\n<metadata>{checksum(lrs)}</metadata>\n'
        f'<path d="{axes}" stroke="#888"/>\n'
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
        (PICTURES / f"{path.stem}.svg").write_text(picture(lrs_of(path)), encoding="utf-8")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
