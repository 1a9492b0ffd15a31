"""TorchScheduler against the schedulers run natively, in a real Trainer: values, composition, resume, new groups."""

from __future__ import annotations

import copy
import pickle
import re
import warnings

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, Recorder, adam, fit, loader, native, sgd, trainer
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR, OneCycleLR, StepLR
from torch_schedulers import CASES, IDS, Case, halved

from lr_callbacks import ReduceLROnPlateau, TorchScheduler, Warmup

LRS = (0.1, 0.02)


def from_yaml(**arguments):
    """A TorchScheduler as a configuration file makes it."""
    import yaml
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--callbacks", type=list[Callback])
    node = {"class_path": "lr_callbacks.TorchScheduler", "init_args": arguments}
    config = parser.parse_string(yaml.safe_dump({"callbacks": [node]}))
    return parser.instantiate(config).callbacks[0]


def assert_close(lrs, expected):
    assert len(lrs) == len(expected) > 0
    for step, (ours, theirs) in enumerate(zip(lrs, expected, strict=True)):
        assert ours == pytest.approx(theirs, rel=1e-12, abs=0), f"step {step}"


@pytest.mark.parametrize("make", [sgd, adam], ids=["sgd", "adam"])
@pytest.mark.parametrize("origin", ["python", "yaml"])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_lrs_and_momenta_equal_those_of_the_native_scheduler(case, origin, make):
    callback = TorchScheduler(**case.in_python()) if origin == "python" else from_yaml(**case.in_yaml())
    recorder = fit(callback, module=Net(make(LRS)), batches=12)
    lrs, momenta = native(case.native, 12, make(LRS))
    assert_close(recorder.lrs[0], lrs)
    assert_close(recorder.momenta[0], momenta)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_by_epoch_it_steps_after_the_last_step_of_each_epoch(case):
    recorder = fit(TorchScheduler(interval="epoch", **case.in_python()), module=Net(sgd(LRS)), batches=2, max_epochs=12)
    lrs, momenta = native(case.native, 12, sgd(LRS))
    assert_close(recorder.lrs[0], [lr for lr in lrs for _ in range(2)])
    assert_close(recorder.momenta[0], [m for m in momenta for _ in range(2)])


@pytest.mark.parametrize("accumulate", [1, 3])
def test_under_accumulation_it_steps_with_the_optimizer(accumulate):
    recorder = fit(TorchScheduler(ExponentialLR, gamma=0.5), batches=6 * accumulate, accumulate_grad_batches=accumulate)
    assert_close(recorder.of_group(), [0.1 * 0.5**step for step in range(6)])


def test_frequency_steps_it_once_in_so_many_steps():
    recorder = fit(TorchScheduler(ExponentialLR, frequency=3, gamma=0.5), batches=8)
    assert_close(recorder.of_group(), [0.1 * 0.5 ** (step // 3) for step in range(8)])


def test_past_its_end_one_cycle_holds_its_last_value():
    recorder = fit(TorchScheduler(OneCycleLR, max_lr=0.1, total_steps=5), batches=9)
    lrs = recorder.of_group()
    assert lrs[4:] == [lrs[4]] * 5
    assert lrs[4] < 1e-6


def test_a_chained_one_cycle_holds_while_the_others_go_on():
    parts = [lambda o: OneCycleLR(o, max_lr=0.1, total_steps=4), lambda o: ExponentialLR(o, gamma=0.5)]
    lrs = fit(TorchScheduler(schedulers=parts), batches=8).of_group()
    assert lrs[5:] == [pytest.approx(lrs[4] * 0.5**past) for past in (1, 2, 3)]


# ---------------------------------------------------------------------- composition
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_after_a_warmup_it_starts_at_its_beginning_and_multiplies(case):
    scheduler, ramp = TorchScheduler(**case.in_python()), Warmup(4)
    recorder = fit(scheduler, ramp, module=Net(sgd(LRS)), batches=12)
    lrs, _ = native(case.native, 8, sgd(LRS))
    ramped = [[lr * (1 / 3 + (1 - 1 / 3) * step / 4) for lr in lrs[0]] for step in range(4)]
    assert_close(recorder.lrs[0], ramped + lrs)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_plateau_reduction_multiplies_with_it(case):
    plateau = ReduceLROnPlateau("scripted", patience=0, factor=0.5)
    module = Net(sgd(LRS), metrics=[1.0, 1.0, 0.5, 0.5])
    recorder = fit(TorchScheduler(**case.in_python()), plateau, module=module, batches=3, max_epochs=4, val=True)
    lrs, _ = native(case.native, 12, sgd(LRS))
    reduced = [1.0, 1.0, 0.5, 0.5]
    assert_close(recorder.lrs[0], [[lr * reduced[step // 3] for lr in of_step] for step, of_step in enumerate(lrs)])


def test_the_order_of_the_callbacks_changes_nothing():
    def run(*order):
        made = [TorchScheduler(StepLR, step_size=3), TorchScheduler(ExponentialLR, gamma=0.9), Warmup(3)]
        return fit(*(made[place] for place in order), batches=9).lrs

    assert run(0, 1, 2) == run(2, 1, 0) == run(1, 2, 0)


def test_groups_get_schedulers_of_their_own():
    recorder = fit(
        TorchScheduler(ExponentialLR, gamma=0.5, groups=0),
        TorchScheduler(ExponentialLR, gamma=0.9, groups=1),
        module=Net(sgd(LRS)),
        batches=4,
    )
    assert_close(recorder.lrs[0], [[0.1 * 0.5**step, 0.02 * 0.9**step] for step in range(4)])


# ---------------------------------------------------------------------- plateau
PLATEAU = [1.0, 0.9, 0.95, 0.95, 0.95, 0.8, 0.85, 0.85]


def plateau_lrs(**arguments):
    lrs = []
    optimizer = sgd(LRS)([nn.Linear(2, 2), nn.Linear(2, 2)])
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **arguments)
    for value in PLATEAU:
        lrs.append([group["lr"] for group in optimizer.param_groups])
        scheduler.step(value)
    return lrs


@pytest.mark.parametrize("origin", ["python", "yaml"])
def test_torch_plateau_decides_as_it_does_natively(origin):
    arguments = {"patience": 1, "factor": 0.5, "min_lr": 0.008}
    node = {"class_path": "torch.optim.lr_scheduler.ReduceLROnPlateau", "init_args": arguments}
    if origin == "python":
        callback = TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="scripted", **arguments)
    else:
        callback = from_yaml(scheduler=node, monitor="scripted")
    recorder = fit(callback, module=Net(sgd(LRS), PLATEAU), batches=2, max_epochs=len(PLATEAU), val=True)
    expected = plateau_lrs(**arguments)
    assert expected[-1] != expected[0]
    assert_close(recorder.lrs[0], [lrs for lrs in expected for _ in range(2)])


def test_frequency_passes_only_every_second_evaluation_on():
    callback = TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="scripted", frequency=2, patience=0, factor=0.5)
    recorder = fit(callback, module=Net(metrics=[1.0]), batches=1, max_epochs=7, val=True)
    assert_close(recorder.of_group(), [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025])


def test_a_metric_that_nobody_logs_is_an_error_that_lists_what_is_logged():
    with pytest.raises(MisconfigurationException, match=r"nothing logged a metric 'nothing'.*Logged: .*val_loss"):
        fit(TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="nothing"), val=True, max_epochs=2)


# ---------------------------------------------------------------------- resume
def resumed_everywhere(make_callbacks, tmp_path, batches=3, epochs=4, module=lambda: Net(sgd(LRS)), **kwargs):
    """Trace of a run, and of runs resumed from a checkpoint of every step and every epoch: (step, trace)."""

    def saver(folder):
        return ModelCheckpoint(folder, "{step}", save_top_k=-1, every_n_train_steps=1)

    whole = fit(
        *make_callbacks(),
        saver(tmp_path),
        module=module(),
        batches=batches,
        max_epochs=epochs,
        enable_checkpointing=True,
        **kwargs,
    )
    for path in sorted(tmp_path.glob("*.ckpt")):
        torch.load(path, weights_only=True)
        step = int(path.stem.partition("=")[2].partition("-")[0])
        if step < len(whole.lrs[0]):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*(mid-epoch checkpoint|dirpath has changed).*")
                part = fit(
                    *make_callbacks(),
                    saver(tmp_path / f"again_{step}"),
                    module=module(),
                    batches=batches,
                    max_epochs=epochs,
                    ckpt_path=path,
                    enable_checkpointing=True,
                    **kwargs,
                )
            yield step, whole, part


@pytest.mark.parametrize("interval", ["step", "epoch"])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_resumed_from_a_checkpoint_of_any_step_it_goes_on_bit_for_bit(case, interval, tmp_path):
    def callbacks():
        return [TorchScheduler(interval=interval, **case.in_python()), Warmup(2)]

    seen = 0
    for step, whole, part in resumed_everywhere(callbacks, tmp_path, batches=2, epochs=3):
        assert part.lrs[0] == whole.lrs[0][step:], f"resumed at step {step}"
        assert part.momenta[0] == whole.momenta[0][step:], f"resumed at step {step}"
        seen += 1
    assert seen == 5


class ByHand(Net):
    """Two optimizers, so that nobody knows before how many steps an epoch has."""

    automatic_optimization = False

    def training_step(self, batch, batch_idx):
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            self.manual_backward((self(batch[0]) - batch[1]).square().mean())
            optimizer.step()

    def configure_optimizers(self):
        return [sgd((0.1,))([self.body]), sgd((0.02,))([self.head])]


def test_a_finished_run_that_is_resumed_and_saved_keeps_what_its_scheduler_has_learnt(tmp_path):
    def callback():
        return TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="scripted", patience=0, factor=0.5)

    class Save(Callback):
        def __init__(self, path):
            self.path = path

        def teardown(self, trainer, *_, **__):
            trainer.save_checkpoint(self.path)

    def module():
        return Net(sgd((0.1,)), metrics=[1.0])

    paths = [str(tmp_path / f"{number}.ckpt") for number in range(3)]
    fit(callback(), Save(paths[0]), module=module(), batches=2, val=True, max_epochs=2)
    nothing = fit(callback(), Save(paths[1]), module=module(), batches=2, val=True, max_epochs=2, ckpt_path=paths[0])
    longer = fit(callback(), module=module(), batches=2, val=True, max_epochs=4, ckpt_path=paths[1])
    assert nothing.lrs == {}
    assert longer.of_group() == [0.05, 0.05, 0.025, 0.025]


def test_each_of_two_optimizers_has_a_scheduler_that_steps_with_it():
    class SecondRests(ByHand):
        def training_step(self, batch, batch_idx):
            for optimizer in self.optimizers()[: 1 + batch_idx % 2]:
                optimizer.zero_grad()
                self.manual_backward((self(batch[0]) - batch[1]).square().mean())
                optimizer.step()

    recorder = fit(TorchScheduler(ExponentialLR, gamma=0.5), module=SecondRests(), batches=6)
    assert_close(recorder.of_group(optimizer=0), [0.1 * 0.5**step for step in range(6)])
    assert_close(recorder.of_group(optimizer=1), [0.02 * 0.5**step for step in range(3)])


@pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")
def test_epochs_that_are_counted_as_they_end_are_counted_right_from_every_step(tmp_path):
    def callbacks():
        return [TorchScheduler(ExponentialLR, interval="epoch", gamma=0.5)]

    resumed = {}
    for step, whole, part in resumed_everywhere(callbacks, tmp_path, module=ByHand, batches=2, epochs=5):
        assert whole.of_group() == pytest.approx([0.1 * 0.5 ** (step // 2) for step in range(10)], rel=1e-12)
        rest = len(part.lrs[0])
        assert [part.lrs[n] for n in (0, 1)] == [whole.lrs[n][-rest:] for n in (0, 1)], f"resumed at step {step}"
        resumed[step] = rest
    assert resumed == {2: 9, 4: 8, 6: 7, 8: 6}


class ScriptedByStep(Net):
    """Its metric depends on how far it has been trained, as a real one does, and not on the number of the epoch."""

    def validation_step(self, batch, batch_idx):
        self.log("scripted", torch.tensor([1.0, 1.0, 0.9, 0.95, 0.95][max(self.trainer.global_step // 3 - 1, 0)]))


def test_from_any_step_of_a_plateau_run_it_goes_on_bit_for_bit(tmp_path):
    def callbacks():
        return [
            TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="scripted", patience=0, factor=0.5),
            TorchScheduler(ExponentialLR, gamma=0.9),
        ]

    def module():
        return ScriptedByStep(sgd(LRS))

    seen = 0
    for step, whole, part in resumed_everywhere(callbacks, tmp_path, module=module, val=True, epochs=5):
        assert part.lrs[0] == whole.lrs[0][step:], f"resumed at step {step}"
        seen += 1
    assert seen == 14


def test_evaluations_that_were_passed_over_before_a_resume_count(tmp_path):
    def callback():
        return TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="scripted", frequency=2, patience=0, factor=0.5)

    saver = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1, save_on_train_epoch_end=True)
    options = {"batches": 2, "val": True, "max_epochs": 6}
    whole = fit(callback(), saver, module=Net(metrics=[1.0]), enable_checkpointing=True, **options)
    assert whole.of_group() == [0.1] * 8 + [0.05] * 4
    for epoch in range(5):
        resumed = fit(callback(), module=Net(metrics=[1.0]), ckpt_path=tmp_path / f"epoch={epoch}.ckpt", **options)
        assert resumed.of_group() == whole.of_group()[2 * epoch + 2 :]


@pytest.mark.filterwarnings("ignore:.*mid-epoch checkpoint", "ignore:The configured LR of group")
def test_reductions_that_were_made_from_another_base_lr_are_those_of_todays(tmp_path):
    def callback():
        return TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="scripted", patience=0, factor=0.5)

    options = {"batches": 3, "val": True, "max_epochs": 5}
    saver = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, every_n_train_steps=9)
    whole = fit(callback(), saver, module=ScriptedByStep(sgd((0.1, 0.02))), enable_checkpointing=True, **options)
    path = tmp_path / "step=9.ckpt"
    resumed = fit(callback(), module=ScriptedByStep(sgd((0.2, 0.02))), ckpt_path=path, **options)
    assert whole.of_group()[9:] == [0.05] * 3 + [0.025] * 3
    assert resumed.of_group(0) == pytest.approx([2 * lr for lr in whole.of_group(0)[9:]], rel=1e-12)
    assert resumed.of_group(1) == whole.of_group(1)[9:]


def a_checkpoint(callback, folder, **kwargs):
    saver = ModelCheckpoint(folder, "{step}", save_top_k=-1, every_n_train_steps=6)
    whole = fit(callback, saver, batches=12, enable_checkpointing=True, **kwargs)
    return str(folder / "step=6.ckpt"), whole


@pytest.mark.filterwarnings("ignore:.*mid-epoch checkpoint", "ignore:Resuming .* a different schedule")
def test_todays_arguments_win_over_those_of_the_checkpoint(tmp_path):
    path, _ = a_checkpoint(TorchScheduler(StepLR, step_size=2, gamma=0.5), tmp_path)
    resumed = fit(TorchScheduler(StepLR, step_size=3, gamma=0.1), batches=12, ckpt_path=path)
    assert_close(resumed.of_group(), [0.1 * 0.1 ** (step // 3) for step in range(6, 12)])


@pytest.mark.filterwarnings("ignore:.*mid-epoch checkpoint", "ignore:Resuming .* a different schedule")
def test_added_on_resume_it_stands_where_it_would_have_stood(tmp_path):
    path, _ = a_checkpoint(Warmup(2), tmp_path)
    resumed = fit(TorchScheduler(ExponentialLR, gamma=0.5), batches=12, ckpt_path=path)
    assert_close(resumed.of_group(), [0.1 * 0.5**step for step in range(6, 12)])


@pytest.mark.filterwarnings("ignore:.*mid-epoch checkpoint")
def test_a_callable_with_a_state_of_its_own_is_restored(tmp_path):
    class Counting:
        def __init__(self):
            self.calls = 0

        def __call__(self, step):
            self.calls += 1
            return 0.9**self.calls

    path, whole = a_checkpoint(TorchScheduler(LambdaLR, lr_lambda=Counting()), tmp_path)
    resumed = fit(TorchScheduler(LambdaLR, lr_lambda=Counting()), batches=12, ckpt_path=path)
    assert resumed.of_group() == whole.of_group()[6:]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "must have optimizers and validation_due"),
        ({"optimizers": {"a": {}}, "validation_due": False}, "must map the indices of optimizers"),
        ({"optimizers": {"0": {"rounds": 0, "foreign": {}}}, "validation_due": False}, "must have just the keys"),
        (
            {
                "optimizers": {"0": {"rounds": 0, "foreign": {"count": -1, "initial": {}, "now": {}}}},
                "validation_due": False,
            },
            "count must be an int >= 0, got -1",
        ),
        (
            {
                "optimizers": {"0": {"rounds": 0, "foreign": {"count": 1, "initial": {}, "now": {}}}},
                "validation_due": False,
            },
            "initial must hold a scheduler and groups with their LRs",
        ),
    ],
)
def test_a_damaged_state_is_refused(state, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        TorchScheduler(StepLR, step_size=1).load_state_dict(state)


# ---------------------------------------------------------------------- groups added in mid-training
class AddsAGroup(Callback):
    """Unfreezes the head after three steps, at half the LR that the body then has."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 3:
            body = trainer.optimizers[0].param_groups[0]
            trainer.optimizers[0].add_param_group({"params": list(pl_module.head.parameters()), "lr": body["lr"] / 2})


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_group_added_in_mid_training_follows_the_first(case):
    module = Net(lambda parts: torch.optim.SGD(parts[0].parameters(), lr=0.1, momentum=0.9))
    lrs = fit(TorchScheduler(**case.in_python()), AddsAGroup(), module=module, batches=9).lrs[0]
    expected, _ = native(case.native, 9, sgd((0.1,)))
    assert_close([of_step[:1] for of_step in lrs], expected)
    assert [len(of_step) for of_step in lrs] == [1] * 3 + [2] * 6
    assert_close([of_step[1] for of_step in lrs[3:]], [of_step[0] / 2 for of_step in lrs[3:]])


# ---------------------------------------------------------------------- what it is, and what it refuses
def test_epochs_of_unknown_length_are_counted_as_they_end():
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(loader(3).dataset)

    recorder = Recorder()
    callback = TorchScheduler(ExponentialLR, interval="epoch", gamma=0.5)
    trainer(callback, recorder, max_epochs=3).fit(Net(), torch.utils.data.DataLoader(Stream(), batch_size=2))
    assert_close(recorder.of_group(), [0.1 * 0.5 ** (step // 3) for step in range(9)])


def test_momentum_is_given_back_at_the_end():
    module = Net()
    fit(TorchScheduler(OneCycleLR, max_lr=0.1, total_steps=5), module=module, batches=3)
    assert module.trainer.optimizers[0].param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize(
    ("callback", "shown"),
    [
        (TorchScheduler(StepLR, step_size=2), "TorchScheduler(scheduler=StepLR(step_size=2))"),
        (
            TorchScheduler("StepLR", "epoch", step_size=2),
            "TorchScheduler(scheduler=StepLR(step_size=2), interval='epoch')",
        ),
        (TorchScheduler(LambdaLR, lr_lambda=halved), "TorchScheduler(scheduler=LambdaLR(lr_lambda=halved))"),
        (
            from_yaml(**Case("StepLR", {"step_size": 2}).in_yaml()),
            "TorchScheduler(scheduler=StepLR(step_size=2))",
        ),
    ],
    ids=["class", "path", "function", "yaml"],
)
def test_it_shows_itself_without_addresses(callback, shown):
    assert repr(callback) == shown
    assert repr(pickle.loads(pickle.dumps(callback))) == shown
    assert repr(copy.deepcopy(callback)) == shown


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "TorchScheduler takes either scheduler (one) or schedulers (a list), got neither"),
        ({"scheduler": StepLR, "schedulers": [StepLR]}, ValueError, "got both"),
        ({"scheduler": 3}, TypeError, "scheduler must be a scheduler's class or a callable that makes one"),
        ({"scheduler": "StepLRR"}, ValueError, "scheduler must be a scheduler's class, or the import path of one"),
        ({"scheduler": "CosineAnealingLR"}, ValueError, "Did you mean 'CosineAnnealingLR'?"),
        ({"scheduler": StepLR}, TypeError, "StepLR() cannot be built: missing a required argument: 'step_size'"),
        (
            {"scheduler": StepLR, "step_size": 1, "interval": "batch"},
            ValueError,
            "interval must be one of 'step', 'epoch'",
        ),
        ({"scheduler": StepLR, "step_size": 1, "frequency": 0}, ValueError, "frequency must be at least 1, got 0"),
        ({"schedulers": []}, ValueError, "schedulers must be a list of at least one scheduler, got []"),
        ({"schedulers": [StepLR, StepLR], "milestones": []}, ValueError, "milestones must be one fewer than the 2"),
        ({"schedulers": [StepLR] * 3, "milestones": [5, 2]}, ValueError, "milestones must be increasing, got [5, 2]"),
        ({"schedulers": [StepLR], "gamma": 1}, ValueError, "must be given to each of schedulers on its own"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        TorchScheduler(**arguments)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            TorchScheduler(OneCycleLR, max_lr=[0.1, 0.2, 0.3], total_steps=5),
            "cannot be built for optimizer 0 (SGD) with",
        ),
        (TorchScheduler(lr_scheduler.ReduceLROnPlateau), "ReduceLROnPlateau needs the name of a logged metric"),
        (TorchScheduler(StepLR, monitor="val_loss", step_size=1), "StepLR takes no metric; remove monitor='val_loss'"),
        (TorchScheduler(lambda optimizer: 3), "it must build a scheduler with a step method, got 3"),
    ],
)
def test_what_cannot_be_built_is_refused_before_the_first_step(callback, message):
    with pytest.raises(MisconfigurationException, match=re.escape(message)):
        fit(callback)


# ---------------------------------------------------------------------- other libraries
def test_a_scheduler_of_transformers_comes_through_the_same_door():
    pytest.importorskip("transformers")
    from transformers import get_cosine_schedule_with_warmup as cosine

    recorder = fit(TorchScheduler(cosine, num_warmup_steps=3, num_training_steps=10), module=Net(sgd(LRS)), batches=12)
    lrs, _ = native(lambda o: cosine(o, num_warmup_steps=3, num_training_steps=10), 12, sgd(LRS))
    assert_close(recorder.lrs[0], lrs)


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_a_scheduler_of_timm_comes_through_the_same_door(interval, tmp_path):
    timm = pytest.importorskip("timm.scheduler")
    by_epoch = interval == "epoch"
    arguments = {"t_initial": 10, "lr_min": 1e-4, "warmup_t": 3, "warmup_lr_init": 1e-3, "t_in_epochs": by_epoch}
    optimizer = sgd(LRS)([nn.Linear(2, 2), nn.Linear(2, 2)])
    scheduler, lrs = timm.CosineLRScheduler(optimizer, **arguments), []
    for count in range(1, 13):
        lrs.append([group["lr"] for group in optimizer.param_groups])
        (scheduler.step if by_epoch else scheduler.step_update)(count)
    callback = TorchScheduler("timm.scheduler.CosineLRScheduler", interval, **arguments)
    shape = {"batches": 1, "max_epochs": 12} if by_epoch else {"batches": 12}
    assert_close(fit(callback, module=Net(sgd(LRS)), **shape).lrs[0], lrs)
