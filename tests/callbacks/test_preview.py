"""A preview is what fit does, step by step; its picture, its CSV and its chart show it."""

from __future__ import annotations

import csv
import importlib.util
import re

import pytest
from support import Net, fit, sgd
from torch.optim import lr_scheduler
from torch_schedulers import CASES, IDS

from lr_callbacks import SGDR, OneCycle, ReduceLROnPlateau, TorchScheduler, Warmup, preview
from lr_callbacks.plotting import terminal_chart, write_csv, write_picture

LRS, BATCHES, EPOCHS = (0.1, 0.02), 4, 5
METRICS = [1.0, 1.0, 0.9, 0.95, 0.95]

CALLBACKS = {
    "warm-up": lambda: [Warmup("30%")],
    "one-cycle": lambda: [OneCycle(max_lr=0.3)],
    "linear one-cycle": lambda: [OneCycle(anneal_strategy="linear", three_phase=True)],
    "sgdr after warm-up": lambda: [SGDR("1 epochs", T_mult=2, eta_min=0.001), Warmup(3)],
    "plateau": lambda: [ReduceLROnPlateau("scripted", patience=0, factor=0.5, min_lr=0.01)],
    "plateau on sgdr": lambda: [SGDR(7), ReduceLROnPlateau("scripted", patience=0, factor=0.5), Warmup(2)],
    "two groups": lambda: [SGDR(7, groups=0), OneCycle(groups=1)],
    "torch's plateau": lambda: [
        TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="scripted", patience=0, factor=0.5),
        Warmup(2),
    ],
    **{name: (lambda case=case: [TorchScheduler(**case.in_python())]) for name, case in zip(IDS, CASES, strict=True)},
    **{
        f"{name} by epoch": (lambda case=case: [TorchScheduler(interval="epoch", **case.in_python()), Warmup(3)])
        for name, case in zip(IDS, CASES, strict=True)
    },
}


@pytest.mark.parametrize("make", CALLBACKS.values(), ids=CALLBACKS.keys())
def test_a_preview_is_what_fit_does_bit_for_bit(make):
    callbacks = make()
    shown = preview(callbacks, LRS, BATCHES * EPOCHS, BATCHES, metrics=METRICS)
    recorder = fit(*callbacks, module=Net(sgd(LRS), METRICS), batches=BATCHES, max_epochs=EPOCHS, val=True)
    assert shown.tolist() == recorder.lrs[0]


def test_a_preview_after_a_fit_starts_from_the_beginning_and_leaves_the_callbacks_as_they_are():
    plateau = ReduceLROnPlateau("scripted", patience=0, factor=0.5)
    before = preview([plateau], 0.1, 8, 2, metrics=[1.0] * 4)
    fit(plateau, module=Net(metrics=[1.0] * 4), batches=2, max_epochs=4, val=True)
    learnt = plateau.state
    assert preview([plateau], 0.1, 8, 2, metrics=[1.0] * 4).tolist() == before.tolist()
    assert plateau.state is learnt
    assert learnt.num_reductions == 3


def test_names_choose_groups_and_other_optimizers_are_passed_over():
    lrs = preview([Warmup(2, start_factor=0.5, groups="head"), SGDR(2, optimizer=1)], {"body": 0.1, "head": 0.2}, 3)
    assert lrs.tolist() == [[0.1, 0.1], [0.1, pytest.approx(0.15)], [0.1, 0.2]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 0.1, 0), "total_steps must be at least 1, got 0"),
        (([], [], 5), "base_lrs must be one LR at least, got []"),
        (([], -0.1, 5), "base_lrs must be at least 0, got -0.1"),
        (
            ([TorchScheduler("StepLR", "epoch", step_size=1)], 0.1, 5),
            "steps_per_epoch must be given for TorchScheduler(",
        ),
        (([ReduceLROnPlateau("loss")], 0.1, 5), "steps_per_epoch must be given where metrics are"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    metrics = [1.0] if "metrics" in message else []
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        preview(*arguments, metrics=metrics)


def test_the_csv_holds_every_step_in_full_precision(tmp_path):
    lrs = preview([OneCycle()], 0.1, 7)[:, 0].tolist()
    write_csv({"one": lrs, "short": [0.5]}, tmp_path / "lrs.csv")
    rows = list(csv.DictReader((tmp_path / "lrs.csv").read_text().splitlines()))
    assert [float(row["one"]) for row in rows] == lrs
    assert [row["short"] for row in rows] == ["0.5"] + [""] * 6


def test_the_chart_marks_the_ends_of_each_curve():
    chart = terminal_chart({"down": [1.0, 0.0], "flat": [0.5, 0.5]}, width=4, height=3).splitlines()
    assert [line[12:] for line in chart[:3]] == ["●●", "○○○○", "  ●●"]
    assert chart[0].startswith("         1 │")
    assert chart[-2:] == ["● down", "○ flat"]


def test_the_picture_is_written(tmp_path):
    pytest.importorskip("matplotlib")
    write_picture({"a": [1.0, 0.1]}, tmp_path / "lrs.png", log=True)
    assert (tmp_path / "lrs.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("lr_callbacks.extras.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=re.escape('pip install "lr-callbacks[plot]"')):
        write_picture({"a": [1.0]}, tmp_path / "lrs.png")
    assert importlib.util.find_spec("lr_callbacks") is not None
