"""Fine-tuning: a smaller LR for what is nearer to the input, and a backbone that joins later (`BackboneFinetuning`).

    python examples/finetuning.py

A network learns the digits 0 to 4, then gets a new head for 5 to 9. Head and middle have LRs of their own, and one
`OneCycle` moves both together, so that they keep their ratio. The backbone is frozen for three epochs; then
`BackboneFinetuning` adds it with a tenth of the middle's LR of that moment, and lets it double with every epoch until
it has caught up with the middle. Within an epoch `OneCycle` moves it like the others.
"""

import logging
import warnings

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import BackboneFinetuning
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lr_callbacks import OneCycle, Warmup
from lr_callbacks.demo import DigitsDataModule

warnings.filterwarnings("ignore", ".*(does not have many workers|LeafSpec).*")
logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)


class Digits(LightningModule):
    """A backbone, a middle and a head for five classes."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU())
        self.middle = nn.Sequential(nn.Flatten(), nn.Linear(16 * 6 * 6, 32), nn.ReLU())
        self.head = nn.Linear(32, 5)
        self.pretraining = True

    def forward(self, images: Tensor) -> Tensor:
        """Scores of five classes."""
        return self.head(self.middle(self.backbone(images)))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Cross entropy."""
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """All at one LR at first; then a group each for middle and head, the backbone is left to another callback."""
        if self.pretraining:
            return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)
        groups = [
            {"params": self.middle.parameters(), "lr": 0.005, "name": "middle"},
            {"params": self.head.parameters(), "lr": 0.05, "name": "head"},
        ]
        return torch.optim.SGD(groups, lr=0.05, momentum=0.9)


class ShowLRs(Callback):
    """Print the LR of each group at the start of each epoch."""

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """After the groups of this epoch have been added."""
        named = zip(("middle", "head", "backbone"), trainer.optimizers[0].param_groups, strict=False)
        print(f"epoch {trainer.current_epoch}: " + "  ".join(f"{name} {group['lr']:.1e}" for name, group in named))


def part(images: Tensor, labels: Tensor, first: int) -> TensorDataset:
    """Five digits, from `first` on, as classes 0 to 4."""
    wanted = (labels >= first) & (labels < first + 5)
    return TensorDataset(images[wanted], labels[wanted] - first)


def fit(model: Digits, data: TensorDataset, epochs: int, *callbacks: Callback) -> None:
    """Train quietly."""
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(
        accelerator="cpu", max_epochs=epochs, callbacks=list(callbacks), enable_model_summary=False, **quiet
    )
    trainer.fit(model, DataLoader(data, batch_size=32, shuffle=True))


def main() -> None:
    """Pretrain, then fine-tune."""
    torch.set_num_threads(1)
    seed_everything(0, verbose=False)
    data = DigitsDataModule()
    data.setup("fit")
    model = Digits()
    fit(model, part(*data.train_set.tensors, first=0), 4, Warmup("10%"))

    model.head, model.pretraining = nn.Linear(32, 5), False
    late = BackboneFinetuning(
        unfreeze_backbone_at_epoch=3,
        backbone_initial_ratio_lr=0.1,
        lambda_func=lambda epoch: 2.0,
    )
    few = TensorDataset(*(tensor[:100] for tensor in part(*data.train_set.tensors, first=5).tensors))
    fit(model, few, 8, OneCycle(), late, ShowLRs())
    images, labels = part(*data.val_set.tensors, first=5).tensors
    with torch.no_grad():
        right = (model(images).argmax(dim=1) == labels).float().mean().item()
    print(f"trained on {len(few)} images of 5 to 9: validation accuracy {right:.3f}")


if __name__ == "__main__":
    main()
