"""A divergence that ends in an error is told from a mistake."""

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, loader, sgd, trainer
from sweep_support import Search

from lr_callbacks import grid_search


class FiniteWeights(Net):
    """Its loss is not finite, and like under a gradient scaler no step is taken then."""

    factor = float("inf")

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * self.factor

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure):
        optimizer_closure()


class RefusesInValidation(FiniteWeights):
    def validation_step(self, batch, batch_idx):
        raise ValueError("scores must be finite")


class LogsNaN(Net):
    def validation_step(self, batch, batch_idx):
        self.log("val_loss", torch.tensor(float("nan")))
        raise ValueError("scores must be finite")


class ScoresNaN(Net):
    """Its weights and its loss are finite, its predictions on the validation data are not."""

    def validation_step(self, batch, batch_idx):
        scores = self(batch[0]) * 1e38 * 1e38
        refuse_nan(scores - scores)


class ChecksItsLoss(Net):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx) * float("nan")
        if loss.isnan():
            raise ArithmeticError("the loss is nan")
        return loss


def refuse_nan(scores):
    if scores.isnan().any():
        raise ValueError("Input contains NaN.\nA second line.")


@pytest.mark.parametrize("module", [RefusesInValidation, LogsNaN, ScoresNaN, ChecksItsLoss])
def test_an_error_on_numbers_that_are_not_finite_is_a_divergence_and_is_named(tmp_path, module, capsys):
    table = Search(tmp_path, module=module)({"lr": [0.01]})
    assert [row.state for row in table.rows] == ["diverged"]
    said = capsys.readouterr().out
    assert "lr 0.01, seed 0: diverged (" in said
    assert "A second line" not in said


@pytest.mark.filterwarnings("ignore:Error detected in .*Traceback of forward call")
def test_lightnings_own_detection_of_anomalies_is_a_divergence(tmp_path):
    class Anomaly(FiniteWeights):
        factor = float("nan")

    def build(point):
        return trainer(max_epochs=1, detect_anomaly=True), Anomaly(sgd()), loader(2), loader(2)

    assert grid_search(build, {"lr": [0.1]}, folder=tmp_path).rows[0].state == "diverged"


class Mistaken(Net):
    def validation_step(self, batch, batch_idx):
        mask = torch.full((2, 2), -torch.inf)  # as attention has one
        raise ValueError(f"a mistake of my own, {mask.shape}")


def test_an_error_on_finite_numbers_stops_the_sweep_also_beside_an_infinite_mask(tmp_path, capsys):
    with pytest.raises(ValueError, match="a mistake of my own"):
        Search(tmp_path, module=Mistaken)({"lr": [0.01]})
    assert "lr 0.01, seed 0: failed. Finished trainings are kept" in capsys.readouterr().out


def test_an_unknown_metric_is_one_also_where_the_first_training_diverges(tmp_path):
    with pytest.raises(MisconfigurationException, match=r"'nope' was not logged\. Logged: train_loss, val_loss"):
        Search(tmp_path)({"lr": [1e20]}, metric="nope")
