"""What the trials of `lr-callbacks sweep` leave out of a configuration, and what the end of a sweep leaves behind."""

import math
from pathlib import Path

import optuna
import pytest
import yaml
from cli_support import tags
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from sweep_support import TINY, config, fails, sweep

from lr_callbacks.__main__ import main
from lr_callbacks.cli.app import LRCallbacksCLI
from lr_callbacks.cli.sweep_run import _write
from lr_callbacks.cli.trial_cli import TrialCLI
from lr_callbacks.sweep import Row, SweepTable
from lr_callbacks.sweep.config import check_peaks

CALLBACKS = """
trainer:
  callbacks:
    - class_path: RichProgressBar
    - class_path: RichModelSummary
    - class_path: ModelCheckpoint
      init_args: {monitor: val_loss}
    - class_path: EarlyStopping
      init_args: {monitor: val_loss, patience: 1}
"""


def test_trials_show_no_bar_and_keep_no_checkpoint_and_their_saved_configuration_has_both(workplace, capsys):
    Path("own.yaml").write_text(CALLBACKS)
    flags = [flag for flag in TINY if "progress" not in flag and "summary" not in flag]
    main(["sweep", "--config=own.yaml", *flags, "--lr", "0.1"])
    assert not list(Path("runs/own").glob("lr=*/**/*.ckpt"))
    saved = config("runs/own/lr=0.1,seed=42/config.yaml")
    assert [entry["class_path"].rpartition(".")[2] for entry in saved["trainer"]["callbacks"]] == [
        "RichProgressBar", "RichModelSummary", "ModelCheckpoint", "EarlyStopping",
    ]  # fmt: skip
    cli = LRCallbacksCLI(["fit", "--config=runs/own/best.yaml"])
    kinds = {type(callback) for callback in cli.trainer.callbacks}
    assert {RichProgressBar, ModelCheckpoint} <= kinds


def test_a_trial_that_was_not_written_down_is_not_in_the_table_of_tensorboard_either(workplace, monkeypatch):
    class Killed(BaseException):
        pass

    write = optuna.Trial.set_user_attr

    def die(trial, key, value):
        if key == "result":
            raise Killed
        write(trial, key, value)

    with monkeypatch.context() as dying:
        dying.setattr(optuna.Trial, "set_user_attr", die)
        with pytest.raises(Killed):
            sweep("--lr", "0.1")
    sweep("--lr", "0.1", "--take-over")
    trials = [Path("runs/DigitsClassifier", f"lr=0.1,seed=42{number}") for number in ("", ",2")]
    assert ["sweep/val_loss" in tags(trial) for trial in trials] == [False, True]


def test_an_interrupt_between_two_trials_is_a_line_and_no_traceback(workplace, monkeypatch, capsys):
    def interrupted(self, *_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(TrialCLI, "__init__", interrupted)
    with pytest.raises(SystemExit) as end:
        sweep("--lr", "0.1")
    assert end.value.code == 130
    assert (
        capsys.readouterr().out
        == "lr 0.1, seed 42: stopped. Finished trainings are kept; the same call or command again "
        "continues the sweep.\n"
    )


ONE = {"class_path": "OneCycle", "init_args": {"max_lr": 0.3}}
NESTED = {"class_path": "TorchScheduler", "init_args": {"scheduler": {"class_path": "O", "init_args": {"max_lr": 0.1}}}}


def test_a_schedule_with_a_peak_of_its_own_is_refused_beside_an_axis_of_rates(workplace, capsys):
    Path("s.yaml").write_text(yaml.safe_dump({"lr": [0.01, 0.1], "schedules": {"none": [], "one": [ONE]}}))
    said = fails(capsys, "sweep", *TINY, "--config=s.yaml", "--with-range-test")
    assert "OneCycle must not set its own max_lr in a sweep of model.optimizer.lr, got 0.3;" in said
    assert said.rstrip().endswith("or remove it from 'one'")
    with pytest.raises(ValueError, match=r"TorchScheduler must not set its own max_lr .* got 0\.1"):
        check_peaks({"trainer": {"callbacks": NESTED}}, "model.lr", {})
    check_peaks({"trainer": {"callbacks": [ONE]}}, "trainer.callbacks.0.max_lr", {})
    bounded = {"class_path": "lr_callbacks.GreedyLR", "init_args": {"monitor": "val_loss", "max_lr": "1000%"}}
    check_peaks({"trainer": {"callbacks": [bounded]}}, "model.lr", {})


def test_a_range_test_that_sets_the_rate_is_refused_beside_an_axis_of_rates():
    for options in ({"apply": True, "max_lr": 10.0}, {}):
        schedule = [{"class_path": "lr_callbacks.LRRangeTest", "init_args": options}]
        with pytest.raises(ValueError, match=r"LRRangeTest must not set the LR in a sweep of .* got apply: true"):
            check_peaks({"trainer": {"callbacks": schedule}}, "model.lr", {})
    check_peaks({"trainer": {}}, "model.lr", {"found": [{"class_path": "LRRangeTest", "init_args": {"apply": False}}]})


FINDER = "lightning.pytorch.callbacks.LearningRateFinder"


def test_lightnings_finder_is_refused_beside_an_axis_of_rates(workplace, capsys):
    flags = ("--lr", "0.01", "0.1", "--with-range-test", f"--trainer.callbacks+={FINDER}")
    assert fails(capsys, "sweep", *TINY, *flags).splitlines()[-1] == (
        "error: LearningRateFinder must not set the LR in a sweep of model.optimizer.lr, got update_attr: true; "
        "write update_attr: false, or remove it and use --with-range-test"
    )
    assert not Path("runs").exists()
    with pytest.raises(ValueError, match=r"LearningRateFinder must not set the LR in a sweep of model\.lr"):
        check_peaks({"trainer": {}}, "model.lr", {"found": [{"class_path": FINDER, "init_args": {}}]})
    quiet = {"class_path": FINDER, "init_args": {"update_attr": False, "max_lr": 1.0}}
    check_peaks({"trainer": {"callbacks": [quiet]}}, "model.lr", {})


def test_a_file_is_there_as_a_whole_or_as_it_was(tmp_path):
    path = tmp_path / "best.yaml"
    _write(path, lambda new: new.write_text("first"))

    def breaks(new):
        new.write_text("sec")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _write(path, breaks)
    assert path.read_text() == "first"


def test_a_point_that_was_pruned_is_never_the_best():
    rows = [Row({"lr": 0.1}, [1.0, 2.0], "pruned"), Row({"lr": 9.0}, [math.nan], "diverged")]
    table = SweepTable.ranked("loss", "min", rows)
    with pytest.raises(ValueError, match="got 1 pruned, 1 diverged; leave the pruner out, or add points"):
        _ = table.best
    assert table.plot().axes[0].get_title() == "loss against lr"


def test_a_sweep_without_a_best_point_leaves_its_table_and_picture(workplace, capsys):
    said = fails(capsys, "sweep", *TINY, "--lr", "1e30")
    assert said.splitlines()[-1].endswith("got 1 diverged; add smaller learning rates")
    assert Path("runs/DigitsClassifier/table.csv").read_text().splitlines()[1].endswith(",diverged")
    assert Path("runs/DigitsClassifier/sweep.png").exists()
    assert not Path("runs/DigitsClassifier/best.yaml").exists()


def test_two_axes_with_the_same_last_word_keep_their_whole_names(workplace, capsys):
    Path("own_names.py").write_text(
        "from lr_callbacks.demo import DigitsClassifier, DigitsDataModule\n"
        "class Net(DigitsClassifier):\n    def __init__(self, size: int = 2):\n"
        "        super().__init__(channels=size)\n"
        "class Data(DigitsDataModule):\n    def __init__(self, size: int = 32):\n        super().__init__(size)\n"
    )
    flags = [flag for flag in TINY if "channels" not in flag]
    grid = ("--grid", "model.size", "2", "--grid", "data.size", "16", "32")
    main(["sweep", *flags, "--model=own_names.Net", "--data=own_names.Data", *grid])
    said = capsys.readouterr().out
    assert "model.size 2, data.size 16, seed 42: val_loss" in said
    assert len(list(Path("runs/Net").glob("model.size=2,data.size=*,seed=42"))) == 2
    assert config("runs/Net/best.yaml")["model"]["init_args"] == {"size": 2}
