"""Ctrl-C while a command trains: the exit status that a shell expects, and no traceback."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from cli_support import QUIET
from processes import start

from lr_callbacks.__main__ import main

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
    main([*flags, *QUIET, "--model=slow.Slow"])


@pytest.mark.parametrize(
    "flags",
    [("fit", "--trainer.max_epochs=100"), ("sweep", "--lr", "0.01", "0.1"), ("range-test", "--num_steps=5000")],
    ids=lambda flags: flags[0],
)
def test_ctrl_c_ends_a_command_with_the_status_that_shells_give_it_and_without_a_traceback(tmp_path, flags):
    (tmp_path / "slow.py").write_text(SLOW)
    process = start(command, str(tmp_path), *flags)
    until = time.monotonic() + 120
    while not Path(tmp_path, "training").exists() and process.is_alive() and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    process.join(120)
    said = (tmp_path / "said.txt").read_text()
    assert process.exitcode == 130, said
    assert "Traceback" not in said
    if flags[0] == "sweep":
        assert "lr 0.01, seed 42: stopped. Finished trainings are kept" in said
