"""Snapshot ensemble: one SGDR run, a model at the end of each cycle, and the accuracy of all of them together.

    python examples/snapshot_ensemble.py

Huang et al., Snapshot Ensembles, 2017, arXiv:1704.00109.
"""

import tempfile
import warnings

import torch
from lightning.pytorch import Trainer, seed_everything

from lr_callbacks import SGDR, SnapshotCheckpoint
from lr_callbacks.demo import DigitsClassifier, DigitsDataModule

warnings.filterwarnings("ignore", ".*(does not have many workers|LeafSpec).*")
torch.set_num_threads(1)
seed_everything(0)
data, model = DigitsDataModule(), DigitsClassifier()

with tempfile.TemporaryDirectory() as folder:
    snapshots = SnapshotCheckpoint(folder)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=8,
        callbacks=[SGDR("2 epochs"), snapshots],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, datamodule=data)
    data.setup("test")
    images, labels = data.test_set.tensors
    probabilities = []
    for path in snapshots.paths:
        model.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
        model.eval()
        with torch.no_grad():
            probabilities.append(model(images).softmax(dim=1))


def accuracy(scores: torch.Tensor) -> float:
    """Share of right answers."""
    return (scores.argmax(dim=1) == labels).float().mean().item()


for number, scores in enumerate(probabilities, start=1):
    print(f"snapshot {number}: test accuracy {accuracy(scores):.4f}")
print(f"last model:         {accuracy(probabilities[-1]):.4f}")
print(f"ensemble of {len(probabilities)}:      {accuracy(torch.stack(probabilities).mean(dim=0)):.4f}")
