"""A sweep that goes on: what was there before, what must not have changed, and where all of it lies."""

import numpy as np
import optuna
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from sqlalchemy.exc import IntegrityError
from support import Net
from sweep_support import Search

from lr_callbacks import grid_search


@pytest.fixture
def search(tmp_path):
    return Search(tmp_path / "sweep")


def test_without_a_folder_every_call_is_a_sweep_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    first, edited = Search(None), Search(None)
    first({"lr": [0.01]})
    assert capsys.readouterr().out.startswith(
        "New sweep in runs/sweep/version_0. To resume it later: grid_search(..., folder='runs/sweep/version_0')."
    )
    edited({"lr": [0.01]})
    assert "version_1" in capsys.readouterr().out
    assert len(first.built) == len(edited.built) == 1


def test_what_was_trained_before_is_said_before_anything_else(search, capsys):
    search({"lr": [0.01]})
    capsys.readouterr()
    search({"lr": [0.01, 0.1]})
    assert capsys.readouterr().out.startswith(f"1 of 2 trainings were already in {search.folder}; 1 to go.\nlr 0.1")
    search({"lr": [0.01, 0.1]})
    assert capsys.readouterr().out == (
        f"All 2 trainings were already in {search.folder}: nothing to train. To train again, use another folder.\n"
    )


def test_a_range_that_a_sampler_has_drawn_from_cannot_change_and_a_grid_may_grow(tmp_path):
    drawn = Search(tmp_path / "drawn", sampler="random", trials=2)
    drawn({"lr": [0.001, 0.1]})
    with pytest.raises(ValueError, match=r"got changes \(axes\.lr: \[0\.001, 0\.1\] before, \[1\.0, 2\.0\] now\)"):
        drawn({"lr": [1.0, 2.0]})
    assert len(drawn({"lr": [0.001, 0.1]}, trials=3).rows) == 3
    assert len(drawn.built) == 3


def test_an_axis_may_mix_whole_numbers_others_and_none_and_grow_by_them(search):
    search({"lr": 0.01, "dropout": [0, 1]})
    table = search({"lr": 0.01, "dropout": [0, 1, 0.5, None, "auto"]})
    assert [point["dropout"] for point in search.built] == [0, 1, 0.5, None, "auto"]
    assert [type(point["dropout"]) for point in search.built[:3]] == [int, int, float]
    assert len(table.rows) == 5


def test_values_from_numpy_and_torch_are_those_of_python(search):
    import torch

    search({"lr": torch.logspace(-3, -2, 2), "width": np.array([4]), "one": 1, "name": "a"})
    assert [type(point["lr"]) for point in search.built] == [float, float]
    assert search.built[0] == {"lr": pytest.approx(1e-3), "width": 4, "one": 1, "name": "a"}


def test_two_sweeps_in_one_storage_are_told_apart_by_the_names_of_their_folders(tmp_path):
    storage = str(tmp_path / "all.db")
    one, other = (Search(tmp_path / name, storage=storage) for name in ("one", "other"))
    one({"lr": [0.01]})
    other({"lr": [0.01]}, metric="train_loss")
    assert len(one.built) == len(other.built) == 1
    with pytest.raises(ValueError, match="metric: 'val_loss' before, 'train_loss' now"):
        one({"lr": [0.01]}, metric="train_loss")


def test_a_folder_that_gets_another_name_keeps_its_trials(search):
    first = search({"lr": [0.01]})
    search.folder = search.folder.rename(search.folder.with_name("renamed"))
    assert search({"lr": [0.01]}) == first
    assert len(search.built) == 1


def test_with_a_storage_and_no_folder_a_second_call_joins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    search = Search(None, storage="redis-is-no-url.db")
    search({"lr": [0.01]})
    search({"lr": [0.01]})
    assert len(search.built) == 1


@pytest.mark.parametrize("storage", [None, "sqlite:///{}/s.db"])
def test_settings_that_never_trained_anything_can_be_mended_and_it_says_so(search, tmp_path, storage, capsys):
    options = {"storage": storage and storage.format(tmp_path)}
    with pytest.raises(MisconfigurationException, match=r"'val_los' was not logged\. Did you mean 'val_loss'"):
        search({"lr": [0.01, 0.1]}, metric="val_los", mode="max", **options)
    assert "starting over" not in capsys.readouterr().out
    table = search({"lr": [0.01, 0.1]}, **options)
    said = capsys.readouterr().out
    assert said.count("Settings changed before any training finished; starting over: ") == 1
    assert "metric: 'val_los' before, 'val_loss' now; mode: 'max' before, 'min' now." in said
    assert [row.state for row in table.rows] == ["complete", "complete"]
    assert table.rows[0].mean < table.rows[1].mean
    with pytest.raises(ValueError, match="metric: 'val_loss' before, 'train_loss' now"):
        search({"lr": [0.01, 0.1]}, metric="train_loss", **options)


def test_a_value_that_was_not_a_number_is_no_change(search):
    for _ in range(2):
        search({"lr": [0.01]}, settings={"threshold": float("nan")})


def test_a_worker_whose_database_another_one_is_just_making_tries_again(search, tmp_path, monkeypatch):
    tries = []
    make = optuna.storages.RDBStorage.__init__

    def busy(self, *args, **options):
        tries.append(args)
        if len(tries) == 1:
            raise IntegrityError("create type", None, Exception("duplicate key value"))
        make(self, *args, **options)

    monkeypatch.setattr(optuna.storages.RDBStorage, "__init__", busy)
    assert len(search({"lr": [0.01]}, storage=f"sqlite:///{tmp_path}/s.db").rows) == 1
    assert len(tries) == 2


class Broken(Net):
    def training_step(self, batch, batch_idx):
        raise RuntimeError("my own mistake")


def test_a_sweep_in_a_database_goes_on_with_the_trials_that_another_worker_queued(tmp_path):
    options = {"storage": f"sqlite:///{tmp_path}/s.db"}
    with pytest.raises(RuntimeError, match="my own mistake"):
        Search(tmp_path, module=Broken, **options)({"lr": [0.01, 0.1]})
    goes_on = Search(tmp_path, **options)
    assert len(goes_on({"lr": [0.01, 0.1]}).rows) == 2
    assert [point["lr"] for point in goes_on.built] == [0.1, 0.01]


class Interrupted(Net):
    def training_step(self, batch, batch_idx):
        raise KeyboardInterrupt


def test_an_interrupted_sweep_says_so_and_goes_on(tmp_path, capsys):
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        Search(tmp_path, module=Interrupted)({"lr": [0.01]})
    assert "lr 0.01, seed 0: stopped. Finished trainings are kept" in capsys.readouterr().out
    assert len(Search(tmp_path)({"lr": [0.01]}).rows) == 1


def test_a_used_name_of_a_default_folder_is_not_taken_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/sweep/version_0").mkdir(parents=True)
    grid_search(Search(None).build, {"lr": [0.01]})
    assert (tmp_path / "runs/sweep/version_1/study.db").exists()


@pytest.mark.parametrize("text", ["one line of mine", '{"op_code": 0}'])
def test_a_file_that_is_no_database_is_refused_and_stays_as_it_is(tmp_path, text):
    path = tmp_path / "mine"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"storage must be reachable, got '.*mine': the file is not an SQLite dat"):
        grid_search(lambda point: None, {"lr": [0.1]}, folder=tmp_path, storage=path)
    assert path.read_text() == text


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "study.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(ValueError, match="it is a symbolic link; give the path of the file itself"):
        grid_search(lambda point: None, {"lr": [0.1]}, folder=tmp_path)
    assert not (tmp_path / "elsewhere.db").exists()
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock/sweep.lock").symlink_to(tmp_path / "elsewhere.lock")
    with pytest.raises(ValueError, match=r"the lock of a sweep must be a file, got a symbolic link, .*; remove it"):
        grid_search(lambda point: None, {"lr": [0.1]}, folder=tmp_path / "lock")
