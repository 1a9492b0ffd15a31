"""Several workers on one sweep, and workers that are killed: real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sweep_worker import lrs, search

TESTS = Path(__file__).parent


def start(folder, points, seconds, *more):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(TESTS / "sweep_worker.py"), str(folder), str(points), str(seconds), *more]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ranking(worker):
    """What a worker gives back, once it has ended."""
    said, errors = worker.communicate(timeout=200)
    assert worker.returncode == 0, errors
    return json.loads(said.splitlines()[-1])


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
    workers = [start(tmp_path, 12, 0.3) for _ in range(2)]
    first, second = [ranking(worker) for worker in workers]
    assert Counter(lr for lr, _ in told(tmp_path, "begin")) == dict.fromkeys(lrs(12), 1)
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(12), 1)
    assert {pid for _, pid in told(tmp_path, "begin")} == {worker.pid for worker in workers}
    assert first == second
    assert sorted(lr for lr, _ in first) == lrs(12)


def test_a_sweep_that_is_killed_in_a_trial_goes_on_to_the_ranking_of_one_that_never_stopped(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = search(tmp_path / "whole", 4)
    killed = start(tmp_path, 4, 1.5)
    wait_for(lambda: len(told(tmp_path, "begin")) == 2)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(told(tmp_path, "end")) == 1
    again = ranking(start(tmp_path, 4, 0))
    assert again == whole
    begun = [lr for lr, _ in told(tmp_path, "begin")]
    assert Counter(begun) == {**dict.fromkeys(lrs(4), 1), lrs(4)[1]: 2}
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(4), 1)


def test_a_worker_repeats_what_another_left_behind_when_it_was_killed_and_not_what_a_living_one_runs(tmp_path):
    killed = start(tmp_path, 2, 60)
    wait_for(lambda: told(tmp_path, "begin"))
    other = start(tmp_path, 2, 0)
    wait_for(lambda: told(tmp_path, "end"))
    time.sleep(1.5)  # the other one waits, for the first one lives
    assert other.poll() is None
    assert [lr for lr, _ in told(tmp_path, "begin")] == lrs(2)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert sorted(lr for lr, _ in ranking(other)) == lrs(2)
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(2), 1)


@pytest.mark.skipif("LR_CALLBACKS_TEST_DATABASE" not in os.environ, reason="names no database server to test with")
def test_two_workers_on_a_database_server_run_each_point_once(tmp_path):
    """Needs an empty database, such as LR_CALLBACKS_TEST_DATABASE=postgresql+psycopg2://me:secret@localhost/empty."""
    workers = [start(tmp_path, 12, 0.3, os.environ["LR_CALLBACKS_TEST_DATABASE"]) for _ in range(2)]
    first, second = [ranking(worker) for worker in workers]
    assert first == second
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(12), 1)
    assert {pid for _, pid in told(tmp_path, "begin")} == {worker.pid for worker in workers}


def test_a_second_worker_on_sqlite_is_refused_and_the_first_one_finishes(tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    first = start(tmp_path, 2, -1, storage)
    wait_for(lambda: told(tmp_path, "begin"))
    (tmp_path / "elsewhere").mkdir()  # another folder, the same database
    second = start(tmp_path / "elsewhere", 2, 0, storage)
    _, errors = second.communicate(timeout=200)
    (tmp_path / "go").touch()
    assert second.returncode != 0
    assert "ValueError: storage must not be SQLite for several workers" in errors
    assert sorted(lr for lr, _ in ranking(first)) == lrs(2)
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(2), 1)
