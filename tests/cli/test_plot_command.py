"""`lr-callbacks plot` draws, without training, what `fit` would do."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import OWN, run, scalars
from lightning.pytorch.utilities.exceptions import MisconfigurationException

CONFIGS = Path(__file__).parents[2] / "configs"


def column(path, name):
    return [float(row[name]) for row in csv.DictReader(Path(path).read_text().splitlines()) if row[name]]


def test_one_configuration_gives_a_picture_a_table_and_a_chart_and_trains_nothing(workplace, capsys):
    run("plot", f"--config={CONFIGS / 'sgdr.yaml'}", "--csv=sgdr.csv", "--png=sgdr.png")
    lrs = column("sgdr.csv", "sgdr")
    assert len(lrs) == 14 * 40
    assert [lrs[step] for step in (0, 80, 240)] == pytest.approx([0.03] * 3, rel=1e-12)
    assert Path("sgdr.png").read_bytes().startswith(b"\x89PNG")
    assert "0 … 559 optimizer steps" in capsys.readouterr().out
    assert not Path("runs").exists()


def by_time(tmp_path):
    """A configuration whose run goes by the wall clock."""
    text = (CONFIGS / "one_cycle.yaml").read_text()
    text = text.replace("max_epochs: 10", "max_epochs: -1\n  max_time: '00:00:30:00'")
    (tmp_path / "by_time.yaml").write_text(text)
    return str(tmp_path / "by_time.yaml")


def test_a_run_under_a_time_limit_is_drawn_over_time(workplace, tmp_path, capsys):
    run("plot", "--config", by_time(tmp_path), "--total_steps=100")
    lrs = column("runs/plot/by_time.csv", "by_time")
    assert len(lrs) == 100
    assert lrs[0] == pytest.approx(0.004, rel=1e-12)
    assert max(lrs) == pytest.approx(0.1, rel=1e-6)
    assert lrs[-1] < 0.0001
    assert "time, in 1/100 of 30 min" in capsys.readouterr().out


def test_a_run_over_time_and_one_over_steps_share_no_axis(workplace, tmp_path):
    with pytest.raises(ValueError, match="one counts optimizer step, another time, in 1/1000 of 30 min"):
        run("plot", "--config", str(CONFIGS / "sgdr.yaml"), "--config", by_time(tmp_path))


def test_several_configurations_overlay(workplace):
    run("plot", "--config", str(CONFIGS / "sgdr.yaml"), "--config", str(CONFIGS / "one_cycle.yaml"))
    assert len(column("runs/plot/sgdr+one_cycle.csv", "sgdr")) == 560
    assert len(column("runs/plot/sgdr+one_cycle.csv", "one_cycle")) == 400


def test_two_configurations_of_one_name_are_two_curves(workplace):
    for folder, lr in (("a", 0.1), ("b", 0.2)):
        Path(folder).mkdir()
        text = (CONFIGS / "warmup.yaml").read_text().replace("lr: 0.03", f"lr: {lr}")
        Path(folder, "run.yaml").write_text(text)
    run("plot", "--config=a/run.yaml", "--config=b/run.yaml")
    assert column("runs/plot/run+run (2).csv", "run")[-1] == pytest.approx(0.1)
    assert column("runs/plot/run+run (2).csv", "run (2)")[-1] == pytest.approx(0.2)


def test_epochs_of_a_manual_optimization_are_drawn_as_they_are_used(workplace):
    Path("by_hand.py").write_text(
        OWN
        + """
class ByHand(NetWithLoader):
    automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(self.layer(batch[0]).square().mean())
        optimizer.step()
"""
    )
    halved = (
        "--trainer.callbacks+=TorchScheduler",
        "--trainer.callbacks.scheduler=torch.optim.lr_scheduler.ExponentialLR",
    )
    flags = ("--trainer.callbacks.scheduler.gamma=0.5", "--trainer.callbacks.interval=epoch", "--trainer.max_epochs=3")
    flags = ("--model=by_hand.ByHand", "--data=null", *halved, *flags)
    drawn = run("plot", *flags).curves[0][1]
    run("fit", *flags)
    assert drawn == pytest.approx([0.1] * 4 + [0.05] * 4 + [0.025] * 4, rel=1e-12)
    assert list(scalars("runs/ByHand/version_0", "lr/SGD").values()) == pytest.approx(drawn, rel=1e-6)


def test_pictures_and_tables_go_to_the_folder_of_runs_and_nowhere_else(workplace, capsys):
    config = str(CONFIGS / "sgdr.yaml")
    run("plot", "--config", config)
    run("plot", "--config", config, "--trainer.default_root_dir=elsewhere", "--csv=null")
    files = sorted(str(path) for path in Path().rglob("*") if path.is_file())
    assert files == ["elsewhere/plot/sgdr.png", "runs/plot/sgdr.csv", "runs/plot/sgdr.png"]
    assert "Picture     elsewhere/plot/sgdr.png\n" in capsys.readouterr().out


def test_the_momentum_that_a_schedule_moves_is_drawn_too(workplace, capsys):
    cli = run("plot", "--config", str(CONFIGS / "one_cycle.yaml"), "--config", str(CONFIGS / "sgdr.yaml"))
    run("fit", "--config", str(CONFIGS / "one_cycle.yaml"), "--trainer.limit_val_batches=0")
    used = list(scalars("runs/one_cycle/version_0", "momentum/SGD").values())
    table = "runs/plot/one_cycle+sgdr.csv"
    assert column(table, "one_cycle momentum") == pytest.approx(used, rel=1e-6)
    assert list(cli.momenta) == ["one_cycle"]
    assert "momentum\n      0.95 │" in capsys.readouterr().out


def test_plot_says_nothing_but_the_plan_the_charts_and_the_files(workplace):
    words = ["plot", f"--config={CONFIGS / 'sgdr.yaml'}"]
    done = subprocess.run([sys.executable, "-m", "lr_callbacks", *words], capture_output=True, text=True, check=True)
    assert done.stderr.startswith("LR plan: ")
    assert not re.search("seed|gpu|tpu|stopped|warn|params", (done.stdout + done.stderr).lower())


def test_plot_hints_at_metrics_where_a_plateau_waits_for_them(workplace, capsys):
    config = str(CONFIGS / "plateau.yaml")
    run("plot", "--config", config)
    assert "ReduceLROnPlateau depends on a metric and is not drawn" in capsys.readouterr().out
    run("plot", "--config", config, "--metrics=[1.0,0.5,0.5,0.5,0.5]")
    assert "--metrics" not in capsys.readouterr().out


def test_each_configuration_is_built_once(workplace):
    Path("counted.py").write_text(
        OWN.replace("super().__init__()", "super().__init__(); __import__('os').mkdir(f'built_{width}')")
    )
    for width in (3, 4):
        Path(f"{width}.yaml").write_text(
            f"model: {{class_path: counted.NetWithLoader, init_args: {{width: {width}}}}}\ntrainer: {{max_epochs: 1}}\n"
        )
    run("plot", "--config=3.yaml", "--config=4.yaml")
    assert Path("built_3").exists()  # a second time, mkdir would have failed
    assert Path("built_4").exists()


def test_a_conflict_that_would_end_a_fit_ends_a_plot(workplace):
    Path("with_scheduler.py").write_text(
        OWN.replace(
            "return torch.optim.SGD(self.parameters(), lr=0.1)",
            "opt = torch.optim.SGD(self.parameters(), lr=0.1); return [opt], [torch.optim.lr_scheduler.StepLR(opt, 1)]",
        )
    )
    own = ("--model=with_scheduler.NetWithLoader", "--trainer.callbacks+=CosineAnnealing")
    with pytest.raises(MisconfigurationException, match="StepLR"):
        run("plot", *own)
