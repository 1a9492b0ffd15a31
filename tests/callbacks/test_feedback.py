"""What schedules with feedback can be told: smoothing, several metrics, any entry, best weights, an end of the run."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, sgd

import lr_callbacks as lc

NOISY = [1.0, 0.4, 0.9, 0.5, 0.85, 0.45, 0.8, 0.3, 0.75, 0.2]


class Logs(Net):
    """Logs one value of each list at each validation, by the epoch."""

    def __init__(self, lrs: tuple[float, ...] = (0.1, 0.02), **values: list[float]) -> None:
        super().__init__(sgd(lrs))
        self.values = values

    def on_validation_epoch_end(self) -> None:
        for name, values in self.values.items():
            per_epoch = 2 * len(self.trainer.optimizers)  # resumed from an epoch's last batch, `current_epoch` is ahead
            value = values[max(0, -(-self.trainer.global_step // per_epoch) - 1)]
            if not self.trainer.sanity_checking and value is not None:
                self.log(name, torch.tensor(value, dtype=torch.float64))


class ByHand(Logs):
    """The same with two optimizers that are stepped by hand."""

    def __init__(self, **values: list[float]) -> None:
        super().__init__(**values)
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            self.manual_backward((self(batch[0]) - batch[1]).square().mean())
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(part.parameters(), lr) for part, lr in ((self.body, 0.1), (self.head, 0.02))]


def reductions(judged: list[float], patience: int = 0, threshold: float = 1e-4) -> list[int]:
    """How many reductions there are before each evaluation, by torch's counting."""
    best, bad, done, seen = math.inf, 0, 0, []
    for value in judged:
        seen.append(done)
        improves = value < best * (1 - threshold)
        best, bad = (value, 0) if improves else (best, bad + 1)
        if bad > patience:
            bad, done = 0, done + 1
    return seen


def means(values: list[float], k: int) -> list[float]:
    return [sum(values[max(0, n - k + 1) : n + 1]) / len(values[max(0, n - k + 1) : n + 1]) for n in range(len(values))]


def averages(values: list[float], decay: float) -> list[float]:
    weights = [[decay ** (n - i) for i in range(n + 1)] for n in range(len(values))]
    return [sum(w * v for w, v in zip(each, values, strict=False)) / sum(each) for each in weights]


def run(callback: Callback, *more: Callback, module: Net, **options: Any) -> Any:
    settings = {"batches": 2, "val": True, "max_epochs": 10, "num_sanity_val_steps": 0} | options
    return fit(callback, *more, module=module, **settings)


@pytest.mark.parametrize("make", [Logs, ByHand])
@pytest.mark.parametrize(
    ("options", "judged"),
    [({}, NOISY), ({"smooth": 3}, means(NOISY, 3)), ({"ema_decay": 0.6}, averages(NOISY, 0.6))],
    ids=["raw", "mean of 3", "exponential"],
)
def test_what_is_judged_is_the_smoothed_metric(options, judged, make):
    callback = lc.ReduceLROnPlateau("metric", patience=1, factor=0.5, **options)
    lrs = run(callback, module=make(metric=NOISY)).lrs
    expected = [0.1 * 0.5**done for done in reductions(judged, 1) for _ in range(2)]
    assert [row[0] for row in lrs[0]] == pytest.approx(expected, rel=1e-12)
    if make is ByHand:
        assert [row[0] for row in lrs[1]] == pytest.approx([lr / 5 for lr in expected], rel=1e-12)


def test_the_three_ways_of_judging_differ_in_that_series():
    assert len({tuple(reductions(j, 1)) for j in (NOISY, means(NOISY, 3), averages(NOISY, 0.6))}) == 3


def test_a_metric_that_is_nan_is_an_evaluation_without_improvement_and_spoils_no_average():
    values = [1.0, 0.8, math.nan, 0.6, math.inf, 0.4]
    for options in ({"smooth": 3}, {"ema_decay": 0.5}):
        callback = lc.ReduceLROnPlateau("metric", patience=0, factor=0.5, **options)
        lrs = run(callback, module=Logs(metric=values), max_epochs=6).of_group()
        assert lrs[::2] == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.025])


@pytest.mark.parametrize(
    ("combine", "judge"),
    [
        ("mean", lambda a, b: (a + b) / 2),
        ("sum", lambda a, b: a + b),
        ("min", min),
        ("max", max),
        (math.dist, None),
        ("math.hypot", math.hypot),
    ],
)
def test_several_metrics_are_judged_by_what_is_made_of_them(combine, judge):
    first, second = NOISY, [0.5, 0.9, 0.4, 0.8, 0.3, 0.7, 0.2, 0.6, 0.8, 0.1]
    callback = lc.ReduceLROnPlateau(["a", "b"], combine=combine, patience=0, factor=0.5)
    if judge is None:  # a function that is no good for numbers
        with pytest.raises(TypeError):
            run(callback, module=Logs(a=first, b=second))
        return
    lrs = run(callback, module=Logs(a=first, b=second)).of_group()
    done = reductions([judge(a, b) for a, b in zip(first, second, strict=True)])
    assert lrs[::2] == pytest.approx([0.1 * 0.5**each for each in done])


def test_several_metrics_wait_for_one_another():
    module = Logs(a=[1.0] * 10, b=[1.0 if epoch % 3 == 0 else None for epoch in range(10)])
    callback = lc.ReduceLROnPlateau(["a", "b"], patience=0, factor=0.5)
    run(callback, module=module)
    assert callback.state.num_evaluations == 4


def test_of_several_metrics_the_one_that_is_missing_is_named():
    with pytest.raises(MisconfigurationException, match=r"nothing logged a metric 'bee'\. .*Logged: a, b, train_loss"):
        run(lc.ReduceLROnPlateau(["a", "bee"]), module=Logs(a=NOISY, b=NOISY))


def test_a_function_that_returns_no_number_is_named():
    callback = lc.ReduceLROnPlateau("metric", combine="builtins.str")
    with pytest.raises(TypeError, match=r"what builtins\.str returns must be a number, got '1\.0'"):
        run(callback, module=Logs(metric=NOISY))


def test_it_reduces_any_entry_of_the_groups_and_says_which(caplog):
    class Decays(Callback):
        def __init__(self) -> None:
            self.seen: list[float] = []

        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            self.seen.append(trainer.optimizers[0].param_groups[0]["weight_decay"])

    module, decays = Logs(metric=[1.0] * 4), Decays()
    module.make_optimizer = sgd((0.1,), weight_decay=0.08)
    callback = lc.ReduceLROnPlateau("metric", patience=0, factor=0.5, min_lr=0.03, param="weight_decay")
    with caplog.at_level(logging.INFO, logger="lightning.pytorch.utilities.rank_zero"):
        lrs = run(callback, decays, module=module, max_epochs=4).of_group()
    assert decays.seen == pytest.approx([0.08] * 4 + [0.04] * 2 + [0.03] * 2)
    assert lrs == [0.1] * 8
    assert "for 1 evaluation; weight_decay 0.08 -> 0.04 (step 4)" in caplog.text


def test_it_judges_within_its_window_only():
    callback = lc.ReduceLROnPlateau("metric", patience=0, factor=0.5, start=4, end=9)
    lrs = run(callback, module=Logs(metric=[1.0] * 8), max_epochs=8).of_group()
    # evaluations come after steps 2, 4, 6, 8, ...: those after 4, 6 and 8 count, and the first is the best
    assert lrs == pytest.approx([0.1] * 6 + [0.05] * 2 + [0.025] * 8)


# ---------------------------------------------------------------------- the end of the run


@pytest.mark.parametrize("make", [Logs, ByHand])
def test_it_stops_when_a_reduction_is_due_and_all_groups_are_at_their_floor(make):
    values = [1.0] * 10
    callback = lc.ReduceLROnPlateau("metric", patience=0, factor=0.1, min_lr=0.005, stop_at_min=True)
    lrs = run(callback, module=make(metric=values)).lrs[0]
    # evaluation 1 is the best, 2 and 3 reduce (to 0.01 and 0.005), 4 finds nothing to reduce
    assert [row[0] for row in lrs] == pytest.approx([0.1] * 4 + [0.01] * 2 + [0.005] * 2)


def test_it_does_not_stop_while_a_group_can_still_be_reduced_and_a_group_of_lr_0_is_none():
    callback = lc.ReduceLROnPlateau("metric", patience=0, factor=0.1, min_lr=[0.05, 0.0, 0.0], stop_at_min=True, eps=0)

    class Three(Logs):
        def configure_optimizers(self) -> Any:
            parts = [[self.body.weight], [self.body.bias], list(self.head.parameters())]
            return torch.optim.SGD(
                [{"params": p, "lr": lr} for p, lr in zip(parts, (0.1, 0.0, 0.02), strict=True)], lr=0.1
            )

    lrs = run(callback, module=Three(metric=[1.0] * 10)).lrs[0]
    assert len(lrs) == 20
    assert lrs[-1] == pytest.approx([0.05, 0.0, 0.02 * 1e-8])


@pytest.mark.parametrize("interval", [1.0, 0.5])
def test_a_run_that_has_stopped_stays_stopped_when_it_is_resumed_and_goes_on_with_a_lower_floor(tmp_path, interval):
    def callback(min_lr: float) -> Any:
        return lc.ReduceLROnPlateau("metric", patience=0, factor=0.1, min_lr=min_lr, stop_at_min=True)

    save = ModelCheckpoint(tmp_path, "last", save_on_train_epoch_end=False, every_n_epochs=1)
    options = {"val_check_interval": interval}
    run(callback(0.01), save, module=Logs(metric=[1.0] * 10), **options, enable_checkpointing=True)
    (file,) = Path(tmp_path).glob("*.ckpt")
    again = run(callback(0.01), module=Logs(metric=[1.0] * 10), ckpt_path=str(file), **options)
    assert again.lrs[0] == []
    with pytest.warns(UserWarning, match="different schedule"):
        lower = run(callback(0.001), module=Logs(metric=[1.0] * 10), ckpt_path=str(file), **options)
    assert lower.of_group()[0] == pytest.approx(0.001)


# ---------------------------------------------------------------------- the weights of the best evaluation


class Weights(Callback):
    """Writes down the weights as each epoch begins and as each validation begins."""

    def __init__(self) -> None:
        self.before: list[torch.Tensor] = []
        self.judged: list[torch.Tensor] = []

    def on_train_epoch_start(self, trainer: Any, pl_module: Net) -> None:
        self.before.append(torch.nn.utils.parameters_to_vector(pl_module.parameters()).detach().clone())

    def on_validation_start(self, trainer: Any, pl_module: Net) -> None:
        self.judged.append(torch.nn.utils.parameters_to_vector(pl_module.parameters()).clone())


LOSSES = [1.0, 0.5, 0.7, 0.8, 0.4, 0.9, 0.9, 0.3]


@pytest.mark.parametrize("make", [Logs, ByHand])
def test_each_reduction_puts_back_the_weights_of_the_best_evaluation(make):
    seen, callback = Weights(), lc.ReduceLROnPlateau("metric", patience=1, factor=0.5, restore_best=True)
    run(callback, seen, module=make(metric=LOSSES), max_epochs=8)
    begins = {4: 1, 7: 4}  # epoch -> the evaluation whose weights it begins with
    for epoch in range(1, 8):
        assert torch.equal(seen.before[epoch], seen.judged[begins.get(epoch, epoch - 1)])
    assert len({tuple(each.tolist()) for each in seen.judged}) == 8


def test_the_best_weights_are_in_the_checkpoint_and_put_back_after_a_resume(tmp_path):
    def parts() -> tuple[Any, Any]:
        return Weights(), lc.ReduceLROnPlateau("metric", patience=1, factor=0.5, restore_best=True)

    save = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, every_n_train_steps=2)
    whole, callback = parts()
    module = Logs(metric=LOSSES)
    run(callback, whole, save, module=module, max_epochs=8, enable_checkpointing=True)
    files = sorted(tmp_path.glob("*.ckpt"))
    assert len(files) == 8
    for file in files:
        rest, again = parts()
        resumed = Logs(metric=LOSSES)
        run(again, rest, module=resumed, max_epochs=8, ckpt_path=str(file))
        for mine, theirs in zip(resumed.parameters(), module.parameters(), strict=True):
            assert torch.equal(mine, theirs)
        assert again.state == callback.state


def test_a_checkpoint_without_best_weights_is_said_to_have_none(tmp_path):
    save = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1)
    without = lc.ReduceLROnPlateau("metric", patience=1)
    run(without, save, module=Logs(metric=LOSSES), max_epochs=3, enable_checkpointing=True)
    file = next(path for path in tmp_path.iterdir() if "epoch=2" in path.name)
    told = pytest.warns(UserWarning, match="cannot be restored: there is no copy of them")
    with told, pytest.warns(UserWarning, match="different schedule"):
        run(
            lc.ReduceLROnPlateau("metric", patience=1, restore_best=True),
            module=Logs(metric=LOSSES),
            max_epochs=5,
            ckpt_path=str(file),
        )


def test_the_checkpoint_of_the_reduction_itself_has_the_weights_that_were_put_back(tmp_path):
    save = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1, save_on_train_epoch_end=False)
    seen, callback = Weights(), lc.ReduceLROnPlateau("metric", patience=1, factor=0.5, restore_best=True)
    run(callback, seen, save, module=Logs(metric=LOSSES), max_epochs=5, enable_checkpointing=True)
    file = next(path for path in tmp_path.iterdir() if "epoch=3" in path.name)
    saved = torch.load(file, weights_only=True)["state_dict"]
    assert torch.equal(torch.cat([held.ravel() for held in saved.values()]), seen.judged[1])


def test_buffers_are_put_back_too():
    class Normed(Logs):
        def __init__(self, **values: list[float]) -> None:
            super().__init__(**values)
            self.norm = torch.nn.BatchNorm1d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.tanh(self.norm(self.body(x))))

    class Buffers(Callback):
        def __init__(self) -> None:
            self.before, self.judged = [], []

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            self.before.append((pl_module.norm.running_mean.clone(), int(pl_module.norm.num_batches_tracked)))

        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            self.judged.append((pl_module.norm.running_mean.clone(), int(pl_module.norm.num_batches_tracked)))

    seen = Buffers()
    run(
        lc.ReduceLROnPlateau("metric", patience=0, restore_best=True),
        seen,
        module=Normed(metric=[1.0, 2.0, 3.0]),
        max_epochs=3,
    )
    assert [count for _, count in seen.before] == [0, 2, 2]
    assert torch.equal(seen.before[2][0], seen.judged[0][0])


def test_weights_are_put_back_into_a_module_whose_state_dict_gives_copies():
    class Copies(Logs):
        def state_dict(self, *args: Any, **kwargs: Any) -> Any:
            return {name: held.clone() for name, held in super().state_dict(*args, **kwargs).items()}

    seen = Weights()
    run(
        lc.ReduceLROnPlateau("metric", patience=0, restore_best=True),
        seen,
        module=Copies(metric=[1.0, 2.0, 3.0]),
        max_epochs=3,
    )
    assert torch.equal(seen.before[2], seen.judged[0])


def test_sharded_weights_are_refused():
    class ModelParallelOfMine(SingleDeviceStrategy):
        """Has the name of a strategy that shards; those of Lightning want devices of several ranks."""

    callback = lc.ReduceLROnPlateau("metric", restore_best=True)
    with pytest.raises(MisconfigurationException, match="restore_best=True needs the whole weights on each rank, and"):
        run(callback, module=Logs(metric=LOSSES), strategy=ModelParallelOfMine(device="cpu"))


@pytest.mark.parametrize("options", [{"restore_best": True}, {"stop_at_min": True}, {"every_n_steps": 3}])
def test_what_needs_a_trainer_is_refused_without_one(options):
    optimizer = torch.optim.SGD([torch.ones(1)], lr=0.1)
    with pytest.raises(MisconfigurationException, match="{}={} needs a Trainer".format(*next(iter(options.items())))):
        lc.attach(optimizer, [lc.ReduceLROnPlateau("loss", **options)])


# ---------------------------------------------------------------------- resume, and what is refused


@pytest.mark.parametrize("options", [{"smooth": 3}, {"ema_decay": 0.6}], ids=str)
def test_averages_go_on_after_a_resume_from_any_checkpoint(options, tmp_path):
    def callback() -> Any:
        return lc.ReduceLROnPlateau("metric", patience=1, factor=0.5, **options)

    save = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, every_n_train_steps=1)
    whole, first = run(callback(), save, module=Logs(metric=NOISY), enable_checkpointing=True), None
    for step in (3, 8, 13, 16):
        again = callback()
        rest = run(again, module=Logs(metric=NOISY), ckpt_path=str(tmp_path / f"step={step}.ckpt"))
        assert rest.lrs[0] == whole.lrs[0][step:]
        first = first or again._average
        assert again._average == first


@pytest.mark.parametrize(
    "damage",
    [
        {"average": {"recent": [1.0]}},
        {"average": {"recent": ["x"], "total": 0.0, "weight": 0.0}},
        {"average": {"recent": [], "total": math.nan, "weight": 0.0}},
        {"best_weights": {"a": 1}},
    ],
    ids=str,
)
def test_a_damaged_state_is_refused(damage):
    callback = lc.ReduceLROnPlateau("metric", restore_best=True)
    with pytest.raises(ValueError, match=r"state of a(n average| plateau reduction)"):
        callback.load_state_dict(callback.state_dict() | damage)


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ValueError, match=r"at most one of .*, got smooth=3 and ema_decay=0\.5"):
        lc.ReduceLROnPlateau("metric", smooth=3, ema_decay=0.5)
