"""Lightning's two names: `lightning.pytorch` and `pytorch_lightning` are two sets of the same classes.

An object of one package is never an instance of the other's class. What asks for the class of an object of Lightning's
asks here, so that these callbacks work in the Trainer of either package. Its classes are imported from here, too: of
`pytorch_lightning` where only that one is installed or was imported before this package, else of `lightning.pytorch`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

if TYPE_CHECKING:
    from lightning.fabric import is_wrapped as is_wrapped
    from lightning.fabric.utilities.data import _set_sampler_epoch as _set_sampler_epoch
    from lightning.fabric.utilities.data import sized_len as sized_len
    from lightning.pytorch import Callback as Callback
    from lightning.pytorch import LightningDataModule as LightningDataModule
    from lightning.pytorch import LightningModule as LightningModule
    from lightning.pytorch import Trainer as Trainer
    from lightning.pytorch import seed_everything as seed_everything
    from lightning.pytorch.callbacks import BaseFinetuning as BaseFinetuning
    from lightning.pytorch.callbacks import Checkpoint as Checkpoint
    from lightning.pytorch.callbacks import GradientAccumulationScheduler as GradientAccumulationScheduler
    from lightning.pytorch.callbacks import LearningRateFinder as LearningRateFinder
    from lightning.pytorch.callbacks import LearningRateMonitor as LearningRateMonitor
    from lightning.pytorch.callbacks import ModelCheckpoint as ModelCheckpoint
    from lightning.pytorch.callbacks import ModelSummary as ModelSummary
    from lightning.pytorch.callbacks import ProgressBar as ProgressBar
    from lightning.pytorch.callbacks import RichProgressBar as RichProgressBar
    from lightning.pytorch.callbacks import StochasticWeightAveraging as StochasticWeightAveraging
    from lightning.pytorch.callbacks import Timer as Timer
    from lightning.pytorch.callbacks import TQDMProgressBar as TQDMProgressBar
    from lightning.pytorch.callbacks.progress.rich_progress import BatchesProcessedColumn as BatchesProcessedColumn
    from lightning.pytorch.callbacks.progress.rich_progress import CustomBarColumn as CustomBarColumn
    from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm as Tqdm
    from lightning.pytorch.cli import LightningArgumentParser as LightningArgumentParser
    from lightning.pytorch.cli import LightningCLI as LightningCLI
    from lightning.pytorch.cli import OptimizerCallable as OptimizerCallable
    from lightning.pytorch.cli import SaveConfigCallback as SaveConfigCallback
    from lightning.pytorch.core.optimizer import _MockOptimizer as _MockOptimizer
    from lightning.pytorch.loggers import CSVLogger as CSVLogger
    from lightning.pytorch.loggers import Logger as Logger
    from lightning.pytorch.loggers import MLFlowLogger as MLFlowLogger
    from lightning.pytorch.loggers import TensorBoardLogger as TensorBoardLogger
    from lightning.pytorch.loggers import WandbLogger as WandbLogger
    from lightning.pytorch.loggers.logger import DummyLogger as DummyLogger
    from lightning.pytorch.profilers import PassThroughProfiler as PassThroughProfiler
    from lightning.pytorch.profilers import Profiler as Profiler
    from lightning.pytorch.strategies import DDPStrategy as DDPStrategy
    from lightning.pytorch.strategies import ModelParallelStrategy as ModelParallelStrategy
    from lightning.pytorch.strategies import SingleDeviceStrategy as SingleDeviceStrategy
    from lightning.pytorch.strategies import Strategy as Strategy
    from lightning.pytorch.trainer.call import _call_strategy_hook as _call_strategy_hook
    from lightning.pytorch.trainer.connectors.data_connector import _parse_num_batches as _parse_num_batches
    from lightning.pytorch.trainer.connectors.data_connector import _process_dataloader as _process_dataloader
    from lightning.pytorch.trainer.connectors.data_connector import _request_dataloader as _request_dataloader
    from lightning.pytorch.trainer.connectors.data_connector import _resolve_overfit_batches as _resolve_overfit_batches
    from lightning.pytorch.trainer.states import RunningStage as RunningStage
    from lightning.pytorch.trainer.states import TrainerFn as TrainerFn
    from lightning.pytorch.trainer.states import TrainerStatus as TrainerStatus
    from lightning.pytorch.utilities import CombinedLoader as CombinedLoader
    from lightning.pytorch.utilities import rank_zero_only as rank_zero_only
    from lightning.pytorch.utilities.combined_loader import _SUPPORTED_MODES as _SUPPORTED_MODES
    from lightning.pytorch.utilities.exceptions import MisconfigurationException as MisconfigurationException
    from lightning.pytorch.utilities.rank_zero import rank_zero_info as rank_zero_info
    from lightning.pytorch.utilities.rank_zero import rank_zero_warn as rank_zero_warn
    from lightning.pytorch.utilities.seed import isolate_rng as isolate_rng
    from lightning.pytorch.utilities.signature_utils import is_param_in_hook_signature as is_param_in_hook_signature

PACKAGES = {
    "lightning.pytorch": "pytorch_lightning",
    "lightning.fabric": "lightning_fabric",
    "pytorch_lightning": "lightning.pytorch",
    "lightning_fabric": "lightning.fabric",
}
"""Each package, and the one that has the same classes under the other name."""
IS_ALONE = find_spec("lightning") is None or (
    "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules
)
"""Whether `pytorch_lightning` is the one of the two that is used."""
NAMES = {
    "lightning.fabric": "is_wrapped",
    "lightning.fabric.utilities.data": "_set_sampler_epoch sized_len",
    "lightning.pytorch": "Callback LightningDataModule LightningModule Trainer seed_everything",
    "lightning.pytorch.callbacks": (
        "BaseFinetuning Checkpoint GradientAccumulationScheduler LearningRateFinder LearningRateMonitor "
        "ModelCheckpoint ModelSummary ProgressBar RichProgressBar StochasticWeightAveraging "
        "TQDMProgressBar Timer"
    ),
    "lightning.pytorch.callbacks.progress.rich_progress": "BatchesProcessedColumn CustomBarColumn",
    "lightning.pytorch.callbacks.progress.tqdm_progress": "Tqdm",
    "lightning.pytorch.cli": "LightningArgumentParser LightningCLI OptimizerCallable SaveConfigCallback",
    "lightning.pytorch.core.optimizer": "_MockOptimizer",
    "lightning.pytorch.loggers": "CSVLogger Logger MLFlowLogger TensorBoardLogger WandbLogger",
    "lightning.pytorch.loggers.logger": "DummyLogger",
    "lightning.pytorch.profilers": "PassThroughProfiler Profiler",
    "lightning.pytorch.strategies": "DDPStrategy ModelParallelStrategy SingleDeviceStrategy Strategy",
    "lightning.pytorch.trainer.call": "_call_strategy_hook",
    "lightning.pytorch.trainer.connectors.data_connector": (
        "_parse_num_batches _process_dataloader _request_dataloader _resolve_overfit_batches"
    ),
    "lightning.pytorch.trainer.states": "RunningStage TrainerFn TrainerStatus",
    "lightning.pytorch.utilities": "CombinedLoader rank_zero_only",
    "lightning.pytorch.utilities.combined_loader": "_SUPPORTED_MODES",
    "lightning.pytorch.utilities.exceptions": "MisconfigurationException",
    "lightning.pytorch.utilities.rank_zero": "rank_zero_info rank_zero_warn",
    "lightning.pytorch.utilities.seed": "isolate_rng",
    "lightning.pytorch.utilities.signature_utils": "is_param_in_hook_signature",
}
"""Where each name of Lightning's comes from."""
NEWER = ("ModelParallelStrategy",)
"""Classes that the oldest versions lack, so that no object is an instance there."""
MODULES = {name: module for module, names in NAMES.items() for name in names.split()}
Class = TypeVar("Class")

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = MODULES[name]
        if IS_ALONE:
            package = next(each for each in ("lightning.pytorch", "lightning.fabric") if module.startswith(each))
            module = PACKAGES[package] + module.removeprefix(package)
        absent = (type(name, (), {}),) if name in NEWER else ()
        globals()[name] = value = getattr(import_module(module), name, *absent)
        return value


def is_a(value: object, *kinds: type[Class]) -> TypeGuard[Class]:
    """Whether a value is an instance of one of some classes, or of its counterpart under Lightning's other name.

    Args:
        value: What is looked at.
        kinds: The classes, under either name.

    Example:
        >>> from lightning.pytorch.callbacks import ProgressBar, Timer
        >>> is_a(Timer(), Timer), is_a(Timer(), ProgressBar, Timer), is_a(3, Timer)
        (True, True, False)
    """
    return isinstance(value, kinds) or derives(type(value), *kinds)


def derives(one: type, *kinds: type) -> bool:
    """Whether a class derives from one of some classes, or from its counterpart under Lightning's other name.

    Args:
        one: The class that is looked at.
        kinds: The classes, under either name.

    Example:
        >>> from lightning.pytorch.callbacks import Callback, Timer
        >>> derives(Timer, Callback), derives(Callback, Timer)
        (True, False)
    """
    return issubclass(one, kinds) or any(_is_counterpart(base, kind) for base in one.__mro__ for kind in kinds)


def counterpart(kind: type[Class], like: object) -> type[Class]:
    """The class of the same name in the package that an object comes from.

    Args:
        kind: A class of Lightning's, under either name.
        like: An object of Lightning's, such as a Trainer, or one of a class that derives from it.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from lightning.pytorch.loggers.logger import DummyLogger
        >>> counterpart(DummyLogger, Trainer(accelerator="cpu", logger=False)) is DummyLogger
        True
    """
    package = next((_package(base) for base in type(like).__mro__ if _package(base)), None)
    mine = _package(kind)
    if package is None or mine is None or package == mine:
        return kind
    found: Any = getattr(sys.modules.get(package + kind.__module__.removeprefix(mine)), kind.__name__, kind)
    return found  # type: ignore[no-any-return]


def overrides(name: str, value: object, base: str = "LightningModule") -> bool:
    """Whether an object overrides a method of a Lightning class.

    Args:
        name: The method.
        value: An object of a class that derives from a Lightning class.
        base: Name of that class.

    Example:
        >>> from lightning.pytorch import LightningModule
        >>> class Net(LightningModule):
        ...     def training_step(self, batch, batch_idx): ...
        >>> overrides("training_step", Net()), overrides("validation_step", Net())
        (True, False)
    """
    kinds = [each for each in type(value).__mro__ if each.__name__ == base and _package(each)]
    theirs = getattr(kinds[0], name, None) if kinds else None
    own = vars(value).get(name) if hasattr(value, "__dict__") else None
    return own is not None or getattr(type(value), name, None) is not theirs


def _package(kind: type) -> str | None:
    return next((package for package in PACKAGES if f"{kind.__module__}.".startswith(f"{package}.")), None)


def _is_counterpart(one: type, other: type) -> bool:
    """Whether two classes are the same class under Lightning's two names."""
    if one.__name__ != other.__name__:
        return False
    mine, theirs = _package(one), _package(other)
    if mine is None or theirs is None or PACKAGES[mine] != theirs:
        return False
    return one.__module__.removeprefix(mine) == other.__module__.removeprefix(theirs)
