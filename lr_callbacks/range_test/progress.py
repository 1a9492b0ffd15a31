"""A progress bar for the range test, of the kind and at the rate that the Trainer's own has."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lr_callbacks.core.lightning_internals import console_arguments
from lr_callbacks.core.lightning_names import RichProgressBar, Tqdm, TQDMProgressBar, is_a

TITLE = "LR range test"


@contextmanager
def progress_bar(bar: object, total: int, title: str = TITLE) -> Iterator[Callable[[int], None]]:
    """Show how many of `total` steps are done.

    Args:
        bar: The Trainer's ``progress_bar_callback``.
        total: Number of steps.
        title: What stands before the bar.

    Nothing is shown where the Trainer shows nothing, or has a bar of the user's own making.

    Yields:
        A function that takes the number of steps done.
    """
    if is_a(bar, RichProgressBar) and bar.is_enabled:
        from rich.console import Console
        from rich.progress import Progress

        # not rich's global console: whether that one is interactive was settled when somebody first asked for it
        with Progress(console=Console(**console_arguments(bar)), transient=True) as progress:
            task = progress.add_task(title, total=total)
            yield lambda done: progress.update(task, completed=done) if done % bar.refresh_rate == 0 else None
    elif is_a(bar, TQDMProgressBar) and bar.is_enabled:
        position, rate = 2 * bar.process_position, bar.refresh_rate
        with Tqdm(
            total=total, desc=title, position=position, leave=False, file=sys.stdout, dynamic_ncols=True
        ) as shown:

            def show(done: int) -> None:
                if done % rate == 0 or done == total:
                    shown.n = done
                    shown.refresh()

            yield show
    else:
        yield lambda done: None
