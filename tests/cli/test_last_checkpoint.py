"""`--ckpt_path last` takes the newest whole checkpoint of all runs of the name."""

import os
from pathlib import Path

import pytest
from cli_support import SHORT, run
from test_cli import the_checkpoint
from test_cli_errors import fails

LAST = "--ckpt_path=last"


def test_the_newest_checkpoint_of_the_runs_of_a_name_is_found(workplace, capsys):
    for name, epochs in (("mine", 1), ("mine", 2), ("other", 1)):
        run("fit", *SHORT, f"--name={name}", f"--trainer.max_epochs={epochs}")
    expected = the_checkpoint("runs/mine/version_1")
    capsys.readouterr()
    resumed = run("fit", *SHORT, "--name=mine", LAST, "--trainer.max_epochs=3")
    assert f"Newest checkpoint: {expected}\n" in capsys.readouterr().out
    assert resumed.trainer.ckpt_path == str(expected)
    assert resumed.trainer.global_step == 12
    assert run("test", "--name=mine", LAST).trainer.ckpt_path == str(the_checkpoint("runs/mine/version_2"))


def test_a_run_is_found_by_the_name_of_its_configuration_too(workplace):
    Path("short.yaml").write_text("trainer: {max_epochs: 1, limit_train_batches: 2, limit_val_batches: 1}\n")
    run("fit", "--config=short.yaml")
    resumed = run("fit", "--config=short.yaml", "--ckpt_path", "last", "--trainer.max_epochs=2")
    assert resumed.trainer.ckpt_path == str(the_checkpoint("runs/short/version_0"))


def test_a_half_written_checkpoint_is_named_and_passed_over(workplace, capsys):
    run("fit", *SHORT, "--name=mine")
    whole = the_checkpoint("runs/mine/version_0")
    half = Path("runs/mine/version_1/checkpoints/half.ckpt")
    half.parent.mkdir(parents=True)
    half.write_bytes(whole.read_bytes()[:-500])
    os.utime(half, (whole.stat().st_mtime + 10,) * 2)
    assert run("validate", "--name=mine", LAST).trainer.ckpt_path == str(whole)
    assert f"Skipped an incomplete checkpoint: {half}\n" in capsys.readouterr().out


def test_a_first_training_with_last_begins_at_the_start(workplace, capsys):
    assert run("fit", *SHORT, "--name=mine", LAST).trainer.global_step == 4
    assert "No checkpoint below runs/mine yet: training from the start." in capsys.readouterr().out


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_an_evaluation_of_the_last_checkpoint_needs_one(workplace, capsys, command):
    assert "--ckpt_path last: no checkpoint below runs/mine" in fails(capsys, command, "--name=mine", LAST)


def test_a_run_that_is_already_over_says_that_nothing_was_trained(workplace, capsys):
    run("fit", *SHORT, "--name=mine")
    assert "Trained 1 epoch, 4 optimizer steps, in " in capsys.readouterr().out
    run("fit", *SHORT, "--name=mine", LAST)
    said = capsys.readouterr().out
    assert (
        "Nothing to train: the checkpoint is already at 1 epoch, 4 optimizer steps. Set a larger --trainer.max" in said
    )
    assert "Trained" not in said
