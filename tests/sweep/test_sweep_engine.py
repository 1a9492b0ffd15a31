"""`grid_search` in Python: the ranking, what diverges, what is refused, and where things are kept."""

import math

import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import LearningRateFinder
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, loader, sgd, trainer
from sweep_support import Search

from lr_callbacks import LRRangeTest, grid_search


@pytest.fixture
def search(tmp_path):
    return Search(tmp_path / "sweep")


def val_loss(lr, seed):
    """The same training without a sweep."""
    torch.manual_seed(seed)
    module = Net(sgd([lr, lr]))
    fit(module=module, batches=4, seed=seed)
    with torch.no_grad():
        return sum(float((module(x) - y).square().mean()) for x, y in loader(2)) / 2


def test_the_ranking_is_that_of_trainings_without_a_sweep(search):
    table = search({"lr": [0.001, 0.01, 0.1]}, seeds=2)
    expected = {lr: [val_loss(lr, seed) for seed in (0, 1)] for lr in (0.001, 0.01, 0.1)}
    assert {row.point["lr"]: row.values for row in table.rows} == {
        lr: pytest.approx(values, rel=1e-5) for lr, values in expected.items()
    }
    assert [row.point["lr"] for row in table.rows] == sorted(expected, key=lambda lr: sum(expected[lr]))
    best = table.best
    a, b = best.values
    assert (best.mean, best.spread) == (pytest.approx((a + b) / 2), pytest.approx(abs(a - b) / math.sqrt(2)))
    assert best.epochs == 2


def test_a_finished_sweep_trains_nothing_again_and_a_larger_grid_only_what_is_new(search):
    first = search({"lr": [0.01, 0.1]})
    again = search({"lr": [0.01, 0.1]})
    assert again == first
    assert [point["lr"] for point in search.built] == [0.01, 0.1]
    assert len(search({"lr": [0.01, 0.05, 0.1]}, seeds=2).rows) == 3
    assert [point["lr"] for point in search.built[2:]] == [0.05, 0.01, 0.05, 0.1]


def test_all_combinations_of_the_axes_are_trained(search):
    table = search({"lr": [0.01, 0.1], "name": ["a", "b"], "flag": [True, False], "width": [1, None]})
    assert len({str(row.point) for row in table.rows}) == len(search.built) == 16


@pytest.mark.parametrize(("metric", "mode"), [("val_loss", "min"), ("train_loss", "min"), ("val_loss", "max")])
def test_a_diverging_trial_ranks_last_and_does_not_stop_the_sweep(search, metric, mode):
    table = search({"lr": [1e20, 0.01, 0.001]}, metric=metric, mode=mode)
    assert [row.state for row in table.rows] == ["complete", "complete", "diverged"]
    assert table.rows[-1].point == {"lr": 1e20}
    assert math.isnan(table.rows[-1].mean)
    assert "diverged" in str(table).splitlines()[-1]


def test_a_training_that_diverges_stops_at_the_next_epoch_end(tmp_path):
    table = Search(tmp_path, epochs=50)({"lr": [1e20]})
    assert table.rows[0].epochs == 1
    with pytest.raises(ValueError, match="must have a point that was trained to the end, got 1 diverged; add smaller"):
        _ = table.best


class RefusesNaN(Net):
    def validation_step(self, batch, batch_idx):
        if not torch.isfinite(self(batch[0])).all():
            raise ValueError("NaN is no score")
        super().validation_step(batch, batch_idx)


class Broken(Net):
    def training_step(self, batch, batch_idx):
        raise RuntimeError("my own mistake")


def test_an_error_that_follows_from_nan_is_a_divergence_and_any_other_one_stops_the_sweep(tmp_path):
    table = Search(tmp_path / "nan", module=RefusesNaN)({"lr": [1e20, 0.01]})
    assert [row.state for row in table.rows] == ["complete", "diverged"]
    broken = Search(tmp_path / "broken", module=Broken)
    with pytest.raises(RuntimeError, match="my own mistake"):
        broken({"lr": [0.01, 0.1]})
    mended = Search(tmp_path / "broken")
    assert len(mended({"lr": [0.01, 0.1]}).rows) == 2
    assert [point["lr"] for point in mended.built] == [0.1, 0.01]  # what failed before comes last


def test_an_unknown_metric_stops_the_sweep_at_the_first_trial_and_lists_what_was_logged(tmp_path):
    search = Search(tmp_path, epochs=50)
    with pytest.raises(
        MisconfigurationException, match=r"'nope' was not logged\. Logged: train_loss, val_loss\. Choose"
    ):
        search({"lr": [0.01, 0.1]}, metric="nope")
    assert len(search.built) == 1


@pytest.mark.parametrize(
    ("grid", "options", "message"),
    [
        ({}, {}, "the grid must have at least one axis, got none"),
        ({"lr": []}, {}, "each axis of the grid must have a value, got none for 'lr'"),
        ({"lr": [0.1, 0.0]}, {}, "LRs must be numbers above 0, got 0.0 for 'lr'"),
        ({"model.optimizer.lr": [-1]}, {}, "LRs must be numbers above 0, got -1 for 'model.optimizer.lr'"),
        ({"lr": [math.nan]}, {}, "LRs must be numbers above 0, got nan"),
        ({"lr": [0.1]}, {"seeds": 0}, "seeds must be at least 1"),
        ({"lr": [0.1]}, {"max_deaths": 0}, "max_deaths must be at least 1, got 0"),
        ({"lr": [0.1]}, {"mode": "best"}, "mode must be 'min' or 'max', got 'best'"),
        ({"lr": [0.1]}, {"sampler": "magic", "trials": 1}, "sampler must be one of grid, tpe, .*, got 'magic'"),
        ({"lr": [0.1]}, {"pruner": "rose"}, "pruner must be one of median, .*, or None, got 'rose'"),
        ({"lr": [0.1]}, {"sampler": "tpe"}, "trials must be given for sampler 'tpe'"),
        ({"lr": [0.1]}, {"trials": 3}, "trials must be left out for sampler 'grid', got 3"),
        ({"lr": [0.1]}, {"sampler": "tpe", "trials": 3, "seeds": 2}, "seeds must be 1 for sampler 'tpe', got 2"),
        ({"lr": [0.1]}, {"storage": "mysql://nobody@127.0.0.1:1/x"}, "storage must be reachable, got 'mysql://nobody@"),
        ({"lr": [0.1]}, {"storage": "sqlite:////nowhere/x.db"}, "storage must be reachable, got 'sqlite:////nowhere"),
        ({"lr": [0.1]}, {"storage": "redis://127.0.0.1:1"}, "storage must be reachable, got 'redis://127"),
        ({"lr": [0.1]}, {"storage": "/dev/null/study.db"}, "storage must be reachable, got '/dev/null/study"),
        ({"lr": [0.1]}, {"storage": "sqlite:study.db"}, r"got 'sqlite:\*\*\*': not a valid URL \(SCHEME://USER:PASS"),
        ({"lr": [0.1]}, {"storage": "no such://thing"}, r"storage must be reachable, got 'no such://\*\*\*'"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_any_training(search, grid, options, message):
    with pytest.raises(ValueError, match=message):
        search(grid, **options)
    assert search.built == []


def test_a_value_that_is_no_plain_value_is_refused(search):
    with pytest.raises(TypeError, match=r"the axis 'sizes' must be a list of values, got \{'a': 1\}; write \[0\.001"):
        search({"sizes": {"a": 1}})
    with pytest.raises(TypeError, match="values of 'sizes' must be numbers, strings, booleans or None, got \\[1, 2\\]"):
        search({"sizes": [[1, 2]]})


def test_a_sweep_that_goes_on_must_have_the_settings_that_it_began_with(search):
    search({"lr": [0.01]}, settings={"model": {"width": 8}})
    with pytest.raises(ValueError, match=r"got changes \(model\.width: 8 before, 16 now\); undo them, or give"):
        search({"lr": [0.01]}, settings={"model": {"width": 16}})
    with pytest.raises(ValueError, match="metric: 'val_loss' before, 'train_loss' now"):
        search({"lr": [0.01]}, metric="train_loss", settings={"model": {"width": 8}})


def test_a_trainer_that_was_used_is_refused(search):
    used = trainer(max_epochs=1)
    with pytest.raises(MisconfigurationException, match="build must return a new Trainer for every point"):
        grid_search(
            lambda point: (used, Net(), loader(2), loader(2)), {"lr": [0.1, 0.2]}, folder=search.folder, seeds=1
        )


def test_a_trial_on_several_devices_is_refused(search):
    with pytest.raises(MisconfigurationException, match="a trial must train on one device, got 2; set devices=1"):
        grid_search(
            lambda point: (trainer(max_epochs=1, devices=2), Net(), loader(2)), {"lr": [0.1]}, folder=search.folder
        )


def finders(apply):
    """The callbacks that find a learning rate, and may set it."""
    return [LRRangeTest(num_steps=10, apply=apply), LearningRateFinder(num_training_steps=5, update_attr=apply)]


class BringsItsOwn(Net):
    """The callback comes with the module."""

    def __init__(self, finder):
        super().__init__(sgd([0.01, 0.01]))
        self.finder, self.lr = finder, 0.01

    def configure_callbacks(self):
        return [self.finder]


@pytest.mark.parametrize(("finder", "option"), zip(finders(apply=True), ("apply", "update_attr"), strict=True))
def test_a_callback_that_would_set_another_rate_than_that_of_the_point_is_refused_before_it_does(
    search, finder, option
):
    name = type(finder).__name__
    for axis in ("lr", "model.learning_rate"):
        with pytest.raises(
            MisconfigurationException,
            match=f"{name} must not set the LR in a sweep of '{axis}', got {option}=True; write {option}=False, or",
        ):
            grid_search(
                lambda point: (trainer(max_epochs=1), BringsItsOwn(finder), loader(2), loader(2)), {axis: [0.1, 0.2]},
                folder=search.folder.with_name(axis),
            )  # fmt: skip


@pytest.mark.parametrize(("axis", "apply"), [("lr", False), ("width", True), ("max_lr", True)])
def test_a_rate_may_be_found_where_it_is_not_set_or_is_no_axis(search, axis, apply):
    def build(point):
        return trainer(max_epochs=1), BringsItsOwn(finders(apply)[0]), loader(4), loader(2)

    assert grid_search(build, {axis: [1, 2]}, folder=search.folder).best.epochs == 1


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp"])
def test_another_sampler_tries_as_many_points_as_asked_between_the_smallest_and_the_largest_lr(search, sampler):
    table = search({"lr": [0.001, 0.1], "name": ["a", "b"]}, sampler=sampler, trials=5)
    assert len(search.built) == len(table.rows) == 5
    assert all(0.001 <= row.point["lr"] <= 0.1 for row in table.rows)
    assert len({row.point["lr"] for row in table.rows}) == 5
    assert search({"lr": [0.001, 0.1], "name": ["a", "b"]}, sampler=sampler, trials=5) == table


def test_a_point_that_a_sampler_chose_is_tried_again_if_its_trial_failed(tmp_path):
    broken = Search(tmp_path, module=Broken)
    with pytest.raises(RuntimeError, match="my own mistake"):
        broken({"lr": [0.001, 0.1]}, sampler="random", trials=2)
    mended = Search(tmp_path)
    assert len(mended({"lr": [0.001, 0.1]}, sampler="random", trials=2).rows) == 2
    assert mended.built[1] == broken.built[0]


@pytest.mark.parametrize("pruner", ["successive_halving", "hyperband"])
def test_other_pruners_run_too(search, pruner):
    assert len(search({"lr": [0.01, 0.02, 1e-7]}, pruner=pruner).rows) == 3


def test_a_pruner_stops_hopeless_trainings_and_they_rank_after_those_that_ended(tmp_path):
    search = Search(tmp_path, epochs=6)
    lrs = [0.02, 0.01, 0.03, 0.015, 0.025, 1e-7, 1e-8]
    table = search({"lr": lrs}, pruner="median")
    epochs = {row.point["lr"]: row.epochs for row in table.rows}
    assert epochs[1e-7] < 6
    assert [row.state for row in table.rows][-2:] == ["pruned", "pruned"]
    assert epochs[0.02] == 6


def test_a_point_that_was_pruned_under_one_seed_is_not_trained_under_the_others_and_the_table_says_so(tmp_path, capsys):
    search = Search(tmp_path, epochs=4, pruner="median")
    lrs = [0.02, 0.01, 0.03, 0.015, 0.025, 1e-7]
    table = search({"lr": lrs}, seeds=3)
    said = capsys.readouterr().out
    lost = table.rows[-1]
    assert (lost.point, lost.state, len(lost.values), lost.skipped) == ({"lr": 1e-7}, "pruned", 1, 2)
    assert [point["lr"] for point in search.built].count(1e-7) == 1
    assert "lr 1e-07: not trained for seeds 1, 2, because it was pruned" in said
    assert str(table).splitlines()[-1].endswith("pruned, 2 of 3 seeds not trained")
    assert len(search.built) == sum(len(row.values) for row in table.rows)
    again = Search(tmp_path, epochs=4, pruner="median")
    assert again({"lr": lrs}, seeds=3) == table
    skipped = sum(row.skipped for row in table.rows)
    assert capsys.readouterr().out == (
        f"{18 - skipped} of 18 trainings were already in {tmp_path}, and the others are given up: nothing to train. "
        "To train again, use another folder.\n"
    )
    assert again.built == []


def test_the_random_states_of_the_process_are_as_before(search):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    search({"lr": [0.1]})
    assert torch.equal(torch.rand(3), expected)


class NoValidation(LightningModule):
    def __init__(self, lr):
        super().__init__()
        self.layer, self.lr = torch.nn.Linear(4, 1), lr

    def training_step(self, batch, batch_idx):
        loss = (self.layer(batch[0]) - batch[1]).square().mean()
        self.log("late", loss, on_step=False, on_epoch=True)
        return loss

    def on_train_epoch_end(self):
        self.log("last", torch.tensor(self.lr))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


@pytest.mark.parametrize("metric", ["late", "last"])
def test_a_module_without_validation_is_ranked_by_what_it_logs_in_training(tmp_path, metric):
    def build(point):
        return trainer(max_epochs=3), NoValidation(point["lr"]), loader(4)

    table = grid_search(build, {"lr": [0.001, 0.1]}, metric=metric, folder=tmp_path)
    assert len(table.rows) == 2
    assert table.best.point["lr"] == (0.1 if metric == "late" else 0.001)
