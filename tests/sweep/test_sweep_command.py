"""`lr-callbacks sweep`, as a user types it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from cli_support import SHORT, run
from sweep_support import CONFIGS, TINY, config, fails, hparams, sweep

import lr_callbacks
from lr_callbacks.__main__ import main
from lr_callbacks.cli.sweep_run import companions
from lr_callbacks.sweep import SweepTable
from lr_callbacks.sweep.config import at_point, find_lr

OWN_WITH_LR = """
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch.utils.data import DataLoader, TensorDataset

class Net(LightningModule):
    def __init__(self, learning_rate: float = 0.1, width: int = 3):
        super().__init__()
        self.layer, self.learning_rate = torch.nn.Linear(4, width), learning_rate

    def training_step(self, batch, batch_idx):
        loss = self.layer(batch[0]).square().mean()
        self.log("error", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.learning_rate)

class Data(LightningDataModule):
    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(8, 4)), batch_size=2)
"""


def test_the_configuration_for_sweeps_ranks_seven_rates_twice_and_leaves_all_that_it_promises(workplace, capsys):
    sweep(f"--config={CONFIGS / 'sweep.yaml'}", "--trainer.limit_train_batches=4")
    said = capsys.readouterr().out
    table = said.partition("val_acc  spread")[2].splitlines()[1:8]
    assert [line.split()[0] for line in table] == list("1234567")
    assert {line.split()[1] for line in table} == {"0.001", "0.003162", "0.01", "0.03162", "0.1", "0.3162", "1"}
    values = [float(line.split()[2]) for line in table]
    assert values == sorted(values, reverse=True)
    assert said.endswith("Compare     tensorboard --logdir runs/sweep\n")
    folder = Path("runs/sweep")
    assert (folder / "sweep.png").exists()
    assert len((folder / "table.csv").read_text().splitlines()) == 8
    trials = sorted(folder.glob("lr=*"))
    assert len(trials) == 14
    trial = folder / "lr=0.01,seed=43"
    saved = config(trial / "config.yaml")
    assert saved["model"]["init_args"]["optimizer"]["init_args"]["lr"] == 0.01
    assert saved["seed_everything"] == 43
    axes, events = hparams(trial)
    assert axes == {"lr": 0.01, "seed": 43}
    assert {"sweep/val_acc", "val_acc", "val_loss", "lr/SGD"} <= set(events.Tags()["scalars"])
    assert not list(folder.rglob("*.ckpt"))


def test_the_best_configuration_repeats_its_trial_to_the_last_digit(workplace, capsys):
    sweep("--lr", "0.01", "0.1", "--grid", "data.batch_size", "16", "32", "--name=mine")
    best = config("runs/mine/best.yaml")
    assert Path("runs/mine/best.yaml").read_text().startswith("# Best of 4 points: lr 0.")
    cli = run("fit", "--config=runs/mine/best.yaml")
    value = cli.trainer.callback_metrics["val_loss"].item()
    said = capsys.readouterr().out
    assert f"with val_loss {value:.4g}." in said
    assert cli.datamodule.batch_size == best["data"]["init_args"]["batch_size"]
    assert cli.trainer.optimizers[0].param_groups[0]["lr"] == best["model"]["init_args"]["optimizer"]["init_args"]["lr"]
    assert list(Path("runs/best/version_0").rglob("*.ckpt"))


def test_the_same_command_again_trains_nothing_and_says_the_same(workplace, capsys):
    sweep("--lr", "0.01", "0.1")
    first = capsys.readouterr().out
    sweep("--lr", "0.01", "0.1")
    second = capsys.readouterr().out
    assert first.count("seed 42: val_loss") == 2
    greeting, _, rest = second.partition("\n")
    assert greeting == (
        "All 2 trainings were already in runs/DigitsClassifier: nothing to train. To train again, use another folder."
    )
    assert first.endswith(rest)


def test_a_changed_configuration_needs_a_name_of_its_own(workplace, capsys):
    sweep("--lr", "0.01")
    said = fails(capsys, "sweep", *TINY, "--lr", "0.01", "--trainer.max_epochs=2")
    assert "got changes (config.trainer.max_epochs: 1 before, 2 now); undo them, or give the new sweep" in said
    sweep("--lr", "0.01", "--trainer.devices=1")  # each worker has devices of its own


def test_every_rate_is_tried_under_every_schedule(workplace, capsys):
    Path("s.yaml").write_text(
        yaml.safe_dump(
            {
                "lr": [0.01, 0.1],
                "schedules": {
                    "constant": [],
                    "one_cycle": [{"class_path": "OneCycle"}],
                    "warm": [{"class_path": "Warmup", "init_args": {"duration": 2}}],
                },
            }
        )
    )
    sweep("--config=s.yaml")
    assert capsys.readouterr().out.count("seed 42: val_loss") == 6
    trials = {path.parts[2]: config(path)["trainer"]["callbacks"] for path in Path("runs").rglob("config.yaml")}
    kinds = {name: [entry["class_path"] for entry in entries or []] for name, entries in trials.items()}
    assert kinds["lr=0.1,schedule=constant,seed=42"] == []
    assert kinds["lr=0.1,schedule=one_cycle,seed=42"] == ["lr_callbacks.OneCycle"]
    assert kinds["lr=0.01,schedule=warm,seed=42"] == ["lr_callbacks.Warmup"]


def test_a_module_and_data_of_ones_own_with_any_entry_as_an_axis(workplace, capsys):
    Path("own_sweep.py").write_text(OWN_WITH_LR)
    own = ("--model=own_sweep.Net", "--data=own_sweep.Data", "--metric=error")
    main(["sweep", *SHORT, *own, "--lr", "1e-3", "1e-1", "--grid", "model.width", "2", "4"])
    saved = [config(path)["model"]["init_args"] for path in Path("runs/Net").glob("lr=*/config.yaml")]
    assert sorted((entry["learning_rate"], entry["width"]) for entry in saved) == [
        (0.001, 2), (0.001, 4), (0.1, 2), (0.1, 4),
    ]  # fmt: skip


def test_the_peak_of_a_callback_is_swept_where_the_user_says_so(workplace):
    cycle = ("--trainer.callbacks+=OneCycle", "--trainer.callbacks.max_lr=0.3")
    sweep(*cycle, "--lr", "0.01", "0.1", "--lr_key=trainer.callbacks.0.max_lr")
    peaks = [config(path)["trainer"]["callbacks"][0] for path in Path("runs").glob("*/lr=*/config.yaml")]
    assert sorted(entry["init_args"]["max_lr"] for entry in peaks) == [0.01, 0.1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "the grid must have at least one axis, got none; write for example --lr 0.001"),
        (("--lr", "0.1", "-1"), "LRs must be numbers above 0, got -1.0 for 'lr'"),
        (("--lr_low=0.1", "--lr_high=0.01"), "a range of LRs needs 0 < low < high, got low 0.1 and high 0.01"),
        (("--lr_low=0.1",), "LRs must be given either as --lr or as --lr_low and --lr_high"),
        (("--lr", "0.1", "--seeds=0"), "seeds must be at least 1, or a list of seeds of at least 0, got 0"),
        (("--lr", "0.1", "--seeds=-3"), "seeds of at least 0, got -3"),
        (
            ("--grid", "model.channels", "8", "abc"),
            "a value of the grid does not fit its entry: channels abc: it must be int",
        ),
        (("--grid", "trainer.max_epochs", "1", "x"), "does not fit its entry: max_epochs x: it must be int"),
        (("--grid", "seed_everything", "1", "2"), "--grid seed_everything: seeds are not an axis; write --seeds 2"),
        (("--lr", "0.1", "--grid", "model.optimizer.lr", "1"), "--grid model.optimizer.lr appears twice, or is the LR"),
        (
            ("--grid", "model.optimizer.lr", "1", "--trainer.callbacks+=OneCycle", "--trainer.callbacks.max_lr=1"),
            "OneCycle must not set its own max_lr in a sweep of model.optimizer.lr, got 1.0; remove max_lr",
        ),
        (
            ("--grid", "model.chanels", "8"),
            "model.chanels: no such entry. Did you mean model.channels? Under model: optimizer, chan",
        ),
        (("--lr", "0.1", "--name=../../x"), "--name must be a plain name inside the folder of runs, got '../../x'"),
        (("--lr", "0.1", "--workers=-1"), "workers must be at least 0, got -1"),
        (
            ("--lr", "0.1", "0.2", "--workers=40000"),
            "workers must be at most 2, one for each training of",
        ),
        (("--grid", "model.channels"), "each axis of the grid must have a value, got none for 'model.channels'"),
        (("--lr", "0.1", "--storage=mysql://x@127.0.0.1:1/x"), "storage must be reachable, got 'mysql://x@127"),
        (
            ("--lr", "0.1", "--metric=acc"),
            "metric 'acc' was not logged. Did you mean 'val_acc'? Logged: train_acc, train_loss, val_acc, val_loss.",
        ),
        (
            ("--lr", "0.1", "--trainer.callbacks+=OneCycle", "--trainer.callbacks.max_lr=1"),
            "OneCycle must not set its own max_lr in a sweep of model.optimizer.lr, got 1.0; remove max_lr",
        ),
    ],
)
def test_what_cannot_be_swept_is_one_line_that_says_why(workplace, capsys, flags, message):
    said = fails(capsys, "sweep", *TINY, *flags).splitlines()[-1]
    assert said.startswith("error: ")
    assert message in said


def test_the_suggestion_of_the_range_test_is_found_once_and_marked_in_the_picture(workplace, monkeypatch):
    figures = []
    plot = SweepTable.plot

    def keep(table, path):
        figures.append(plot(table, path))

    monkeypatch.setattr(SweepTable, "plot", keep)
    sweep("--lr", "0.01", "0.1", "--with-range-test")
    (vertical,) = [line for line in figures[0].axes[0].lines if line.get_linestyle() == "--"]
    suggestion = vertical.get_xdata()[0]
    assert 1e-4 < suggestion < 1
    assert vertical.get_label() == f"range test suggests {suggestion:.3g}"
    monkeypatch.delattr(lr_callbacks, "lr_range_test")  # the second time it is known
    sweep("--lr", "0.01", "0.1", "--with-range-test")
    assert [line.get_xdata()[0] for line in figures[1].axes[0].lines if line.get_linestyle() == "--"] == [suggestion]


def test_a_missing_optuna_is_named(workplace, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = fails(capsys, "sweep", *TINY, "--lr", "0.1")
    assert said.splitlines()[-1] == (
        'error: lr-callbacks sweep needs optuna; install it with: pip install "lr-callbacks[sweep]"'
    )


def test_help_and_the_import_of_the_package_do_not_wait_for_optuna():
    code = (
        "import sys\nfrom lr_callbacks.__main__ import main\n"
        "try:\n    main(['sweep', '--help'])\nexcept SystemExit:\n    pass\n"
        "import lr_callbacks\nassert 'optuna' not in sys.modules\n"
        "lr_callbacks.grid_search\nassert 'optuna' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CONFIGS.parent, check=True)
    own = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  --")]
    assert own[:3] == ["--lr", "--grid", "--lr_low"]


def test_an_entry_is_found_without_init_args_and_in_lists():
    tree = {"trainer": {"callbacks": [{"class_path": "A", "init_args": {"x": 1}}]}, "model": {"init_args": {"lr": 1}}}
    made = at_point(tree, {"trainer.callbacks.0.x": 2, "model.lr": 3}, None, {})
    assert made["trainer"]["callbacks"][0]["init_args"] == {"x": 2}
    assert made["model"]["init_args"] == {"lr": 3}
    for path in ("trainer.callbacks.1.x", "model.lr.deeper", "nothing"):
        with pytest.raises(ValueError, match="no such entry"):
            at_point(tree, {path: 1}, None, {})


def test_a_model_without_a_learning_rate_to_set_is_told_how_to_name_it():
    with pytest.raises(
        ValueError, match=r"no learning rate found at model\.optimizer\.lr, .* name its entry, e\.g\. --lr_"
    ):
        find_lr({"trainer": {}, "model": {"class_path": "Net", "init_args": {"width": 3}}})


def test_workers_of_one_command_share_the_trials_and_one_of_them_reports(workplace, capsys):
    sweep("--lr", "0.01", "0.02", "0.05", "0.1", "--workers=2")
    said = capsys.readouterr().out
    assert said.count("Best: ") == 1
    own = said.count("seed 42: val_loss")
    assert len(list(Path("runs/DigitsClassifier").glob("lr=*,seed=42"))) == 4
    assert 1 <= own <= 4
    sweep("--lr", "0.01", "0.02", "0.05", "0.1", "--workers=0")
    assert "Best: " not in capsys.readouterr().out


def test_a_run_in_tensorboard_is_named_after_its_point_alone_and_a_repeated_one_gets_a_number(workplace):
    Path("runs/DigitsClassifier/lr=0.1,seed=42").mkdir(parents=True)
    sweep("--lr", "0.1")
    runs = sorted(path.name for path in Path("runs/DigitsClassifier").iterdir() if path.is_dir())
    assert runs == ["lr=0.1,seed=42", "lr=0.1,seed=42,2"]
    assert list(Path("runs/DigitsClassifier/lr=0.1,seed=42,2").glob("events.*"))


def test_sigterm_ends_the_other_workers_too_and_gives_the_status_that_shells_expect(tmp_path, monkeypatch):
    program, told = tmp_path / "python", tmp_path / "companion"
    program.write_text(f'#!/bin/sh\necho $$ > "{told}.new"\nmv "{told}.new" "{told}"\nexec sleep 100\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))

    def terminated_between_two_trainings():
        with companions([], 1):
            while not told.exists():
                time.sleep(0.02)
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as end:
        terminated_between_two_trainings()
    assert end.value.code == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
