"""What stands on the screen after a fit in a terminal of 100 columns, under either progress bar."""

import re
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("there is no pty", allow_module_level=True)

from terminal import on_terminal, shown

PLATEAU = (
    "--trainer.callbacks+=lr_callbacks.ReduceLROnPlateau",
    "--trainer.callbacks.monitor=val_loss",
    "--trainer.callbacks.mode=max",
    "--trainer.callbacks.patience=0",
)
LIMITS = (
    "--trainer.accelerator=cpu",
    "--trainer.max_epochs=3",
    "--trainer.limit_train_batches=12",
    "--trainer.limit_val_batches=2",
    "--trainer.enable_model_summary=false",
)
FIT = ("-m", "lr_callbacks", "fit", *LIMITS, *PLATEAU)
OWN_TRAINER = """
import warnings
from lightning.pytorch import Callback, Trainer
from lr_callbacks import LRMonitor
from lr_callbacks.core.messages import info
from lr_callbacks.demo import DigitsClassifier, DigitsDataModule

class Speaker(Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        info(f"said after batch {batch_idx}")

warnings.simplefilter("ignore")
Trainer(
    max_epochs=1, limit_train_batches=5, limit_val_batches=1, logger=False, enable_checkpointing=False,
    enable_model_summary=False, accelerator="cpu", callbacks=[Speaker(), LRMonitor(prog_bar=True)],
).fit(DigitsClassifier(), datamodule=DigitsDataModule())
"""
FOR_BARS = {
    "rich": (),
    "tqdm": ("--trainer.callbacks+=TQDMProgressBar",),
}


@pytest.mark.parametrize("bar", FOR_BARS)
def test_the_plan_and_every_reduction_stand_in_lines_of_their_own(tmp_path, bar):
    lines = on_terminal([*FIT, *FOR_BARS[bar]], tmp_path)
    assert "LR plan: 36 steps, 12 per epoch" in lines
    reductions = [line for line in lines if line.startswith("ReduceLROnPlateau: val_loss ")]
    assert len(reductions) >= 1, lines
    assert [line for line in lines if "ReduceLROnPlateau: " in line] == reductions


def test_the_bar_is_one_line_with_the_metrics_and_the_lr(tmp_path):
    lines = on_terminal(FIT, tmp_path)
    (bar,) = [line for line in lines if "Epoch " in line]
    assert len(bar) <= 100
    assert re.search(r"12/12 .*lr: \d\.\d\de-\d\d train_loss: \S+ val_loss: \S+ val_acc: \S+$", bar)
    after = lines[lines.index(bar) + 1 :]
    assert after[0] == ""
    assert after[1].startswith("Trained 3 epochs")


@pytest.mark.parametrize("bar", ["rich", "tqdm"])
def test_a_message_in_a_trainer_of_ones_own_stands_above_the_bar(tmp_path, bar):
    script = tmp_path / "own.py"
    own_bar = "from lightning.pytorch.callbacks import TQDMProgressBar\n" if bar == "tqdm" else ""
    script.write_text(
        own_bar + OWN_TRAINER.replace("[Speaker()", "[TQDMProgressBar(), Speaker()" if own_bar else "[Speaker()")
    )
    lines = on_terminal([str(script)], tmp_path)
    assert [line for line in lines if "said" in line] == [f"said after batch {batch}" for batch in range(5)]
    assert re.search(r"lr[:=]\s*2\.00e-0?2", " ".join(lines))


def test_the_screen_is_read_as_a_terminal_shows_it():
    assert shown("one\r\ntwo\r\x1b[2Kbar\r\x1b[1A\x1b[2Kabove\r\nbar again") == ["above", "bar again"]
    assert shown("abcdef", width=4) == ["abcd", "ef"]
