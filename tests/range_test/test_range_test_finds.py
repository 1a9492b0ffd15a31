"""What a range test finds, applies, refuses and says."""

from __future__ import annotations

import io
import json
import math
import pickle
import warnings
from functools import partial

import jsonargparse
import pytest
import rich
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, Recorder, loader, sgd, trainer
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, StepLR
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from trace_support import Busy, BusyManual, seed_all, shuffled

from lr_callbacks import (
    GreedyLR,
    LRRangeTest,
    OneCycle,
    RangeTestResult,
    Sequential,
    TorchScheduler,
    Warmup,
    lr_range_test,
)
from lr_callbacks.range_test.runner import sweep_lrs


class Recorded(Net):
    """Notes the LRs that each step of its optimizer is made with."""

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        optimizer.register_step_post_hook(
            lambda opt, *_: SEEN.append([float(group["lr"]) for group in opt.param_groups])
        )
        return optimizer


SEEN: list[list[float]] = []


@pytest.fixture(autouse=True)
def _clean():
    SEEN.clear()
    seed_all()


def find(module=None, data=None, test=None, **options):
    return lr_range_test(
        trainer(**{"max_epochs": 1, **options}),
        module or Net(),
        train_dataloaders=loader(40, 8) if data is None else data,
        test=test,
    )


def fit(*callbacks, module=None, data=None, **options):
    run = trainer(*callbacks, **{"max_epochs": 1, **options})
    run.fit(module or Net(), loader(40, 8) if data is None else data)
    return run


# ---------------------------------------------------------------------- the sweep
@pytest.mark.parametrize("mode", ["exponential", "linear"])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_every_step_is_made_with_its_own_lr_and_groups_keep_their_ratio(mode, accumulate):
    test = LRRangeTest(1e-4, 1e-2, 12, mode, apply=False)
    fit(test, module=Recorded(sgd((0.1, 0.02))), accumulate_grad_batches=accumulate)
    expected = sweep_lrs(1e-4, 1e-2, 12, mode)
    assert [first for first, _ in SEEN[:12]] == pytest.approx(expected, rel=1e-12)
    assert [second for _, second in SEEN[:12]] == pytest.approx([lr / 5 for lr in expected], rel=1e-12)


def test_the_ends_of_the_range_are_used():
    lrs = sweep_lrs(1e-7, 10.0, 100, "exponential")
    assert (lrs[0], lrs[-1], len(lrs)) == (1e-7, 10.0, 100)


class KnownLoss(LightningModule):
    """One weight, 0 at first; the loss of a batch is its number minus the weight, so each SGD step adds the LR."""

    def __init__(self, manual=False):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.automatic_optimization = not manual

    def training_step(self, batch, batch_idx):
        loss = -self.weight + batch[0].double().mean()
        if not self.automatic_optimization:
            optimizer = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


def numbered(batches, size=1):
    return DataLoader(TensorDataset(torch.arange(float(batches * size))), batch_size=size)


def test_the_probe_is_the_loss_after_each_step_on_the_same_batches():
    result = find(KnownLoss(), numbered(40), LRRangeTest(1e-3, 1.0, 10, probe_samples=4))
    travelled = [sum(result.lrs[: step + 1]) for step in range(len(result.lrs))]
    assert result.losses == pytest.approx([1.5 - way for way in travelled], rel=1e-6)


def test_the_training_loss_is_the_mean_over_the_micro_batches_of_a_step():
    result = find(KnownLoss(), numbered(40), LRRangeTest(1e-12, 1e-11, 10), accumulate_grad_batches=3)
    assert result.training_losses[:3] == pytest.approx([1.0, 4.0, 7.0], abs=1e-6)


def test_under_manual_optimization_the_training_loss_is_judged_after_the_step():
    result = find(KnownLoss(manual=True), numbered(40), LRRangeTest(1e-3, 1.0, 11))
    assert result.judge == "training"
    assert result.losses[:9] == result.training_losses[1:10]


def test_too_few_batches_are_gone_through_again_and_it_says_so():
    result = find(data=loader(7, 8), test=LRRangeTest(num_steps=30))
    assert len(result.lrs) > 14
    assert any("steps took " in note and "passes over the training data (7 batches)" in note for note in result.notes)


def test_a_sweep_ends_when_learning_is_over():
    result = find(Net(sgd((0.1, 0.1))), test=LRRangeTest(1e-4, 1e6, 100))
    assert len(result.lrs) < 100
    assert result.suggestion is not None


# ---------------------------------------------------------------------- apply
def test_the_finding_becomes_the_peak_of_every_schedule_and_groups_keep_their_ratio():
    test, recorder = LRRangeTest(), Recorder()
    fit(test, Warmup(4), OneCycle(), recorder, module=Net(sgd((0.1, 0.02))))
    found = test.result.suggestion
    assert 1e-4 < found < 1.0
    assert max(recorder.of_group(0)) == pytest.approx(found, rel=1e-3)
    assert max(recorder.of_group(1)) == pytest.approx(found / 5, rel=1e-3)


def test_the_order_of_the_callbacks_does_not_matter():
    traces = []
    for arrange in (lambda a, b: (a, b), lambda a, b: (b, a)):
        seed_all()
        recorder = Recorder()
        fit(*arrange(LRRangeTest(num_steps=50), OneCycle()), recorder)
        traces.append(recorder.of_group(0))
    assert traces[0] == traces[1]


def test_without_a_schedule_the_lr_found_is_used_from_the_first_step():
    test, recorder = LRRangeTest(), Recorder()
    fit(test, recorder)
    assert set(recorder.of_group(0)) == {test.result.suggestion}


def test_tensor_lrs_stay_tensors():
    test = LRRangeTest(num_steps=50)
    run = fit(
        test, module=Net(lambda parts: torch.optim.Adam([p for m in parts for p in m.parameters()], torch.tensor(0.1)))
    )
    lr = run.optimizers[0].param_groups[0]["lr"]
    assert isinstance(lr, torch.Tensor)
    assert float(lr) == pytest.approx(test.result.suggestion)


# ---------------------------------------------------------------------- it says no
class Scripted(Net):
    """A loss that is what a function of the module says."""

    def __init__(self, loss, **kwargs):
        super().__init__(**kwargs)
        self.loss = loss

    def training_step(self, batch, batch_idx):
        return self.loss(super().training_step(batch, batch_idx), batch)


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (lambda loss, batch: loss * 0.0 + 1.0, "does not fall"),
        (lambda loss, batch: loss * float("nan"), "not finite at the first step"),
        (lambda loss, batch: -loss.detach() * 0 + (loss - loss.detach()) * -1 + 1, "does not fall"),
    ],
    ids=["constant", "NaN", "constant with a gradient"],
)
def test_without_a_descent_nothing_is_applied(loss, reason):
    test, recorder = LRRangeTest(num_steps=30), Recorder()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(test, recorder, module=Scripted(loss))
    assert test.result.suggestion is None
    assert test.result.verdict.startswith("No suggestion")
    assert reason in test.result.verdict
    assert set(recorder.of_group(0)) == {0.1}


def test_a_range_that_is_too_low_is_widened_once_by_itself():
    result = find(test=LRRangeTest(1e-6, 1e-2, 40))
    assert result.lrs[-1] > 1e-2
    assert any("extended once" in note for note in result.notes)
    assert result.suggestion > 1e-2 / 2


def test_a_range_that_stays_too_low_ends_in_no():
    result = find(test=LRRangeTest(1e-12, 1e-11, 10))
    assert result.suggestion is None
    assert result.lrs[-1] == pytest.approx(1e-9)


def test_a_loss_may_be_negative():
    plus = find()
    seed_all()
    minus = find(Scripted(lambda loss, batch: loss - 1000.0))
    assert minus.suggestion == pytest.approx(plus.suggestion, rel=0.2)


# ---------------------------------------------------------------------- what it works with
class Gan(BusyManual):
    def training_step(self, batch, batch_idx):
        self.log("generator_loss", super().training_step(batch, batch_idx))


class ValidationOnly(Busy):
    def validation_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.cross_entropy(self.head(self.net(x)), y)


def test_several_optimizers_need_a_name():
    with pytest.raises(MisconfigurationException, match=r"has 2 optimizers\. Select one with optimizer=0"):
        find(BusyManual(), shuffled())


def test_a_module_that_returns_no_loss_needs_the_name_of_a_logged_one():
    with pytest.raises(MisconfigurationException, match=r"returned no loss.*monitor=.*accuracy, generator_loss, loss"):
        find(Gan(), shuffled(), LRRangeTest(optimizer=0))
    assert len(find(Gan(), shuffled(), LRRangeTest(optimizer=0, monitor="generator_loss", num_steps=20)).lrs) > 5


def test_an_unknown_monitor_is_an_error_that_lists_the_known_ones():
    with pytest.raises(MisconfigurationException, match=r"logged no 'lossy'.*logged: train_loss"):
        find(test=LRRangeTest(monitor="lossy"))


def test_the_validation_loss_can_be_judged_logged_or_returned():
    for module in (Busy(), ValidationOnly()):
        seed_all()
        result = lr_range_test(
            trainer(max_epochs=1),
            module,
            train_dataloaders=shuffled(),
            val_dataloaders=shuffled(shuffle=False),
            test=LRRangeTest(1e-5, num_steps=30, judge="validation"),
        )
        assert result.judge == "validation"
        assert len(set(result.losses)) > 10


def test_a_compiled_part_of_the_module_works():
    module = Net()
    module.body = torch.compile(module.body, backend="eager")
    assert find(module).suggestion == pytest.approx(find(Net()).suggestion, rel=10)


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_other_precisions_work(precision):
    assert find(Busy(), shuffled(), LRRangeTest(1e-5, num_steps=40), precision=precision).lrs


def test_steps_that_a_scaler_skips_belong_to_no_lr():
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=10**6)
    plugin = MixedPrecision("16-mixed", "cpu", scaler)
    test = LRRangeTest(1e-4, 1.0, 12, apply=False)
    run = trainer(test, max_epochs=1, plugins=plugin)
    run.fit(Recorded(), loader(60, 8))
    assert [lr for (lr,) in SEEN[: len(test.result.lrs)]] == pytest.approx(test.result.lrs)
    assert len(test.result.lrs) == 12


def test_a_module_that_sets_the_lr_in_its_optimizer_step_does_not_get_in_the_way():
    class WarmsUp(Recorded):
        def optimizer_step(self, epoch, batch_idx, optimizer, closure):
            for group in optimizer.param_groups:
                group["lr"] = 123.0
            optimizer.step(closure)

    test = LRRangeTest(1e-4, 1e-2, 12, apply=False)
    fit(test, module=WarmsUp(), limit_train_batches=1)
    assert [lr for (lr,) in SEEN[:5]] == pytest.approx(sweep_lrs(1e-4, 1e-2, 12, "exponential")[:5])


# ---------------------------------------------------------------------- what it refuses
class OneShot(IterableDataset):
    def __init__(self):
        self.samples = ((torch.randn(4), torch.randn(1)) for _ in range(40))

    def __iter__(self):
        return self.samples


def test_a_stream_that_cannot_be_copied_is_refused_before_the_test():
    data = OneShot()
    with pytest.raises(MisconfigurationException, match=r"needs its own copy of OneShot.*be copied.*__deepcopy__"):
        find(data=DataLoader(data, batch_size=4))
    assert len(list(data.samples)) == 40


def test_an_empty_loader_is_an_error():
    class Empty(IterableDataset):
        def __iter__(self):
            return iter(())

    with pytest.raises(MisconfigurationException, match="gives no batch"):
        find(data=DataLoader(Empty(), batch_size=4))


class Scheduled(Net):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]


def test_a_native_scheduler_beside_an_applied_finding_is_refused():
    with pytest.raises(MisconfigurationException, match=r"StepLR has already read.*TorchScheduler.*apply=False"):
        fit(LRRangeTest(), module=Scheduled())


def test_an_absolute_max_lr_beside_an_applied_finding_is_refused():
    with pytest.raises(
        MisconfigurationException, match=r"OneCycle\(max_lr=0.3\) and LRRangeTest.*both set the peak.*Remove max_lr=0.3"
    ):
        fit(LRRangeTest(), OneCycle(max_lr=0.3))
    assert fit(LRRangeTest(apply=False, num_steps=10), OneCycle(max_lr=0.3)).global_step == 40


def test_a_peak_inside_of_a_sequence_is_refused_and_a_bound_of_feedback_is_not():
    with pytest.raises(MisconfigurationException, match=r"Sequential.* both set the peak.*Remove max_lr=0.3"):
        fit(LRRangeTest(), Sequential([OneCycle(max_lr=0.3)]))
    for bound in ({}, {"max_lr": 0.3}):
        assert fit(LRRangeTest(num_steps=10), GreedyLR("train_loss", **bound)).global_step == 40


@pytest.mark.parametrize(
    "scheduler",
    [
        TorchScheduler(OneCycleLR, max_lr=0.3, total_steps=40),
        TorchScheduler(partial(OneCycleLR, max_lr=0.3, total_steps=40)),
        TorchScheduler(schedulers=[partial(StepLR, step_size=9), partial(OneCycleLR, max_lr=0.3, total_steps=40)]),
    ],
    ids=["keywords", "partial", "chained"],
)
def test_an_absolute_max_lr_of_a_torch_scheduler_beside_an_applied_finding_is_refused(scheduler):
    with pytest.raises(
        MisconfigurationException, match=r"OneCycleLR\(max_lr=0.3.*both set the peak.*OneCycle or CyclicalLR"
    ):
        fit(LRRangeTest(), scheduler)


def test_a_torch_scheduler_without_an_absolute_lr_starts_from_the_lr_that_is_found():
    test, recorder = LRRangeTest(), Recorder()
    fit(test, TorchScheduler(StepLR, step_size=10, gamma=0.5), recorder)
    assert recorder.of_group()[:10] == [test.result.suggestion] * 10
    assert recorder.of_group()[10] == pytest.approx(test.result.suggestion / 2)


def test_all_lrs_zero_is_an_error():
    with pytest.raises(MisconfigurationException, match=r"all are 0\. Configure one above 0"):
        find(Net(sgd((0.0, 0.0))))


# ---------------------------------------------------------------------- the one call
def test_one_call_leaves_module_and_trainer_as_they_were():
    module, recorder = Net(), Recorder()
    run = trainer(recorder, max_epochs=3, limit_train_batches=30)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    attributes, generator = set(vars(module)), torch.get_rng_state()
    result = lr_range_test(run, module, train_dataloaders=loader(40, 8))
    assert result.suggestion is not None
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert set(vars(module)) == attributes
    assert torch.equal(torch.get_rng_state(), generator)
    assert (run.limit_train_batches, run.limit_val_batches, run.global_step, run.loggers) == (30, 1.0, 0, [])
    assert recorder in run.callbacks
    assert recorder.lrs == {}
    assert run.lightning_module is None
    run.fit(module, loader(40, 8))
    assert run.global_step == 90


def test_one_call_says_when_the_trainer_skips_the_test():
    with pytest.raises(MisconfigurationException, match=r"skipped the test\. Use a Trainer without fast_dev_run"):
        find(fast_dev_run=True)


class Batches:
    """No DataLoader: something that can be iterated over."""

    def __init__(self):
        self.batches, self.rounds = list(loader(40, 8)), 0

    def __iter__(self):
        self.rounds += 1
        return iter(self.batches)


def test_anything_that_can_be_iterated_over_will_do_as_a_loader():
    data, module = Batches(), Net()
    assert find(module, data).losses[:39] == find(module, loader(40, 8)).losses[:39]
    assert data.rounds <= 1  # Lightning itself looks once whether it can


def test_one_call_twice_gives_the_same():
    module = Net()
    assert find(module) == find(module)


# ---------------------------------------------------------------------- what it shows
def test_the_curve_and_a_figure_go_to_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path)
    test = LRRangeTest(num_steps=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        fit(test, logger=logger)
        events = EventAccumulator(logger.log_dir).Reload()
    losses = [event.value for event in events.Scalars("range_test/loss")]
    assert losses == pytest.approx(test.result.losses, rel=1e-6)
    assert [event.value for event in events.Scalars("range_test/lr")] == pytest.approx(test.result.lrs, rel=1e-6)
    assert events.Tags()["images"] == ["range_test"]


def test_the_result_becomes_a_picture_a_table_and_json(tmp_path):
    result = find()
    result.plot(tmp_path / "curve.png")
    shown = [
        {text.get_text().partition(":")[0] for text in result.plot(rules=rules).legends[0].get_texts()}
        for rules in (False, True)
    ]
    assert shown[0] == {"fixed probe batches", "training batches", "interval", result.rule}
    assert {"descent", "steepest"} <= shown[1]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    rows = result.to_csv(tmp_path / "curve.csv").splitlines()
    assert (tmp_path / "curve.csv").read_text().splitlines() == rows
    assert rows[0] == "lr,loss,training_loss"
    assert [float(row.split(",")[0]) for row in rows[1:]] == result.lrs
    assert json.loads(result.to_json(tmp_path / "curve.json"))["suggestion"] == result.suggestion
    assert json.loads((tmp_path / "curve.json").read_text())["verdict"] == result.verdict


def test_json_has_no_nan():
    result = RangeTestResult([0.1], [math.nan], [math.inf], None, {"descent": None}, "No suggestion")
    assert json.loads(result.to_json())["losses"] == [None]
    result.plot()


def test_the_progress_bar_is_the_trainers(capsys):
    lr_range_test(
        trainer(TQDMProgressBar(), max_epochs=1, enable_progress_bar=True), Net(), train_dataloaders=loader(40, 8)
    )
    assert "LR range test" in capsys.readouterr().out
    find(enable_progress_bar=False, test=LRRangeTest(num_steps=20))
    assert "LR range test" not in capsys.readouterr().out


def test_a_rich_progress_bar_is_followed_by_a_rich_one(capsys, monkeypatch):
    rich.reconfigure(force_terminal=False)  # as a console that was asked for before there was a terminal
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    lr_range_test(
        trainer(RichProgressBar(), max_epochs=1, enable_progress_bar=True), Net(), train_dataloaders=loader(40, 8)
    )
    assert "LR range test" in capsys.readouterr().out


def test_a_rich_progress_bar_writes_to_the_console_that_the_trainers_bar_has(capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    where = io.StringIO()
    bar = RichProgressBar(console_kwargs={"file": where, "force_terminal": True, "width": 100})
    lr_range_test(trainer(bar, max_epochs=1, enable_progress_bar=True), Net(), train_dataloaders=loader(40, 8))
    assert "LR range test" in where.getvalue()
    assert "LR range test" not in capsys.readouterr().out


def test_fast_dev_run_skips_the_test():
    test = LRRangeTest()
    fit(test, fast_dev_run=True)
    assert test.result is None


# ---------------------------------------------------------------------- state
def test_a_resumed_fit_skips_the_test_and_keeps_what_it_had_found(tmp_path):
    first, whole = LRRangeTest(), Recorder()
    run = fit(first, OneCycle(total_steps=80), whole, max_epochs=2)
    seed_all()
    part = fit(LRRangeTest(), OneCycle(total_steps=80), max_epochs=1)
    part.save_checkpoint(tmp_path / "half.ckpt")
    again, rest = LRRangeTest(), Recorder()
    resumed = trainer(again, OneCycle(total_steps=80), rest, max_epochs=2)
    resumed.fit(Net(), loader(40, 8), ckpt_path=tmp_path / "half.ckpt")
    assert again.result == first.result
    assert rest.of_group(0) == whole.of_group(0)[40:]
    assert resumed.global_step == run.global_step


def test_the_state_loads_with_weights_only(tmp_path):
    test = LRRangeTest(num_steps=20)
    run = fit(test)
    run.save_checkpoint(tmp_path / "end.ckpt")
    held = torch.load(tmp_path / "end.ckpt", weights_only=True)["callbacks"][test.state_key]
    assert RangeTestResult.from_dict(held["result"]) == test.result


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"losses": [1.0]}, "losses must have"),
        ({"lrs": "many"}, "lrs must be a list of numbers"),
        ({"suggestion": "high"}, "suggestion must be a float above 0 or None"),
        ({"more": 1}, "must have the fields"),
    ],
)
def test_a_wrong_state_is_refused(change, message):
    state = find(test=LRRangeTest(num_steps=20)).to_dict()
    with pytest.raises(ValueError, match=message):
        LRRangeTest().load_state_dict({"result": {**state, **change}})


def test_two_tests_in_one_trainer_test_two_optimizers():
    first, second = LRRangeTest(1e-5, num_steps=30, optimizer=0), LRRangeTest(1e-5, num_steps=30, optimizer=1)
    run = trainer(first, second, max_epochs=1)
    run.fit(BusyManual(), shuffled())
    for index, test in enumerate((first, second)):
        if test.result.suggestion is not None:
            assert run.optimizers[index].param_groups[0]["lr"] == pytest.approx(test.result.suggestion)
    assert first.result.losses != second.result.losses


# ---------------------------------------------------------------------- arguments
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"min_lr": 0.0}, ValueError, "min_lr must be above 0, got 0.0"),
        ({"max_lr": 1e-8}, ValueError, r"max_lr must be above min_lr \(1e-07\), got 1e-08"),
        ({"max_lr": float("inf")}, ValueError, "max_lr must be finite, got inf"),
        ({"num_steps": 5}, ValueError, "num_steps must be at least 10, got 5"),
        ({"num_steps": 20.0}, TypeError, "num_steps must be an int, got 20.0"),
        ({"mode": "cosine"}, ValueError, "mode must be one of 'exponential', 'linear', got 'cosine'"),
        ({"rule": "magic"}, ValueError, "rule must be one of 'blend', 'descent', .*'smith', got 'magic'"),
        ({"judge": "test"}, ValueError, "judge must be one of 'probe', 'training', 'validation', got 'test'"),
        ({"monitor": 3}, ValueError, "monitor must be the name of a logged value, or None, got 3"),
        ({"probe_samples": 0}, ValueError, "probe_samples must be at least 1, got 0"),
        ({"optimizer": -1}, ValueError, "optimizer must be at least 0, got -1"),
    ],
)
def test_a_wrong_argument_is_named_with_its_rule(arguments, error, message):
    with pytest.raises(error, match=message):
        LRRangeTest(**arguments)


def test_the_arguments_can_be_given_in_yaml():
    parser = jsonargparse.ArgumentParser()
    parser.add_class_arguments(LRRangeTest, "test")
    given = {"test": {"min_lr": 1e-6, "rule": "edge", "judge": "validation", "apply": False, "optimizer": 1}}
    built = parser.instantiate(parser.parse_object(given)).test
    assert repr(built) == "LRRangeTest(min_lr=1e-06, rule='edge', apply=False, optimizer=1, judge='validation')"


def test_it_can_be_pickled_and_shown():
    test = LRRangeTest(num_steps=50, apply=False)
    assert repr(pickle.loads(pickle.dumps(test))) == repr(test) == "LRRangeTest(num_steps=50, apply=False)"
