"""Learning-rate callbacks for PyTorch Lightning: right under accumulation, resume, several optimizers and fp16."""

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.lr_monitor import LRMonitor
from lr_callbacks.callbacks.one_cycle import OneCycle
from lr_callbacks.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from lr_callbacks.callbacks.sgdr import SGDR
from lr_callbacks.callbacks.warmup import Warmup

__version__ = "0.1.0"

__all__ = ["SGDR", "LRCallback", "LRMonitor", "OneCycle", "ReduceLROnPlateau", "Warmup"]
