"""Points that kill their process or want too much memory, and trials that a dead worker left behind."""

import optuna
import pytest
import torch
from optuna.trial import TrialState
from support import Net, loader, sgd, trainer
from sweep_support import Search

from lr_callbacks import grid_search
from lr_callbacks.sweep import work
from lr_callbacks.sweep.ledger import Ledger, Slot

SLOTS = [Slot({"lr": lr}, seed) for seed in (0, 1) for lr in (0.1, 0.2)]


def ledger(folder, slots=SLOTS, max_deaths=3):
    study = optuna.create_study(
        storage=f"sqlite:///{folder}/s.db",
        study_name="test",
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(),
    )
    return Ledger(study, slots, {"lr": [0.1, 0.2]}, max_deaths)


def taken(made):
    """Queue what is next, and take it as a worker does; then its process is gone."""
    made.queue_next()
    trial = made.study.ask()
    made.refresh()
    return trial


def test_slots_are_queued_once_in_order_whoever_asks(tmp_path):
    first, second = ledger(tmp_path), ledger(tmp_path)
    asked = []
    for made in (first, second, first, second):
        made.refresh()
        asked.append(taken(made).user_attrs["slot"])
    assert asked == [slot.key for slot in SLOTS]
    first.refresh()
    assert first.queue_next() is None
    assert first.left() == asked


def test_of_two_trials_that_two_machines_queued_for_one_slot_only_the_older_is_wanted(tmp_path):
    here, there = ledger(tmp_path), ledger(tmp_path)
    assert here.queue_next() == there.queue_next() == SLOTS[0]
    older, younger = here.study.ask(), there.study.ask()
    for made in (here, there):
        made.refresh()
        assert made.wants(SLOTS[0].key, older.number)
        assert not made.wants(SLOTS[0].key, younger.number)
    there.study.tell(older, state=TrialState.FAIL)
    there.refresh()
    assert there.wants(SLOTS[0].key, younger.number)


def test_a_worker_wants_only_what_its_own_grid_asks_for(tmp_path):
    trial = taken(ledger(tmp_path))
    assert not ledger(tmp_path, slots=SLOTS[2:3]).wants(trial.user_attrs["slot"], trial.number)


def test_a_slot_that_kills_its_workers_comes_last_and_is_given_up_after_three_deaths(tmp_path):
    made = ledger(tmp_path)
    for death in range(1, 4):
        asked = []
        while made.queue_next():
            trial = made.study.ask()
            asked.append(trial.user_attrs["slot"])
            if asked[-1] == SLOTS[0].key:
                made.study.tell(trial, state=TrialState.FAIL)  # as for one without a heartbeat
                break
            trial.set_user_attr("result", {"epochs": 1, "seconds": 1.0, "run": ""})
            made.study.tell(trial, 1.0)
            made.refresh()
        assert asked.index(SLOTS[0].key) == (0 if death == 1 else len(asked) - 1)
        assert made.refresh() == [(SLOTS[0].key, "the process was killed")]
        if death == 1:
            for slot in SLOTS[1:]:
                assert made.queue_next() == slot
                trial = made.study.ask()
                trial.set_user_attr("result", {"epochs": 1, "seconds": 1.0, "run": ""})
                made.study.tell(trial, 1.0)
                made.refresh()
    assert made.queue_next() is None
    assert made.left() == []
    patient = ledger(tmp_path, max_deaths=4)
    assert patient.queue_next() == SLOTS[0]
    made.refresh()
    assert made.left() == []  # one that waits is given up all the same
    row = made.table("loss", "min").rows[-1]
    assert (row.point, row.state, row.deaths) == ({"lr": 0.1}, "dead", 3)


class Killed(BaseException):
    """The end of a process, as the storage sees it: nothing is written down."""


@pytest.fixture
def poisoned(monkeypatch, tmp_path):
    """A sweep of four rates whose second one kills the process; each call is a process."""
    built = []

    def build(lr):
        built.append(lr)
        if lr == 0.02:
            raise Killed
        return trainer(max_epochs=1), Net(sgd([lr])), loader(4), loader(2)

    def fail(self, trial, name, error):
        raise error  # Optuna, too, writes nothing down then

    monkeypatch.setattr(work.Worker, "_fail", fail)

    def run(**options):
        built.clear()
        options = {"take_over": True, **options}
        return grid_search(build, {"lr": [0.01, 0.02, 0.03, 0.04]}, folder=tmp_path / "sweep", **options), built

    return run


def test_a_point_that_kills_its_process_does_not_keep_the_others_from_being_trained_and_is_shown(poisoned, capsys):
    for trained in ([0.01, 0.02], [0.03, 0.04, 0.02], [0.02]):
        with pytest.raises(Killed):
            poisoned()
        said = capsys.readouterr().out
        assert [float(line.split()[1].rstrip(",")) for line in said.splitlines() if " epoch" in line] == [
            lr for lr in trained if lr != 0.02
        ]
    table, built = poisoned()
    assert built == []
    said = capsys.readouterr().out
    assert "lr 0.02, seed 0: the process was killed 3 times; giving up" in said
    assert [row.state for row in table.rows] == ["complete"] * 3 + ["dead"]
    assert table.rows[-1].point == {"lr": 0.02}
    assert str(table).splitlines()[-1].endswith("died 3 times")
    assert table.verdict().endswith("\nWithout a result: lr 0.02, died 3 times.\nTo try it again: max_deaths 4.")
    with pytest.raises(Killed):
        poisoned(max_deaths=4)
    assert poisoned(max_deaths=1)[0].rows[-1].deaths == 4


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), RuntimeError("alloc: can't allocate memory: 1 TB")],
)
def test_a_point_without_enough_memory_is_tried_three_times_and_does_not_stop_the_sweep(tmp_path, error, capsys):
    built = []

    def build(width):
        built.append(width)
        if width == 64:
            raise error
        return trainer(max_epochs=1), Net(sgd([0.01])), loader(2), loader(2)

    table = grid_search(build, {"width": [64, 4]}, folder=tmp_path)
    assert built == [64, 4, 64, 64]
    assert [(row.point["width"], row.state) for row in table.rows] == [(4, "complete"), (64, "dead")]
    said = capsys.readouterr().out
    assert "width 64, seed 0: out of memory once; trying again after the others, up to 3 times" in said
    assert "width 64, seed 0: out of memory 3 times; giving up" in said


def test_a_sweep_that_killed_its_process_at_every_point_has_no_best(poisoned):
    for _ in range(3):
        with pytest.raises(Killed):
            poisoned(seeds=[5])
    table, _ = poisoned(seeds=[5])
    lost = type(table)(table.metric, table.mode, table.rows[-1:])
    with pytest.raises(ValueError, match="must have a point that was trained to the end, got 1 dead"):
        _ = lost.best


def test_a_trial_whose_worker_died_before_its_first_heartbeat_is_repeated(tmp_path, monkeypatch):
    search = Search(tmp_path)
    search({"lr": [0.01]})
    study = optuna.load_study(storage=f"sqlite:///{tmp_path}/study.db", study_name="sweep")
    study.enqueue_trial({}, user_attrs={"slot": Slot({"lr": 0.1}, 0).key})
    study.ask()  # killed here
    monkeypatch.setattr(work, "GRACE_SECONDS", 1)
    table = search({"lr": [0.01, 0.1]})
    assert [point["lr"] for point in search.built] == [0.01, 0.1]
    assert {row.state for row in table.rows} == {"complete"}


def test_preemption_by_sigterm_is_not_the_fault_of_the_point(tmp_path, capsys):
    import os
    import signal

    class Preempted(Net):
        def on_train_batch_start(self, *_):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        Search(tmp_path, module=Preempted)({"lr": [0.01]}, max_deaths=1)
    assert "lr 0.01, seed 0: stopped. Finished trainings are kept" in capsys.readouterr().out
    assert Search(tmp_path)({"lr": [0.01]}, max_deaths=1).rows[0].state == "complete"
