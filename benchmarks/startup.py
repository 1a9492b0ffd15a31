"""What importing costs: ``import lr_callbacks`` beside ``import lightning.pytorch``, and the help of the command.

    python benchmarks/startup.py

Each import runs in a process of its own, in turns; the medians are shown.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import lightning.pytorch": ["-c", "import lightning.pytorch"],
    "import lr_callbacks": ["-c", "import lr_callbacks"],
    "lr-callbacks fit --help": ["-m", "lr_callbacks", "fit", "--help"],
}


def seconds(arguments: list[str]) -> float:
    """The time of one process."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env={**os.environ})
    return time.perf_counter() - begun


def main() -> None:
    """Print a table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            times[name].append(seconds(arguments))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print("| process | s | / import lightning.pytorch |\n|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.2f} | {median / medians['import lightning.pytorch']:.3f} |")


if __name__ == "__main__":
    main()
