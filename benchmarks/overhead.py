"""Overhead: an LR update of each callback compared with torch's schedulers and with the floor, in one run.

    python benchmarks/overhead.py [--markdown | --quick | --against /path/to/an/older/checkout]

An update of ours is what the optimizer's hook does after a step; torch's is ``scheduler.step()``, which is called in
addition to the optimizer's step. The floor is a Python loop that writes one float into each group. All are timed in
turn, by the CPU time of this thread: a time is the smallest of some turns, taken several times; its median is shown;
a ratio is the median of the ratios of neighbours. Whole fits are wall-clock time. Bars are checked with PASS or MISS;
``--markdown`` prints the results as tables instead; ``--against`` compares the
updates with those of another checkout, each in processes of its own, in turns.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from overhead_fits import NONE, Make, Times, fit_ratios, measure_fits, print_fits, ratio, verdict
from torch.optim import Optimizer, lr_scheduler

import lr_callbacks as lrc
from lr_callbacks.schedules import sgdr_factor

try:
    from lr_callbacks.core.controller import Controller
    from lr_callbacks.core.run_length import RunLength
except ModuleNotFoundError:  # a checkout from before these modules, which another one is compared with
    from lr_callbacks.driver import Driver as Controller
    from lr_callbacks.horizon import Horizon as RunLength

TOTAL, EPOCH, LOW = 10**8, 1000, 1e-3
TURN = 256
"""A turn is a multiple of so many updates: of the steps that are worked out at once, on either side of a comparison."""
FLOOR, ONE_CYCLE_LR = "floor: a Python loop that writes one float into each group", "torch `OneCycleLR.step()`"
TORCH: dict[str, Callable[[Optimizer], Any]] = {
    ONE_CYCLE_LR: lambda o: lr_scheduler.OneCycleLR(o, max_lr=[g["lr"] for g in o.param_groups], total_steps=TOTAL),
    "torch `CosineAnnealingWarmRestarts.step()`": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, EPOCH),
    "torch `StepLR.step()`": lambda o: lr_scheduler.StepLR(o, EPOCH),
    "torch `SequentialLR.step()`": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, total_iters=100), lr_scheduler.CosineAnnealingLR(o, TOTAL)], [100]
    ),
}
OURS: dict[str, Make] = {
    "`Warmup`": lambda: [lrc.Warmup(TOTAL)],
    "`OneCycle` (LR and momentum)": lambda: [lrc.OneCycle()],
    "`SGDR`": lambda: [lrc.SGDR(EPOCH)],
    "`ReduceLROnPlateau`": lambda: [lrc.ReduceLROnPlateau("val_loss")],
    "`StepDecay`": lambda: [lrc.StepDecay(EPOCH)],
    "`MultiStepDecay`": lambda: [lrc.MultiStepDecay([1000, 2000])],
    "`ExponentialDecay`": lambda: [lrc.ExponentialDecay(gamma=0.999999)],
    "`PolynomialDecay`": lambda: [lrc.PolynomialDecay(power=2.0)],
    "`LinearDecay`": lambda: [lrc.LinearDecay()],
    "`ConstantFactor`": lambda: [lrc.ConstantFactor(total_steps=EPOCH)],
    "`CosineAnnealing`": lambda: [lrc.CosineAnnealing()],
    "`CyclicalLR` (LR and momentum)": lambda: [lrc.CyclicalLR(base_lr=0.01, step_size_up=EPOCH)],
    "`InverseSqrt`": lambda: [lrc.InverseSqrt(timescale=100)],
    "`WarmupStableDecay`": lambda: [lrc.WarmupStableDecay(warmup_steps=100, decay_steps=100)],
    "`Rex`": lambda: [lrc.Rex()],
    "`LambdaFactor`": lambda: [lrc.LambdaFactor("lr_callbacks.schedules.rex_factor", {"total_steps": TOTAL})],
    "`Warmup`, `SGDR`, `ReduceLROnPlateau` together": lambda: [
        lrc.Warmup(TOTAL),
        lrc.SGDR(EPOCH),
        lrc.ReduceLROnPlateau("val_loss"),
    ],
}
ABSOLUTE: dict[str, Make] = {
    "`SGDR`, absolute `eta_min`": lambda: [lrc.SGDR(EPOCH, eta_min=LOW)],
    "`CosineAnnealing`, absolute `eta_min`": lambda: [lrc.CosineAnnealing(eta_min=LOW)],
    "`PolynomialDecay`, absolute `end_lr`": lambda: [lrc.PolynomialDecay(end_lr=LOW)],
    "`OneCycle`, linear, absolute `max_lr` (LR and momentum)": lambda: [lrc.OneCycle(0.3, anneal_strategy="linear")],
    "all three together, absolute floors": lambda: [
        lrc.Warmup(TOTAL),
        lrc.SGDR(EPOCH, eta_min=LOW),
        lrc.ReduceLROnPlateau("val_loss", min_lr=LOW),
    ],
}
"""Over groups that all have another base LR."""
IN_TABLE = [FLOOR, *TORCH, "`OneCycle` (LR and momentum)", "`SGDR`", list(OURS)[-1], *ABSOLUTE]


def optimizer(groups: int, *, differ: bool = False) -> Optimizer:
    """SGD with momentum and so many groups of one parameter, all of one LR or each of its own."""
    built = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1, momentum=0.9)
    first = built.param_groups[0]  # copied, for torch takes quadratic time to add groups
    built.param_groups += [{**first, "params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups - 1)]
    for number, group in enumerate(built.param_groups if differ else ()):
        group["lr"] = 0.1 * (1 + number / groups)
    return built


def update_of(callbacks: list[Any], built: Optimizer) -> Callable[[], None]:
    """One LR update of ours, hook and all."""
    controller = Controller(built, 0, callbacks)
    controller.start(RunLength(TOTAL, ((0, EPOCH),)), resumed=False, finetuned=False, steps_if_not_restored=0)
    hook = next(iter(built._optimizer_step_post_hooks.values()))
    return lambda: hook(built, (), {})


def update_of_torch(scheduler: Callable[[Optimizer], Any], built: Optimizer) -> Callable[[], None]:
    """One LR update of torch's."""
    made = scheduler(built)
    built.step()
    return made.step


def floor_of(built: Optimizer) -> Callable[[], None]:
    """A Python loop that writes one float into each group."""

    def write() -> None:
        for group in built.param_groups:
            group["lr"] = 0.1

    return write


def microseconds(updates: dict[str, Callable[[], None]], rounds: int, turns: int = 5) -> Times:
    """CPU time of a call of each, in each round the smallest of some turns of about three milliseconds.

    Where LRs are worked out for some steps at once, a turn is a multiple of these.
    """
    times: Times = {name: [] for name in updates}
    calls = {}
    for name, update in updates.items():
        once = float("inf")
        for _ in range(5):  # the smallest: a turn of one call, after a pause, would be measured with cold caches
            begun = time.thread_time()
            update()
            once = min(once, time.thread_time() - begun)
        number = min(2000, int(3e-3 / once) + 1)
        calls[name] = number if number < TURN / 4 else -(-number // TURN) * TURN
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        best = dict.fromkeys(updates, float("inf"))
        for _ in range(turns):
            for name, update in updates.items():
                begun = time.thread_time()
                for _ in range(calls[name]):
                    update()
                best[name] = min(best[name], (time.thread_time() - begun) / calls[name] * 1e6)
        for name, value in best.items():
            times[name].append(value)
    gc.enable()
    return times


def measure_updates(sizes: list[int], rounds: int) -> dict[int, Times]:
    """All updates at all sizes."""
    measured = {}
    for size in sizes:
        updates = {FLOOR: floor_of(optimizer(size))}
        updates |= {name: update_of_torch(made, optimizer(size, differ=True)) for name, made in TORCH.items()}
        updates |= {name: update_of(make(), optimizer(size)) for name, make in OURS.items()}
        updates |= {name: update_of(make(), optimizer(size, differ=True)) for name, make in ABSOLUTE.items()}
        measured[size] = microseconds(updates, rounds)
    return measured


def print_updates(measured: dict[int, Times], names: list[str]) -> None:
    """The table of microseconds."""
    print("| update | " + " | ".join(f"{size} group{'s' * (size > 1)}" for size in measured) + " |")
    print("|---" * (len(measured) + 1) + "|")
    for name in names:
        medians = [statistics.median(times[name]) for times in measured.values()]
        print(f"| {name} | " + " | ".join(f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in medians) + " |")


def print_bars(measured: dict[int, Times]) -> None:
    """The ratios that are promised."""
    print(
        "\n| update | groups | / OneCycleLR | bar | / floor, per value written | bar | |\n|---|---|---|---|---|---|---|"
    )
    for name in [*OURS, *ABSOLUTE]:
        for size, times in measured.items():
            share = ratio(times[name], times[ONE_CYCLE_LR])
            most = 1.0 if size < 100 else 0.1 if "momentum" in name else 1 / 15
            above = ratio(times[name], times[FLOOR]) / (2 if "momentum" in name else 1)
            bar, fine = (f"{5:.0f}", above <= 5) if size >= 100 else ("", True)
            both = verdict(share <= most and fine)
            print(f"| {name} | {size} | {share:.3f} | {most:.3f} | {above:.1f} | {bar} | {both} |")
    one = statistics.median(ratio(measured[1][name], measured[1][ONE_CYCLE_LR]) for name in [*OURS, *ABSOLUTE])
    print(f"\nmedian of one group / OneCycleLR at most 0.6: {verdict(one <= 0.6)} ({one:.3f})")
    if {100, 10000} <= set(measured):
        print("\n| update | per group, 10000 / 100 | the same of the floor | |\n|---|---|---|---|")
        few, many = measured[100], measured[10000]
        floor = ratio(many[FLOOR], few[FLOOR]) / 100
        for name in [*OURS, *ABSOLUTE]:
            grown = ratio(many[name], few[name]) / 100
            print(f"| {name} | {grown:.2f} | {floor:.2f} | {verdict(grown <= max(1.0, floor))} |")


def compare(other: str, sizes: list[int], turns: int) -> None:
    """Print the ratio of each of our updates to that of another checkout."""
    here = str(Path(__file__).parents[1])
    times: dict[str, list[Times]] = {here: [], other: []}
    for turn in range(turns):
        for checkout in (here, other) if turn % 2 else (other, here):
            environment = {**os.environ, "PYTHONPATH": checkout}
            command = [sys.executable, __file__, "--json", *map(str, sizes)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            times[checkout].append(json.loads(done.stdout.splitlines()[-1]))
    print("| update | " + " | ".join(f"{size} group{'s' * (size > 1)}" for size in sizes) + " |")
    print("|---" * (len(sizes) + 1) + "|")
    shares = {
        name: [
            ratio(*([median(each[str(size)][name]) for each in times[side]] for side in (here, other)))
            for size in sizes
        ]
        for name in [*OURS, *ABSOLUTE]
    }
    for name, of_sizes in shares.items():
        print(f"| {name} | " + " | ".join(f"{share:.2f}" for share in of_sizes) + " |")
    every = [share for of_sizes in shares.values() for share in of_sizes]
    print(f"\nmedian at most 1.0: {verdict(median(every) <= 1)} ({median(every):.3f})")
    print(f"no row above 1.2: {verdict(max(every) <= 1.2)} ({max(every):.3f})")


def bytes_kept(updates: int) -> int:
    """How much memory is allocated after many updates, beyond what was after the first thousand."""
    update = update_of(ABSOLUTE["all three together, absolute floors"](), optimizer(3, differ=True))
    for _ in range(5000):  # numpy keeps some small blocks of its own, about a hundred kilobytes and then no more
        sgdr_factor(np.arange(TURN)[:, None], T_0=EPOCH)
    tracemalloc.start()
    for _ in range(1000):
        update()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(updates):
        update()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return grown


def print_section(measured: dict[int, Times], fits: Times, kept: int, updates: int) -> None:
    """Print the results as tables."""
    machine = (
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, torch {torch.__version__}"
    )
    print(f"Microseconds of CPU time per LR update, all groups, in turns in one run ({machine}, one thread;")
    print("`python benchmarks/overhead.py` prints all callbacks and holds each against its bar):\n")
    print_updates(measured, IN_TABLE)
    shares = {size: {n: ratio(t[n], t[ONE_CYCLE_LR]) for n in [*OURS, *ABSOLUTE]} for size, t in measured.items()}
    dearest = max(shares[1], key=lambda name: shares[1][name])
    print(f"\nOn one group {dearest} costs the most: {shares[1][dearest]:.2f} of torch's `OneCycleLR.step()`.")
    most = max(share for size, of in shares.items() if size >= 100 for share in of.values())
    print(f"From 100 groups on nothing costs more than {most:.3f} of it, also where every group has another base LR")
    print("and an argument is an absolute LR.")
    none, native, idle, noise = fit_ratios(fits)
    print(f"A whole fit with `OneCycle` took {none:.3f} of the time without a schedule", end=" ")
    print(f"({statistics.median(fits[NONE]):.1f} ms a step), {native:.3f} of that with native `OneCycleLR`, and")
    print(f"{idle:.3f} of that with a callback that does nothing and that Lightning calls six times a step;")
    print(f"noise alone made {noise:.3f}. Memory grew by {kept} bytes over {updates:,} updates.")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="Few sizes and rounds, to see that it runs.")
    parser.add_argument("--markdown", action="store_true", help="Print the results as tables.")
    parser.add_argument("--against", metavar="FOLDER", help="Another checkout, whose updates are to be compared.")
    parser.add_argument("--json", nargs="+", type=int, metavar="GROUPS", help=argparse.SUPPRESS)
    given = parser.parse_args()
    quick = given.quick
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    if given.json:
        print(json.dumps(measure_updates(given.json, 1)))
        return
    if given.against:
        compare(given.against, [1, 100] if quick else [1, 10, 100, 1000], 3 if quick else 5)
        return
    fits = measure_fits(20 if quick else 200, 1 if quick else 60)
    measured = measure_updates([1, 100] if quick else [1, 10, 100, 1000, 10000], 2 if quick else 7)
    updates = 1000 if quick else 1_000_000
    kept = bytes_kept(updates)
    if given.markdown:
        print_section(measured, fits, kept, updates)
        return
    print(f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}\n")
    print_updates(measured, list(next(iter(measured.values()))))
    print_bars(measured)
    print_fits(fits)
    print(f"\nmemory after {updates} more updates: {kept:+d} bytes: {verdict(kept < 2000)}")


if __name__ == "__main__":
    main()
