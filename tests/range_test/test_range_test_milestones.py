"""The range test in the middle of a fit: at milestones, for phases of a fine-tuning."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import BaseFinetuning, ModelCheckpoint
from support import Net, adam, loader, sgd, trainer

from lr_callbacks import SGDR, CosineAnnealing, LRRangeTest, OneCycle, ReduceLROnPlateau, StepDecay

BATCHES = 8


class Watches(Callback):
    """LRs of each training step of the fit itself; a test calls no callbacks."""

    def __init__(self):
        self.lrs = []

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        self.lrs.append([group["lr"] for group in optimizer.param_groups])


def fit(*callbacks, optimizer=None, epochs=6, ckpt_path=None, module=None, **options):
    torch.manual_seed(0)
    module = module or Net(optimizer or sgd((0.05, 0.1)))
    run = trainer(*callbacks, watch := Watches(), max_epochs=epochs, **options)
    run.fit(module, loader(BATCHES), loader(2), ckpt_path=ckpt_path)
    weights = [parameter.detach().clone() for parameter in module.parameters()]
    return weights, watch.lrs, run


SCHEDULES = {
    "none": list,
    "one-cycle": lambda: [OneCycle()],
    "restarts": lambda: [SGDR("2 epochs")],
    "plateau": lambda: [ReduceLROnPlateau(monitor="val_loss", patience=0)],
    "a step each epoch": lambda: [StepDecay("1 epoch")],
}


@pytest.mark.parametrize("judge", ["probe", "validation"])
@pytest.mark.parametrize("schedules", SCHEDULES)
def test_a_fit_with_tests_in_its_middle_is_the_fit_without_them(schedules, judge):
    expected, lrs, run = fit(*SCHEDULES[schedules]())
    test = LRRangeTest(1e-5, 1.0, 20, milestones=[2, 4], apply=False, judge=judge)
    weights, seen, tested = fit(test, *SCHEDULES[schedules]())
    assert len(test.result.lrs) == 20
    assert seen == lrs
    assert tested.global_step == run.global_step == 6 * BATCHES
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(weights, expected, strict=True))


def test_trials_in_the_middle_leave_no_trace_either():
    expected, lrs, _ = fit(CosineAnnealing(), optimizer=adam((0.01,)))
    test = LRRangeTest(1e-5, 1.0, 20, milestones=[3], apply=False, trials=3)
    weights, seen, _ = fit(test, CosineAnnealing(), optimizer=adam((0.01,)))
    assert test.result.trials
    assert seen == lrs
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(weights, expected, strict=True))


def test_it_judges_the_weights_of_that_epoch():
    fit(at_start := LRRangeTest(1e-5, 1.0, 20, apply=False), optimizer=adam((0.02, 0.02)))
    fit(later := LRRangeTest(1e-5, 1.0, 20, milestones=[5], apply=False), optimizer=adam((0.02, 0.02)))
    assert later.result.losses[0] < 0.9 * at_start.result.losses[0]


@pytest.mark.parametrize("schedule", [OneCycle, CosineAnnealing])
def test_the_suggestion_becomes_the_base_lr_with_which_the_schedule_continues(schedule):
    _, before, _ = fit(schedule())
    _, after, _ = fit(test := LRRangeTest(1e-5, 1.0, 20, milestones=[3]), schedule())
    assert after[: 3 * BATCHES] == before[: 3 * BATCHES]
    ratio = test.result.suggestion / 0.1
    assert ratio != pytest.approx(1.0, rel=0.1)
    for mine, theirs in zip(after[3 * BATCHES :], before[3 * BATCHES :], strict=True):
        assert mine == pytest.approx([lr * ratio for lr in theirs], rel=1e-9)


def test_without_a_schedule_the_lrs_are_those_found_from_the_milestone_on():
    _, lrs, _ = fit(test := LRRangeTest(1e-5, 1.0, 20, milestones=[0, 3]))
    assert all(one == pytest.approx(other / 2) for one, other in lrs)
    assert len({other for _, other in lrs[: 3 * BATCHES]}) == 1
    assert {other for _, other in lrs[3 * BATCHES :]} == {test.result.suggestion}
    assert lrs[0][1] not in (0.1, test.result.suggestion)


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`:UserWarning")
def test_a_resume_after_the_milestone_has_the_lrs_of_the_whole_run(tmp_path):
    def test():
        return LRRangeTest(1e-5, 1.0, 20, milestones=[2])

    saver = ModelCheckpoint(tmp_path, "{epoch}", every_n_epochs=1, save_top_k=-1)
    weights, lrs, _ = fit(test(), CosineAnnealing(), saver, enable_checkpointing=True)
    for epoch in (1, 3):  # before the test and after it
        resumed, rest, _ = fit(test(), CosineAnnealing(), ckpt_path=tmp_path / f"epoch={epoch}.ckpt")
        assert rest == lrs[(epoch + 1) * BATCHES :]
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(resumed, weights, strict=True))


class Unfreezes(BaseFinetuning):
    """Trains the head first, then the body as well."""

    def freeze_before_training(self, pl_module):
        self.freeze(pl_module.body)

    def finetune_function(self, pl_module, epoch, optimizer):
        if epoch == 2:
            self.unfreeze_and_add_param_group(pl_module.body, optimizer, lr=1e-4)


class Head(Net):
    def configure_optimizers(self):
        return torch.optim.SGD(filter(lambda parameter: parameter.requires_grad, self.parameters()), lr=0.05)


@pytest.mark.parametrize("schedules", [list, lambda: [CosineAnnealing()]], ids=["constant", "cosine"])
def test_a_group_that_was_just_unfrozen_gets_its_own_lr(schedules):
    test = LRRangeTest(1e-5, 1.0, 20, groups=1, milestones=[2])
    _, lrs, _ = fit(Unfreezes(), test, *schedules(), module=Head())
    _, expected, _ = fit(Unfreezes(), *schedules(), module=Head())
    assert [each[0] for each in lrs] == [each[0] for each in expected]
    ratio = lrs[2 * BATCHES][1] / expected[2 * BATCHES][1]
    assert ratio != pytest.approx(1.0, rel=0.1)
    if schedules is list:
        assert {each[1] for each in lrs[2 * BATCHES :]} == {test.result.suggestion}
