"""Two callbacks in a plain Trainer with a module of your own: warm up for 5 % of the run, then a cosine.

python examples/plain_trainer.py
"""

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lr_callbacks import CosineAnnealing, Warmup


class Regression(LightningModule):
    """Learn the sine of a sum; the module knows nothing of the schedule."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1))

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """The mean squared error of a batch."""
        x, y = batch
        loss = nn.functional.mse_loss(self.net(x), y)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """An optimizer and no scheduler: the callbacks drive its LR."""
        return torch.optim.SGD(self.parameters(), lr=0.3, momentum=0.9)


def main() -> None:
    """Train for ten epochs."""
    seed_everything(0)
    x = torch.randn(1024, 8)
    data = DataLoader(TensorDataset(x, x.sum(1, keepdim=True).sin()), batch_size=64, shuffle=True)
    trainer = Trainer(
        max_epochs=10,
        callbacks=[Warmup("5%"), CosineAnnealing()],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Regression(), data)
    print(f"train_loss {trainer.callback_metrics['train_loss']:.3f}")


if __name__ == "__main__":
    main()
