"""Learning-rate callbacks for PyTorch Lightning: right under accumulation, resume, several optimizers and fp16."""

from typing import TYPE_CHECKING, Any

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
from lr_callbacks.callbacks.replace_schedulers import ReplaceSchedulers
from lr_callbacks.callbacks.rex import Rex
from lr_callbacks.callbacks.sgdr import SGDR
from lr_callbacks.callbacks.snapshots import SnapshotCheckpoint
from lr_callbacks.callbacks.step_decay import MultiStepDecay, StepDecay
from lr_callbacks.callbacks.torch_scheduler import TorchScheduler
from lr_callbacks.callbacks.warmup import Warmup
from lr_callbacks.callbacks.warmup_stable_decay import WarmupStableDecay
from lr_callbacks.layerwise import param_groups
from lr_callbacks.preview import preview
from lr_callbacks.range_test.call import lr_range_test
from lr_callbacks.range_test.callback import LRRangeTest
from lr_callbacks.range_test.result import RangeTestResult

if TYPE_CHECKING:
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
    "ReplaceSchedulers",
    "Rex",
    "SnapshotCheckpoint",
    "StepDecay",
    "TorchScheduler",
    "Warmup",
    "WarmupStableDecay",
    "grid_search",
    "lr_range_test",
    "param_groups",
    "preview",
]


def __getattr__(name: str) -> Any:
    """`grid_search` is imported when it is first used, for it needs Optuna."""
    if name == "grid_search":
        from lr_callbacks.sweep import grid_search

        return grid_search
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
