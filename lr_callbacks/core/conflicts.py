"""One owner for each value: reject anything else that sets a value which LR callbacks set, and say what to do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.lightning_names import MisconfigurationException, StochasticWeightAveraging, Trainer, is_a
from lr_callbacks.core.native_schedulers import native_configs
from lr_callbacks.core.replacement_lines import replacement_line
from lr_callbacks.core.terms import Term


def refuse_other_owners(trainer: Trainer, controllers: Sequence[Controller]) -> None:
    """Reject native schedulers, weight averaging with an LR of its own, and strategies that step elsewhere.

    Raises:
        MisconfigurationException: Naming both owners and the way out.
    """
    strategy = type(trainer.strategy).__name__
    if "DeepSpeed" in strategy:
        raise MisconfigurationException(
            f"{strategy} steps the optimizer inside its own engine, where steps cannot be counted, so LR callbacks"
            " would leave the LR frozen. Use another strategy (DDP, FSDP), or DeepSpeed's own scheduler instead."
        )
    for controller in controllers:
        ours = ", ".join(type(schedule).__name__ for schedule in controller.schedules)
        for config in native_configs(trainer, controller.optimizer, controller.given):
            name = type(config.scheduler).__name__
            raise MisconfigurationException(
                f"{name} (returned by configure_optimizers) and {ours} (in the Trainer's callbacks) both set the LR"
                f" of {controller.name}. Keep one: return the optimizer alone, or remove {ours}. If you cannot edit"
                f" the module, add ReplaceSchedulers() to the callbacks, which takes {name} out of the run. To combine"
                f" both, also add {replacement_line(config)}."
            )
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if is_a(callback, StochasticWeightAveraging):
                raise MisconfigurationException(
                    f"StochasticWeightAveraging (which anneals to its own swa_lrs) and {ours} both set the LR of"
                    f" {controller.name}. Use Lightning's WeightAveraging, which leaves the LR alone, or remove {ours}."
                )


def refuse_rivals(controller: Controller) -> None:
    """Reject two schedules on one group where only one makes sense.

    Raises:
        MisconfigurationException: If two bring one value to its end at the same time, or two set one absolute value.
    """
    for one, other in combinations(controller.terms, 2):
        groups = sorted(set(one.groups) & set(other.groups))
        if not groups or one.schedule is other.schedule or one.param != other.param:
            continue
        if one.absolute or other.absolute:
            held = [n for n in groups if pg.get_value(controller.optimizer.param_groups[n], one.param) is not None]
            if held:
                does = f"sets the {one.param}" + (
                    " (cycle_momentum=False turns that off)" if one.param == "momentum" else ""
                )
                raise _rivals(controller, held, one, other, does)
        elif one.schedule.fills_run and other.schedule.fills_run and _overlap(one, other):
            raise _rivals(controller, groups, one, other, "anneals to the end of the run")


def _overlap(one: Term, other: Term) -> bool:
    """Whether two terms move at the same time."""
    ends = [term.end if term.end is not None else float("inf") for term in (one, other)]
    return (one.start < ends[1] and other.start < ends[0]) or (one.start, ends[0]) == (other.start, ends[1])


def _rivals(
    controller: Controller, groups: Sequence[int], one: Term, other: Term, does: str
) -> MisconfigurationException:
    which = f"group{'s' * (len(groups) > 1)} " + ", ".join(str(number) for number in groups)
    return MisconfigurationException(
        f"{one.schedule!r} and {other.schedule!r} conflict in {which} of {controller.name}: each of them {does}."
        " Remove one, give them different groups= or optimizer=, or let one start where the other ends."
    )
