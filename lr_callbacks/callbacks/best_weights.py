"""The weights of the best evaluation, kept in memory and put back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lr_callbacks.core.lightning_names import MisconfigurationException, Trainer, rank_zero_warn

SHARDED = ("FSDP", "ModelParallel", "DeepSpeed")


def refuse_sharded(trainer: Trainer, who: str) -> None:
    """Reject weights that no rank has in full.

    Raises:
        MisconfigurationException: Naming the strategy.
    """
    strategy = type(trainer.strategy).__name__
    if any(name in strategy for name in SHARDED):
        raise MisconfigurationException(
            f"{who}: restore_best=True needs the whole weights on each rank, and {strategy} shards them; use DDP, or"
            " restore_best=False"
        )


class BestWeights:
    """A copy of a module's parameters and persistent buffers, in the CPU's memory on each rank.

    Attributes:
        tensors: The copy; None before the first one.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] | None = None

    def keep(self, module: nn.Module) -> None:
        """Copy the weights and buffers of now; an earlier copy, which a checkpoint may hold, is left as it is."""
        with torch.inference_mode(False), torch.no_grad():
            self.tensors = {name: held.detach().to("cpu", copy=True) for name, held in _held(module).items()}

    def put_back(self, module: nn.Module) -> bool:
        """Write the copy into the module, in place; warn and leave it if it has other weights than the copy."""
        best, now = self.tensors, _held(module)
        shapes = {name: held.shape for name, held in now.items()}
        if best is None or {name: held.shape for name, held in best.items()} != shapes:
            why = "there is no copy of them" if best is None else "the module has other weights than it had then"
            rank_zero_warn(f"The weights of the best evaluation cannot be restored: {why}.")
            return False
        with torch.inference_mode(False), torch.no_grad():
            for name, held in now.items():
                held.copy_(best[name])
        return True

    def load(self, saved: object) -> None:
        """Take up the copy of a checkpoint; None for none.

        Raises:
            ValueError: If it is none.
        """
        right = isinstance(saved, Mapping) and all(isinstance(held, Tensor) for held in saved.values())
        if saved is not None and not right:
            raise ValueError(f"best_weights in the state of a plateau reduction must be tensors by name, got {saved!r}")
        self.tensors = dict(saved) if isinstance(saved, Mapping) else None


def _held(module: nn.Module) -> dict[str, Tensor]:
    """The parameters and persistent buffers themselves: a module's own ``state_dict`` may give copies."""
    saved = module.state_dict()
    return {**dict(module.named_parameters()), **{n: held for n, held in module.named_buffers() if n in saved}}
