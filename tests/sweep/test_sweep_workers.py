"""Several workers on one sweep, workers that are killed, and a database that restarts: real processes."""

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from mariadb import MariaDB
from postgres import Server
from processes import start
from sweep_worker import lrs, search, work


def start_worker(folder, points, seconds, storage=None, **options):
    return start(work, str(folder), points, seconds, storage, options)


def outcome(worker, folder):
    """What a worker leaves behind, once it has ended."""
    worker.join(timeout=200)
    assert worker.exitcode == 0
    return json.loads(Path(folder, f"{worker.pid}.json").read_text())


def ranking(worker, folder):
    """What a worker returns, once it has ended."""
    came = outcome(worker, folder)
    assert "ranking" in came, came
    return came["ranking"]


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


@pytest.fixture(params=["file", "postgresql", pytest.param("mariadb", marks=pytest.mark.nightly)])
def server(request):
    """What keeps the study: a file in the folder of the sweep, or a server."""
    if request.param == "file":
        yield None
        return
    server = {"postgresql": Server, "mariadb": MariaDB}[request.param]()
    yield server
    server.remove()


def test_two_workers_run_each_of_twelve_points_once_and_both_know_the_whole_ranking(tmp_path, server):
    workers = [start_worker(tmp_path, 12, 0.3, server and server.url) for _ in range(2)]
    first, second = [ranking(worker, tmp_path) for worker in workers]
    assert Counter(lr for lr, _ in told(tmp_path, "begin")) == dict.fromkeys(lrs(12), 1)
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(12), 1)
    assert {pid for _, pid in told(tmp_path, "begin")} == {worker.pid for worker in workers}
    assert first == second
    assert sorted(lr for lr, _, _ in first) == lrs(12)


def test_a_sweep_that_is_killed_in_a_trial_continues_to_the_ranking_of_one_that_never_stopped(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = search(tmp_path / "whole", 4)
    killed = start_worker(tmp_path, 4, 1.5)
    wait_for(lambda: len(told(tmp_path, "begin")) == 2)
    kill(killed)
    assert len(told(tmp_path, "end")) == 1
    again = outcome(start_worker(tmp_path, 4, 0), tmp_path)
    assert again["ranking"] == whole
    begun = [lr for lr, _ in told(tmp_path, "begin")]
    assert Counter(begun) == {**dict.fromkeys(lrs(4), 1), lrs(4)[1]: 2}
    assert begun[-1] == lrs(4)[1]  # after the others, which need no waiting
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(4), 1)
    assert "lr 0.004, seed 0: the process was killed once; trying again after the others" in again["said"]


def test_a_worker_repeats_what_another_left_behind_when_it_was_killed_and_not_what_a_living_one_runs(tmp_path):
    killed = start_worker(tmp_path, 2, 60)
    wait_for(lambda: told(tmp_path, "begin"))
    other = start_worker(tmp_path, 2, 0)
    wait_for(lambda: told(tmp_path, "end"))
    time.sleep(5.5)  # more than the grace period; the first one is alive
    assert other.is_alive()
    assert [lr for lr, _ in told(tmp_path, "begin")] == lrs(2)
    kill(killed)
    came = outcome(other, tmp_path)
    assert sorted(lr for lr, _, _ in came["ranking"]) == lrs(2)
    assert Counter(lr for lr, _ in told(tmp_path, "end")) == dict.fromkeys(lrs(2), 1)
    assert "Waiting for 1 training on " in came["said"]


def test_a_worker_that_was_paused_and_taken_for_dead_loses_nothing_and_counts_nothing_twice(tmp_path):
    paused = start_worker(tmp_path, 2, -1)
    wait_for(lambda: told(tmp_path, "begin"))
    os.kill(paused.pid, signal.SIGSTOP)
    other = start_worker(tmp_path, 2, 0)
    assert sorted(lr for lr, _, count in ranking(other, tmp_path) if count == 1) == lrs(2)
    os.kill(paused.pid, signal.SIGCONT)
    (tmp_path / "go").touch()
    came = outcome(paused, tmp_path)
    assert came["ranking"] == ranking(other, tmp_path)
    assert "lr 0.002, seed 0: another worker has already trained it; this result is dropped" in came["said"]


@pytest.mark.parametrize(
    ("points", "crew", "kills"), [(6, 3, 6), pytest.param(24, 4, 25, marks=pytest.mark.nightly)], ids=["few", "many"]
)
def test_of_many_killed_workers_nothing_is_lost_and_nothing_counts_twice(tmp_path, server, points, crew, kills):
    """On a server, that is also restarted once."""
    (tmp_path / "whole").mkdir()
    whole = search(tmp_path / "whole", points, seeds=2)
    options = {"storage": server and server.url, "seeds": 2, "max_deaths": kills + 1}
    draw = random.Random(0)
    workers = [start_worker(tmp_path, points, 0.4, **options) for _ in range(crew)]
    for kill in range(kills):
        time.sleep(draw.uniform(0, 0.8))
        if server and kill == kills // 2:
            server.restart()
        victim = draw.randrange(crew)
        workers[victim].kill()
        workers[victim].join()
        workers[victim] = start_worker(tmp_path, points, 0.4, **options)
    ends = [outcome(worker, tmp_path) for worker in workers]
    late = [end for end in ends if "storage must be reachable" in end.get("error", "")]  # began while it was down
    assert [end.get("ranking", end) for end in ends if end not in late] == [whole] * (crew - len(late))
    assert len(late) < crew if server else not late
    left = {path.name for path in (tmp_path / "sweep").iterdir()}
    assert left <= {"study.db", "sweep.lock"}


def test_a_database_that_restarts_in_mid_training_gets_the_result_when_it_is_back(tmp_path):
    server = Server()
    try:
        worker = start_worker(tmp_path, 3, -1, server.url)
        wait_for(lambda: told(tmp_path, "begin"))
        server.stop()
        (tmp_path / "go").touch()
        wait_for(lambda: told(tmp_path, "end"))
        time.sleep(1.5)
        assert worker.is_alive()
        server.start()
        came = outcome(worker, tmp_path)
        assert len(came["ranking"]) == 3
        assert Counter(lr for lr, _ in told(tmp_path, "begin")) == dict.fromkeys(lrs(3), 1)
        assert "(OperationalError); trying again" in came["said"]  # the driver's words may show a password
        assert came["said"].count("trying again for up to 10 minutes. Finished trainings are kept.") == 1
        assert "secret" not in came["said"]
    finally:
        server.remove()
