"""What `grid_search` asks of the function that builds a trial, and what it does to its loggers."""

import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, loader, sgd, trainer
from sweep_support import hparams

from lr_callbacks import grid_search


@pytest.mark.parametrize(
    ("build", "got"),
    [
        (lambda point: None, "NoneType"),
        (lambda point: trainer(max_epochs=1), "Trainer"),
        (lambda point: (trainer(max_epochs=1),), "Trainer"),
        (lambda point: (Net(), trainer(max_epochs=1), loader(2)), "Net, Trainer, DataLoader"),
        (lambda point: {"trainer": trainer(max_epochs=1), "model": Net()}, "dict"),
    ],
)
def test_a_build_function_that_returns_something_else_is_told_what_to_return(tmp_path, build, got):
    message = f"build must return a Trainer, a LightningModule, and the data if any, in this order, got {got}; write"
    with pytest.raises(TypeError, match=message):
        grid_search(build, {"lr": [0.1]}, folder=tmp_path)


def test_a_module_that_another_point_has_trained_is_refused(tmp_path):
    module = Net(sgd([0.1]))
    with pytest.raises(MisconfigurationException, match="build must make a new module for every point, got one that"):
        grid_search(lambda point: (trainer(max_epochs=1), module, loader(2), loader(2)), {"a": [1, 2]}, folder=tmp_path)


def test_a_grid_without_names_is_told_how_to_write_it(tmp_path):
    with pytest.raises(
        TypeError, match=r"must be a dict of the values of each axis by its name, got \[0\.1\]; write \{'lr': \[0\.001"
    ):
        grid_search(lambda point: None, [0.1], folder=tmp_path)


class Saved(Net):
    def __init__(self, optimizer, width=3):
        super().__init__(optimizer)
        self.save_hyperparameters(ignore="optimizer")


def test_tensorboard_compares_the_axes_also_where_the_module_has_saved_its_own_arguments(tmp_path):
    def build(point):
        logger = TensorBoardLogger(tmp_path / "logs")
        return trainer(max_epochs=1, logger=logger), Saved(sgd([point["lr"]])), loader(2), loader(2)

    table = grid_search(build, {"lr": [0.1]}, folder=tmp_path, seeds=[3])
    axes, events = hparams(table.best.runs[0])
    assert axes == {"lr": 0.1, "seed": 3}
    assert "hp_metric" not in events.Tags()["scalars"]


@pytest.mark.parametrize("metric", ["val_loss", "train_loss"])
@pytest.mark.parametrize("length", [{"max_epochs": 1}, {"max_steps": 4, "max_epochs": -1}])
def test_a_training_that_is_over_is_not_pruned(tmp_path, length, metric):
    def build(point):
        loaders = [loader(4), loader(2)] if metric == "val_loss" else [loader(4)]
        return trainer(**length), Net(sgd([point["lr"]] * 2)), *loaders

    lrs = [0.02, 0.01, 0.03, 0.015, 0.025, 1e-7]  # the median pruner wants five before it judges
    table = grid_search(build, {"lr": lrs}, folder=tmp_path, pruner="median", metric=metric)
    assert {row.state for row in table.rows} == {"complete"}
