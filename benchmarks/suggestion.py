"""Measure how good a suggested maximum learning rate (LR) is, against Lightning's finder and simple rules.

    python benchmarks/suggestion.py [--seeds 0,1,2] [--problems a,b] [--per-problem] [--quick]
    python benchmarks/suggestion.py --truth [--problems a,b]      (recompute the ground truth; minutes)

Regret of an LR = (L(lr) - L_best) / (L_untrained - L_best), where L is the final validation loss of a full one-cycle
run at that maximum LR (mean of three seeds on a quarter-decade grid, interpolated in log LR, capped at the untrained
loss). 0 is perfect, 1 is untrained, diverged or no suggestion.

The default rule was chosen on the problems of `suggestion_problems.py` and changed once for those of
`suggestion_later_problems.py`; `--held-out` measures it on the seven that came after that. The constants of the trials
were chosen on every second problem, in the order of their names; `--not-looked-at` measures them on the others.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import math
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.tuner import Tuner
from suggestion_later_problems import HELD_OUT
from suggestion_problem import Problem
from suggestion_problems import problems
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from lr_callbacks import LRRangeTest, RangeTestResult, lr_range_test
from lr_callbacks.range_test.rules import DEFAULT_RULE

TRUTH = Path(__file__).with_name("suggestion_truth.json")
TRUTH_SEEDS = (0, 1, 2)
QUICK = ("mlp_tanh_adam", "groups_sgd", "nll_sgd")
SHOWN = ("descent", "edge", "minimum", "valley")


@dataclass(frozen=True)
class Finding:
    """What a finder says about a problem.

    Args:
        finder: Its name.
        lr: The suggested maximum LR.
        steps: Optimizer steps that it took.
        seconds: Time that it took.
        interval: LRs that train about as well, if it says.
    """

    finder: str
    lr: float | None
    steps: int
    seconds: float
    interval: tuple[float, float] | None = None


# ---------------------------------------------------------------- finders


class Module(pl.LightningModule):
    """A problem as its user would write it; Lightning's finder sets `lr`."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__()
        self.problem, self.net, self.lr = problem, problem.model(seed), 1e-3

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        return self.problem.loss(self.net, *batch)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss on all validation data."""
        return self.problem.loss(self.net, *batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the problem's optimizer at `lr`."""
        return self.problem.optimizer(self.net, self.lr)


def lightning_view(problem: Problem, seed: int) -> tuple[Module, DataLoader[tuple[Tensor, ...]], pl.Trainer]:
    """Return module, shuffled training loader and a quiet trainer."""
    generator = torch.Generator().manual_seed(7919 + seed)
    data = TensorDataset(*problem.train)
    loader = DataLoader(data, problem.batch_size, shuffle=True, drop_last=True, generator=generator)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=problem.steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tempfile.gettempdir(),
    )
    return Module(problem, seed), loader, trainer


def range_test(problem: Problem, seed: int) -> list[Finding]:
    """Return what our rules suggest, from a range test with its default arguments; the first is the default."""
    result, cost = _find(problem, seed, LRRangeTest())
    rules = {f"**{DEFAULT_RULE} (default)**": result.suggestion} | {name: result.suggestions[name] for name in SHOWN}
    return [Finding(name, lr, *cost, interval=result.interval) for name, lr in rules.items()]


def trials(problem: Problem, seed: int) -> list[Finding]:
    """Return what a sweep and up to five trials suggest, each a tenth or a quarter of the run, at least 50 steps."""
    found = []
    for share in ("10%", "25%"):
        result, cost = _find(problem, seed, LRRangeTest(trials=5, trial_steps=share))
        found.append(Finding(f"**trials=5 of {share}**", result.suggestion, *cost, interval=result.interval))
    return found


def _find(problem: Problem, seed: int, test: LRRangeTest) -> tuple[RangeTestResult, tuple[int, float]]:
    """Run a test; its result, and what it cost in steps and seconds."""
    module, loader, trainer = lightning_view(problem, seed)
    val = DataLoader(TensorDataset(*problem.val), len(problem.val[0]))
    torch.manual_seed(seed)
    begin = time.perf_counter()
    result = lr_range_test(trainer, module, train_dataloaders=loader, val_dataloaders=val, test=test, verbose=False)
    steps = len(result.lrs) + sum(trial.steps for trial in result.trials)
    return result, (steps, time.perf_counter() - begin)


def lightning_finder(problem: Problem, seed: int) -> list[Finding]:
    """Return what Lightning's own finder suggests with its default arguments."""
    module, loader, trainer = lightning_view(problem, seed)
    torch.manual_seed(seed)
    begin = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar cannot be switched off
        finder = Tuner(trainer).lr_find(module, loader)
    steps = 0 if finder is None else len(finder.results["lr"])
    lr = finder.suggestion() if finder is not None else None
    return [Finding("Lightning `lr_find`", lr, steps, time.perf_counter() - begin)]


FINDERS: dict[str, Callable[[Problem, int], list[Finding]]] = {
    "sweep": range_test,
    "trials": trials,
    "lightning": lightning_finder,
}


# ---------------------------------------------------------------- ground truth


def grid(problem: Problem) -> list[float]:
    """Return the decades at which the ground truth is taken, a quarter apart."""
    low, high = problem.grid
    return [round(low + 0.25 * i, 2) for i in range(int(4 * (high - low)) + 1)]


def train(problem: Problem, max_lr: float, seed: int) -> float | None:
    """Return the final validation loss of a one-cycle run with torch's default shape; None where it diverged."""
    torch.manual_seed(seed)
    model = problem.model(seed)
    optimizer = problem.optimizer(model, max_lr)
    momentum = "betas" in optimizer.defaults or optimizer.defaults.get("momentum", 0) > 0
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [g["lr"] for g in optimizer.param_groups], total_steps=problem.steps, cycle_momentum=momentum
    )
    for x, y in problem.batches(seed, problem.steps):
        loss = problem.loss(model, x, y)
        if not torch.isfinite(loss):
            return None
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    final = problem.validation_loss(model)
    return float(f"{final:.6g}") if math.isfinite(final) else None


def untrained(problem: Problem) -> float:
    """Return the mean validation loss of five untrained models; batch norm uses the batch."""
    models = [problem.model(seed).train() for seed in range(5)]
    torch.manual_seed(0)
    with torch.no_grad():
        return float(f"{statistics.fmean(problem.loss(model, *problem.val).item() for model in models):.6g}")


def write_truth(names: Sequence[str]) -> None:
    """Train every problem over its grid, and write the losses beside this file after each problem."""
    truth = json.loads(TRUTH.read_text()) if TRUTH.exists() else {}
    for name in names:
        problem = problems()[name]
        losses = [[train(problem, 10.0**e, seed) for e in grid(problem)] for seed in TRUTH_SEEDS]
        truth[name] = {"untrained": untrained(problem), "log10_lr": grid(problem), "losses": losses}
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in truth.items())
        TRUTH.write_text(f"{{\n{lines}\n}}\n")
        print(f"{name}: best maximum LR {10.0 ** best(truth[name]):.2g}")


def _mean_losses(entry: dict[str, list[float]]) -> list[float]:
    top = entry["untrained"]
    return [
        statistics.fmean(min(top, v) if v is not None else top for v in column)
        for column in zip(*entry["losses"], strict=True)
    ]


def best(entry: dict[str, list[float]]) -> float:
    """Return the log10 of the best maximum LR on the grid."""
    losses = _mean_losses(entry)
    return entry["log10_lr"][losses.index(min(losses))]


def regret(entry: dict[str, list[float]], lr: float | None) -> float:
    """Return the regret of an LR, from 0 to 1; above the grid it is 1, below it that of the lowest LR."""
    decades, losses, top = entry["log10_lr"], _mean_losses(entry), entry["untrained"]
    if lr is None or not 0 < lr < math.inf or math.log10(lr) > decades[-1]:
        return 1.0
    place = max(0.0, (math.log10(lr) - decades[0]) / 0.25)
    i = min(int(place), len(losses) - 2)
    loss = losses[i] + (place - i) * (losses[i + 1] - losses[i])
    return (loss - min(losses)) / (top - min(losses))


# ---------------------------------------------------------------- the table


Found = dict[str, dict[str, list[Finding]]]


def measure(names: Sequence[str], seeds: Sequence[int], finders: Sequence[str]) -> Found:
    """Return finder -> problem -> what was found with each seed."""
    found: Found = {}
    for name in names:
        for seed in seeds:
            for finder in finders:
                for finding in FINDERS[finder](problems()[name], seed):
                    found.setdefault(finding.finder, {}).setdefault(name, []).append(finding)
    return found


def table(found: Found, truth: dict[str, dict[str, list[float]]]) -> str:
    """Return a markdown table: regret per finder over problems (mean over seeds first), spread in decades.

    "In the interval" is how often the LR interval of a finding holds the best LR of the grid.
    """
    lines = [
        "| finder | mean | median | worst | share < 0.05 | none | spread | in the interval | steps | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for finder, per_problem in found.items():
        regrets = [statistics.fmean(regret(truth[name], f.lr) for f in each) for name, each in per_problem.items()]
        logs = [[math.log10(f.lr) for f in each if f.lr] for each in per_problem.values()]
        spreads = [statistics.pstdev(values) for values in logs if len(values) > 1]
        spread = f"{statistics.fmean(spreads):.2f}" if spreads else "-"
        findings = [(name, finding) for name, each in per_problem.items() for finding in each]
        none = statistics.fmean(finding.lr is None for _, finding in findings)
        held = [i[0] <= 10 ** best(truth[name]) <= i[1] for name, f in findings if (i := f.interval) is not None]
        inside = f"{statistics.fmean(held):.0%}" if held else "-"
        good = statistics.fmean(r < 0.05 for r in regrets)
        numbers = f"{statistics.fmean(regrets):.3f} | {statistics.median(regrets):.3f} | {max(regrets):.2f}"
        steps, seconds = (statistics.fmean(getattr(f, cost) for _, f in findings) for cost in ("steps", "seconds"))
        lines.append(
            f"| {finder} | {numbers} | {good:.0%} | {none:.0%} | {spread} | {inside} | {steps:.0f} | {seconds:.1f} |"
        )
    return "\n".join(lines)


def per_problem_table(found: Found, truth: dict[str, dict[str, list[float]]]) -> str:
    """Return a markdown table of every finder on each problem."""
    lines = ["| problem | best LR | " + " | ".join(found) + " |", "|---|---|" + "---|" * len(found)]
    for name in next(iter(found.values())):
        regrets = (statistics.fmean(regret(truth[name], f.lr) for f in each[name]) for each in found.values())
        lines.append(f"| {name} | {10 ** best(truth[name]):.2g} | " + " | ".join(f"{r:.2f}" for r in regrets) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--problems", help="comma-separated names; default all")
    parser.add_argument("--held-out", action="store_true", help="only the problems made after the default rule")
    parser.add_argument("--not-looked-at", action="store_true", help="only problems that no trial was tuned on")
    parser.add_argument("--finders", default=",".join(FINDERS), help="of sweep, trials, lightning")
    parser.add_argument("--per-problem", action="store_true", help="print regrets per problem as well")
    parser.add_argument("--quick", action="store_true", help="three problems, one seed")
    parser.add_argument("--truth", action="store_true", help="recompute the ground truth instead")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = arguments.problems.split(",") if arguments.problems else list(problems())
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    if arguments.held_out:
        names = list(HELD_OUT)
    if arguments.not_looked_at:
        names = sorted(problems())[1::2]
    if arguments.quick:
        names, seeds = list(QUICK), seeds[:1]
    if arguments.truth:
        write_truth(names)
        return
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    truth = json.loads(TRUTH.read_text())
    found = measure(names, seeds, arguments.finders.split(","))
    print(table(found, truth))
    if arguments.per_problem:
        print("\n" + per_problem_table(found, truth))


if __name__ == "__main__":
    main()
