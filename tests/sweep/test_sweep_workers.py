"""Several workers on one sweep, and workers that are killed: real processes."""

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from processes import start
from sweep_worker import lrs, search, work


def start_worker(folder, points, seconds, storage=None):
    return start(work, str(folder), points, seconds, storage)


def outcome(worker, folder):
    """What a worker leaves behind, once it has ended."""
    worker.join(timeout=200)
    assert worker.exitcode == 0
    return json.loads(Path(folder, f"{worker.pid}.json").read_text())


def ranking(worker, folder):
    """What a worker gives back, once it has ended."""
    return outcome(worker, folder)["ranking"]


def kill(worker):
    """End a worker as the system does that is out of memory."""
    worker.kill()
    worker.join(timeout=200)
    assert worker.exitcode == -signal.SIGKILL


def told(folder, what):
    """How often each LR began or ended, and by which processes."""
    path = Path(folder, "log.txt")
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [(lr, pid) for kind, lr, pid in lines if kind == what]


def wait_for(condition):
    deadline = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_two_workers_run_each_of_twelve_points_once_and_both_know_the_whole_ranking(tmp_path):
    workers = [start_worker(tmp_path, 12, 0.3) for _ in range(2)]
    first, second = [ranking(worker, tmp_path) for worker in workers]
    assert Counter(lr for lr, _ in told(tmp_path, "begin")) == dict.fromkeys(lrs(12), 1)
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(12), 1)
    assert {pid for _, pid in told(tmp_path, "begin")} == {worker.pid for worker in workers}
    assert first == second
    assert sorted(lr for lr, _ in first) == lrs(12)


def test_a_sweep_that_is_killed_in_a_trial_goes_on_to_the_ranking_of_one_that_never_stopped(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = search(tmp_path / "whole", 4)
    killed = start_worker(tmp_path, 4, 1.5)
    wait_for(lambda: len(told(tmp_path, "begin")) == 2)
    kill(killed)
    assert len(told(tmp_path, "end")) == 1
    again = ranking(start_worker(tmp_path, 4, 0), tmp_path)
    assert again == whole
    begun = [lr for lr, _ in told(tmp_path, "begin")]
    assert Counter(begun) == {**dict.fromkeys(lrs(4), 1), lrs(4)[1]: 2}
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(4), 1)


def test_a_worker_repeats_what_another_left_behind_when_it_was_killed_and_not_what_a_living_one_runs(tmp_path):
    killed = start_worker(tmp_path, 2, 60)
    wait_for(lambda: told(tmp_path, "begin"))
    other = start_worker(tmp_path, 2, 0)
    wait_for(lambda: told(tmp_path, "end"))
    time.sleep(1.5)  # the other one waits, for the first one lives
    assert other.is_alive()
    assert [lr for lr, _ in told(tmp_path, "begin")] == lrs(2)
    kill(killed)
    assert sorted(lr for lr, _ in ranking(other, tmp_path)) == lrs(2)
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(2), 1)


@pytest.mark.skipif("LR_CALLBACKS_TEST_DATABASE" not in os.environ, reason="names no database server to test with")
def test_two_workers_on_a_database_server_run_each_point_once(tmp_path):
    """Needs an empty database, such as LR_CALLBACKS_TEST_DATABASE=postgresql+psycopg2://me:secret@localhost/empty."""
    workers = [start_worker(tmp_path, 12, 0.3, os.environ["LR_CALLBACKS_TEST_DATABASE"]) for _ in range(2)]
    first, second = [ranking(worker, tmp_path) for worker in workers]
    assert first == second
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(12), 1)
    assert {pid for _, pid in told(tmp_path, "begin")} == {worker.pid for worker in workers}


def test_a_second_worker_on_sqlite_is_refused_and_the_first_one_finishes(tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    first = start_worker(tmp_path, 2, -1, storage)
    wait_for(lambda: told(tmp_path, "begin"))
    (tmp_path / "elsewhere").mkdir()  # another folder, the same database
    second = start_worker(tmp_path / "elsewhere", 2, 0, storage)
    refused = outcome(second, tmp_path / "elsewhere")
    (tmp_path / "go").touch()
    assert refused["error"].startswith("ValueError: storage must not be SQLite for several workers")
    assert sorted(lr for lr, _ in ranking(first, tmp_path)) == lrs(2)
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(2), 1)
