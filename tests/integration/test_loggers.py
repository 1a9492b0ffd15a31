"""What reaches each logger: the LRs, the range test, and the schedules as hyper-parameters."""

import csv
import importlib.util

import pytest
import yaml
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from support import Net, fit

from lr_callbacks import (
    CosineAnnealing,
    LRMonitor,
    LRRangeTest,
    MultiStepDecay,
    StretchPlan,
    TorchScheduler,
    Warmup,
    preview,
)
from lr_callbacks.__main__ import main

EXPECTED = {
    "lr_schedules": "Warmup(duration=2), CosineAnnealing(eta_min=0.001)",
    "lr_schedule/Warmup/duration": 2,
    "lr_schedule/CosineAnnealing/eta_min": 0.001,
}
LRS = preview([Warmup(2), CosineAnnealing(eta_min=0.001)], 0.1, total_steps=10)[:, 0].tolist()


def train(*loggers, batches=10, more=()):
    callbacks = [Warmup(2), CosineAnnealing(eta_min=0.001), LRMonitor(), *more]
    fit(*callbacks, module=Net(), batches=batches, logger=list(loggers), log_every_n_steps=1)


def of_csv(folder):
    rows = list(csv.DictReader((folder / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    return [float(row["lr/SGD"]) for row in rows if row.get("lr/SGD")]


def hparams(folder):
    return yaml.safe_load((folder / "hparams.yaml").read_text(encoding="utf-8"))


def test_several_loggers_each_get_lrs_and_schedules(tmp_path):
    table, board = CSVLogger(tmp_path, "table"), TensorBoardLogger(tmp_path, "board")
    train(table, board)
    assert of_csv(tmp_path / "table/version_0") == pytest.approx(LRS)
    assert hparams(tmp_path / "table/version_0") == hparams(tmp_path / "board/version_0") == EXPECTED


def test_the_hyper_parameters_of_the_module_are_kept(tmp_path):
    class WithOwn(Net):
        def __init__(self, width=3):
            super().__init__()
            self.save_hyperparameters()

    for logger in (CSVLogger(tmp_path, "table"), TensorBoardLogger(tmp_path, "board")):
        fit(Warmup(2), Warmup(3, groups=0, optimizer=0), module=WithOwn(), logger=logger)
        found = hparams(tmp_path / logger.name / "version_0")
        assert (found["width"], found["lr_schedule/Warmup/duration"], found["lr_schedule/Warmup 2/duration"]) == (
            3,
            2,
            3,
        )


def test_lists_and_schedulers_are_written_in_words(tmp_path):
    fit(MultiStepDecay([2, "50%"]), TorchScheduler("StepLR", step_size=3), logger=CSVLogger(tmp_path, "table"))
    found = hparams(tmp_path / "table/version_0")
    assert found["lr_schedule/MultiStepDecay/milestones"] == "[2, '50%']"
    assert found["lr_schedule/TorchScheduler/scheduler"] == "StepLR(step_size=3)"


def test_what_changes_the_schedules_is_written_too(tmp_path):
    fit(StretchPlan(20), Warmup(4), logger=CSVLogger(tmp_path, "table"))
    found = hparams(tmp_path / "table/version_0")
    assert found["lr_schedules"] == "StretchPlan(planned_for=20), Warmup(duration=4)"
    assert found["lr_schedule/StretchPlan/planned_for"] == 20


def test_without_schedules_nothing_is_written(tmp_path):
    fit(LRMonitor(), logger=CSVLogger(tmp_path, "table"))
    assert not [path for path in tmp_path.rglob("hparams.yaml") if "lr_schedule" in path.read_text(encoding="utf-8")]


class Refuses(CSVLogger):
    def log_hyperparams(self, params=None):
        raise RuntimeError("Changing param values is not allowed.\nmore")


def test_a_logger_that_refuses_them_is_named_and_the_training_goes_on(tmp_path):
    with pytest.warns(UserWarning, match=r"Refuses did not take the LR schedules .*not allowed\.\);"):
        fit(Warmup(2), logger=Refuses(tmp_path, "table"))


def test_the_range_test_leaves_curve_suggestion_and_figure_in_the_table(tmp_path):
    test = LRRangeTest(num_steps=20, max_lr=1.0)
    train(CSVLogger(tmp_path, "table"), batches=30, more=[test])
    folder = tmp_path / "table/version_0"
    assert (folder / "range_test.csv").read_text(encoding="utf-8") == test.result.to_csv()
    assert (folder / "range_test.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((folder / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    assert [float(row["range_test/suggestion"]) for row in rows if row["range_test/suggestion"]] == [
        pytest.approx(test.result.suggestion)
    ]


def test_mlflow_in_a_file_store(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    test = LRRangeTest(num_steps=20, max_lr=1.0)
    logger = MLFlowLogger("lrs", tracking_uri=(tmp_path / "mlruns").as_uri())
    train(logger, CSVLogger(tmp_path, "table"), batches=30, more=[test])
    run = logger.experiment.get_run(logger.run_id)
    assert {name: run.data.params[name] for name in EXPECTED} == {name: str(value) for name, value in EXPECTED.items()}
    logged = logger.experiment.get_metric_history(logger.run_id, "lr/SGD")
    assert [entry.value for entry in logged] == pytest.approx(of_csv(tmp_path / "table/version_0"))
    assert run.data.metrics["range_test/suggestion"] == pytest.approx(test.result.suggestion)
    files = {entry.path for entry in logger.experiment.list_artifacts(logger.run_id)}
    assert {"range_test.csv", "range_test.png"} <= files


def test_wandb_offline(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    test = LRRangeTest(num_steps=20, max_lr=1.0)
    logger = WandbLogger("lrs", save_dir=tmp_path, offline=True)
    train(logger, batches=30, more=[test])
    assert {name: logger.experiment.config[name] for name in EXPECTED} == EXPECTED
    assert logger.experiment.summary["lr/SGD"] > 0
    assert logger.experiment.summary["range_test/suggestion"] == pytest.approx(test.result.suggestion)
    wandb.finish()
    media = {path.suffix for path in tmp_path.rglob("media/**/*") if path.is_file()}
    assert {".json", ".png"} <= media


@pytest.mark.parametrize(("logger", "package"), [("CometLogger", "comet_ml"), ("WandbLogger", "wandb")])
def test_a_logger_whose_package_is_missing_is_one_line(logger, package, workplace, capsys):
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(SystemExit) as ended:
        main(["fit", f"--trainer.logger={logger}", "--trainer.max_epochs=1"])
    said = f"{capsys.readouterr().err}{ended.value.code}"
    assert len(said.splitlines()) == 1
    assert said.startswith("error: ")
    assert package.partition("_")[0] in said
