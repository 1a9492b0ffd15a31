"""Lengths in tokens: turned into steps where the data says how many tokens a sample has."""

from __future__ import annotations

import pytest
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, Recorder, loader, sgd, trainer

import lr_callbacks as lc
from lr_callbacks.core.durations import Duration


class Data(LightningDataModule):
    def train_dataloader(self):
        return loader(6)  # of batches of 2


def tokens_of(place, data, module):
    """Say it in one of the places where it may be said."""
    whole = {"module": module, "data module": data, "dataset": None}[place]
    if whole is not None:
        whole.tokens_per_sample = 64
    else:
        data.made = loader(6)
        data.made.dataset.tokens_per_sample = 64
        data.train_dataloader = lambda: data.made


@pytest.mark.parametrize("place", ["module", "data module", "dataset"])
@pytest.mark.parametrize(("accumulate", "ramp"), [(1, 4), (2, 2)])
def test_a_ramp_of_tokens_lasts_as_many_steps_as_they_fill(place, accumulate, ramp):
    module, data, recorder = Net(sgd((0.1,))), Data(), Recorder()
    tokens_of(place, data, module)
    callbacks = [lc.Warmup("0.512k tokens", start_factor=0.0), recorder]
    trainer(*callbacks, max_epochs=1, accumulate_grad_batches=accumulate).fit(module, data)
    assert recorder.of_group() == pytest.approx([0.1 * min(1, t / ramp) for t in range(6 // accumulate)])


@pytest.mark.parametrize("said", [None, 0, "64", 64.5])
def test_where_nothing_says_how_many_tokens_a_sample_has_the_length_is_refused_with_the_way_out(said):
    module = Net(sgd((0.1,)))
    module.tokens_per_sample = said
    with pytest.raises(MisconfigurationException, match=r"needs the number of tokens of a step.*tokens_per_sample"):
        trainer(lc.Warmup("512 tokens"), max_epochs=1).fit(module, loader(4))


@pytest.mark.parametrize(
    ("written", "tokens"),
    [("500 tokens", 500), ("1.5 M tokens", 1_500_000), ("2e6 tokens", 2e6), ("300B tokens", 3e11)],
)
def test_tokens_are_written_in_thousands_millions_and_billions(written, tokens):
    assert Duration.parse(written) == Duration(tokens, "tokens") == Duration.find(written)


def test_epochs_cannot_be_counted_in_tokens():
    with pytest.raises(ValueError, match="total_steps must be in epochs or % with interval='epoch'"):
        lc.Rex(total_steps="50k tokens", interval="epoch")


def test_a_run_by_the_wall_clock_counts_no_tokens():
    with pytest.raises(MisconfigurationException, match="counts tokens, but this run is measured in time"):
        lc.preview([lc.Warmup("500 tokens"), lc.Rex()], 1.0, 4, max_time="1 h")
