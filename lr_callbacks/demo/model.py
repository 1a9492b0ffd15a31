"""A small convolutional network for the digits as a LightningModule."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassAccuracy

from lr_callbacks.core.lightning_names import LightningModule, OptimizerCallable


class DigitsClassifier(LightningModule):
    """Classify 8x8 digits with two convolutions and one linear layer.

    Logs `train_loss` at every optimizer step and `train_acc`, `val_loss`, `val_acc`, `test_loss`, `test_acc` once per
    epoch; accuracies are the share of right answers, in [0, 1]. It sets no LR schedule: that is what the callbacks of
    this package are for.

    Args:
        optimizer: Makes the optimizer from the parameters. On the command line, `--model.optimizer=AdamW
            --model.optimizer.lr=0.002` chooses another one; `--model.optimizer.lr=0.05` changes the LR alone.
        channels: Channels of the first convolution; the second has twice as many.

    Raises:
        ValueError: If `channels` is below 1.

    Example:
        >>> DigitsClassifier(channels=8)(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """

    def __init__(
        self,
        optimizer: OptimizerCallable = lambda params: torch.optim.SGD(params, lr=0.02, momentum=0.9),
        channels: int = 16,
    ) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"channels must be at least 1, got {channels}; write for example 16")
        self.save_hyperparameters(ignore=["optimizer"])
        self.optimizer = optimizer
        self.net = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(2 * channels * 4 * 4, 10),
        )
        self.train_acc = MulticlassAccuracy(num_classes=10, average="micro")
        self.val_acc = MulticlassAccuracy(num_classes=10, average="micro")
        self.test_acc = MulticlassAccuracy(num_classes=10, average="micro")

    def forward(self, images: Tensor) -> Tensor:
        """Scores (N, 10) of images (N, 1, 8, 8), both float32."""
        scores: Tensor = self.net(images)
        return scores

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Log `train_loss` per optimizer step and `train_acc` per epoch."""
        images, labels = batch
        scores = self(images)
        loss = cross_entropy(scores, labels)
        self.train_acc(scores, labels)
        self.log("train_loss", loss, prog_bar=True)
        self.log("train_acc", self.train_acc, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log `val_loss` and `val_acc` per evaluation."""
        self._evaluate("val", self.val_acc, batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log `test_loss` and `test_acc`."""
        self._evaluate("test", self.test_acc, batch)

    def predict_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """The digit of each image: int64 (N,)."""
        classes: Tensor = self(batch[0]).argmax(dim=1)
        return classes

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """One optimizer, no scheduler."""
        return self.optimizer(self.parameters())

    def _evaluate(self, part: str, accuracy: MulticlassAccuracy, batch: tuple[Tensor, Tensor]) -> None:
        images, labels = batch
        scores = self(images)
        accuracy(scores, labels)
        self.log(f"{part}_loss", cross_entropy(scores, labels), prog_bar=True)
        self.log(f"{part}_acc", accuracy, prog_bar=True)
