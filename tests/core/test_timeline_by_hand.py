"""Manual optimization with k steps a batch, or one in k: after the first epoch the ratio is known."""

from __future__ import annotations

import pytest
from timeline_fits import ByHand, SaveOnce, positions, ran
from torch.optim import lr_scheduler

from lr_callbacks import CosineAnnealing, LinearDecay, StepDecay, TorchScheduler, Warmup

close = pytest.approx


def line(epochs: list[tuple[int, int]], total: int = 4) -> list[float]:
    return [0.1 * (1 - x / total) for x in positions(epochs)]


@pytest.mark.parametrize(
    ("k", "every", "steps"), [(1, 1, 10), (2, 1, 20), (5, 1, 50), (1, 5, 2), (1, 4, 2), (3, 2, 15)]
)
def test_from_the_second_epoch_on_the_schedule_follows_the_epochs_and_ends_with_the_run(k, every, steps):
    run = ran([LinearDecay()], module=ByHand((k, every)))
    assert len(run.lrs) == 4 * steps
    # first epoch: one step per batch is assumed; its last position is held until it ends
    assert run.lrs[:steps] == close([0.1 * (1 - min(t, 9) / 40) for t in range(steps)], abs=1e-15)
    assert run.lrs[steps:] == close(line([(1, steps), (2, steps), (3, steps)]), abs=1e-15)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [StepDecay("1 epoch", gamma=0.5)],
        lambda: [TorchScheduler(lr_scheduler.StepLR, interval="epoch", step_size=1, gamma=0.5)],
    ],
)
def test_nothing_passes_the_end_of_an_epoch_before_it_ends(make):
    run = ran(make(), module=ByHand((3, 1)))
    assert run.lrs == [0.1] * 30 + [0.05] * 30 + [0.025] * 30 + [0.0125] * 30


def test_max_steps_are_the_trainers_steps():
    run = ran([LinearDecay()], module=ByHand((2, 1)), max_steps=60, max_epochs=-1)
    assert run.lrs == close([0.1 * (1 - t / 60) for t in range(60)], abs=1e-15)


def test_the_plan_shows_the_run_to_its_end(caplog):
    with caplog.at_level("INFO"):
        ran([StepDecay("1 epoch", gamma=0.5)], module=ByHand((1, 1)))
    assert "LR 0.1 at step 0, 0.0125 at step 39" in caplog.text


def test_several_optimizers_each_on_a_timeline_of_its_own():
    run = ran([Warmup("1 epoch", start_factor=0.0), LinearDecay()], module=ByHand((2, 1), (1, 2)))
    assert [len(lrs) for lrs in run.of.values()] == [80, 20]
    assert run.of[0][20:] == close([0.1 * (1 - x / 3) for x in positions([(0, 20), (1, 20), (2, 20)])], abs=1e-12)
    assert run.of[1][5:] == close([0.1 * (1 - x / 3) for x in positions([(0, 5), (1, 5), (2, 5)])], abs=1e-12)


def test_several_optimizers_share_max_steps_as_they_really_step():
    run = ran([LinearDecay()], module=ByHand((1, 1), (1, 2)), max_steps=60, max_epochs=-1)
    assert [len(lrs) for lrs in run.of.values()] == [40, 20]
    # 30 steps each are assumed in the first epoch; after it 40 and 20 are known
    assert run.of[0][:10] == close([0.1 * (1 - t / 30) for t in range(10)], abs=1e-15)
    assert run.of[0][10:] == close([0.1 * 2 / 3 * (1 - t / 30) for t in range(30)], abs=1e-12)
    assert run.of[1][5:] == close([0.1 * 25 / 30 * (1 - t / 15) for t in range(15)], abs=1e-12)


@pytest.mark.parametrize(
    ("hook", "when"),
    [("on_train_batch_end", 5), ("on_train_batch_end", 30), ("on_train_batch_end", 70), ("on_train_epoch_end", 0)],
)
def test_a_resume_is_bit_equal_also_before_the_ratio_is_known(hook, when, tmp_path):
    path = str(tmp_path / "saved.ckpt")
    for make in (lambda: [LinearDecay()], lambda: [Warmup("10%"), CosineAnnealing()]):
        full = ran([*make(), SaveOnce(path, hook, when, stop=False)], module=ByHand((5, 1)))
        count = 50 if hook == "on_train_epoch_end" else when
        rest = ran(make(), module=ByHand((5, 1)), ckpt_path=path)
        assert len(rest.lrs) == 200 - count
        assert rest.lrs == full.lrs[count:]


def test_resumed_with_another_batch_size_the_ratio_holds(tmp_path):
    path = str(tmp_path / "saved.ckpt")
    ran([LinearDecay(), SaveOnce(path, "on_train_epoch_end", 1)], module=ByHand((5, 1)))
    for batches in (5, 20):
        rest = ran([LinearDecay()], module=ByHand((5, 1)), batches=batches, ckpt_path=path)
        assert rest.lrs == close(line([(2, 5 * batches), (3, 5 * batches)]), abs=1e-12)


class StartsLate(ByHand):
    """Its second optimizer steps from the third epoch on."""

    def training_step(self, batch: object, batch_idx: int) -> None:
        self.steps = ((1, 1), (1 if self.current_epoch > 1 else 0, 1))
        super().training_step(batch, batch_idx)


@pytest.mark.filterwarnings("ignore:optimizer 1 .SGD. did not step")
def test_an_optimizer_that_starts_late_is_where_the_trainers_epochs_are():
    run = ran([LinearDecay()], module=StartsLate((1, 1), (1, 1)))
    assert [len(lrs) for lrs in run.of.values()] == [40, 20]
    assert run.of[1] == close(line([(2, 10), (3, 10)]), abs=1e-12)


def test_it_says_what_it_has_measured(caplog):
    ran([LinearDecay()], module=ByHand((5, 1)))
    assert "took 50 steps in the 10 batches of epoch 0" in caplog.text
    caplog.clear()
    ran([LinearDecay()], module=ByHand((1, 1)))
    assert "batches of epoch" not in caplog.text
