"""From a recorded range test to a verdict: the suggested peak learning rate (LR), or why there is none.

Pure: lists of floats in, a `Verdict` out. The rules themselves are in `rules.py`, how a curve is read in `curve.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from lr_callbacks.range_test.curve import Curve, read_curve, still_falling
from lr_callbacks.range_test.rules import RULES, Suggestion
from lr_callbacks.range_test.settle import Settled, Trial
from lr_callbacks.range_test.words import counted

DEFAULT_RULE = "blend"
OF_TRAINING = ("valley", "slide")
"""Rules that are meant for the losses of training batches."""
APART = 30.0
"""Factor between what the rules say from which on a sweep is thin evidence."""

Reason = Literal["found", "diverged at once", "no descent", "flat", "still falling", "no edge", "range starts too high"]


@dataclass(frozen=True)
class Verdict:
    """What a range test ends in.

    Args:
        suggestion: The suggested peak LR, within the range that was swept; None if the curve supports none.
        rule: Name of the rule that decided.
        reason: `"found"`, or why there is no suggestion, in a word or two.
        text: The outcome in words: the LR and its interval, or why there is none and what to change.
        suggestions: LR of every rule, None if it has none.
        widen: End of the range to extend so that a suggestion becomes possible, None if that would not help.
        interval: LRs that may train about as well, as far as a sweep can tell; None without a suggestion.
    """

    suggestion: float | None
    rule: str
    reason: Reason
    text: str
    suggestions: dict[str, float | None] = field(default_factory=dict)
    widen: Literal["up", "down"] | None = None
    interval: tuple[float, float] | None = None


def suggest(
    lrs: Sequence[float],
    losses: Sequence[float],
    training_losses: Sequence[float] | None = None,
    rule: str = DEFAULT_RULE,
) -> Verdict:
    """Apply all rules and give a verdict.

    Args:
        lrs: LR of each step, positive and rising.
        losses: The loss that is judged, one per LR; of any sign, NaN and infinities allowed.
        training_losses: Losses of the training batches, one per LR, where `losses` are others; `valley` and `slide`
            read them.
        rule: Name of the rule that decides; the others are reported as well.

    Returns:
        The verdict. Whatever the losses, there is one.

    Raises:
        ValueError: `rule` is unknown, the lists are empty or differ in length, or `lrs` do not rise from above 0.

    Example:
        >>> verdict = suggest([1e-4, 1e-3, 1e-2, 1e-1, 1.0], [1.0, 0.9, 0.3, 0.0, 5.0])
        >>> f"{verdict.suggestion:.5f}", verdict.reason
        ('0.00221', 'found')
        >>> suggest([1e-4, 1e-3], [float("nan"), 1.0]).reason
        'diverged at once'
    """
    _check(lrs, losses, training_losses, rule)
    curve = read_curve(losses)
    found: dict[str, Suggestion | None] = dict.fromkeys(RULES)
    if curve.learned:
        for name, function in RULES.items():
            found[name] = function(
                lrs, losses if name not in OF_TRAINING or training_losses is None else training_losses
            )
    suggestions = {name: None if s is None else s.lr for name, s in found.items()}
    problem = _problem(curve, lrs, rule, suggestions[rule])
    if problem is not None:
        reason, text, widen = problem
        return Verdict(None, rule, reason, f"No suggestion: {text}", suggestions, widen)
    lr = suggestions[rule]
    assert lr is not None
    turn = (
        f"the loss falls until {lrs[curve.turn]:.1e}, then rises"
        if curve.edge is not None
        else f"the loss flattens and does not rise up to {lrs[-1]:.1e}"
    )
    interval = _interval(lrs, curve, lr, found)
    by = "" if rule == DEFAULT_RULE else f"rule {rule}; "
    text = (
        f"Suggested peak LR: {lr:.1e} ({by}{turn}).\n"
        f"Interval {interval[0]:.1e} to {interval[1]:.1e}, a guess from the sweep. For a constant LR try {lr / 2:.1e}."
        + _doubt(curve, suggestions)
    )
    return Verdict(lr, rule, "found", text, suggestions, interval=interval)


def _interval(
    lrs: Sequence[float], curve: Curve, lr: float, found: dict[str, Suggestion | None]
) -> tuple[float, float]:
    """From a tenth of the LR at the lowest loss up to the LR at which the loss has risen by a tenth of its total drop.

    At least from half a decade below the suggestion to a decade above it, because the rules err on the low side.
    """
    low, high = found["minimum"], found["edge"]
    top = lrs[curve.recorded - 1] if high is None else lrs[high.index]
    return min(lr / math.sqrt(10.0), lr if low is None else low.lr), max(10.0 * lr, top)


def _doubt(curve: Curve, suggestions: dict[str, float | None]) -> str:
    """What to do if the evidence of a sweep is thin."""
    lrs = [lr for name in ("descent", "edge", "minimum") if (lr := suggestions[name]) is not None]
    apart = max(lrs) / min(lrs) if lrs else 1.0
    if curve.edge is not None and apart < APART:
        return ""
    why = f"rules differ by a factor of {apart:.0f}" if apart >= APART else "the loss never rises"
    return f"\nThe evidence is thin ({why}); LRRangeTest(trials=5) measures the LR in short trainings."


def text_of_trials(found: Settled, sweep_lr: float, trials: Sequence[Trial], steps: int) -> str:
    """The outcome of trials in words.

    Example:
        >>> found = Settled(0.06, (0.02, 0.15), "high")
        >>> trials = [Trial(0.05, 400, 0.2), Trial(0.5, 20, math.inf)]
        >>> print(text_of_trials(found, 0.05, trials, 400))
        Suggested peak LR: 6.0e-02 (2 trials of 400 steps; the sweep alone suggests 5.0e-02).
        Interval 2.0e-02 to 1.5e-01, confidence high. Training diverged at 5.0e-01. For a constant LR try 3.0e-02.
    """
    diverged = [trial.lr for trial in trials if trial.diverged]
    where = f" Training diverged at {min(diverged):.1e}." if diverged else ""
    low, high = found.interval
    return (
        f"Suggested peak LR: {found.lr:.1e} ({counted(len(trials), 'trial')} of {counted(steps, 'step')}; the sweep"
        f" alone suggests {sweep_lr:.1e}).\n"
        f"Interval {low:.1e} to {high:.1e}, confidence {found.confidence}.{where}"
        f" For a constant LR try {found.lr / 2:.1e}."
    )


def _problem(
    curve: Curve, lrs: Sequence[float], rule: str, lr: float | None
) -> tuple[Reason, str, Literal["up", "down"] | None] | None:
    """Return why there is no suggestion: reason, sentence, end of the range to extend. None if there is one."""
    low, high = f"{lrs[0]:.1e}", f"{lrs[-1]:.1e}"
    if curve.finite == 0:
        return (
            "diverged at once",
            f"the loss is not finite at the first step (LR {low}). Check the loss and the data for NaN, or set min_lr "
            f"far below {low}.",
            None,
        )
    if not curve.learned and (curve.diverged or curve.rises):
        return (
            "no descent",
            f"the loss only rises between LR {low} and {high}. Set min_lr far below {low}; if it still only rises, "
            "check the sign of the loss.",
            "down",
        )
    if not curve.learned:
        return (
            "flat",
            f"the loss does not fall by more than its noise between LR {low} and {high}. Set max_lr above {high}, use "
            "larger batches or more probe_samples, and check that the optimizer has the parameters.",
            "up",
        )
    if still_falling(curve, lrs):
        return (
            "still falling",
            f"the loss is still falling at {high}, the end of the range. Set max_lr above {high}.",
            "up",
        )
    if lr is None and rule in ("edge", "smith") and curve.edge is None:
        return (
            "no edge",
            f"the loss does not rise up to LR {high}, which rule {rule!r} needs. Set max_lr above {high}, or use "
            f"rule={DEFAULT_RULE!r}.",
            "up",
        )
    if lr is None:
        return (
            "range starts too high",
            f"the loss falls at the very start of the range, so rule {rule!r} would be below it. Set min_lr "
            f"below {low}.",
            "down",
        )
    return None


def _check(lrs: Sequence[float], losses: Sequence[float], training_losses: Sequence[float] | None, rule: str) -> None:
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}; got {rule!r}.")
    if len(lrs) == 0 or len(lrs) != len(losses):
        raise ValueError(
            f"lrs and losses must have one length, at least 1; got {len(lrs)} LRs and {len(losses)} losses."
        )
    if training_losses is not None and len(training_losses) != len(losses):
        raise ValueError(
            f"training_losses must be as many as losses; got {len(training_losses)} and {len(losses)}. "
            "Leave them out if there are none."
        )
    if not lrs[0] > 0 or not all(a < b < math.inf for a, b in pairwise(lrs)):
        raise ValueError(f"lrs must be positive, finite and rising; got {lrs[0]!r} to {lrs[-1]!r}.")
