"""One sweep of a range test: train with a rising LR, one LR a step, and write down what it does to the loss.

Losses stay on their device and are read every `READ_EVERY` steps. The probe is a forward pass where a step is three, so
it is not evaluated after every step: rarely while the loss does not move, as often as its budget allows when it does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import pstdev

import torch
from torch import Tensor
from torch.optim import Optimizer

from lr_callbacks.core.lightning_names import LightningModule, Trainer
from lr_callbacks.range_test.curve import should_stop
from lr_callbacks.range_test.data import Stream
from lr_callbacks.range_test.failures import is_evidence
from lr_callbacks.range_test.probe import LossReader, Probe, training_probe, validation_probe
from lr_callbacks.range_test.settings import Judged
from lr_callbacks.range_test.steps import Steps

READ_EVERY = 10
FORWARDS = 0.6
"""Forward passes that the probe may take for each of a step's, in a sweep of `ENOUGH` steps or more."""
ENOUGH = 100
MOVED = 0.02
"""Change of the loss, in standard deviations of the training loss, from which on the probe is evaluated often."""


@dataclass
class Recording:
    """What a sweep saw.

    Args:
        lrs: LR of the largest group at each step.
        losses: What is judged, after each step; between two evaluations of a probe, on a line.
        training_losses: Loss of the batches of each step, before it; the mean over its micro-batches and the ranks.
        epochs: Epochs of the loader that were begun.
        batches_seen: Batches trained on.
        batches_per_epoch: Batches of the first epoch, None if it was not finished.
        batches: Batches of an epoch as the loader says, None if it does not.
        failure: What the last step raised; its losses are NaN.
        untrained: What is judged, before any step; NaN where the training loss is.
    """

    lrs: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    training_losses: list[float] = field(default_factory=list)
    epochs: int = 1
    batches_seen: int = 0
    batches_per_epoch: int | None = None
    batches: int | None = None
    failure: Exception | None = None
    untrained: float = math.nan


class Ramp:
    """Trains through a list of LRs.

    Args:
        trainer: A trainer inside `isolated`.
        module: Its module.
        optimizer: The optimizer whose LR is swept; others keep theirs.
        ratios: LR of each group that is swept, as a ratio to the largest; others keep their LR.
        judge: What is judged.
        probe_samples: How many samples a probe has at most.
        reader: Reads the loss off a step.
        tell: Called with the number of steps done.
        check: Called now and then, and raises where the sweep has to end.
    """

    def __init__(
        self,
        trainer: Trainer,
        module: LightningModule,
        optimizer: Optimizer,
        *,
        ratios: Mapping[int, float],
        judge: Judged,
        probe_samples: int,
        reader: LossReader,
        tell: Callable[[int], None],
        check: Callable[[], None],
    ) -> None:
        self._trainer, self._judge, self._probe_samples = trainer, judge, probe_samples
        self._reader, self._tell, self._check = reader, tell, check
        self._steps = Steps(trainer, module, optimizer, reader, ratios=ratios, judged=judge == "training")
        self._here = next(module.parameters()).device.type == "cpu" and trainer.world_size == 1
        self._judged: list[Tensor] = []  # not read yet
        self._training: list[Tensor] = []
        self._places: list[int] = []  # steps after which was judged, and what was found
        self._values: list[float] = []
        self._moved = False

    def run(self, lrs: Sequence[float], *, only_tries: bool = False) -> Recording:
        """Train one step at each LR, until the curve has said everything.

        Args:
            lrs: The LRs.
            only_tries: Whether this only tries whether the steps work: it goes on when learning is over, and raises all
                that is raised.

        Raises:
            MisconfigurationException: If there is no batch, no loss, or the optimizer does not step.
            Exception: What a step raises, if that says nothing about the LR.
        """
        recording = Recording()
        with self._steps.training() as stream:
            probe = self._probe(stream)
            is_due = self._when_due(probe, len(lrs))
            for number, lr in enumerate(lrs):
                try:
                    loss = self._steps.at(lr)
                    if loss is None:
                        if probe is not None and self._places[-1:] != [number - 1]:
                            self._judge_now(number - 1, probe())
                        break
                    if is_due(number) or (self._here and not math.isfinite(float(loss))):
                        self._judge_now(number, loss if probe is None else probe())
                    self._training.append(loss)
                except Exception as error:
                    if only_tries or not recording.lrs or not is_evidence(error, self._trainer):
                        raise
                    recording.failure = error
                    self._judge_now(number, torch.tensor(math.nan))
                    self._training.append(torch.tensor(math.nan))
                recording.lrs.append(lr)
                self._tell(len(recording.lrs))
                if recording.failure is not None:
                    break
                if self._is_time_to_read():
                    self._check()
                    if self._read(recording, probe) and not only_tries:
                        break
            self._read(recording, probe)
        _end_where_judged(recording)
        if self._judge == "training":
            _shift(recording)
        recording.epochs, recording.batches_per_epoch = self._steps.epochs, self._steps.batches_per_epoch
        recording.batches, recording.batches_seen = self._steps.batches, self._steps.batches_seen
        return recording

    # ------------------------------------------------------------------ judging
    def _probe(self, stream: Stream) -> Probe | None:
        if self._judge == "training":
            return None
        samples, reader = self._probe_samples, self._reader
        if self._judge == "validation":
            return validation_probe(self._trainer, samples, reader)
        return training_probe(self._trainer, stream, samples, reader)

    def _when_due(self, probe: Probe | None, number_of_steps: int) -> Callable[[int], bool]:
        """What says after which steps to judge: a budget of forward passes that grows with each step."""
        if probe is None:
            return lambda number: True
        earned = FORWARDS * self._trainer.accumulate_grad_batches * max(1.0, ENOUGH / number_of_steps)
        seldom, saved = max(1, number_of_steps // 10), 0.0

        def is_due(number: int) -> bool:
            nonlocal saved
            saved += earned
            last = self._places[-1] if self._places else -1
            can = self._moved and saved >= probe.forwards
            if not can and number - last < seldom and number != number_of_steps - 1:
                return False
            saved -= probe.forwards
            return True

        return is_due

    def _judge_now(self, number: int, judged: Tensor) -> None:
        if self._places[-1:] == [number]:  # the step that failed after it was judged
            self._places.pop()
            self._judged.pop()
        self._places.append(number)
        self._judged.append(judged)

    # ------------------------------------------------------------------ reading
    def _is_time_to_read(self) -> bool:
        at_once = self._here and bool(self._judged) and not math.isfinite(float(self._judged[-1]))
        return at_once or len(self._training) == READ_EVERY

    def _read(self, recording: Recording, probe: Probe | None) -> bool:
        """Bring what was recorded to the host, averaged over the ranks; whether the sweep has seen enough."""
        if self._training:
            first = [probe.untrained] if probe is not None and not recording.training_losses else []
            unread = [*first, *self._judged, *self._training]
            stacked = torch.stack([loss.to(unread[0].device) for loss in unread])
            values = self._trainer.strategy.reduce(stacked, reduce_op="mean").tolist()
            if first:
                recording.untrained = values.pop(0)
            self._values += values[: len(self._judged)]
            recording.training_losses += values[len(self._judged) :]
            self._judged.clear()
            self._training.clear()
            recording.losses = on_lines(self._places, self._values, recording.untrained)
            self._moved = self._moved or self._has_moved(recording)
        return should_stop(recording.losses)

    def _has_moved(self, recording: Recording) -> bool:
        if not all(map(math.isfinite, [*recording.training_losses, *self._values])):
            return True
        change = abs(self._values[-1] - recording.untrained) if self._values else 0.0
        return change > MOVED * pstdev(recording.training_losses)


def on_lines(places: Sequence[int], values: Sequence[float], start: float) -> list[float]:
    """Values at all places up to the last one: between two that are known, on a line; where one is not finite, held.

    Args:
        places: Rising places, from 0.
        values: Their values.
        start: The value before place 0.

    Example:
        >>> on_lines([1, 3, 5], [2.0, 0.0, math.inf], 4.0)
        [3.0, 2.0, 1.0, 0.0, 0.0, inf]
    """
    line: list[float] = []
    before, last = -1, start
    for place, value in zip(places, values, strict=True):
        slope = (value - last) / (place - before)
        held = not math.isfinite(slope)
        between = range(before + 1, place)
        line += [(value if math.isnan(last) else last) if held else last + slope * (i - before) for i in between]
        line.append(value)
        before, last = place, value
    return line


def _end_where_judged(recording: Recording) -> None:
    end = len(recording.losses)
    recording.lrs, recording.training_losses = recording.lrs[:end], recording.training_losses[:end]


def _shift(recording: Recording) -> None:
    """Where the training loss is judged: the loss *after* a step is the one that the next step begins with."""
    recording.losses = recording.training_losses[1:]
    recording.lrs = recording.lrs[: len(recording.losses)]
    recording.training_losses = recording.training_losses[: len(recording.losses)]
