"""The storage of a sweep: no secret is shown, nothing in it is trusted, and a failure of it loses no training."""

import json
import socket
import sqlite3
import warnings

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from processes import context
from sqlalchemy.exc import DatabaseError
from support import Net
from sweep_support import Search, fails

from lr_callbacks.sweep import storage as storage_module
from lr_callbacks.sweep import work
from lr_callbacks.sweep.ledger import Slot
from lr_callbacks.sweep.storage import HeartbeatStorage, open_storage, shown
from lr_callbacks.sweep.work import Worker

SECRET = "s3cr3t"
URLS = [
    f"postgresql://me:{SECRET}@127.0.0.1:1/db",
    f"postgresql+psycopg2://me:{SECRET}@127.0.0.1:1/db",
    f"mysql+pymysql://:{SECRET}@127.0.0.1:1/db",
    f"postgresql://me:a@{SECRET}@127.0.0.1:1/db",
    f"postgresql://me:a/{SECRET}#?@127.0.0.1:1/db",
    f"postgresql://me:a%40{SECRET}@127.0.0.1:1/db",
    f"postgresql://127.0.0.1:1/db?user=me&password={SECRET}",
    f"mysql://me@127.0.0.1:1/db?ssl_key={SECRET}&sslpassword={SECRET}",
    f"postgresql://me:{SECRET}",
    f"postgresql:me:{SECRET}@127.0.0.1/db",
    f"jdbc:postgresql://127.0.0.1:1/db?password={SECRET}",
    f"postgres://me:{SECRET}@[::1]:port/db",
]


@pytest.mark.parametrize("url", URLS)
def test_no_form_of_a_url_shows_its_password(tmp_path, url):
    assert SECRET not in shown(url)
    with pytest.raises(ValueError, match="storage must be reachable, got '") as caught:
        Search(tmp_path)({"lr": [0.1]}, storage=url)
    chain = [caught.value]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    assert all(SECRET not in str(error) for error in chain)
    assert caught.value.__suppress_context__
    assert all(SECRET not in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_the_command_shows_no_password_either(workplace, capsys):
    for url in URLS[:4]:
        assert SECRET not in fails(capsys, "sweep", "--lr", "0.1", f"--storage={url}")
    assert all(SECRET not in path.read_text() for path in workplace.rglob("*") if path.is_file())


def attributes(folder, table="trial_user_attributes"):
    return sqlite3.connect(folder / "study.db"), f"UPDATE {table} SET value_json = ? WHERE key = ?"


@pytest.mark.parametrize(
    "forged",
    [
        json.dumps([{"lr": {"class_path": "os.system"}}, 0, 0]),
        json.dumps([{"lr": 0.5}, 0, 0]),
        '["lr"]',
        '{"class_path": "os.system"}',
        "1",
    ],
)
def test_a_point_never_comes_from_the_storage(tmp_path, forged):
    search = Search(tmp_path)
    search({"lr": [0.01]})
    database, update = attributes(tmp_path)
    database.execute(update, (json.dumps(forged) if forged.startswith("[{") else forged, "slot"))
    database.commit()
    table = search({"lr": [0.01]})
    assert [row.point for row in table.rows] == [{"lr": 0.01}]
    assert [point["lr"] for point in search.built] == [0.01, 0.01]  # what cannot be believed is trained again


@pytest.mark.parametrize(
    "forged",
    [[], "x", {"epochs": -1, "seconds": 1, "run": ""}, {"epochs": 1, "seconds": "x", "run": ""},
     {"epochs": 1, "seconds": 1, "run": {"class_path": "os.system"}}],
)  # fmt: skip
def test_facts_that_no_worker_writes_are_not_believed(tmp_path, forged):
    search = Search(tmp_path)
    table = search({"lr": [0.01]})
    database, update = attributes(tmp_path)
    database.execute(update, (json.dumps(forged), "result"))
    database.commit()
    assert search({"lr": [0.01]}).rows[0].values == table.rows[0].values
    assert len(search.built) == 2


def test_what_a_sampler_chose_must_be_one_of_the_axes(tmp_path):
    search = Search(tmp_path, sampler="random", trials=2)
    axes = {"lr": [0.01, 0.1], "name": ["a", "b"]}
    search(axes)
    database = sqlite3.connect(tmp_path / "study.db")
    database.execute("UPDATE trial_params SET param_value = 5.0 WHERE param_name = 'lr' AND trial_id = 2")
    database.commit()
    ranked = search(axes)
    assert len(search.built) == 3
    assert all(0.01 <= row.point["lr"] <= 0.1 for row in ranked.rows)
    database.execute("UPDATE trial_params SET distribution_json = replace(distribution_json, '\"a\"', '\"os.system\"')")
    database.execute("UPDATE trial_params SET param_value = 0 WHERE param_name = 'name'")
    database.commit()
    with pytest.raises(ValueError, match="does not support dynamic value space"):
        search(axes)
    assert len(search.built) == 3


@pytest.mark.parametrize("forged", ["x", -1.0, [0.1, "x", 1.0], [{"class_path": "a"}], [float("nan")]])
def test_a_forged_suggestion_is_none(tmp_path, forged):
    search = Search(tmp_path)
    search({"lr": [0.01]}, suggest=lambda: 0.05)
    assert search({"lr": [0.01]}).suggestion == 0.05
    optuna.load_study(storage=f"sqlite:///{tmp_path}/study.db", study_name="sweep").set_user_attr("suggestion", forged)
    table = search({"lr": [0.01]})
    assert table.interval is None
    assert table.suggestion in (None, 0.1)


@pytest.mark.parametrize("method", ["set_trial_state_values", "set_trial_user_attr", "get_trial"])
def test_a_training_is_kept_while_the_storage_fails_and_written_when_it_is_back(tmp_path, monkeypatch, capsys, method):
    failures = []
    works = getattr(HeartbeatStorage, method)
    trained = []

    class Module(Net):
        def on_train_end(self):
            trained.append(1)

    def broken(self, *args, **options):
        if trained and len(failures) < 3:
            failures.append(1)
            raise StorageInternalError("disk full")
        return works(self, *args, **options)

    monkeypatch.setattr(HeartbeatStorage, method, broken)
    monkeypatch.setattr(storage_module.time, "sleep", lambda seconds: None)
    table = Search(tmp_path, module=Module)({"lr": [0.01]})
    assert (len(trained), len(failures), table.rows[0].state) == (1, 3, "complete")
    said = capsys.readouterr().out
    assert said.count("The storage of the sweep fails (StorageInternalError); trying again for up to 10 minutes.") == 1


def test_a_storage_that_stays_broken_ends_the_sweep_when_the_patience_is_over(tmp_path, monkeypatch):
    def broken(self, *args, **options):
        raise StorageInternalError("disk full")

    monkeypatch.setattr(Worker, "_step", broken)
    monkeypatch.setattr(storage_module, "PATIENCE_SECONDS", 1.5)
    with pytest.raises(
        StorageInternalError, match=r"still fails \(StorageInternalError\)\. Finished trainings are"
    ) as end:
        Search(tmp_path)({"lr": [0.01]})
    assert end.value.__suppress_context__  # it may show a password


def test_a_full_disk_is_named(tmp_path, monkeypatch, capsys):
    def full(self, *args, **options):
        raise StorageInternalError from DatabaseError("INSERT", None, sqlite3.OperationalError("database is full"))

    monkeypatch.setattr(Worker, "_step", full)
    monkeypatch.setattr(storage_module, "PATIENCE_SECONDS", -1)
    with pytest.raises(StorageInternalError, match=r"still fails \(database is full\)"):
        Search(tmp_path)({"lr": [0.01]})
    assert "The storage of the sweep fails (database is full); trying again" in capsys.readouterr().out


def test_a_journal_of_optunas_is_used_as_it_is_and_cannot_tell_which_worker_died(tmp_path, monkeypatch, capsys):
    store = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal")))
    search = Search(tmp_path / "one", storage=store)
    table = search({"lr": [0.01, 0.1]})
    assert search({"lr": [0.01, 0.1]}) == table
    assert len(search.built) == 2
    study = optuna.load_study(storage=store, study_name="one")
    study.enqueue_trial({}, user_attrs={"slot": Slot({"lr": 0.2}, 0).key})
    study.ask().set_user_attr("host", "gone")  # killed here

    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(work.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        search({"lr": [0.2]})
    monkeypatch.undo()
    assert (
        "Waiting for 1 training on gone. If a worker has died, this storage cannot tell: stop, and call again with "
        "take_over." in capsys.readouterr().out
    )
    assert search({"lr": [0.2]}, take_over=True).rows[0].state == "complete"


def test_a_path_with_braces_and_spaces_is_a_path(tmp_path):
    path = tmp_path / "a {b} c%40"
    open_storage(path)
    assert path.is_file()


def test_the_key_of_a_slot_tells_types_apart():
    assert len({Slot({"a": value}, 0).key for value in (1, 1.0, "1", True, None)}) == 5


def test_workers_share_a_sweep_through_optunas_grpc_proxy(tmp_path):
    pytest.importorskip("grpc")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = context.Process(target=serve, args=(str(tmp_path / "s.db"), port), daemon=True)
    server.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            proxy = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=port)
        proxy.wait_server_ready(timeout=60)
        search = Search(tmp_path / "one", storage=proxy)
        table = search({"lr": [0.01, 0.1]})
        assert [row.state for row in table.rows] == ["complete"] * 2
        assert search({"lr": [0.01, 0.1]}) == table
        assert len(search.built) == 2
        proxy.close()
    finally:
        server.terminate()
        server.join()


def serve(path, port):
    warnings.simplefilter("ignore")
    optuna.storages.run_grpc_proxy_server(open_storage(path), host="127.0.0.1", port=port)
