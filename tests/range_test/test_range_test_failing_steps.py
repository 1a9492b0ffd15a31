"""Steps without a loss, steps that raise, loaders of one batch, and a range that is not to be left."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import BatchSizeFinder
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, Recorder, loader, sgd, trainer
from torch import nn
from torch.utils.data import DataLoader
from trace_support import Busy, plain, samples, seed_all, shuffled

from lr_callbacks import LRRangeTest, OneCycle, RangeTestResult, lr_range_test

SEEN: list[float] = []
"""LRs of steps; here, not in a closure, because the test puts closures back."""


@pytest.fixture(autouse=True)
def _seeded():
    seed_all()


def find(module, data=None, test=None, **options) -> RangeTestResult:
    return lr_range_test(
        trainer(**{"max_epochs": 1, **options}), module, train_dataloaders=data or loader(40, 8), test=test
    )


# ---------------------------------------------------------------------- no loss for some batches
class SkipsSome(Net):
    def training_step(self, batch, batch_idx):
        return None if batch_idx % 5 == 3 else super().training_step(batch, batch_idx)


class SkipsTheFirst(Net):
    def training_step(self, batch, batch_idx):
        return None if batch_idx < 6 else super().training_step(batch, batch_idx)


@pytest.mark.filterwarnings("ignore:.training_step. returned .None.:UserWarning")
@pytest.mark.parametrize("kind", [SkipsSome, SkipsTheFirst])
@pytest.mark.parametrize("judge", ["probe", "training"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_batches_without_a_loss_are_passed_over(kind, judge, accumulate):
    test = LRRangeTest(1e-5, num_steps=60, judge=judge)
    result = find(kind(), test=test, accumulate_grad_batches=accumulate)
    assert result.suggestion is not None
    assert all(loss == loss for loss in result.losses[:30])
    assert all(loss == loss for loss in result.training_losses[:30])


@pytest.mark.filterwarnings("ignore:.training_step. returned .None.:UserWarning")
@pytest.mark.parametrize("judge", ["probe", "training"])
def test_a_module_none_of_whose_batches_has_a_loss_is_an_error(judge):
    class SkipsAll(Net):
        def training_step(self, batch, batch_idx):
            return None

    with pytest.raises(MisconfigurationException, match=r"training_step returned no loss.*nothing to judge"):
        find(SkipsAll(), test=LRRangeTest(judge=judge))


def largest_weight(module):
    return max(float(weight.detach().abs().max()) for weight in module.parameters())


@pytest.mark.filterwarnings("ignore:.training_step. returned .None.:UserWarning")
def test_a_module_that_returns_none_where_its_weights_explode_ends_the_curve_there():
    class LooksForItself(Net):
        def training_step(self, batch, batch_idx):
            return None if largest_weight(self) > 50 else super().training_step(batch, batch_idx)

    result = find(LooksForItself(), test=LRRangeTest(1e-4, 1e4, 60))
    assert result.suggestion is not None
    assert result.losses[-1] != result.losses[-1]
    assert result.lrs[-1] < 1e4


# ---------------------------------------------------------------------- steps that raise
class Cholesky(Net):
    """Raises where its weights are out of bounds, as linear algebra and checks of a module's own do."""

    def training_step(self, batch, batch_idx):
        if largest_weight(self) > 50:
            raise ValueError("the matrix is not positive definite")
        return super().training_step(batch, batch_idx)


@pytest.mark.parametrize("judge", ["probe", "training"])
def test_a_step_that_raises_at_a_high_lr_ends_the_sweep_and_is_named(judge):
    module = Cholesky()
    before = plain(dict(module.state_dict()))
    result = find(module, test=LRRangeTest(1e-5, 1e3, 60, judge=judge))
    if judge == "probe":
        assert result.suggestion < result.lrs[-1]
    assert result.losses[-1] != result.losses[-1]
    assert "a step raised ValueError: the matrix is not positive definite" in str(result)
    assert plain(dict(module.state_dict())) == before


@pytest.mark.parametrize("at", [1, 12, 30, 45])
def test_what_raises_at_the_lowest_lr_as_well_is_the_modules_own_error(at):
    class Broken(Busy):
        def training_step(self, batch, batch_idx):
            if self.steps_seen == 2 * at:
                raise ValueError("sample 17 is corrupt")
            return super().training_step(batch, batch_idx)

    module = Broken()
    before = plain(module)
    with pytest.raises(ValueError, match="sample 17 is corrupt"):
        find(module, shuffled(), LRRangeTest(num_steps=50, probe_samples=4))
    assert plain(module) == before


def test_what_no_lr_can_cause_is_raised_at_once():
    class Unplugged(Cholesky):
        def training_step(self, batch, batch_idx):
            try:
                return super().training_step(batch, batch_idx)
            except ValueError:
                raise OSError("the disk is gone") from None

    with pytest.raises(OSError, match="the disk is gone"):
        find(Unplugged(), test=LRRangeTest(1e-5, 1e3, 60))


# ---------------------------------------------------------------------- full batches
def test_a_loader_of_one_batch_gets_an_answer_and_a_caveat():
    recorder, test = Recorder(), LRRangeTest()
    trainer(test, OneCycle(), recorder, max_epochs=30).fit(Net(), loader(1, 64))
    assert test.result.suggestion is not None
    assert any("one batch" in note for note in test.result.notes)
    assert max(recorder.of_group(0)) == pytest.approx(test.result.suggestion, rel=1e-3)


# ---------------------------------------------------------------------- a hard range
@pytest.mark.parametrize(("low", "high"), [(1e-6, 1e-2), (1e-12, 1e-11)])
def test_a_hard_range_is_never_left(low, high):
    SEEN.clear()

    class Noting(Net):
        def configure_optimizers(self):
            optimizer = super().configure_optimizers()
            optimizer.register_step_post_hook(lambda opt, *_: SEEN.append(opt.param_groups[0]["lr"]))
            return optimizer

    result = find(Noting(sgd((0.1,))), test=LRRangeTest(low, high, 20, widen=False))
    assert min(SEEN) >= low
    assert max(SEEN) <= high
    assert not any("widened" in note for note in result.notes)
    if result.suggestion is None:
        assert f"Set max_lr above {high:.1e}" in result.verdict


# ---------------------------------------------------------------------- which fit is resumed
class Batched(Net):
    batch_size = 2

    def train_dataloader(self):
        return DataLoader(samples(), batch_size=self.batch_size)

    def val_dataloader(self):
        return DataLoader(samples(), batch_size=self.batch_size)

    def training_step(self, batch, batch_idx):
        return nn.functional.mse_loss(self(batch[0]), batch[1].float().unsqueeze(1))

    def validation_step(self, batch, batch_idx):
        pass


def test_after_a_batch_size_finder_the_test_runs_with_the_batch_size_found(tmp_path):
    finder = BatchSizeFinder(mode="power", steps_per_trial=2, init_val=2, max_trials=2)
    test, module = LRRangeTest(1e-5, num_steps=30), Batched(sgd((0.1,)))
    trainer(finder, test, max_epochs=1, enable_checkpointing=True, default_root_dir=str(tmp_path)).fit(module)
    assert module.batch_size > 2
    assert test.result is not None
    assert any(f"({-(-44 // module.batch_size)} batch" in note for note in test.result.notes)


def test_a_fit_from_a_checkpoint_of_its_very_beginning_is_tested(tmp_path):
    class Saves(Callback):
        def on_train_start(self, trainer, pl_module):
            trainer.save_checkpoint(tmp_path / "start.ckpt")

    trainer(LRRangeTest(1e-5, num_steps=12), Saves(), max_epochs=1).fit(Net(), loader(20, 8))
    test = LRRangeTest(1e-5, num_steps=14)
    trainer(test, max_epochs=1).fit(Net(), loader(20, 8), ckpt_path=tmp_path / "start.ckpt")
    assert len(test.result.lrs) == 14


def test_the_fit_after_a_step_that_raised_is_the_fit_without_the_test():
    def train(*callbacks):
        seed_all()
        module = Cholesky(sgd((0.01,)))
        run = trainer(*callbacks, max_epochs=1)
        run.fit(module, loader(40, 8))
        return plain(dict(module.state_dict())), plain(torch.get_rng_state())

    test = LRRangeTest(1e-5, 1e3, 60, apply=False)
    assert train(test) == train()
    assert "raised ValueError" in str(test.result)
