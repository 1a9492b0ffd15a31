"""FinalDecay: it falls from wherever the LR is, the others hold, and a resume goes on with the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, adam, fit, sgd
from test_feedback import ByHand, Logs
from torch.optim import lr_scheduler

import lr_callbacks as lc

STEPS = 20


class Begin(Callback):
    """Decides in mid-run, after a step."""

    def __init__(self, decay: lc.FinalDecay, after: int) -> None:
        self.decay, self.after, self.taken = decay, after, 0

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self.taken += 1
        if self.taken == self.after:
            self.decay.decay_now()


def halve(step: int) -> float:
    return 0.5 ** (step // 3)


OTHERS: dict[str, Callable[[], list[Callback]]] = {
    "nothing": lambda: [],
    "cosine": lambda: [lc.CosineAnnealing()],
    "one-cycle with momentum": lambda: [lc.OneCycle()],
    "warm-up and decay": lambda: [lc.Warmup(12), lc.LinearDecay()],
    "cosine by epoch": lambda: [lc.CosineAnnealing(interval="epoch")],
    "a function of the user's": lambda: [lc.LambdaFactor(halve)],
    "a window": lambda: [lc.ConstantFactor(15, 0.5, start=2, end=15, outside="one")],
    "a torch scheduler": lambda: [lc.TorchScheduler(lr_scheduler.CosineAnnealingLR, T_max=STEPS)],
    "a torch scheduler by epoch": lambda: [lc.TorchScheduler(lr_scheduler.ExponentialLR, interval="epoch", gamma=0.7)],
    "a plateau": lambda: [lc.ReduceLROnPlateau("train_loss", mode="max", patience=0, factor=0.5)],
    "a torch plateau": lambda: [
        lc.TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="train_loss", mode="max", patience=0, factor=0.5)
    ],
}


def run(*callbacks: Callback, **options: Any) -> Any:
    return fit(*callbacks, **{"module": Net(sgd((0.1, 0.02))), "batches": 5, "max_epochs": 4} | options)


@pytest.mark.parametrize("name", OTHERS)
def test_it_falls_from_wherever_the_lr_is_and_the_others_hold(name):
    plain = run(*OTHERS[name]())
    decay = lc.FinalDecay(6, end_factor=0.1)
    seen = run(*OTHERS[name](), decay, Begin(decay, 8))
    for group in (0, 1):
        before, lrs = plain.of_group(group), seen.of_group(group)
        assert lrs[:9] == before[:9]
        fall = [before[8] * (0.1 + 0.9 * (1 - min(t, 6) / 6)) for t in range(STEPS - 8)]
        assert lrs[8:] == pytest.approx(fall, rel=1e-12)
    assert seen.momenta[0][8:] == [plain.momenta[0][8]] * (STEPS - 8)
    if name != "nothing":
        assert len(set(plain.of_group()[8:])) > 1


@pytest.mark.parametrize(
    ("shape", "formula"),
    [
        ("linear", lambda x: 0.1 + 0.9 * (1 - x)),
        ("cosine", lambda x: 0.1 + 0.9 * (1 + math.cos(math.pi * x)) / 2),
        ("1-sqrt", lambda x: 0.1 + 0.9 * (1 - math.sqrt(x))),
        ("exponential", lambda x: 0.1**x),
    ],
)
def test_without_a_length_it_lasts_to_the_end_of_the_run(shape, formula):
    decay = lc.FinalDecay(None, shape, end_factor=0.1)
    lrs = run(decay, Begin(decay, 8)).of_group()
    assert lrs[:8] == [0.1] * 8
    assert lrs[8:] == pytest.approx([0.1 * formula(t / 12) for t in range(12)])


def test_with_a_start_it_begins_by_plan_and_can_be_brought_forward_but_not_begun_again():
    def expected(at: int) -> list[float]:
        cosine = [0.05 * (1 + math.cos(math.pi * t / STEPS)) for t in range(STEPS)]
        return [cosine[t] if t < at else cosine[at] * (1 - min(t - at, 5) / 5) for t in range(STEPS)]

    for after, at in ((0, 10), (4, 4), (12, 10)):
        decay = lc.FinalDecay("25%", start="50%")
        lrs = run(lc.CosineAnnealing(), decay, Begin(decay, after)).of_group()
        assert lrs == pytest.approx(expected(at), abs=1e-15)


def test_of_two_the_later_takes_over_from_the_earlier():
    one, two = lc.FinalDecay(10, start=5), lc.FinalDecay(4, end_factor=0.5, groups=[0])
    seen = run(one, two, Begin(two, 10))
    first = [1.0] * 5 + [1 - min(t, 10) / 10 for t in range(15)]
    second = [*first[:10], *(first[10] * (1 - 0.5 * min(t, 4) / 4) for t in range(10))]
    assert seen.of_group(0) == pytest.approx([0.1 * f for f in second])
    assert seen.of_group(1) == pytest.approx([0.02 * f for f in first], abs=1e-15)


def test_it_holds_the_schedules_of_its_own_groups_and_entry_only():
    decay = lc.FinalDecay(5, groups=1)
    net = Net(sgd((0.1, 0.02), weight_decay=0.5))
    held: list[float] = []

    class Decays(Callback):
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            held.append(trainer.optimizers[0].param_groups[1]["weight_decay"])

    seen = run(lc.LinearDecay(), lc.LinearDecay(param="weight_decay"), Decays(), decay, Begin(decay, 10), module=net)
    line = [1 - t / STEPS for t in range(STEPS)]
    assert seen.of_group(0) == pytest.approx([0.1 * f for f in line])
    falls = [f if t < 10 else 0.5 * (1 - min(t - 10, 5) / 5) for t, f in enumerate(line)]
    assert seen.of_group(1) == pytest.approx([0.02 * f for f in falls])
    assert held == pytest.approx([0.5 * f for f in line])


def test_it_drives_another_entry_from_where_that_is():
    decay = lc.FinalDecay(5, param="weight_decay")
    held: list[float] = []

    class Decays(Callback):
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            held.append(trainer.optimizers[0].param_groups[0]["weight_decay"])

    lrs = run(decay, Decays(), Begin(decay, 10), module=Net(adam(weight_decay=0.5))).of_group()
    assert held == pytest.approx([0.5 * (1 - min(max(t - 10, 0), 5) / 5) for t in range(STEPS)])
    assert set(lrs) == {0.1}


def test_under_manual_optimization_both_optimizers_fall():
    decay = lc.FinalDecay(8)
    lrs = run(decay, Begin(decay, 6), module=ByHand()).lrs
    falls = [1.0] * 6 + [1 - min(t, 8) / 8 for t in range(14)]
    for optimizer, base in ((0, 0.1), (1, 0.02)):
        assert [row[0] for row in lrs[optimizer]] == pytest.approx([base * f for f in falls])


# ---------------------------------------------------------------------- resume


def saved(folder: Any, prefix: str = "") -> ModelCheckpoint:
    return ModelCheckpoint(folder, prefix + "{step}", save_top_k=-1, every_n_train_steps=1)


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
@pytest.mark.parametrize("name", OTHERS)
def test_added_on_resume_it_begins_there_and_a_second_resume_goes_on_bit_for_bit(name, tmp_path):
    plain = run(*OTHERS[name](), saved(tmp_path), enable_checkpointing=True)
    told = nullcontext() if name == "nothing" else pytest.warns(UserWarning, match="different schedule")
    with told:
        ended = run(
            *OTHERS[name](),
            lc.FinalDecay(7, "cosine"),
            saved(tmp_path, "second-"),
            ckpt_path=str(tmp_path / "step=7.ckpt"),
            enable_checkpointing=True,
        )
    before = plain.of_group()[7]
    fall = [before * (1 + math.cos(math.pi * min(t, 7) / 7)) / 2 for t in range(STEPS - 7)]
    assert ended.of_group() == pytest.approx(fall, abs=1e-15)
    for step in (8, 10, 13, 17):  # in mid-epoch, and at the ends of epochs and of the decay
        rest = run(*OTHERS[name](), lc.FinalDecay(7, "cosine"), ckpt_path=str(tmp_path / f"second-step={step}.ckpt"))
        assert rest.lrs[0] == ended.lrs[0][step - 7 :]


@pytest.mark.parametrize("name", ["nothing", "one-cycle with momentum", "a torch scheduler", "a plateau"])
def test_begun_by_a_call_it_goes_on_after_a_resume_from_before_and_after(name, tmp_path):
    decay = lc.FinalDecay(6)
    whole = run(*OTHERS[name](), decay, Begin(decay, 9), saved(tmp_path), enable_checkpointing=True)
    again = lc.FinalDecay(6)
    rest = run(*OTHERS[name](), again, Begin(again, 4), ckpt_path=str(tmp_path / "step=5.ckpt"))
    assert rest.lrs[0] == whole.lrs[0][5:]  # it waited in the checkpoint, and waits
    for step in (9, 11, 16):
        rest = run(*OTHERS[name](), lc.FinalDecay(6), ckpt_path=str(tmp_path / f"step={step}.ckpt"))
        assert rest.lrs[0] == whole.lrs[0][step:]
        assert rest.momenta[0] == whole.momenta[0][step:]


def test_a_resume_with_other_batches_goes_on_without_a_jump_and_ends_with_the_run(tmp_path):
    decay = lc.FinalDecay()
    whole = run(lc.CosineAnnealing(), decay, Begin(decay, 6), saved(tmp_path), enable_checkpointing=True)
    rest = run(lc.CosineAnnealing(), lc.FinalDecay(), ckpt_path=str(tmp_path / "step=8.ckpt"), batches=10)
    lrs = rest.of_group()
    assert lrs[0] == whole.of_group()[8]
    # 2 of 12 parts are left for the 7 batches of the epoch that goes on, and 5 for each later one of 10 batches
    left = [1 - t / 42 for t in range(7)] + [(10 - t / 2) / 12 for t in range(20)]
    assert lrs == pytest.approx([lrs[0] * part for part in left])


def test_a_new_fit_with_the_same_object_waits_again():
    decay = lc.FinalDecay(5)
    assert run(decay, Begin(decay, 3)).of_group()[-1] == 0.0
    assert set(run(decay).of_group()) == {0.1}


def test_in_a_loop_of_ones_own():
    def loop(decay: lc.FinalDecay, steps: int, state: Any = None, call_at: int | None = None) -> Any:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
        if state is not None:
            optimizer.load_state_dict(state)
        lrs = []
        with lc.attach(optimizer, [lc.CosineAnnealing(total_steps=20), decay], total_steps=20, plan=False) as attached:
            for step in range(steps):
                if step == call_at:
                    decay.decay_now()
                lrs.append(attached.lrs[0])
                optimizer.step()
            return lrs, optimizer.state_dict()

    whole, _ = loop(lc.FinalDecay(6), 20, call_at=8)
    at_8 = 0.05 * (1 + math.cos(math.pi * 8 / 20))
    assert whole[8:] == pytest.approx([at_8 * (1 - min(t, 6) / 6) for t in range(12)])
    begun, state = loop(lc.FinalDecay(6), 11, call_at=8)
    assert begun + loop(lc.FinalDecay(6), 9, state)[0] == whole


@pytest.mark.parametrize("attached_first", [False, True])
def test_in_a_loop_it_begins_where_a_state_of_a_run_without_it_is_loaded(attached_first):
    def loop(decay: list[Any], steps: int, state: Any = None) -> Any:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
        if state is not None and not attached_first:
            optimizer.load_state_dict(state)
        lrs = []
        with lc.attach(optimizer, [lc.LinearDecay(), *decay], total_steps=20, plan=False) as attached:
            if state is not None and attached_first:
                optimizer.load_state_dict(state)
            for _ in range(steps):
                lrs.append(attached.lrs[0])
                optimizer.step()
            return lrs, optimizer.state_dict()

    _, at_8 = loop([], 8)
    expected = [0.06 * (1 - min(t, 6) / 6) for t in range(12)]
    with nullcontext() if attached_first else pytest.warns(UserWarning, match="different schedule"):
        assert loop([lc.FinalDecay(6)], 12, at_8)[0] == pytest.approx(expected)
    with nullcontext() if attached_first else pytest.warns(UserWarning, match="different schedule"):
        _, at_10 = loop([lc.FinalDecay(6)], 2, at_8)
    assert loop([lc.FinalDecay(6)], 10, at_10)[0] == pytest.approx(expected[2:])


# ---------------------------------------------------------------------- what is refused


def test_a_call_outside_of_a_training_is_refused():
    with pytest.raises(MisconfigurationException, match=r"decay_now\(\) must be called in a training that has started"):
        lc.FinalDecay(5).decay_now()


def test_a_torch_scheduler_is_held_as_a_whole_or_not_at_all():
    decay = lc.FinalDecay(5, groups=1, start=3)
    with pytest.raises(MisconfigurationException, match="TorchScheduler cannot be held in some of its groups only"):
        run(lc.TorchScheduler(lr_scheduler.ExponentialLR, gamma=0.9), decay)


@pytest.mark.parametrize("damage", [{"begun": {"0": -1}}, {"begun": {"x": 1}}, {"begun": [1]}, {}], ids=str)
def test_a_damaged_state_is_refused(damage):
    with pytest.raises(ValueError, match="begun must be steps by optimizer in the state of FinalDecay"):
        lc.FinalDecay(5).load_state_dict(damage)


def test_it_is_no_part_of_a_sequence():
    with pytest.raises(ValueError, match="must be a function of time, which FinalDecay is not"):
        lc.Sequential([lc.Rex(), lc.FinalDecay(3)], ["50%"])


def test_judging_ends_where_it_takes_over():
    plateau = lc.ReduceLROnPlateau("metric", patience=0)
    decay = lc.FinalDecay(5)
    fit(
        plateau,
        decay,
        Begin(decay, 5),
        module=Logs(metric=[1.0] * 10),
        batches=2,
        val=True,
        max_epochs=6,
        num_sanity_val_steps=0,
    )
    assert plateau.state.num_evaluations == 2


def test_judging_ends_for_all_groups_where_it_takes_over_some():
    plateau = lc.ReduceLROnPlateau("metric", patience=0, factor=0.5)
    options = dict(batches=2, val=True, max_epochs=4, num_sanity_val_steps=0)
    seen = fit(plateau, lc.FinalDecay(2, start=5, groups=0), module=Logs(metric=[1.0] * 10), **options)
    assert seen.of_group(1) == pytest.approx([0.02] * 4 + [0.01] * 4)


def test_two_that_start_one_after_the_other_drive_the_same_groups():
    first, second = lc.FinalDecay(5, start=3, end_factor=0.5), lc.FinalDecay(5, start=10)
    seen = fit(first, second, module=Net(sgd((0.1,))), batches=16).of_group()
    down = [0.1 * (1 - t / 10) for t in range(5)]
    assert seen == pytest.approx([0.1] * 3 + down + [0.05] * 3 + [0.05 * (1 - t / 5) for t in range(1, 5)] + [0.0])
