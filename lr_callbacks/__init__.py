"""Learning-rate callbacks for PyTorch Lightning: right under accumulation, resume, several optimizers and fp16.

A name is imported when it is first used, so that the command line answers `--version` and `--help` without Lightning.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lr_callbacks.callbacks.base import LRCallback
    from lr_callbacks.callbacks.constant_factor import ConstantFactor
    from lr_callbacks.callbacks.cosine_annealing import CosineAnnealing
    from lr_callbacks.callbacks.cyclical_lr import CyclicalLR
    from lr_callbacks.callbacks.exponential_decay import ExponentialDecay
    from lr_callbacks.callbacks.inverse_sqrt import InverseSqrt
    from lr_callbacks.callbacks.lambda_factor import LambdaFactor, MultiplicativeFactor
    from lr_callbacks.callbacks.lr_monitor import LRMonitor
    from lr_callbacks.callbacks.one_cycle import OneCycle
    from lr_callbacks.callbacks.polynomial_decay import LinearDecay, PolynomialDecay
    from lr_callbacks.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
    from lr_callbacks.callbacks.rex import Rex
    from lr_callbacks.callbacks.sgdr import SGDR
    from lr_callbacks.callbacks.snapshots import SnapshotCheckpoint
    from lr_callbacks.callbacks.step_decay import MultiStepDecay, StepDecay
    from lr_callbacks.callbacks.torch_scheduler import TorchScheduler
    from lr_callbacks.callbacks.warmup import Warmup
    from lr_callbacks.callbacks.warmup_stable_decay import WarmupStableDecay
    from lr_callbacks.preview import preview
    from lr_callbacks.range_test.call import lr_range_test
    from lr_callbacks.range_test.callback import LRRangeTest
    from lr_callbacks.range_test.result import RangeTestResult
    from lr_callbacks.sweep import grid_search

__version__ = "0.1.0"

__all__ = [
    "SGDR",
    "ConstantFactor",
    "CosineAnnealing",
    "CyclicalLR",
    "ExponentialDecay",
    "InverseSqrt",
    "LRCallback",
    "LRMonitor",
    "LRRangeTest",
    "LambdaFactor",
    "LinearDecay",
    "MultiStepDecay",
    "MultiplicativeFactor",
    "OneCycle",
    "PolynomialDecay",
    "RangeTestResult",
    "ReduceLROnPlateau",
    "Rex",
    "SnapshotCheckpoint",
    "StepDecay",
    "TorchScheduler",
    "Warmup",
    "WarmupStableDecay",
    "grid_search",
    "lr_range_test",
    "preview",
]

_MODULES = {
    "SGDR": "lr_callbacks.callbacks.sgdr",
    "ConstantFactor": "lr_callbacks.callbacks.constant_factor",
    "CosineAnnealing": "lr_callbacks.callbacks.cosine_annealing",
    "CyclicalLR": "lr_callbacks.callbacks.cyclical_lr",
    "ExponentialDecay": "lr_callbacks.callbacks.exponential_decay",
    "InverseSqrt": "lr_callbacks.callbacks.inverse_sqrt",
    "LRCallback": "lr_callbacks.callbacks.base",
    "LRMonitor": "lr_callbacks.callbacks.lr_monitor",
    "LRRangeTest": "lr_callbacks.range_test.callback",
    "LambdaFactor": "lr_callbacks.callbacks.lambda_factor",
    "LinearDecay": "lr_callbacks.callbacks.polynomial_decay",
    "MultiStepDecay": "lr_callbacks.callbacks.step_decay",
    "MultiplicativeFactor": "lr_callbacks.callbacks.lambda_factor",
    "OneCycle": "lr_callbacks.callbacks.one_cycle",
    "PolynomialDecay": "lr_callbacks.callbacks.polynomial_decay",
    "RangeTestResult": "lr_callbacks.range_test.result",
    "ReduceLROnPlateau": "lr_callbacks.callbacks.reduce_lr_on_plateau",
    "Rex": "lr_callbacks.callbacks.rex",
    "SnapshotCheckpoint": "lr_callbacks.callbacks.snapshots",
    "StepDecay": "lr_callbacks.callbacks.step_decay",
    "TorchScheduler": "lr_callbacks.callbacks.torch_scheduler",
    "Warmup": "lr_callbacks.callbacks.warmup",
    "WarmupStableDecay": "lr_callbacks.callbacks.warmup_stable_decay",
    "grid_search": "lr_callbacks.sweep",
    "lr_range_test": "lr_callbacks.range_test.call",
    "preview": "lr_callbacks.preview",
}
"""Name -> module that defines it."""


def __getattr__(name: str) -> Any:
    """Import a name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    """Every public name."""
    return sorted({*globals(), *__all__})
