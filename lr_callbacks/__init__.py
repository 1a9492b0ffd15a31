"""Learning-rate callbacks for PyTorch Lightning: right under accumulation, resume, several optimizers and fp16.

A name is imported when it is first used, so that the command line answers `--version` and `--help` without Lightning.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lr_callbacks.callbacks.base import LRCallback as LRCallback
    from lr_callbacks.callbacks.constant_factor import ConstantFactor as ConstantFactor
    from lr_callbacks.callbacks.cosine_annealing import CosineAnnealing as CosineAnnealing
    from lr_callbacks.callbacks.cyclical_lr import CyclicalLR as CyclicalLR
    from lr_callbacks.callbacks.exponential_decay import ExponentialDecay as ExponentialDecay
    from lr_callbacks.callbacks.final_decay import FinalDecay as FinalDecay
    from lr_callbacks.callbacks.greedy_lr import GreedyLR as GreedyLR
    from lr_callbacks.callbacks.inverse_power import InversePower as InversePower
    from lr_callbacks.callbacks.inverse_sqrt import InverseSqrt as InverseSqrt
    from lr_callbacks.callbacks.lambda_factor import (
        LambdaFactor as LambdaFactor,
    )
    from lr_callbacks.callbacks.lambda_factor import (
        MultiplicativeFactor as MultiplicativeFactor,
    )
    from lr_callbacks.callbacks.lr_monitor import LRMonitor as LRMonitor
    from lr_callbacks.callbacks.noise import Noise as Noise
    from lr_callbacks.callbacks.one_cycle import OneCycle as OneCycle
    from lr_callbacks.callbacks.piecewise import Piecewise as Piecewise
    from lr_callbacks.callbacks.polynomial_decay import LinearDecay as LinearDecay
    from lr_callbacks.callbacks.polynomial_decay import PolynomialDecay as PolynomialDecay
    from lr_callbacks.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau as ReduceLROnPlateau
    from lr_callbacks.callbacks.replace_schedulers import ReplaceSchedulers as ReplaceSchedulers
    from lr_callbacks.callbacks.restarts import Restarts as Restarts
    from lr_callbacks.callbacks.rex import Rex as Rex
    from lr_callbacks.callbacks.sequential import Sequential as Sequential
    from lr_callbacks.callbacks.sgdr import SGDR as SGDR
    from lr_callbacks.callbacks.snapshots import SnapshotCheckpoint as SnapshotCheckpoint
    from lr_callbacks.callbacks.step_decay import MultiStepDecay as MultiStepDecay
    from lr_callbacks.callbacks.step_decay import StepDecay as StepDecay
    from lr_callbacks.callbacks.stretch_plan import StretchPlan as StretchPlan
    from lr_callbacks.callbacks.tanh_decay import TanhDecay as TanhDecay
    from lr_callbacks.callbacks.torch_scheduler import TorchScheduler as TorchScheduler
    from lr_callbacks.callbacks.untuned_warmup import UntunedWarmup as UntunedWarmup
    from lr_callbacks.callbacks.warmup import Warmup as Warmup
    from lr_callbacks.callbacks.warmup_stable_decay import WarmupStableDecay as WarmupStableDecay
    from lr_callbacks.layerwise import param_groups as param_groups
    from lr_callbacks.plain_loop import attach as attach
    from lr_callbacks.previews import preview as preview
    from lr_callbacks.range_test.call import lr_range_test as lr_range_test
    from lr_callbacks.range_test.callback import LRRangeTest as LRRangeTest
    from lr_callbacks.range_test.result import RangeTestResult as RangeTestResult
    from lr_callbacks.sweep import grid_search as grid_search

__version__ = "0.1.0"

_MODULES = {
    "attach": "lr_callbacks.plain_loop",
    "ConstantFactor": "lr_callbacks.callbacks.constant_factor",
    "CosineAnnealing": "lr_callbacks.callbacks.cosine_annealing",
    "CyclicalLR": "lr_callbacks.callbacks.cyclical_lr",
    "ExponentialDecay": "lr_callbacks.callbacks.exponential_decay",
    "FinalDecay": "lr_callbacks.callbacks.final_decay",
    "GreedyLR": "lr_callbacks.callbacks.greedy_lr",
    "grid_search": "lr_callbacks.sweep",
    "InversePower": "lr_callbacks.callbacks.inverse_power",
    "InverseSqrt": "lr_callbacks.callbacks.inverse_sqrt",
    "LambdaFactor": "lr_callbacks.callbacks.lambda_factor",
    "LinearDecay": "lr_callbacks.callbacks.polynomial_decay",
    "lr_range_test": "lr_callbacks.range_test.call",
    "LRCallback": "lr_callbacks.callbacks.base",
    "LRMonitor": "lr_callbacks.callbacks.lr_monitor",
    "LRRangeTest": "lr_callbacks.range_test.callback",
    "MultiplicativeFactor": "lr_callbacks.callbacks.lambda_factor",
    "MultiStepDecay": "lr_callbacks.callbacks.step_decay",
    "Noise": "lr_callbacks.callbacks.noise",
    "OneCycle": "lr_callbacks.callbacks.one_cycle",
    "param_groups": "lr_callbacks.layerwise",
    "Piecewise": "lr_callbacks.callbacks.piecewise",
    "PolynomialDecay": "lr_callbacks.callbacks.polynomial_decay",
    "preview": "lr_callbacks.previews",
    "RangeTestResult": "lr_callbacks.range_test.result",
    "ReduceLROnPlateau": "lr_callbacks.callbacks.reduce_lr_on_plateau",
    "ReplaceSchedulers": "lr_callbacks.callbacks.replace_schedulers",
    "Restarts": "lr_callbacks.callbacks.restarts",
    "Rex": "lr_callbacks.callbacks.rex",
    "Sequential": "lr_callbacks.callbacks.sequential",
    "SGDR": "lr_callbacks.callbacks.sgdr",
    "SnapshotCheckpoint": "lr_callbacks.callbacks.snapshots",
    "StepDecay": "lr_callbacks.callbacks.step_decay",
    "StretchPlan": "lr_callbacks.callbacks.stretch_plan",
    "TanhDecay": "lr_callbacks.callbacks.tanh_decay",
    "TorchScheduler": "lr_callbacks.callbacks.torch_scheduler",
    "UntunedWarmup": "lr_callbacks.callbacks.untuned_warmup",
    "Warmup": "lr_callbacks.callbacks.warmup",
    "WarmupStableDecay": "lr_callbacks.callbacks.warmup_stable_decay",
}
"""Public name -> module that defines it."""

__all__ = [name for name in _MODULES if name != "grid_search" or find_spec("optuna")]  # import * needs no extra


def __getattr__(name: str) -> Any:
    """Import a name when it is first used."""
    if name not in _MODULES:
        from lr_callbacks.other_names import hint

        raise AttributeError(f"module {__name__!r} has no attribute {name!r}. {hint(name)}".rstrip(" ."))
    globals()[name] = value = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    """Every public name."""
    return sorted({*globals(), *__all__})
