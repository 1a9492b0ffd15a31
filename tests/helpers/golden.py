"""The golden file: LRs and momenta that optimizers really used, to the last bit, as they were when it was written.

``python tests/helpers/golden.py --write`` writes the file again, ``--check`` prints what is different, ``--show CASE``
prints every step of a case as the code is now. A change by design is listed in the change log with its reason.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer

FILE = Path(__file__).parents[1] / "integration" / "golden.json"
SHOWN_STEPS, SHOWN_GROUPS = 12, 6

Step = list[str]
"""One entry for each group: LR and, where there is one, momentum, as ``float.hex`` with a slash between them."""
Traces = dict[str, list[Step]]
"""For each optimizer of each fit, what its steps saw."""


# ---------------------------------------------------------------------- what a fit does
class Used(Callback):
    """Writes down LR and momentum of every group as ``optimizer.step`` sees them."""

    def __init__(self, label: str = "") -> None:
        self.label = label
        self.traces: Traces = {}
        self.hooks: list[Any] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for index, optimizer in enumerate(trainer.optimizers):
            trace = self.traces.setdefault(f"{self.label}optimizer {index}", [])
            self.hooks.append(optimizer.register_step_pre_hook(self._recording(trace)))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        while self.hooks:
            self.hooks.pop().remove()

    @staticmethod
    def _recording(trace: list[Step]) -> Callable[..., None]:
        def record(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            trace.append([used(group) for group in optimizer.param_groups])

        return record


def used(group: dict[str, Any]) -> str:
    """LR and momentum (or first beta) of a group."""
    momentum = group["betas"][0] if "betas" in group else group.get("momentum")
    return "/".join(float(value).hex() for value in (group["lr"], momentum) if value is not None)


# ---------------------------------------------------------------------- how it is kept
def spread(number: int, most: int) -> list[int]:
    """At most `most` of so many places, the first and the last among them."""
    if number <= most:
        return list(range(number))
    return sorted({round(place * (number - 1) / (most - 1)) for place in range(most)})


def digest(trace: Sequence[Step]) -> str:
    """A name for all bits of a trace."""
    return hashlib.sha256(json.dumps(trace).encode()).hexdigest()[:16]


def excerpt(trace: Sequence[Step]) -> dict[str, str]:
    """Some steps in clear: of each, the values of some groups."""
    steps = spread(len(trace), SHOWN_STEPS)
    return {
        str(step): " ".join(trace[step][group] for group in spread(len(trace[step]), SHOWN_GROUPS)) for step in steps
    }


def write(cases: dict[str, Callable[[], Traces]], *, rerun_all: bool = True) -> None:
    """Run cases and write the golden file. Traces that several cases share are kept once.

    Args:
        cases: All cases, in their order.
        rerun_all: Whether to run them all; if not, those that the file holds stay as they are.
    """
    held = {"cases": {}, "traces": {}} if rerun_all else read()
    kept: dict[str, Any] = {}
    named: dict[str, dict[str, str]] = {}
    for name, run in cases.items():
        if name in held["cases"]:
            named[name] = held["cases"][name]
            kept.update((trace, held["traces"][trace]) for trace in named[name].values())
            continue
        named[name] = {}
        for label, trace in run().items():
            named[name][label] = digest(trace)
            kept[digest(trace)] = {"length": len(trace), "steps": excerpt(trace)}
    lines = [
        '{"cases": {',
        ",\n".join(f"{json.dumps(name)}: {json.dumps(named[name])}" for name in named),
        '}, "traces": {',
    ]
    lines += [",\n".join(f"{json.dumps(name)}: {json.dumps(kept[name])}" for name in sorted(kept)), "}}"]
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read() -> dict[str, Any]:
    """The golden file."""
    content: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return content


# ---------------------------------------------------------------------- how it is compared
def difference(name: str, now: Traces, golden: dict[str, Any]) -> str | None:
    """What is different from the golden file, the first step of it in full; None if all is equal."""
    names = golden["cases"][name]
    if list(now) != list(names):
        return f"{name}: optimizers of the fits were {list(names)}, are {list(now)}"
    for label, trace in now.items():
        if digest(trace) != names[label]:
            return f"{name}, {label}: {_first_difference(trace, golden['traces'][names[label]])}"
    return None


def _first_difference(trace: list[Step], kept: dict[str, Any]) -> str:
    if len(trace) != kept["length"]:
        return f"the optimizer took {kept['length']} steps, takes {len(trace)}"
    for step, before in kept["steps"].items():
        after = trace[int(step)]
        groups = spread(len(after), SHOWN_GROUPS)
        values = before.split()
        if len(values) != len(groups):
            return f"step {step}: {len(values)} groups shown, {len(groups)} now"
        for group, was in zip(groups, values, strict=True):
            if after[group] != was:
                return f"step {step}, group {group}: was {_in_words(was)}; is {_in_words(after[group])}"
    where = "in a step or a group that is not kept in clear"
    return f"equal in steps {', '.join(kept['steps'])}, different {where}: compare --show of both revisions"


def _in_words(value: str) -> str:
    parts = [
        f"{name} {float.fromhex(part)!r} ({part})"
        for name, part in zip(("LR", "momentum"), value.split("/"), strict=False)
    ]
    return ", ".join(parts)


def main() -> None:
    """Write the file, or show a case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="run all cases and write tests/integration/golden.json")
    parser.add_argument("--add", action="store_true", help="run the cases that the file does not hold, and add them")
    parser.add_argument("--show", metavar="CASE", help="print every step of a case")
    parser.add_argument("--check", action="store_true", help="run all cases and print what is different")
    arguments = parser.parse_args()
    from golden_cases import all_cases  # it needs this module

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    cases = all_cases()
    if arguments.show:
        for label, trace in cases[arguments.show]().items():
            for number, step in enumerate(trace):
                print(label, number, *(_in_words(value) for value in step), sep="; ")  # noqa: T201
    if arguments.check:
        for name, run in cases.items():
            if told := difference(name, run(), read()):
                print(told)  # noqa: T201
    if arguments.write or arguments.add:
        write(cases, rerun_all=arguments.write)


if __name__ == "__main__":
    main()
