"""What `grid_search` asks of the function that builds a trial, and what it does to its loggers."""

import functools

import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, Recorder, loader, sgd, trainer
from sweep_support import hparams

from lr_callbacks import grid_search
from lr_callbacks.range_test.result import RangeTestResult
from lr_callbacks.sweep import run_trial


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
    with pytest.raises(MisconfigurationException, match="build must return a new module for every point, got one that"):
        grid_search(lambda point: (trainer(max_epochs=1), module, loader(2), loader(2)), {"a": [1, 2]}, folder=tmp_path)


def test_a_grid_without_names_is_told_how_to_write_it(tmp_path):
    with pytest.raises(
        TypeError, match=r"grid must be a dict of axis name and values, got \[0\.1\]; write \{'lr': \[0\.001"
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


def parts(lr, epochs=1):
    return trainer(max_epochs=epochs), Net(sgd([lr] * 2)), loader(4), loader(2)


class Callable:
    def __call__(self, lr, **others):
        return parts(lr)


@pytest.mark.parametrize(
    "build",
    [
        lambda point: parts(point["lr"]),
        lambda lr, width: parts(lr),
        lambda width, *, lr: parts(lr),
        lambda **point: parts(point["lr"]),
        lambda point, verbose=False: parts(point["lr"]),
        Callable(),
        functools.partial(lambda scale, lr, width: parts(lr * scale), 1.0),
    ],
)
def test_build_takes_the_point_as_keyword_arguments_or_as_one_dict(tmp_path, build):
    table = grid_search(build, {"lr": [0.01, 0.1], "width": [8]}, folder=tmp_path)
    assert {row.point["lr"] for row in table.rows if row.state == "complete"} == {0.01, 0.1}
    assert table.rows[0].values != table.rows[1].values


@pytest.mark.parametrize(
    ("build", "got"),
    [
        (lambda learning_rate, width: None, r"<lambda>\(learning_rate, width\)"),
        (lambda: None, r"<lambda>\(\)"),
        (lambda lr, width, seed: None, r"<lambda>\(lr, width, seed\)"),
    ],
)
def test_a_build_that_cannot_take_the_point_is_refused_before_any_training(tmp_path, build, got):
    rule = r"as keyword arguments, def build\(lr, width\), or as one dict, def build\(point\), got "
    with pytest.raises(TypeError, match=rule + got):
        grid_search(build, {"lr": [0.1], "width": [8]}, folder=tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()


def with_a_number(width: float):
    return parts(width)


@pytest.mark.parametrize("build", [lambda learning_rate: parts(learning_rate), with_a_number])
def test_one_argument_that_is_a_number_does_not_take_the_point_as_a_dict(tmp_path, build):
    with pytest.raises(TypeError, match=r"must take a point as keyword arguments, def build\(lr\), or as one dict"):
        grid_search(build, {"lr": [0.1]}, folder=tmp_path / "sweep")


def test_a_misspelt_metric_is_known_at_the_sanity_validation_before_the_first_step(tmp_path):
    seen = Recorder()

    def build(lr):
        return trainer(seen, max_epochs=1), Net(sgd([lr])), loader(4), loader(2)

    with pytest.raises(MisconfigurationException, match=r"'val_los' was not logged\. Did you mean 'val_loss'\?"):
        grid_search(build, {"lr": [0.1]}, folder=tmp_path, metric="val_los")
    assert not any(seen.lrs.values())


class LogsInTraining(Net):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log_dict({"loss_epoch": loss, "train_f1_score_epoch": loss}, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        self.log_dict({"val_loss_epoch": 1.0, "val_f1_score_epoch": 1.0})


@pytest.mark.parametrize("metric", ["loss_epoch", "train_f1_score_epoch"])
def test_a_metric_of_the_training_is_not_taken_for_a_misspelt_one_of_the_validation(metric):
    def build(lr):
        return trainer(max_epochs=1, num_sanity_val_steps=1), LogsInTraining(sgd([lr])), loader(2), loader(2)

    assert run_trial(build, {"lr": 0.01}, metric=metric).value > 0


def test_the_engine_that_calls_a_trial_may_stop_it_by_what_it_reports():
    reports = []
    outcome = run_trial(
        functools.partial(parts, epochs=5), {"lr": 0.01}, report=lambda step, value: reports.append(value) or step == 2
    )
    assert (outcome.pruned, outcome.epochs, reports[-1]) == (True, 2, outcome.value)


def test_the_interval_of_a_range_test_is_in_the_picture(tmp_path):
    found = RangeTestResult([0.01], [1.0], [1.0], 0.05, {}, "", interval=(0.02, 0.2))
    for _ in range(2):
        table = grid_search(parts, {"lr": [0.01, 0.1]}, folder=tmp_path, suggest=lambda: found)
        assert (table.suggestion, table.interval) == (0.05, (0.02, 0.2))
    assert "The LR range test suggests 0.05 (0.02 to 0.2), " in table.verdict()
    labels = {text.get_text() for text in table.plot().legends[0].get_texts()}
    assert {"range test suggests 0.05", "interval of the range test"} <= labels
