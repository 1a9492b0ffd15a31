"""The formulas of the schedules, as pure functions of time: no torch, no state, any time in any order.

A *factor* is dimensionless: the LR is the base LR times the factor. Every function takes `t`, the time since the
schedule began: an int or a float, at least 0, or an array of any shape. A *step* of that time is an optimizer step, or
an epoch where a schedule is held over epochs; all lengths are in the same unit. Where parameter groups differ, a
parameter is a row with one entry for each, and a column of times gives a table. The result is float64, one number for
one time.

Each function holds its last value past its end, and follows torch's order of operations where torch has the schedule,
so that both agree to the last bits. No value depends on the other entries of its array, or on the machine.
"""

from lr_callbacks.schedules.anneal import AnnealStrategy, cosine_anneal, linear_anneal
from lr_callbacks.schedules.cyclical import CyclicalMode, ScaleFunction, ScaleMode, cyclical_factor, cyclical_momentum
from lr_callbacks.schedules.decay import (
    exponential_factor,
    inverse_power_factor,
    inverse_sqrt_factor,
    multi_step_factor,
    natural_exponential_factor,
    step_decay_factor,
)
from lr_callbacks.schedules.joined import (
    Interpolation,
    Join,
    Scaled,
    cycles_factor,
    piecewise_factor,
    sequence_factor,
)
from lr_callbacks.schedules.noise import Distribution, noise_factor
from lr_callbacks.schedules.one_cycle import one_cycle_factor, one_cycle_momentum, one_cycle_phases
from lr_callbacks.schedules.ramp import UntunedKind, WarmupShape, untuned_factor, warmup_factor
from lr_callbacks.schedules.restarts import restart_cycle, sgdr_factor
from lr_callbacks.schedules.to_end import (
    constant_factor,
    cosine_factor,
    linear_factor,
    polynomial_factor,
    rex_factor,
    tanh_factor,
)
from lr_callbacks.schedules.wsd import DecayShape, warmup_stable_decay_factor

__all__ = [
    "AnnealStrategy",
    "CyclicalMode",
    "DecayShape",
    "Distribution",
    "Interpolation",
    "Join",
    "ScaleFunction",
    "ScaleMode",
    "Scaled",
    "UntunedKind",
    "WarmupShape",
    "constant_factor",
    "cosine_anneal",
    "cosine_factor",
    "cycles_factor",
    "cyclical_factor",
    "cyclical_momentum",
    "exponential_factor",
    "inverse_power_factor",
    "inverse_sqrt_factor",
    "linear_anneal",
    "linear_factor",
    "multi_step_factor",
    "natural_exponential_factor",
    "noise_factor",
    "one_cycle_factor",
    "one_cycle_momentum",
    "one_cycle_phases",
    "piecewise_factor",
    "polynomial_factor",
    "restart_cycle",
    "rex_factor",
    "sequence_factor",
    "sgdr_factor",
    "step_decay_factor",
    "tanh_factor",
    "untuned_factor",
    "warmup_factor",
    "warmup_stable_decay_factor",
]
