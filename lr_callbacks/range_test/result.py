"""What a range test found: the curve, the suggestion, and why."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lr_callbacks.core.arguments import state_of
from lr_callbacks.range_test.plot import draw
from lr_callbacks.range_test.settle import Confidence, Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RangeTestResult:
    """The outcome of a learning-rate (LR) range test.

    Args:
        lrs: LR of the largest parameter group at each step.
        losses: The loss that is judged, after each step, averaged over the ranks.
        training_losses: Loss of the training batches of each step, before the step; NaN where there was none.
        suggestion: The suggested peak LR of the largest group (the others keep their ratio to it); None if there is
            none.
        suggestions: LR of every rule.
        verdict: The outcome in words: suggestion and interval, or why there is none and what to change.
        rule: Name of the rule that decided.
        judge: What `losses` are: ``"probe"``, ``"training"`` or ``"validation"``.
        notes: More to know about the test, a sentence each.
        interval: LRs that train about as well as the suggestion: lower ones are too low, higher ones too high. None
            without a suggestion.
        confidence: ``"guess"`` from the sweep alone; with trials ``"low"``, ``"fair"`` or ``"high"``, depending on how
            well their training losses, their validation losses and the sweep agree.
        trials: The short trainings that were made.

    Example:
        >>> result = RangeTestResult([0.01, 0.1], [1.0, 0.5], [1.1, 0.9], 0.05, {"descent": 0.05}, "Suggested peak LR")
        >>> print(result.to_csv(), end="")
        lr,loss,training_loss
        0.01,1.0,1.1
        0.1,0.5,0.9
        >>> RangeTestResult.from_dict(result.to_dict()) == result
        True
    """

    lrs: list[float]
    losses: list[float]
    training_losses: list[float]
    suggestion: float | None
    suggestions: dict[str, float | None]
    verdict: str
    rule: str = ""
    judge: str = "probe"
    notes: list[str] = field(default_factory=list)
    interval: tuple[float, float] | None = None
    confidence: Confidence = "guess"
    trials: list[Trial] = field(default_factory=list)

    @property
    def constant_lr(self) -> float | None:
        """The LR for training without a schedule: half of the suggested peak; None without a suggestion."""
        return None if self.suggestion is None else self.suggestion / 2

    def plot(self, path: str | Path | None = None, *, rules: bool = False) -> Figure:
        """Draw the curve with the suggestion and its interval.

        Args:
            path: Where to save the picture; None saves nothing.
            rules: Whether to mark the LR of every rule on the curve.

        Raises:
            ModuleNotFoundError: If matplotlib is missing; the message names the extra.
        """
        figure = draw(
            self.lrs,
            self.losses,
            self.training_losses,
            suggestion=self.suggestion,
            suggestions=self.suggestions if rules else {},
            rule=self.rule,
            judge=self.judge,
            interval=self.interval,
            trials=self.trials,
        )
        if path is not None:
            figure.savefig(path)
        return figure

    def to_csv(self, path: str | Path | None = None) -> str:
        """The curve as a table, one row a step; also written to `path` if one is given."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["lr", "loss", "training_loss"])
        writer.writerows(zip(self.lrs, self.losses, self.training_losses, strict=True))
        return _write(text.getvalue(), path)

    def to_json(self, path: str | Path | None = None) -> str:
        """Everything as JSON, numbers that are not finite as null; also written to `path` if one is given."""
        return _write(json.dumps(_finite(self.to_dict()), indent=2) + "\n", path)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings: what a checkpoint holds."""
        return asdict(self)

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> RangeTestResult:
        """The inverse of `to_dict`, also after JSON.

        Raises:
            ValueError: If an entry is missing or of the wrong type.
        """
        try:
            given = dict(state_of("a range test", state))
            given["trials"] = [Trial(**trial) for trial in given.get("trials", [])]
            given["interval"] = None if given.get("interval") is None else tuple(given["interval"])
            result = cls(**given)
        except TypeError as error:
            raise ValueError(f"state of a range test must have the fields of RangeTestResult: {error}") from error
        columns = {"lrs": result.lrs, "losses": result.losses, "training_losses": result.training_losses}
        for name, column in columns.items():
            if not isinstance(column, list) or not all(type(value) in (int, float) for value in column):
                raise ValueError(f"state of a range test: {name} must be a list of numbers, got {column!r}")
            if len(column) != len(result.lrs):
                raise ValueError(f"state of a range test: {name} must have {len(result.lrs)} values, got {len(column)}")
        if not _is_lr(result.suggestion):
            raise ValueError(
                f"state of a range test: suggestion must be a float above 0 or None, got {result.suggestion!r}"
            )
        if not isinstance(result.suggestions, dict) or not all(
            isinstance(name, str) and _is_lr(lr) for name, lr in result.suggestions.items()
        ):
            raise ValueError(
                "state of a range test: suggestions must map names of rules to floats above 0 or None, got"
                f" {result.suggestions!r}"
            )
        if result.interval is not None and not (len(result.interval) == 2 and all(map(_is_lr, result.interval))):
            raise ValueError(f"state of a range test: interval must be two floats above 0, got {result.interval!r}")
        for trial in result.trials:
            numbers = (trial.lr, trial.loss, 0.0 if trial.validation_loss is None else trial.validation_loss)
            if not all(isinstance(number, int | float) for number in numbers) or not _is_lr(trial.lr):
                raise ValueError(f"state of a range test: trials must have an LR and losses, got {trial!r}")
        for name in ("verdict", "rule", "judge", "confidence"):
            if not isinstance(getattr(result, name), str):
                raise ValueError(f"state of a range test: {name} must be a str, got {getattr(result, name)!r}")
        if not isinstance(result.notes, list) or not all(isinstance(note, str) for note in result.notes):
            raise ValueError(f"state of a range test: notes must be a list of str, got {result.notes!r}")
        return result

    def __str__(self) -> str:
        return "\n".join([self.verdict, *(f"Note: {note}" for note in self.notes)])


def _is_lr(value: object) -> bool:
    """Whether a value is an LR as a rule gives it, or None."""
    return value is None or (isinstance(value, float) and 0 < value < math.inf)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(text: str, path: str | Path | None) -> str:
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text
