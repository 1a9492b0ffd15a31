"""The sample task: its data, its network, and what it costs to import."""

import sys

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything

from lr_callbacks.demo import DigitsClassifier, DigitsDataModule


def digits(**kwargs):
    data = DigitsDataModule(**kwargs)
    data.setup("fit")
    return data


def train(max_epochs, **kwargs):
    seed_everything(42, verbose=False)
    module = DigitsClassifier(**kwargs)
    trainer = Trainer(
        max_epochs=max_epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    trainer.fit(module, DigitsDataModule())
    return trainer, module


def test_the_parts_hold_every_image_exactly_once():
    data = digits()
    sizes = [len(part) for part in (data.train_set, data.val_set, data.test_set)]
    assert sizes == [1257, 270, 270]
    images = torch.cat([part.tensors[0] for part in (data.train_set, data.val_set, data.test_set)])
    from sklearn.datasets import load_digits

    every = torch.as_tensor(load_digits().images, dtype=torch.float32)
    assert len(images.unique(dim=0)) == len(every.unique(dim=0))


def test_every_part_has_the_same_share_of_each_digit():
    data = digits()
    shares = [part.tensors[1].bincount(minlength=10) / len(part) for part in (data.train_set, data.val_set)]
    assert (shares[0] - shares[1]).abs().max() < 0.004


def test_the_split_depends_on_its_seed_alone():
    torch.manual_seed(1)
    first = digits().val_set.tensors[0]
    torch.manual_seed(2)
    assert torch.equal(digits().val_set.tensors[0], first)
    assert not torch.equal(digits(split_seed=1).val_set.tensors[0], first)


def test_pixels_are_standardised_by_the_training_part():
    data = digits()
    assert data.train_set.tensors[0].mean().item() == pytest.approx(0, abs=1e-5)
    assert data.train_set.tensors[0].std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert data.val_set.tensors[0].mean().item() != pytest.approx(0, abs=1e-5)


def test_predict_gets_the_test_images_in_order_and_without_labels():
    data = digits()
    batches = list(data.predict_dataloader())
    assert all(len(batch) == 1 for batch in batches)
    assert torch.equal(torch.cat([batch[0] for batch in batches]), data.test_set.tensors[0])


def test_the_defaults_reach_97_percent_on_the_validation_part():
    trainer, _ = train(max_epochs=10)
    assert trainer.callback_metrics["val_acc"] >= 0.97


def test_the_same_seed_gives_the_same_network():
    _, first = train(max_epochs=1)
    _, second = train(max_epochs=1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_checkpoint_is_plain_data_and_brings_the_width_back(tmp_path):
    trainer, module = train(max_epochs=1, channels=4)
    trainer.save_checkpoint(tmp_path / "digits.ckpt")
    assert torch.load(tmp_path / "digits.ckpt", weights_only=True)["hyper_parameters"] == {"channels": 4}
    loaded = DigitsClassifier.load_from_checkpoint(tmp_path / "digits.ckpt")
    assert torch.equal(loaded.net[0].weight, module.net[0].weight)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DigitsDataModule(batch_size=0), "batch_size must be at least 1, got 0; write for example 32"),
        (
            lambda: DigitsDataModule(num_workers=-1),
            "num_workers must not be negative, got -1; write 0 to load in this process",
        ),
        (lambda: DigitsDataModule(val_fraction=0.0), "val_fraction must be in (0, 1), got 0.0; write for example 0.15"),
        (lambda: DigitsDataModule(test_fraction=1), "test_fraction must be in (0, 1), got 1; write for example 0.15"),
        (
            lambda: DigitsDataModule(val_fraction=0.5, test_fraction=0.5),
            "val_fraction + test_fraction must be below 1, got 0.5 + 0.5; make one smaller, "
            "so that images to train on are left",
        ),
        (lambda: DigitsClassifier(channels=0), "channels must be at least 1, got 0; write for example 16"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_refused(make, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011  the whole message is compared
        make()
    assert str(error.value) == message


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ModuleNotFoundError) as error:
        DigitsDataModule().setup("fit")
    assert str(error.value) == ('DigitsDataModule needs sklearn; install it with: pip install "lr-callbacks[cli]"')
