"""Cyclical learning rates: up and down between two bounds, momentum against them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypedDict

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.lambda_factor import Checked, imported, path_of
from lr_callbacks.core.arguments import require, require_bool, require_choice, require_number
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import CyclicalMode, ScaleFunction, ScaleMode, cyclical_factor, cyclical_momentum


class CyclicalShape(TypedDict):
    """The shape of the cycles."""

    step_size_up: float
    step_size_down: float
    mode: CyclicalMode
    gamma: float
    scale_fn: ScaleFunction | None
    scale_mode: ScaleMode


class CyclicalLR(LRCallback):
    """Let the learning rate climb and fall between two bounds along lines, again and again, momentum against it.

    In a cycle of U = `step_size_up` and D = `step_size_down`, a height h goes from 0 to 1 at time U and back to 0 at
    U + D. The LR is ``bottom + (top - bottom) * h * scale``; scale is 1 (triangular), ``1 / 2 ** n`` in cycle n counted
    from 0 (triangular2) or ``gamma ** t`` (exp_range). First step: the bottom. It has no end. The momentum is
    ``max_momentum - (max_momentum - base_momentum) * h * scale`` and is restored to its configured value when the fit
    ends.

    The values are those of torch ``CyclicLR``, whose two bounds become one factor: the group with the largest LR goes
    between `base_lr` and `max_lr`, and the others in proportion to the LRs that they were configured with.

    Args:
        base_lr: The bottom, absolute, of the group with the largest LR; at least 0 and below the top. (Not the base LR
            of the product of factors, which is the LR that the optimizer was configured with.)
        max_lr: The top, absolute, of that group; None: each group's top is the LR that it was configured with.
        step_size_up: Length U of the way up: an int (optimizer steps), ``"2 epochs"``, ``"5%"`` (of the run) or
            ``"30 min"`` (by the wall clock).
        step_size_down: Length D of the way down, in the same units; None for the same as the way up.
        mode: ``"triangular"``, ``"triangular2"`` or ``"exp_range"``.
        gamma: For ``"exp_range"``: what each step multiplies the height by, in (0, 1].
        cycle_momentum: Whether to move the momentum (SGD's and RMSprop's ``momentum`` where it is not 0, the first beta
            of Adam's family); a group without momentum is left alone.
        base_momentum: Momentum at the top of the LR, in [0, 1).
        max_momentum: Momentum at the bottom, in [0, 1).
        scale_fn: Import path of a function, or the function itself, that says by what the height is multiplied,
            instead of `mode`; a number of at least 0, and at most 1 where the momentum is moved too.
        scale_mode: What it gets: ``"cycle"``, the number of the cycle, counted from 1; ``"iterations"``, the time t.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if a length is needed that is not known or comes out
            as 0 steps, `base_lr` is not below the largest configured LR and `max_lr` is not given, or all configured
            LRs are 0.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[CyclicalLR(0.001, 0.01, step_size_up="2 epochs")], logger=False)
        >>> from lr_callbacks import preview
        >>> lrs = preview([CyclicalLR(0.02, step_size_up=2, mode="triangular2")], 0.1, total_steps=7)
        >>> [round(lr, 6) for lr in lrs[:, 0].tolist()]
        [0.02, 0.06, 0.1, 0.06, 0.02, 0.04, 0.06]

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, arXiv:1506.01186; torch ``CyclicLR``.
    """

    def __init__(
        self,
        base_lr: float,
        max_lr: float | None = None,
        step_size_up: int | str = 2000,
        step_size_down: int | str | None = None,
        mode: CyclicalMode = "triangular",
        gamma: float = 1.0,
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        scale_fn: str | Callable[[int], float] | None = None,
        scale_mode: ScaleMode = "cycle",
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        require(require_number("base_lr", base_lr) >= 0, "base_lr", "at least 0", base_lr)
        if max_lr is not None:
            rule = f"above base_lr={base_lr!r} (None for the optimizer's own LR)"
            require(require_number("max_lr", max_lr) > base_lr, "max_lr", rule, max_lr)
        self.check_length("step_size_up", step_size_up)
        self.check_length("step_size_down", step_size_down, optional=True)
        require_choice("mode", mode, CyclicalMode)
        require_bool("cycle_momentum", cycle_momentum)
        require(0 < require_number("gamma", gamma) <= 1, "gamma", "above 0 and at most 1", gamma)
        for name, value in (("base_momentum", base_momentum), ("max_momentum", max_momentum)):
            require(0 <= require_number(name, value) < 1, name, "at least 0 and below 1", value)
        if scale_fn is not None:
            imported(scale_fn, "scale_fn")
        require_choice("scale_mode", scale_mode, ScaleMode)
        self.base_lr = base_lr
        self.max_lr = max_lr
        self.step_size_up = step_size_up
        self.step_size_down = step_size_down
        self.mode = mode
        self.gamma = gamma
        self.cycle_momentum = cycle_momentum
        self.base_momentum = base_momentum
        self.max_momentum = max_momentum
        self.scale_fn = scale_fn
        self.scale_mode = scale_mode

    @property
    def looks_ahead(self) -> bool:
        """Whether its factor may be worked out for later steps: not that of a user's function without the mark."""
        return self.scale_fn is None or bool(getattr(imported(self.scale_fn), "lookahead", False))

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments, a function by its path."""
        given = super().arguments()
        return given if self.scale_fn is None else {**given, "scale_fn": path_of(self.scale_fn)}

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The cycles of each group."""
        top = groups.largest if self.max_lr is None else self.max_lr
        self._check_bounds(top, groups.largest)
        scale = 1.0 if self.max_lr is None else self.max_lr / groups.largest
        return cyclical_factor(t, **self._shape(time), base_factor=self.base_lr / top, scale=scale)

    @lookahead
    def momenta(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The momentum, against the LR."""
        bounds = {"base_momentum": self.base_momentum, "max_momentum": self.max_momentum}
        return cyclical_momentum(t, **self._shape(time), **bounds)

    def _shape(self, time: ScheduleTime) -> CyclicalShape:
        """What the cycles of LR and momentum have in common."""
        up, down = self.landmarks(time)
        return {
            "step_size_up": up,
            "step_size_down": down - up,
            "mode": self.mode,
            "gamma": self.gamma,
            "scale_fn": None if self.scale_fn is None else Checked(imported(self.scale_fn), path_of(self.scale_fn)),
            "scale_mode": self.scale_mode,
        }

    def absolute_values(self, groups: GroupRows) -> Mapping[str, Callable[..., Array]]:
        """The momentum, if the cycles move it."""
        moves = self.momenta if self.looks_ahead else partial(self.momenta)  # a partial has no mark: asked step by step
        return {"momentum": moves} if self.cycle_momentum and self.param == "lr" else {}

    def landmarks(self, time: ScheduleTime) -> Sequence[float]:
        """The first top, and the end of the first cycle."""
        up = time.length("step_size_up", self.step_size_up)
        down = up if self.step_size_down is None else time.length("step_size_down", self.step_size_down)
        return (up, up + down)

    @property
    def why_not_by_time(self) -> str | None:
        """A rate per step has no meaning on the wall clock."""
        return super().why_not_by_time or ("its gamma is one for every step" if self.gamma != 1 else None)

    @property
    def why_not_stretched(self) -> str | None:
        """A gamma, or a function, of every step."""
        counts = self.scale_fn is not None and self.scale_mode == "iterations"
        return "its height is a function of every step" if self.gamma != 1 or counts else None

    def _check_bounds(self, top: float, largest: float) -> None:
        if largest == 0:
            raise MisconfigurationException(
                f"CyclicalLR: base_lr={self.base_lr} and max_lr={self.max_lr} cannot scale groups with LRs of 0;"
                " configure LRs above 0"
            )
        if self.base_lr >= top:
            raise MisconfigurationException(
                f"CyclicalLR: base_lr={self.base_lr} must be below the top, which is the largest LR of the optimizer"
                f" ({top:g}) where max_lr is not given; lower base_lr or give max_lr"
            )

    def describe(self) -> str:
        """Mode and bounds."""
        top = "the optimizer's LR" if self.max_lr is None else f"{self.max_lr:g}"
        return f"{self.mode} between {self.base_lr:g} and {top}"

    def phase_at(self, t: float, time: ScheduleTime) -> str:
        """Which way the cycle goes."""
        up, cycle = self.landmarks(time)
        return "climbing" if t % cycle < up else "falling"
