"""Processes that start in a moment: forked from a server that has imported Lightning once and has no threads."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["lightning.pytorch", "lr_callbacks.sweep", "torchmetrics"])


def start(target: Callable[..., None], *args: Any) -> Any:
    """Start `target`, a function of an importable module, in a process of its own."""
    process = context.Process(target=target, args=args)
    process.start()
    return process
