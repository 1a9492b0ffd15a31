"""Ctrl-C while a command trains: the exit status that a shell expects, and no traceback."""

import os
import re
import shlex
import signal
import sys
import time

import pytest
from cli_support import QUIET
from processes import start

from lr_callbacks.__main__ import main
from lr_callbacks.cli.app import LRCallbacksCLI

SLOW = """
import time
from pathlib import Path
from lr_callbacks.demo import DigitsClassifier

class Slow(DigitsClassifier):
    def training_step(self, batch, batch_idx):
        Path("training").touch()
        time.sleep(0.01)
        return super().training_step(batch, batch_idx)
"""


def command(folder, *flags):
    """In a process of its own, with the handler of Ctrl-C that Python has in the foreground of a terminal."""
    os.chdir(folder)
    for stream in (1, 2):
        os.dup2(os.open("said.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND), stream)
    sys.argv = ["lr-callbacks"]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main([*flags, *QUIET, "--model=slow.Slow", "--data=DigitsDataModule"])


def interrupt(tmp_path, when, *flags):
    """Start a command, press Ctrl-C when there is a file of a pattern, and give its exit status and what it said."""
    (tmp_path / "slow.py").write_text(SLOW)
    process = start(command, str(tmp_path), *flags)
    until = time.monotonic() + 120
    while not list(tmp_path.glob(when)) and process.is_alive() and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    process.join(120)
    return process.exitcode, (tmp_path / "said.txt").read_text()


def test_ctrl_c_says_how_to_go_on_and_that_command_does(tmp_path, monkeypatch):
    flags = ("--trainer.max_epochs=100", "--name=my run", "--trainer.limit_val_batches=1")
    _, said = interrupt(tmp_path, "runs/my run/version_0/checkpoints/*.ckpt", "fit", *flags)
    step, epoch = re.search(r"Interrupted at optimizer step (\d+), epoch (\d+)", said).groups()
    (checkpoint,) = re.findall(
        r"^Checkpoint  (runs/my run/version_0/checkpoints/epoch=\d+-step=(\d+)\.ckpt)$", said, re.M
    )
    (go_on,) = re.findall(r"^Continue    lr-callbacks (.*)$", said, re.M)
    assert 0 <= int(step) - int(checkpoint[1]) <= 40
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    cli = LRCallbacksCLI([*shlex.split(go_on), f"--trainer.max_epochs={int(epoch) + 1}"])
    assert cli.trainer.ckpt_path == checkpoint[0]
    assert cli.trainer.global_step == 40 * (int(epoch) + 1)
    assert cli.trainer.log_dir == "runs/my run/version_1"


def test_ctrl_c_before_any_checkpoint_says_so(tmp_path):
    status, said = interrupt(tmp_path, "training", "fit", "--trainer.max_epochs=100", "--trainer.logger=false",
                             "--trainer.enable_checkpointing=false")  # fmt: skip
    assert status == 130
    assert "No checkpoint was written yet." in said
    assert "Continue" not in said


@pytest.mark.parametrize(
    "flags",
    [("fit", "--trainer.max_epochs=100"), ("sweep", "--lr", "0.01", "0.1"), ("range-test", "--num_steps=5000")],
    ids=lambda flags: flags[0],
)
def test_ctrl_c_ends_a_command_with_the_status_that_shells_give_it_and_without_a_traceback(tmp_path, flags):
    status, said = interrupt(tmp_path, "training", *flags)
    assert status == 130, said
    assert "Traceback" not in said
    if flags[0] == "sweep":
        assert "lr 0.01, seed 42: stopped. Finished trainings are kept" in said
