"""The same script under both of Lightning's names: modules, callbacks, loggers and strategies of either package."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from lr_callbacks import (
    SGDR,
    CosineAnnealing,
    LRMonitor,
    LRRangeTest,
    OneCycle,
    ReduceLROnPlateau,
    ReplaceSchedulers,
    SnapshotCheckpoint,
    Warmup,
    lr_range_test,
    preview,
)
from lr_callbacks.core.lightning_names import IS_ALONE

pytestmark = [pytest.mark.oldest, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(params=["lightning.pytorch", "pytorch_lightning"])
def pl(request: pytest.FixtureRequest) -> ModuleType:
    package = importlib.import_module(request.param)
    is_old = tuple(map(int, package.__version__.split(".")[:2])) < (2, 6)
    if request.param == "pytorch_lightning" and is_old and not IS_ALONE:
        pytest.skip("before 2.6, a Trainer of pytorch_lightning takes no callbacks of lightning.pytorch")
    return package


class User:
    """What a user of one of the packages has: a module, data and a Trainer."""

    def __init__(self, pl: ModuleType, folder: Any) -> None:
        self.pl, self.folder, self.lrs = pl, folder, []
        user = self

        class Net(pl.LightningModule):
            scheduler: Any = None
            only_head = False

            def __init__(self) -> None:
                super().__init__()
                self.backbone, self.head = torch.nn.Linear(4, 4), torch.nn.Linear(4, 1)

            def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
                loss = (self.head(self.backbone(batch[0])) - batch[1]).square().mean()
                self.log("train_loss", loss)
                return loss

            def validation_step(self, batch: Any, batch_idx: int) -> None:
                self.log("val_loss", (self.head(self.backbone(batch[0])) - batch[1]).square().mean(), sync_dist=True)
                self.log("worse", torch.tensor(float(self.trainer.current_epoch)), sync_dist=True)

            def configure_optimizers(self) -> Any:
                optimizer = torch.optim.SGD((self.head if self.only_head else self).parameters(), lr=0.1, momentum=0.9)
                optimizer.register_step_pre_hook(lambda opt, *_: user.lrs.append(float(opt.param_groups[0]["lr"])))
                return ([optimizer], [self.scheduler(optimizer)]) if self.scheduler else optimizer

        class Data(pl.LightningDataModule):
            def train_dataloader(self) -> Any:
                generator = torch.Generator().manual_seed(0)
                x = torch.randn(40, 4, generator=generator)
                return DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=4)

            val_dataloader = train_dataloader

        pl.seed_everything(0)
        self.module, self.data = Net(), Data()

    def trainer(self, *callbacks: Any, **options: Any) -> Any:
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "log_every_n_steps": 1}
        defaults = {"accelerator": "cpu", "max_epochs": 2, "default_root_dir": self.folder, "logger": False, **quiet}
        return self.pl.Trainer(callbacks=list(callbacks), **{**defaults, **options})

    def fit(self, *callbacks: Any, ckpt_path: Any = None, **options: Any) -> Any:
        self.lrs.clear()
        trainer = self.trainer(*callbacks, **options)
        trainer.fit(self.module, self.data, ckpt_path=ckpt_path)
        return trainer


@pytest.fixture
def user(pl: ModuleType, tmp_path: Any) -> User:
    return User(pl, tmp_path)


def test_schedules_step_as_they_are_previewed(user):
    user.fit(Warmup(3), CosineAnnealing())
    assert user.lrs == preview([Warmup(3), CosineAnnealing()], 0.1, 20, 10)[:, 0].tolist()


def test_accumulation_that_a_callback_changes_is_counted(user):
    user.fit(CosineAnnealing(), user.pl.callbacks.GradientAccumulationScheduler({0: 1, 1: 2}))
    assert user.lrs == preview([CosineAnnealing()], 0.1, 15)[:, 0].tolist()


@pytest.mark.filterwarnings("ignore:.*callbacks used to create the checkpoint")
def test_a_resumed_run_goes_on_with_the_lrs_of_the_whole_one(user):
    user.fit(OneCycle(), enable_checkpointing=False)
    whole = list(user.lrs)
    keeps = user.pl.callbacks.ModelCheckpoint(user.folder / "kept", "{epoch}", every_n_epochs=1, save_top_k=-1)
    user.fit(OneCycle(), keeps)
    user.fit(OneCycle(), ckpt_path=user.folder / "kept/epoch=0.ckpt", enable_checkpointing=False)
    assert user.lrs == whole[10:]


def test_a_plateau_lowers_the_lr(user):
    user.fit(ReduceLROnPlateau("worse", patience=0, factor=0.5), max_epochs=4)
    assert user.lrs[0] == 0.1
    assert user.lrs[-1] == pytest.approx(0.1 * 0.5**2)


def test_snapshots_are_written_where_cycles_end(user):
    snapshots = SnapshotCheckpoint(str(user.folder / "snapshots"))
    user.fit(SGDR(5), snapshots)
    assert sorted(int(path.rpartition("=")[2].removesuffix(".ckpt")) for path in snapshots.paths) == [5, 10, 15, 20]
    kept = torch.load(snapshots.paths[-1], weights_only=True)["state_dict"]
    assert torch.equal(kept["head.weight"], user.module.head.weight)


def test_lrs_reach_a_logger_of_the_package(user):
    logger = user.pl.loggers.CSVLogger(user.folder)
    user.fit(OneCycle(), LRMonitor(), logger=logger)
    text = Path(logger.experiment.metrics_file_path).read_text(encoding="utf-8").splitlines()
    column = text[0].split(",").index("lr/SGD")
    logged = [float(cells[column]) for cells in (line.split(",") for line in text[1:]) if cells[column]]
    assert logged == pytest.approx(user.lrs, rel=1e-6)


def test_a_timer_sets_the_length_of_a_run(user):
    timer = user.pl.callbacks.Timer(duration={"minutes": 10})
    user.fit(CosineAnnealing(), timer, max_epochs=1)
    assert user.lrs[0] == pytest.approx(0.1, rel=1e-2)


def test_groups_that_finetuning_adds_later_are_driven(user):
    user.module.only_head = True
    finetuning = user.pl.callbacks.BackboneFinetuning(1, backbone_initial_lr=0.01, train_bn=False)
    trainer = user.fit(CosineAnnealing(), finetuning)
    assert len(trainer.optimizers[0].param_groups) == 2
    assert user.lrs == preview([CosineAnnealing()], 0.1, 20)[:, 0].tolist()


def test_weight_averaging_that_sets_lrs_is_refused(user):
    with pytest.raises(Exception, match="StochasticWeightAveraging") as caught:
        user.fit(CosineAnnealing(), user.pl.callbacks.StochasticWeightAveraging(swa_lrs=0.01))
    assert type(caught.value).__name__ == "MisconfigurationException"
    assert user.lrs == []


def test_a_scheduler_of_the_module_is_taken_out_where_that_is_asked_for(user):
    user.module.scheduler = lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1)
    with pytest.raises(Exception, match="StepLR"):
        user.fit(CosineAnnealing())
    user.fit(ReplaceSchedulers(), CosineAnnealing())
    assert user.lrs == preview([CosineAnnealing()], 0.1, 20)[:, 0].tolist()


@pytest.mark.parametrize("trials", [0, 3])
def test_a_range_test_finds_an_lr_and_leaves_no_trace(user, trials):
    before = [parameter.detach().clone() for parameter in user.module.parameters()]
    trainer = user.trainer(CosineAnnealing())
    result = lr_range_test(trainer, user.module, user.data, test=LRRangeTest(num_steps=30, trials=trials))
    assert result.suggestion is not None
    assert len(result.trials) >= trials
    assert all(torch.equal(one, other) for one, other in zip(before, user.module.parameters(), strict=True))
    assert [type(callback).__name__ for callback in trainer.callbacks if "Cosine" in type(callback).__name__]


def test_a_range_test_before_a_fit_sets_the_lr(user):
    test = LRRangeTest(num_steps=30)
    logger = user.pl.loggers.TensorBoardLogger(user.folder)
    accumulation = user.pl.callbacks.GradientAccumulationScheduler({0: 1})
    trainer = user.fit(test, OneCycle(), accumulation, logger=logger)
    assert max(user.lrs[-20:]) == pytest.approx(test.result.suggestion)
    assert trainer.loggers == [logger]
    assert trainer.global_step == 20


@pytest.mark.needs(lightning="2.5")
@pytest.mark.parametrize("bar", ["TQDMProgressBar", "RichProgressBar"])
def test_a_range_test_is_shown_in_the_bar_of_the_package(user, bar, capsys):
    if bar == "RichProgressBar" and user.pl.__version__.startswith("2.5."):
        pytest.skip("this bar of old Lightning fails by itself with Rich 15")
    shown = getattr(user.pl.callbacks, bar)()
    user.fit(LRRangeTest(num_steps=20), OneCycle(), shown, enable_progress_bar=True)
    assert bar == "RichProgressBar" or "LR range test" in capsys.readouterr().out


def test_the_range_test_takes_nothing_else_for_a_trainer(user):
    with pytest.raises(TypeError, match=r"trainer must be a Trainer of lightning\.pytorch or pytorch_lightning"):
        lr_range_test(user.module, user.module, user.data)


@pytest.mark.needs(lightning="2.6")
def test_a_sweep_trains_what_the_package_builds(user):
    pytest.importorskip("optuna")
    from lr_callbacks.sweep import grid_search

    def build(lr: float) -> Any:
        new = User(user.pl, user.folder)
        module, configure = new.module, type(new.module).configure_optimizers

        def configured() -> Any:
            optimizer = configure(module)
            optimizer.param_groups[0]["lr"] = lr
            return optimizer

        module.configure_optimizers = configured
        return new.trainer(enable_checkpointing=False, max_epochs=1), module, new.data

    result = grid_search(build, {"lr": [1e-5, 0.05]}, metric="val_loss", folder=user.folder / "sweep")
    assert result.best.point == {"lr": 0.05}


@pytest.mark.needs(lightning="2.6")
def test_a_sweep_refuses_the_packages_own_finder(user):
    pytest.importorskip("optuna")
    from lr_callbacks.sweep import run_trial

    def build(lr: float) -> Any:
        return user.trainer(user.pl.callbacks.LearningRateFinder()), user.module, user.data

    with pytest.raises(Exception, match="update_attr=False"):
        run_trial(build, {"lr": 0.1})


def test_ddp_of_the_package_steps_with_these_lrs(user):
    trainer = user.trainer(strategy=user.pl.strategies.DDPStrategy(process_group_backend="gloo"), devices=1)
    trainer.callbacks.insert(0, CosineAnnealing())
    trainer.callbacks.insert(0, LRRangeTest(num_steps=20, apply=False))
    try:
        trainer.fit(user.module, user.data)
    finally:
        torch.distributed.destroy_process_group()
    assert user.lrs[-20:] == preview([CosineAnnealing()], 0.1, 20)[:, 0].tolist()
