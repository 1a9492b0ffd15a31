"""The random states of all libraries that draw from a global one."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

import torch


def remember_random_state() -> Callable[[], None]:
    """Note the global random states of Python, NumPy and torch (every device); the returned function puts them back.

    Example:
        >>> restore = remember_random_state()
        >>> first = torch.rand(3)
        >>> restore()
        >>> bool((torch.rand(3) == first).all())
        True
    """
    undo: list[Callable[[], None]] = []
    python_state = random.getstate()
    undo.append(lambda: random.setstate(python_state))
    np = sys.modules.get("numpy")
    if np is not None:
        numpy_state = np.random.get_state()
        undo.append(lambda: np.random.set_state(numpy_state))
    torch_state = torch.get_rng_state()
    undo.append(lambda: torch.set_rng_state(torch_state))
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        cuda_states = torch.cuda.get_rng_state_all()
        undo.append(lambda: torch.cuda.set_rng_state_all(cuda_states))
    if torch.backends.mps.is_available():
        mps_state = torch.mps.get_rng_state()
        undo.append(lambda: torch.mps.set_rng_state(mps_state))

    def restore() -> None:
        for put_back in undo:
            put_back()

    return restore
