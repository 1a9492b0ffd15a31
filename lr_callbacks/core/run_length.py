"""The length of a run in optimizer steps: in all and per epoch, as far as it can be known before the first step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lr_callbacks.core.durations import Duration
from lr_callbacks.core.lightning_names import (
    GradientAccumulationScheduler,
    MisconfigurationException,
    Trainer,
    is_a,
    overrides,
)

EpochLengths = tuple[tuple[int, int], ...]
"""``((first epoch, steps per epoch), ...)``: from that epoch on an epoch has that many optimizer steps."""
WHY_NOT_COUNTED = {
    "samples": (
        "the train dataloader has no batch_size, there are several, or gradients are accumulated over numbers of"
        " batches that change."
    ),
    "tokens": (
        "neither the train dataloader, its dataset, the data module nor the module has an int tokens_per_sample (the"
        " length of a sequence), or the number of samples of a step is not known."
    ),
}


@dataclass(frozen=True)
class RunLength:
    """The length of a run in the steps of one optimizer.

    Attributes:
        total_steps: Optimizer steps from the first epoch to the last; None where that cannot be known.
        epochs: ``((first epoch, steps per epoch), ...)``: from that epoch on an epoch has that many optimizer steps.
            Empty where that cannot be known. More than one entry under ``GradientAccumulationScheduler``.
        why_unknown: The reason for what is missing, as the end of a sentence.
        assumed: True if the steps per epoch rest on an assumption: one step per batch, where the module decides itself
            when to step (manual optimization, or an ``optimizer_step`` of its own).
        ways_out: What to do where a length is needed that is not known.
        max_epochs: The epoch that ends the run; None without one.
        max_steps: The optimizer step that ends the run; None without one.
        all_steps: The count of all optimizers together that ends the run; None with one optimizer, or without a limit.
        batches: Batches of an epoch, by the loader of now; 0 where that is not known.
        samples_per_step: Samples of a step, on all devices together; None where that is not known.
        tokens_per_step: Tokens of a step, on all devices together; None where that is not known.
        stretch: What lengths are multiplied by, other than shares of the run.
        stretch_warmup: Whether those of warm-ups are, too.

    Example:
        >>> run = RunLength(total_steps=450, epochs=((0, 50),))
        >>> run.steps(Duration.parse("5%"), "duration"), run.steps(Duration.parse("2 epochs"), "duration")
        (23, 100)
        >>> run.epoch_at(99), run.epoch_at(100)
        (1, 2)
    """

    total_steps: int | None = None
    epochs: EpochLengths = ()
    why_unknown: str = "nothing is known of the run"
    assumed: bool = False
    ways_out: str = (
        "Ways out: give the length in optimizer steps (500), set Trainer(max_steps=...), or give the train dataloader a"
        " length (limit_train_batches=... does)."
    )
    max_epochs: int | None = None
    max_steps: int | None = None
    all_steps: int | None = None
    batches: int = 0
    samples_per_step: int | None = None
    tokens_per_step: int | None = None
    stretch: float = 1.0
    stretch_warmup: bool = True

    def steps(self, duration: Duration, name: str) -> int:
        """Turn a duration into optimizer steps, rounded to the nearest whole step (halves up).

        Args:
            duration: The length to turn.
            name: The argument that it was given for, for the error message.

        Raises:
            MisconfigurationException: If the duration needs a length of the run that is not known.
        """
        value = duration.value * self.stretch
        if duration.unit == "steps":
            return math.floor(value + 0.5)
        if duration.unit in ("samples", "tokens"):
            per_step = self.samples_per_step if duration.unit == "samples" else self.tokens_per_step
            if not per_step:
                raise MisconfigurationException(
                    f"{name}='{duration}' needs the number of {duration.unit} of a step, which is not known here:"
                    f" {WHY_NOT_COUNTED[duration.unit]} Give the length in optimizer steps (500), epochs or %."
                )
            return math.floor(value / per_step + 0.5)
        if duration.unit == "percent":
            if self.total_steps is None:
                raise self.unknown(f"{name}='{duration}' needs the length of the run")
            return math.floor(self.total_steps * duration.value / 100 + 0.5)
        if not self.epochs:
            raise self.unknown(f"{name}='{duration}' needs the length of an epoch")
        return math.floor(self.steps_before_epoch(value) + 0.5)

    def rest(self, start: float, name: str) -> float:
        """Steps from `start` to the end of the run, at least 0.

        Raises:
            MisconfigurationException: If the length of the run is not known.
        """
        if self.total_steps is None:
            raise self.unknown(f"{name} is not given and lasts to the end of the run by default")
        return max(0, self.total_steps - start)

    def steps_before_epoch(self, epoch: float) -> float:
        """Optimizer steps before `epoch` (0-based; may lie inside an epoch) begins."""
        steps = 0.0
        for number, (first, per_epoch) in enumerate(self.epochs):
            last = self.epochs[number + 1][0] if number + 1 < len(self.epochs) else math.inf
            if epoch <= first:
                break
            steps += (min(epoch, last) - first) * per_epoch
        return steps

    def epoch_at(self, step: float) -> int:
        """The 0-based epoch in which optimizer step `step` (0-based) is taken."""
        epoch, begins = 0, 0
        for number, (first, per_epoch) in enumerate(self.epochs):
            last = self.epochs[number + 1][0] if number + 1 < len(self.epochs) else None
            ends = None if last is None else begins + (last - first) * per_epoch
            epoch = first + int((step - begins) // max(per_epoch, 1))
            if ends is None or step < ends:
                break
            begins = ends
        return epoch

    def steps_in_epoch(self, epoch: int) -> int:
        """Optimizer steps of one epoch (0-based); 0 where that is not known."""
        return next((steps for first, steps in reversed(self.epochs) if epoch >= first), 0)

    def unknown(self, what: str) -> MisconfigurationException:
        """The error for something that needs a length which is not known, with the ways out."""
        return MisconfigurationException(f"{what}, which is not known here: {self.why_unknown}. {self.ways_out}")

    def length(self, steps: float) -> str:
        """A number of steps as text."""
        return (
            f"{steps:g} step{'s' * (steps != 1)}" if isinstance(steps, float) else f"{steps} step{'s' * (steps != 1)}"
        )

    def moment(self, step: float) -> str:
        """A step of the run as text."""
        return f"at step {_whole(step)}"

    def span(self, start: float, end: float | None) -> str:
        """A part of the run as text."""
        return f"from {_whole(start)}" if end is None else f"{_whole(start)}-{_whole(end)}"

    def __str__(self) -> str:
        total = "an unknown number of" if self.total_steps is None else str(self.total_steps)
        per_epoch = ", then ".join(str(steps) for _, steps in self.epochs)
        stretched = "" if self.stretch == 1 else f"; lengths that are no shares of the run times {self.stretch:g}"
        return f"{total} step{'s' * (total != '1')}" + (f", {per_epoch} per epoch" if per_epoch else "") + stretched


def _whole(step: float) -> int | str:
    return int(step) if float(step).is_integer() else f"{step:.1f}"


def run_length_of(trainer: Trainer) -> RunLength:
    """Find out how long a run is, in optimizer steps, from the first epoch on (a resumed run counts what it has done).

    ``Trainer.estimated_stepping_batches`` is right for the plain cases; this is right, or says that it does not know,
    also for unsized loaders, endless runs, ``GradientAccumulationScheduler`` and manual optimization. Where the module
    decides when to step, it is assumed to step once per batch, until an epoch has shown how often it really does.

    Args:
        trainer: A trainer that has set up its train dataloader (from ``on_train_start`` on).
    """
    module, num_optimizers = trainer.lightning_module, len(trainer.optimizers)
    batches = trainer.num_training_batches
    max_steps = trainer.max_steps if trainer.max_steps != -1 else None
    all_steps = max_steps if num_optimizers > 1 else None
    max_epochs = trainer.max_epochs if trainer.max_epochs not in (None, -1) else None
    if max_steps is not None and num_optimizers > 1:
        max_steps = math.ceil(max_steps / num_optimizers)  # the trainer's count is the sum over its optimizers
    if math.isinf(batches):
        return RunLength(
            max_steps,
            why_unknown="the train dataloader has no length",
            max_steps=max_steps,
            samples_per_step=samples_per_step(trainer),
            tokens_per_step=tokens_per_step(trainer),
        )
    epochs = tuple((epoch, math.ceil(batches / every)) for epoch, every in accumulation_of(trainer))
    run = RunLength(epochs=epochs)
    total = None if max_epochs is None else round(run.steps_before_epoch(max(max_epochs, 1)))
    limits = [limit for limit in (total, max_steps) if limit is not None]
    return RunLength(
        total_steps=min(limits) if limits else None,
        epochs=epochs,
        why_unknown="the run has no end (neither max_epochs nor max_steps is set)",
        assumed=not module.automatic_optimization or overrides("optimizer_step", module),
        max_epochs=None if max_epochs is None else max(max_epochs, 1),
        max_steps=max_steps,
        all_steps=all_steps,
        batches=int(batches),
        samples_per_step=samples_per_step(trainer),
        tokens_per_step=tokens_per_step(trainer),
    )


def samples_per_step(trainer: Trainer) -> int | None:
    """Samples of a step of full batches, on all devices together; None where the loader does not say."""
    accumulation = accumulation_of(trainer)
    size = getattr(trainer.train_dataloader, "batch_size", None)
    if not isinstance(size, int) or len(accumulation) > 1:
        return None
    return size * accumulation[0][1] * trainer.world_size


def tokens_per_step(trainer: Trainer) -> int | None:
    """Tokens of a step of full batches, where loader, dataset, data module or module has ``tokens_per_sample``."""
    samples, loader = samples_per_step(trainer), trainer.train_dataloader
    places = (loader, getattr(loader, "dataset", None), getattr(trainer, "datamodule", None), trainer.lightning_module)
    said = (getattr(place, "tokens_per_sample", None) for place in places)
    tokens = next((each for each in said if isinstance(each, int) and each > 0), None)
    return None if samples is None or tokens is None else samples * tokens


def accumulation_of(trainer: Trainer) -> list[tuple[int, int]]:
    """``[(from this epoch on, micro-batches per optimizer step), ...]``."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if is_a(callback, GradientAccumulationScheduler):
            return sorted(callback.scheduling.items())
    return [(0, trainer.accumulate_grad_batches)]


def scales_gradients(trainer: Trainer) -> bool:
    """Whether fp16 may skip steps, so that fewer are taken than the plan has."""
    return getattr(trainer.precision_plugin, "scaler", None) is not None
