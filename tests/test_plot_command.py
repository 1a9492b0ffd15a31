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


def by_time(tmp_path):
    """A configuration whose run goes by the wall clock."""
    text = (CONFIGS / "one_cycle.yaml").read_text()
    text = text.replace("max_epochs: 10", "max_epochs: -1\n  max_time: '00:00:30:00'")
    (tmp_path / "by_time.yaml").write_text(text)
    return str(tmp_path / "by_time.yaml")


def test_a_run_under_a_time_limit_is_drawn_over_time(workplace, tmp_path, capsys):
    run("plot", "--config", by_time(tmp_path), "--total_steps=100")
    lrs = column("lr_plot.csv", "by_time")
    assert len(lrs) == 100
    assert lrs[0] == pytest.approx(0.004, rel=1e-12)
    assert max(lrs) == pytest.approx(0.1, rel=1e-6)
    assert lrs[-1] < 0.0001
    assert "time, in 1/100 of 30 min" in capsys.readouterr().out


def test_a_run_over_time_and_one_over_steps_share_no_axis(workplace, tmp_path):
    with pytest.raises(ValueError, match="one counts optimizer step, one time, in 1/1000 of 30 min; plot each"):
        run("plot", "--config", str(CONFIGS / "sgdr.yaml"), "--config", by_time(tmp_path))


def test_several_configurations_overlay(workplace):
    run("plot", "--config", str(CONFIGS / "sgdr.yaml"), "--config", str(CONFIGS / "one_cycle.yaml"))
    assert len(column("lr_plot.csv", "sgdr")) == 560
    assert len(column("lr_plot.csv", "one_cycle")) == 400
