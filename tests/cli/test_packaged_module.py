"""`lr-callbacks` with a module that brings its own scheduler: one entry among the callbacks takes it out of the run."""

import csv
from pathlib import Path

import pytest
from cli_support import OWN, SHORT, run, scalars
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lr_callbacks.__main__ import main

NET = OWN.replace("width: int = 3", "width: int = 3, lr: float = 0.1").replace(
    "        self.layer", "        self.lr = lr\n        self.layer"
).replace(
    "        return torch.optim.SGD(self.parameters(), lr=0.1)",
    """        optimizer = torch.optim.SGD(self.parameters(), lr=self.lr)
        scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=100)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}""",
).replace(
    "return self.layer(batch[0]).square().mean()",
    "loss = self.layer(batch[0]).square().mean()\n        self.log('loss', loss)\n        return loss",
)  # fmt: skip
YAML = """
name: packaged
trainer:
  max_epochs: 1
  log_every_n_steps: 1
  callbacks:
    - class_path: ReplaceSchedulers
    - class_path: StepDecay
      init_args: {step_size: 2, gamma: 0.5}
"""


@pytest.fixture
def own(workplace):
    Path("own.py").write_text(NET, encoding="utf-8")
    Path("run.yaml").write_text(YAML, encoding="utf-8")
    return ("--config=run.yaml", "--model=own.Net", "--data=own.Data")


def test_a_configuration_trains_it(own):
    run("fit", *own)
    lrs = scalars("runs/packaged/version_0", "lr/SGD")
    assert list(lrs.values()) == pytest.approx([0.1, 0.1, 0.05, 0.05])


def test_plot_draws_it(own):
    run("plot", *own)
    rows = list(csv.DictReader(Path("runs/plot/packaged.csv").read_text(encoding="utf-8").splitlines()))
    assert [float(row["packaged"]) for row in rows] == [0.1, 0.1, 0.05, 0.05]


def test_without_it_the_refusal_has_the_line_to_write(own):
    Path("run.yaml").write_text(YAML.replace("    - class_path: ReplaceSchedulers\n", ""), encoding="utf-8")
    line = r"TorchScheduler\(torch.optim.lr_scheduler.LinearLR, start_factor=0.01, total_iters=100\)"
    with pytest.raises(MisconfigurationException, match=rf"add ReplaceSchedulers\(\) .* also add {line}"):
        run("fit", *own)


def test_a_sweep_trains_it_at_each_lr(own):
    main(["sweep", *SHORT, *own, "--grid", "model.lr", "0.2", "0.4", "--metric=loss"])
    first = [next(iter(scalars(each.parent, "lr/SGD").values())) for each in Path("runs").rglob("events.out*")]
    assert sorted(set(first)) == pytest.approx([0.2, 0.4])
