"""A user's own model and data keep their own defaults, whatever the sample task calls its arguments."""

import sys
from pathlib import Path

import pytest
import torch
import yaml
from cli_support import QUIET, SHORT, run, scalars
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LightningCLI
from test_cli_errors import fails

from lr_callbacks.__main__ import main
from lr_callbacks.demo import DigitsClassifier, DigitsDataModule

COLLIDING = """
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.cli import OptimizerCallable
from torch.utils.data import DataLoader, TensorDataset

class Net(LightningModule):
    def __init__(
        self,
        optimizer: OptimizerCallable = lambda params: torch.optim.Adam(params, lr=0.003, weight_decay=0.01),
        channels: int = 128,
    ):
        super().__init__()
        self.save_hyperparameters(ignore=["optimizer"])
        self.optimizer, self.channels = optimizer, channels
        self.layer = torch.nn.Linear(4, channels)

    def training_step(self, batch, batch_idx):
        return self.layer(batch[0]).square().mean()

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.layer(batch[0]).square().mean())

    test_step = validation_step

    def predict_step(self, batch, batch_idx):
        return self.layer(batch[0]).sum(1)

    def configure_optimizers(self):
        return self.optimizer(self.parameters())

class Data(LightningDataModule):
    def __init__(
        self, batch_size: int = 64, val_fraction: float = 0.5, test_fraction: float = 0.4, split_seed: int = 9
    ):
        super().__init__()
        self.batch_size, self.val_fraction = batch_size, val_fraction

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(128, 4)), batch_size=self.batch_size)

    val_dataloader = test_dataloader = predict_dataloader = train_dataloader
"""
COMMANDS = ("fit", "validate", "test", "predict", "plot", "range-test", "sweep")
FLAGS = ("--model=colliding.Net", "--data=colliding.Data")
FILE = "model:\n  class_path: colliding.Net\ndata:\n  class_path: colliding.Data\n"
FORMS = {
    "flags": FLAGS,
    "two words": ("--model", "colliding.Net", "--data", "colliding.Data"),
    "class_path": ("--model.class_path=colliding.Net", "--data.class_path=colliding.Data"),
    "file": ("--config=own.yaml",),
    "two files": ("--config", "model.yaml", "-c", "data.yaml"),
    "short": ("--config=short.yaml",),
    "inline": ("--config", "{model: {class_path: colliding.Net}, data: {class_path: colliding.Data}}"),
    "both": ("--config=model.yaml", "--data=colliding.Data"),
}


@pytest.fixture
def own(workplace):
    Path("colliding.py").write_text(COLLIDING)
    Path("own.yaml").write_text(FILE)
    Path("short.yaml").write_text("model: colliding.Net\ndata: colliding.Data\n")
    Path("model.yaml").write_text(FILE[: FILE.index("data")])
    Path("data.yaml").write_text(FILE[FILE.index("data") :])
    sys.modules.pop("colliding", None)
    sys.path.insert(0, str(workplace))
    return workplace


def printed(capsys, run_it, *args):
    """What a command line prints as its configuration, less what only ours has."""
    with pytest.raises(SystemExit) as ended:
        run_it([*args, "--print_config"])
    assert ended.value.code in (0, None)
    config = yaml.safe_load(capsys.readouterr().out)
    return {name: config[name] for name in ("model", "data")}


def plain(args):
    LightningCLI(LightningModule, subclass_mode_model=True, auto_configure_optimizers=False, args=args)


@pytest.mark.parametrize("form", FORMS)
def test_the_configuration_of_own_classes_is_that_of_a_plain_lightning_cli(own, capsys, form):
    expected = printed(capsys, plain, "fit", *FLAGS)
    assert expected["model"]["init_args"]["optimizer"]["class_path"] == "torch.optim.Adam"
    assert expected["data"]["init_args"]["batch_size"] == 64
    assert printed(capsys, main, "fit", *FORMS[form]) == expected


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("form", ["flags", "file"])
def test_no_command_gives_own_classes_the_defaults_of_the_sample(own, capsys, command, form):
    assert printed(capsys, main, command, *FORMS[form]) == printed(capsys, plain, "fit", *FLAGS)


def test_a_configuration_for_all_commands_names_own_classes_too(own, capsys):
    Path("all.yaml").write_text(yaml.safe_dump({"fit": yaml.safe_load(FILE)}))
    expected = printed(capsys, plain, "fit", *FLAGS)
    assert printed(capsys, main, "--config=all.yaml", "fit") == expected


@pytest.mark.parametrize("flags", [("--model.channels=7",), ("--data.batch_size=8",), ("--model.optimizer.lr=0.5",)])
def test_own_classes_with_one_argument_given_keep_the_others(own, capsys, flags):
    assert printed(capsys, main, "fit", *FLAGS, *flags) == printed(capsys, plain, "fit", *FLAGS, *flags)


@pytest.mark.parametrize("form", ["flags", "file"])
def test_own_classes_train_as_their_defaults_say(own, form):
    cli = run("fit", *FORMS[form], "--name=own", "--trainer.max_epochs=2")
    (group,) = cli.trainer.optimizers[0].param_groups
    assert (type(cli.trainer.optimizers[0]), group["lr"], group["weight_decay"]) == (torch.optim.Adam, 0.003, 0.01)
    assert (cli.model.channels, cli.datamodule.batch_size, cli.datamodule.val_fraction) == (128, 64, 0.5)
    assert list(scalars("runs/own/version_0", "lr/Adam").values()) == pytest.approx([0.003] * 4)


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_own_classes_are_evaluated_as_their_defaults_say(own, command):
    cli = run(command, *FLAGS)
    assert (cli.model.channels, cli.datamodule.batch_size) == (128, 64)


def test_plot_range_test_and_sweep_take_own_classes_as_their_defaults_say(own):
    assert run("plot", *FLAGS, "--trainer.max_epochs=3").curves[0][1] == pytest.approx([0.003] * 6)
    assert run("range-test", *FLAGS, "--num_steps=20").datamodule.batch_size == 64
    run("sweep", *FLAGS, "--lr", "0.01", "--trainer.max_epochs=1", "--name=swept")
    best = yaml.safe_load(Path("runs/swept/best.yaml").read_text())
    assert (
        best["model"]["init_args"]["optimizer"]["init_args"] | {"lr": 0.01, "weight_decay": 0.01}
        == (best["model"]["init_args"]["optimizer"]["init_args"])
    )
    assert (best["model"]["init_args"]["channels"], best["data"]["init_args"]["batch_size"]) == (128, 64)


def test_the_example_trains_as_its_class_defaults_say(workplace, monkeypatch):
    example = Path(__file__).parents[2] / "examples/own_module"
    monkeypatch.syspath_prepend(str(example))
    cli = run("fit", "--model=spirals.SpiralNet", "--data=spirals.Spirals", "--trainer.max_epochs=1")
    assert type(cli.trainer.optimizers[0]) is torch.optim.Adam
    assert cli.trainer.optimizers[0].param_groups[0]["lr"] == 0.01
    assert cli.datamodule.batch_size == 50
    assert cli.trainer.global_step == 20


# ---------------------------------------------------------------------- one of the two is named
def test_an_own_model_alone_gets_no_data_of_the_sample(own, capsys):
    assert printed(capsys, main, "fit", FLAGS[0])["data"] is None
    assert (
        fails(capsys, "fit", FLAGS[0], *SHORT)
        .strip()
        .endswith(
            "error: No --data given, and Net has no train_dataloader. Add --data=my_module.Data, or "
            "--data=DigitsDataModule for the sample data"
        )
    )


def test_an_own_model_is_trained_on_the_sample_data_where_that_is_said(own):
    cli = run("fit", "--model=colliding.Net", "--data=DigitsDataModule", 
              "--trainer.limit_train_batches=0", "--trainer.limit_val_batches=0")  # fmt: skip
    assert type(cli.datamodule) is DigitsDataModule
    assert cli.datamodule.batch_size == 32


def test_own_data_alone_ask_for_a_model(own, capsys):
    said = fails(capsys, "fit", FLAGS[1])
    assert "--data needs a model: add --model=my_module.Net, or --model=DigitsClassifier" in said
    Path("only.yaml").write_text("data:\n  class_path: colliding.Data\n")
    assert fails(capsys, "fit", "--config=only.yaml") == said


@pytest.mark.parametrize("flags", [("--model=DigitsClassifier",), ("--data=lr_callbacks.demo.DigitsDataModule",)])
def test_either_class_of_the_sample_brings_the_other(workplace, flags):
    cli = run("fit", *flags, *SHORT, "--trainer.fast_dev_run=true")
    assert (type(cli.model), type(cli.datamodule)) == (DigitsClassifier, DigitsDataModule)


def test_a_checkpoint_of_an_own_class_is_not_given_the_data_of_the_sample(own, capsys):
    run("fit", *FLAGS, "--trainer.max_epochs=1", "--name=own")
    (checkpoint,) = Path("runs/own/version_0/checkpoints").glob("*.ckpt")
    said = fails(capsys, "validate", *QUIET, f"--ckpt_path={checkpoint}")
    assert said.strip().endswith(
        "error: The checkpoint is of colliding.Net, but the command line names no model. "
        "Add --model=colliding.Net --data=my_module.Data"
    )
    assert run("validate", *FLAGS, f"--ckpt_path={checkpoint}").model.channels == 128


# ---------------------------------------------------------------------- another optimizer
def test_what_another_optimizer_keeps_of_the_default_one_is_said(workplace, capsys):
    run("fit", *SHORT, "--model.optimizer=AdamW", "--trainer.fast_dev_run=true")
    assert (
        "AdamW keeps lr 0.02, weight_decay 0.0 of the default SGD; its own are 0.001, 0.01. To set them: "
        "--model.optimizer.lr=0.001 --model.optimizer.weight_decay=0.01\n"
    ) in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags",
    [
        ("--model.optimizer.lr=0.02", "--model.optimizer.weight_decay=0.0"),
        ("--model.optimizer.lr", "0.02", "--model.optimizer.init_args.weight_decay", "0"),
        ("--config=given.yaml",),
        (),
    ],
)
def test_what_is_given_is_not_said_to_be_kept(workplace, capsys, flags):
    chosen = {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.02, "weight_decay": 0.0}}
    model = {"class_path": "DigitsClassifier", "init_args": {"optimizer": chosen}}
    Path("given.yaml").write_text(yaml.safe_dump({"model": model}))
    another = ("--model.optimizer=AdamW",) if flags else ()
    run("fit", *SHORT, *another, *flags, "--trainer.fast_dev_run=true")
    assert " keeps " not in capsys.readouterr().out
