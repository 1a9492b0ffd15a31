"""A module and a datamodule of your own: `lr-callbacks` finds both by the name of this file."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class SpiralNet(LightningModule):
    """Tell two spirals apart; `width` and `optimizer` are entries of config.yaml, as all arguments are."""

    def __init__(
        self, width: int = 32, optimizer: OptimizerCallable = lambda params: torch.optim.Adam(params, lr=0.01)
    ) -> None:
        super().__init__()
        self.optimizer = optimizer
        self.net = nn.Sequential(
            nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
        )

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """What the optimizer minimises."""
        loss = self._loss(batch)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """What the plateau reduction of config.yaml listens to."""
        self.log("val_loss", self._loss(batch), prog_bar=True)
        self.log("val_acc", ((self.net(batch[0]) > 0) == (batch[1] > 0.5)).float().mean(), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """An optimizer and no scheduler: callbacks in config.yaml drive its LR."""
        return self.optimizer(self.parameters())

    def _loss(self, batch: list[Tensor]) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(self.net(batch[0]), batch[1])


class Spirals(LightningDataModule):
    """Two noisy spirals, 1000 points to train on and 200 to validate."""

    def __init__(self, noise: float = 0.05, batch_size: int = 50) -> None:
        super().__init__()
        self.noise = noise
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        """Make the points, always the same."""
        generator = torch.Generator().manual_seed(0)
        angle = 0.5 + 6.0 * torch.rand(1200, 1, generator=generator)
        which = torch.randint(2, (1200, 1), generator=generator).float()
        points = torch.cat([angle.cos(), angle.sin()], 1) * angle / 6.5 * (1 - 2 * which)
        points += self.noise * torch.randn(1200, 2, generator=generator)
        self.train_set = TensorDataset(points[:1000], which[:1000])
        self.val_set = TensorDataset(points[1000:], which[1000:])

    def train_dataloader(self) -> DataLoader:
        """Shuffled batches."""
        return DataLoader(self.train_set, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """All at once."""
        return DataLoader(self.val_set, 200)
