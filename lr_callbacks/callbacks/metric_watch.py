"""Which values of logged metrics are new: a validation's, or a training epoch's, and not left over from before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Literal

import torch
from torch import Tensor

from lr_callbacks.core.arguments import is_count
from lr_callbacks.core.lightning_internals import logs_at_epoch_end, names_of_training
from lr_callbacks.core.lightning_names import MisconfigurationException, Trainer, rank_zero_warn

Event = Literal["validation", "training epoch"]


@dataclass
class Heard:
    """What is known of a metric.

    Attributes:
        seen: Whether it was logged.
        from_validation: Whether validations log it.
        decided: Whether it is known if they do: a validation, or the sanity check, has ended.
        validations: Validations that have ended.
        pending: Values of training epochs that are held back until that is known.
    """

    seen: bool = False
    from_validation: bool = False
    decided: bool = False
    validations: int = 0
    pending: list[float] = field(default_factory=list)

    @classmethod
    def from_dict(cls, saved: object, what: str) -> Heard:
        """What ``dataclasses.asdict`` made a dict of.

        Raises:
            ValueError: If it is damaged.
        """
        names = {each.name for each in fields(cls)}
        right = isinstance(saved, Mapping) and set(saved) == names
        if right and isinstance(saved, Mapping):
            right = all(isinstance(saved[name], bool) for name in ("seen", "from_validation", "decided"))
            pending = saved["pending"]
            right &= isinstance(pending, list) and all(type(value) in (int, float) for value in pending)
            right &= is_count(saved["validations"])
            if right:
                return cls(**{**saved, "pending": list(pending)})
        raise ValueError(f"heard in the state of {what} must have the keys {sorted(names)}, got {saved!r}")


class MetricWatch:
    """Watches names in ``trainer.callback_metrics``, which keeps old values next to new ones.

    A value is new if it is another object than the one that stood there when the validation, or the epoch, began. A
    name that validations log is theirs: values that the training logs under it are not given. Several names have a
    value when all of them are new.

    Args:
        names: The metrics' names.
        strict: Whether they must have come by the end of the first validation and the first training epoch.
        combine: Makes one value of those of all names.

    Attributes:
        event: What has seen all of its batches, while its value is not yet taken.
        heard: What is known of the metric, which a checkpoint carries.
    """

    def __init__(self, names: Sequence[str], strict: bool = True, combine: Callable[..., float] = float) -> None:
        self.names = list(names)
        self.strict = strict
        self._combine = combine
        self.event: Event | None = None
        self.heard = Heard()
        self._last: list[Tensor | None] = [None] * len(self.names)
        self._before: dict[Event, list[Tensor | None]] = {}
        self._has_validated = False  # in this epoch
        self._warned = False
        self._told_of_ranks = False

    def _now(self, trainer: Trainer) -> list[Tensor | None]:
        return [trainer.callback_metrics.get(name) for name in self.names]

    def begins(self, event: Event, trainer: Trainer) -> None:
        """Mark the current values as old for the validation, or the training epoch."""
        self._before[event] = self._now(trainer)
        self._has_validated &= event == "validation"

    def fresh(self, trainer: Trainer) -> list[float]:
        """The values that are to be judged after what has just ended, once."""
        event = self.event
        if event is None or (event == "training epoch" and self.heard.from_validation):
            return []
        old = self._before.get(event, [None] * len(self.names))
        new = [None if now is before else now for now, before in zip(self._now(trainer), old, strict=True)]
        value = self._agreed(trainer, new)
        if event == "validation":
            held, self.event, self.heard.pending = self.heard.pending, None, []
            self._has_validated = True
            self.heard.validations, self.heard.decided = self.heard.validations + 1, True
            self.heard.from_validation |= value is not None
            return held if value is None else [value]
        if value is None:
            return []
        self.event = None
        if trainer.enable_validation and not self.heard.decided:
            self.heard.pending.append(value)
            return []
        return [value]

    def value(self, trainer: Trainer) -> float | None:
        """Return the current value: the last one before a resume, or of the fit before, until one is logged again."""
        return self._agreed(trainer, self._known(trainer))

    def known_values(self, trainer: Trainer) -> list[float | None]:
        """The current value of each name, for a checkpoint."""
        return self._shared(trainer, self._known(trainer))

    def restore(self, known: object, what: str) -> None:
        """Take up `known_values`; None for none.

        Raises:
            ValueError: If they are damaged.
        """
        if known is None:
            return
        right = isinstance(known, list) and all(one is None or type(one) in (int, float) for one in known)
        if not isinstance(known, list) or not right or len(known) != len(self.names):
            raise ValueError(f"known in the state of {what} must be a list of a number for each metric, got {known!r}")
        self._last = [None if one is None else torch.tensor(one, dtype=torch.float64) for one in known]

    def _known(self, trainer: Trainer) -> list[Tensor | None]:
        pairs = zip(self._now(trainer), self._last, strict=True)
        return [last if now is None else now for now, last in pairs]

    def keep(self, trainer: Trainer) -> None:
        """Keep the current values for a fit that continues this one; Lightning drops them."""
        self._last = self._known(trainer)

    @property
    def may_come_from_validation(self) -> bool:
        """Whether validations log the metric, as far as one can tell yet."""
        return self.heard.from_validation or not self.heard.seen

    # ------------------------------------------------------------------ a metric that does not come
    def after_sanity_check(self, trainer: Trainer, who: str) -> None:
        """Learn whether validations log the metric; warn if its name is almost one of those that they log."""
        self.heard.decided = True
        self.heard.from_validation |= self._agreed(trainer, self._now(trainer)) is not None
        if self.strict and not self.heard.seen and self._near(trainer):
            rank_zero_warn(self._text(trainer, who, "the sanity check logged no metric"))

    def after_validation(self, trainer: Trainer, who: str) -> None:
        """Warn about a metric that neither the first validation nor the training logs.

        Raises:
            MisconfigurationException: If nothing else can log it.
        """
        known = {*trainer.callback_metrics} if len(self.names) > 1 else set()
        to_come = {*self.names} <= known | names_of_training(trainer)
        if not self.strict or self.heard.seen or self._warned or to_come:
            return
        if logs_at_epoch_end(trainer):
            if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
                return  # the end of the epoch follows, and tells
            self._warned = True
            rank_zero_warn(self._text(trainer, who, "the first validation logged no metric"))
        else:
            raise self.missing(trainer, who)

    def after_epoch(self, trainer: Trainer, who: str) -> None:
        """Reject a metric that an epoch with a validation ought to have logged.

        Raises:
            MisconfigurationException: If it never came.
        """
        due = self.event == "training epoch" and (self._has_validated or not trainer.enable_validation)
        self.event = None
        if self.strict and due and not self.heard.seen:
            raise self.missing(trainer, who)

    def after_run(self, trainer: Trainer, who: str) -> None:
        """Warn about a run that has ended before its first validation."""
        heard = self.heard
        waits = heard.from_validation or not heard.seen or heard.pending
        if waits and trainer.enable_validation and heard.validations == 0:
            names = ", ".join(map(repr, self.names))
            rank_zero_warn(
                f"{who} monitors {names}, but the run has ended without a validation, so it has judged"
                " nothing. Validate more often (check_val_every_n_epoch, val_check_interval), or train for longer."
            )

    def missing(self, trainer: Trainer, who: str) -> MisconfigurationException:
        """Return the error for a metric that was not logged; it lists the metrics that were."""
        return MisconfigurationException(self._text(trainer, who, "nothing logged a metric"))

    def _text(self, trainer: Trainer, who: str, what: str) -> str:
        near, logged = self._near(trainer), ", ".join(self._logged(trainer)) or "nothing"
        guess = f" Did you mean {near[0]!r}?" if near else ""
        missing = [name for name in self.names if name not in self._logged(trainer)]
        if not missing and len(self.names) > 1:
            return (
                f"{who}: {', '.join(map(repr, self.names))} never came together. Log all of them in the validation, or"
                " all in the training epoch. With strict=False they may come later or not at all."
            )
        name = (missing or self.names)[0]
        return (
            f"{who}: {what} {name!r}.{guess} Logged: {logged}. Log it with self.log({name!r}, ...) in"
            " training_step or validation_step, or monitor a metric that is logged. With strict=False it may come later"
            " or not at all."
        )

    def _logged(self, trainer: Trainer) -> list[str]:
        """The names that are logged, without those of an LR monitor."""
        return sorted(
            name for name in {*trainer.callback_metrics, *names_of_training(trainer)} if not name.startswith("lr-")
        )

    def _near(self, trainer: Trainer) -> list[str]:
        logged = self._logged(trainer)
        missing = [name for name in self.names if name not in logged]
        return [near for name in missing for near in get_close_matches(name, logged, n=1, cutoff=0.8)]

    def _agreed(self, trainer: Trainer, mine: list[Tensor | None]) -> float | None:
        """One value for all ranks, the mean over those that have one, so that all take the same decision."""
        found = self._shared(trainer, mine)
        values = [value for value in found if value is not None]
        if not values or len(values) < len(found):
            return None
        self.heard.seen = True
        return self._combine(*values)

    def _shared(self, trainer: Trainer, mine: list[Tensor | None]) -> list[float | None]:
        """The values of all names, each the mean over the ranks that have one."""
        if trainer.world_size == 1:
            return [None if one is None else float(one) for one in mine]
        return [self._mean_over_ranks(trainer, *each) for each in zip(self.names, mine, strict=True)]

    def _mean_over_ranks(self, trainer: Trainer, name: str, mine: Tensor | None) -> float | None:
        """Collective: every rank must call this, even if it has logged nothing; otherwise the others deadlock."""
        entry = [0.0, 0.0] if mine is None else [float(mine), 1.0]
        everyone = trainer.strategy.all_gather(
            torch.tensor(entry, dtype=torch.float64, device=trainer.strategy.root_device)
        ).reshape(-1, 2)
        values = everyone[everyone[:, 1] > 0, 0]
        if len(values) == 0:
            return None
        alike = bool(((values == values[0]) | (values.isnan() & values[0].isnan())).all())
        if not self._told_of_ranks and not (alike and len(values) == len(everyone)):
            self._told_of_ranks = True
            which = f"is logged on {len(values)} of {len(everyone)} ranks only"
            if len(values) == len(everyone):
                which = f"differs between the ranks (spread {float(values.max() - values.min()):.3g})"
            rank_zero_warn(
                f"{name!r} {which}, so it is not synchronised; its mean is monitored. Log it on all ranks with"
                f" self.log({name!r}, ..., sync_dist=True)."
            )
        return float(values[0] if alike else values.mean())
