"""SnapshotCheckpoint saves the model at the end of each SGDR cycle."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit

from lr_callbacks import SGDR, FinalDecay, SnapshotCheckpoint


def steps_of(paths):
    return [torch.load(path, weights_only=True)["global_step"] for path in paths]


def test_a_file_is_written_at_the_end_of_each_cycle_and_of_a_shortened_last_one(tmp_path):
    snapshots = SnapshotCheckpoint(tmp_path)
    fit(SGDR(4, T_mult=2), snapshots, batches=16, enable_checkpointing=True)
    assert steps_of(snapshots.paths) == [4, 12, 16]
    assert sorted(map(str, tmp_path.iterdir())) == sorted(snapshots.paths)


def test_a_cycle_that_ends_with_the_run_is_written_once(tmp_path):
    snapshots = SnapshotCheckpoint(tmp_path)
    fit(snapshots, SGDR("1 epochs"), batches=3, max_epochs=3, val=True, enable_checkpointing=True)
    assert steps_of(snapshots.paths) == [3, 6, 9]


@pytest.mark.parametrize("options", [{}, {"end": 6}], ids=str)
def test_cycles_that_no_longer_run_do_not_end(options, tmp_path):
    snapshots, held = SnapshotCheckpoint(tmp_path), [] if options else [FinalDecay(8, start=6)]
    fit(SGDR(4, **options), *held, snapshots, batches=16, enable_checkpointing=True)
    assert steps_of(snapshots.paths) == [4, 16]


def test_under_accumulation_cycles_end_with_optimizer_steps(tmp_path):
    snapshots = SnapshotCheckpoint(tmp_path)
    fit(SGDR(2), snapshots, batches=12, accumulate_grad_batches=3, enable_checkpointing=True)
    assert steps_of(snapshots.paths) == [2, 4]


def test_a_snapshot_holds_the_weights_of_the_last_step_of_its_cycle(tmp_path):
    snapshots, module = SnapshotCheckpoint(tmp_path), Net()
    fit(SGDR(5), snapshots, module=module, batches=5, enable_checkpointing=True)
    saved = torch.load(snapshots.paths[-1], weights_only=True)["state_dict"]
    assert all(torch.equal(saved[name], value) for name, value in module.state_dict().items())


@pytest.mark.filterwarnings("ignore:.*exists and is not empty")
def test_a_resumed_run_goes_on_with_the_list_of_its_files(tmp_path):
    first = SnapshotCheckpoint(tmp_path)
    fit(SGDR(4), first, batches=4, max_epochs=2, enable_checkpointing=True)
    again = SnapshotCheckpoint(tmp_path)
    fit(SGDR(4), again, batches=4, max_epochs=3, ckpt_path=first.paths[1], enable_checkpointing=True)
    assert steps_of(again.paths) == [4, 8, 12]


@pytest.mark.filterwarnings("ignore:.*exists and is not empty")
def test_a_cycle_that_ended_as_the_checkpoint_was_written_is_not_left_out(tmp_path):
    before_us = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, every_n_train_steps=4)
    fit(SGDR(4), before_us, SnapshotCheckpoint(tmp_path / "kept"), batches=8, enable_checkpointing=True)
    again = SnapshotCheckpoint(tmp_path / "kept")
    fit(SGDR(4), again, batches=8, max_epochs=2, ckpt_path=tmp_path / "step=4.ckpt", enable_checkpointing=True)
    assert steps_of(again.paths) == [4, 8, 12, 16]


def test_without_sgdr_it_says_what_to_add(tmp_path):
    with pytest.raises(MisconfigurationException, match="the Trainer has no SGDR; add SGDR"):
        fit(SnapshotCheckpoint(Path(tmp_path)), enable_checkpointing=True)
