"""A finished run as TensorBoard shows it: asked over HTTP, and looked at in a headless Chromium where there is one."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from cli_support import QUIET, run

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import screenshots

SERIES = {"lr/SGD", "momentum/SGD", "train_loss", "train_acc", "val_loss", "val_acc", "epoch"}
MISSING = [*screenshots.missing_programs(), *([] if find_spec("selenium") else ["selenium"])]


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """The address of a TensorBoard on a run of two epochs with ten steps each under one-cycle."""
    folder = tmp_path_factory.mktemp("board")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run("fit", "--name=shown", *QUIET, "--trainer.max_epochs=2", "--trainer.limit_train_batches=10",
            "--trainer.callbacks+=OneCycle", "--trainer.callbacks.max_lr=0.1")  # fmt: skip
    with screenshots.tensorboard(folder / "runs") as address:
        yield address


def test_tensorboard_lists_lr_momentum_losses_and_accuracies_of_a_finished_run(board):
    assert set(screenshots.ask(f"{board}/data/plugin/scalars/tags")["shown/version_0"]) == SERIES


def test_tensorboard_serves_the_lr_of_every_optimizer_step(board):
    points = screenshots.ask(f"{board}/data/plugin/scalars/scalars?run=shown/version_0&tag=lr/SGD")
    assert [step for _, step, _ in points] == list(range(20))
    lrs = [lr for _, _, lr in points]
    assert lrs[0] == pytest.approx(0.1 / 25)
    assert max(lrs) == lrs[5] == pytest.approx(0.1)
    assert lrs[-1] == pytest.approx(0.1 / 25 / 1e4)


@pytest.mark.browser
@pytest.mark.skipif(bool(MISSING), reason=f"no browser to look with: {', '.join(MISSING)} not installed")
def test_the_page_shows_a_curve_in_the_charts_of_lr_and_loss(board):
    wanted = ["lr/SGD", "train_loss", "val_loss"]
    with screenshots.chromium(1180, 1010) as browser:
        charts = screenshots.charts(browser, board, "^(lr/SGD|train_loss|val_loss)$", number=len(wanted))
        assert sorted(charts) == wanted
        for tag, chart in charts.items():
            assert screenshots.curve(chart) > 200, f"{tag} is an empty chart"
            assert chart.find_element("tag name", "line-chart").size["width"] > 200
        hidden = screenshots.charts(browser, board, "^val_acc$", number=1)
        assert list(hidden) == ["val_acc"]
