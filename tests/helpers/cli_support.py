"""What the tests of the command line share."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lr_callbacks.cli.app import LRCallbacksCLI

QUIET = ("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.accelerator=cpu")
SHORT = (*QUIET, "--trainer.max_epochs=1", "--trainer.limit_train_batches=4", "--trainer.limit_val_batches=1")

WARMUP = ("--trainer.callbacks+=Warmup", "--trainer.callbacks.duration=2")

OWN = """
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch.utils.data import DataLoader, TensorDataset

def loader():
    return DataLoader(TensorDataset(torch.ones(8, 4)), batch_size=2)

class Net(LightningModule):
    def __init__(self, width: int = 3):
        super().__init__()
        self.layer = torch.nn.Linear(4, width)

    def training_step(self, batch, batch_idx):
        return self.layer(batch[0]).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

class NetWithLoader(Net):
    def train_dataloader(self):
        return loader()

class Data(LightningDataModule):
    def train_dataloader(self):
        return loader()
"""


def run(subcommand, *flags):
    """Run the command line in this process and give it back."""
    return LRCallbacksCLI([subcommand, *QUIET, *flags])


def scalars(folder, tag):
    """The series of a tag in a run's event files, step -> value; a step that was written twice is an error."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    points = [(event.step, event.value) for event in events.Scalars(tag)]
    series = dict(points)
    assert len(series) == len(points), f"{tag} was written twice at a step: {points}"
    return series


def tags(folder):
    """Names of all series of a run."""
    events = EventAccumulator(str(folder))
    events.Reload()
    return set(events.Tags()["scalars"])
