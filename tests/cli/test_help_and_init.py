"""What the command line answers before any training: help, version, a configuration to begin with."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cli_support import SHORT, run
from test_cli_errors import fails

import lr_callbacks
from lr_callbacks.__main__ import main
from lr_callbacks.cli.registry import COMMANDS, FLAGS

CONFIGS = Path(__file__).parents[2] / "configs"


def helped(capsys, *args):
    with pytest.raises(SystemExit) as ended:
        main([*args])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", [["--version"], ["--help"], [], ["init", "sgdr"]])
def test_what_needs_no_training_imports_neither_torch_nor_lightning(workplace, words):
    script = (
        "import sys; from lr_callbacks.__main__ import main; main(sys.argv[1:]);"
        "assert not {'torch', 'lightning', 'pytorch_lightning', 'jsonargparse', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, *words], check=True, capture_output=True)


def test_the_version_is_that_of_the_package(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"lr-callbacks {lr_callbacks.__version__}\n"


def test_the_help_names_every_command_and_a_first_schedule(capsys):
    main(["--help"])
    said = capsys.readouterr().out
    for command in ("fit", "validate", "test", "predict", "init", *COMMANDS):
        assert f"\n  {command} " in said
    assert "lr-callbacks fit --trainer.callbacks+=OneCycle" in said


@pytest.mark.parametrize("command", ["fit", *COMMANDS])
def test_the_help_of_a_command_is_short_and_begins_with_its_own_options(capsys, command):
    said = helped(capsys, command, "--help")
    assert said.startswith(f"usage: lr-callbacks {command} [options]\n")
    assert len(said.splitlines()) < 110
    assert said.index(f"Options of {command}:") < said.index("--config") < said.index("--trainer.callbacks")
    for flag in FLAGS.get(command, {}):
        assert f"\n  --{flag.replace('-', '_')} " in said
    assert "--trainer.precision" not in said
    assert said.rstrip().endswith(f"All options: lr-callbacks {command} --help-all")


def test_a_shell_completes_commands_and_options_by_jsonargparses_own_means(workplace, tmp_path):
    pytest.importorskip("shtab")
    words = [sys.executable, "-m", "lr_callbacks", "--print_completion=shtab-bash"]
    script = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    (tmp_path / "completion.sh").write_text(script)
    asked = "source completion.sh; COMP_WORDS=(lr-callbacks fit --trainer.max_); COMP_CWORD=2; "
    asked += "_shtab_lr_callbacks lr-callbacks --trainer.max_ fit; echo ${COMPREPLY[@]}"
    answer = subprocess.run(["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True).stdout
    assert {"--trainer.max_epochs", "--trainer.max_steps", "--trainer.max_time"} <= set(answer.split())


def test_all_options_are_shown_by_help_all(capsys):
    said = helped(capsys, "sweep", "--help-all")
    assert "--trainer.precision" in said
    assert "--take_over" in said
    assert helped(capsys, "sweep", "--help_all") == said


@pytest.mark.parametrize(
    "words",
    [
        ("--trainer.max-epochs=1", "--model.channels=4", "--data.batch-size", "16", "--trainer.limit-train-batches=2"),
        ("--trainer.max_epochs=1", "--model.channels=4", "--data.batch_size", "16", "--trainer.limit_train_batches=2"),
    ],
)
def test_options_are_written_with_hyphens_or_underscores(workplace, words):
    cli = run("fit", *words, "--trainer.limit_val_batches=1", "--trainer.default-root-dir=a-b/c_d")
    assert (cli.trainer.global_step, cli.datamodule.batch_size) == (2, 16)
    assert cli.trainer.log_dir == "a-b/c_d/DigitsClassifier/version_0"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (
            ("--optimizer=AdamW", "--optimizer.lr=0.01"),
            "error: --optimizer is not used here. If your module takes optimizer: OptimizerCallable, write "
            "--model.optimizer=AdamW --model.optimizer.lr=0.01; otherwise set it in configure_optimizers\n",
        ),
        (
            ("--lr-scheduler", "StepLR", "--lr_scheduler.step-size=2"),
            "error: --lr_scheduler is not used here. Write --trainer.callbacks+=CosineAnnealing, for example, or "
            "--trainer.callbacks+=TorchScheduler --trainer.callbacks.scheduler=StepLR "
            "--trainer.callbacks.scheduler.step_size=2\n",
        ),
        (
            ("--trainer.callbacks.max_lr=0.1", "--trainer.callbacks+=OneCycle"),
            "error: --trainer.callbacks.max_lr comes before any callback; put it after --trainer.callbacks+=OneCycle\n",
        ),
    ],
)
def test_options_of_other_command_lines_are_answered_with_what_to_write(workplace, capsys, words, answer):
    assert fails(capsys, "fit", *words).startswith(answer)


def test_what_to_write_instead_of_lr_scheduler_works(workplace, capsys):
    said = fails(capsys, "fit", "--lr_scheduler=StepLR", "--lr_scheduler.step_size=2")
    words = said.partition("or --trainer")[2].splitlines()[0].split()
    cli = run("fit", *SHORT, *[f"--trainer{words[0]}", *words[1:]])
    assert type(cli.trainer.callbacks[0]).__name__ == "TorchScheduler"


def test_an_optimizer_in_a_configuration_is_answered_too(workplace, capsys):
    Path("plain.yaml").write_text("optimizer:\n  class_path: AdamW\n")
    assert fails(capsys, "fit", "--config=plain.yaml").startswith("error: plain.yaml: optimizer is not used here. ")


# ---------------------------------------------------------------------- init
def test_init_writes_a_commented_configuration_that_trains(workplace, capsys):
    main(["init"])
    assert capsys.readouterr().out == "Wrote one_cycle.yaml. Next: lr-callbacks fit --config one_cycle.yaml\n"
    text = Path("one_cycle.yaml").read_text()
    assert "#   lr-callbacks fit --config one_cycle.yaml\n" in text
    assert yaml.safe_load(text) == yaml.safe_load((CONFIGS / "one_cycle.yaml").read_text())
    assert run("fit", "--config=one_cycle.yaml", *SHORT).trainer.log_dir == "runs/one_cycle/version_0"


@pytest.mark.parametrize(("name", "command"), [("sweep", "sweep"), ("range_test", "range-test"), ("sgdr", "fit")])
def test_init_says_which_command_a_configuration_is_for(workplace, capsys, name, command):
    main(["init", name, "--output=sub/mine.yaml"])
    assert f"Next: lr-callbacks {command} --config sub/mine.yaml\n" in capsys.readouterr().out


def test_init_lists_the_configurations_and_knows_no_others(workplace, capsys):
    main(["init", "--list"])
    names = capsys.readouterr().out.split()
    assert names == sorted(path.stem for path in CONFIGS.glob("*.yaml"))
    assert f"Names: {', '.join(names)}" in fails(capsys, "init", "nothing")


def test_init_replaces_no_file_unless_told_to(workplace, capsys):
    Path("sgdr.yaml").write_text("mine")
    assert "sgdr.yaml exists" in fails(capsys, "init", "sgdr")
    assert Path("sgdr.yaml").read_text() == "mine"
    main(["init", "sgdr", "--force"])
    assert "SGDR" in Path("sgdr.yaml").read_text()
