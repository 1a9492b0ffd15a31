"""The command line, as a user types it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from cli_support import OWN, QUIET, SHORT, WARMUP, run, scalars
from lightning.pytorch.callbacks import LearningRateMonitor

from lr_callbacks import SGDR, LRMonitor, Warmup
from lr_callbacks.__main__ import main
from lr_callbacks.cli.registry import COMMANDS
from lr_callbacks.demo import DigitsClassifier, DigitsDataModule


def the_checkpoint(folder):
    (path,) = Path(folder).glob("checkpoints/*.ckpt")
    return path


def test_fit_without_any_flag_learns_the_digits_and_says_where_the_run_is(workplace, capsys):
    main(["fit", *QUIET])
    said = capsys.readouterr().out
    folder = Path("runs/DigitsClassifier/version_0")
    accuracy = float(said.partition("val_acc ")[2].split()[0])
    assert accuracy >= 0.97
    assert "Trained 10 epochs, 400 optimizer steps, in " in said
    assert f"Run         {folder}\n" in said
    assert f"Checkpoint  {the_checkpoint(folder)}\n" in said
    assert said.rstrip().endswith("Curves      tensorboard --logdir runs")
    assert {path.name.partition(".")[0] for path in folder.iterdir()} == {"checkpoints", "config", "events", "hparams"}


def test_the_terminal_shows_no_warning_and_no_advertisement(workplace):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "lr_callbacks",
            "fit",
            *SHORT,
            *WARMUP,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    said = (done.stdout + done.stderr).lower()
    assert "warmup 0-2" in said
    assert not [word for word in ("warn", "deprecat", "tip:", "num_workers", "traceback") if word in said]


def test_every_run_has_a_folder_of_its_own(workplace):
    run("fit", *SHORT)
    first = the_checkpoint("runs/DigitsClassifier/version_0").read_bytes()
    run("fit", *SHORT)
    assert the_checkpoint("runs/DigitsClassifier/version_1").exists()
    assert the_checkpoint("runs/DigitsClassifier/version_0").read_bytes() == first


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ((), "DigitsClassifier"),
        (("--config=first.yaml",), "first"),
        (("--config=first.yaml", "--config=second.yaml"), "second"),
        (("--config=first.yaml", "--name=mine"), "mine"),
        (("--config=named.yaml",), "of_the_file"),
    ],
)
def test_a_run_is_called_by_its_name_or_its_last_config_file(workplace, flags, name):
    for file in ("first", "second"):
        Path(f"{file}.yaml").write_text("trainer:\n  max_epochs: 1\n")
    Path("named.yaml").write_text("name: of_the_file\n")
    cli = run("fit", *flags, *SHORT, "--trainer.enable_checkpointing=false")
    assert cli.trainer.log_dir == f"runs/{name}/version_0"


def test_default_root_dir_moves_the_runs(workplace):
    cli = run("fit", *SHORT, "--trainer.default_root_dir=elsewhere")
    assert cli.trainer.log_dir == "elsewhere/DigitsClassifier/version_0"
    assert not Path("runs").exists()


def test_the_saved_configuration_repeats_the_run(workplace):
    first = run(
        "fit",
        *SHORT,
        "--name=again",
        "--model.optimizer.lr=0.05",
        *WARMUP,
    )
    second = run("fit", "--config=runs/again/version_0/config.yaml")
    assert second.trainer.log_dir == "runs/again/version_1"
    assert second.trainer.callback_metrics["train_loss"] == first.trainer.callback_metrics["train_loss"]
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True))


def test_callbacks_are_found_by_short_name_on_the_command_line(workplace):
    cli = run(
        "fit", *SHORT,
        "--trainer.callbacks+=Warmup", "--trainer.callbacks.duration=50%",
        "--trainer.callbacks+=SGDR", "--trainer.callbacks.T_0=1 epochs",
        "--trainer.callbacks+=ReduceLROnPlateau", "--trainer.callbacks.monitor=val_loss",
    )  # fmt: skip
    kinds = [type(callback).__name__ for callback in cli.trainer.callbacks]
    assert [kind for kind in kinds if kind in ("Warmup", "SGDR", "ReduceLROnPlateau")] == kinds[:3]
    rates = list(scalars("runs/DigitsClassifier/version_0", "lr/SGD").values())
    assert rates[:3] == pytest.approx([0.02 / 3, 0.02 * 2 / 3, 0.02])


def test_callbacks_are_found_by_short_name_in_a_file(workplace):
    Path("short.yaml").write_text(
        yaml.safe_dump(
            {
                "trainer": {
                    "callbacks": [
                        {"class_path": "Warmup", "init_args": {"duration": 2}},
                        {"class_path": "SGDR", "init_args": {"T_0": "2 epochs"}},
                    ]
                },
                "model": {"class_path": "DigitsClassifier", "init_args": {"channels": 4}},
            }
        )
    )
    cli = run("fit", "--config=short.yaml", *SHORT)
    assert [type(callback) for callback in cli.trainer.callbacks[:2]] == [Warmup, SGDR]
    assert cli.model.hparams.channels == 4
    saved = yaml.safe_load(Path("runs/short/version_0/config.yaml").read_text())
    assert [entry["class_path"] for entry in saved["trainer"]["callbacks"]] == [
        "lr_callbacks.Warmup",
        "lr_callbacks.SGDR",
    ]


def test_the_optimizer_is_chosen_on_the_command_line(workplace):
    cli = run("fit", *SHORT, "--model.optimizer=AdamW", "--model.optimizer.lr=0.002")
    assert isinstance(cli.trainer.optimizers[0], torch.optim.AdamW)
    assert list(scalars("runs/DigitsClassifier/version_0", "lr/AdamW").values()) == pytest.approx([0.002] * 4)


def test_a_users_own_module_and_data_are_found_in_the_working_folder(workplace):
    Path("own_with_data.py").write_text(OWN)
    cli = run("fit", *QUIET, "--trainer.max_epochs=1", "--model=own_with_data.Net", "--model.width=5",
              "--data=own_with_data.Data", "--trainer.callbacks+=Warmup", "--trainer.callbacks.duration=2")  # fmt: skip
    assert cli.model.layer.out_features == 5
    assert list(scalars("runs/Net/version_0", "lr/SGD").values()) == pytest.approx([0.1 / 3, 0.2 / 3, 0.1, 0.1])


def test_a_module_with_loaders_of_its_own_needs_no_data(workplace):
    Path("own_loader.py").write_text(OWN)
    cli = run("fit", *QUIET, "--trainer.max_epochs=1", "--model=own_loader.NetWithLoader", "--data=null")
    assert cli.datamodule is None
    assert cli.trainer.global_step == 4


def test_a_checkpoint_is_validated_tested_and_used(workplace, capsys):
    run("fit", *QUIET, "--trainer.max_epochs=2", "--model.channels=8", "--name=small")
    checkpoint = f"--ckpt_path={the_checkpoint('runs/small/version_0')}"
    capsys.readouterr()
    assert run("validate", checkpoint).trainer.callback_metrics["val_acc"] > 0.9
    assert run("test", checkpoint).trainer.callback_metrics["test_acc"] > 0.9
    with_config = run("test", "--config=runs/small/version_0/config.yaml", checkpoint)
    assert with_config.trainer.callback_metrics["test_acc"] > 0.9
    predicted = run("predict", checkpoint)
    labels = DigitsDataModule()
    labels.setup("predict")
    guesses = torch.cat(predicted.trainer.predict_loop.predictions)
    assert (guesses == labels.test_set.tensors[1]).float().mean() > 0.9
    said = capsys.readouterr().out
    assert "Predicted 270 samples. First: " + " ".join(str(int(guess)) for guess in guesses[:20]) in said
    assert "no --ckpt_path" not in said
    assert [path.name for path in Path("runs").iterdir()] == ["small"]
    assert [path.name for path in Path("runs/small").iterdir()] == ["version_0"]


@pytest.mark.parametrize("subcommand", ["validate", "test", "predict"])
def test_an_evaluation_without_a_checkpoint_says_that_the_network_is_untrained(workplace, capsys, subcommand):
    run(subcommand)
    warning = "Warning: no --ckpt_path given, so this evaluates an untrained model. "
    assert f"{warning}To evaluate a trained one: --ckpt_path FILE\n" in capsys.readouterr().out
    run("fit", *SHORT, "--name=some")
    run(subcommand, "--name=some", "--trainer.logger=false")
    assert f"{warning}Newest checkpoint: {the_checkpoint('runs/some/version_0')}\n" in capsys.readouterr().out


def test_a_run_is_resumed_from_its_checkpoint_into_a_folder_of_its_own(workplace):
    flags = (*QUIET, "--trainer.limit_train_batches=5", "--trainer.callbacks+=SGDR", "--trainer.callbacks.T_0=7")
    run("fit", *flags, "--trainer.max_epochs=1", "--name=part")
    checkpoint = the_checkpoint("runs/part/version_0")
    run("fit", *flags, "--trainer.max_epochs=2", "--name=part", f"--ckpt_path={checkpoint}")
    run("fit", *flags, "--trainer.max_epochs=2", "--name=whole")
    resumed = scalars("runs/part/version_1", "lr/SGD")
    whole = scalars("runs/whole/version_0", "lr/SGD")
    assert resumed == {step: rate for step, rate in whole.items() if step >= 5}


def test_the_digits_take_one_thread_and_a_users_own_module_what_there_is(workplace, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    Path("own_threads.py").write_text(OWN)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        run("fit", *SHORT, "--model=own_threads.NetWithLoader", "--data=null")
        assert torch.get_num_threads() == 2
        run("fit", *SHORT)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_the_users_own_monitor_stays_the_only_one(workplace):
    flags = ("--trainer.callbacks+=LearningRateMonitor", "--trainer.callbacks.logging_interval=step")
    own = run("fit", *SHORT, *flags)
    assert [type(c) for c in own.trainer.callbacks if isinstance(c, LearningRateMonitor)] == [LearningRateMonitor]
    ours = run("fit", *SHORT, "--trainer.callbacks+=LRMonitor", "--trainer.callbacks.prog_bar=true")
    (monitor,) = [c for c in ours.trainer.callbacks if isinstance(c, LearningRateMonitor)]
    assert isinstance(monitor, LRMonitor)
    assert monitor.prog_bar
    assert ours.trainer.progress_bar_metrics["lr"] == pytest.approx(0.02)


def test_without_a_logger_a_run_leaves_its_checkpoint_only(workplace, capsys):
    run("fit", *SHORT, "--trainer.logger=false")
    files = [path for path in Path().rglob("*") if path.is_file()]
    assert files == [the_checkpoint("runs/DigitsClassifier")]
    assert "tensorboard" not in capsys.readouterr().out


def test_a_subcommand_of_our_own_is_one_function(workplace, monkeypatch):
    seen = {}

    def count_parameters(cli, model, datamodule=None, *, at_least: int = 1):
        """Count the parameters of the model.

        Args:
            at_least: Smallest tensor that counts.
        """
        seen["count"] = sum(p.numel() for p in model.parameters() if p.numel() >= at_least)
        seen["given"] = (type(model), type(datamodule), cli.trainer.max_epochs)

    monkeypatch.setitem(COMMANDS, "count-parameters", count_parameters)
    run("count-parameters", "--model.channels=4", "--at_least=100", "--trainer.max_epochs=3")
    assert seen == {"count": 8 * 4 * 9 + 10 * 8 * 16, "given": (DigitsClassifier, DigitsDataModule, 3)}
