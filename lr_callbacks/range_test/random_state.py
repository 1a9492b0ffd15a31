"""The random states of all libraries that draw from a global one."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

import torch

Source = tuple[Callable[[], Any], Callable[[Any], None]]


def random_sources() -> list[Source]:
    """How to read and how to write each global random state: Python, NumPy, torch on every device in use."""
    sources: list[Source] = [(random.getstate, random.setstate), (torch.get_rng_state, torch.set_rng_state)]
    np = sys.modules.get("numpy")
    if np is not None:
        sources.append((np.random.get_state, np.random.set_state))
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        sources.append((torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all))
    if torch.backends.mps.is_available():
        sources.append((torch.mps.get_rng_state, torch.mps.set_rng_state))
    return sources


def remember_random_state(sources: list[Source] | None = None) -> Callable[[], None]:
    """Note the global random states; the returned function puts them back, as often as it is called.

    Args:
        sources: What `random_sources` found, where it has been asked before.

    Example:
        >>> restore = remember_random_state()
        >>> first = torch.rand(3)
        >>> restore()
        >>> bool((torch.rand(3) == first).all())
        True
    """
    held = [(write, read()) for read, write in (random_sources() if sources is None else sources)]

    def restore() -> None:
        for write, state in held:
            write(state)

    return restore
