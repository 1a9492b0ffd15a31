"""Every fit is known by its hyper-parameters: in TensorBoard's table and for other loggers."""

import csv
from pathlib import Path

import yaml
from cli_support import SHORT, run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.optim import SGD

from lr_callbacks.cli.hparams import hyperparameters

CONFIGS = Path(__file__).parents[2] / "configs"


def entry(folder):
    """The run's row of the table, and the metrics of its columns."""
    events = EventAccumulator(str(folder))
    events.Reload()
    plugin = events.SummaryMetadata
    parts = {}
    for tag in ("_hparams_/experiment", "_hparams_/session_start_info"):
        data = HParamsPluginData()
        data.ParseFromString(plugin(tag).plugin_data.content)
        parts[tag.rpartition("/")[2]] = data
    values = parts["session_start_info"].session_start_info.hparams
    row = {name: getattr(value, value.WhichOneof("kind")) for name, value in values.items()}
    return row, {info.name.tag for info in parts["experiment"].experiment.metric_infos}


def test_a_fit_enters_lr_optimizer_and_schedule_with_its_arguments_into_the_table(workplace):
    run("fit", f"--config={CONFIGS / 'warmup_plateau.yaml'}", *SHORT)
    row, columns = entry("runs/warmup_plateau/version_0")
    config = yaml.safe_load((CONFIGS / "warmup_plateau.yaml").read_text())
    first, second = config["trainer"]["callbacks"]
    assert row["optimizer"] == "SGD"
    assert row["lr"] == config["model"]["init_args"]["optimizer"]["init_args"]["lr"]
    assert row["schedule"] == "Warmup + ReduceLROnPlateau"
    assert row["schedule/Warmup/duration"] == first["init_args"]["duration"]
    assert row["schedule/ReduceLROnPlateau/monitor"] == second["init_args"]["monitor"]
    assert row["channels"] == 16
    # TensorBoard shows the first five columns by name: none of LightningCLI's notes is among them
    assert sorted(row)[:4] == ["channels", "lr", "optimizer", "schedule"]
    assert columns == {"train_loss", "train_acc", "val_loss", "val_acc"}


def test_a_fit_without_a_schedule_says_so(workplace):
    run("fit", *SHORT)
    row, _ = entry("runs/DigitsClassifier/version_0")
    assert (row["schedule"], row["lr"]) == ("none", 0.02)


def test_other_loggers_get_the_hyperparameters_too(workplace):
    run("fit", *SHORT, "--trainer.logger=CSVLogger", "--trainer.logger.save_dir=csv", "--trainer.callbacks+=SGDR",
        "--trainer.callbacks.T_0=7")  # fmt: skip
    (file,) = Path("csv").rglob("hparams.yaml")
    known = yaml.safe_load(file.read_text())
    assert (known["optimizer"], known["lr"], known["schedule"], known["schedule/SGDR/T_0"]) == ("SGD", 0.02, "SGDR", 7)
    (table,) = Path("csv").rglob("metrics.csv")
    assert "lr/SGD" in next(csv.reader(table.read_text().splitlines()))


def test_groups_of_several_lrs_and_several_callbacks_of_a_class_are_told_apart():
    from lightning.pytorch import Trainer
    from torch import nn

    from lr_callbacks import ConstantFactor

    parts = nn.Linear(1, 1), nn.Linear(1, 1)
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        callbacks=[
            ConstantFactor(factor=0.5, total_steps="1 epochs"),
            ConstantFactor(factor=0.1, total_steps="2 epochs"),
        ],
    )
    groups = [{"params": part.parameters(), "lr": lr} for part, lr in zip(parts, (0.1, 0.2), strict=True)]
    trainer.strategy.optimizers = [SGD(groups), SGD(parts[0].parameters(), lr=0.3)]
    found = hyperparameters(trainer)
    assert {name: value for name, value in found.items() if name.startswith(("lr", "optimizer"))} == {
        "optimizer 0": "SGD", "lr 0/0": 0.1, "lr 0/1": 0.2, "optimizer 1": "SGD", "lr 1": 0.3,
    }  # fmt: skip
    assert {"schedule/ConstantFactor/factor", "schedule/ConstantFactor 2/factor"} <= set(found)
