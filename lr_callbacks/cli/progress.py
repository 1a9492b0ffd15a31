"""The progress bar of the command line: one line of 100 columns, with the metrics of a usual module and the LR."""

from __future__ import annotations

from typing import Any

from rich.progress import TextColumn, TimeRemainingColumn
from typing_extensions import override

from lr_callbacks.core.lightning_names import (
    BatchesProcessedColumn,
    CustomBarColumn,
    LightningModule,
    RichProgressBar,
    Trainer,
)

BAR_WIDTH = 6


class OneLineProgressBar(RichProgressBar):
    """Show epoch, batches, time left and metrics in one line, without the version of the run."""

    @override
    def configure_columns(self, trainer: Trainer) -> list[Any]:
        return [
            TextColumn("{task.description}"),
            CustomBarColumn(
                bar_width=BAR_WIDTH,
                complete_style=self.theme.progress_bar,
                finished_style=self.theme.progress_bar_finished,
                pulse_style=self.theme.progress_bar_pulse,
            ),
            BatchesProcessedColumn(style=self.theme.batch_progress),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        ]

    @override
    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
