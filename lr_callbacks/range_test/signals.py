"""Signals that must wait until the range test has put everything back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

HELD = tuple(getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2", "SIGTERM") if hasattr(signal, name))
"""Signals by which a cluster ends a job: Lightning answers with a checkpoint of the weights as they are."""


class SignalCameError(Exception):
    """A signal has ended the test before its end."""


@contextmanager
def no_interrupt() -> Iterator[None]:
    """Hold Ctrl-C back for as long as it takes to restore."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def held_signals() -> Iterator[Callable[[], bool]]:
    """Hold back signals that somebody in this process handles, and hand them on at the end.

    Yields:
        A function that says whether one has come.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before: dict[int, Any] = {number: signal.getsignal(number) for number in HELD}
    before = {number: handler for number, handler in before.items() if callable(handler)}
    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)
