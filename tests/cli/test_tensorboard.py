"""What TensorBoard shows, read back from the event files of real runs."""

import warnings

import numpy as np
import pytest
import torch
from cli_support import run, scalars, tags
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, Recorder, adam, loader, native, sgd, trainer
from torch import nn

from lr_callbacks import SGDR, LRMonitor, OneCycle, ReduceLROnPlateau, Warmup

RUN = "logs/run/version_0"


def logged(*callbacks, module=None, batches=10, **kwargs):
    """Train with a TensorBoard logger and give back what every step saw."""
    torch.manual_seed(0)
    recorder = Recorder()
    logger = TensorBoardLogger("logs", name="run")
    made = trainer(
        *callbacks,
        recorder,
        **{"max_epochs": 2, "logger": logger, "log_every_n_steps": 1, "num_sanity_val_steps": 0, **kwargs},
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*validation_step.*")
        made.fit(module or Net(), loader(batches), loader(2))
    return recorder


def as_stored(values):
    """An event file keeps 32 bits of a number."""
    return [float(np.float32(value)) for value in values]


def test_the_one_cycle_configuration_writes_the_series_of_torch(workplace):
    from test_configs import CONFIGS

    cli = run("fit", f"--config={CONFIGS / 'one_cycle.yaml'}")
    lrs, momenta = native(
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=400), 400
    )
    rates = scalars("runs/one_cycle/version_0", "lr/SGD")
    assert list(rates) == list(range(400))
    assert list(rates.values()) == pytest.approx([step[0] for step in lrs], rel=1e-6)
    momentum = scalars("runs/one_cycle/version_0", "momentum/SGD")
    assert list(momentum.values()) == pytest.approx([step[0] for step in momenta], rel=1e-6)
    assert cli.trainer.callback_metrics["val_acc"] >= 0.97


def test_loss_accuracy_rate_and_momentum_appear_on_the_axis_of_optimizer_steps(workplace):
    run("fit", "--trainer.max_epochs=2", "--trainer.accumulate_grad_batches=3")
    folder = "runs/DigitsClassifier/version_0"
    assert tags(folder) == {
        "train_loss", "train_acc", "val_loss", "val_acc", "lr/SGD", "momentum/SGD", "epoch"
    }  # fmt: skip
    for tag in ("train_loss", "lr/SGD", "momentum/SGD"):
        assert list(scalars(folder, tag)) == list(range(28))
    for tag in ("train_acc", "val_loss", "val_acc"):
        assert list(scalars(folder, tag)) == [13, 27]


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("optimizer", [sgd((0.1, 0.02)), adam((0.1, 0.02))])
def test_the_rate_and_momentum_logged_at_a_step_are_those_used_at_it(workplace, optimizer, accumulate):
    recorder = logged(
        Warmup(3), OneCycle(start=0), LRMonitor(), module=Net(optimizer), accumulate_grad_batches=accumulate
    )
    name = "lr/SGD" if "SGD" in str(tags(RUN)) else "lr/Adam"
    for group in (0, 1):
        rates = scalars(RUN, f"{name}/pg{group + 1}")
        assert list(rates) == list(range(len(recorder.lrs[0])))
        assert list(rates.values()) == as_stored(recorder.of_group(group))
        momenta = scalars(RUN, f"{name.replace('lr/', 'momentum/')}/pg{group + 1}")
        assert list(momenta.values()) == as_stored(step[group] for step in recorder.momenta[0])


def test_a_reduction_between_two_batches_of_one_step_is_in_the_series(workplace):
    recorder = logged(
        ReduceLROnPlateau("scripted", patience=0, factor=0.5),
        LRMonitor(),
        module=Net(metrics=[1.0]),
        accumulate_grad_batches=3,
        val_check_interval=2,
        max_epochs=1,
    )
    used = recorder.of_group()
    assert len(set(used)) > 2
    assert list(scalars(RUN, "lr/SGD").values()) == as_stored(used)


def test_lightnings_own_monitor_writes_a_step_once_per_batch(workplace):
    """Why there is an LRMonitor at all; when this fails, Lightning has mended it."""
    logged(LearningRateMonitor("step"), accumulate_grad_batches=3)
    with pytest.raises(AssertionError, match="lr-SGD was written twice"):
        scalars(RUN, "lr-SGD")


def test_log_every_n_steps_thins_the_series(workplace):
    logged(SGDR(5), LRMonitor(), log_every_n_steps=4)
    assert list(scalars(RUN, "lr/SGD")) == [3, 7, 11, 15, 19]


def test_epoch_as_interval_writes_at_the_start_of_each_epoch(workplace):
    recorder = logged(SGDR(30), LRMonitor("epoch"))
    series = scalars(RUN, "lr/SGD")
    assert list(series) == [0, 10]
    assert list(series.values()) == as_stored([recorder.of_group()[0], recorder.of_group()[10]])


def test_groups_are_called_by_their_names(workplace):
    def build(parts):
        named = [
            {"params": part.parameters(), "name": name} for part, name in zip(parts, ("body", "head"), strict=True)
        ]
        return torch.optim.SGD(named, lr=0.1)

    logged(SGDR(5), LRMonitor(log_momentum=False), module=Net(build))
    assert {tag for tag in tags(RUN) if tag.startswith("lr")} == {"lr/SGD/body", "lr/SGD/head"}


def test_two_groups_of_one_name_are_refused_before_the_first_step(workplace):
    def build(parts):
        return torch.optim.SGD([{"params": part.parameters(), "name": "same"} for part in parts], lr=0.1)

    with pytest.raises(MisconfigurationException, match="cannot have multiple parameter groups with identical"):
        logged(LRMonitor(), module=Net(build))


def test_an_optimizer_without_momentum_gets_no_momentum_series(workplace):
    logged(LRMonitor(), module=Net(lambda parts: torch.optim.Adagrad(nn.ModuleList(parts).parameters(), lr=0.1)))
    assert {tag for tag in tags(RUN) if tag.startswith("lr")} == {"lr/Adagrad"}


def test_a_rate_that_is_a_tensor_is_logged_as_the_number_that_it_was(workplace):
    def build(parts):
        return torch.optim.Adam(nn.ModuleList(parts).parameters(), lr=torch.tensor(0.1), foreach=False)

    recorder = logged(Warmup(10), LRMonitor(), module=Net(build))
    assert list(scalars(RUN, "lr/Adam").values()) == as_stored(recorder.of_group())


class TwoOptimizers(LightningModule):
    """Manual optimization: the first optimizer steps in every batch, the second in every other one."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.one, self.two = nn.Linear(4, 1), nn.Linear(4, 1)

    def training_step(self, batch, batch_idx):
        first, second = self.optimizers()
        for optimizer, part in [(first, self.one)] + [(second, self.two)] * (batch_idx % 2 == 0):
            optimizer.zero_grad()
            self.manual_backward(part(batch[0]).square().mean())
            optimizer.step()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.one.parameters(), lr=0.1), torch.optim.SGD(self.two.parameters(), lr=0.01)


def test_two_optimizers_under_manual_optimization_have_a_series_each(workplace):
    recorder = logged(SGDR(4, optimizer=0), SGDR(6, optimizer=1), LRMonitor(), module=TwoOptimizers())
    assert list(scalars(RUN, "lr/SGD").values()) == as_stored(recorder.of_group(optimizer=0))
    second = list(scalars(RUN, "lr/SGD-1").values())
    assert second[::2] == as_stored(recorder.of_group(optimizer=1))


def test_a_resumed_run_goes_on_where_the_series_stopped(workplace):
    whole = logged(SGDR(7), LRMonitor(), max_epochs=2)
    first = trainer(SGDR(7), LRMonitor(), max_epochs=1)
    torch.manual_seed(0)
    first.fit(Net(), loader(10), loader(2))
    first.save_checkpoint("half.ckpt")
    second = Trainer(
        max_epochs=2,
        accelerator="cpu",
        callbacks=[SGDR(7), LRMonitor()],
        logger=TensorBoardLogger("logs", name="run"),
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    second.fit(Net(), loader(10), loader(2), ckpt_path="half.ckpt")
    series = scalars("logs/run/version_1", "lr/SGD")
    assert list(series) == list(range(10, 20))
    assert list(series.values()) == as_stored(whole.of_group()[10:])


def test_without_a_logger_the_monitor_is_quiet_and_can_still_show_the_rate_in_the_progress_bar():
    made = trainer(Warmup(100), LRMonitor(prog_bar=True), max_epochs=1, num_sanity_val_steps=0)
    made.fit(Net(), loader(10), loader(2))
    assert made.progress_bar_metrics["lr"] == pytest.approx(0.1 * (1 / 3 + 2 / 3 * 9 / 100))


def test_the_progress_bar_is_free_of_rates_unless_asked():
    made = trainer(LRMonitor(), max_epochs=1, num_sanity_val_steps=0)
    made.fit(Net(), loader(10), loader(2))
    assert made.progress_bar_metrics == {}


def test_the_monitor_keeps_the_latest_value_only(workplace):
    monitor = LRMonitor()
    recorder = logged(SGDR(7), monitor)
    assert monitor.lrs == {"lr/SGD": [recorder.of_group()[-1]]}


def test_the_progress_bar_shows_the_rate_of_each_group_as_it_is_and_logs_nothing():
    logged_names = []

    class Notes(Net):
        def log(self, name, value, **kwargs):
            logged_names.append(name)
            super().log(name, value, **kwargs)

    def one_of_each(parts):
        lrs = (0.1, torch.tensor(0.02))
        groups = [{"params": list(part.parameters()), "lr": lr} for part, lr in zip(parts, lrs, strict=True)]
        return torch.optim.SGD(groups, 0.1, foreach=False)

    made = trainer(Warmup(100), LRMonitor(prog_bar=True), max_epochs=1, num_sanity_val_steps=0)
    made.fit(Notes(one_of_each), loader(10), loader(2))
    assert not [name for name in logged_names if name.startswith("lr")]
    shown = made.progress_bar_metrics
    last = 1 / 3 + 2 / 3 * 9 / 100
    assert [shown["lr/SGD/pg1"], shown["lr/SGD/pg2"]] == pytest.approx([0.1 * last, 0.02 * last])
    assert f"{shown['lr/SGD/pg2']:.3f}" == f"{0.02 * last:.2e}"


def test_weight_decay_is_logged_in_a_group_of_its_own(workplace):
    def build(parts):
        return torch.optim.AdamW(nn.ModuleList(parts).parameters(), lr=0.1, weight_decay=0.3)

    logged(LRMonitor(log_weight_decay=True), module=Net(build))
    assert set(scalars(RUN, "weight_decay/AdamW").values()) == set(as_stored([0.3]))
    assert {tag for tag in tags(RUN) if "AdamW" in tag} == {"lr/AdamW", "momentum/AdamW", "weight_decay/AdamW"}
