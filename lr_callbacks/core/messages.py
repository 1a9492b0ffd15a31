"""Messages that stay readable while a progress bar is drawn on the same terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any, TextIO

from tqdm import tqdm

from lr_callbacks.core.lightning_names import rank_zero_info

LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric")


class AboveBars:
    """A stream that writes whole lines above tqdm bars, which would otherwise continue in the same line.

    Args:
        stream: Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._line = stream, ""

    def write(self, text: str) -> int:
        """Write what makes whole lines; keep the rest until its line is complete."""
        lines, end, self._line = (self._line + text).rpartition("\n")
        if end:
            with tqdm.external_write_mode(file=sys.stdout):
                self._stream.write(lines + end)
                self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Flush the stream; an incomplete line waits."""
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def info(text: str) -> None:
    """Log a message on rank zero, above progress bars.

    Args:
        text: One or more lines.
    """
    with above_progress_bars():
        rank_zero_info(text)


@contextmanager
def above_progress_bars() -> Iterator[None]:
    """Let everything that is written to stderr meanwhile appear above progress bars, of Rich or tqdm.

    Rich redirects `sys.stderr` while its bar is shown, but Lightning's log handlers keep the stream of the time when
    they were made, and write where the bar is drawn next. Here they follow `sys.stderr`. If stderr is not a terminal,
    nothing changes.

    Example:
        >>> with above_progress_bars():
        ...     print("10 of 100")
        10 of 100
    """
    if not sys.stderr.isatty():
        yield
        return

    def follow(handler: logging.StreamHandler[Any]) -> Any:
        def to_stderr(record: logging.LogRecord) -> bool:
            handler.setStream(sys.stderr)
            return True

        return to_stderr

    handlers = [handler for name in LOGGERS for handler in logging.getLogger(name).handlers]
    followed = [
        (handler, handler.stream, follow(handler))
        for handler in handlers
        if type(handler) is logging.StreamHandler and handler.stream.isatty()
    ]
    for handler, _, to_stderr in followed:
        handler.addFilter(to_stderr)
    try:
        with redirect_stderr(AboveBars(sys.stderr)):
            yield
    finally:
        for handler, stream, to_stderr in followed:
            handler.removeFilter(to_stderr)
            handler.setStream(stream)
