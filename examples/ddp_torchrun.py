"""Two processes, launched by torchrun: every rank has the same LR at every step, and the plateau decides for all.

    torchrun --standalone --nproc-per-node 2 examples/ddp_torchrun.py

On a machine with GPUs, write ``accelerator="gpu"`` below. Nothing else of a schedule changes under DDP: a step is one
step of the optimizer, whatever the number of processes, and each process sees a share of the batches (so that "10%" and
"1 epochs" are fewer steps with more of them).
"""

import os
import warnings

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lr_callbacks import ReduceLROnPlateau, Warmup

warnings.filterwarnings("ignore", ".*does not have many workers.*|.*LeafSpec.*|.*sync_dist=True.*")


class Regression(LightningModule):
    """Learn a sum; the loss on a rank's own share of the data is logged as it is there."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 1)

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """The mean squared error."""
        loss = nn.functional.mse_loss(self.layer(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)  # not synchronised: the callback does it
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """An optimizer and no scheduler."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


class LRsUsed(Callback):
    """Note the LR of every step."""

    def __init__(self) -> None:
        self.lrs: list[float] = []

    def on_train_batch_start(self, trainer: Trainer, *_: object) -> None:
        """Before the step that uses it."""
        self.lrs.append(trainer.optimizers[0].param_groups[0]["lr"])


def main() -> None:
    """Train in each process, then compare."""
    seed_everything(0, verbose=False)
    x = torch.randn(512, 8)
    noise = 0.3 * torch.randn(512, 1)
    data = DataLoader(TensorDataset(x, x.sum(1, keepdim=True) + noise), batch_size=16, shuffle=True)
    used = LRsUsed()
    trainer = Trainer(
        accelerator="cpu",
        devices=int(os.environ.get("WORLD_SIZE", "1")),
        strategy="ddp",
        max_epochs=8,
        callbacks=[Warmup("10%"), ReduceLROnPlateau("train_loss", factor=0.5, patience=1), used],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Regression(), data)
    of_all = [used.lrs for _ in range(trainer.world_size)]
    torch.distributed.all_gather_object(of_all, used.lrs)
    if trainer.is_global_zero:
        same = all(lrs == used.lrs for lrs in of_all)
        print(f"{trainer.world_size} ranks, {len(used.lrs)} steps each; the same LR at every step: {same}")
        print(f"LR at the end: {used.lrs[-1]}")
    torch.distributed.destroy_process_group()  # or gloo's threads may abort the process as it ends


if __name__ == "__main__":
    main()
