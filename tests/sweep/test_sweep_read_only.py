"""A sweep in a folder that became read-only: a finished one is shown, the rest of another one is missed by its name."""

import ctypes
import os
import stat
import sys
from pathlib import Path

import pytest
from processes import start
from sweep_support import TINY, sweep

from lr_callbacks.__main__ import main

KEEP = 0xFFFFFFFF & ~(1 << 1)  # all of Linux' capabilities but CAP_DAC_OVERRIDE, by which root writes everywhere


def command(folder, *grids):
    """The command for each grid in a process of its own, by a user for whom read-only is read-only."""
    if os.geteuid() == 0:
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        held = (ctypes.c_uint32 * 6)()
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.capget(header, held) == 0
        for word in range(3):
            held[word] &= KEEP
        assert libc.capset(header, held) == 0
    os.chdir(folder)
    for number, grid in enumerate(grids):
        for stream in (1, 2):
            os.dup2(os.open(f"said_{number}.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), stream)
        try:
            main(["sweep", *TINY, "--lr", *grid])
        except SystemExit as end:
            sys.stderr.write(f"{end.code}\n")
        sys.stdout.flush()


@pytest.mark.skipif(sys.platform != "linux", reason="takes a right from root in Linux' way")
def test_a_finished_sweep_is_shown_where_nothing_can_be_written_and_an_unfinished_one_is_refused(workplace, capsys):
    sweep("--lr", "0.01", "0.1")
    table = capsys.readouterr().out.partition("\n\n")[2].partition("\nTable ")[0]
    assert "Best: lr 0.1 with val_loss" in table
    folder = Path("runs/DigitsClassifier")
    writable = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode & ~writable)
    try:
        process = start(command, str(workplace), ("0.01", "0.1"), ("0.01", "0.1", "0.2"))
        process.join(120)
        said, refused = ((workplace / f"said_{number}.txt").read_text() for number in range(2))
        assert (process.exitcode, "Traceback" in said + refused) == (0, False), said + refused
        assert table in said
        assert "All 2 trainings were already in runs/DigitsClassifier: nothing to train." in said
        assert "runs/DigitsClassifier is read-only: nothing is written there." in said
        assert "must be writable, got runs/DigitsClassifier, where 1 of 3 trainings are missing; make it" in refused
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
