"""A run that is stopped and resumed has the same remaining LRs, bit for bit, as the one that was never stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import BackboneFinetuning, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, adam, fit, sgd
from test_composition import Backboned, Gan, half
from torch.optim import lr_scheduler

from lr_callbacks import SGDR, OneCycle, ReduceLROnPlateau, Warmup
from lr_callbacks.schedules import one_cycle_factor, sgdr_factor

pytestmark = pytest.mark.oldest

METRICS = [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]


def plateau(**kwargs: Any) -> ReduceLROnPlateau:
    return ReduceLROnPlateau("scripted", patience=1, factor=0.5, **kwargs)


COMBINATIONS: dict[str, Callable[[], list[Callback]]] = {
    "warmup": lambda: [Warmup("20%")],
    "one_cycle": lambda: [OneCycle()],
    "one_cycle_max_lr": lambda: [OneCycle(max_lr=0.7, three_phase=True, anneal_strategy="linear")],
    "sgdr": lambda: [SGDR(4, T_mult=1.5, eta_min=0.001, cycle_decay=0.8, cycle_warmup=1)],
    "plateau": lambda: [plateau()],
    "plateau_every_3_steps": lambda: [ReduceLROnPlateau("step_metric", patience=0, factor=0.9, every_n_steps=3)],
    "plateau_train": lambda: [ReduceLROnPlateau("epoch_metric", patience=0, factor=0.9)],
    "all": lambda: [
        Warmup(3),
        SGDR(12),
        plateau(),
        ReduceLROnPlateau("scripted", name="b", patience=0, factor=0.7, cooldown=2),
    ],
}


class Scripted(Net):
    """Logs metrics that are functions of the steps taken, so that a resumed run sees the same ones."""

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.log("step_metric", torch.tensor(float(self.trainer.global_step % 5)))
        return super().training_step(batch, batch_idx)

    def on_train_epoch_end(self) -> None:
        self.log("epoch_metric", torch.tensor(METRICS[self.trainer.global_step // 5 - 1]))

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("scripted", torch.tensor(METRICS[max(self.trainer.global_step // 5 - 1, 0)]))


class EpochCheckpoint(ModelCheckpoint):
    """Told apart from the others by its state_key."""


class ValidationCheckpoint(ModelCheckpoint):
    """Told apart from the others by its state_key."""


class SaveAt(Callback):
    """Saves a checkpoint each time that one of its hooks is called."""

    def __init__(self, folder: Path, hook: str) -> None:
        self.folder, self.hook, self.saved = folder, hook, []
        setattr(self, hook, self.save)

    def save(self, trainer: Any, *args: Any, **kwargs: Any) -> None:
        if not trainer.sanity_checking:
            path = str(self.folder / f"{self.hook}-{len(self.saved)}.ckpt")
            trainer.save_checkpoint(path)
            self.saved.append(path)


def count_in(path: str) -> int:
    """Our count, which must be Lightning's where there is one optimizer and no step is skipped."""
    state = torch.load(path, weights_only=True)
    count = state["optimizer_states"][0]["param_groups"][0]["lr_callbacks_step"]
    assert count == state["global_step"]
    return count


def run(callbacks: list[Callback], **kwargs: Any) -> Any:
    module = Scripted(sgd((0.1, 0.03)))
    settings = {"val": True, "batches": 5, "max_epochs": 4, "log_every_n_steps": 1, **kwargs}
    return fit(*callbacks, module=module, **settings)


def assert_resumes_exactly(saved: list[str], full: Any, make: Callable[[], list[Callback]], **kwargs: Any) -> int:
    compared = 0
    for path in saved:
        count = count_in(path)
        resumed = run(make(), ckpt_path=path, **kwargs).lrs.get(0, [])
        remaining = full.lrs[0][count:]
        assert resumed[: len(remaining)] == remaining[: len(resumed)], f"after {Path(path).name}"
        compared += min(len(resumed), len(remaining))
    return compared


@pytest.mark.needs(lightning="2.5")
@pytest.mark.parametrize("name", COMBINATIONS)
def test_from_a_model_checkpoint_of_every_step_validation_and_epoch(name, tmp_path):
    make = COMBINATIONS[name]
    steps = ModelCheckpoint(tmp_path / "steps", filename="{step}", every_n_train_steps=1, save_top_k=-1)
    epochs = EpochCheckpoint(
        tmp_path / "epochs", filename="{epoch}", every_n_epochs=1, save_top_k=-1, save_on_train_epoch_end=True
    )
    validations = ValidationCheckpoint(
        tmp_path / "validations", filename="{epoch}", every_n_epochs=1, save_top_k=-1, save_on_train_epoch_end=False
    )
    full = run([*make(), steps, epochs, validations], enable_checkpointing=True)
    assert len(full.lrs[0]) == 20
    assert min(full.of_group()) < max(full.of_group())
    saved = [str(p) for p in sorted(tmp_path.rglob("*.ckpt"))]
    assert len(saved) == 28
    if name == "plateau_train":  # Lightning does not end an epoch whose last batch was the last thing before the save
        saved = [p for p in saved if "steps" not in p or count_in(p) % 5]
    assert assert_resumes_exactly(saved, full, make) >= (220 if name == "plateau_train" else 250)


def test_in_the_epoch_that_continues_the_lrs_are_those_of_the_whole_run(tmp_path):
    """Lightning before 2.5 begins it once more, and takes one batch again: the LRs go by the count all the same."""
    save = SaveAt(tmp_path, "on_train_batch_end")
    full = run([Warmup(3), OneCycle(), save])
    for path in (save.saved[1], save.saved[7], save.saved[12]):
        count = count_in(path)
        left = -count % 5
        assert left > 0
        assert run([Warmup(3), OneCycle()], ckpt_path=path).lrs[0][:left] == full.lrs[0][count : count + left]


HOOKS = [
    "on_train_epoch_start",
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_optimizer_step",
    "on_train_batch_end",
    "on_validation_start",
    "on_validation_batch_start",
    "on_validation_batch_end",
    "on_validation_epoch_end",
    "on_validation_end",
    "on_train_epoch_end",
    "on_train_end",
]


@pytest.mark.needs(lightning="2.5")
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("first", [True, False], ids=["before ours", "after ours"])
def test_from_a_checkpoint_taken_at_any_hook_on_either_side_of_ours(hook, first, tmp_path):
    make = COMBINATIONS["all"]
    save = SaveAt(tmp_path, hook)
    full = run([save, *make()] if first else [*make(), save], max_epochs=4)
    assert full.of_group()[15] < 0.5 * full.of_group()[3]  # a reduction is in force before the end
    assert save.saved
    compared = assert_resumes_exactly(save.saved, full, make, max_epochs=4)
    assert compared >= (0 if hook in ("on_train_end", "on_train_epoch_start") else 20)


def test_a_checkpoint_loads_with_weights_only_and_carries_the_count_in_the_optimizer(tmp_path):
    save = SaveAt(tmp_path, "on_train_end")
    run([*COMBINATIONS["all"](), save])
    state = torch.load(save.saved[0], weights_only=True)
    first, second = state["optimizer_states"][0]["param_groups"]
    assert first["lr_callbacks_step"] == 20
    assert "lr_callbacks_step" not in second
    assert [first["initial_lr"], second["initial_lr"]] == [0.1, 0.03]


@pytest.fixture
def saved(tmp_path: Path) -> tuple[str, Any]:
    """A checkpoint after 10 of 20 steps of warm-up and SGDR, and the LRs of the run that was not stopped."""
    steps = SaveAt(tmp_path, "on_train_batch_end")
    full = run([Warmup(3), SGDR(7), steps])
    return steps.saved[9], full


@pytest.mark.needs(lightning="2.5")
def test_callbacks_may_be_reordered_between_save_and_resume(saved):
    path, full = saved
    assert run([SGDR(7), Warmup(3)], ckpt_path=path).lrs[0] == full.lrs[0][10:]


@pytest.mark.needs(lightning="2.5")
def test_a_callback_added_on_resume_multiplies_the_old_trace(saved):
    path, full = saved
    with pytest.warns(UserWarning, match="a different schedule than the checkpoint"):
        resumed = run([Warmup(3), SGDR(7), Half()], ckpt_path=path)
    expected = [[lr * 0.5 for lr in lrs] for lrs in full.lrs[0][10:]]
    for ours, theirs in zip(resumed.lrs[0], expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)


class Half(Warmup):
    """Half of the LR, for ever."""

    is_warmup = False

    def __init__(self) -> None:
        super().__init__(10**6, shape="constant", start_factor=0.5)


@pytest.mark.needs(lightning="2.5")
@pytest.mark.parametrize(
    ("callbacks", "then", "now"),
    [
        ([Warmup(3), SGDR(8)], r"SGDR\(T_0=7\) from 3", r"SGDR\(T_0=8\) from 3"),
        ([Warmup("30%"), SGDR(7)], r"Warmup\(duration=3\) 0-3", r"Warmup\(duration='30%'\) 0-6"),
        ([SGDR(7)], r"Warmup\(duration=3\) 0-3[^;]*; SGDR\(T_0=7\) from 3", "from 0"),
    ],
)
def test_todays_plan_wins_over_the_checkpoints_and_one_warning_gives_both(saved, callbacks, then, now):
    path, _ = saved
    match = rf"at step 10 with a different schedule .*\n  checkpoint: .*({then}).*; LR .*\n  now:  .*{now}.*; LR .*\n"
    with pytest.warns(UserWarning, match=match) as told:
        resumed = run(callbacks, ckpt_path=path)
    assert sum("different schedule" in str(each.message) for each in told) == 1
    fresh = run(callbacks)
    assert resumed.lrs[0] == fresh.lrs[0][10:]


def test_another_horizon_wins_on_resume(tmp_path):
    save = SaveAt(tmp_path, "on_train_epoch_end")
    run([OneCycle(), save])
    with pytest.warns(UserWarning, match=r"OneCycle\(\) 0-20.*\n.*OneCycle\(\) 0-30"):
        resumed = run([OneCycle()], ckpt_path=save.saved[1], max_epochs=6)
    assert resumed.of_group() == pytest.approx([0.1 * one_cycle_factor(t, total_steps=30) for t in range(10, 30)])


@pytest.mark.needs(lightning="2.5")
def test_another_configured_lr_wins_on_resume_and_the_warning_gives_both(saved):
    path, full = saved
    with pytest.warns(UserWarning, match=r"LR of group 0 of .* is 0.2; it was 0.1 in the checkpoint. Using 0.2"):
        resumed = fit(Warmup(3), SGDR(7), module=Scripted(sgd((0.2, 0.03))), batches=5, max_epochs=4, ckpt_path=path)
    assert resumed.of_group(0) == pytest.approx([2 * lr for lr in full.of_group(0)[10:]])
    assert resumed.of_group(1) == full.of_group(1)[10:]


def test_an_lr_that_was_changed_on_resume_is_the_configured_one_from_then_on_and_told_once(tmp_path):
    def again(path: str, *more: Callback) -> Any:
        module = Scripted(sgd((0.2, 0.03)))
        return fit(SGDR(7), *more, module=module, batches=5, max_epochs=4, ckpt_path=path)

    first, second = (SaveAt(tmp_path / name, "on_train_epoch_end") for name in ("first", "second"))
    run([SGDR(7), first])
    with pytest.warns(UserWarning, match="it was 0.1 in the checkpoint"):
        once = again(first.saved[0], second)
    assert len(once.lrs[0]) == 15
    assert again(second.saved[0]).lrs[0] == once.lrs[0][5:]


def test_a_group_that_nobody_drives_keeps_the_lr_of_its_checkpoint_without_a_word(tmp_path):
    save = SaveAt(tmp_path, "on_train_epoch_end")
    full = run([SGDR(7, groups=0), save])
    module = Scripted(sgd((0.1, 0.06)))
    resumed = fit(SGDR(7, groups=0), module=module, batches=5, max_epochs=4, ckpt_path=save.saved[1])
    assert resumed.lrs[0] == full.lrs[0][10:]


class WithNativeScheduler(Net):
    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=20)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


@pytest.mark.parametrize("module", [Net, WithNativeScheduler])
def test_a_checkpoint_of_a_run_without_us_goes_on_from_its_global_step_and_says_so(module, tmp_path, caplog):
    save = SaveAt(tmp_path, "on_train_epoch_end")
    fit(save, module=module(sgd((0.1,))), batches=5, max_epochs=2)
    with caplog.at_level(logging.INFO, logger="lightning.pytorch.utilities.rank_zero"):
        resumed = fit(SGDR(7), module=Net(sgd((0.1,))), batches=5, max_epochs=4, ckpt_path=save.saved[1])
    assert resumed.of_group() == pytest.approx([0.1 * sgdr_factor(t, T_0=7) for t in range(10, 20)], rel=1e-12)
    assert "saved without lr_callbacks. Schedules of optimizer 0 (SGD) continue at step 10" in caplog.text


@pytest.mark.needs(lightning="2.5", torch="2.4")
def test_the_momentum_that_is_given_back_is_the_configured_one_and_not_that_of_another_ones_cycle(tmp_path):
    save, module = SaveAt(tmp_path, "on_train_batch_end"), Net(sgd((0.1,)))
    fit(save, module=WithNativeScheduler(sgd((0.1,))), batches=5, max_epochs=4)
    restored = torch.load(save.saved[9], weights_only=True)["optimizer_states"][0]["param_groups"][0]["momentum"]
    resumed = fit(OneCycle(), module=module, batches=5, max_epochs=4, ckpt_path=save.saved[9])
    assert restored < 0.9
    assert len(resumed.lrs[0]) == 10
    assert module.trainer.optimizers[0].param_groups[0]["momentum"] == 0.9


def test_two_optimizers_resume_on_their_own_clocks(tmp_path):
    def callbacks() -> list[Callback]:
        return [SGDR(6, optimizer=0), OneCycle(total_steps=12, optimizer=1)]

    save = SaveAt(tmp_path, "on_train_batch_end")
    full = fit(*callbacks(), save, module=Gan(), batches=10, max_epochs=2)
    for batch, path in enumerate(save.saved):
        resumed = fit(*callbacks(), module=Gan(), batches=10, max_epochs=2, ckpt_path=path)
        done = [batch + 1, batch // 10 * 5 + (batch % 10) // 2 + 1]
        for optimizer in (0, 1):
            remaining = full.of_group(optimizer=optimizer)[done[optimizer] :]
            ours = resumed.of_group(optimizer=optimizer) if resumed.lrs else []
            assert ours[: len(remaining)] == remaining[: len(ours)]
            assert batch > 8 or len(ours) >= 5


def test_a_checkpoint_without_counts_is_refused_with_two_optimizers(tmp_path):
    save = SaveAt(tmp_path, "on_train_epoch_end")
    fit(save, module=Gan(), batches=4)
    with pytest.raises(
        MisconfigurationException,
        match=r"optimizer 0 \(Adam\) has already stepped, but the number of its steps is unknown",
    ):
        fit(SGDR(6), module=Gan(), batches=4, max_epochs=2, ckpt_path=save.saved[0])


class ByHand(Net):
    automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(super().training_step(batch, batch_idx))
        optimizer.step()


def test_a_checkpoint_without_counts_is_refused_under_manual_optimization(tmp_path):
    save = SaveAt(tmp_path, "on_train_epoch_end")
    fit(save, module=ByHand(), batches=4)
    with pytest.raises(
        MisconfigurationException,
        match=r"optimizer 0 \(SGD\) has already stepped, but the number of its steps is unknown",
    ):
        fit(SGDR(6), module=ByHand(), batches=4, max_epochs=2, ckpt_path=save.saved[0])


@pytest.mark.parametrize("first", [True, False])
def test_a_run_with_groups_added_by_backbone_finetuning_resumes_exactly(first, tmp_path):
    def callbacks() -> list[Callback]:
        finetuning = BackboneFinetuning(1, lambda_func=half, backbone_initial_ratio_lr=0.1, should_align=False)
        ours = SGDR("100%", eta_min=0.001)
        return [ours, finetuning] if first else [finetuning, ours]

    save = SaveAt(tmp_path, "on_train_epoch_end")
    full = fit(*callbacks(), save, module=Backboned(), batches=5, max_epochs=4)
    for epoch in (1, 2):
        resumed = fit(*callbacks(), module=Backboned(), batches=5, max_epochs=4, ckpt_path=save.saved[epoch])
        assert resumed.lrs[0] == full.lrs[0][5 * (epoch + 1) :]


class WithANeck(Backboned):
    def __init__(self, lrs: tuple[float, float]) -> None:
        super().__init__()
        self.neck, self.lrs = torch.nn.Linear(4, 4), lrs

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return (self.head(self.neck(self.backbone(batch[0]))) - batch[1]).square().mean()

    def configure_optimizers(self) -> Any:
        parts = zip((self.head, self.neck), self.lrs, strict=True)
        return torch.optim.SGD([{"params": part.parameters(), "lr": lr} for part, lr in parts])


@pytest.mark.needs(lightning="2.5")
@pytest.mark.parametrize("lrs", [(0.2, 0.03), (0.1, 0.06)])
def test_a_group_added_before_a_resume_keeps_its_ratio_to_the_first_whichever_lr_is_changed(lrs, tmp_path):
    def callbacks() -> list[Callback]:
        return [SGDR(12, eta_min=0.001), BackboneFinetuning(1, lambda_func=half, should_align=False)]

    save = SaveAt(tmp_path, "on_train_batch_end")
    full = fit(*callbacks(), save, module=WithANeck((0.1, 0.03)), batches=5, max_epochs=2).lrs[0]
    with pytest.warns(UserWarning, match="it was .* in the checkpoint"):
        resumed = fit(*callbacks(), module=WithANeck(lrs), batches=5, max_epochs=2, ckpt_path=save.saved[6]).lrs[0]
    assert [len(groups) for groups in resumed] == [3] * 3
    for now, then in zip(resumed, full[7:], strict=True):
        assert now[2] / now[0] == pytest.approx(then[2] / then[0], rel=1e-9)
        assert now[0] > 1.5 * then[0] if lrs[0] == 0.2 else now[0] == then[0]


class TwiceTheLR(Backboned):
    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.head.parameters(), lr=0.2)


@pytest.mark.parametrize(
    ("module", "more", "ratio"), [(TwiceTheLR, [], 2.0), (Backboned, [Half()], 0.5)], ids=["the LR", "the plan"]
)
def test_what_is_changed_before_a_resume_is_not_taken_for_the_work_of_a_finetuning_callback(
    module, more, ratio, tmp_path
):
    def callbacks() -> list[Callback]:
        return [SGDR(20, cycle_warmup=2), BackboneFinetuning(9, lambda_func=half)]

    save = SaveAt(tmp_path, "on_train_epoch_end")
    full = fit(*callbacks(), save, module=Backboned(), batches=5, max_epochs=4)
    with pytest.warns(UserWarning, match="it was 0.1 in the checkpoint|a different schedule than the checkpoint"):
        resumed = fit(*callbacks(), *more, module=module(), batches=5, max_epochs=4, ckpt_path=save.saved[1])
    assert resumed.of_group() == pytest.approx([lr * ratio for lr in full.of_group()[10:]], rel=1e-12)


@pytest.mark.needs(lightning="2.5")
def test_momentum_is_exact_after_a_resume_and_given_back_where_nobody_cycles_it_any_more(tmp_path):
    save = SaveAt(tmp_path, "on_train_batch_end")
    full = run([OneCycle(), save])
    resumed = run([OneCycle()], ckpt_path=save.saved[6])
    assert resumed.momenta[0] == full.momenta[0][7:]
    with pytest.warns(UserWarning, match="a different schedule than the checkpoint"):
        resumed = run([Warmup(1)], ckpt_path=save.saved[6])
    assert all(momentum == [0.9, 0.9] for momentum in resumed.momenta[0])


def weights(module: Net) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


@pytest.mark.parametrize("name", [None, *COMBINATIONS])
def test_the_final_weights_after_an_epoch_end_resume_are_those_of_the_run_that_was_not_stopped(name, tmp_path):
    """None is the run without our callbacks: Lightning itself must resume exactly, or the rest proves nothing."""
    make = COMBINATIONS[name] if name else list
    save = SaveAt(tmp_path, "on_train_epoch_end")
    first, second = Scripted(adam((0.1, 0.03))), Scripted(adam((0.1, 0.03)))
    fit(*make(), save, module=first, batches=5, max_epochs=4, val=True)
    path = save.saved[1]
    if name in ("plateau_train",):
        return  # its evaluation comes after this hook; the LRs are compared above
    fit(*make(), module=second, batches=5, max_epochs=4, val=True, ckpt_path=path, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


class FailOnce(Callback):
    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == 10:
            raise RuntimeError("a full disk")


@pytest.mark.needs(lightning="2.5")
@pytest.mark.parametrize("hook", ["on_exception"])
def test_from_a_checkpoint_that_is_written_because_of_an_exception_just_before_a_validation(hook, tmp_path):
    make = COMBINATIONS["plateau"]
    full = run(make())
    save = SaveAt(tmp_path, hook)
    with pytest.raises(RuntimeError, match="a full disk"):
        run([*make(), FailOnce(), save])
    assert assert_resumes_exactly(save.saved, full, make) == 10


class FailsInAValidation(Scripted):
    """Notes the batches of its validations; in the middle of one it fails, if it is to."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__(sgd((0.1, 0.03)))
        self.fails, self.validated = fails, []

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        self.validated.append((self.trainer.global_step, batch_idx))
        if self.fails and self.validated[-1] == (10, 1):
            raise RuntimeError("a full disk")


@pytest.mark.needs(lightning="2.5")
def test_a_validation_that_failed_in_its_middle_is_run_from_its_beginning_and_judged_once(tmp_path):
    def make() -> list[Callback]:
        return [ReduceLROnPlateau("scripted", patience=0, factor=0.5)]

    full, save = run(make()), SaveAt(tmp_path, "on_exception")
    with pytest.raises(RuntimeError, match="a full disk"):
        fit(*make(), save, module=FailsInAValidation(fails=True), val=True, batches=5, max_epochs=4)
    plateau, module = make(), FailsInAValidation()
    again = fit(*plateau, module=module, val=True, batches=5, max_epochs=4, ckpt_path=save.saved[0])
    assert full.of_group() == [0.1] * 10 + [0.05] * 5 + [0.025] * 5
    assert again.lrs[0] == full.lrs[0][10:]
    assert module.validated[-6:] == [(10, 0), (10, 1), (15, 0), (15, 1), (20, 0), (20, 1)]
    assert plateau[0].state.num_evaluations == 4


def test_a_length_in_epochs_follows_epochs_of_another_length_after_a_resume_and_is_the_plan_that_it_was(tmp_path):
    save = SaveAt(tmp_path, "on_train_epoch_end")
    run([SGDR("1 epochs"), save])
    resumed = run([SGDR("1 epochs")], ckpt_path=save.saved[0], accumulate_grad_batches=2)
    epoch = [0.1 * sgdr_factor(t, T_0=3) for t in range(3)]
    assert resumed.of_group() == pytest.approx(epoch * 3, rel=1e-12)


def test_changed_lengths_are_told_even_where_the_arguments_are_the_same(tmp_path):
    save = SaveAt(tmp_path, "on_train_epoch_end")
    run([SGDR("25%"), save])
    with pytest.warns(UserWarning, match=r"T_0 5 steps.*\n.*T_0 10 steps"):
        run([SGDR("25%")], ckpt_path=save.saved[0], max_epochs=8)


@pytest.mark.needs(lightning="2.5")
def test_a_validation_that_is_due_is_known_as_such_in_a_run_that_was_resumed_twice_at_the_end_of_an_epoch(tmp_path):
    saves = [SaveAt(tmp_path / str(life), "on_train_batch_end") for life in range(3)]
    run([plateau(), saves[0]])
    for before, after in pairwise(saves):
        run([plateau(), after], ckpt_path=before.saved[4])
    due = [torch.load(save.saved[4], weights_only=True)["callbacks"][plateau().state_key] for save in saves]
    assert [state["validation_due"] for state in due] == [True, True, True]
    assert [state["num_evaluations"] for state in due] == [0, 1, 2]


@pytest.mark.needs(lightning="2.5")
@pytest.mark.parametrize("optimizer", [sgd((0.1,)), adam((0.1,))], ids=["momentum", "betas"])
def test_the_momentum_that_was_configured_is_given_back_after_a_resume_too(optimizer, tmp_path):
    saver = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=3, save_top_k=-1)
    full = fit(OneCycle(), saver, module=Net(optimizer), batches=5, max_epochs=2, enable_checkpointing=True)
    module = Net(optimizer)
    resumed = fit(OneCycle(), module=module, batches=5, max_epochs=2, ckpt_path=tmp_path / "step=3.ckpt")
    assert resumed.momenta[0] == full.momenta[0][3:]
    assert resumed.momenta[0][0] != [0.9]
    group = module.trainer.optimizers[0].param_groups[0]
    assert (group["betas"][0] if "betas" in group else group["momentum"]) == 0.9


def test_a_cooldown_goes_on_where_it_was(tmp_path):
    def make() -> list[Callback]:
        return [ReduceLROnPlateau("scripted", patience=0, factor=0.5, cooldown=2)]

    save = SaveAt(tmp_path, "on_train_epoch_end")
    full = run([*make(), save])
    assert full.of_group() == [0.1] * 10 + [0.05] * 10  # the third value is as bad as the second
    assert assert_resumes_exactly(save.saved, full, make) == 30
