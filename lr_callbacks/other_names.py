"""Names that schedules have in other libraries, and what they are here."""

ELSEWHERE: dict[str, str] = {
    # torch
    "ConstantLR": "ConstantFactor",
    "CosineAnnealingLR": "CosineAnnealing",
    "CosineAnnealingWarmRestarts": "SGDR",
    "CyclicLR": "CyclicalLR",
    "ExponentialLR": "ExponentialDecay",
    "LambdaLR": "LambdaFactor",
    "LinearLR": "LinearDecay (falling) or Warmup (rising)",
    "MultiStepLR": "MultiStepDecay",
    "MultiplicativeLR": "MultiplicativeFactor",
    "OneCycleLR": "OneCycle",
    "PolynomialLR": "PolynomialDecay",
    "SequentialLR": "Sequential",
    "ChainedScheduler": "several schedules among the callbacks: their factors are multiplied",
    "StepLR": "StepDecay",
    # Lightning and Lightning Bolts
    "LearningRateFinder": "LRRangeTest",
    "LearningRateMonitor": "LRMonitor",
    "LinearWarmupCosineAnnealingLR": "Warmup(..., start_lr=...) and CosineAnnealing",
    # transformers
    "get_constant_schedule_with_warmup": "Warmup",
    "get_cosine_schedule_with_warmup": "Warmup and CosineAnnealing",
    "get_cosine_with_hard_restarts_schedule_with_warmup": "Warmup and Restarts(CosineAnnealing(), num_cycles=...)",
    "get_cosine_with_min_lr_schedule_with_warmup": "Warmup and CosineAnnealing(eta_min='10%')",
    "get_greedy_schedule": "GreedyLR",
    "get_inverse_sqrt_schedule": "Warmup and InverseSqrt",
    "get_linear_schedule_with_warmup": "Warmup and LinearDecay",
    "get_polynomial_decay_schedule_with_warmup": "Warmup and PolynomialDecay",
    "get_reduce_on_plateau_schedule": "ReduceLROnPlateau",
    "get_wsd_schedule": "WarmupStableDecay",
    # timm
    "CosineLRScheduler": "CosineAnnealing, or SGDR with cycles",
    "MultiStepLRScheduler": "MultiStepDecay",
    "PlateauLRScheduler": "ReduceLROnPlateau",
    "PolyLRScheduler": "PolynomialDecay",
    "StepLRScheduler": "StepDecay",
    "TanhLRScheduler": "TanhDecay",
    "WSDLRScheduler": "WarmupStableDecay",
    # Keras
    "CosineDecay": "CosineAnnealing",
    "CosineDecayRestarts": "SGDR or Restarts",
    "InverseTimeDecay": "InversePower",
    "PiecewiseConstantDecay": "Piecewise(..., interpolation='constant')",
    "LearningRateScheduler": "LambdaFactor",
    # ignite, fvcore, mmengine, optax, fastai
    "OverrideDecay": "FinalDecay",  # OLMo-core's
    "ConcatScheduler": "Sequential",
    "CosineRestartLR": "Restarts",
    "LinearCyclicalScheduler": "Restarts(LinearDecay(), ...)",
    "PiecewiseLinear": "Piecewise",
    "CompositeParamScheduler": "Sequential",
    "PolyLR": "PolynomialDecay",
    "join_schedules": "Sequential",
    "piecewise_interpolate_schedule": "Piecewise",
    "sgdr_schedule": "SGDR or Restarts",
    "warmup_cosine_decay_schedule": "Warmup and CosineAnnealing",
    "combined_cos": "Piecewise(..., interpolation='cosine')",
    # pytorch_warmup
    "LinearWarmup": "Warmup",
    "ExponentialWarmup": "Warmup(..., shape='1-exp')",
    "RAdamWarmup": "UntunedWarmup('radam')",
    "UntunedLinearWarmup": "UntunedWarmup('linear')",
    "UntunedExponentialWarmup": "UntunedWarmup('exponential')",
}
"""Name elsewhere -> what to write here. `ReduceLROnPlateau` and `OneCycle` have the same names here."""


def hint(name: str) -> str:
    """Return a hint for a name from another library; empty if it is none.

    Example:
        >>> hint("CosineAnnealingWarmRestarts"), hint("Fancy")
        ('Did you mean SGDR? ', '')
    """
    known = {each.lower(): ours for each, ours in ELSEWHERE.items()}
    ours = known.get(name.rpartition(".")[2].lower())
    return "" if ours is None else f"Did you mean {ours}? "
