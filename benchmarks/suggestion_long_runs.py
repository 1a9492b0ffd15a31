"""Measure what trials of 5, 10 and 25 % find for long runs on fresh data, where no sample is seen twice.

    python benchmarks/suggestion_long_runs.py [--steps 3000] [--seeds 0,1]      (some minutes)

The problems of `suggestion.py` have 100 to 900 steps and go through little data many times. Here each of three problems
is trained for 3,000 steps on 96,000 samples. Regret is as there; the grid has half decades, and one run at each.
"""

from __future__ import annotations

import argparse
import logging
import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from suggestion import best, lightning_view, regret, train, untrained
from suggestion_problem import Problem, images_data, sgd, teacher, using
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

from lr_callbacks import LRRangeTest, lr_range_test

BATCH, HELD_OUT = 32, 2000


def flat_images(generator: torch.Generator, rows: int) -> tuple[Tensor, Tensor]:
    """Return shifted noisy images as rows, and their classes."""
    x, y = images_data(generator, rows, 1.0)
    return x.flatten(1), y


def of_output(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    """Return the loss of a model from that of its output."""
    return lambda model, x, y: loss(model(x), y)


def network(inputs: int, outputs: int, norm: Callable[[int], nn.Module]) -> nn.Module:
    """Return two hidden layers of 64 with a normalisation."""
    hidden = [nn.Linear(inputs, 64), norm(64), nn.ReLU(), nn.Linear(64, 64), norm(64), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


def problems(steps: int) -> list[Problem]:
    """Return the three problems, each with as many samples as a run of `steps` steps sees."""
    rows = steps * BATCH + HELD_OUT
    made = []
    for name, (x, y), build, optimizer, loss, grid in (
        (
            "teacher, Adam",
            teacher(torch.Generator().manual_seed(1), 16, 4, rows),
            lambda: network(16, 4, lambda width: nn.Identity()),
            using(torch.optim.Adam),
            mse_loss,
            (-4.0, -0.5),
        ),
        (
            "images, batch norm, SGD",
            flat_images(torch.Generator().manual_seed(2), rows),
            lambda: network(64, 10, nn.BatchNorm1d),
            sgd(),
            cross_entropy,
            (-3.5, 0.5),
        ),
        (
            "images, layer norm, AdamW",
            flat_images(torch.Generator().manual_seed(3), rows),
            lambda: network(64, 10, nn.LayerNorm),
            using(torch.optim.AdamW, weight_decay=0.05),
            cross_entropy,
            (-4.5, -0.5),
        ),
    ):
        data = ((x[:-HELD_OUT], y[:-HELD_OUT]), (x[-HELD_OUT:], y[-HELD_OUT:]))
        made.append(Problem(name, build, optimizer, of_output(loss), *data, BATCH, steps, grid))
    return made


def measure(problem: Problem, seeds: list[int]) -> list[str]:
    """Return the rows of the table for a problem."""
    low, high = problem.grid
    grid = [low + 0.5 * i for i in range(int(2 * (high - low)) + 1)]
    fine = [low + 0.25 * i for i in range(2 * len(grid) - 1)]
    losses = [train(problem, 10.0**decade, 0) for decade in grid]
    start = untrained(problem)
    held = [start if loss is None else loss for loss in losses]
    line = [held[i // 2] if i % 2 == 0 else (held[i // 2] + held[i // 2 + 1]) / 2 for i in range(len(fine))]
    truth: dict[str, Any] = {"untrained": start, "log10_lr": fine, "losses": [line]}
    rows = []
    for share in (None, "5%", "10%", "25%"):
        for seed in seeds:
            module, loader, trainer = lightning_view(problem, seed)
            val = DataLoader(TensorDataset(*problem.val), len(problem.val[0]))
            torch.manual_seed(seed)
            test = LRRangeTest() if share is None else LRRangeTest(trials=5, trial_steps=share)
            found = lr_range_test(
                trainer, module, train_dataloaders=loader, val_dataloaders=val, test=test, verbose=False
            )
            assert found.interval is not None
            assert found.suggestion is not None
            inside = found.interval[0] <= 10.0 ** best(truth) <= found.interval[1]
            steps = len(found.lrs) + sum(trial.steps for trial in found.trials)
            off = math.log10(found.suggestion) - best(truth)
            rows.append(
                f"| {problem.name} | {10.0 ** best(truth):.2g} | {share or 'the sweep alone'} | {seed} |"
                f" {found.suggestion:.2g} | {off:+.2f} | {regret(truth, found.suggestion):.3f} |"
                f" {'yes' if inside else 'no'} | {steps} |"
            )
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", default="0,1")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    print("| problem | best LR | trials of | seed | LR | decades off | regret | in the interval | steps |")
    print("|---" * 9 + "|")
    for problem in problems(arguments.steps):
        measure(problem, [int(seed) for seed in arguments.seeds.split(",")])


if __name__ == "__main__":
    main()
