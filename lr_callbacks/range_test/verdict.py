"""From a recorded range test to a verdict: the maximum learning rate (LR), or why there is none and what to change.

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
        suggestion: The maximum LR, within the range that was swept; None where the curve supports none.
        rule: Name of the rule that decided.
        reason: `"found"`, or in a word or two why there is no suggestion.
        text: For a person: the LR, its rule and its neighbours; or why there is none, and what to change.
        suggestions: LR of every rule, None where it has none.
        widen: End of the range that must move for a suggestion to become possible, None where that would not help.
        interval: LRs that may train about as well, as far as a sweep can tell; None where there is no suggestion.
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
        f"The loss turns up again after LR {lrs[curve.turn]:.1e}."
        if curve.edge is not None
        else f"The loss flattens and does not rise up to LR {lrs[-1]:.1e}: no edge was seen."
    )
    interval = _interval(lrs, curve, lr, found)
    text = f"Maximum LR {lr:.2e} (rule {rule}). {turn}{_doubt(curve, suggestions)}"
    return Verdict(lr, rule, "found", text, suggestions, interval=interval)


def _interval(
    lrs: Sequence[float], curve: Curve, lr: float, found: dict[str, Suggestion | None]
) -> tuple[float, float]:
    """From a tenth of the LR at the lowest loss up to the LR at which a tenth of the gain is lost again.

    At least from half a decade below the suggestion to a decade above it: the rules err on the low side.
    """
    low, high = found["minimum"], found["edge"]
    top = lrs[curve.recorded - 1] if high is None else lrs[high.index]
    return min(lr / math.sqrt(10.0), lr if low is None else low.lr), max(10.0 * lr, top)


def _doubt(curve: Curve, suggestions: dict[str, float | None]) -> str:
    """Where the evidence of a sweep is thin, what would make it better."""
    lrs = [lr for name in ("descent", "edge", "minimum") if (lr := suggestions[name]) is not None]
    apart = max(lrs) / min(lrs) if lrs else 1.0
    if curve.edge is not None and apart < APART:
        return ""
    why = f"the rules are a factor of {apart:.0f} apart" if apart >= APART else "no edge was seen"
    return f" The evidence is thin ({why}): trials=5 would measure the LR in short trainings."


def text_of_trials(found: Settled, sweep_lr: float, trials: Sequence[Trial], steps: int) -> str:
    """The outcome of trials for a person.

    Example:
        >>> found = Settled(0.06, (0.02, 0.15), "high")
        >>> trials = [Trial(0.05, 400, 0.2), Trial(0.5, 20, math.inf)]
        >>> print(text_of_trials(found, 0.05, trials, 400))
        Maximum LR 6.00e-02, from 2 trials of 400 steps around the sweep's 5.00e-02. LRs ...: high. For a constant ...
    """
    diverged = [trial.lr for trial in trials if trial.diverged]
    where = f" (at LR {min(diverged):.1e})" if diverged else ""
    low, high = found.interval
    return (
        f"Maximum LR {found.lr:.2e}, from {len(trials)} trials of {steps} steps around the sweep's {sweep_lr:.2e}. LRs"
        f" from {low:.1e} to {high:.1e} train about as well; below it is too slow, above it is worse or diverges"
        f"{where}. How sure: {found.confidence}. For a constant LR take about {found.lr / 2:.1e}."
    )


def _problem(
    curve: Curve, lrs: Sequence[float], rule: str, lr: float | None
) -> tuple[Reason, str, Literal["up", "down"] | None] | None:
    """Return why there is no suggestion: reason, sentence, end of the range to widen. None where there is one."""
    low, high = f"{lrs[0]:.1e}", f"{lrs[-1]:.1e}"
    if curve.finite == 0:
        return (
            "diverged at once",
            f"the loss is not finite from the first step on (LR {low}). Check the loss and the data for NaN, "
            f"or set min_lr far below {low}.",
            None,
        )
    if not curve.learned and (curve.diverged or curve.rises):
        return (
            "no descent",
            f"the loss never falls, it only rises between LR {low} and {high}. Set min_lr far below {low}; if it then "
            "still only rises, check the loss and its sign.",
            "down",
        )
    if not curve.learned:
        return (
            "flat",
            f"between LR {low} and {high} the loss does not fall by more than its noise. Set max_lr above {high}, "
            "use a larger batch or more probe samples, and check that the parameters are trained at all.",
            "up",
        )
    if still_falling(curve, lrs):
        return (
            "still falling",
            f"the loss still falls at the end of the range (LR {high}). Set max_lr above {high}.",
            "up",
        )
    if lr is None and rule in ("edge", "smith") and curve.edge is None:
        return (
            "no edge",
            f"the loss flattens but does not rise up to LR {high}, and rule {rule} needs a rise. Set max_lr above "
            f"{high}, or use rule {DEFAULT_RULE}.",
            "up",
        )
    if lr is None:
        return (
            "range starts too high",
            f"the loss falls at the very start of the range, and rule {rule} would be below it. Set min_lr below "
            f"{low}.",
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
