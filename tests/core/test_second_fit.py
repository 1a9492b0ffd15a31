"""State starts afresh with each fit, unless the fit goes on: then all of it goes on."""

from __future__ import annotations

import pytest
from support import Net, Recorder, fit, loader, sgd, trainer
from timeline_fits import ByHand
from torch.optim import lr_scheduler

from lr_callbacks import (
    SGDR,
    CosineAnnealing,
    CyclicalLR,
    LinearDecay,
    MultiplicativeFactor,
    OneCycle,
    ReduceLROnPlateau,
    SnapshotCheckpoint,
    StepDecay,
    TorchScheduler,
    Warmup,
)


def shrink(t: int) -> float:
    return 0.9


MAKE = {
    "warm-up and linear": lambda: [Warmup(3), LinearDecay()],
    "one-cycle of known length": lambda: [OneCycle(total_steps=20)],
    "cosine by epoch": lambda: [CosineAnnealing(interval="epoch")],
    "steps": lambda: [StepDecay("1 epoch", gamma=0.5)],
    "cycles": lambda: [CyclicalLR(0.01, 0.1, step_size_up=4)],
    "product": lambda: [MultiplicativeFactor(shrink)],
    "plateau": lambda: [ReduceLROnPlateau("scripted", patience=0, factor=0.5)],
    "plateau of torch's": lambda: [
        TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="scripted", patience=0, factor=0.5)
    ],
    "StepLR": lambda: [TorchScheduler(lr_scheduler.StepLR, step_size=4, gamma=0.5)],
    "StepLR by epoch": lambda: [TorchScheduler(lr_scheduler.StepLR, interval="epoch", step_size=1, gamma=0.5)],
}


def net() -> Net:
    return Net(sgd((0.1,)), metrics=[3.0] * 9)


@pytest.mark.parametrize("name", MAKE)
def test_the_same_callbacks_in_the_trainers_of_three_folds_do_the_same_three_times(name):
    callbacks = MAKE[name]()
    folds = [fit(*callbacks, module=net(), batches=5, val=True, max_epochs=3).of_group() for _ in range(3)]
    assert folds[0] == folds[1] == folds[2]
    assert len(set(folds[0])) > 1


@pytest.mark.parametrize("name", MAKE)
def test_a_second_fit_that_goes_on_goes_on_with_all_state_whatever_was_in_between(name, capsys):
    whole = fit(*MAKE[name](), module=net(), batches=5, val=True, max_epochs=4).of_group()
    recorder, module = Recorder(), net()
    run = trainer(*MAKE[name](), recorder, max_epochs=2)
    run.fit(module, loader(5), loader(2))
    run.validate(module, loader(2))
    run.fit_loop.max_epochs = 4
    changes = any(word in name for word in ("linear", "cosine"))
    if changes:  # their length is the rest of the run, which is another one now
        with pytest.warns(UserWarning, match="a different schedule than the previous fit's"):
            run.fit(module, loader(5), loader(2))
    else:
        run.fit(module, loader(5), loader(2))
    assert recorder.of_group() == whole[10:]


def test_each_of_two_optimizers_goes_on_with_its_own_count():
    recorder, module = Recorder(), ByHand((1, 1), (1, 2))
    run = trainer(Warmup(8, start_factor=0.0), recorder, max_epochs=1)
    run.fit(module, loader(10))
    assert recorder.of_group(0, 1) == pytest.approx([0.1 * t / 8 for t in range(5)])
    run.fit_loop.max_epochs = 2
    run.fit(module, loader(10))
    assert recorder.of_group(0, 0) == [0.1] * 10
    assert recorder.of_group(0, 1) == pytest.approx([0.1 * min(t, 8) / 8 for t in range(5, 10)])


class Fails(Net):
    """Raises in the step of a count."""

    fails_at = -1

    def training_step(self, batch: object, batch_idx: int) -> object:
        if self.trainer.global_step == self.fails_at:
            raise RuntimeError("no luck")
        return super().training_step(batch, batch_idx)


def test_after_an_exception_the_same_trainer_goes_on_from_the_lr_where_it_was():
    module, recorder = Fails(sgd((0.1,))), Recorder()
    run = trainer(LinearDecay(), recorder, max_epochs=4)
    module.fails_at = 7
    with pytest.raises(RuntimeError, match="no luck"):
        run.fit(module, loader(5))
    assert recorder.of_group()[:7] == pytest.approx([0.1 * (1 - t / 20) for t in range(7)])
    module.fails_at = -1
    run.fit(module, loader(5))
    lrs = recorder.of_group()
    # Lightning begins the second epoch again: five steps from 7 / 20 to its end, then two epochs as planned
    expected = [7 + 3 * t / 5 for t in range(5)] + list(range(10, 20))
    assert lrs == pytest.approx([0.1 * (1 - t / 20) for t in expected])


def test_nothing_left_to_train_changes_nothing():
    module, recorder = net(), Recorder()
    run = trainer(LinearDecay(), recorder, max_epochs=2)
    for _ in range(3):
        run.fit(module, loader(5))
    run.fit_loop.max_epochs = 3
    with pytest.warns(UserWarning, match="a different schedule than the previous fit's"):
        run.fit(module, loader(5))
    assert recorder.of_group() == pytest.approx([0.1 * (1 - t / 15) for t in range(10, 15)])


@pytest.mark.filterwarnings("ignore:.*Checkpoint directory.*")
def test_one_snapshot_checkpoint_in_k_folds_writes_the_files_of_each(tmp_path):
    snapshots, seen = SnapshotCheckpoint(filename="s-{step}"), []
    for fold in range(3):
        options = {"default_root_dir": tmp_path / str(fold), "enable_checkpointing": True, "max_epochs": 2}
        fit(SGDR(10), snapshots, module=net(), batches=10, **options)
        seen.append(snapshots.paths)
        for path in snapshots.paths:
            assert str(tmp_path / str(fold)) in str(path)
    assert [len(paths) for paths in seen] == [2, 2, 2]
    assert len({path for paths in seen for path in paths}) == 6
