"""What the tests of the sweep share: the command as a user types it, and `grid_search` over short trainings."""

from pathlib import Path

import pytest
import yaml
from cli_support import SHORT
from support import Net, loader, sgd, trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from lr_callbacks import grid_search
from lr_callbacks.__main__ import main

CONFIGS = Path(__file__).parents[2] / "configs"
TINY = (*SHORT, "--model.channels=2")


def sweep(*flags):
    main(["sweep", *TINY, *flags])


def fails(capsys, *args):
    """What the command prints when it fails, without a traceback."""
    with pytest.raises(SystemExit) as caught:
        main(list(args))
    code = caught.value.code
    printed = capsys.readouterr()
    assert code not in (0, None)
    assert "Traceback" not in printed.err
    return printed.err + (code if isinstance(code, str) else "")


def config(path):
    return yaml.safe_load(Path(path).read_text())


def hparams(folder):
    """The trial's entry in the HParams table: its axes, and its series."""
    events = EventAccumulator(str(folder))
    events.Reload()
    metadata = events.SummaryMetadata("_hparams_/session_start_info")
    start = HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info
    return {name: value.number_value or value.string_value for name, value in start.hparams.items()}, events


class Search:
    """Counts what it builds; each point is one short training."""

    def __init__(self, folder, epochs=1, module=Net, **fixed):
        self.folder, self.epochs, self.module, self.fixed = folder, epochs, module, fixed
        self.built = []

    def build(self, point):
        self.built.append(point)
        made = trainer(max_epochs=self.epochs, num_sanity_val_steps=0)
        return made, self.module(sgd([point.get("lr", 0.01)] * 2)), loader(4), loader(2)

    def __call__(self, grid, **options):
        return grid_search(self.build, grid, **{"folder": self.folder, **self.fixed, **options})
