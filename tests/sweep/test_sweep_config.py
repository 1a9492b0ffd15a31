"""What an axis of `lr-callbacks sweep` does to the configuration."""

import copy

import pytest
from cli_support import QUIET
from sweep_support import fails

from lr_callbacks.sweep.config import at_point

SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.02, "momentum": 0.9}}
CONFIG = {"trainer": {}, "model": {"class_path": "Net", "init_args": {"optimizer": SGD, "lr": 0.3}}}


@pytest.mark.parametrize("axis", ["model.optimizer", "model.optimizer.class_path"])
@pytest.mark.parametrize("lr_first", [True, False])
def test_a_rate_reaches_each_class_of_an_axis_of_optimizers_whatever_their_order(axis, lr_first):
    before = copy.deepcopy(CONFIG)

    def optimizer(kind, lr=0.5):
        pairs = [("lr", lr), (axis, kind)]
        point = dict(pairs if lr_first else pairs[::-1])
        return at_point(CONFIG, point, "model.optimizer.lr", {})["model"]["init_args"]["optimizer"]

    assert optimizer("torch.optim.Adam") == {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.5}}
    for same in ("torch.optim.SGD", "SGD"):
        assert optimizer(same) == {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.5, "momentum": 0.9}}
    assert before == CONFIG


def test_an_entry_below_a_new_class_is_made_and_one_elsewhere_must_be_there():
    point = {"model": "Other", "model.size.width": 3}
    assert at_point(CONFIG, point, None, {})["model"] == {
        "class_path": "Other", "init_args": {"size": {"width": 3}},
    }  # fmt: skip
    with pytest.raises(ValueError, match="At the top: trainer, model"):
        at_point(CONFIG, {"model": "Other", "data.size": 3}, None, {})


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (("torch.optim.Adma",), "its entry: optimizer torch.optim.Adma: module 'torch.optim' has no attribute 'Adma'"),
        (
            ("torch.optim.Adam", "--grid", "model.optimizer.momentum", "0.5"),
            "its entry: optimizer torch.optim.Adam: Option 'momentum' is not accepted",
        ),
        (
            ("torch.optim.Adam", "--grid", "model.optimizer.class_path", "torch.optim.SGD"),
            "--grid model.optimizer.class_path appears twice",
        ),
    ],
)
def test_a_class_that_does_not_fit_is_refused_before_any_training_with_the_reason(workplace, capsys, axes, message):
    assert message in fails(capsys, "sweep", *QUIET, "--grid", "model.optimizer", *axes).splitlines()[-1]
