"""Each configuration of a torch scheduler trains, and uses the LRs that plot draws."""

from pathlib import Path

import pytest
from cli_support import run, scalars
from torch_schedulers import IDS

CONFIGS = Path(__file__).parent.parent / "configs"
TORCH = sorted(CONFIGS.glob("torch_*.yaml"))


def test_every_torch_scheduler_has_a_configuration():
    named = "".join(path.read_text() for path in TORCH)
    assert len(TORCH) == 15
    assert [name for name in [*IDS, "ReduceLROnPlateau"] if f"torch's {name}:" not in named] == []


@pytest.mark.parametrize("path", TORCH, ids=lambda path: path.stem)
def test_it_trains_with_the_lrs_that_plot_draws(path, workplace):
    short = (f"--config={path}", "--trainer.max_epochs=2", "--trainer.limit_train_batches=5")
    drawn = run("plot", *short).curves[0][1]
    cli = run("fit", *short)
    assert cli.trainer.global_step == 10
    rates = scalars(f"runs/{path.stem}/version_0", "lr-SGD")
    assert list(rates.values()) == pytest.approx(drawn, rel=1e-6)
