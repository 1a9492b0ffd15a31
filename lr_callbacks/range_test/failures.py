"""Which exceptions of a step say something about its LR."""

from __future__ import annotations

import torch

from lr_callbacks.core.lightning_names import MisconfigurationException, Trainer, is_a

NO_EVIDENCE: tuple[type[BaseException], ...] = (
    *(MisconfigurationException, MemoryError, OSError, ImportError, NameError, NotImplementedError),
    torch.cuda.OutOfMemoryError,
    getattr(torch, "AcceleratorError", MemoryError),
)
"""What no LR can be the cause of, or what leaves a device that cannot be used any more."""


def is_evidence(error: Exception, trainer: Trainer) -> bool:
    """Whether an exception may come from the LR: of weights that are not finite, a matrix without a factorization.

    With several processes it is not asked: an exception in one of them leaves the others waiting.

    Example:
        >>> is_evidence(ValueError("scale must be positive"), Trainer(accelerator="cpu", logger=False))
        True
        >>> is_evidence(OSError("no such file"), Trainer(accelerator="cpu", logger=False))
        False
    """
    return trainer.world_size == 1 and not is_a(error, *NO_EVIDENCE)


def named(error: Exception) -> str:
    """Kind and first line of an exception, without a full stop.

    Example:
        >>> named(ValueError("scale must be positive."))
        'ValueError: scale must be positive'
    """
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__
