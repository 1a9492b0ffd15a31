"""The torch schedulers that the tests run through TorchScheduler: how each is built natively, in Python and in YAML."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from torch.optim import lr_scheduler as torch_schedulers


def halved(step: int) -> float:
    """A function that YAML can name."""
    return 0.5**step


def shrink(step: int) -> float:
    return 0.9


@dataclass(frozen=True)
class Case:
    """A scheduler with its arguments, or several of them with milestones."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    parts: tuple[Case, ...] = ()
    milestones: tuple[int, ...] = ()

    @property
    def cls(self) -> type:
        return getattr(torch_schedulers, self.name)

    def native(self, optimizer: Any) -> Any:
        if self.name == "SequentialLR":
            return self.cls(optimizer, [part.native(optimizer) for part in self.parts], list(self.milestones))
        if self.name == "ChainedScheduler":
            return self.cls([part.native(optimizer) for part in self.parts])
        return self.cls(optimizer, **self.arguments)

    def in_python(self) -> dict[str, Any]:
        if not self.parts:
            return {"scheduler": self.cls, **self.arguments}
        milestones = {"milestones": list(self.milestones)} if self.milestones else {}
        return {"schedulers": [part.native for part in self.parts], **milestones}

    def in_yaml(self) -> dict[str, Any]:
        if not self.parts:
            return {"scheduler": self._node()}
        milestones = {"milestones": list(self.milestones)} if self.milestones else {}
        return {"schedulers": [part._node() for part in self.parts], **milestones}

    def _node(self) -> dict[str, Any]:
        arguments = {
            key: f"torch_schedulers.{value.__name__}" if callable(value) else value
            for key, value in self.arguments.items()
        }
        return {"class_path": f"torch.optim.lr_scheduler.{self.name}", "init_args": arguments}


CASES = [
    Case("StepLR", {"step_size": 3, "gamma": 0.5}),
    Case("MultiStepLR", {"milestones": [2, 5, 5], "gamma": 0.3}),
    Case("ExponentialLR", {"gamma": 0.9}),
    Case("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 3, "mode": "triangular2"}),
    Case("CosineAnnealingLR", {"T_max": 8, "eta_min": 0.001}),
    Case("OneCycleLR", {"max_lr": 0.3, "total_steps": 12}),
    Case("LambdaLR", {"lr_lambda": halved}),
    Case("MultiplicativeLR", {"lr_lambda": shrink}),
    Case("ConstantLR", {"factor": 0.25, "total_iters": 4}),
    Case("LinearLR", {"start_factor": 0.1, "total_iters": 5}),
    Case("PolynomialLR", {"total_iters": 9, "power": 2.0}),
    Case("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2}),
    Case(
        "SequentialLR",
        parts=(
            Case("ConstantLR", {"factor": 0.1, "total_iters": 3}),
            Case("MultiStepLR", {"milestones": [2], "gamma": 0.5}),
            Case("ExponentialLR", {"gamma": 0.8}),
        ),
        milestones=(3, 7),
    ),
    Case(
        "ChainedScheduler",
        parts=(Case("ConstantLR", {"factor": 0.1, "total_iters": 3}), Case("ExponentialLR", {"gamma": 0.8})),
    ),
]
"""All that torch has but ReduceLROnPlateau, which needs a metric."""

IDS = [case.name for case in CASES]
assert math.isclose(halved(1), 0.5)
