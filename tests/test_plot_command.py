"""`lr-callbacks plot` draws, without training, what `fit` would do."""

import csv
from pathlib import Path

import pytest
from cli_support import run

CONFIGS = Path(__file__).parent.parent / "configs"


def column(path, name):
    return [float(row[name]) for row in csv.DictReader(Path(path).read_text().splitlines()) if row[name]]


def test_one_configuration_gives_a_picture_a_table_and_a_chart_and_trains_nothing(workplace, capsys):
    cli = run("plot", f"--config={CONFIGS / 'sgdr.yaml'}", "--csv=sgdr.csv", "--png=sgdr.png")
    lrs = column("sgdr.csv", "sgdr")
    assert len(lrs) == 14 * 40
    assert [lrs[step] for step in (0, 80, 240)] == pytest.approx([0.03] * 3, rel=1e-12)
    assert Path("sgdr.png").read_bytes().startswith(b"\x89PNG")
    assert "0 … 559 optimizer steps" in capsys.readouterr().out
    assert cli.trainer.global_step == 0
    assert not Path("runs").exists()


def test_several_configurations_overlay(workplace):
    run("plot", "--config", str(CONFIGS / "sgdr.yaml"), "--config", str(CONFIGS / "one_cycle.yaml"))
    assert len(column("lr_plot.csv", "sgdr")) == 560
    assert len(column("lr_plot.csv", "one_cycle")) == 400
